//! Back in by the recovery code: what it takes, what it ends, and what may be done then.

use flows::{
    Answer, Call, HandMade, PASSWORD, Person, Portal, Run, mobile, registered, set_up, somebody,
    with_passkey, with_password, with_phone,
};
use futures_util::future::join_all;
use jiff::SignedDuration;
use postern_local::Options;
use serde_json::{Value, json};

const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);
const DAY: u64 = 24 * 60 * 60;
const WRONG: &str = "0000-0000-0000-0000";

fn redeem(portal: &Portal, body: &Value) -> Call {
    portal.post("/v1/recovery/code", body)
}

async fn by_name(person: &Person, code: &str) -> Answer {
    redeem(&person.portal, &json!({ "code": code, "username": person.username })).send().await
}

async fn by_email(person: &Person, code: &str) -> Answer {
    redeem(&person.portal, &json!({ "code": code, "email": person.email })).send().await
}

/// The person, recovered: at a browser of its own.
async fn recovered(person: &Person, code: &str) -> Person {
    let answer = by_name(person, code).await.expect(200);
    assert_eq!(answer.json()["status"], "recovered");
    Person { session: answer.new_session(), ..person.clone() }
}

fn whats(events: &Value) -> Vec<String> {
    events["events"].as_array().unwrap().iter().map(|e| e["what"].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn assert_locked(answer: Answer, seconds: u64) {
    let answer = answer.problem(429, "locked");
    assert_eq!(answer.json()["retry_after"], seconds);
    assert_eq!(answer.cookie(), None);
}

/// From the deadline on: a set-up proven again, and the new code downloaded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_passkey_is_replaced_and_the_old_code_is_dead() {
    let run = Run::frozen().await;
    let mut before = with_passkey(&run).await;
    let lost = before.account().await["methods"]["passkeys"][0]["id"].as_str().unwrap().to_owned();
    let old = before.take_code().await;
    let mut other = before.elsewhere().await;

    let mut person = recovered(&before, &old).await;
    // Every other session is over, at once.
    for session in [&mut before, &mut other] {
        session.get("/v1/account").await.problem(401, "not_signed_in");
    }
    let account = person.account().await;
    assert_eq!((&account["recovery_code"], &account["ready"]), (&Value::Null, &json!(false)));
    person.post("/v1/session/token", &json!({})).await.problem(403, "set_up_required");
    for path in ["/v1/account/activity", "/v1/account/sessions"] {
        person.get(path).await.problem(403, "set_up_required");
    }
    // What is lost proves nothing, and a code alone is no set-up proven.
    let new = person.take_code().await;
    assert_ne!(new, old);
    let refused = person.post("/v1/session/token", &json!({})).await;
    assert_eq!(refused.status, 403, "{refused:?}");

    person.enrol(HandMade::new(&run.origin)).await;
    person.post("/v1/session/token", &json!({})).await.expect(200);
    person.delete(&format!("/v1/account/passkeys/{lost}")).await.expect(204);
    let activity = person.get("/v1/account/activity").await.expect(200).json();
    assert!(whats(&activity).contains(&"recovered".to_owned()), "{activity:#}");
    by_name(&person, &old).await.problem(401, "wrong_credentials");
    person.signed_out().sign_in().await.expect(200);
    let again = recovered(&person, &new).await;
    assert_ne!(again.session, person.session);
}

/// From here on it is a session as any other: a change needs a fresh step-up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_lasts_until_what_it_has_proven_admits() {
    let run = Run::frozen().await;
    let mut before = set_up(&run).await;
    let code = before.take_code().await;
    let mut person = recovered(&before, &code).await;
    // Recovering, nothing grows stale.
    run.wait(30 * 60).await;
    let new = person.enrol(HandMade::new(&run.origin)).await;
    run.wait(30 * 60).await;
    person
        .patch(&format!("/v1/account/passkeys/{}", new["id"].as_str().unwrap()), &json!({ "name": "New" }))
        .await
        .expect(200);
    person.take_code().await;
    person.get("/v1/account/recovery-code").await.problem(403, "step_up_required");
    person.post("/v1/account/passkeys/options", &json!({})).await.problem(403, "step_up_required");
    person.post("/v1/session/token", &json!({})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_is_set_without_the_one_before() {
    let run = Run::frozen().await;
    let mut before = with_phone(&run, &mobile(0)).await;
    let code = before.take_code().await;
    // A wrong password locks, and the recovery lifts it.
    for _ in 0..5 {
        let body = json!({ "username": before.username, "password": "a wrong guess at it" });
        run.post("/v1/sign-in/password", &body).send().await.problem(401, "wrong_credentials");
    }
    assert_locked(before.signed_out().by_password().await, 60);
    let mut person = recovered(&before, &code).await;
    person.signed_out().by_password().await.expect(200);

    person.password.clear();
    person.set_password("seven slow lanterns / 1 canal").await.expect(200);
    // Proven anew: the password alone is not enough, and the phone that was there has not answered.
    person.take_code().await;
    let refused = person.post("/v1/session/token", &json!({})).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    let mut elsewhere = person.signed_out();
    elsewhere.sign_in_by("text").await.expect(200);
    elsewhere.post("/v1/session/token", &json!({})).await.expect(200);
}

/// Until the deadline, what it has proven admits by the rules of that day.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_the_deadline_a_new_password_is_enough() {
    let run = Run::start().await;
    let deadline: jiff::Timestamp = "2025-03-07T06:00:00Z".parse().unwrap();
    run.hold(deadline - SignedDuration::from_mins(2)).await;
    let mut before = with_password(&run).await;
    let code = before.take_code().await;
    let mut person = recovered(&before, &code).await;
    person.post("/v1/session/token", &json!({})).await.problem(403, "set_up_required");
    person.password.clear();
    person.set_password("seven slow lanterns / 1 canal").await.expect(200);
    run.hold(deadline - MILLISECOND).await;
    person.post("/v1/session/token", &json!({})).await.expect(200);
    run.hold(deadline).await;
    person.post("/v1/session/token", &json!({})).await.problem(403, "set_up_required");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_read_as_people_write_it() {
    let run = Run::unlimited().await;
    let mut person = set_up(&run).await;
    let spellings: [fn(&str) -> String; 5] = [
        |code| code.replace('-', ""),
        |code| code.replace('-', " "),
        |code| format!("  {} ", code.replace('-', " \u{2013} ")),
        |code| code.replace('0', "O").replace('1', "l"),
        |code| code.chars().flat_map(|c| [c, ' ']).collect(),
    ];
    for spelling in spellings {
        let code = person.take_code().await;
        person = recovered(&person, &spelling(&code)).await;
        person.enrol(HandMade::new(&run.origin)).await;
    }
    for not_a_code in [
        "",
        "1234",
        "1234-5678-9012-345",
        "1234-5678-9012-34567",
        "1234-5678-9012-345u",
        "????-????-????-????",
    ] {
        by_name(&person, not_a_code).await.problem(400, "bad_request");
    }
    let code = person.take_code().await;
    for body in [
        json!({ "code": code }),
        json!({ "code": code, "username": person.username, "email": person.email }),
        json!({ "username": person.username }),
        json!({ "code": code, "username": person.username, "other": 1 }),
        json!({ "code": 1, "username": person.username }),
        json!({ "code": code, "username": null }),
    ] {
        redeem(&run, &body).send().await.problem(400, "bad_request");
    }
    // None of it was a guess.
    for _ in 0..4 {
        by_name(&person, WRONG).await.problem(401, "wrong_credentials");
    }
    by_name(&person, &code).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_of_base_32_by_parameter() {
    let format = "crockford".parse().unwrap();
    let run = Run::unlimited_with(Options { recovery_code_format: format, ..Options::default() }).await;
    let mut person = set_up(&run).await;
    let mut letters = 0;
    for _ in 0..4 {
        let code = person.take_code().await;
        letters += code.chars().filter(char::is_ascii_alphabetic).count();
        let spelt = code.to_lowercase().replace('0', "o").replace('1', "i").replace('-', " ");
        person = recovered(&person, &spelt).await;
        person.enrol(HandMade::new(&run.origin)).await;
    }
    assert!(letters > 0, "64 symbols of 32, and not one letter");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_names_every_account_that_has_it() {
    let run = Run::unlimited().await;
    let mut first = set_up(&run).await;
    let mut second = Person { email: first.email.to_uppercase(), ..somebody(&run) };
    let body = json!({ "username": second.username, "email": second.email });
    second.post("/v1/accounts", &body).await.expect(201);
    second.enrol(HandMade::new(&run.origin)).await;
    let (of_first, of_second) = (first.take_code().await, second.take_code().await);
    let mut stranger = set_up(&run).await;
    let of_stranger = stranger.take_code().await;
    // A code of an account that has another address.
    by_email(&first, &of_stranger).await.problem(401, "wrong_credentials");
    by_name(&first, &of_second).await.problem(401, "wrong_credentials");
    let back = by_email(&first, &of_second).await.expect(200);
    assert_eq!(back.json()["account"]["username"], second.username);
    first.get("/v1/account").await.expect(200);
    let back = by_email(&second, &of_first).await.expect(200);
    assert_eq!(back.json()["account"]["username"], first.username);
    by_name(&stranger, &of_stranger).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_ones_lock_and_a_passkey_lifts_it() {
    let run = Run::unlimited().await;
    let mut person = set_up(&run).await;
    let code = person.take_code().await;
    for nth in 0..5 {
        // In other spellings of the name, from other browsers.
        let name = if nth % 2 == 0 { person.username.clone() } else { person.username.to_uppercase() };
        let body = json!({ "code": WRONG, "username": name });
        let call = redeem(&run, &body).header("x-forwarded-for", format!("203.0.113.{nth}"));
        call.send().await.problem(401, "wrong_credentials");
    }
    assert_locked(by_name(&person, &code).await, 60);
    // A code that comes by the address waits, too.
    assert_locked(by_email(&person, &code).await, 60);
    run.hold(run.t0() + SignedDuration::from_mins(1) - MILLISECOND).await;
    assert_locked(by_name(&person, &code).await, 1);
    run.hold(run.t0() + SignedDuration::from_mins(1)).await;
    by_name(&person, WRONG).await.problem(401, "wrong_credentials");
    assert_locked(by_name(&person, &code).await, 120);
    let mut elsewhere = person.elsewhere().await;
    let activity = elsewhere.get("/v1/account/activity").await.expect(200).json();
    let locked = whats(&activity).iter().filter(|what| *what == "recovery_code_locked").count();
    assert_eq!(locked, 1, "{activity:#}");
    by_name(&person, &code).await.expect(200);
}

/// By the address: nobody's count in particular, and nothing lifts it but time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_ones_by_an_address_lock_the_address() {
    let run = Run::unlimited().await;
    let mut person = set_up(&run).await;
    let code = person.take_code().await;
    for _ in 0..5 {
        by_email(&person, WRONG).await.problem(401, "wrong_credentials");
    }
    assert_locked(by_email(&person, &code).await, 60);
    person.signed_out().sign_in().await.expect(200);
    assert_locked(by_email(&person, &code).await, 60);
    by_name(&person, &code).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_wrong_ones_disable_the_code_until_another_is_issued() {
    let run = Run::unlimited().await;
    let mut person = set_up(&run).await;
    let code = person.take_code().await;
    for nth in 0..100 {
        by_name(&person, WRONG).await.problem(401, "wrong_credentials");
        if nth >= 4 {
            run.wait(DAY).await;
        }
    }
    assert_locked(by_name(&person, &code).await, DAY);
    run.wait(400 * DAY).await;
    assert_locked(by_name(&person, &code).await, DAY);
    let mut person = person.elsewhere().await;
    let activity = person.get("/v1/account/activity").await.expect(200).json();
    assert!(whats(&activity).contains(&"recovery_code_disabled".to_owned()), "{activity:#}");
    // Lifting a lock does not enable.
    assert_locked(by_name(&person, &code).await, DAY);
    let new = person.take_code().await;
    by_name(&person, &new).await.expect(200);
}

/// Nobody's name or address, an account without a code, one that is forgotten: one answer, one ladder.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_looks_like_somebody() {
    let run = Run::unlimited().await;
    let known = set_up(&run).await;
    let bare = registered(&run).await;
    let nobody = somebody(&run);
    let impossible =
        Person { username: "no b\u{f6}dy".to_owned(), email: "none".to_owned(), ..somebody(&run) };
    let (mut of_first, mut first) = (Vec::new(), true);
    for person in [&known, &bare, &nobody, &impossible] {
        for by in ["username", "email"] {
            let value = if by == "username" { &person.username } else { &person.email };
            let mut seen = Vec::new();
            for _ in 0..7 {
                let answer = redeem(&run, &json!({ "code": WRONG, by: value })).send().await;
                let mut headers: Vec<String> =
                    answer.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
                headers.retain(|line| !line.starts_with("x-request-id") && !line.starts_with("date"));
                headers.sort();
                seen.push((answer.status, headers, answer.text()));
            }
            if first {
                (of_first, first) = (seen, false);
            } else {
                assert_eq!(seen, of_first, "{value}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_in_an_hour_from_one_address() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    let code = person.take_code().await;
    for nth in 0..20 {
        let body = json!({ "code": WRONG, "username": format!("somebody-{nth}") });
        redeem(&run, &body).send().await.problem(401, "wrong_credentials");
    }
    let refused = by_name(&person, &code).await.problem(429, "too_many_requests");
    assert_eq!(refused.json()["retry_after"], 3600);
    run.wait(3600).await;
    by_name(&person, &code).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_at_once_spend_it_once() {
    let run = Run::unlimited().await;
    let mut person = set_up(&run).await;
    let code = person.take_code().await;
    let answers =
        join_all((0..50).map(|nth| {
            let (person, code) = (person.clone(), code.clone());
            async move {
                if nth % 2 == 0 { by_name(&person, &code).await } else { by_email(&person, &code).await }
            }
        }))
        .await;
    let cookies: Vec<String> = answers.iter().filter_map(Answer::cookie).collect();
    assert_eq!(cookies.len(), 1, "{answers:?}");
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 401 | 429)), "{answers:?}");
    person.session.clone_from(&cookies[0]);
    person.account().await;
    let mut person = person.signed_out();
    person.sign_in().await.expect(200);
    person.take_code().await;
    let activity = person.get("/v1/account/activity").await.expect(200).json();
    assert_eq!(whats(&activity).iter().filter(|what| *what == "recovered").count(), 1);
}

/// A lost answer locks nobody out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_request_is_answered_again() {
    let run = Run::unlimited().await;
    let mut person = set_up(&run).await;
    let code = person.take_code().await;
    let body = json!({ "code": code, "username": person.username });
    let again = |body: &Value| redeem(&run, body).header("idempotency-key", "a-lost-answer").send();
    let first = again(&body).await.expect(200);
    let mut cookies = vec![first.new_session()];
    for _ in 0..7 {
        let repeated = again(&body).await.expect(200);
        assert_eq!(repeated.json(), first.json());
        cookies.push(repeated.new_session());
    }
    cookies.sort();
    cookies.dedup();
    assert_eq!(cookies.len(), 8, "each a cookie of its own");
    // The code itself is spent, without the key and with another.
    redeem(&run, &body).send().await.problem(401, "wrong_credentials");
    redeem(&run, &body).header("idempotency-key", "another").send().await.problem(401, "wrong_credentials");
    // Another body under the same key is refused, and counted: it would say whether a code is the one.
    let other = json!({ "code": WRONG, "username": person.username });
    for _ in 0..3 {
        again(&other).await.problem(422, "idempotency_key_reused");
    }
    assert_locked(again(&other).await, 60);
    again(&body).await.expect(200);
    for key in ["", &"x".repeat(65)] {
        redeem(&run, &body).header("idempotency-key", key).send().await.problem(400, "bad_request");
    }
    // Once something has come of it, it is over; and after ten minutes.
    person.session = again(&body).await.expect(200).new_session();
    run.hold(run.t0() + SignedDuration::from_mins(10) - SignedDuration::from_secs(1)).await;
    again(&body).await.expect(200);
    person.enrol(HandMade::new(&run.origin)).await;
    again(&body).await.problem(401, "wrong_credentials");
    run.wait(3600).await;
    again(&body).await.problem(401, "wrong_credentials");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_session_that_comes_along_ends() {
    let run = Run::unlimited().await;
    let mut person = set_up(&run).await;
    let code = person.take_code().await;
    let mut stranger = set_up(&run).await;
    let body = json!({ "code": code, "username": person.username });
    let answer = redeem(&run, &body).session(&stranger.session).send().await.expect(200);
    assert_ne!(answer.new_session(), stranger.session);
    stranger.get("/v1/account").await.problem(401, "not_signed_in");
    let call = redeem(&run, &body).header("origin", "https://elsewhere.example");
    call.send().await.problem(403, "wrong_origin");
}

/// NIST SP 800-63B-4 §4.2.2.2, where the deployment asks for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_second_proof() {
    let run = Run::unlimited_with(Options { recovery_second_proof: true, ..Options::default() }).await;
    let mut person = with_phone(&run, &mobile(1)).await;
    let mut other = with_phone(&run, &mobile(2)).await;
    let code = person.take_code().await;
    // Whoever is named: nothing is said, and nothing counted.
    for _ in 0..6 {
        by_name(&person, &code).await.problem(403, "second_proof_required");
        by_name(&somebody(&run), WRONG).await.problem(403, "second_proof_required");
    }
    let with = |sign_in: &Value| {
        redeem(&run, &json!({ "code": code, "username": person.username, "sign_in": sign_in })).send()
    };
    with(&json!("si_AQ")).await.problem(401, "sign_in_expired");
    // One that has proven nothing, and one that has proven another account's.
    let nothing = person.signed_out().send_code("text").await.expect(202).json();
    with(&nothing["sign_in"]).await.problem(401, "wrong_credentials");
    let others = other.signed_out().by_password().await.expect(200).json();
    with(&others["sign_in"]).await.problem(401, "wrong_credentials");
    let proven = person.signed_out().by_password().await.expect(200).json();
    with(&proven["sign_in"]).await.expect(200);
    // It is spent with the code.
    let body = json!({ "sign_in": proven["sign_in"], "password": PASSWORD });
    run.post("/v1/sign-in/password", &body).send().await.problem(401, "sign_in_expired");
    other.account().await;
}

/// What is not asked for may come along, and then it must hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_proof_that_is_not_asked_for() {
    let run = Run::unlimited().await;
    let mut person = with_phone(&run, &mobile(3)).await;
    let other = with_phone(&run, &mobile(4)).await;
    let code = person.take_code().await;
    let others = other.signed_out().by_password().await.expect(200).json();
    let body = json!({ "code": code, "username": person.username, "sign_in": others["sign_in"] });
    redeem(&run, &body).send().await.problem(401, "wrong_credentials");
    by_name(&person, &code).await.expect(200);
}

/// An account that was never kept is gone, with its code.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_account_gets_nothing_of_an_old_one() {
    let run = Run::unlimited().await;
    let mut forgotten = registered(&run).await;
    let old = forgotten.take_code().await;
    let id = forgotten.account().await["id"].clone();
    run.wait(DAY).await;
    by_name(&forgotten, &old).await.problem(401, "wrong_credentials");
    by_email(&forgotten, &old).await.problem(401, "wrong_credentials");
    // Whoever takes the name gets another account, and the old code is none of it.
    let mut new = Person { session: String::new(), ..forgotten.clone() };
    let body = json!({ "username": new.username, "email": new.email });
    let begun = new.post("/v1/accounts", &body).await.expect(201).json();
    assert_ne!(begun["account"]["id"], id);
    assert_eq!(begun["account"]["recovery_code"], Value::Null);
    by_name(&new, &old).await.problem(401, "wrong_credentials");
    new.enrol(HandMade::new(&run.origin)).await;
    let code = new.take_code().await;
    assert_eq!(by_name(&new, &code).await.expect(200).json()["account"]["id"], begun["account"]["id"]);
}

/// One that was kept before its day was over is recovered, although its code was issued before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_from_before_the_first_method_goes_on() {
    let run = Run::unlimited().await;
    let mut person = registered(&run).await;
    let code = person.take_code().await;
    person.enrol(HandMade::new(&run.origin)).await;
    run.wait(2 * DAY).await;
    by_name(&person, &code).await.expect(200);
}

/// Removing first, or adding first: either way the account is never without a set-up once one is required.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_lost_is_replaced_in_either_order() {
    let run = Run::unlimited().await;
    for adds_first in [true, false] {
        let mut before = with_passkey(&run).await;
        let lost = before.account().await["methods"]["passkeys"][0]["id"].as_str().unwrap().to_owned();
        let path = format!("/v1/account/passkeys/{lost}");
        let code = before.take_code().await;
        let mut person = recovered(&before, &code).await;
        if adds_first {
            person.enrol(HandMade::new(&run.origin)).await;
            person.delete(&path).await.expect(204);
        } else {
            person.delete(&path).await.problem(409, "would_break_set_up");
            person.set_password(PASSWORD).await.expect(200);
            person.add_phone(&mobile(5), "text").await;
            person.delete(&path).await.expect(204);
        }
        person.take_code().await;
        person.post("/v1/session/token", &json!({})).await.expect(200);
    }
}
