//! What a session may do, and until when it lives.

use flows::{HandMade, Person, Run, registered, set_up, with_passkey};
use futures_util::future::join_all;
use http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::happy::is_over;

const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_hour_ends_it() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    let idle = SignedDuration::from_hours(1);
    let mut seen = run.t0();
    for _ in 0..2 {
        // A millisecond short of the hour it lives, and the hour begins anew.
        seen += idle - MILLISECOND;
        run.hold(seen).await;
        person.get("/v1/account").await.expect(200);
    }
    run.hold(seen + idle).await;
    person.get("/v1/account").await.problem(401, "not_signed_in");
    // Nor does it come back.
    run.hold(seen + idle - MILLISECOND).await;
    let _ = person.get("/v1/account").await;
    run.hold(seen + idle + idle).await;
    person.get("/v1/account").await.problem(401, "not_signed_in");
}

/// When a session was seen is written once a minute: idling is counted from there, and so ends it up to a
/// minute early, never late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn use_within_the_last_minute_is_not_forgotten_by_more_than_that() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    let used = run.t0() + SignedDuration::from_secs(90);
    run.hold(used - SignedDuration::from_secs(30)).await;
    person.get("/v1/account").await.expect(200);
    run.hold(used).await;
    person.get("/v1/account").await.expect(200);
    let hour = SignedDuration::from_hours(1);
    run.hold(used + hour - SignedDuration::from_mins(1)).await;
    run.get("/v1/account/activity").session(&person.session).send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twelve_hours_end_it_used_or_not() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    let over = run.t0() + SignedDuration::from_hours(12);
    let mut at = run.t0();
    while at < over - MILLISECOND {
        at = (at + SignedDuration::from_mins(50)).min(over - MILLISECOND);
        run.hold(at).await;
        person.get("/v1/account").await.expect(200);
    }
    run.hold(over).await;
    person.get("/v1/account").await.problem(401, "not_signed_in");
    // Steps up do begin a new twelve hours.
    person.sign_in().await.expect(200);
    run.hold(over + SignedDuration::from_mins(59)).await;
    person.get("/v1/account").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_from_before_a_sign_in_is_over() {
    let run = Run::frozen().await;
    let mut person = registered(&run).await;
    let of_registration = person.session.clone();
    person.enrol(HandMade::new(&run.origin)).await;
    person.take_code().await;

    person.sign_in().await.expect(200);
    is_over(&run, &of_registration).await;
    let of_first_sign_in = person.session.clone();
    person.sign_in().await.expect(200);
    is_over(&run, &of_first_sign_in).await;

    // Also when somebody else signs in at the same browser.
    let mut next = set_up(&run).await;
    let (of_person, of_next) = (person.session.clone(), next.session.clone());
    next.session = of_person.clone();
    next.sign_in().await.expect(200);
    is_over(&run, &of_person).await;
    assert_eq!(next.account().await["username"], json!(next.username));
    run.get("/v1/account").session(&of_next).send().await.expect(200);

    // And when somebody registers there.
    let before = next.session.clone();
    let body = json!({ "username": "the-next-one", "email": "next@clinic.example" });
    let answer = run.post("/v1/accounts", &body).session(&before).send().await.expect(201);
    is_over(&run, &before).await;
    run.get("/v1/account").session(&answer.new_session()).send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_sign_in_leaves_the_session_as_it_was() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    let mut body = person.sign_in_body().await;
    body["credential"]["response"]["signature"] = json!(flows::base64url("not a signature"));
    let answer = person.post("/v1/sign-in/passkey", &body).await.problem(401, "wrong_credentials");
    assert_eq!(answer.cookie(), None, "{answer:?}");
    person.get("/v1/account").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sign_out_ends_the_one_session() {
    let run = Run::frozen().await;
    let person = set_up(&run).await;
    let mut elsewhere = person.elsewhere().await;
    run.delete("/v1/session").session(&person.session).send().await.expect(204);
    is_over(&run, &person.session).await;
    run.delete("/v1/session").session(&person.session).send().await.problem(401, "not_signed_in");
    elsewhere.get("/v1/account").await.expect(200);
}

/// Each call that changes a method, or shows the recovery code.
async fn sensitive(person: &Person) -> Vec<(Method, String, Option<Value>)> {
    let account = person.clone().account().await;
    let passkey =
        format!("/v1/account/passkeys/{}", account["methods"]["passkeys"][0]["id"].as_str().unwrap());
    vec![
        (Method::POST, "/v1/account/passkeys/options".to_owned(), Some(json!({}))),
        (Method::PATCH, passkey.clone(), Some(json!({ "name": "Renamed" }))),
        (Method::POST, "/v1/account/recovery-code".to_owned(), Some(json!({}))),
        (Method::GET, "/v1/account/recovery-code".to_owned(), None),
        (Method::DELETE, passkey, None),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sensitive_call_needs_proofs_of_five_minutes_at_most() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    person.enrol(HandMade::new(&run.origin)).await;
    let proven = run.t0() + SignedDuration::from_mins(20);
    run.hold(proven).await;
    person.sign_in().await.expect(200);
    let calls = sensitive(&person).await;
    let send = async |(method, path, body): &(Method, String, Option<Value>)| {
        let call = run.call(method, path).session(&person.session);
        body.iter().fold(call, flows::Call::json).send().await
    };

    run.hold(proven + SignedDuration::from_mins(5) + MILLISECOND).await;
    let before = person.clone().account().await;
    for call in &calls {
        send(call).await.problem(403, "step_up_required");
    }
    assert_eq!(person.clone().account().await, before);
    // What needs no step-up needs none.
    for path in ["/v1/account", "/v1/account/activity", "/v1/account/sessions"] {
        run.get(path).session(&person.session).send().await.expect(200);
    }
    run.post("/v1/session/token", &json!({})).session(&person.session).send().await.expect(200);

    run.hold(proven + SignedDuration::from_mins(5)).await;
    for call in &calls {
        let answer = send(call).await;
        assert!((200..300).contains(&answer.status), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_enrolment_that_began_in_time_is_finished_by_its_session() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    run.hold(run.t0() + SignedDuration::from_mins(5)).await;
    let mut key = HandMade::new(&run.origin);
    let body = person.enrolment(&mut key).await;
    run.hold(run.t0() + SignedDuration::from_mins(10) - MILLISECOND).await;
    person.post("/v1/account/passkeys", &body).await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_proved_nothing_gains_nothing_from_what_another_sets_up() {
    let run = Run::frozen().await;
    let body = json!({ "username": "twice-registered", "email": "twice@clinic.example" });
    let register = async || {
        let answer = run.post("/v1/accounts", &body).header("idempotency-key", "one-key").send().await;
        answer.expect(201).new_session()
    };
    let bare = register().await;
    let mut person = registered(&run).await;
    person.session = register().await;
    person.enrol(HandMade::new(&run.origin)).await;
    person.take_code().await;
    assert_eq!(person.account().await["ready"], true);

    let late = register().await;
    for session in [&bare, &late] {
        let mut unproven = Person { session: session.clone(), ..person.clone() };
        unproven.get("/v1/account").await.expect(200);
        for (method, path, body) in sensitive(&unproven).await {
            let call = run.call(&method, &path).session(session);
            let answer = body.iter().fold(call, flows::Call::json).send().await;
            assert_eq!((answer.status, answer.code().as_str()), (403, "step_up_required"), "{answer:?}");
        }
        for path in ["/v1/account/activity", "/v1/account/sessions"] {
            assert_eq!(unproven.get(path).await.status, 403);
        }
        let token = unproven.post("/v1/session/token", &json!({})).await;
        assert_eq!(token.status, 403, "{token:?}");
    }
    let passkeys = person.account().await["methods"]["passkeys"].as_array().unwrap().len();
    assert_eq!(passkeys, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_may_only_enrol_sees_the_account_and_no_more() {
    let run = Run::frozen().await;
    let other = set_up(&run).await;
    let others = other.clone().get("/v1/account/sessions").await.expect(200).json();
    let others_session = others["sessions"][0]["id"].as_str().unwrap().to_owned();
    for mut person in [registered(&run).await, with_passkey(&run).await] {
        person.get("/v1/account").await.expect(200);
        person.get("/v1/account/activity").await.problem(403, "set_up_required");
        person.get("/v1/account/sessions").await.problem(403, "set_up_required");
        person
            .delete(&format!("/v1/account/sessions/{others_session}"))
            .await
            .problem(403, "set_up_required");
        let refused =
            person.post("/v1/session/token", &json!({})).await.problem(403, "set_up_required").json();
        assert_eq!(refused["action_needed"], person.account().await["action_needed"]);
        for passkey in person.account().await["methods"]["passkeys"].as_array().unwrap() {
            let path = format!("/v1/account/passkeys/{}", passkey["id"].as_str().unwrap());
            assert_eq!(person.patch(&path, &json!({ "name": "Renamed" })).await.status, 403);
            assert_eq!(person.delete(&path).await.status, 403);
            assert_eq!(person.account().await["methods"]["passkeys"][0], *passkey);
        }
        person.delete("/v1/session").await.expect(204);
        person.get("/v1/account").await.problem(401, "not_signed_in");
    }
    other.clone().get("/v1/account").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_removals_at_the_same_instant_one_leaves_the_last_passkey() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    person.enrol(HandMade::new(&run.origin)).await;
    let account = person.account().await;
    let paths: Vec<String> = account["methods"]["passkeys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|passkey| format!("/v1/account/passkeys/{}", passkey["id"].as_str().unwrap()))
        .collect();
    let removals = (0..20).map(|nth| run.delete(&paths[nth % paths.len()]).session(&person.session).send());
    let answers = join_all(removals).await;
    let removed = answers.iter().filter(|answer| answer.status == 204).count();
    assert_eq!(removed, 1, "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.status != 204) {
        let known = matches!(answer.code().as_str(), "would_break_set_up" | "not_found" | "not_signed_in");
        assert!(known, "{answer:?}");
    }
    assert_eq!(person.account().await["methods"]["passkeys"].as_array().unwrap().len(), 1);
}

/// The session that removes a passkey goes on, in each of its requests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_removing_session_goes_on_in_what_it_asks_meanwhile() {
    let run = Run::start().await;
    let mut person = set_up(&run).await;
    person.enrol(HandMade::new(&run.origin)).await;
    for _ in 0..10 {
        let id = {
            person.enrol(HandMade::new(&run.origin)).await;
            person.sign_in().await.expect(200);
            let passkeys = person.account().await["methods"]["passkeys"].as_array().unwrap().clone();
            let own = passkeys.iter().find(|passkey| !passkey["last_used_at"].is_null());
            own.unwrap()["id"].as_str().unwrap().to_owned()
        };
        let asked = join_all((0..20).map(|_| run.get("/v1/account").session(&person.session).send()));
        let removal = run.delete(&format!("/v1/account/passkeys/{id}")).session(&person.session).send();
        let (removed, answers) = futures_util::future::join(removal, asked).await;
        removed.expect(204);
        for answer in answers {
            answer.expect(200);
        }
    }
}

/// However a sign-out crosses what the session does besides, it is over: no write brings it back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_out_wins_over_whatever_crosses_it() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    for round in 0..24 {
        person.sign_in().await.expect(200);
        // Each request writes to the session: when it was seen, what it proved, which proof outlives its method.
        let passkeys = person.account().await["methods"]["passkeys"].as_array().unwrap().clone();
        let spare = passkeys.iter().find(|passkey| passkey["last_used_at"].is_null());
        let crossing = match (round % 3, spare) {
            (0, _) => {
                run.clock(&json!({ "advance_seconds": 61, "frozen": true })).await;
                run.get("/v1/account")
            }
            (1, Some(spare)) => {
                run.delete(&format!("/v1/account/passkeys/{}", spare["id"].as_str().unwrap()))
            }
            _ => {
                let body = person.enrolment(&mut HandMade::new(&run.origin)).await;
                run.post("/v1/account/passkeys", &body)
            }
        };
        let sign_out = run.delete("/v1/session").session(&person.session).send();
        let crossing = crossing.session(&person.session).send();
        let (out, crossed) = futures_util::future::join(sign_out, crossing).await;
        out.expect(204);
        assert!(crossed.status < 300 || crossed.status == 401, "{crossed:?}");
        is_over(&run, &person.session).await;
    }
    person.sign_in().await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_are_over_are_not_listed() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    let _idle = person.elsewhere().await;
    run.hold(run.t0() + SignedDuration::from_mins(40)).await;
    let mut used = person.elsewhere().await;
    person.get("/v1/account").await.expect(200);
    let listed = async |person: &mut Person| {
        let sessions = person.get("/v1/account/sessions").await.expect(200).json();
        sessions["sessions"].as_array().unwrap().len()
    };
    assert_eq!(listed(&mut person).await, 3);
    run.hold(run.t0() + SignedDuration::from_hours(1)).await;
    assert_eq!(listed(&mut person).await, 2);
    used.delete("/v1/session").await.expect(204);
    assert_eq!(listed(&mut person).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_codes_issued_at_the_same_instant_one_is_the_code() {
    let run = Run::start().await;
    let mut person = set_up(&run).await;
    let calls = (0..20).map(|nth| {
        let call = if nth % 2 == 0 {
            run.post("/v1/account/recovery-code", &json!({}))
        } else {
            run.get("/v1/account/recovery-code")
        };
        call.session(&person.session).send()
    });
    let answers = join_all(calls).await;
    let issued: Vec<Value> =
        answers.iter().filter(|answer| answer.status == 201).map(flows::Answer::json).collect();
    assert!(!issued.is_empty(), "{answers:?}");
    for answer in &answers {
        // Who loses too many races is told to come again.
        assert!(matches!(answer.status, 200 | 201 | 503), "{answer:?}");
    }
    let account = person.account().await;
    let shown = person.get("/v1/account/recovery-code").await.expect(200).json();
    assert!(issued.contains(&shown), "the code that counts was never told: {shown}");
    assert_eq!(shown["issued_at"], account["recovery_code"]["issued_at"]);
    assert_eq!(person.account().await["ready"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_of_one_session_at_the_same_instant_all_go_well() {
    let run = Run::frozen().await;
    let person = set_up(&run).await;
    // Each would write when the session was seen.
    run.hold(run.t0() + SignedDuration::from_mins(2)).await;
    let paths = ["/v1/account", "/v1/account/sessions", "/v1/account/activity", "/v1/account/recovery-code"];
    let calls = (0..50).map(|nth| run.get(paths[nth % paths.len()]).session(&person.session).send());
    for answer in join_all(calls).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}
