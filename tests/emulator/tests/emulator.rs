//! Three people's ways through all of it, event file by event file, in the order in which it happens: one with passkeys, who
//! loses them and comes back by the recovery code, one with a password and phones, one with an authenticator app.

#![expect(clippy::indexing_slicing, clippy::print_stdout, reason = "a test that prints what it measured")]

#[path = "walk/authenticator.rs"]
mod authenticator;
#[path = "walk/password_and_phone.rs"]
mod password_and_phone;
#[path = "walk/recovery.rs"]
mod recovery;

use std::path::{Path, PathBuf};
use std::time::Duration;

use emulator::{Deployment, Failure, Measured, Reply};
use flows::{SoftwareKey, base64url, from_base64url, sha256};
use serde_json::{Value, json};

/// In bytes.
const LARGEST_BINARY: u64 = 10_000_000;
const SLOWEST_START: Duration = Duration::from_secs(3);
const MOST_MEMORY_KIB: u64 = 40_000_000 / 1024;
/// An Argon2id hash takes 19 MiB for its time.
const MOST_MEMORY_HASHING_KIB: u64 = MOST_MEMORY_KIB + 19 * 1024;
const HASHING: [&str; 3] = ["account-register", "password-set", "password-sign-in"];

#[tokio::test]
async fn the_built_functions_answer_their_events() {
    let way = tokio::time::timeout(Duration::from_mins(5), way());
    if let Err(failure) = way.await.expect("within five minutes") {
        panic!("{failure}");
    }
}

/// The deployment, and what the person's device keeps.
struct Walk {
    deployment: Deployment,
    session: String,
    recovery_code: String,
    /// The account of somebody with a phone.
    with_phone: String,
    /// What must never stand in a log.
    secrets: Vec<String>,
    failures: Vec<String>,
}

#[expect(clippy::disallowed_methods, reason = "the test command says where the stand-in is")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

async fn way() -> Result<(), Failure> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let stand_in = variable("POSTERN_STAND_IN").ok_or("POSTERN_STAND_IN is not set: tests/emulator/run")?;
    let mut deployment = Deployment::start(&root, &stand_in).await?;
    deployment.may_write(true).await?;
    if let Some(folder) = variable("POSTERN_BUILT") {
        deployment = deployment.built_in(PathBuf::from(folder));
    }
    let secrets = vec!["rivera@clinic.example".to_owned()];
    let mut walk = Walk {
        deployment,
        session: String::new(),
        recovery_code: String::new(),
        with_phone: String::new(),
        secrets,
        failures: Vec::new(),
    };

    let whole = everything(&mut walk).await;
    if let Err(error) = whole {
        // What went wrong before says why.
        walk.failures.push(error.to_string());
        return Err(walk.failures.join("\n").into());
    }
    report(&mut walk)
}

async fn everything(walk: &mut Walk) -> Result<(), Failure> {
    keys_are_made(walk).await?;
    open_to_all(walk).await?;
    without_a_session(walk).await?;
    registration(walk).await?;
    let mut device = SoftwareKey::new("https://id.portal.example");
    let passkey = enrolment(walk, &mut device).await?;
    recovery_code(walk).await?;
    sign_in(walk, &mut device).await?;
    account(walk, &passkey).await?;
    sessions(walk, &mut device).await?;
    sign_out(walk).await?;
    recovery::by_code(walk).await?;
    recovery::by_email(walk).await?;
    recovery::no_longer_by_email(walk).await?;
    password_and_phone::all_of_it(walk).await?;
    authenticator::all_of_it(walk).await?;
    events_are_told(walk).await?;
    calls_that_do_not_open(walk).await
}

impl Walk {
    /// Sends the event as it stands, changed by `change`, and expects the status and, of a problem, the code.
    async fn send(
        &mut self,
        name: &str,
        expected: (u16, &str),
        change: impl FnOnce(&mut Value),
    ) -> Result<Reply, Failure> {
        let binary = name.split('.').next().unwrap_or_default();
        let mut event = self.deployment.event(name)?;
        change(&mut event);
        if !self.session.is_empty() && event["cookies"][0] == self.session.as_str() {
            // One that signing out or in has ended meanwhile cannot rest.
            let _ = self.deployment.let_rest(&session_id(&self.session)).await;
        }
        let (reply, differences) =
            self.deployment.call(binary, &event).await.map_err(|error| format!("{name}: {error}"))?;
        let code = reply.json().get("code").and_then(Value::as_str).unwrap_or_default().to_owned();
        // A recovery code stands in a member of the same name.
        let code = if reply.status < 400 { String::new() } else { code };
        if (reply.status, code.as_str()) != expected {
            self.failures
                .push(format!("{name}: {} {code} instead of {expected:?}: {}", reply.status, reply.body));
        }
        self.failures.extend(differences.into_iter().map(|what| format!("{name}: {what}")));
        if let Some(session) = reply.session() {
            self.secrets.extend(
                session.strip_prefix("__Host-session=").filter(|it| !it.is_empty()).map(str::to_owned),
            );
        }
        Ok(reply)
    }

    /// Sends the event with the session that the device has now.
    async fn send_signed_in(&mut self, name: &str, expected: (u16, &str)) -> Result<Reply, Failure> {
        let session = self.session.clone();
        self.send(name, expected, |event| event["cookies"] = json!([session])).await
    }

    /// The same with another body.
    async fn send_body(&mut self, name: &str, expected: (u16, &str), body: Value) -> Result<Reply, Failure> {
        let session = self.session.clone();
        self.send(name, expected, |event| {
            if event.get("cookies").is_some() {
                event["cookies"] = json!([session]);
            }
            event["body"] = body.to_string().into();
        })
        .await
    }

    /// The same, with the session that the device has: where one may come along, and none is needed.
    async fn send_along(&mut self, name: &str, body: &Value) -> Result<Reply, Failure> {
        let session = self.session.clone();
        self.send(name, (200, ""), |event| {
            event["cookies"] = json!([session]);
            event["body"] = body.to_string().into();
        })
        .await
    }

    /// Sends what admits. The session that comes along ends, and what is sent again is over.
    async fn sign_in(&mut self, name: &str, body: Value) -> Result<(), Failure> {
        let before = json!([self.session]);
        let signed_in = self.send_along(name, &body).await?;
        self.send("account-view", (401, "not_signed_in"), |event| event["cookies"] = before).await?;
        password_and_phone::is_signed_in(self, &signed_in.json());
        self.keep_session(&signed_in);
        self.send_body(name, (401, "sign_in_expired"), body).await?;
        Ok(())
    }

    fn keep_session(&mut self, reply: &Reply) {
        self.session = reply.session().unwrap_or_default();
    }

    fn expect(&mut self, holds: bool, what: &str) {
        if !holds {
            self.failures.push(what.to_owned());
        }
    }
}

/// A session is known by the SHA-256 of its cookie's value.
fn session_id(cookie: &str) -> String {
    let value = cookie.strip_prefix("__Host-session=").unwrap_or_default();
    format!("ses_{}", base64url(sha256(from_base64url(value))))
}

/// Puts `id` into the path of an event.
fn at_id(event: &mut Value, id: &str) {
    let old = event["pathParameters"]["id"].as_str().unwrap_or_default().to_owned();
    let path = event["rawPath"].as_str().unwrap_or_default().replace(&old, id);
    event["pathParameters"]["id"] = id.into();
    event["requestContext"]["http"]["path"] = path.as_str().into();
    event["rawPath"] = path.into();
}

async fn keys_are_made(walk: &mut Walk) -> Result<(), Failure> {
    // Before there are keys, nothing is promised that needs one.
    walk.send("passkey-sign-in-options", (503, "unavailable"), |_| {}).await?;
    let deployed = walk.deployment.event("keys-rotate.deployed")?;
    let made = walk.deployment.invoke("keys-rotate", &deployed).await?;
    walk.expect(made["sealing_keys"].as_u64() >= Some(1), "keys-rotate made no sealing key");
    walk.expect(made["token_keys"].as_u64() >= Some(1), "keys-rotate made no token key");
    let daily = walk.deployment.event("keys-rotate")?;
    let again = walk.deployment.invoke("keys-rotate", &daily).await?;
    walk.expect(
        again == json!({ "sealing_keys": 0, "token_keys": 0 }),
        "keys-rotate made keys that were not due",
    );
    Ok(())
}

async fn open_to_all(walk: &mut Walk) -> Result<(), Failure> {
    let policy = walk.send("policy", (200, ""), |_| {}).await?.json();
    walk.expect(policy["set_ups"].as_array().map(Vec::len) == Some(3), "the policy has not three set-ups");
    let jwks = walk.send("jwks", (200, ""), |_| {}).await?.json();
    walk.expect(jwks["keys"].as_array().is_some_and(|keys| !keys.is_empty()), "there is no public key");
    for page in [
        "pages",
        "pages.register",
        "pages.recover",
        "pages.help",
        "pages.set-up",
        "pages.recovery-code",
        "pages.manage",
    ] {
        let reply = walk.send(page, (200, ""), |_| {}).await?;
        walk.expect(reply.headers["content-type"].starts_with("text/html"), "a page is not HTML");
    }
    walk.send("pages.asset", (200, ""), |_| {}).await?;
    walk.send("pages.unknown-asset", (404, "not_found"), |_| {}).await?;
    walk.send("fallback", (404, "not_found"), |_| {}).await?;
    let refused = walk.send("fallback.method-not-allowed", (405, "method_not_allowed"), |_| {}).await?;
    walk.expect(refused.headers.get("allow").map(String::as_str) == Some("GET"), "Allow does not say GET");
    walk.send("fallback.head", (405, "method_not_allowed"), |_| {}).await?;
    walk.send("fallback.foreign-origin", (403, "wrong_origin"), |_| {}).await?;
    Ok(())
}

async fn without_a_session(walk: &mut Walk) -> Result<(), Failure> {
    for binary in [
        "account-view",
        "activity-list",
        "authenticator-confirm",
        "authenticator-enrol",
        "authenticator-remove",
        "passkey-enrol",
        "passkey-enrol-options",
        "passkey-remove",
        "passkey-rename",
        "password-set",
        "phone-add",
        "phone-confirm",
        "phone-remove",
        "recovery-code-download",
        "recovery-code-issue",
        "session-end",
        "session-token",
        "sessions-list",
        "sign-out",
    ] {
        walk.send(&format!("{binary}.unauthenticated"), (401, "not_signed_in"), |_| {}).await?;
        // The cookie in the files was never given out.
        walk.send(binary, (401, "not_signed_in"), |_| {}).await?;
    }
    walk.send("account-view.stale-session", (401, "not_signed_in"), |_| {}).await?;
    for binary in [
        "authenticator-confirm",
        "authenticator-enrol",
        "authenticator-remove",
        "passkey-enrol-options",
        "passkey-remove",
        "password-set",
        "phone-add",
        "phone-confirm",
        "phone-remove",
        "recovery-code-download",
        "recovery-code-issue",
        "session-token",
        "sign-out",
    ] {
        walk.send(&format!("{binary}.foreign-origin"), (403, "wrong_origin"), |_| {}).await?;
    }
    Ok(())
}

async fn registration(walk: &mut Walk) -> Result<(), Failure> {
    for (case, status, code) in [
        ("malformed-json", 400, "bad_request"),
        ("unknown-member", 400, "bad_request"),
        ("duplicate-member", 400, "bad_request"),
        ("wrong-type", 400, "bad_request"),
        ("wrong-content-type", 415, "unsupported_media_type"),
        ("foreign-origin", 403, "wrong_origin"),
        ("invalid-username", 422, "invalid_username"),
        ("invalid-email", 422, "invalid_email"),
    ] {
        walk.send(&format!("account-register.{case}"), (status, code), |_| {}).await?;
    }
    walk.send("account-register", (413, "body_too_large"), |event| {
        event["body"] = " ".repeat(64 * 1024 + 1).into();
    })
    .await?;
    let registered = walk.send("account-register", (201, ""), |_| {}).await?;
    walk.keep_session(&registered);
    // The answer was lost, and the request comes again, once in base 64: the same account, another cookie.
    for repeated in ["account-register", "account-register.base64"] {
        let again = walk.send(repeated, (201, ""), |_| {}).await?;
        walk.expect(again.json()["account"]["id"] == registered.json()["account"]["id"], "another account");
        walk.expect(again.session() != registered.session(), "the same cookie");
    }
    walk.send("account-register.key-reused", (422, "idempotency_key_reused"), |_| {}).await?;
    // Registering anew ends the session that the browser has, if it succeeds.
    walk.send_signed_in("account-register.username-taken", (409, "username_taken")).await?;

    let token = walk.send_signed_in("session-token", (403, "set_up_required")).await?;
    walk.expect(token.json()["action_needed"][0]["action"] == "add_passkey", "no action is needed");
    walk.send_signed_in("sessions-list", (403, "set_up_required")).await?;
    walk.send_signed_in("activity-list", (403, "set_up_required")).await?;
    walk.send_signed_in("session-token.malformed-json", (400, "bad_request")).await?;
    walk.send_signed_in("recovery-code-download", (404, "no_recovery_code")).await?;
    walk.send("account-view.two-sessions", (401, "not_signed_in"), |event| {
        event["cookies"][1] = event["cookies"][0].clone();
    })
    .await?;
    Ok(())
}

/// Enrols a passkey, and gives back its id.
async fn enrolment(walk: &mut Walk, device: &mut SoftwareKey) -> Result<String, Failure> {
    walk.send_signed_in("passkey-enrol-options.body-missing", (400, "bad_request")).await?;
    let options = walk.send_signed_in("passkey-enrol-options", (200, "")).await?.json();
    let sealed = options["enrolment"].as_str().unwrap_or_default().to_owned();
    walk.secrets.push(sealed);
    walk.send_signed_in("passkey-enrol.sealed-elsewhere", (422, "passkey_refused")).await?;
    walk.send_signed_in("passkey-enrol.credential-missing", (400, "bad_request")).await?;
    let credential = device.create(&options["publicKey"]).await;
    let body = json!({ "enrolment": options["enrolment"], "credential": credential, "name": "Front desk" });
    let enrolled = walk.send_body("passkey-enrol", (201, ""), body.clone()).await?.json();
    walk.send_body("passkey-enrol", (409, "passkey_exists"), body).await?;
    Ok(enrolled["id"].as_str().unwrap_or_default().to_owned())
}

async fn recovery_code(walk: &mut Walk) -> Result<(), Failure> {
    // The first code dies with the second.
    let first = walk.send_signed_in("recovery-code-issue", (201, "")).await?.json();
    let issued = walk.send_signed_in("recovery-code-issue", (201, "")).await?.json();
    walk.expect(issued["code"] != first["code"], "the same code twice");
    let code = issued["code"].as_str().unwrap_or_default().to_owned();
    let again = walk.send_signed_in("recovery-code-download", (200, "")).await?.json();
    walk.expect(again == issued, "another code came back");
    let file = walk.send_signed_in("recovery-code-download.text", (200, "")).await?;
    walk.expect(file.headers["content-type"].starts_with("text/plain"), "the file is not text");
    walk.expect(file.body.contains(&code), "the code is not in the file");
    walk.recovery_code.clone_from(&code);
    walk.secrets.extend([code.replace('-', ""), code.replace('-', " "), code]);
    let token = walk.send_signed_in("session-token", (200, "")).await?.json();
    walk.secrets.push(token["access_token"].as_str().unwrap_or_default().to_owned());
    Ok(())
}

async fn sign_in(walk: &mut Walk, device: &mut SoftwareKey) -> Result<(), Failure> {
    for (case, status, code) in [
        ("sealed-elsewhere", 401, "sign_in_expired"),
        ("foreign-origin", 403, "wrong_origin"),
        ("malformed-json", 400, "bad_request"),
    ] {
        walk.send(&format!("passkey-sign-in.{case}"), (status, code), |_| {}).await?;
    }
    walk.send("passkey-sign-in-options.unknown-member", (400, "bad_request"), |_| {}).await?;
    walk.send("passkey-sign-in-options.wrong-content-type", (415, "unsupported_media_type"), |_| {}).await?;
    let body = assertion(walk, device).await?;
    walk.sign_in("passkey-sign-in", body).await
}

/// What the device answers to fresh options: the body of `passkey-sign-in`.
async fn assertion(walk: &mut Walk, device: &mut SoftwareKey) -> Result<Value, Failure> {
    let options = walk.send("passkey-sign-in-options", (200, ""), |_| {}).await?.json();
    walk.secrets.push(options["sign_in"].as_str().unwrap_or_default().to_owned());
    let credential = device.get(&options["publicKey"]).await;
    Ok(json!({ "sign_in": options["sign_in"], "credential": credential }))
}

async fn account(walk: &mut Walk, passkey: &str) -> Result<(), Failure> {
    let session = json!([walk.session]);
    let account = walk.send_signed_in("account-view", (200, "")).await?.json();
    walk.expect(account["methods"]["passkeys"][0]["id"] == passkey, "the passkey is not there");
    let own = |event: &mut Value| {
        event["cookies"] = session.clone();
        at_id(event, passkey);
    };
    let renamed = walk.send("passkey-rename", (200, ""), own).await?.json();
    walk.expect(renamed["name"] == "Reception", "not renamed");
    walk.send("passkey-rename.empty-name", (400, "bad_request"), own).await?;
    walk.send_signed_in("passkey-rename.unknown-passkey", (404, "not_found")).await?;
    walk.send_signed_in("passkey-remove.unknown-passkey", (404, "not_found")).await?;
    walk.send("passkey-remove", (409, "would_break_set_up"), own).await?;
    another_passkey(walk).await?;
    let activity = walk.send_signed_in("activity-list", (200, "")).await?.json();
    walk.expect(activity["events"][0]["what"] == "passkey_removed", "the activity lacks the change");
    walk.send_signed_in("activity-list.foreign-cursor", (400, "bad_request")).await?;
    Ok(())
}

/// Another device is enrolled, and removed again.
async fn another_passkey(walk: &mut Walk) -> Result<(), Failure> {
    let options = walk.send_signed_in("passkey-enrol-options", (200, "")).await?.json();
    let credential = SoftwareKey::new("https://id.portal.example").create(&options["publicKey"]).await;
    let body = json!({ "enrolment": options["enrolment"], "credential": credential });
    let enrolled = walk.send_body("passkey-enrol", (201, ""), body).await?.json();
    let session = json!([walk.session]);
    walk.send("passkey-remove", (204, ""), |event| {
        event["cookies"] = session;
        at_id(event, enrolled["id"].as_str().unwrap_or_default());
    })
    .await?;
    Ok(())
}

async fn sessions(walk: &mut Walk, device: &mut SoftwareKey) -> Result<(), Failure> {
    // Another device signs in; this one ends its session.
    let body = assertion(walk, device).await?;
    let elsewhere = walk.send_body("passkey-sign-in", (200, ""), body).await?;
    let list = walk.send_signed_in("sessions-list", (200, "")).await?.json();
    let other =
        list["sessions"].as_array().and_then(|all| all.iter().find(|it| it["current"] == false)).cloned();
    let other =
        other.and_then(|session| session["id"].as_str().map(str::to_owned)).ok_or("no other session")?;
    let session = json!([walk.session]);
    walk.send("session-end", (204, ""), |event| {
        event["cookies"] = session;
        at_id(event, &other);
    })
    .await?;
    let ended = json!([elsewhere.session()]);
    walk.send("account-view", (401, "not_signed_in"), |event| event["cookies"] = ended).await?;
    walk.send_signed_in("session-end.unknown-session", (404, "not_found")).await?;
    Ok(())
}

async fn sign_out(walk: &mut Walk) -> Result<(), Failure> {
    walk.send_signed_in("sign-out", (204, "")).await?;
    walk.send_signed_in("account-view", (401, "not_signed_in")).await?;
    Ok(())
}

/// Of an account that nobody has, and of one with a phone and an address.
async fn events_are_told(walk: &mut Walk) -> Result<(), Failure> {
    let mut event = walk.deployment.event("security-notices")?;
    let nothing_failed = json!({ "batchItemFailures": [] });
    let told = walk.deployment.invoke("security-notices", &event).await?;
    walk.expect(told == nothing_failed, "an event was not told");
    for record in event["Records"].as_array_mut().into_iter().flatten() {
        for pointer in ["/dynamodb/Keys/pk/S", "/dynamodb/NewImage/pk/S", "/dynamodb/NewImage/account/S"] {
            *record.pointer_mut(pointer).ok_or("not a record of the stream")? =
                walk.with_phone.as_str().into();
        }
    }
    // What SES refuses is told by text, and by letter once it no longer does.
    let (texts, letters) = told_of_passkeys(walk).await?;
    walk.deployment.may_write(false).await?;
    let refused = walk.deployment.invoke("security-notices", &event).await?;
    let first = &event["Records"][0]["dynamodb"]["SequenceNumber"];
    walk.expect(
        refused == json!({ "batchItemFailures": [{ "itemIdentifier": first }] }),
        "a letter that SES refused is not to come again",
    );
    let told_so_far = told_of_passkeys(walk).await?;
    walk.expect(told_so_far == (texts + 1, letters), "not told by text alone");
    walk.deployment.may_write(true).await?;
    let told = walk.deployment.invoke("security-notices", &event).await?;
    walk.expect(told == nothing_failed, "an event was not told to the account's channels");
    let told_so_far = told_of_passkeys(walk).await?;
    walk.expect(told_so_far == (texts + 1, letters + 1), "not told by letter alone");
    Ok(())
}

/// How many texts and letters told the person with a phone, who reads Spanish, of a passkey.
async fn told_of_passkeys(walk: &Walk) -> Result<(usize, usize), Failure> {
    let of_passkeys =
        |all: Vec<String>| all.iter().filter(|told| told.contains("una llave de acceso")).count();
    let texts = walk.deployment.texts(password_and_phone::MOBILE).await?;
    let letters = walk.deployment.letters("chen@clinic.example").await?;
    Ok((of_passkeys(texts), of_passkeys(letters)))
}

/// What never opens is dropped; what a newer key may open is tried again.
async fn calls_that_do_not_open(walk: &mut Walk) -> Result<(), Failure> {
    let before = walk.deployment.calls().len();
    for name in ["voice-call", "voice-call.not-sealed"] {
        let event = walk.deployment.event(name)?;
        walk.deployment.invoke("voice-call", &event).await?;
    }
    let newer = walk.deployment.event("voice-call.newer-key")?;
    walk.deployment.invoke_in_vain("voice-call", &newer).await?;
    walk.expect(walk.deployment.calls().len() == before, "somebody was called");
    Ok(())
}

/// Prints what the functions cost, and fails on everything that was not as expected.
fn report(walk: &mut Walk) -> Result<(), Failure> {
    let unused: Vec<String> = walk.deployment.unused().into_iter().map(str::to_owned).collect();
    walk.failures.extend(unused.into_iter().map(|name| format!("events/{name}.json was not used")));
    for (name, output) in walk.deployment.output() {
        let written =
            walk.secrets.iter().filter(|secret| !secret.is_empty() && output.contains(secret.as_str()));
        walk.failures.extend(written.map(|secret| format!("{name} wrote {secret} to its log")));
    }
    walk.failures.extend(walk.deployment.undeclared());
    let measured = walk.deployment.measured();
    println!(
        "{:<24} {:>8} {:>9} {:>9} {:>9} {:>9}",
        "function", "MB", "init ms", "first ms", "later ms", "peak MB"
    );
    for (name, cost) in &measured {
        let Measured { size, init, first, later, peak } = cost;
        println!(
            "{name:<24} {:>5}.{:02} {:>9.1} {:>9.1} {:>9.1} {:>6}.{:01}",
            size / (1024 * 1024),
            size % (1024 * 1024) * 100 / (1024 * 1024),
            init.as_secs_f64() * 1000.0,
            first.as_secs_f64() * 1000.0,
            later.unwrap_or_default().as_secs_f64() * 1000.0,
            peak / 1024,
            peak % 1024 * 10 / 1024,
        );
        let most = if HASHING.contains(name) { MOST_MEMORY_HASHING_KIB } else { MOST_MEMORY_KIB };
        if *size > LARGEST_BINARY || *first > SLOWEST_START || *peak > most {
            walk.failures.push(format!("{name} is too large or too slow"));
        }
    }
    let missing = walk.deployment.binaries().into_iter().filter(|name| !measured.contains_key(name));
    walk.failures.extend(missing.map(|name| format!("{name} was not run")));
    if walk.failures.is_empty() { Ok(()) } else { Err(walk.failures.join("\n").into()) }
}
