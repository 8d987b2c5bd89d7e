//! Another person's way: a password and two phones, codes by text and by call, locked out and in again.

use emulator::Failure;
use serde_json::{Value, json};

use super::{Walk, at_id};

pub const MOBILE: &str = "+12125550123";
const LANDLINE: &str = "+12125550167";
/// Of `password-set.json` and `password-sign-in.json`.
const PASSWORD: &str = "nine loud geese land";

pub async fn all_of_it(walk: &mut Walk) -> Result<(), Failure> {
    for secret in ["chen@clinic.example", PASSWORD, "seven quiet herons wade", "eight shy cranes nest"] {
        walk.secrets.push(secret.to_owned());
    }
    walk.secrets.extend([MOBILE, LANDLINE].map(|number| number.trim_start_matches("+1").to_owned()));
    registration(walk).await?;
    password(walk).await?;
    let mobile = a_mobile(walk).await?;
    let landline = a_landline(walk).await?;
    recovery_code(walk).await?;
    removal(walk, &mobile, &landline).await?;
    step_up(walk, &mobile).await?;
    walk.send_signed_in("sign-out", (204, "")).await?;
    refused_first_steps(walk).await?;
    by_call_and_password(walk).await?;
    locked_out(walk).await?;
    walk.send_signed_in("sign-out", (204, "")).await?;
    Ok(())
}

async fn registration(walk: &mut Walk) -> Result<(), Failure> {
    let refused = walk.send("account-register.weak-password", (422, "weak_password"), |_| {}).await?.json();
    walk.expect(refused["reasons"][0] == "common", "a common password is not called so");
    let registered = walk.send("account-register.with-password", (201, ""), |_| {}).await?;
    walk.expect(registered.json()["account"]["methods"]["password"]["changed_at"].is_string(), "no password");
    registered.json()["account"]["id"].as_str().unwrap_or_default().clone_into(&mut walk.with_phone);
    walk.keep_session(&registered);
    Ok(())
}

async fn password(walk: &mut Walk) -> Result<(), Failure> {
    for (case, status, code) in [
        ("malformed-json", 400, "bad_request"),
        ("unknown-member", 400, "bad_request"),
        ("wrong-type", 400, "bad_request"),
        ("wrong-current", 401, "wrong_credentials"),
        ("weak-password", 422, "weak_password"),
    ] {
        walk.send_signed_in(&format!("password-set.{case}"), (status, code)).await?;
    }
    walk.send_signed_in("password-set", (200, "")).await?;
    Ok(())
}

/// Adds a mobile number by a text, and gives back its id.
async fn a_mobile(walk: &mut Walk) -> Result<String, Failure> {
    for (case, code, reason) in [
        ("wrong-type", "bad_request", ""),
        ("unknown-channel", "bad_request", ""),
        ("not-a-number", "invalid_phone", "not_a_number"),
        ("extension", "invalid_phone", "extension"),
        ("extension-dialled", "invalid_phone", "extension"),
        ("toll-free", "invalid_phone", "line_type"),
        ("voip", "invalid_phone", "line_type"),
        ("foreign-country", "invalid_phone", "country"),
        ("text-to-landline", "invalid_phone", "text_to_landline"),
    ] {
        let status = if code == "bad_request" { 400 } else { 422 };
        let refused = walk.send_signed_in(&format!("phone-add.{case}"), (status, code)).await?.json();
        let reasons = refused["reasons"].as_array().cloned().unwrap_or_default();
        let is_named = reason.is_empty() || reasons == [reason];
        walk.expect(is_named, &format!("phone-add.{case}: {reasons:?} instead of {reason}"));
    }
    let pending = walk.send_signed_in("phone-add", (202, "")).await?.json();
    let id = pending["id"].as_str().unwrap_or_default().to_owned();
    walk.expect(pending["channels"] == json!(["text", "call"]), "a mobile takes texts and calls");
    let at_once = walk.send_signed_in("phone-add", (429, "too_many_requests")).await?;
    walk.expect(at_once.headers.contains_key("retry-after"), "no word of when to ask again");
    let texts = walk.deployment.texts(MOBILE).await?;
    walk.expect(texts.len() == 1, &format!("{} texts went out", texts.len()));
    let code = code_of_text(walk, texts.last())?;

    for case in ["code-of-another-shape", "spaced-code", "wrong-type"] {
        walk.send_signed_in(&format!("phone-confirm.{case}"), (400, "bad_request")).await?;
    }
    walk.send_signed_in("phone-confirm.unknown-phone", (404, "not_found")).await?;
    confirm(walk, &id, &flows::another_code(&code), (401, "wrong_credentials")).await?;
    let account = confirm(walk, &id, &code, (200, "")).await?;
    walk.expect(account["methods"]["phones"][0]["id"] == id.as_str(), "the phone was not added");
    walk.expect(account["set_ups"]["password_and_phone"] == true, "the set-up is not complete");
    Ok(id)
}

/// Adds a landline by a call, and gives back its id.
async fn a_landline(walk: &mut Walk) -> Result<String, Failure> {
    walk.deployment.forget_sends().await?;
    let pending = walk.send_signed_in("phone-add.landline", (202, "")).await?.json();
    let id = pending["id"].as_str().unwrap_or_default().to_owned();
    walk.expect(pending["channels"] == json!(["call"]), "a landline takes calls alone");
    let code = called(walk, LANDLINE, "LUPE").await?;
    confirm(walk, &id, &code, (200, "")).await?;
    Ok(id)
}

pub async fn confirm(walk: &mut Walk, id: &str, code: &str, expected: (u16, &str)) -> Result<Value, Failure> {
    let session = json!([walk.session]);
    let reply = walk.send("phone-confirm", expected, |event| {
        event["cookies"] = session;
        at_id(event, id);
        event["body"] = json!({ "code": code }).to_string().into();
    });
    Ok(reply.await?.json())
}

/// Hands what waits in the topic to `voice-call`, as SNS does: what fails once more, and what is done twice. Gives back the
/// code that was spoken.
async fn called(walk: &mut Walk, number: &str, voice: &str) -> Result<String, Failure> {
    let message = walk.deployment.published("VoiceCodes").pop().ok_or("nothing is in the topic")?;
    walk.expect(!message.contains(number), "the number can be read in the topic");
    let mut event = walk.deployment.event("voice-call")?;
    event["Records"][0]["Sns"]["Message"] = message.into();
    let before = walk.deployment.calls().len();
    walk.deployment.refuse_next_call();
    walk.deployment.invoke_in_vain("voice-call", &event).await?;
    walk.expect(walk.deployment.calls().len() == before, "a call was placed and refused");
    for _ in 0..2 {
        walk.deployment.invoke("voice-call", &event).await?;
    }
    let calls = walk.deployment.calls();
    walk.expect(calls.len() == before + 1, &format!("{} calls were placed", calls.len() - before));
    let call = calls.last().ok_or("no call was placed")?;
    walk.expect((call.to.as_str(), call.voice.as_str()) == (number, voice), "another number or voice");
    walk.expect(call.from == "+18005550100", "another number calls");
    let digits: String = words(&call.body).chars().filter(char::is_ascii_digit).collect();
    let (once, again) = digits.split_at_checked(6).ok_or("no code was spoken")?;
    walk.expect(once == again, "the code was not said twice");
    Ok(once.to_owned())
}

/// What stands between the tags.
fn words(ssml: &str) -> String {
    ssml.split('<').filter_map(|part| part.split_once('>').map(|(_, text)| text)).collect()
}

/// The last line binds the code to the portal: `@portal.example #123456`.
pub fn code_of_text(walk: &mut Walk, text: Option<&String>) -> Result<String, Failure> {
    let text = text.ok_or("no text went out")?;
    let bound = text.lines().last().and_then(|line| line.strip_prefix("@portal.example #"));
    walk.expect(text.chars().count() <= 160, "the text does not fit one message");
    Ok(bound.ok_or_else(|| format!("no code in {text:?}"))?.to_owned())
}

pub async fn recovery_code(walk: &mut Walk) -> Result<(), Failure> {
    let issued = walk.send_signed_in("recovery-code-issue", (201, "")).await?.json();
    walk.send_signed_in("recovery-code-download", (200, "")).await?;
    let code = issued["code"].as_str().unwrap_or_default().to_owned();
    walk.secrets.push(code);
    Ok(())
}

async fn removal(walk: &mut Walk, mobile: &str, landline: &str) -> Result<(), Failure> {
    walk.send_signed_in("phone-remove.unknown-phone", (404, "not_found")).await?;
    for (id, expected) in [(landline, (204, "")), (mobile, (409, "would_break_set_up"))] {
        let session = json!([walk.session]);
        walk.send("phone-remove", expected, |event| {
            event["cookies"] = session;
            at_id(event, id);
        })
        .await?;
    }
    Ok(())
}

/// Signs in with the cookie of a session, by password and text.
async fn step_up(walk: &mut Walk, mobile: &str) -> Result<(), Failure> {
    let next = walk.send("password-sign-in", (200, ""), |_| {}).await?.json();
    walk.expect(
        next["status"] == "next" && next["proven"] == json!(["password"]),
        "the password proves nothing",
    );
    walk.expect(next["next"][0]["phones"][0]["id"] == mobile, "the phone is not offered");
    let sign_in = secret(walk, &next["sign_in"]);
    let body = json!({ "sign_in": sign_in, "phone": mobile, "channel": "text" });
    walk.deployment.forget_sends().await?;
    walk.send_body("phone-code-send.later-step", (202, ""), body.clone()).await?;
    // Before another one it is asked whether the number wants texts.
    walk.deployment.forget_sends().await?;
    let sent = walk.send_body("phone-code-send.later-step", (202, ""), body).await?.json();
    walk.expect(sent["ending"] == "23", "after a proof the ending is shown");
    let texts = walk.deployment.texts(MOBILE).await?;
    let code = code_of_text(walk, texts.last())?;
    let sign_in = secret(walk, &sent["sign_in"]);
    let wrong = json!({ "sign_in": sign_in, "code": flows::another_code(&code) });
    walk.send_body("phone-code-verify", (401, "wrong_credentials"), wrong).await?;
    walk.sign_in("phone-code-verify", json!({ "sign_in": sign_in, "code": code })).await
}

async fn refused_first_steps(walk: &mut Walk) -> Result<(), Failure> {
    for (name, status, code) in [
        ("password-sign-in.malformed-json", 400, "bad_request"),
        ("password-sign-in.wrong-type", 400, "bad_request"),
        ("password-sign-in.username-and-sign-in", 400, "bad_request"),
        ("password-sign-in.foreign-origin", 403, "wrong_origin"),
        ("password-sign-in.unknown-username", 401, "wrong_credentials"),
        ("password-sign-in.sealed-elsewhere", 401, "sign_in_expired"),
        ("phone-code-send.unknown-channel", 400, "bad_request"),
        ("phone-code-send.unknown-member", 400, "bad_request"),
        ("phone-code-send.foreign-origin", 403, "wrong_origin"),
        ("phone-code-send.later-step", 401, "sign_in_expired"),
        ("phone-code-verify.wrong-type", 400, "bad_request"),
        ("phone-code-verify.code-of-another-shape", 400, "bad_request"),
        ("phone-code-verify.foreign-digits", 400, "bad_request"),
        ("phone-code-verify.foreign-origin", 403, "wrong_origin"),
        ("phone-code-verify.sealed-elsewhere", 401, "sign_in_expired"),
    ] {
        walk.send(name, (status, code), |_| {}).await?;
    }
    Ok(())
}

/// The first step is a call; nobody else's name is told from this one by the answer.
async fn by_call_and_password(walk: &mut Walk) -> Result<(), Failure> {
    walk.deployment.forget_sends().await?;
    let nobody = walk.send("phone-code-send.unknown-username", (202, ""), |_| {}).await?.json();
    let sent = walk.send("phone-code-send.call", (202, ""), |_| {}).await?.json();
    let members = |answer: &Value| answer.as_object().map(|it| it.keys().cloned().collect::<Vec<_>>());
    walk.expect(members(&nobody) == members(&sent), "an unknown name is told by the answer");
    let code = called(walk, MOBILE, "LUPE").await?;
    let sign_in = secret(walk, &sent["sign_in"]);
    let body = json!({ "sign_in": sign_in, "code": code });
    let next = walk.send_body("phone-code-verify", (200, ""), body).await?.json();
    walk.expect(next["next"] == json!([{ "method": "password" }]), "the password is not asked for");
    // By its name from before that proof.
    let body = json!({ "sign_in": sign_in, "password": PASSWORD });
    let signed_in = walk.send_body("password-sign-in", (200, ""), body).await?;
    is_signed_in(walk, &signed_in.json());
    walk.keep_session(&signed_in);
    Ok(())
}

/// Five wrong passwords lock it; a code by text lifts the lock.
async fn locked_out(walk: &mut Walk) -> Result<(), Failure> {
    let guess = |word: &str| json!({ "username": "DR.Chen", "password": word });
    for _ in 0..5 {
        let wrong = guess("eight shy cranes nest");
        walk.send_body("password-sign-in", (401, "wrong_credentials"), wrong).await?;
    }
    let locked = walk.send_body("password-sign-in", (429, "locked"), guess(PASSWORD)).await?.json();
    walk.expect(locked["unlock"] == json!(["passkey", "phone", "recovery_code"]), "no word of a way in");
    walk.deployment.forget_sends().await?;
    let sent = walk.send("phone-code-send", (202, ""), |_| {}).await?.json();
    let texts = walk.deployment.texts(MOBILE).await?;
    let code = code_of_text(walk, texts.last())?;
    let sign_in = secret(walk, &sent["sign_in"]);
    let body = json!({ "sign_in": sign_in, "code": code });
    let next = walk.send_body("phone-code-verify", (200, ""), body).await?.json();
    let sign_in = secret(walk, &next["sign_in"]);
    // With the cookie of the session from before: the new one replaces it.
    let (session, body) = (json!([walk.session]), json!({ "sign_in": sign_in, "password": PASSWORD }));
    let signed_in = walk
        .send("password-sign-in", (200, ""), |event| {
            event["cookies"] = session;
            event["body"] = body.to_string().into();
        })
        .await?;
    is_signed_in(walk, &signed_in.json());
    walk.keep_session(&signed_in);
    Ok(())
}

pub fn is_signed_in(walk: &mut Walk, result: &Value) {
    walk.expect(result["status"] == "signed_in", &format!("not signed in but {}", result["status"]));
    walk.expect(result["account"]["ready"] == true, "the account is not ready");
    secret(walk, &result["access_token"]);
}

/// Keeps an eye on it from here on.
pub fn secret(walk: &mut Walk, value: &Value) -> String {
    let text = value.as_str().unwrap_or_default().to_owned();
    walk.secrets.push(text.clone());
    text
}
