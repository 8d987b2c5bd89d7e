//! Wrong guesses: counted before they are looked at, locked, lifted, and disabled in the end; and nobody learns
//! from any of it whether an account is there.

use std::collections::BTreeMap;

use flows::{
    Answer, HandMade, PASSWORD, Person, Portal, Run, another_code, mobile, set_up, somebody, with_app,
    with_password, with_phone,
};
use futures_util::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};

const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);
const WRONG: &str = "a wrong guess at it";
const DAY: u64 = 24 * 60 * 60;

/// One guess at the password, at another browser each time.
async fn guess(person: &Person, password: &str) -> Answer {
    Person { password: password.to_owned(), ..person.signed_out() }.by_password().await
}

#[track_caller]
fn assert_locked(answer: Answer, seconds: u64) {
    let answer = answer.problem(429, "locked");
    assert_eq!(answer.header("retry-after"), Some(seconds.to_string().as_str()), "{answer:?}");
    let body = answer.json();
    assert_eq!(body["retry_after"], seconds);
    assert_eq!(body["unlock"], json!(["passkey", "phone", "recovery_code"]));
    assert_eq!(answer.cookie(), None);
}

/// Of wrong guesses at once, five are looked at and the others refused: on a machine that has other things to do perhaps fewer,
/// for a write that took too long is sent again or given up, and has counted. The store's own races, which nothing cuts short,
/// ask for exactly five.
fn assert_five_bought(answers: Vec<Answer>) {
    let looked_at = answers.iter().filter(|answer| answer.status == 401).count();
    assert!((1..=5).contains(&looked_at), "{looked_at} were looked at");
    for answer in answers.into_iter().filter(|answer| !matches!(answer.status, 401 | 503)) {
        assert_locked(answer, 60);
    }
}

async fn guess_wrong(person: &Person, times: usize) {
    for _ in 0..times {
        guess(person, WRONG).await.problem(401, "wrong_credentials");
    }
}

/// A person with a passkey, a password and a phone.
async fn with_everything(run: &Run, number: &str) -> Person {
    let mut person = with_phone(run, number).await;
    person.enrol(HandMade::new(&run.origin)).await;
    person
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fifth_wrong_password_in_a_row_locks_for_a_minute() {
    let run = Run::frozen().await;
    let person = with_password(&run).await;
    guess_wrong(&person, 4).await;
    // A right one, and the count begins anew.
    guess(&person, PASSWORD).await.expect(200);
    guess_wrong(&person, 5).await;
    for password in [WRONG, PASSWORD] {
        assert_locked(guess(&person, password).await, 60);
    }
    run.hold(run.t0() + SignedDuration::from_millis(30_500)).await;
    assert_locked(guess(&person, PASSWORD).await, 30);
    // What was refused did not count, and prolonged nothing.
    run.hold(run.t0() + SignedDuration::from_mins(1) - MILLISECOND).await;
    assert_locked(guess(&person, PASSWORD).await, 1);
    run.hold(run.t0() + SignedDuration::from_mins(1)).await;
    guess(&person, PASSWORD).await.expect(200);
    guess_wrong(&person, 5).await;
    assert_locked(guess(&person, PASSWORD).await, 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_further_one_locks_twice_as_long_up_to_a_day() {
    let run = Run::frozen().await;
    let person = with_password(&run).await;
    guess_wrong(&person, 5).await;
    let mut now = run.t0();
    for seconds in [60, 120, 240, 480, 960, 1920, 3840, 7680, 15_360, 30_720, 61_440, DAY, DAY, DAY] {
        assert_locked(guess(&person, PASSWORD).await, seconds);
        now += SignedDuration::from_secs(i64::try_from(seconds).unwrap());
        run.hold(now - MILLISECOND).await;
        assert_locked(guess(&person, PASSWORD).await, 1);
        run.hold(now).await;
        guess_wrong(&person, 1).await;
    }
    // Time alone forgets nothing.
    run.wait(400 * DAY).await;
    guess_wrong(&person, 1).await;
    assert_locked(guess(&person, PASSWORD).await, DAY);
    run.wait(DAY).await;
    guess(&person, PASSWORD).await.expect(200);
    guess_wrong(&person, 5).await;
    assert_locked(guess(&person, PASSWORD).await, 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_count_is_the_accounts_and_not_the_browsers() {
    let run = Run::frozen().await;
    let person = with_password(&run).await;
    let name = &person.username;
    // In another spelling, in a sign-in under way, with another address and browser named in headers.
    let begun = person.signed_out().send_code("text").await.expect(202).json();
    let try_password = |body: Value| run.post("/v1/sign-in/password", &body);
    let calls = [
        try_password(json!({ "username": name.to_uppercase(), "password": WRONG })),
        try_password(json!({ "sign_in": begun["sign_in"], "password": WRONG })),
        try_password(json!({ "username": name, "password": WRONG })).header("x-forwarded-for", "203.0.113.9"),
        try_password(json!({ "username": name, "password": WRONG })).header("user-agent", "Another/1.0"),
        try_password(json!({ "username": name, "password": WRONG })).session(&person.session),
    ];
    for call in calls {
        call.send().await.problem(401, "wrong_credentials");
    }
    assert_locked(guess(&person, PASSWORD).await, 60);
    assert_locked(
        try_password(json!({ "sign_in": begun["sign_in"], "password": PASSWORD })).send().await,
        60,
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_codes_are_counted_across_codes_and_sign_ins() {
    let run = Run::frozen().await;
    let number = mobile(0);
    let person = with_phone(&run, &number).await;
    let mut stranger = person.signed_out();
    let mut last = Value::Null;
    for nth in 0..5 {
        // Each in a sign-in of its own, by a code of its own.
        let (sent, code) = run.texted(&mut stranger, &number).await;
        stranger.verify(&sent["sign_in"], &another_code(&code)).await.problem(401, "wrong_credentials");
        last = json!([sent["sign_in"], code]);
        if nth < 3 {
            run.wait(30).await;
        } else {
            run.wait(3600).await;
        }
    }
    // The last was an hour ago: the lock is over, and the next wrong one locks for two minutes.
    stranger.verify(&last[0], last[1].as_str().unwrap()).await.problem(401, "sign_in_expired");
    let (sent, code) = run.texted(&mut stranger, &number).await;
    stranger.verify(&sent["sign_in"], &another_code(&code)).await.problem(401, "wrong_credentials");
    assert_locked(stranger.verify(&sent["sign_in"], &code).await, 120);
    // No code goes out that would not be looked at.
    run.wait(60).await;
    let before = run.messages_to(&number).await.len();
    assert_locked(stranger.send_code("text").await, 60);
    assert_eq!(run.messages_to(&number).await.len(), before);
    run.wait(60).await;
    stranger.verify(&sent["sign_in"], &code).await.expect(200);
    stranger.send_code("text").await.expect(202);
}

/// Five guesses are one code's, whatever lifts the lock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_takes_five_guesses_and_no_more() {
    let run = Run::frozen().await;
    let number = mobile(1);
    let person = with_everything(&run, &number).await;
    let mut stranger = person.signed_out();
    let (sent, code) = run.texted(&mut stranger, &number).await;
    for _ in 0..5 {
        stranger.verify(&sent["sign_in"], &another_code(&code)).await.problem(401, "wrong_credentials");
    }
    assert_locked(stranger.verify(&sent["sign_in"], &code).await, 60);
    person.signed_out().sign_in().await.expect(200);
    // The lock is lifted, and the code is over.
    stranger.verify(&sent["sign_in"], &code).await.problem(401, "wrong_credentials");
    run.wait(30).await;
    let sent = stranger.send_code_in(&sent["sign_in"], "text").await.expect(202).json();
    let code = run.code_to(&number).await;
    stranger.verify(&sent["sign_in"], &code).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_by_phone_lifts_the_lock_of_the_password() {
    let run = Run::frozen().await;
    let number = mobile(2);
    let person = with_phone(&run, &number).await;
    for channel in ["text", "call"] {
        guess_wrong(&person, 5).await;
        assert_locked(guess(&person, PASSWORD).await, 60);
        let mut stranger = person.signed_out();
        let sent = stranger.send_code(channel).await.expect(202).json();
        let code = run.code_to(&number).await;
        let next = stranger.verify(&sent["sign_in"], &code).await.expect(200).json();
        let body = json!({ "sign_in": next["sign_in"], "password": PASSWORD });
        let signed_in = stranger.post("/v1/sign-in/password", &body).await.expect(200).json();
        assert_eq!(signed_in["status"], "signed_in");
        run.wait(30).await;
    }
    let mut person = person;
    let activity = person.get("/v1/account/activity").await.expect(200).json();
    let what: Vec<&Value> =
        activity["events"].as_array().unwrap().iter().map(|event| &event["what"]).collect();
    assert_eq!(what.iter().filter(|what| **what == "password_locked").count(), 2, "{what:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passkey_lifts_the_locks_of_password_and_phone() {
    let run = Run::frozen().await;
    let number = mobile(3);
    let person = with_everything(&run, &number).await;
    let mut stranger = person.signed_out();
    let (sent, code) = run.texted(&mut stranger, &number).await;
    for _ in 0..5 {
        stranger.verify(&sent["sign_in"], &another_code(&code)).await.problem(401, "wrong_credentials");
    }
    guess_wrong(&person, 5).await;
    assert_locked(stranger.verify(&sent["sign_in"], &code).await, 60);
    assert_locked(guess(&person, PASSWORD).await, 60);
    // A refused passkey lifts nothing.
    let mut body = person.signed_out().sign_in_body().await;
    body["credential"]["response"]["signature"] = json!(flows::base64url("not a signature"));
    run.post("/v1/sign-in/passkey", &body).send().await.problem(401, "wrong_credentials");
    assert_locked(guess(&person, PASSWORD).await, 60);
    person.signed_out().sign_in().await.expect(200);
    run.wait(30).await;
    person.signed_out().sign_in_by("text").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_password_leaves_the_count_of_the_phone() {
    let run = Run::frozen().await;
    let number = mobile(4);
    let person = with_phone(&run, &number).await;
    let mut stranger = person.signed_out();
    let next = stranger.by_password().await.expect(200).json();
    let sent = stranger.send_code_in(&next["sign_in"], "text").await.expect(202).json();
    let code = run.code_to(&number).await;
    for _ in 0..4 {
        stranger.verify(&sent["sign_in"], &another_code(&code)).await.problem(401, "wrong_credentials");
    }
    guess(&person, PASSWORD).await.expect(200);
    stranger.verify(&sent["sign_in"], &another_code(&code)).await.problem(401, "wrong_credentials");
    assert_locked(stranger.verify(&sent["sign_in"], &code).await, 60);
    // Nor does the password lift that lock.
    guess(&person, PASSWORD).await.expect(200);
    assert_locked(stranger.verify(&sent["sign_in"], &code).await, 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_wrong_passwords_at_once_buy_five_guesses() {
    let run = Run::frozen().await;
    let person = with_password(&run).await;
    let nobody = somebody(&run);
    for name in [person.username.clone(), nobody.username.clone()] {
        let calls = (0..200).map(|nth| {
            let name = if nth % 2 == 0 { name.clone() } else { name.to_uppercase() };
            let body = json!({ "username": name, "password": format!("guess number {nth}") });
            run.post("/v1/sign-in/password", &body).send()
        });
        assert_five_bought(join_all(calls).await);
    }
    assert_locked(guess(&person, PASSWORD).await, 60);
    run.wait(60).await;
    guess(&person, PASSWORD).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_wrong_codes_at_once_in_several_sign_ins_buy_five_guesses() {
    let run = Run::unlimited().await;
    let number = mobile(5);
    let person = with_phone(&run, &number).await;
    let mut sign_ins = Vec::new();
    for _ in 0..4 {
        let sent = person.signed_out().send_code("text").await.expect(202).json();
        sign_ins.push((sent["sign_in"].clone(), run.code_to(&number).await));
        run.wait(30).await;
    }
    let calls = (0..200).map(|nth| {
        let (sign_in, code) = &sign_ins[nth % sign_ins.len()];
        let body = json!({ "sign_in": sign_in, "code": another_code(code) });
        run.post("/v1/sign-in/phone/verify", &body).send()
    });
    assert_five_bought(join_all(calls).await);
    let (sign_in, code) = &sign_ins[3];
    assert_locked(person.signed_out().verify(sign_in, code).await, 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_right_codes_at_once_one_signs_in() {
    let run = Run::unlimited().await;
    let number = mobile(6);
    let mut person = with_phone(&run, &number).await;
    for begins_with_password in [true, false] {
        run.wait(90).await;
        let begun = if begins_with_password {
            let next = person.signed_out().by_password().await.expect(200).json();
            person.signed_out().send_code_in(&next["sign_in"], "text").await.expect(202).json()
        } else {
            person.signed_out().send_code("text").await.expect(202).json()
        };
        let body = json!({ "sign_in": begun["sign_in"], "code": run.code_to(&number).await });
        let sessions = sessions(&mut person).await;
        let answers = join_all((0..50).map(|_| run.post("/v1/sign-in/phone/verify", &body).send())).await;
        let right = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(right, 1, "{answers:?}");
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            assert!(matches!(answer.status, 401 | 429), "{answer:?}");
            assert_eq!(answer.cookie(), None);
        }
        let begun = usize::from(begins_with_password);
        assert_eq!(self::sessions(&mut person).await, sessions + begun);
    }
}

async fn sessions(person: &mut Person) -> usize {
    let listed = person.get("/v1/account/sessions").await.expect(200).json();
    listed["sessions"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_right_passwords_at_once_that_end_a_sign_in_one_does() {
    let run = Run::unlimited().await;
    let number = mobile(7);
    let mut person = with_phone(&run, &number).await;
    let sent = person.signed_out().send_code("text").await.expect(202).json();
    let code = run.code_to(&number).await;
    let next = person.signed_out().verify(&sent["sign_in"], &code).await.expect(200).json();
    let before = sessions(&mut person).await;
    let body = json!({ "sign_in": next["sign_in"], "password": PASSWORD });
    let answers = join_all((0..50).map(|_| run.post("/v1/sign-in/password", &body).send())).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert!(matches!(answer.code().as_str(), "sign_in_expired" | "locked"), "{answer:?}");
    }
    assert_eq!(sessions(&mut person).await, before + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_wrong_passwords_in_a_row_disable_it() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    person.set_password(PASSWORD).await.expect(200);
    for round in 0..20 {
        guess_wrong(&person, 5).await;
        if round < 19 {
            assert_locked(guess(&person, PASSWORD).await, 60);
            // The lock is lifted, and the count towards a hundred goes on.
            person.signed_out().sign_in().await.expect(200);
        }
    }
    // Like a lock of a day, to whoever asks.
    assert_locked(guess(&person, PASSWORD).await, DAY);
    person.sign_in().await.expect(200);
    assert_locked(guess(&person, PASSWORD).await, DAY);
    run.wait(30 * DAY).await;
    assert_locked(guess(&person, PASSWORD).await, DAY);
    let mut person = person.elsewhere().await;
    assert_locked(guess(&person, PASSWORD).await, DAY);
    let activity = person.get("/v1/account/activity").await.expect(200).json();
    assert!(activity.to_string().contains("password_disabled"), "{activity}");
    // Set anew, without the one that nobody can show to know.
    let another = "seven slow lanterns / 1 canal";
    person
        .put("/v1/account/password", &json!({ "password": another, "current": PASSWORD }))
        .await
        .expect(200);
    guess(&person, PASSWORD).await.problem(401, "wrong_credentials");
    guess(&person, another).await.expect(200);
}

/// Without `current`, too: the contract asks for it where there is a password to know.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disabled_password_is_set_anew_without_it() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    person.set_password(PASSWORD).await.expect(200);
    let wrong = json!({ "password": "seven slow lanterns / 1 canal", "current": WRONG });
    for _ in 0..20 {
        for _ in 0..5 {
            person.put("/v1/account/password", &wrong).await.problem(401, "wrong_credentials");
        }
        person.sign_in().await.expect(200);
    }
    assert_locked(guess(&person, PASSWORD).await, DAY);
    let anew = json!({ "password": "seven slow lanterns / 1 canal" });
    person.put("/v1/account/password", &anew).await.expect(200);
    guess(&person, "seven slow lanterns / 1 canal").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_wrong_codes_in_a_row_disable_the_phone_until_it_is_added_anew() {
    let run = Run::unlimited().await;
    let number = mobile(8);
    let mut person = with_everything(&run, &number).await;
    let mut stranger = person.signed_out();
    let (sent, code) = run.texted(&mut stranger, &number).await;
    for _ in 0..20 {
        for _ in 0..5 {
            stranger.verify(&sent["sign_in"], &another_code(&code)).await.problem(401, "wrong_credentials");
        }
        person.sign_in().await.expect(200);
    }
    assert_locked(stranger.verify(&sent["sign_in"], &code).await, DAY);
    run.wait(2 * DAY).await;
    assert_locked(stranger.send_code("text").await, DAY);
    person.sign_in().await.expect(200);
    let activity = person.get("/v1/account/activity").await.expect(200).json();
    assert!(activity.to_string().contains("phone_disabled"), "{activity}");
    person.add_phone(&number, "text").await;
    run.wait(30).await;
    person.signed_out().sign_in_by("text").await.expect(200);
}

async fn guess_wrong_codes(person: &Person, times: usize) {
    let wrong = person.wrong_app_code().await;
    for _ in 0..times {
        person.signed_out().by_app(&wrong).await.problem(401, "wrong_credentials");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_codes_of_an_app_lock_as_wrong_passwords_do() {
    let run = Run::frozen().await;
    let mut person = with_app(&run, &mobile(12)).await;
    guess_wrong_codes(&person, 4).await;
    let code = person.app_code().await;
    let next = person.signed_out().by_app(&code).await.expect(200).json();
    // A code that was used is a wrong one, as any other; the count began anew.
    for _ in 0..3 {
        person.signed_out().by_app(&code).await.problem(401, "wrong_credentials");
    }
    guess_wrong_codes(&person, 1).await;
    // In a sign-in under way, too.
    let wrong = person.wrong_app_code().await;
    person.signed_out().by_app_in(&next["sign_in"], &wrong).await.problem(401, "wrong_credentials");
    let locked = run.now().await;
    run.hold(locked + SignedDuration::from_secs(60) - MILLISECOND).await;
    let code = person.app_code().await;
    assert_locked(person.signed_out().by_app(&code).await, 1);
    assert_locked(person.signed_out().by_app_in(&next["sign_in"], &code).await, 1);
    run.hold(locked + SignedDuration::from_secs(60)).await;
    guess_wrong_codes(&person, 1).await;
    assert_locked(person.signed_out().by_app(&code).await, 120);
    run.wait(120).await;
    let code = person.app_code().await;
    person.signed_out().by_app(&code).await.expect(200);
    let activity = person.get("/v1/account/activity").await.expect(200).json();
    assert_eq!(activity.to_string().matches("authenticator_locked").count(), 1, "{activity}");
}

/// A phone and a passkey lift the app's lock; a password does not, and the app lifts nobody else's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lifts_the_lock_of_an_app() {
    let run = Run::unlimited().await;
    let number = mobile(13);
    let mut person = with_app(&run, &number).await;
    person.enrol(HandMade::new(&run.origin)).await;
    person.set_password(PASSWORD).await.expect(200);
    guess_wrong_codes(&person, 5).await;
    guess(&person, PASSWORD).await.expect(200);
    let code = person.app_code().await;
    assert_locked(person.signed_out().by_app(&code).await, 60);
    person.signed_out().sign_in().await.expect(200);
    person.signed_out().by_app(&code).await.expect(200);
    run.wait(30).await;

    guess_wrong_codes(&person, 5).await;
    let code = person.app_code().await;
    assert_locked(person.signed_out().by_app(&code).await, 60);
    let mut stranger = person.signed_out();
    let sent = stranger.send_code("text").await.expect(202).json();
    let next = stranger.verify(&sent["sign_in"], &run.code_to(&number).await).await.expect(200).json();
    // Nor does the app lift a password's lock, or a phone's.
    guess_wrong(&person, 5).await;
    let signed_in = stranger.by_app_in(&next["sign_in"], &code).await.expect(200).json();
    assert_eq!(signed_in["status"], "signed_in");
    assert_locked(guess(&person, PASSWORD).await, 60);
    run.wait(60).await;
    let sent = stranger.send_code("text").await.expect(202).json();
    let sent_code = run.code_to(&number).await;
    for _ in 0..5 {
        stranger.verify(&sent["sign_in"], &another_code(&sent_code)).await.problem(401, "wrong_credentials");
    }
    let code = person.app_code().await;
    person.signed_out().by_app(&code).await.expect(200);
    assert_locked(stranger.verify(&sent["sign_in"], &sent_code).await, 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_wrong_codes_of_an_app_at_once_buy_five_guesses() {
    let run = Run::frozen().await;
    let person = with_app(&run, &mobile(14)).await;
    let wrong = person.wrong_app_code().await;
    for name in [person.username.clone(), somebody(&run).username] {
        let calls = (0..200).map(|nth| {
            let name = if nth % 2 == 0 { name.clone() } else { name.to_uppercase() };
            run.post("/v1/sign-in/authenticator", &json!({ "username": name, "code": wrong })).send()
        });
        assert_five_bought(join_all(calls).await);
    }
    let code = person.app_code().await;
    assert_locked(person.signed_out().by_app(&code).await, 60);
    run.wait(60).await;
    let code = person.app_code().await;
    person.signed_out().by_app(&code).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_wrong_codes_in_a_row_disable_the_app_until_it_is_enrolled_anew() {
    let run = Run::unlimited().await;
    let mut person = with_app(&run, &mobile(15)).await;
    person.enrol(HandMade::new(&run.origin)).await;
    for _ in 0..20 {
        guess_wrong_codes(&person, 5).await;
        person.sign_in().await.expect(200);
    }
    let code = person.app_code().await;
    assert_locked(person.signed_out().by_app(&code).await, DAY);
    run.wait(2 * DAY).await;
    let code = person.app_code().await;
    assert_locked(person.signed_out().by_app(&code).await, DAY);
    person.session = String::new();
    person.sign_in().await.expect(200);
    let activity = person.get("/v1/account/activity").await.expect(200).json();
    assert!(activity.to_string().contains("authenticator_disabled"), "{activity}");
    // It is no way in, and not gone: a new one takes its place.
    person.add_app().await;
    run.wait(30).await;
    let code = person.app_code().await;
    person.signed_out().by_app(&code).await.expect(200);
}

/// What a stranger sees of one name, step by step: what differs by chance is taken out.
#[derive(Default)]
struct Seen {
    name: Value,
    sign_in: Value,
    lines: Vec<String>,
}

impl Seen {
    fn note(&mut self, step: &str, answer: &Answer) {
        let mut headers: BTreeMap<String, String> = answer
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        for name in ["x-request-id", "date"] {
            assert!(headers.remove(name).is_some(), "{answer:?}");
        }
        let mut body = answer.json();
        if let Some(sign_in) = body.get_mut("sign_in") {
            *sign_in = json!(format!("{} characters", sign_in.as_str().unwrap().len()));
        }
        self.lines.push(format!("{step}: {} {headers:?} {body}", answer.status));
    }

    async fn password(&mut self, portal: &Portal, step: &str) {
        let body = json!({ "username": self.name, "password": WRONG });
        self.note(step, &portal.post("/v1/sign-in/password", &body).send().await);
    }

    async fn send(&mut self, portal: &Portal, step: &str, channel: &str) {
        let body = json!({ "username": self.name, "channel": channel });
        let answer = portal.post("/v1/sign-in/phone/send", &body).send().await;
        if answer.status == 202 {
            self.sign_in = answer.json()["sign_in"].clone();
        }
        self.note(step, &answer);
    }

    async fn send_again(&mut self, portal: &Portal, step: &str, channel: &str) {
        let body = json!({ "sign_in": self.sign_in, "channel": channel });
        self.note(step, &portal.post("/v1/sign-in/phone/send", &body).send().await);
    }

    async fn password_in(&mut self, portal: &Portal, step: &str) {
        let body = json!({ "sign_in": self.sign_in, "password": WRONG });
        self.note(step, &portal.post("/v1/sign-in/password", &body).send().await);
    }

    async fn verify(&mut self, portal: &Portal, step: &str, code: &str) {
        let body = json!({ "sign_in": self.sign_in, "code": code });
        self.note(step, &portal.post("/v1/sign-in/phone/verify", &body).send().await);
    }

    async fn app(&mut self, portal: &Portal, step: &str) {
        let body = json!({ "username": self.name, "code": "000000" });
        self.note(step, &portal.post("/v1/sign-in/authenticator", &body).send().await);
    }

    async fn app_in(&mut self, portal: &Portal, step: &str) {
        let body = json!({ "sign_in": self.sign_in, "code": "000000" });
        self.note(step, &portal.post("/v1/sign-in/authenticator", &body).send().await);
    }
}

/// Names that are somebody's in each way, and names that are not.
async fn subjects(run: &Run) -> Vec<(&'static str, Seen)> {
    let mut landline_alone = with_password(run).await;
    landline_alone.add_phone(&flows::landline(7), "call").await;
    let mut two_phones = with_password(run).await;
    two_phones.add_phone(&mobile(9), "text").await;
    two_phones.add_phone(&flows::landline(8), "call").await;
    let ready = with_phone(run, &mobile(10)).await;
    let mut removed = with_everything(run, &mobile(11)).await;
    let phone = removed.account().await["methods"]["phones"][0]["id"].as_str().unwrap().to_owned();
    removed.delete(&format!("/v1/account/phones/{phone}")).await.expect(204);
    let mut app_alone = flows::registered(run).await;
    app_alone.add_app().await;
    let app_and_phone = with_app(run, &mobile(16)).await;
    let mut app_removed = set_up(run).await;
    app_removed.add_app().await;
    app_removed.delete("/v1/account/authenticator").await.expect(204);
    let with_key = set_up(run).await;
    let with_password = with_password(run).await;
    let bare = flows::registered(run).await;
    let nobody = somebody(run);
    let seen = |name: &str| Seen { name: json!(name), ..Seen::default() };
    let impossible = "n\u{f6} b\u{f6}dy!".to_owned();
    // A name's own length shows in what is sealed, whoever has it.
    let long = format!("{impossible}{}", "x".repeat(100));
    vec![
        ("nobody", seen(&nobody.username)),
        ("ready", seen(&ready.username)),
        ("a passkey alone", seen(&with_key.username)),
        ("a password alone", seen(&with_password.username)),
        ("a landline alone", seen(&landline_alone.username)),
        ("a mobile and a landline", seen(&two_phones.username)),
        ("a phone that was removed", seen(&removed.username)),
        ("an app alone", seen(&app_alone.username)),
        ("an app and a phone", seen(&app_and_phone.username)),
        ("an app that was removed", seen(&app_removed.username)),
        ("nothing yet", seen(&bare.username)),
        ("no name that anybody could have", seen(&impossible)),
        ("a long one that nobody could have", seen(&long)),
    ]
}

/// Compares with the first, line by line; where the name differs in length, or can be nobody's (which it shows itself), what
/// that makes of lengths aside.
fn assert_alike(subjects: &[(&str, Seen)]) {
    let plain = |line: &str| {
        let line = line.split("\"content-length\": \"").collect::<Vec<_>>();
        let cut = line.iter().skip(1).map(|rest| rest.split_once('"').unwrap().1.to_owned());
        let line: String = std::iter::once(line[0].to_owned()).chain(cut).collect();
        let (before, after) = line.split_once(" characters").unwrap_or((&line, ""));
        format!("{}{after}", before.trim_end_matches(|c: char| c.is_ascii_digit()))
    };
    let (_, first) = &subjects[0];
    for (who, seen) in subjects {
        assert_eq!(seen.lines.len(), first.lines.len());
        let [name, of_first] = [seen, first].map(|seen| seen.name.as_str().unwrap());
        let same_length = name.is_ascii() && name.len() == of_first.len();
        for (line, of_first) in seen.lines.iter().zip(&first.lines) {
            if same_length {
                assert_eq!(line, of_first, "{who} is told from nobody");
            } else {
                assert_eq!(plain(line), plain(of_first), "{who} is told from nobody");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn known_and_unknown_names_are_told_apart_by_nothing() {
    let run = Run::unlimited().await;
    let mut subjects = subjects(&run).await;
    run.wait(DAY).await;
    macro_rules! all {
        ($seen:ident => $step:expr) => {
            for (_, $seen) in &mut subjects {
                $step.await;
            }
        };
    }
    all!(seen => seen.send(&run, "the first code", "text"));
    all!(seen => seen.send(&run, "another at once", "text"));
    all!(seen => seen.send(&run, "by the other channel at once", "call"));
    all!(seen => seen.send_again(&run, "again in the sign-in", "text"));
    run.wait(29).await;
    all!(seen => seen.send_again(&run, "a second early", "call"));
    run.wait(1).await;
    all!(seen => seen.send_again(&run, "thirty seconds later", "call"));
    all!(seen => seen.send(&run, "by text at once", "text"));
    for nth in 0..5 {
        all!(seen => seen.verify(&run, &format!("wrong code {nth}"), "000000"));
    }
    all!(seen => seen.verify(&run, "the sixth", "000000"));
    run.wait(30).await;
    all!(seen => seen.send(&run, "a code while locked", "text"));
    all!(seen => seen.send_again(&run, "a call while locked", "call"));
    run.wait(30).await;
    all!(seen => seen.verify(&run, "after the lock", "000000"));
    all!(seen => seen.verify(&run, "and the next", "000000"));
    all!(seen => seen.send(&run, "a code while locked again", "text"));
    for nth in 0..5 {
        all!(seen => seen.password(&run, &format!("wrong password {nth}")));
    }
    all!(seen => seen.password(&run, "the sixth password"));
    all!(seen => seen.password_in(&run, "in the sign-in by phone"));
    run.wait(60).await;
    all!(seen => seen.password_in(&run, "after its lock"));
    all!(seen => seen.password(&run, "and the next password"));
    for nth in 0..5 {
        all!(seen => seen.app(&run, &format!("wrong code of an app {nth}")));
    }
    all!(seen => seen.app(&run, "the sixth code of an app"));
    all!(seen => seen.app_in(&run, "in the sign-in by phone"));
    run.wait(60).await;
    all!(seen => seen.app_in(&run, "after the app's lock"));
    all!(seen => seen.app(&run, "and the next code of an app"));
    run.wait(120).await;
    // Up to the limit of an hour, by one channel and by both.
    for nth in 0..8 {
        all!(seen => seen.send(&run, &format!("code {nth}"), if nth % 2 == 0 { "text" } else { "call" }));
        run.wait(30).await;
    }
    run.wait(3600).await;
    for nth in 0..16 {
        all!(seen => seen.send(&run, &format!("later code {nth}"), if nth % 2 == 0 { "text" } else { "call" }));
        run.wait(900).await;
    }
    all!(seen => seen.verify(&run, "a sign-in that is over", "000000"));
    assert_alike(&subjects);
}

/// The same of a hundred wrong guesses: the unknown name is disabled as any other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_guesses_at_nobody_look_like_a_hundred_at_somebody() {
    let run = Run::frozen().await;
    let (known, nobody) = (with_password(&run).await, somebody(&run));
    let mut seen = [known, nobody].map(|person| Seen { name: json!(person.username), ..Seen::default() });
    for nth in 0..100 {
        for seen in &mut seen {
            seen.password(&run, &format!("guess {nth}")).await;
        }
        if nth >= 4 {
            for seen in &mut seen {
                seen.password(&run, &format!("locked after {nth}")).await;
            }
            run.wait(DAY).await;
        }
    }
    for seen in &mut seen {
        seen.password(&run, "disabled").await;
    }
    let [known, nobody] = &seen;
    assert!(known.lines.last().unwrap().starts_with("disabled: 429"), "{:?}", known.lines.last());
    for (of_known, of_nobody) in known.lines.iter().zip(&nobody.lines) {
        assert_eq!(of_known, of_nobody);
    }
}
