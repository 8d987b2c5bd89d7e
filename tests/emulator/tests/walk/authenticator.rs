//! A third person's way: an authenticator app and a password, and a phone for when the app is not at hand.

use emulator::Failure;
use flows::App;
use jiff::Timestamp;
use serde_json::json;

use super::Walk;
use super::password_and_phone::{
    MOBILE, code_of_text, confirm as confirm_phone, is_signed_in, recovery_code, secret,
};

/// Of the `authenticator-sign-in` events.
const USERNAME: &str = "dr.okafor";
const PASSWORD: &str = "twelve slow otters drift";

pub async fn all_of_it(walk: &mut Walk) -> Result<(), Failure> {
    walk.secrets.extend(["okafor@clinic.example", PASSWORD].map(str::to_owned));
    registration(walk).await?;
    let app = enrolment(walk).await?;
    a_phone(walk).await?;
    recovery_code(walk).await?;
    walk.send_signed_in("sign-out", (204, "")).await?;
    refused_first_steps(walk).await?;
    by_app_and_password(walk, &app).await?;
    by_app_and_text(walk, &app).await?;
    by_password_and_app(walk, &app).await?;
    walk.send_signed_in("authenticator-remove", (204, "")).await?;
    walk.send_signed_in("authenticator-remove", (404, "not_found")).await?;
    walk.send_signed_in("sign-out", (204, "")).await?;
    Ok(())
}

async fn registration(walk: &mut Walk) -> Result<(), Failure> {
    let body = json!({ "username": USERNAME, "email": "okafor@clinic.example", "password": PASSWORD });
    let registered = walk
        .send("account-register.with-password", (201, ""), |event| {
            if let Some(headers) = event["headers"].as_object_mut() {
                headers.remove("idempotency-key");
            }
            event["body"] = body.to_string().into();
        })
        .await?;
    walk.keep_session(&registered);
    Ok(())
}

async fn enrolment(walk: &mut Walk) -> Result<App, Failure> {
    walk.send_signed_in("authenticator-enrol.body-missing", (400, "bad_request")).await?;
    walk.send_signed_in("authenticator-confirm", (401, "wrong_credentials")).await?;
    let begun = walk.send_signed_in("authenticator-enrol", (201, "")).await?.json();
    secret(walk, &begun["secret"]);
    let app = App::scan(&secret(walk, &begun["uri"]));
    let svg = begun["qr_svg"].as_str().unwrap_or_default();
    walk.expect(svg.starts_with("<svg ") && svg.contains("<title>"), "the QR code is no SVG with a title");
    for case in ["code-of-another-shape", "spaced-code", "wrong-type"] {
        walk.send_signed_in(&format!("authenticator-confirm.{case}"), (400, "bad_request")).await?;
    }
    // Good for half a minute more, at the least: no step of the way takes as long.
    let code = app.code_at(now()).await;
    let wrong = json!({ "code": flows::another_code(&code) });
    walk.send_body("authenticator-confirm", (401, "wrong_credentials"), wrong).await?;
    let body = json!({ "code": code });
    let account = walk.send_body("authenticator-confirm", (200, ""), body.clone()).await?.json();
    walk.expect(account["methods"]["authenticator"]["confirmed_at"].is_string(), "there is no authenticator");
    walk.send_body("authenticator-confirm", (401, "wrong_credentials"), body).await?;
    Ok(app)
}

async fn a_phone(walk: &mut Walk) -> Result<(), Failure> {
    walk.deployment.forget_sends().await?;
    let pending = walk.send_signed_in("phone-add", (202, "")).await?.json();
    let texts = walk.deployment.texts(MOBILE).await?;
    let code = code_of_text(walk, texts.last())?;
    let id = pending["id"].as_str().unwrap_or_default().to_owned();
    let account = confirm_phone(walk, &id, &code, (200, "")).await?;
    walk.expect(account["set_ups"]["authenticator_and_phone"] == true, "the set-up is not complete");
    Ok(())
}

async fn refused_first_steps(walk: &mut Walk) -> Result<(), Failure> {
    for (case, status, code) in [
        ("malformed-json", 400, "bad_request"),
        ("wrong-type", 400, "bad_request"),
        ("username-and-sign-in", 400, "bad_request"),
        ("code-of-another-shape", 400, "bad_request"),
        ("foreign-digits", 400, "bad_request"),
        ("foreign-origin", 403, "wrong_origin"),
        ("unknown-username", 401, "wrong_credentials"),
        ("sealed-elsewhere", 401, "sign_in_expired"),
    ] {
        walk.send(&format!("authenticator-sign-in.{case}"), (status, code), |_| {}).await?;
    }
    Ok(())
}

async fn by_app_and_password(walk: &mut Walk, app: &App) -> Result<(), Failure> {
    walk.deployment.forget_steps().await?;
    let code = app.code_at(now()).await;
    let first = |code: &str| json!({ "username": USERNAME, "code": code });
    let wrong = first(&flows::another_code(&code));
    walk.send_body("authenticator-sign-in", (401, "wrong_credentials"), wrong).await?;
    let next = walk.send_body("authenticator-sign-in", (200, ""), first(&code)).await?.json();
    walk.expect(next["proven"] == json!(["authenticator"]), "the code proves nothing");
    let ways: Vec<_> =
        next["next"].as_array().into_iter().flatten().map(|way| way["method"].clone()).collect();
    walk.expect(ways == ["password", "phone"], &format!("{ways:?} are asked for"));
    // Never the same step again.
    walk.send_body("authenticator-sign-in", (401, "wrong_credentials"), first(&code)).await?;
    let sign_in = secret(walk, &next["sign_in"]);
    let body = json!({ "sign_in": sign_in, "password": PASSWORD });
    let signed_in = walk.send_body("password-sign-in", (200, ""), body).await?;
    is_signed_in(walk, &signed_in.json());
    walk.keep_session(&signed_in);
    Ok(())
}

/// A code is sent before any proof, and the sign-in goes on by the name that it got then.
async fn by_app_and_text(walk: &mut Walk, app: &App) -> Result<(), Failure> {
    walk.deployment.forget_steps().await?;
    walk.deployment.forget_sends().await?;
    let body = json!({ "username": USERNAME, "channel": "text" });
    let sent = walk.send_body("phone-code-send", (202, ""), body).await?.json();
    let texts = walk.deployment.texts(MOBILE).await?;
    let code = code_of_text(walk, texts.last())?;
    let sign_in = secret(walk, &sent["sign_in"]);
    let body = json!({ "sign_in": sign_in, "code": app.code_at(now()).await });
    let next = walk.send_body("authenticator-sign-in", (200, ""), body).await?.json();
    walk.expect(next["proven"] == json!(["authenticator"]), "the code of the app proves nothing");
    let body = json!({ "sign_in": sign_in, "code": code });
    let signed_in = walk.send_body("phone-code-verify", (200, ""), body).await?;
    is_signed_in(walk, &signed_in.json());
    walk.keep_session(&signed_in);
    Ok(())
}

/// As the last proof, with the cookie of a session: the new one replaces it.
async fn by_password_and_app(walk: &mut Walk, app: &App) -> Result<(), Failure> {
    walk.deployment.forget_steps().await?;
    let body = json!({ "username": USERNAME, "password": PASSWORD });
    let next = walk.send_body("password-sign-in", (200, ""), body).await?.json();
    let sign_in = secret(walk, &next["sign_in"]);
    let body = json!({ "sign_in": sign_in, "code": app.code_at(now()).await });
    walk.sign_in("authenticator-sign-in", body).await
}

#[expect(clippy::disallowed_methods, reason = "the functions look at the machine's clock")]
fn now() -> Timestamp {
    Timestamp::now()
}
