//! Enrolling an authenticator app, replacing and removing it, and signing in with its codes, which `oathtool` makes.

use std::time::Duration;

use flows::{
    Answer, App, HandMade, PASSWORD, Person, Run, landline, mobile, registered, set_up, with_app,
    with_password, with_phone,
};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::happy::{assert_members, claims, is_over, verified, what_happened};

const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);
const STEP: SignedDuration = SignedDuration::from_secs(30);

/// Midnight in Chicago: from then on a minimum set-up is required.
const DEADLINE: &str = "2025-03-07T06:00:00.000Z";

fn at(instant: &Value) -> Timestamp {
    instant.as_str().unwrap().parse().unwrap()
}

/// When the step after the one of `now` begins.
fn next_step(now: Timestamp) -> Timestamp {
    Timestamp::from_second((now.as_second() / 30 + 1) * 30).unwrap()
}

fn ways(next: &Value) -> Vec<&str> {
    next["next"].as_array().unwrap().iter().map(|way| way["method"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_nothing_to_an_authenticator_and_a_phone() {
    let run = Run::frozen().await;
    let mut person = registered(&run).await;
    let begun = person.begin_app().await.expect(201).json();
    assert_members(&begun, &["expires_at", "qr_svg", "secret", "uri"]);
    assert_eq!(at(&begun["expires_at"]), run.t0() + SignedDuration::from_mins(10));
    let app = App::scan(begun["uri"].as_str().unwrap());
    assert_eq!(begun["secret"], app.secret);
    // 160 bits, and nothing to fill up with.
    assert_eq!(app.secret.len() * 5, 160);
    let label = format!("otpauth://totp/Provider%20portal:{}?", person.username);
    assert!(begun["uri"].as_str().unwrap().starts_with(&label), "{begun}");
    assert!(begun["uri"].as_str().unwrap().contains("issuer=Provider%20portal"), "{begun}");
    let svg = begun["qr_svg"].as_str().unwrap();
    assert!(svg.starts_with("<svg ") && svg.contains("<title>") && svg.contains("role=\"img\""), "{svg}");
    assert!(!svg.contains(&app.secret) && !svg.contains("style"), "{svg}");
    // Nothing changes until it is confirmed.
    assert_eq!(person.account().await["methods"]["authenticator"], Value::Null);

    run.wait(10).await;
    let now = run.t0() + SignedDuration::from_secs(10);
    let code = app.code_at(now).await;
    person.app = Some(app);
    let account = person.confirm_app(&code).await.expect(200).json();
    assert_members(&account["methods"]["authenticator"], &["confirmed_at"]);
    assert_eq!(at(&account["methods"]["authenticator"]["confirmed_at"]), now);
    assert_eq!(account["set_ups"]["authenticator_and_phone"], false);
    let needed: Vec<&Value> =
        account["action_needed"].as_array().unwrap().iter().map(|it| &it["action"]).collect();
    assert_eq!(needed, ["add_passkey", "verify_phone", "set_password", "download_recovery_code"]);
    assert_eq!(person.account().await, account);
    // It was spent.
    person.confirm_app(&code).await.problem(401, "wrong_credentials");

    person.add_phone(&mobile(0), "text").await;
    let account = person.account().await;
    assert_eq!(account["set_ups"]["authenticator_and_phone"], true);
    person.take_code().await;
    // What registering and confirming proved counts: two things that one has.
    let granted = person.post("/v1/session/token", &json!({})).await.expect(200).json();
    let claims = verified(&run, granted["access_token"].as_str().unwrap()).await;
    assert_eq!((&claims["acr"], &claims["amr"]), (&json!("aal1"), &json!(["otp", "sms"])));
    let happened = what_happened(&mut person).await;
    assert!(happened.contains(&"authenticator_added".to_owned()), "{happened:?}");
    // The code that confirmed signs nobody in.
    person.signed_out().by_app(&code).await.problem(401, "wrong_credentials");
    run.hold(next_step(now)).await;
    let code = person.app_code().await;
    person.signed_out().by_app(&code).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_by_code_and_then_a_text_or_a_call() {
    let run = Run::frozen().await;
    for (number, channel, method) in
        [(mobile(1), "text", "sms"), (mobile(2), "call", "tel"), (landline(0), "call", "tel")]
    {
        let mut person = with_app(&run, &number).await.signed_out();
        let code = person.app_code().await;
        let first = person.by_app(&code).await.expect(200);
        assert_eq!(first.cookie(), None, "{first:?}");
        let next = first.json();
        assert_members(&next, &["expires_at", "next", "proven", "sign_in", "status"]);
        assert_eq!((&next["status"], &next["proven"]), (&json!("next"), &json!(["authenticator"])));
        assert_eq!(ways(&next), ["phone"]);
        assert_eq!(next["next"][0]["phones"][0]["ending"], number[number.len() - 2..]);
        run.wait(60).await;
        let signed_in = person.prove_phone(&next["sign_in"], channel).await.expect(200);
        assert!(!signed_in.new_session().is_empty());
        let claims = claims(&run, &signed_in).await;
        assert_eq!((&claims["acr"], &claims["amr"]), (&json!("aal1"), &json!(["otp", method])));
        assert_eq!(claims["auth_time"].as_i64().unwrap(), claims["iat"].as_i64().unwrap() - 60);
        let sessions = person.get("/v1/account/sessions").await.expect(200).json();
        let current = sessions["sessions"].as_array().unwrap().iter().find(|s| s["current"] == true);
        assert_eq!(current.unwrap()["amr"], json!(["otp", method]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_of_the_app_is_a_last_proof_too() {
    let run = Run::frozen().await;
    let number = mobile(3);
    let mut person = with_app(&run, &number).await;
    PASSWORD.clone_into(&mut person.password);
    person.put("/v1/account/password", &json!({ "password": PASSWORD })).await.expect(200);
    // After the phone.
    let mut stranger = person.signed_out();
    let sent = stranger.send_code("text").await.expect(202).json();
    let next = stranger.verify(&sent["sign_in"], &run.code_to(&number).await).await.expect(200).json();
    assert_eq!(ways(&next), ["password", "authenticator"]);
    let code = person.app_code().await;
    let signed_in = stranger.by_app_in(&next["sign_in"], &code).await.expect(200);
    let of_phone = claims(&run, &signed_in).await;
    assert_eq!((&of_phone["acr"], &of_phone["amr"]), (&json!("aal1"), &json!(["otp", "sms"])));
    // It was used: the same again, and another code.
    stranger.signed_out().by_app_in(&next["sign_in"], &code).await.problem(401, "sign_in_expired");
    run.wait(30).await;
    let code = person.app_code().await;
    stranger.signed_out().by_app_in(&next["sign_in"], &code).await.problem(401, "sign_in_expired");
    // After the password; and before it.
    run.wait(30).await;
    let mut stranger = person.signed_out();
    let next = stranger.by_password().await.expect(200).json();
    assert_eq!(ways(&next), ["authenticator", "phone"]);
    let code = person.app_code().await;
    let signed_in = stranger.by_app_in(&next["sign_in"], &code).await.expect(200);
    let last = claims(&run, &signed_in).await;
    run.wait(30).await;
    let mut stranger = person.signed_out();
    let code = person.app_code().await;
    let next = stranger.by_app(&code).await.expect(200).json();
    assert_eq!(ways(&next), ["password", "phone"]);
    let body = json!({ "sign_in": next["sign_in"], "password": PASSWORD });
    let signed_in = stranger.post("/v1/sign-in/password", &body).await.expect(200);
    for claims in [last, claims(&run, &signed_in).await] {
        assert_eq!((&claims["acr"], &claims["amr"]), (&json!("aal2"), &json!(["pwd", "otp", "mfa"])));
    }
    // Codes twice are one proof.
    run.wait(30).await;
    let code = person.app_code().await;
    let next = person.signed_out().by_app(&code).await.expect(200).json();
    run.wait(30).await;
    let code = person.app_code().await;
    let again = person.signed_out().by_app_in(&next["sign_in"], &code).await.expect(200).json();
    assert_eq!((&again["status"], &again["proven"]), (&json!("next"), &json!(["authenticator"])));
}

/// The step that is on, and the one before it, to the millisecond; none ahead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_taken_while_it_is_shown_and_for_one_step_more() {
    let run = Run::frozen().await;
    let person = with_app(&run, &mobile(4)).await;
    let app = person.app.clone().unwrap();
    // Apart from each other: no step is older than one that was used.
    let first = next_step(run.now().await) + STEP;
    for (nth, instant, taken) in [
        (0, first - MILLISECOND, false),
        (0, first, true),
        (2, first + STEP * 4 - MILLISECOND, true),
        (5, first + STEP * 7, false),
        (5, first + STEP * 7 - MILLISECOND, true),
    ] {
        let code = app.code_at(first + STEP * nth).await;
        run.hold(instant).await;
        let answer = person.signed_out().by_app(&code).await;
        assert_eq!(answer.status, if taken { 200 } else { 401 }, "{nth} at {instant}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_step_is_taken_again_nor_one_before_it() {
    let run = Run::frozen().await;
    let person = with_app(&run, &mobile(5)).await;
    let app = person.app.clone().unwrap();
    let begins = next_step(run.now().await) + STEP;
    let [older, newer] = [app.code_at(begins).await, app.code_at(begins + STEP).await];
    run.hold(begins + STEP).await;
    let next = person.signed_out().by_app(&newer).await.expect(200).json();
    // In a sign-in of its own, in that one, in another spelling of the name.
    let mut shouted = Person { username: person.username.to_uppercase(), ..person.signed_out() };
    for code in [&newer, &older] {
        person.signed_out().by_app(code).await.problem(401, "wrong_credentials");
        shouted.by_app(code).await.problem(401, "wrong_credentials");
    }
    let lifted = person.signed_out().send_code("text").await.expect(202).json();
    let code = run.code_to(&person.number).await;
    let by_phone = person.signed_out().verify(&lifted["sign_in"], &code).await.expect(200).json();
    for sign_in in [&next["sign_in"], &by_phone["sign_in"]] {
        person.signed_out().by_app_in(sign_in, &newer).await.problem(401, "wrong_credentials");
    }
    // The clock that goes back makes nothing of the past good again.
    run.hold(begins).await;
    person.signed_out().by_app(&older).await.problem(401, "wrong_credentials");
    run.hold(begins + STEP * 2).await;
    let code = person.app_code().await;
    person.signed_out().by_app(&code).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_sign_ins_with_one_code_at_once_one_goes_on() {
    let run = Run::unlimited().await;
    let mut person = with_app(&run, &mobile(6)).await;
    person.put("/v1/account/password", &json!({ "password": PASSWORD })).await.expect(200);
    PASSWORD.clone_into(&mut person.password);
    let refused = |answers: &[Answer]| {
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "{answers:?}");
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            assert!(matches!(answer.status, 401 | 429), "{answer:?}");
            assert_eq!(answer.cookie(), None);
        }
    };
    // Each a sign-in of its own.
    let body = json!({ "username": person.username, "code": person.app_code().await });
    refused(&join_all((0..50).map(|_| run.post("/v1/sign-in/authenticator", &body).send())).await);
    // Each in one that a password began.
    run.wait(60).await;
    let mut begun = Vec::new();
    for _ in 0..10 {
        begun.push(person.signed_out().by_password().await.expect(200).json()["sign_in"].clone());
    }
    let sessions = person.get("/v1/account/sessions").await.expect(200).json();
    let code = person.app_code().await;
    let calls = (0..50).map(|nth| {
        let body = json!({ "sign_in": begun[nth % begun.len()], "code": code });
        run.post("/v1/sign-in/authenticator", &body).send()
    });
    refused(&join_all(calls).await);
    let after = person.get("/v1/account/sessions").await.expect(200).json();
    let count = |listed: &Value| listed["sessions"].as_array().unwrap().len();
    assert_eq!(count(&after), count(&sessions) + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_confirmations_at_once_one_enrols() {
    let run = Run::frozen().await;
    let mut person = registered(&run).await;
    let begun = person.begin_app().await.expect(201).json();
    let app = App::scan(begun["uri"].as_str().unwrap());
    let body = json!({ "code": app.code_at(run.t0()).await });
    let path = "/v1/account/authenticator/confirm";
    let answers = join_all((0..50).map(|_| run.post(path, &body).session(&person.session).send())).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert!(matches!(answer.code().as_str(), "wrong_credentials" | "too_many_requests"), "{answer:?}");
    }
    person.add_phone(&mobile(7), "text").await;
    person.take_code().await;
    let happened = what_happened(&mut person).await;
    assert_eq!(happened.iter().filter(|what| what.starts_with("authenticator")).count(), 1, "{happened:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_enrolment_waits_ten_minutes_exactly() {
    let run = Run::frozen().await;
    let mut person = registered(&run).await;
    let mut confirmed = Value::Null;
    for late in [true, false, true] {
        let begun = person.begin_app().await.expect(201).json();
        let app = App::scan(begun["uri"].as_str().unwrap());
        let over = at(&begun["expires_at"]);
        assert_eq!(over, run.now().await + SignedDuration::from_mins(10));
        run.hold(if late { over } else { over - MILLISECOND }).await;
        let code = app.code_at(run.now().await).await;
        let answer = person.confirm_app(&code).await;
        if late {
            answer.problem(401, "wrong_credentials");
        } else {
            confirmed = answer.expect(200).json()["methods"]["authenticator"].clone();
        }
        assert_eq!(person.account().await["methods"]["authenticator"], confirmed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_wrong_codes_end_an_enrolment() {
    let run = Run::frozen().await;
    let mut person = with_phone(&run, &mobile(8)).await;
    person.confirm_app("123456").await.problem(401, "wrong_credentials");
    let begun = person.begin_app().await.expect(201).json();
    person.app = Some(App::scan(begun["uri"].as_str().unwrap()));
    for shape in ["", "12345", "1234567", "12345a", "１２３４５６", " 12345", "+12345", "123 456"] {
        person.confirm_app(shape).await.problem(400, "bad_request");
    }
    let (wrong, right) = (person.wrong_app_code().await, person.app_code().await);
    for _ in 0..5 {
        person.confirm_app(&wrong).await.problem(401, "wrong_credentials");
    }
    for code in [&right, &wrong] {
        let over = person.confirm_app(code).await.problem(429, "too_many_requests");
        assert!(over.header("retry-after").is_some());
    }
    assert_eq!(person.account().await["methods"]["authenticator"], Value::Null);
    // Another secret is another enrolment, at once; and the secret before is void.
    let void = person.app.clone().unwrap();
    let begun = person.begin_app().await.expect(201).json();
    person.app = Some(App::scan(begun["uri"].as_str().unwrap()));
    let now = run.now().await;
    if void.code_at(now).await != person.app_code().await {
        person.confirm_app(&void.code_at(now).await).await.problem(401, "wrong_credentials");
    }
    let code = person.app_code().await;
    person.confirm_app(&code).await.expect(200);
    // What was guessed here does not count against signing in.
    let wrong = person.wrong_app_code().await;
    for _ in 0..5 {
        person.signed_out().by_app(&wrong).await.problem(401, "wrong_credentials");
    }
    person.signed_out().by_app(&wrong).await.problem(429, "locked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_guesses_at_an_enrolment_at_once_five_are_looked_at() {
    let run = Run::frozen().await;
    let mut person = registered(&run).await;
    let begun = person.begin_app().await.expect(201).json();
    person.app = Some(App::scan(begun["uri"].as_str().unwrap()));
    let body = json!({ "code": person.wrong_app_code().await });
    let path = "/v1/account/authenticator/confirm";
    let answers = join_all((0..200).map(|_| run.post(path, &body).session(&person.session).send())).await;
    // On a busy machine a write may have counted and been given up: 503. The store's own races ask for exactly five.
    let looked_at = answers.iter().filter(|answer| answer.status == 401).count();
    assert!((1..=5).contains(&looked_at), "{answers:?}");
    for answer in answers.into_iter().filter(|answer| !matches!(answer.status, 401 | 503)) {
        answer.problem(429, "too_many_requests");
    }
    let code = person.app_code().await;
    person.confirm_app(&code).await.problem(429, "too_many_requests");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_session_that_began_it_confirms() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    let mut elsewhere = person.elsewhere().await;
    let mut stranger = registered(&run).await;
    let begun = person.begin_app().await.expect(201).json();
    person.app = Some(App::scan(begun["uri"].as_str().unwrap()));
    let code = person.app_code().await;
    for other in [&mut elsewhere, &mut stranger] {
        other.confirm_app(&code).await.problem(401, "wrong_credentials");
        // Nor with one of its own under way, which has another secret.
        let own = other.begin_app().await.expect(201).json();
        if App::scan(own["uri"].as_str().unwrap()).code_at(run.t0()).await != code {
            other.confirm_app(&code).await.problem(401, "wrong_credentials");
        }
        assert_eq!(other.account().await["methods"]["authenticator"], Value::Null);
    }
    // It needs no step-up: the session was fresh when it began.
    run.wait(9 * 60).await;
    let code = person.app_code().await;
    person.confirm_app(&code).await.expect(200);
    // Which the next beginning does.
    person.begin_app().await.problem(403, "step_up_required");
    person.sign_in().await.expect(200);
    person.begin_app().await.expect(201);
    run.wait(5 * 60 + 1).await;
    person.begin_app().await.problem(403, "step_up_required");
    person.delete("/v1/account/authenticator").await.problem(403, "step_up_required");
    assert_eq!(stranger.account().await["methods"]["authenticator"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_app_takes_the_place_of_the_old_in_one() {
    let run = Run::unlimited().await;
    let mut person = with_app(&run, &mobile(9)).await;
    person.enrol(HandMade::new(&run.origin)).await;
    let old = person.app.clone().unwrap();
    // One that the old app proved, one that a passkey proved, and one under way.
    let mut by_app = person.signed_out();
    let code = person.app_code().await;
    let next = by_app.by_app(&code).await.expect(200).json();
    by_app.prove_phone(&next["sign_in"], "text").await.expect(200);
    let mut by_passkey = person.elsewhere().await;
    run.wait(30).await;
    let code = person.app_code().await;
    let under_way = person.signed_out().by_app(&code).await.expect(200).json();

    // One that is not confirmed changes nothing.
    by_passkey.begin_app().await.expect(201);
    run.wait(30).await;
    let code = person.app_code().await;
    person.signed_out().by_app(&code).await.expect(200);
    by_app.get("/v1/account").await.expect(200);

    run.wait(30).await;
    by_passkey.add_app().await;
    let new = by_passkey.app.clone().unwrap();
    assert_ne!(new.secret, old.secret);
    is_over(&run, &by_app.session).await;
    by_passkey.get("/v1/account").await.expect(200);
    let happened = what_happened(&mut by_passkey).await;
    assert_eq!(happened[0], "authenticator_replaced", "{happened:?}");
    // The old secret is dead, and what it had begun.
    run.wait(60).await;
    let now = run.now().await;
    let (dead, alive) = (old.code_at(now).await, new.code_at(now).await);
    assert_ne!(dead, alive);
    person.signed_out().by_app(&dead).await.problem(401, "wrong_credentials");
    let mut stranger = person.signed_out();
    let still = stranger.prove_phone(&under_way["sign_in"], "text").await.expect(200).json();
    assert_eq!((&still["status"], &still["proven"]), (&json!("next"), &json!(["phone"])), "{still}");
    let signed_in = stranger.by_app_in(&still["sign_in"], &alive).await.expect(200).json();
    assert_eq!(signed_in["status"], "signed_in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_app_ends_the_sessions_that_it_proved_and_no_others() {
    let run = Run::unlimited().await;
    let mut person = with_app(&run, &mobile(10)).await;
    person.enrol(HandMade::new(&run.origin)).await;
    let mut by_app = person.signed_out();
    let code = person.app_code().await;
    let next = by_app.by_app(&code).await.expect(200).json();
    by_app.prove_phone(&next["sign_in"], "text").await.expect(200);
    let mut by_passkey = person.elsewhere().await;
    run.wait(1).await;
    by_passkey.delete("/v1/account/authenticator").await.expect(204);
    is_over(&run, &by_app.session).await;
    let account = by_passkey.account().await;
    assert_eq!(account["methods"]["authenticator"], Value::Null);
    assert_eq!(account["set_ups"]["authenticator_and_phone"], false);
    by_passkey.delete("/v1/account/authenticator").await.problem(404, "not_found");
    assert_eq!(what_happened(&mut by_passkey).await[0], "authenticator_removed");
    run.wait(30).await;
    let code = person.app_code().await;
    person.signed_out().by_app(&code).await.problem(401, "wrong_credentials");
    // Another one is added as the first was.
    by_passkey.add_app().await;
    run.wait(30).await;
    let code = by_passkey.app_code().await;
    by_passkey.signed_out().by_app(&code).await.expect(200);
}

/// The session that removes the app goes on, although the app proved it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_session_that_removes_its_own_app_goes_on() {
    let run = Run::unlimited().await;
    let mut person = with_app(&run, &mobile(11)).await;
    let code = person.app_code().await;
    let next = person.by_app(&code).await.expect(200).json();
    person.prove_phone(&next["sign_in"], "text").await.expect(200);
    person.enrol(HandMade::new(&run.origin)).await;
    person.delete("/v1/account/authenticator").await.expect(204);
    person.get("/v1/account").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_deadline_on_the_app_of_the_last_set_up_stays() {
    let run = Run::frozen().await;
    let deadline: Timestamp = DEADLINE.parse().unwrap();
    run.hold(deadline - SignedDuration::from_mins(3)).await;
    let mut person = with_app(&run, &mobile(12)).await;
    let app = "/v1/account/authenticator";
    run.hold(deadline).await;
    person.delete(app).await.problem(409, "would_break_set_up");
    let phones = person.account().await["methods"]["phones"].clone();
    let phone = format!("/v1/account/phones/{}", phones[0]["id"].as_str().unwrap());
    person.delete(&phone).await.problem(409, "would_break_set_up");
    run.hold(deadline - MILLISECOND).await;
    person.delete(app).await.expect(204);
    assert_eq!(person.account().await["ready"], false);
    // The last method of all stays at any time.
    person.delete(&phone).await.problem(409, "would_break_set_up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_of_another_shape_are_refused_and_cost_no_guess() {
    let run = Run::frozen().await;
    let mut person = with_app(&run, &mobile(13)).await.signed_out();
    let code = person.app_code().await;
    let next = person.by_app(&code).await.expect(200).json();
    let sign_in = &next["sign_in"];
    let (name, path) = (person.username.clone(), "/v1/sign-in/authenticator");
    run.wait(30).await;
    let code = person.app_code().await;
    for body in [
        json!({ "code": code }),
        json!({ "username": name }),
        json!({ "sign_in": sign_in }),
        json!({ "username": name, "sign_in": sign_in, "code": code }),
        json!({ "username": null, "sign_in": null, "code": code }),
        json!({ "username": name, "code": null }),
        json!({ "username": name, "code": [code] }),
        json!({ "username": name, "code": 123_456 }),
        json!({ "username": 1, "code": code }),
        json!({ "username": name, "code": code, "password": PASSWORD }),
        json!({ "username": name, "code": code, "step": 1 }),
    ] {
        let answer = person.post(path, &body).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "bad_request"), "{body}: {answer:?}");
    }
    let wide: String =
        code.chars().map(|digit| char::from_u32(u32::from(digit) + 0xff10 - 0x30).unwrap()).collect();
    for shape in [
        "",
        &code[..5],
        &format!("{code}0"),
        &format!(" {code}"),
        &format!("{code}\n"),
        &format!("{} {}", &code[..3], &code[3..]),
        &format!("+{}", &code[1..]),
        "12345a",
        &wide,
    ] {
        person.by_app(shape).await.problem(400, "bad_request");
        person.by_app_in(sign_in, shape).await.problem(400, "bad_request");
    }
    for other in ["", "si_", "si_AAAA", "x", &sign_in.as_str().unwrap()[3..]] {
        person.by_app_in(&json!(other), &code).await.problem(401, "sign_in_expired");
    }
    let ceremony = run.post("/v1/sign-in/passkey/options", &json!({})).send().await.expect(200).json();
    person.by_app_in(&ceremony["sign_in"], &code).await.problem(401, "sign_in_expired");
    run.post("/v1/account/authenticator", &json!({ "x": 1 })).send().await.problem(401, "not_signed_in");
    // All of that, and not one guess.
    let wrong = person.wrong_app_code().await;
    for _ in 0..4 {
        person.by_app(&wrong).await.problem(401, "wrong_credentials");
    }
    person.by_app(&code).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_lasts_ten_minutes_from_its_first_step() {
    let run = Run::frozen().await;
    let mut person = with_password(&run).await;
    person.add_app().await;
    run.wait(30).await;
    let next = person.signed_out().by_password().await.expect(200).json();
    let over = at(&next["expires_at"]);
    run.hold(over).await;
    let code = person.app_code().await;
    person.signed_out().by_app_in(&next["sign_in"], &code).await.problem(401, "sign_in_expired");
    run.hold(over - MILLISECOND).await;
    let code = person.app_code().await;
    // Two methods, and no set-up of the three.
    let answer = person.signed_out().by_app_in(&next["sign_in"], &code).await.expect(200);
    assert_eq!(answer.json()["status"], "set_up_required");
}

/// What was proven of one account proves nothing of another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_of_one_account_is_none_of_another() {
    let run = Run::frozen().await;
    let one = with_app(&run, &mobile(14)).await;
    let other = with_app(&run, &mobile(15)).await;
    let (of_one, of_other) = (one.app_code().await, other.app_code().await);
    assert_ne!(of_one, of_other);
    one.signed_out().by_app(&of_other).await.problem(401, "wrong_credentials");
    let next = one.signed_out().by_app(&of_one).await.expect(200).json();
    run.wait(30).await;
    let of_other = other.app_code().await;
    one.signed_out().by_app_in(&next["sign_in"], &of_other).await.problem(401, "wrong_credentials");
    other.signed_out().by_app(&of_other).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_the_app_are_told_without_its_secret() {
    let run = Run::frozen().await;
    let mut person = with_app(&run, &mobile(16)).await;
    let first = person.app.clone().unwrap();
    person.enrol(HandMade::new(&run.origin)).await;
    person.add_app().await;
    let second = person.app.clone().unwrap();
    let wrong = person.wrong_app_code().await;
    for _ in 0..5 {
        person.signed_out().by_app(&wrong).await.problem(401, "wrong_credentials");
    }
    person.delete("/v1/account/authenticator").await.expect(204);
    let wanted = [
        ("authenticator_added", "was added to your account"),
        ("authenticator_replaced", "took the place of the one before"),
        ("authenticator_locked", "stopped for a while"),
        ("authenticator_removed", "was removed from your account"),
    ];
    let mut mails = Vec::new();
    for _ in 0..500 {
        mails = run.messages().await.into_iter().filter(|mail| mail["kind"] == "email").collect();
        let told = |text: &str| mails.iter().any(|mail| mail["body"].as_str().unwrap().contains(text));
        if wanted.iter().all(|(_, text)| told(text)) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let events: String = run.events().await.iter().map(Value::to_string).collect();
    for (what, text) in wanted {
        assert!(events.contains(what), "{what}: {events}");
        let of_it: Vec<&str> = mails.iter().map(|mail| mail["body"].as_str().unwrap()).collect();
        assert!(
            of_it.iter().any(|body| body.contains(text) && body.contains("If this was not you")),
            "{text}"
        );
    }
    for app in [first, second] {
        assert!(!events.contains(&app.secret) && !json!(mails).to_string().contains(&app.secret));
    }
}
