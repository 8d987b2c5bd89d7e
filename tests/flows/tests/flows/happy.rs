//! A person's whole way, with an authenticator that is independent of the library under test.

use flows::{Answer, HandMade, Person, Portal, Run, SoftwareKey, T0, from_base64url, set_up};
use jiff::Timestamp;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

const ACCOUNT: &[&str] = &[
    "action_needed",
    "created_at",
    "email",
    "id",
    "methods",
    "ready",
    "recovery_code",
    "set_ups",
    "username",
];
const PASSKEY: &[&str] = &["backed_up", "created_at", "id", "last_used_at", "name", "provider"];

#[track_caller]
pub fn assert_members(value: &Value, members: &[&str]) {
    let mut present: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    present.sort_unstable();
    assert_eq!(present, members, "{value:#}");
}

/// What a portal's back end does with a token (RFC 9068 §4), down to the time, which tests hold.
pub async fn verified(portal: &Portal, token: &str) -> Value {
    let header = decode_header(token).unwrap();
    assert_eq!((header.typ.as_deref(), header.alg), (Some("at+jwt"), Algorithm::ES256));
    let keys: JwkSet =
        serde_json::from_value(portal.get("/.well-known/jwks.json").send().await.expect(200).json()).unwrap();
    let key = keys.find(&header.kid.unwrap()).expect("the key set has the token's key");
    // The clock is the run's, not this machine's.
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_issuer(&[&portal.origin]);
    validation.set_audience(&["portal"]);
    validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
    validation.validate_exp = false;
    decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap().claims
}

/// What the token of a sign-in says.
pub async fn claims(portal: &Portal, signed_in: &Answer) -> Value {
    let body = signed_in.json();
    assert_eq!(body["status"], "signed_in", "{signed_in:?}");
    verified(portal, body["access_token"].as_str().unwrap()).await
}

pub async fn what_happened(person: &mut Person) -> Vec<String> {
    let activity = person.get("/v1/account/activity").await.expect(200).json();
    activity["events"].as_array().unwrap().iter().map(|e| e["what"].as_str().unwrap().to_owned()).collect()
}

pub async fn is_over(portal: &Portal, session: &str) {
    portal.get("/v1/account").session(session).send().await.problem(401, "not_signed_in");
}

pub fn seconds(at: &str) -> i64 {
    at.parse::<Timestamp>().unwrap().as_second()
}

#[track_caller]
fn assert_claims(claims: &Value, account: &str, authenticated: i64, issued: i64, amr: &[&str]) {
    assert_eq!(claims["sub"], account);
    assert_eq!(claims["iat"], issued);
    assert_eq!(claims["exp"], issued + 15 * 60);
    assert_eq!(claims["auth_time"], authenticated);
    assert_eq!(claims["amr"], json!(amr));
    assert_eq!(claims["acr"], "phr");
    assert!(claims["sid"].as_str().unwrap().starts_with("ses_"), "{claims}");
    assert!(claims["jti"].as_str().unwrap().len() >= 16, "{claims}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "one way, from beginning to end")]
async fn from_nothing_to_a_passkey_sign_in() {
    let run = Run::frozen().await;
    let mut key = SoftwareKey::new(&run.origin);

    let registered =
        run.post("/v1/accounts", &json!({ "username": "Dr.Rivera", "email": "rivera@clinic.example" }));
    let registered = registered.send().await.expect(201);
    let first = registered.new_session();
    let registered = registered.json();
    assert_members(&registered, &["account", "status"]);
    assert_eq!(registered["status"], "set_up_required");
    let account = &registered["account"];
    assert_members(account, ACCOUNT);
    assert!(account["id"].as_str().unwrap().starts_with("acc_"));
    assert_eq!(account["username"], "dr.rivera");
    assert_eq!(account["email"], "rivera@clinic.example");
    assert_eq!(seconds(account["created_at"].as_str().unwrap()), seconds(T0));
    assert!(account["created_at"].as_str().unwrap().ends_with('Z'));
    let none = json!({ "passkeys": [], "authenticator": null, "phones": [], "password": null });
    assert_eq!(account["methods"], none);
    assert_eq!(account["recovery_code"], Value::Null);
    assert_eq!(account["ready"], false);
    let actions: Vec<&str> =
        account["action_needed"].as_array().unwrap().iter().map(|a| a["action"].as_str().unwrap()).collect();
    for action in
        ["add_passkey", "get_authenticator", "verify_phone", "set_password", "download_recovery_code"]
    {
        assert!(actions.contains(&action), "{actions:?}");
    }
    let account_id = account["id"].as_str().unwrap().to_owned();
    let second_passes = async || run.clock(&json!({ "advance_seconds": 1, "frozen": true })).await;
    second_passes().await;
    let shown = run.get("/v1/account").session(&first).send().await.expect(200).json();
    assert_eq!(&shown, account);

    let options = run.post("/v1/account/passkeys/options", &json!({})).session(&first);
    let options = options.send().await.expect(200).json();
    assert_members(&options, &["enrolment", "publicKey"]);
    let public_key = &options["publicKey"];
    assert_eq!(public_key["rp"]["id"], "localhost");
    assert_eq!(public_key["authenticatorSelection"]["residentKey"], "required");
    assert_eq!(public_key["authenticatorSelection"]["userVerification"], "required");
    assert_eq!(public_key["timeout"], 300_000);
    assert!(from_base64url(public_key["challenge"].as_str().unwrap()).len() >= 16);
    assert!(public_key["excludeCredentials"].as_array().is_none_or(Vec::is_empty));
    let body = json!({
        "enrolment": options["enrolment"],
        "credential": key.create(public_key).await,
        "name": "Front desk",
    });
    let passkey = run.post("/v1/account/passkeys", &body).session(&first).send().await.expect(201).json();
    assert_members(&passkey, PASSKEY);
    assert!(passkey["id"].as_str().unwrap().starts_with("pk_"));
    assert_eq!((&passkey["name"], &passkey["backed_up"]), (&json!("Front desk"), &json!(true)));
    assert_eq!(passkey["last_used_at"], Value::Null);
    second_passes().await;

    // A set-up, but after the deadline the code must be in hand as well.
    let token = || run.post("/v1/session/token", &json!({})).session(&first).send();
    let refused = token().await.problem(403, "set_up_required").json();
    assert_eq!(refused["action_needed"][0]["action"], "download_recovery_code");
    assert_eq!(refused["action_needed"].as_array().unwrap().len(), 1);
    run.get("/v1/account/recovery-code").session(&first).send().await.problem(404, "no_recovery_code");

    let issued = run.post("/v1/account/recovery-code", &json!({})).session(&first).send().await.expect(201);
    let issued = issued.json();
    assert_members(&issued, &["code", "issued_at"]);
    let code = issued["code"].as_str().unwrap().to_owned();
    let groups: Vec<&str> = code.split('-').collect();
    assert!(groups.len() == 4 && groups.iter().all(|g| g.len() == 4), "{code}");
    assert!(groups.concat().bytes().all(|digit| digit.is_ascii_digit()), "{code}");
    let account = run.get("/v1/account").session(&first).send().await.json();
    assert_eq!(account["ready"], false);
    assert_eq!(account["recovery_code"], json!({ "issued_at": issued["issued_at"], "downloaded_at": null }));
    token().await.problem(403, "set_up_required");
    second_passes().await;

    let file = run.get("/v1/account/recovery-code").session(&first).header("accept", "text/plain");
    let file = file.send().await.expect(200);
    assert!(file.header("content-type").unwrap().starts_with("text/plain"), "{file:?}");
    assert!(file.header("content-disposition").unwrap().starts_with("attachment"), "{file:?}");
    assert!(file.text().contains(&code), "{file:?}");
    let account = run.get("/v1/account").session(&first).send().await.json();
    assert_eq!((&account["ready"], &account["action_needed"]), (&json!(true), &json!([])));
    assert_eq!(
        account["set_ups"],
        json!({
            "passkey": true, "authenticator_and_phone": false, "password_and_phone": false
        })
    );
    let again = run.get("/v1/account/recovery-code").session(&first).send().await.expect(200);
    assert_eq!(again.json(), issued);

    // What an enrolment proves counts: the new user takes a token at once.
    let granted = token().await.expect(200).json();
    assert_members(&granted, &["access_token", "expires_in", "token_type"]);
    assert_eq!((&granted["token_type"], &granted["expires_in"]), (&json!("Bearer"), &json!(900)));
    let claims = verified(&run, granted["access_token"].as_str().unwrap()).await;
    assert_claims(&claims, &account_id, seconds(T0) + 1, seconds(T0) + 3, &["swk", "user", "mfa"]);

    let out = run.delete("/v1/session").session(&first).send().await.expect(204);
    assert_eq!(out.cookie().as_deref(), Some(""), "{out:?}");
    run.get("/v1/account").session(&first).send().await.problem(401, "not_signed_in");

    let later = run.t0() + jiff::SignedDuration::from_hours(30);
    run.hold(later).await;
    let options = run.post("/v1/sign-in/passkey/options", &json!({})).send().await.expect(200).json();
    assert_members(&options, &["publicKey", "sign_in"]);
    assert!(options["sign_in"].as_str().unwrap().starts_with("si_"));
    let public_key = &options["publicKey"];
    assert_eq!(public_key["allowCredentials"], json!([]));
    assert_eq!(
        (&public_key["userVerification"], &public_key["rpId"]),
        (&json!("required"), &json!("localhost"))
    );
    assert_eq!(public_key["timeout"], 300_000);
    let body = json!({ "sign_in": options["sign_in"], "credential": key.get(public_key).await });
    let signed_in = run.post("/v1/sign-in/passkey", &body).send().await.expect(200);
    let second = signed_in.new_session();
    let signed_in = signed_in.json();
    assert_members(&signed_in, &["access_token", "account", "expires_in", "status", "token_type"]);
    assert_eq!((&signed_in["status"], &signed_in["expires_in"]), (&json!("signed_in"), &json!(900)));
    let claims = verified(&run, signed_in["access_token"].as_str().unwrap()).await;
    assert_claims(&claims, &account_id, later.as_second(), later.as_second(), &["swk", "user", "mfa"]);
    let account = run.get("/v1/account").session(&second).send().await.expect(200).json();
    assert_eq!(account, signed_in["account"]);
    let used = account["methods"]["passkeys"][0]["last_used_at"].as_str().unwrap().parse::<Timestamp>();
    assert_eq!(used.unwrap(), later);

    let sessions = run.get("/v1/account/sessions").session(&second).send().await.expect(200).json();
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 1);
    let session = &sessions["sessions"][0];
    assert_members(session, &["amr", "created_at", "current", "id", "last_seen_at", "user_agent", "where"]);
    assert_eq!((&session["id"], &session["current"]), (&claims["sid"], &json!(true)));
    assert_eq!(session["amr"], json!(["swk", "user", "mfa"]));

    let activity = run.get("/v1/account/activity").session(&second).send().await.expect(200).json();
    let what: Vec<&str> =
        activity["events"].as_array().unwrap().iter().map(|e| e["what"].as_str().unwrap()).collect();
    let newest_first = [
        "signed_in",
        "recovery_code_downloaded",
        "recovery_code_downloaded",
        "recovery_code_issued",
        "passkey_added",
        "account_registered",
    ];
    assert_eq!(what, newest_first);
    for event in activity["events"].as_array().unwrap() {
        assert_members(event, &["at", "id", "what", "where"]);
        assert_eq!(event["where"], "127.0.0.1");
    }
    assert_eq!(activity.get("cursor"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_bound_passkey_that_counts_is_said_to_be_one() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    let mut key = HandMade::new(&run.origin);
    key.counter = 7;
    assert_eq!(person.enrol(key).await["backed_up"], false);
    let signed_in = person.sign_in().await.expect(200).json();
    let claims = verified(&run, signed_in["access_token"].as_str().unwrap()).await;
    assert_eq!(claims["amr"], json!(["hwk", "user", "mfa"]));
    person.sign_in().await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_the_library_that_counts_signs_in_again_and_again() {
    let run = Run::start().await;
    let mut person = set_up(&run).await;
    let mut key = SoftwareKey::new(&run.origin);
    key.counts = true;
    let options = person.post("/v1/account/passkeys/options", &json!({})).await.expect(200).json();
    let credential = key.create(&options["publicKey"]).await;
    let body = json!({ "enrolment": options["enrolment"], "credential": credential });
    person.post("/v1/account/passkeys", &body).await.expect(201);
    for _ in 0..3 {
        let options = run.post("/v1/sign-in/passkey/options", &json!({})).send().await.expect(200).json();
        let credential = key.get(&options["publicKey"]).await;
        let body = json!({ "sign_in": options["sign_in"], "credential": credential });
        run.post("/v1/sign-in/passkey", &body).send().await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_tells_when_the_proof_was_and_a_step_up_renews_it() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    run.clock(&json!({ "advance_seconds": 1800, "frozen": true })).await;
    let granted = person.post("/v1/session/token", &json!({})).await.expect(200).json();
    let claims = verified(&run, granted["access_token"].as_str().unwrap()).await;
    let account = claims["sub"].as_str().unwrap();
    assert_claims(&claims, account, seconds(T0), seconds(T0) + 1800, &["hwk", "user", "mfa"]);

    let before = person.session.clone();
    person.sign_in().await.expect(200);
    assert_ne!(person.session, before);
    run.get("/v1/account").session(&before).send().await.problem(401, "not_signed_in");
    let granted = person.post("/v1/session/token", &json!({})).await.expect(200).json();
    let renewed = verified(&run, granted["access_token"].as_str().unwrap()).await;
    assert_claims(&renewed, account, seconds(T0) + 1800, seconds(T0) + 1800, &["hwk", "user", "mfa"]);
    assert_ne!(renewed["jti"], claims["jti"]);
    let sessions = person.get("/v1/account/sessions").await.expect(200).json();
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 1, "the step-up replaced the session");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passkeys_are_renamed_added_and_removed() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    let first = person.account().await["methods"]["passkeys"][0].clone();
    let path = format!("/v1/account/passkeys/{}", first["id"].as_str().unwrap());

    let renamed = person.patch(&path, &json!({ "name": "Front desk" })).await.expect(200).json();
    assert_members(&renamed, PASSKEY);
    assert_eq!((&renamed["id"], &renamed["name"]), (&first["id"], &json!("Front desk")));
    assert_eq!(person.account().await["methods"]["passkeys"][0], renamed);
    for name in ["", " ", "x\u{7}", &"é".repeat(65)] {
        person.patch(&path, &json!({ "name": name })).await.problem(400, "bad_request");
    }
    person.patch(&path, &json!({ "name": "é".repeat(64) })).await.expect(200);
    person.patch("/v1/account/passkeys/pk_unknown", &json!({ "name": "x" })).await.problem(404, "not_found");
    person.delete("/v1/account/passkeys/pk_unknown").await.problem(404, "not_found");

    // The only one stays.
    person.delete(&path).await.problem(409, "would_break_set_up");

    let proven_by_first = person.elsewhere().await;
    let options = person.post("/v1/account/passkeys/options", &json!({})).await.expect(200).json();
    let excluded = options["publicKey"]["excludeCredentials"].as_array().unwrap();
    assert_eq!(excluded.len(), 1);
    assert_eq!(excluded[0]["id"], flows::base64url(&person.key.credential_id));

    let mut by_second = person.clone();
    let second = by_second.enrol(HandMade::new(&run.origin)).await;
    let second_path = format!("/v1/account/passkeys/{}", second["id"].as_str().unwrap());
    let mut by_second = by_second.elsewhere().await;
    assert_eq!(person.account().await["methods"]["passkeys"].as_array().unwrap().len(), 2);

    let sessions = async |person: &mut flows::Person| {
        let listed = person.get("/v1/account/sessions").await.expect(200).json();
        listed["sessions"].as_array().unwrap().len()
    };
    // The session that removes it goes on; the others that it proved end, and those that it did not, do not.
    person.sign_in().await.expect(200);
    let before = sessions(&mut person).await;
    person.delete(&path).await.expect(204);
    assert_eq!(sessions(&mut person).await, before - 1, "an ended session is not listed");
    run.get("/v1/account").session(&proven_by_first.session).send().await.problem(401, "not_signed_in");
    let left = person.account().await["methods"]["passkeys"].clone();
    assert_eq!(left.as_array().unwrap().len(), 1);
    assert_eq!(left[0]["id"], second["id"]);
    by_second.get("/v1/account").await.expect(200);
    person.sign_in().await.problem(401, "wrong_credentials");
    by_second.delete(&second_path).await.problem(409, "would_break_set_up");
    person.delete(&path).await.problem(404, "not_found");
    by_second.sign_in().await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_passkey_can_be_enrolled_again() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    let old = person.key.clone();
    let id = person.account().await["methods"]["passkeys"][0]["id"].as_str().unwrap().to_owned();
    person.enrol(HandMade::new(&run.origin)).await;
    person.delete(&format!("/v1/account/passkeys/{id}")).await.expect(204);
    person.enrol(old).await;
    person.sign_in().await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_listed_and_ended() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    let mut other = flows::Person { session: String::new(), ..person.clone() };
    let body = other.sign_in_body().await;
    let call = run.post("/v1/sign-in/passkey", &body).header("user-agent", "Front desk/1.0");
    other.send(call).await.expect(200);
    let mut stranger = set_up(&run).await;

    let listed = |answer: Answer| answer.expect(200).json()["sessions"].as_array().unwrap().clone();
    let sessions = listed(person.get("/v1/account/sessions").await);
    assert_eq!(sessions.len(), 2);
    let theirs = sessions.iter().find(|session| session["current"] == false).unwrap();
    assert_eq!(theirs["user_agent"], "Front desk/1.0");
    assert_eq!(theirs["where"], "127.0.0.1");
    let end = format!("/v1/account/sessions/{}", theirs["id"].as_str().unwrap());

    // Another's session is none of a stranger's business.
    stranger.delete(&end).await.problem(404, "not_found");
    other.get("/v1/account").await.expect(200);

    person.delete(&end).await.expect(204);
    other.get("/v1/account").await.problem(401, "not_signed_in");
    person.delete(&end).await.problem(404, "not_found");
    let left = listed(person.get("/v1/account/sessions").await);
    assert_eq!(left.len(), 1);
    let own = format!("/v1/account/sessions/{}", left[0]["id"].as_str().unwrap());
    person.delete(&own).await.expect(204);
    person.get("/v1/account").await.problem(401, "not_signed_in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_code_ends_the_old_and_readiness_until_it_is_downloaded() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    let old = person.get("/v1/account/recovery-code").await.expect(200).json();
    run.clock(&json!({ "advance_seconds": 1, "frozen": true })).await;

    let new = person.post("/v1/account/recovery-code", &json!({})).await.expect(201).json();
    assert_ne!(new["code"], old["code"]);
    let account = person.account().await;
    assert_eq!(account["ready"], false);
    assert_eq!(account["action_needed"][0]["action"], "download_recovery_code");
    assert_eq!(account["recovery_code"]["downloaded_at"], Value::Null);
    person.post("/v1/session/token", &json!({})).await.problem(403, "set_up_required");
    let signed_in = person.clone().sign_in().await.expect(200).json();
    assert_eq!(signed_in["status"], "set_up_required");
    assert_eq!(signed_in.get("access_token"), None);

    person.sign_in().await.expect(200);
    let shown = person.get("/v1/account/recovery-code").await.expect(200).json();
    assert_eq!(shown, new);
    assert_eq!(person.account().await["ready"], true);
    person.post("/v1/session/token", &json!({})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_code_comes_as_a_file_to_whom_asks_for_text() {
    let run = Run::frozen().await;
    let person = set_up(&run).await;
    for (accept, content_type) in [
        (None, "application/json"),
        (Some("application/json"), "application/json"),
        (Some("*/*"), "application/json"),
        (Some(""), "application/json"),
        (Some("image/png"), "application/json"),
        (Some("text/plain"), "text/plain"),
        (Some("TEXT/PLAIN"), "text/plain"),
        (Some("text/plain; charset=utf-8"), "text/plain"),
        (Some("text/plain, */*;q=0.1"), "text/plain"),
        (Some("text/plain, application/json;q=0.5"), "text/plain"),
        (Some("application/json, text/plain;q=0.5"), "application/json"),
        (Some("text/plain;q=0, application/json"), "application/json"),
        (Some("nonsense"), "application/json"),
    ] {
        let call = run.get("/v1/account/recovery-code").session(&person.session);
        let call = accept.iter().fold(call, |call, accept| call.header("accept", accept));
        let answer = call.send().await.expect(200);
        let given = answer.header("content-type").unwrap();
        assert!(given.starts_with(content_type), "{accept:?}: {answer:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{accept:?}");
        let is_file = answer.header("content-disposition").is_some_and(|how| how.starts_with("attachment"));
        assert_eq!(is_file, content_type == "text/plain", "{accept:?}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn activity_comes_in_pages() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    for _ in 0..60 {
        person.get("/v1/account/recovery-code").await.expect(200);
    }
    let first = person.get("/v1/account/activity").await.expect(200).json();
    assert_eq!(first["events"].as_array().unwrap().len(), 50);
    let cursor = first["cursor"].as_str().unwrap();
    let next = person.get(&format!("/v1/account/activity?cursor={cursor}")).await.expect(200).json();
    // Registered, added, issued, downloaded 61 times.
    assert_eq!(next["events"].as_array().unwrap().len(), 14);
    assert_eq!(next.get("cursor"), None);
    let mut ids: Vec<&str> = [&first, &next]
        .iter()
        .flat_map(|page| page["events"].as_array().unwrap())
        .map(|event| event["id"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 64);
    // Another account's place in its own activity is no place in this one's.
    let mut stranger = set_up(&run).await;
    let answer = stranger.get(&format!("/v1/account/activity?cursor={cursor}")).await;
    assert!(answer.status == 400 || answer.json()["events"].as_array().unwrap().len() <= 5, "{answer:?}");
    for cursor in ["", "x", "%00", "evt_", "..%2f", "%ff"] {
        let answer = stranger.get(&format!("/v1/account/activity?cursor={cursor}")).await;
        answer.problem(400, "bad_request");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_policy_says_the_dates_and_the_set_ups() {
    let run = Run::start().await;
    let policy = run.get("/v1/policy").send().await.expect(200).json();
    let members =
        ["email_recovery_ends_at", "recovery_code_prompted_from", "set_up_required_from", "set_ups"];
    assert_members(&policy, &members);
    let day = |member: &str| policy[member].as_str().unwrap()[..10].to_owned();
    assert_eq!(day("email_recovery_ends_at"), "2025-03-07");
    assert_eq!(day("set_up_required_from"), "2025-03-07");
    assert_eq!(&day("recovery_code_prompted_from")[..7], "2025-01");
    let set_ups = policy["set_ups"].as_array().unwrap();
    let ids: Vec<&str> = set_ups.iter().map(|set_up| set_up["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["passkey", "authenticator_and_phone", "password_and_phone"]);
    for set_up in set_ups {
        assert_members(set_up, &["action", "how", "id", "what"]);
    }
    let keys = run.get("/.well-known/jwks.json").send().await.expect(200).json();
    for key in keys["keys"].as_array().unwrap() {
        assert_eq!(key.get("d"), None, "a private key is served");
        assert_eq!((&key["kty"], &key["crv"]), (&json!("EC"), &json!("P-256")));
    }
}

/// Pages count down to the policy's instants from the date of the answer, never from the device's own clock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_dated_by_the_clock_that_the_functions_see() {
    let run = Run::start().await;
    for (now, dated) in [
        ("2024-12-10T15:00:00Z", "Tue, 10 Dec 2024 15:00:00 GMT"),
        // Whole seconds, and never ahead.
        ("2025-03-07T05:59:59.999Z", "Fri, 07 Mar 2025 05:59:59 GMT"),
        ("2025-03-07T06:00:00Z", "Fri, 07 Mar 2025 06:00:00 GMT"),
    ] {
        run.hold(now.parse().unwrap()).await;
        for path in ["/v1/policy", "/", "/v1/account"] {
            assert_eq!(run.get(path).send().await.header("date"), Some(dated), "{path} at {now}");
        }
    }
}
