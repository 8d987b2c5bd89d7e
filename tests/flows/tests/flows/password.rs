//! Setting a password, changing it, and signing in with it and a phone.

use flows::{
    PASSWORD, Person, Run, landline, mobile, registered, set_up, somebody, with_password, with_phone,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::happy::{assert_members, claims, is_over, seconds, verified, what_happened};

const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);
const ANOTHER: &str = "seven slow lanterns / 1 canal";

/// Midnight in Chicago: from then on a minimum set-up is required.
const DEADLINE: &str = "2025-03-07T06:00:00.000Z";

fn at(instant: &str) -> Timestamp {
    instant.parse().unwrap()
}

fn actions(account: &Value) -> Vec<&str> {
    let needed = account["action_needed"].as_array().unwrap();
    needed.iter().map(|action| action["action"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_nothing_to_a_password_and_a_phone() {
    let run = Run::frozen().await;
    let mut person = Person { password: PASSWORD.to_owned(), ..somebody(&run) };
    let body = json!({ "username": person.username, "email": person.email, "password": PASSWORD });
    let registered = person.post("/v1/accounts", &body).await.expect(201).json();
    assert_members(&registered, &["account", "status"]);
    assert_eq!(registered["status"], "set_up_required");
    let account = &registered["account"];
    assert_eq!(seconds(account["methods"]["password"]["changed_at"].as_str().unwrap()), run.t0().as_second());
    assert_members(&account["methods"]["password"], &["changed_at"]);
    assert_eq!(
        actions(account),
        ["add_passkey", "get_authenticator", "verify_phone", "download_recovery_code"]
    );
    let account_id = account["id"].clone();
    person.post("/v1/session/token", &json!({})).await.problem(403, "set_up_required");

    run.wait(10).await;
    let number = mobile(0);
    let pending = person.begin_phone("(212) 555-0100", "text").await.expect(202).json();
    assert_members(&pending, &["channels", "ending", "expires_at", "id", "line_type", "resend_at"]);
    assert!(pending["id"].as_str().unwrap().starts_with("ph_"), "{pending}");
    assert_eq!((&pending["ending"], &pending["line_type"]), (&json!("00"), &json!("mobile")));
    assert_eq!(pending["channels"], json!(["text", "call"]));
    let now = run.t0() + SignedDuration::from_secs(10);
    assert_eq!(at(pending["expires_at"].as_str().unwrap()), now + SignedDuration::from_mins(10));
    assert_eq!(at(pending["resend_at"].as_str().unwrap()), now + SignedDuration::from_secs(30));
    // Nothing changes until it is confirmed.
    assert_eq!(person.account().await["methods"]["phones"], json!([]));
    let code = run.code_to(&number).await;
    let confirmed = person.confirm_phone(&pending["id"], &code).await.expect(200).json();
    let phone = &confirmed["methods"]["phones"][0];
    assert_members(phone, &["channels", "ending", "id", "line_type", "verified_at"]);
    assert_eq!((&phone["id"], &phone["ending"]), (&pending["id"], &json!("00")));
    assert_eq!((&phone["line_type"], &phone["channels"]), (&json!("mobile"), &json!(["text", "call"])));
    assert_eq!(at(phone["verified_at"].as_str().unwrap()), now);
    assert_eq!(confirmed["set_ups"]["password_and_phone"], true);
    assert_eq!(actions(&confirmed), ["download_recovery_code"]);
    person.post("/v1/session/token", &json!({})).await.problem(403, "set_up_required");

    // What registering and confirming proved counts.
    run.wait(1).await;
    person.take_code().await;
    let granted = person.post("/v1/session/token", &json!({})).await.expect(200).json();
    let claims = verified(&run, granted["access_token"].as_str().unwrap()).await;
    assert_eq!(
        (&claims["sub"], &claims["acr"], &claims["amr"]),
        (&account_id, &json!("aal2"), &json!(["pwd", "sms", "mfa"]))
    );
    assert_eq!(claims["auth_time"], run.t0().as_second());
    let happened = what_happened(&mut person).await;
    assert_eq!(happened[2..], ["phone_added", "account_registered"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_by_password_and_then_a_text_or_a_call() {
    let run = Run::frozen().await;
    for (number, channel, method) in
        [(mobile(1), "text", "sms"), (mobile(2), "call", "tel"), (landline(0), "call", "tel")]
    {
        let mut person = with_phone(&run, &number).await.signed_out();
        let first = person.by_password().await.expect(200);
        assert_eq!(first.cookie(), None, "{first:?}");
        let next = first.json();
        assert_members(&next, &["expires_at", "next", "proven", "sign_in", "status"]);
        assert_eq!((&next["status"], &next["proven"]), (&json!("next"), &json!(["password"])));
        let ways = next["next"].as_array().unwrap();
        assert_eq!(ways.len(), 1, "{next}");
        assert_members(&ways[0], &["method", "phones"]);
        assert_eq!(ways[0]["method"], "phone");
        let phones = ways[0]["phones"].as_array().unwrap();
        assert_eq!(phones.len(), 1);
        assert_members(&phones[0], &["channels", "ending", "id"]);
        assert_eq!(phones[0]["ending"], number[number.len() - 2..]);
        let channels = if number == landline(0) { json!(["call"]) } else { json!(["text", "call"]) };
        assert_eq!(phones[0]["channels"], channels);

        run.wait(60).await;
        let body = json!({ "sign_in": next["sign_in"], "phone": phones[0]["id"], "channel": channel });
        let sent = person.post("/v1/sign-in/phone/send", &body).await.expect(202).json();
        assert_members(&sent, &["ending", "expires_at", "resend_at", "sign_in"]);
        assert_eq!(sent["ending"], phones[0]["ending"]);
        // The code ends with its sign-in, which began a minute ago.
        assert_eq!(sent["expires_at"], next["expires_at"]);
        let message = run.messages_to(&number).await[0].clone();
        assert_eq!(message["kind"], channel, "{message}");
        let code = run.code_to(&number).await;
        let signed_in = person.verify(&sent["sign_in"], &code).await.expect(200);
        assert!(!signed_in.new_session().is_empty());
        let claims = claims(&run, &signed_in).await;
        assert_eq!((&claims["acr"], &claims["amr"]), (&json!("aal2"), &json!(["pwd", method, "mfa"])));
        // The older of the two proofs.
        assert_eq!(claims["auth_time"].as_i64().unwrap(), claims["iat"].as_i64().unwrap() - 60);
        let account = signed_in.json()["account"].clone();
        assert_eq!(person.account().await, account);
        let sessions = person.get("/v1/account/sessions").await.expect(200).json();
        let current = sessions["sessions"].as_array().unwrap().iter().find(|s| s["current"] == true);
        assert_eq!(current.unwrap()["amr"], json!(["pwd", method, "mfa"]));
        assert_eq!(what_happened(&mut person).await[0], "signed_in");
        // It was used.
        person.verify(&sent["sign_in"], &code).await.problem(401, "sign_in_expired");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_by_a_phone_and_then_the_password() {
    let run = Run::frozen().await;
    for (number, channel, method) in [(mobile(3), "text", "sms"), (landline(1), "call", "tel")] {
        let mut person = with_phone(&run, &number).await.signed_out();
        let sent = person.send_code(channel).await.expect(202).json();
        assert_members(&sent, &["expires_at", "resend_at", "sign_in"]);
        let code = run.code_to(&number).await;
        let next = person.verify(&sent["sign_in"], &code).await.expect(200).json();
        assert_eq!((&next["status"], &next["proven"]), (&json!("next"), &json!(["phone"])));
        assert_eq!(next["next"], json!([{ "method": "password" }]));
        assert_eq!(next["expires_at"], sent["expires_at"]);
        // The code is spent, and the sign-in goes on.
        person.verify(&sent["sign_in"], &code).await.problem(401, "wrong_credentials");
        run.wait(9 * 60).await;
        let body = json!({ "sign_in": next["sign_in"], "password": PASSWORD });
        let signed_in = person.post("/v1/sign-in/password", &body).await.expect(200);
        let claims = claims(&run, &signed_in).await;
        assert_eq!((&claims["acr"], &claims["amr"]), (&json!("aal2"), &json!(["pwd", method, "mfa"])));
        assert_eq!(claims["auth_time"].as_i64().unwrap(), claims["iat"].as_i64().unwrap() - 9 * 60);
        person.post("/v1/sign-in/password", &body).await.problem(401, "sign_in_expired");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_way_on_is_listed_and_one_proof_twice_is_one() {
    let run = Run::unlimited().await;
    let mut person = with_phone(&run, &mobile(4)).await;
    person.enrol(flows::HandMade::new(&run.origin)).await;
    person.add_phone(&landline(2), "call").await;
    let mut stranger = person.signed_out();
    let next = stranger.by_password().await.expect(200).json();
    let ways: Vec<&Value> = next["next"].as_array().unwrap().iter().map(|way| &way["method"]).collect();
    assert_eq!(ways, ["passkey", "phone"]);
    let phones = next["next"][1]["phones"].as_array().unwrap();
    let shown: Vec<(&Value, &Value)> = phones.iter().map(|p| (&p["ending"], &p["channels"])).collect();
    assert_eq!(shown, [(&json!("04"), &json!(["text", "call"])), (&json!("62"), &json!(["call"]))], "{next}");
    // The password again proves nothing more.
    let again = json!({ "sign_in": next["sign_in"], "password": PASSWORD });
    let again = stranger.post("/v1/sign-in/password", &again).await.expect(200).json();
    assert_eq!((&again["status"], &again["proven"]), (&json!("next"), &json!(["password"])));
    assert_eq!(again["next"], next["next"]);
    assert_eq!(stranger.session, "");
    // Nor do two codes to two phones.
    let sent = stranger.send_code("text").await.expect(202).json();
    let code = run.code_to(&mobile(4)).await;
    let by_text = stranger.verify(&sent["sign_in"], &code).await.expect(200).json();
    let body = json!({ "sign_in": by_text["sign_in"], "phone": phones[1]["id"], "channel": "call" });
    run.wait(30).await;
    let sent = stranger.post("/v1/sign-in/phone/send", &body).await.expect(202).json();
    let code = run.code_to(&landline(2)).await;
    let by_both = stranger.verify(&sent["sign_in"], &code).await.expect(200).json();
    assert_eq!((&by_both["status"], &by_both["proven"]), (&json!("next"), &json!(["phone"])));
    let ways: Vec<&Value> = by_both["next"].as_array().unwrap().iter().map(|way| &way["method"]).collect();
    assert_eq!(ways, ["passkey", "password"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_lasts_ten_minutes_from_its_first_step() {
    let run = Run::frozen().await;
    let mut person = with_phone(&run, &mobile(5)).await.signed_out();
    let begun = run.t0() + SignedDuration::from_secs(30);
    let next = person.by_password().await.expect(200).json();
    let over = begun + SignedDuration::from_mins(10);
    assert_eq!(at(next["expires_at"].as_str().unwrap()), over);
    run.hold(begun + SignedDuration::from_mins(8)).await;
    let sent = person.send_code_in(&next["sign_in"], "text").await.expect(202).json();
    assert_eq!(at(sent["expires_at"].as_str().unwrap()), over);
    let code = run.code_to(&mobile(5)).await;
    run.hold(over).await;
    person.verify(&sent["sign_in"], &code).await.problem(401, "sign_in_expired");
    person.send_code_in(&next["sign_in"], "text").await.problem(401, "sign_in_expired");
    let body = json!({ "sign_in": next["sign_in"], "password": PASSWORD });
    person.post("/v1/sign-in/password", &body).await.problem(401, "sign_in_expired");
    run.hold(over - MILLISECOND).await;
    assert_eq!(person.verify(&sent["sign_in"], &code).await.expect(200).json()["status"], "signed_in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_up_by_password_and_phone_renews_the_session() {
    let run = Run::frozen().await;
    let mut person = with_phone(&run, &mobile(6)).await;
    person.sign_in_by("text").await.expect(200);
    run.wait(5 * 60 + 1).await;
    person.set_password(ANOTHER).await.problem(403, "step_up_required");
    person.begin_phone(&mobile(7), "text").await.problem(403, "step_up_required");
    let before = person.session.clone();
    let phone = person.account().await["methods"]["phones"][0]["id"].as_str().unwrap().to_owned();
    person.delete(&format!("/v1/account/phones/{phone}")).await.problem(403, "step_up_required");
    let signed_in = person.sign_in_by("call").await.expect(200);
    assert_eq!(signed_in.json()["status"], "signed_in");
    assert_ne!(person.session, before);
    is_over(&run, &before).await;
    person.set_password(ANOTHER).await.expect(200);
    person.begin_phone(&mobile(7), "text").await.expect(202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_needs_proofs_of_five_minutes_at_most() {
    let run = Run::frozen().await;
    let mut person = with_phone(&run, &mobile(8)).await;
    person.sign_in_by("text").await.expect(200);
    let proven = run.t0() + SignedDuration::from_secs(30);
    run.hold(proven + SignedDuration::from_mins(5) + MILLISECOND).await;
    person.set_password(ANOTHER).await.problem(403, "step_up_required");
    run.hold(proven + SignedDuration::from_mins(5)).await;
    person.set_password(ANOTHER).await.expect(200);
    // What it proves is fresh, and the phone's proof is not: both are asked for.
    run.wait(1).await;
    person.set_password(PASSWORD).await.problem(403, "step_up_required");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_set_and_then_changed_with_the_one_before() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    run.wait(1).await;
    let account = person.set_password(PASSWORD).await.expect(200).json();
    assert_eq!(
        seconds(account["methods"]["password"]["changed_at"].as_str().unwrap()),
        run.t0().as_second() + 1
    );
    assert_eq!(what_happened(&mut person).await[0], "password_set");
    let put = async |person: &mut Person, body: Value| person.put("/v1/account/password", &body).await;

    put(&mut person, json!({ "password": ANOTHER })).await.problem(400, "bad_request");
    put(&mut person, json!({ "password": ANOTHER, "current": null })).await.problem(400, "bad_request");
    let wrong = json!({ "password": ANOTHER, "current": "violet anchors, 4 harbours" });
    put(&mut person, wrong).await.problem(401, "wrong_credentials");
    // A wrong one is told before what is wrong with the new one; a right one is not.
    let both = json!({ "password": "password", "current": "not this one either" });
    put(&mut person, both).await.problem(401, "wrong_credentials");
    let weak = json!({ "password": "password", "current": PASSWORD });
    put(&mut person, weak).await.problem(422, "weak_password");
    let long = json!({ "password": "a".repeat(1025), "current": "not this one either" });
    put(&mut person, long).await.problem(401, "wrong_credentials");
    let long = json!({ "password": "a".repeat(1025), "current": PASSWORD });
    put(&mut person, long).await.problem(422, "weak_password");
    assert_eq!(person.account().await["methods"]["password"], account["methods"]["password"]);

    run.wait(1).await;
    let account = person.set_password(ANOTHER).await.expect(200).json();
    assert_eq!(
        seconds(account["methods"]["password"]["changed_at"].as_str().unwrap()),
        run.t0().as_second() + 2
    );
    assert_eq!(what_happened(&mut person).await[0], "password_changed");
    let mut stranger = Person { password: PASSWORD.to_owned(), ..person.signed_out() };
    stranger.by_password().await.problem(401, "wrong_credentials");
    ANOTHER.clone_into(&mut stranger.password);
    stranger.by_password().await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_current_password_is_a_guess() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    person.set_password(PASSWORD).await.expect(200);
    let body = json!({ "password": ANOTHER, "current": "a wrong guess at it" });
    for nth in 0..5 {
        // Two of the five are made by signing in: the count is one.
        if nth % 2 == 0 {
            person.put("/v1/account/password", &body).await.problem(401, "wrong_credentials");
        } else {
            let mut stranger = Person { password: "a wrong guess at it".to_owned(), ..person.signed_out() };
            stranger.by_password().await.problem(401, "wrong_credentials");
        }
    }
    let locked = person.set_password(ANOTHER).await.problem(429, "locked");
    assert_eq!(locked.header("retry-after"), Some("60"));
    person.signed_out().by_password().await.problem(429, "locked");
    run.wait(60).await;
    person.set_password(ANOTHER).await.expect(200);
    // The right one began the count anew.
    let body = json!({ "password": PASSWORD, "current": "a wrong guess at it" });
    run.wait(1).await;
    for _ in 0..5 {
        person.put("/v1/account/password", &body).await.problem(401, "wrong_credentials");
    }
    run.wait(60).await;
    person.put("/v1/account/password", &body).await.problem(401, "wrong_credentials");
    assert_eq!(what_happened(&mut person).await[0], "password_locked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_ends_every_other_session_and_every_sign_in_under_way() {
    let run = Run::unlimited().await;
    let mut person = with_phone(&run, &mobile(9)).await;
    let mut elsewhere = person.signed_out();
    elsewhere.sign_in_by("text").await.expect(200);
    let mut under_way = person.signed_out();
    let next = under_way.by_password().await.expect(200).json();
    let cookie = person.session.clone();
    run.wait(30).await;

    person.set_password(ANOTHER).await.expect(200);
    is_over(&run, &elsewhere.session).await;
    assert_eq!(person.session, cookie);
    person.get("/v1/account/activity").await.expect(200);
    person.post("/v1/session/token", &json!({})).await.expect(200);
    let sessions = person.get("/v1/account/sessions").await.expect(200).json();
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 1, "{sessions}");

    // The password that began it is no more: its proof stands for nothing.
    let still = under_way.prove_phone(&next["sign_in"], "text").await.expect(200).json();
    assert_eq!((&still["status"], &still["proven"]), (&json!("next"), &json!(["phone"])), "{still}");
    assert_eq!(still["next"], json!([{ "method": "password" }]));
    let body = json!({ "sign_in": still["sign_in"], "password": ANOTHER });
    let signed_in = under_way.post("/v1/sign-in/password", &body).await.expect(200).json();
    assert_eq!(signed_in["status"], "signed_in");
}

/// Setting a first password is no change of one: nobody knew one that would have to be shut out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_password_ends_no_session() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    let mut elsewhere = person.elsewhere().await;
    person.set_password(PASSWORD).await.expect(200);
    elsewhere.get("/v1/account").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weak_passwords_are_refused_with_their_reasons() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    let username = person.username.clone();
    let backwards: String = username.chars().rev().collect();
    for (password, reasons) in [
        (String::new(), json!(["too_short"])),
        ("xK7#pQ9".to_owned(), json!(["too_short"])),
        // Seven characters, whatever their bytes.
        ("ключи7к".to_owned(), json!(["too_short"])),
        ("password".to_owned(), json!(["common"])),
        ("P@ssw0rd".to_owned(), json!(["common"])),
        ("drowssap".to_owned(), json!(["common"])),
        ("1234567890".to_owned(), json!(["common"])),
        ("123456".to_owned(), json!(["too_short", "common"])),
        (format!("my own {username} of old"), json!(["contains_username"])),
        (format!("MY OWN {} OF OLD", username.to_uppercase()), json!(["contains_username"])),
        (format!("my own {backwards} of old"), json!(["contains_username"])),
        ("aaaaaaaaaaaaaaa".to_owned(), json!(["guessable"])),
        ("Summer2026!".to_owned(), json!(["guessable"])),
        ("x".repeat(1025), json!(["too_long"])),
        ("é".repeat(513), json!(["too_long"])),
    ] {
        let refused = person.put("/v1/account/password", &json!({ "password": password })).await;
        let refused = refused.problem(422, "weak_password").json();
        assert_eq!(refused["reasons"], reasons, "{password}");
        for suggestion in refused["suggestions"].as_array().unwrap() {
            assert!(suggestion.as_str().is_some_and(|text| text.ends_with('.')), "{refused}");
        }
        let body = json!({ "username": username, "email": person.email, "password": password });
        let refused = run.post("/v1/accounts", &body).send().await.problem(422, "weak_password");
        assert_eq!(refused.json()["reasons"], reasons, "{password}");
        assert_eq!(refused.cookie(), None);
    }
    assert_eq!(person.account().await["methods"]["password"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_of_every_kind_are_taken_whole() {
    let run = Run::frozen().await;
    let longest = format!("{PASSWORD}{}", "z".repeat(1024 - PASSWORD.len()));
    for (password, almost) in [
        // As long as it is, to the last byte.
        (longest.clone(), longest[..1023].to_owned()),
        (PASSWORD.repeat(5)[..128].to_owned(), PASSWORD.repeat(5)[..127].to_owned()),
        // Nothing is trimmed or folded.
        ("  violet anchors  ".to_owned(), "violet anchors".to_owned()),
        ("Violet Anchors 3".to_owned(), "violet anchors 3".to_owned()),
        ("лодка на канале".to_owned(), "лодка на Канале".to_owned()),
        ("🦀 under 🌙 by the 🌊".to_owned(), "🦀 under 🌙 by the 🌊 ".to_owned()),
        ("nul\u{0}byte\ttab\nline".to_owned(), "nul".to_owned()),
    ] {
        let mut person = registered(&run).await;
        person.set_password(&password).await.expect(200);
        Person { password: almost, ..person.signed_out() }
            .by_password()
            .await
            .problem(401, "wrong_credentials");
        person.signed_out().by_password().await.expect(200);
    }
    let mut person = with_password(&run).await;
    let too_long = "a".repeat(1025);
    Person { password: too_long.clone(), ..person.signed_out() }
        .by_password()
        .await
        .problem(400, "bad_request");
    let body = json!({ "password": ANOTHER, "current": too_long });
    person.put("/v1/account/password", &body).await.problem(400, "bad_request");
    // It cost no guess.
    for _ in 0..5 {
        let body = json!({ "password": ANOTHER, "current": "a" });
        person.put("/v1/account/password", &body).await.problem(401, "wrong_credentials");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_password_in_two_spellings_of_unicode_is_one() {
    let run = Run::frozen().await;
    let (composed, decomposed) = ("caf\u{e9} cr\u{e8}me, Sorrento", "cafe\u{301} cre\u{300}me, Sorrento");
    assert_ne!(composed, decomposed);
    let mut person = registered(&run).await;
    person.set_password(decomposed).await.expect(200);
    for spelling in [composed, decomposed] {
        Person { password: spelling.to_owned(), ..person.signed_out() }.by_password().await.expect(200);
    }
    // What only looks alike is another one.
    let folded = composed.replace('o', "\u{43e}");
    Person { password: folded, ..person.signed_out() }.by_password().await.problem(401, "wrong_credentials");
    composed.clone_into(&mut person.password);
    person.set_password(ANOTHER).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_signs_in_in_every_spelling() {
    let run = Run::frozen().await;
    let person = with_password(&run).await;
    let mut shouted = Person { username: person.username.to_uppercase(), ..person.signed_out() };
    shouted.by_password().await.expect(200);
    let mut spaced = Person { username: format!(" {}", person.username), ..person.signed_out() };
    spaced.by_password().await.problem(401, "wrong_credentials");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registration_with_a_password_is_repeated_with_the_same_alone() {
    let run = Run::frozen().await;
    let body = |password: &str| json!({ "username": "repeats", "email": "repeats@clinic.example", "password": password });
    let register =
        async |body: Value| run.post("/v1/accounts", &body).header("idempotency-key", "one").send().await;
    let first = register(body(PASSWORD)).await.expect(201);
    let second = register(body(PASSWORD)).await.expect(201);
    assert_eq!(first.json()["account"], second.json()["account"]);
    register(body(ANOTHER)).await.problem(422, "idempotency_key_reused");
    let without = json!({ "username": "repeats", "email": "repeats@clinic.example" });
    register(without).await.problem(422, "idempotency_key_reused");
    // The second answer's session has proven the password as the first's did.
    let mut person = Person { session: second.new_session(), ..somebody(&run) };
    person.add_phone(&mobile(10), "text").await;
    person.take_code().await;
    person.post("/v1/session/token", &json!({})).await.expect(200);
    let mut person = Person { session: first.new_session(), ..person };
    person.post("/v1/session/token", &json!({})).await.problem(403, "step_up_required");
}

/// An account with a password alone, before and after it has to be more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn until_the_deadline_a_password_alone_signs_in() {
    let run = Run::frozen().await;
    run.hold(at("2025-02-01T12:00:00Z")).await;
    let mut person = with_password(&run).await;
    // Registering with it is a sign-in of the old way, too.
    person.post("/v1/session/token", &json!({})).await.expect(200);
    let deadline = at(DEADLINE);

    run.hold(deadline - MILLISECOND).await;
    let signed_in = person.signed_out().by_password().await.expect(200);
    let claims = claims(&run, &signed_in).await;
    assert_eq!((&claims["acr"], &claims["amr"]), (&json!("aal1"), &json!(["pwd"])));
    let account = &signed_in.json()["account"];
    assert_eq!(
        actions(account),
        ["add_passkey", "get_authenticator", "verify_phone", "download_recovery_code"]
    );
    assert_eq!(
        account["action_needed"][2]["completes"],
        json!(["authenticator_and_phone", "password_and_phone"])
    );
    assert_eq!(at(account["action_needed"][0]["deadline"].as_str().unwrap()), deadline);
    let before = signed_in.new_session();
    let token = || run.post("/v1/session/token", &json!({})).session(&before).send();
    token().await.expect(200);

    run.hold(deadline).await;
    let refused = token().await.problem(403, "set_up_required").json();
    assert_eq!(&refused["action_needed"], &account["action_needed"]);
    let after = person.signed_out().by_password().await.expect(200);
    assert_eq!(after.json()["status"], "set_up_required", "{after:?}");
    assert_eq!(after.json().get("access_token"), None);
    let mut person = Person { session: after.new_session(), ..person };
    person.get("/v1/account/activity").await.problem(403, "set_up_required");
    // This session sets itself up.
    person.add_phone(&mobile(12), "text").await;
    person.post("/v1/session/token", &json!({})).await.problem(403, "set_up_required");
    person.take_code().await;
    let granted = person.post("/v1/session/token", &json!({})).await.expect(200).json();
    let claims = verified(&run, granted["access_token"].as_str().unwrap()).await;
    assert_eq!((&claims["acr"], &claims["amr"]), (&json!("aal2"), &json!(["pwd", "sms", "mfa"])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_with_a_set_up_is_never_admitted_by_its_password_alone() {
    let run = Run::frozen().await;
    run.hold(at("2025-02-01T12:00:00Z")).await;
    let mut by_phone = with_password(&run).await;
    by_phone.add_phone(&mobile(13), "text").await;
    let mut by_passkey = set_up(&run).await;
    by_passkey.set_password(PASSWORD).await.expect(200);
    for instant in [at("2025-02-01T13:00:00Z"), at(DEADLINE) - MILLISECOND, at(DEADLINE)] {
        run.hold(instant).await;
        for person in [&by_phone, &by_passkey] {
            let answer = person.signed_out().by_password().await.expect(200);
            assert_eq!(answer.json()["status"], "next", "{answer:?}");
            assert_eq!(answer.cookie(), None);
        }
    }
    // Both proofs admit before the deadline without the code, and after it only to set up.
    for (instant, status) in [(at(DEADLINE) - MILLISECOND, "signed_in"), (at(DEADLINE), "set_up_required")] {
        run.hold(instant).await;
        let mut person = by_phone.signed_out();
        let channel = "text";
        let next = person.by_password().await.expect(200).json();
        let sent = person.send_code_in(&next["sign_in"], channel).await;
        if sent.status == 429 {
            // Both instants lie closer together than two texts to one number.
            run.wait(30).await;
        }
        let answer = if sent.status == 202 {
            let code = run.code_to(&mobile(13)).await;
            person.verify(&sent.json()["sign_in"], &code).await
        } else {
            person.prove_phone(&next["sign_in"], channel).await
        };
        assert_eq!(answer.expect(200).json()["status"], status);
    }
}

/// What began before the deadline is judged by the rules of its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_that_crosses_the_deadline_ends_by_the_new_rules() {
    let run = Run::frozen().await;
    run.hold(at(DEADLINE) - SignedDuration::from_mins(5)).await;
    let mut person = with_password(&run).await;
    person.add_phone(&mobile(14), "text").await;
    run.wait(30).await;
    let next = person.signed_out().by_password().await.expect(200).json();
    run.hold(at(DEADLINE)).await;
    let mut stranger = person.signed_out();
    let answer = stranger.prove_phone(&next["sign_in"], "text").await.expect(200);
    assert_eq!(answer.json()["status"], "set_up_required");
    stranger.take_code().await;
    stranger.post("/v1/session/token", &json!({})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_of_another_shape_are_refused_and_cost_no_guess() {
    let run = Run::frozen().await;
    let mut person = with_phone(&run, &mobile(15)).await.signed_out();
    let next = person.by_password().await.expect(200).json();
    let sign_in = &next["sign_in"];
    let sending = person.send_code_in(sign_in, "text").await.expect(202).json();
    let phone = &next["next"][0]["phones"][0]["id"];
    let name = &person.username.clone();
    let password = "/v1/sign-in/password";
    let send = "/v1/sign-in/phone/send";
    let verify = "/v1/sign-in/phone/verify";
    for (path, body) in [
        (password, json!({ "password": PASSWORD })),
        (password, json!({ "username": name, "sign_in": sign_in, "password": PASSWORD })),
        (password, json!({ "username": null, "sign_in": null, "password": PASSWORD })),
        (password, json!({ "username": name })),
        (password, json!({ "username": name, "password": null })),
        (password, json!({ "username": name, "password": ["x"] })),
        (password, json!({ "username": name, "password": 12_345_678 })),
        (password, json!({ "username": 1, "password": PASSWORD })),
        (password, json!({ "username": name, "password": PASSWORD, "code": "123456" })),
        (password, json!({ "username": name, "Password": PASSWORD })),
        (send, json!({ "channel": "text" })),
        (send, json!({ "username": name })),
        (send, json!({ "username": name, "channel": "TEXT" })),
        (send, json!({ "username": name, "channel": "email" })),
        (send, json!({ "username": name, "channel": null })),
        (send, json!({ "username": name, "channel": ["text"] })),
        (send, json!({ "username": name, "sign_in": sign_in, "channel": "text" })),
        (send, json!({ "username": name, "phone": phone, "channel": "text" })),
        (send, json!({ "phone": phone, "channel": "text" })),
        (send, json!({ "sign_in": sign_in, "phone": 1, "channel": "text" })),
        (send, json!({ "sign_in": sign_in, "channel": "text", "number": mobile(15) })),
        (verify, json!({ "sign_in": sign_in })),
        (verify, json!({ "code": "123456" })),
        (verify, json!({ "username": name, "code": "123456" })),
        (verify, json!({ "sign_in": sign_in, "code": "123456", "username": name })),
        (verify, json!({ "sign_in": sign_in, "code": 123_456 })),
        (verify, json!({ "sign_in": sign_in, "code": null })),
        (verify, json!({ "sign_in": [sign_in], "code": "123456" })),
    ] {
        let answer = person.post(path, &body).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "bad_request"), "{body}: {answer:?}");
    }
    let code = run.code_to(&mobile(15)).await;
    let wide: String =
        code.chars().map(|digit| char::from_u32(u32::from(digit) + 0xff10 - 0x30).unwrap()).collect();
    let arabic: String =
        code.chars().map(|digit| char::from_u32(u32::from(digit) + 0x660 - 0x30).unwrap()).collect();
    for shape in [
        "",
        " ",
        &code[..5],
        &format!("{code}0"),
        &format!(" {code}"),
        &format!("{code} "),
        &format!("{code}\n"),
        &format!("{} {}", &code[..3], &code[3..]),
        &format!("{}-{}", &code[..3], &code[3..]),
        &format!("+{}", &code[1..]),
        &format!("-{}", &code[1..]),
        &format!("{}\u{0}", &code[..5]),
        "12345a",
        "0x1234",
        "1e5000",
        &wide,
        &arabic,
    ] {
        person.verify(&sending["sign_in"], shape).await.problem(400, "bad_request");
    }
    for other in ["", "si_", "si_AAAA", "x", &sign_in.as_str().unwrap()[3..]] {
        person.verify(&json!(other), &code).await.problem(401, "sign_in_expired");
        person.send_code_in(&json!(other), "text").await.problem(401, "sign_in_expired");
        let body = json!({ "sign_in": other, "password": PASSWORD });
        person.post(password, &body).await.problem(401, "sign_in_expired");
    }
    // All of that, and not one guess.
    assert_eq!(person.verify(&sending["sign_in"], &code).await.expect(200).json()["status"], "signed_in");
    let mut wrong = Person { password: "a wrong guess at it".to_owned(), ..person.signed_out() };
    for _ in 0..5 {
        wrong.by_password().await.problem(401, "wrong_credentials");
    }
}

/// What was proven of one account proves nothing of another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_of_one_account_takes_no_proof_of_another() {
    let run = Run::frozen().await;
    let mut one = with_phone(&run, &mobile(16)).await.signed_out();
    let mut other = with_password(&run).await;
    other.add_phone(&mobile(17), "text").await;
    other.take_code().await;
    let other_password = "four grey herons / 9 mills";
    other.set_password(other_password).await.expect(200);
    run.wait(30).await;
    let next = one.by_password().await.expect(200).json();
    // The other's password in the one's sign-in.
    let body = json!({ "sign_in": next["sign_in"], "password": other_password });
    one.post("/v1/sign-in/password", &body).await.problem(401, "wrong_credentials");
    // The other's phone.
    let phone = other.account().await["methods"]["phones"][0]["id"].clone();
    let body = json!({ "sign_in": next["sign_in"], "phone": phone, "channel": "text" });
    one.post("/v1/sign-in/phone/send", &body).await.problem(404, "not_found");
    // A passkey ceremony's `sign_in` is none of these.
    let ceremony = run.post("/v1/sign-in/passkey/options", &json!({})).send().await.expect(200).json();
    let body = json!({ "sign_in": ceremony["sign_in"], "password": PASSWORD });
    one.post("/v1/sign-in/password", &body).await.problem(401, "sign_in_expired");
    one.send_code_in(&ceremony["sign_in"], "text").await.problem(401, "sign_in_expired");
    // And the other way round.
    let mut with_key = set_up(&run).await;
    let mut body = with_key.sign_in_body().await;
    body["sign_in"] = next["sign_in"].clone();
    with_key.post("/v1/sign-in/passkey", &body).await.problem(401, "sign_in_expired");
}
