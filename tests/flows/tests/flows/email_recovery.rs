//! Back in by a code to the account's address, until its day; and not one millisecond longer.

use flows::{Answer, HandMade, PASSWORD, Person, Run, mobile, set_up, somebody, with_password, with_phone};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);
const DAY: u64 = 24 * 60 * 60;

fn retired_at() -> Timestamp {
    "2025-03-07T06:00:00Z".parse().unwrap()
}

/// A month before email ends.
async fn february() -> Run {
    let run = Run::unlimited().await;
    run.hold("2025-02-07T12:00:00Z".parse().unwrap()).await;
    run
}

async fn send(person: &Person) -> Answer {
    let body = json!({ "username": person.username });
    person.portal.post("/v1/recovery/email/send", &body).send().await
}

async fn verify(person: &Person, recovery: &Value, code: &str) -> Answer {
    let body = json!({ "recovery": recovery, "code": code });
    person.portal.post("/v1/recovery/email/verify", &body).send().await
}

/// Asks for a code. Answers the recovery and the code.
async fn sent(person: &Person) -> (Value, String) {
    let recovery = send(person).await.expect(202).json()["recovery"].clone();
    (recovery, person.portal.code_by_email(&person.email).await)
}

fn another(code: &str) -> String {
    let last = if code.ends_with('0') { '1' } else { '0' };
    format!("{}{last}", &code[..5])
}

#[track_caller]
fn assert_locked(answer: Answer, seconds: u64) {
    assert_eq!(answer.problem(429, "locked").json()["retry_after"], seconds);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_password_in_february() {
    let run = february().await;
    let mut before = with_password(&run).await;
    let code_before = before.take_code().await;
    let (recovery, code) = sent(&before).await;
    let answer = verify(&before, &recovery, &code).await.expect(200);
    assert_eq!(answer.json()["status"], "recovered");
    before.get("/v1/account").await.problem(401, "not_signed_in");
    let mut person = Person { session: answer.new_session(), ..before.clone() };
    person.post("/v1/session/token", &json!({})).await.problem(403, "set_up_required");
    person.password.clear();
    person.set_password("seven slow lanterns / 1 canal").await.expect(200);
    person.post("/v1/session/token", &json!({})).await.expect(200);
    let activity = person.get("/v1/account/activity").await.expect(200).json();
    assert_eq!(activity["events"].as_array().unwrap().iter().filter(|e| e["what"] == "recovered").count(), 1);
    // It works once.
    verify(&person, &recovery, &code).await.problem(401, "sign_in_expired");
    // The recovery code is as good as it was.
    let body = json!({ "code": code_before, "username": person.username });
    run.post("/v1/recovery/code", &body).send().await.expect(200);
}

/// T−1 ms and T, whatever began before and whatever is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_ends_at_its_instant() {
    let run = Run::unlimited().await;
    let at = retired_at();
    run.hold(at - SignedDuration::from_mins(2)).await;
    let (first, second) = (with_password(&run).await, with_password(&run).await);
    let (of_first, code_of_first) = sent(&first).await;
    let (of_second, code_of_second) = sent(&second).await;
    run.hold(at - MILLISECOND).await;
    verify(&first, &of_first, &code_of_first).await.expect(200);
    send(&first).await.expect(202);
    run.hold(at).await;
    verify(&second, &of_second, &code_of_second).await.problem(410, "email_recovery_retired");
    send(&second).await.problem(410, "email_recovery_retired");
    for path in ["/v1/recovery/email/send", "/v1/recovery/email/verify"] {
        for (kind, body) in [
            ("application/json", ""),
            ("application/json", "{"),
            ("application/json", "[]"),
            ("text/plain", "whatever"),
            ("application/json", r#"{"username":1,"username":2}"#),
        ] {
            let call = run.call(&http::Method::POST, path).bytes(kind, body.as_bytes().to_vec());
            call.send().await.problem(410, "email_recovery_retired");
        }
        run.call(&http::Method::POST, path).send().await.problem(410, "email_recovery_retired");
    }
    // Nothing was counted against anybody by then.
    run.hold(at - MILLISECOND).await;
    verify(&second, &of_second, &code_of_second).await.expect(200);
}

/// What is asked of email after its day makes no call at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_its_day_it_asks_nobody() {
    let run = Run::frozen().await;
    let person = set_up(&run).await;
    crate::faults::settled(&run).await;
    let before = run.local().toll().all_calls();
    send(&person).await.problem(410, "email_recovery_retired");
    verify(&person, &json!("re_x"), "123456").await.problem(410, "email_recovery_retired");
    assert_eq!(run.local().toll().all_calls(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_good_for_ten_minutes_and_for_its_own_recovery() {
    let run = february().await;
    let began: Timestamp = "2025-02-07T12:00:00Z".parse().unwrap();
    let (person, other) = (with_password(&run).await, with_password(&run).await);
    let (recovery, code) = sent(&person).await;
    let (others, _) = sent(&other).await;
    verify(&other, &others, &code).await.problem(401, "wrong_credentials");
    run.hold(began + SignedDuration::from_mins(10) - MILLISECOND).await;
    verify(&person, &recovery, &another(&code)).await.problem(401, "wrong_credentials");
    run.hold(began + SignedDuration::from_mins(10)).await;
    verify(&person, &recovery, &code).await.problem(401, "sign_in_expired");
    // Neither is a sign-in, nor a sign-in a recovery.
    let next = person.signed_out().send_code("text").await.expect(202).json();
    verify(&person, &next["sign_in"], &code).await.problem(401, "sign_in_expired");
    let (recovery, code) = sent(&person).await;
    let body = json!({ "sign_in": recovery, "password": PASSWORD });
    run.post("/v1/sign-in/password", &body).send().await.problem(401, "sign_in_expired");
    for shape in ["12345", "1234567", "12345a", " 123456", "\u{0661}23456"] {
        verify(&person, &recovery, shape).await.problem(400, "bad_request");
    }
    verify(&person, &recovery, &code).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_codes_are_counted_across_recoveries() {
    let run = february().await;
    let mut person = set_up(&run).await;
    let mut last = (Value::Null, String::new());
    for nth in 0..5 {
        last = sent(&person).await;
        verify(&person, &last.0, &another(&last.1)).await.problem(401, "wrong_credentials");
        run.wait(if nth < 4 { 30 } else { 1 }).await;
    }
    assert_locked(verify(&person, &last.0, &last.1).await, 59);
    assert_locked(send(&person).await, 59);
    // It is told; and nothing but time lifts it.
    let mut elsewhere = person.elsewhere().await;
    assert_locked(send(&person).await, 59);
    let activity = elsewhere.get("/v1/account/activity").await.expect(200).json();
    let locked = activity["events"].as_array().unwrap().iter().filter(|e| e["what"] == "email_code_locked");
    assert_eq!(locked.count(), 1);
    run.wait(59).await;
    verify(&person, &last.0, &last.1).await.expect(200);
    person.get("/v1/account").await.problem(401, "not_signed_in");
}

/// Five guesses are one code's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_takes_five_guesses() {
    let run = february().await;
    let person = with_password(&run).await;
    let (recovery, code) = sent(&person).await;
    for _ in 0..5 {
        verify(&person, &recovery, &another(&code)).await.problem(401, "wrong_credentials");
    }
    run.wait(60).await;
    verify(&person, &recovery, &code).await.problem(401, "wrong_credentials");
    assert_locked(verify(&person, &recovery, &code).await, 120);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_at_once_spend_it_once() {
    let run = february().await;
    let person = with_password(&run).await;
    let (recovery, code) = sent(&person).await;
    let answers = join_all((0..50).map(|_| verify(&person, &recovery, &code))).await;
    let cookies = answers.iter().filter_map(Answer::cookie).count();
    assert_eq!(cookies, 1, "{answers:?}");
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 401 | 429)), "{answers:?}");
}

/// By mailbox and by name: thirty seconds, five in an hour, ten in a day.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_often_it_is_sent() {
    let run = february().await;
    for person in [with_password(&run).await, somebody(&run)] {
        send(&person).await.expect(202);
        let refused = send(&person).await.problem(429, "too_many_requests");
        assert_eq!(refused.json()["retry_after"], 30);
        for _ in 1..5 {
            run.wait(30).await;
            send(&person).await.expect(202);
        }
        run.wait(30).await;
        let refused = send(&person).await.problem(429, "too_many_requests");
        assert_eq!(refused.json()["retry_after"], 3600 - 150);
        run.wait(DAY).await;
    }
}

/// Before any proof nothing tells whether somebody has a name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_looks_like_somebody() {
    let run = february().await;
    let known = with_password(&run).await;
    // Of one length, as the names that are sealed.
    let nobody = Person { username: "x".repeat(known.username.len()), ..somebody(&run) };
    let impossible = Person { username: "no b\u{f6}dy".to_owned(), ..somebody(&run) };
    let mut seen = Vec::new();
    for person in [&known, &nobody, &impossible] {
        let mut lines = Vec::new();
        let first = send(person).await.expect(202);
        let members: Vec<String> = first.json().as_object().unwrap().keys().cloned().collect();
        lines.push(format!("{members:?}"));
        let recovery = first.json()["recovery"].clone();
        if person.username.len() == known.username.len() {
            lines.push(format!("{}", recovery.as_str().unwrap().len()));
        } else {
            lines.push(lines_of(&seen, 1));
        }
        for _ in 0..6 {
            let answer = verify(person, &recovery, "000000").await;
            lines.push(format!("{} {}", answer.status, answer.text()));
        }
        let again = send(person).await;
        lines.push(format!("{} {}", again.status, again.text()));
        seen.push(lines);
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
    // And nothing went to anybody but the one.
    let codes = run.messages().await.into_iter().filter(|m| m["body"].as_str().unwrap().contains("get back"));
    assert!(codes.map(|message| message["to"].clone()).all(|to| to == known.email.as_str()));
}

fn lines_of(seen: &[Vec<String>], place: usize) -> String {
    seen[0][place].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_in_the_accounts_language_and_nothing_to_click() {
    let run = february().await;
    for (locale, words) in [("en-US", "is your code"), ("es-PR", "es su clave")] {
        let mut person = somebody(&run);
        let body = json!({
            "username": person.username, "email": person.email, "password": PASSWORD, "locale": locale
        });
        person.post("/v1/accounts", &body).await.expect(201);
        send(&person).await.expect(202);
        let letter = run.messages_to(&person.email).await.remove(0);
        let body = letter["body"].as_str().unwrap();
        assert!(body.contains(words) && !body.contains("http"), "{body}");
        assert_eq!(letter["kind"], "email");
    }
}

/// The person, on the way back in, is told on the phone as well as by email.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_lost_is_replaced() {
    let run = february().await;
    let before = with_phone(&run, &mobile(0)).await;
    let (recovery, code) = sent(&before).await;
    let answer = verify(&before, &recovery, &code).await.expect(200);
    let mut person = Person { session: answer.new_session(), ..before };
    // From the deadline on, what it has proven since has to be a set-up, with the code downloaded.
    run.hold(retired_at()).await;
    person.get("/v1/account").await.problem(401, "not_signed_in");
    run.hold("2025-02-07T12:30:00Z".parse().unwrap()).await;
    person.enrol(HandMade::new(&run.origin)).await;
    person.take_code().await;
    person.post("/v1/session/token", &json!({})).await.expect(200);
}
