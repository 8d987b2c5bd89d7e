//! No secret, code, phone number, email address or cookie in anything that is printed, nor in the clear on disk: canaries
//! go through every flow, and all output is searched.

use std::fs;

use flows::{App, Binary, HandMade, Person, SoftwareKey, another_code};
use postern_http::routes::ROUTES;
use postern_metrics::DECLARED;
use serde_json::{Value, json};

use crate::binary::PROGRAM;

/// A secret, and what to call it when it is found.
type Canary = (String, String);

/// The whole API once, with good and bad requests. Answers what must not be found.
#[expect(clippy::too_many_lines, reason = "one way, from beginning to end")]
async fn every_flow(run: &Binary) -> Vec<Canary> {
    let mut canaries: Vec<Canary> = Vec::new();
    let mut secret = |what: &str, value: &str| {
        let found_by_chance = value.len() < 8 && !(value.len() >= 6 && what.starts_with("a sent code"));
        assert!(!found_by_chance, "{what} is too short to be told from chance: {value:?}");
        canaries.push((what.to_owned(), value.to_owned()));
    };
    let portal = run.portal.clone();
    let email = "canary.bird@cage-of-canaries.example";
    secret("the email address", email);
    secret("the email's domain", "cage-of-canaries");
    let mut person = Person {
        portal: portal.clone(),
        session: String::new(),
        key: HandMade::new(&portal.origin),
        username: "canary-owner".to_owned(),
        email: email.to_owned(),
        password: String::new(),
        number: String::new(),
        app: None,
    };
    let body = json!({ "username": person.username, "email": email });
    let call = portal.post("/v1/accounts", &body).header("idempotency-key", "canary-idempotency-key");
    person.send(call).await.expect(201);
    secret("the registration's cookie", &person.session);
    let again = portal.post("/v1/accounts", &body).header("idempotency-key", "canary-idempotency-key");
    let again = again.send().await.expect(201);
    secret("the repeated registration's cookie", &again.new_session());
    // Refused: what is wrong is not shown either.
    for body in [
        json!({ "username": "canary-two", "email": "canary-broken-address@@cage-of-canaries.example" }),
        json!({ "username": "canary-two", "email": email, "canary-unknown-member": "canary-unknown-value" }),
        json!({ "username": "canary-two", "email": ["canary-mistyped-value"] }),
        json!({ "username": person.username, "email": email }),
    ] {
        let answer = portal.post("/v1/accounts", &body).send().await;
        assert!((400..500).contains(&answer.status));
    }
    for value in ["canary-broken-address", "canary-unknown-value", "canary-mistyped-value"] {
        secret("a refused value", value);
    }

    let options = person.post("/v1/account/passkeys/options", &json!({})).await.expect(200).json();
    secret("an enrolment's challenge", options["publicKey"]["challenge"].as_str().unwrap());
    secret("an enrolment's sealed state", &options["enrolment"].as_str().unwrap()[..60]);
    let mut library = SoftwareKey::new(&portal.origin);
    let credential = library.create(&options["publicKey"]).await;
    secret("a credential id", credential["id"].as_str().unwrap());
    let mut body = json!({ "enrolment": options["enrolment"], "credential": credential });
    body["name"] = json!("canary\u{7}name");
    person.post("/v1/account/passkeys", &body).await.problem(400, "bad_request");
    body["name"] = json!("A name");
    person.post("/v1/account/passkeys", &body).await.expect(201);
    person.post("/v1/account/passkeys", &body).await;

    let code = person.take_code().await;
    let digits = code.replace('-', "");
    secret("the recovery code", &code);
    secret("the recovery code's digits", &digits);
    secret("half of the recovery code", &digits[..8]);
    secret("the other half of the recovery code", &digits[8..]);
    let file = portal.get("/v1/account/recovery-code").header("accept", "text/plain");
    person.send(file).await.expect(200);
    let token = person.post("/v1/session/token", &json!({})).await.expect(200).json();
    let token = token["access_token"].as_str().unwrap().to_owned();
    secret("an access token", &token);
    secret("an access token's signature", token.rsplit('.').next().unwrap());

    let second = person.enrol(HandMade::new(&portal.origin)).await;
    let path = format!("/v1/account/passkeys/{}", second["id"].as_str().unwrap());
    person.patch(&path, &json!({ "name": "Another name" })).await.expect(200);
    let body = person.sign_in_body().await;
    secret("a signature", body["credential"]["response"]["signature"].as_str().unwrap());
    secret("a sign-in's sealed state", &body["sign_in"].as_str().unwrap()[..60]);
    let client_data =
        flows::from_base64url(body["credential"]["response"]["clientDataJSON"].as_str().unwrap());
    let client_data: Value = serde_json::from_slice(&client_data).unwrap();
    secret("a sign-in's challenge", client_data["challenge"].as_str().unwrap());
    let signed_in = person.post("/v1/sign-in/passkey", &body).await.expect(200);
    secret("the cookie of a sign-in", &person.session);
    secret("the access token of a sign-in", signed_in.json()["access_token"].as_str().unwrap());
    person.post("/v1/sign-in/passkey", &body).await.problem(401, "sign_in_expired");
    let mut wrong = person.sign_in_body().await;
    wrong["credential"]["response"]["signature"] = json!(flows::base64url("canary"));
    person.post("/v1/sign-in/passkey", &wrong).await.problem(401, "wrong_credentials");

    // By password and phone; the clock moves on, for a number gets one code in thirty seconds.
    let (password, number, line) = ("canary-password, 3 harbours", flows::mobile(57), flows::landline(17));
    secret("the password", password);
    for number in [&number, &line] {
        secret("a phone number", number);
        secret("a phone number without its country", &number[2..]);
    }
    for weak in ["canary1", &format!("canary-too-long-{}", "x".repeat(1100)), "canary-owner and more"] {
        let refused = person.put("/v1/account/password", &json!({ "password": weak })).await;
        refused.problem(422, "weak_password");
    }
    secret("a password that was too long", "canary-too-long-xxxx");
    person.set_password(password).await.expect(200);
    let wrong = json!({ "password": "canary-new-password, 9", "current": "canary-wrong-current" });
    person.put("/v1/account/password", &wrong).await.problem(401, "wrong_credentials");
    secret("a new password", "canary-new-password");
    secret("a wrong password", "canary-wrong-current");
    for (name, password) in [
        (person.username.as_str(), "canary-wrong-password"),
        ("canary-nobody", "canary-password-of-nobody"),
        // In the wrong field, as people do.
        ("canary-password-as-name", "x"),
    ] {
        let body = json!({ "username": name, "password": password });
        portal.post("/v1/sign-in/password", &body).send().await.problem(401, "wrong_credentials");
    }
    for value in ["canary-wrong-password", "canary-password-of-nobody"] {
        secret("what was typed for a password", value);
    }
    secret("a name that nobody has", "canary-password-as-name");
    for (number, channel) in [(&number, "text"), (&line, "call")] {
        let pending = person.begin_phone(number, channel).await.expect(202).json();
        let code = portal.code_to(number).await;
        secret("a sent code", &code);
        let wrong = another_code(&code);
        person.confirm_phone(&pending["id"], &wrong).await.problem(401, "wrong_credentials");
        person.confirm_phone(&pending["id"], "canary-code").await.problem(400, "bad_request");
        person.confirm_phone(&pending["id"], &code).await.expect(200);
        number.clone_into(&mut person.number);
    }
    for refused in ["+1 212 555 0187", "+1 800 555 0157", "+1 212 555 0157 x1234"] {
        person.begin_phone(refused, "text").await.problem(422, "invalid_phone");
    }
    secret("a number that was refused", "555 0187");
    secret("a number that was refused", "+12125550187");
    secret("a number that was refused", "+18005550157");
    // The first goes to the mobile, the one that takes texts; from then on it is the one used last.
    number.clone_into(&mut person.number);
    for channel in ["text", "call"] {
        portal.wait(31).await;
        let next = person.by_password().await.expect(200).json();
        secret("the state of a sign-in by password", &next["sign_in"].as_str().unwrap()[..60]);
        let sent = person.send_code_in(&next["sign_in"], channel).await.expect(202).json();
        let code = portal.code_to(&number).await;
        secret("a sent code", &code);
        let wrong = another_code(&code);
        person.verify(&sent["sign_in"], &wrong).await.problem(401, "wrong_credentials");
        let signed_in = person.verify(&sent["sign_in"], &code).await.expect(200);
        secret("the cookie of a sign-in by phone", &person.session);
        secret("the access token of one", signed_in.json()["access_token"].as_str().unwrap());
    }
    person.send_code("text").await;
    let nobody = json!({ "username": "canary-nobody", "channel": "call" });
    portal.post("/v1/sign-in/phone/send", &nobody).send().await.expect(202);
    for _ in 0..6 {
        let body = json!({ "username": person.username, "password": "canary-wrong-password" });
        portal.post("/v1/sign-in/password", &body).send().await;
    }

    // By the app. Its codes are six digits, and so are looked for where they stand apart.
    let mut begun = Vec::new();
    for _ in 0..2 {
        let shown = person.begin_app().await.expect(201).json();
        let app = App::scan(shown["uri"].as_str().unwrap());
        secret("the secret of an app", &app.secret);
        secret("half of the secret of an app", &app.secret[..16]);
        secret("the QR code of an app", &shown["qr_svg"].as_str().unwrap()[300..360]);
        begun.push(app);
    }
    let app = begun.pop().unwrap();
    person.confirm_app("canary-code").await.problem(400, "bad_request");
    for (nth, known) in [(0, false), (1, true)] {
        portal.wait(31).await;
        let code = app.code_at(portal.now().await).await;
        secret("a sent code, of the app", &code);
        if known {
            let mut stranger = person.signed_out();
            let next = stranger.by_app(&code).await.expect(200).json();
            secret("the state of a sign-in by app", &next["sign_in"].as_str().unwrap()[..60]);
            stranger.by_app(&code).await.problem(401, "wrong_credentials");
            let body = json!({ "sign_in": next["sign_in"], "password": password });
            stranger.post("/v1/sign-in/password", &body).await;
            if !stranger.session.is_empty() {
                secret("the cookie of a sign-in by app", &stranger.session);
            }
        } else {
            person.confirm_app(&code).await.expect(200);
        }
        let nobody = json!({ "username": format!("canary-nobody-{nth}"), "code": code });
        portal.post("/v1/sign-in/authenticator", &nobody).send().await.problem(401, "wrong_credentials");
    }
    person.app = Some(app);

    // A dependency that fails is told of in the log, and not with what it was asked.
    for kind in ["throttled", "error", "timeout", "lost_response"] {
        let mut faults = Vec::new();
        for (service, operation) in [
            ("dynamodb", "TransactWriteItems"),
            ("dynamodb", "UpdateItem"),
            ("kms", "Encrypt"),
            ("kms", "Decrypt"),
            ("kms", "GenerateMac"),
            ("sns", "Publish"),
            ("ses", "SendEmail"),
            ("smsvoice", "CarrierLookup"),
            ("smsvoice", "SendVoiceMessage"),
        ] {
            faults.push(json!({ "service": service, "operation": operation, "times": 1, "kind": kind }));
        }
        let body = person.sign_in_body().await;
        portal.faults(&json!(faults)).await;
        let mut other = person.clone();
        other.post("/v1/sign-in/passkey", &body).await;
        other.post("/v1/account/recovery-code", &json!({})).await;
        other.get("/v1/account/recovery-code").await;
        other.signed_out().send_code("call").await;
        other.signed_out().by_password().await;
        other.begin_phone(&flows::mobile(58), "text").await;
        other.begin_app().await;
        let code = other.app_code().await;
        other.confirm_app(&code).await;
        other.signed_out().by_app(&code).await;
        portal.wait(31).await;
        portal.post("/v1/accounts", &json!({ "username": "canary-three", "email": email })).send().await;
        portal.faults(&json!([])).await;
        person.sign_in().await.expect(200);
        secret("a cookie", &person.session);
    }
    let code = person.take_code().await;
    secret("a later recovery code", &code);

    for path in ["/v1/account", "/v1/account/activity", "/v1/account/sessions", "/v1/policy", "/dev/messages"]
    {
        person.get(path).await.expect(200);
    }
    person.delete("/v1/account/authenticator").await.expect(204);
    let phone = person.account().await["methods"]["phones"][0]["id"].as_str().unwrap().to_owned();
    person.delete(&format!("/v1/account/phones/{phone}")).await.expect(204);
    secret("a phone number", &flows::mobile(58));
    let elsewhere = person.elsewhere().await;
    secret("another browser's cookie", &elsewhere.session);
    let mut garbage = portal.get("/v1/account").header("cookie", "__Host-session=canary-garbage-cookie");
    garbage = garbage.header("user-agent", "canary-user-agent");
    garbage.send().await.problem(401, "not_signed_in");
    secret("a cookie that is none", "canary-garbage-cookie");
    portal.get("/v1/account/activity?cursor=canary-cursor-value").session(&person.session).send().await;
    let code = person.take_code().await;
    secret("a redeemed recovery code", &code);
    secret("a redeemed recovery code's digits", &code.replace('-', ""));
    for (by, value) in [
        ("username", "canary name of nobody"),
        ("email", "canary text that is no address"),
        ("email", "canary.nobody@cage-of-canaries.example"),
        ("username", person.username.as_str()),
    ] {
        let body = json!({ "code": "4291-8807-3345-0916", by: value });
        portal.post("/v1/recovery/code", &body).send().await.problem(401, "wrong_credentials");
    }
    portal
        .post("/v1/recovery/code", &json!({ "code": "canary-code-of-no-shape", "username": "canary" }))
        .send()
        .await;
    for (what, value) in [
        ("a wrong recovery code", "4291-8807-3345-0916"),
        ("a wrong recovery code's digits", "4291880733450916"),
        ("what was given as a name", "canary name of nobody"),
        ("what was given as an address", "canary text that is no address"),
        ("the address of nobody", "canary.nobody"),
        ("a recovery code of no shape", "canary-code-of-no-shape"),
    ] {
        secret(what, value);
    }
    let body = json!({ "code": code, "username": person.username });
    let call = portal.post("/v1/recovery/code", &body).header("idempotency-key", "canary-recovery-key");
    person.send(call).await.expect(200);
    secret("the cookie of a recovery", &person.session);
    secret("the key of a recovery", "canary-recovery-key");

    // By email, in the days when it recovered; the clock goes back for it, and the keys with it.
    portal.clock(&json!({ "set": "2025-02-07T12:00:00Z" })).await;
    let sent = portal.post("/v1/recovery/email/send", &json!({ "username": person.username })).send().await;
    let recovery = sent.expect(202).json()["recovery"].as_str().unwrap().to_owned();
    secret("a recovery's sealed state", &recovery[..60]);
    let emailed = portal.code_by_email(&person.email).await;
    secret("a sent code, by email", &emailed);
    for code in ["735201", &emailed] {
        let body = json!({ "recovery": recovery, "code": code });
        person.post("/v1/recovery/email/verify", &body).await;
    }
    secret("the cookie of a recovery by email", &person.session);

    person.delete(&path).await;
    person.delete("/v1/session").await.expect(204);
    portal.clock(&json!({})).await;
    canaries
}

fn assert_absent(canaries: &[Canary], where_: &str, text: &[u8]) {
    for (what, value) in canaries {
        // Six digits stand in every instant; a code of its own stands apart.
        let part_of_more =
            |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'.');
        let apart = |place: usize| {
            let before = place.checked_sub(1).and_then(|place| text.get(place));
            value.len() >= 8 || !(part_of_more(before) || part_of_more(text.get(place + value.len())))
        };
        let mut places = text.windows(value.len()).enumerate();
        let found =
            places.find(|(place, part)| *part == value.as_bytes() && apart(*place)).map(|(place, _)| place);
        if let Some(place) = found {
            let around = &text[place.saturating_sub(200)..(place + 200).min(text.len())];
            panic!("{what} stands in {where_}: {}", String::from_utf8_lossy(around));
        }
    }
}

/// Nothing starts cold in the local run, and a hundred wrong guesses are another test's.
const NOT_HERE: [&str; 2] = ["ColdStarts", "Disablings"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_printed_or_lies_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    // Ours say all that they have to say, the libraries what they say to an operator.
    let shared = [
        "authenticators",
        "codes",
        "domain",
        "http",
        "keys",
        "local",
        "messages",
        "metrics",
        "passkeys",
        "passwords",
        "phones",
        "sign_ins",
        "store",
        "tokens",
    ];
    let mut ours: Vec<String> = shared.map(|name| format!("postern_{name}")).to_vec();
    ours.extend(ROUTES.iter().map(|route| route.function.replace('-', "_")));
    ours.extend(["postern", "fallback", "keys_rotate", "security_notices", "voice_call"].map(str::to_owned));
    ours.dedup();
    let directives: Vec<String> = ours.iter().map(|name| format!("{name}=trace")).collect();
    let log = format!("info,{}", directives.join(","));
    let run = Binary::start(PROGRAM, 0, folder.path(), &[], &log).await.unwrap();
    let canaries = every_flow(&run).await;
    let exit = run.signal("TERM").await;
    assert!(exit.success, "{exit:?}");

    // It does log, or its silence would prove nothing.
    assert!(exit.output.contains("answered"), "{}", exit.output);
    assert!(exit.output.contains("/v1/sign-in/passkey"), "{}", exit.output);
    for metric in DECLARED.iter().filter(|metric| !NOT_HERE.contains(&metric.name)) {
        let line = format!("\"{}\":1", metric.name);
        assert!(exit.output.contains(&line), "no line counts {}", metric.name);
    }
    assert!(exit.output.lines().count() > 50);
    assert_absent(&canaries, "the output", exit.output.as_bytes());

    // On disk the server keeps the address, to write to it, and what names a credential. It keeps no
    // cookie, no code and no token. Nor a password; numbers it keeps, to send to them.
    let kept = [
        "the email",
        "a credential id",
        "a challenge",
        "a phone number",
        "a sent code",
        "a name that nobody has",
    ];
    let secrets: Vec<Canary> =
        canaries.into_iter().filter(|(what, _)| !kept.iter().any(|kept| what.starts_with(kept))).collect();
    for file in fs::read_dir(folder.path()).unwrap() {
        let path = file.unwrap().path();
        assert_absent(&secrets, &path.display().to_string(), &fs::read(&path).unwrap());
    }
}
