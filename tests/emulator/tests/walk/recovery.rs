//! The first person comes back by the recovery code, after everything was lost, and by email as long as that goes.

use emulator::Failure;
use flows::SoftwareKey;
use serde_json::json;

use super::Walk;

const KEY: &str = "5f0f2b1c-7d1b-4c0b-8a53-0a8f1f6f7c2d";

pub async fn by_code(walk: &mut Walk) -> Result<(), Failure> {
    for (case, status, code) in [
        ("malformed-json", 400, "bad_request"),
        ("wrong-type", 400, "bad_request"),
        ("username-and-email", 400, "bad_request"),
        ("code-of-another-shape", 400, "bad_request"),
        ("foreign-origin", 403, "wrong_origin"),
        ("unknown-username", 401, "wrong_credentials"),
        ("sealed-elsewhere", 401, "sign_in_expired"),
        ("email", 401, "wrong_credentials"),
    ] {
        walk.send(&format!("recovery-code-redeem.{case}"), (status, code), |_| {}).await?;
    }
    // In the file is a code that nobody has.
    walk.send("recovery-code-redeem", (401, "wrong_credentials"), |_| {}).await?;
    let code = walk.recovery_code.replace('-', " ");
    let body = json!({ "code": code, "username": "DR.Rivera" });
    // A session that comes along ends.
    let recovered = walk.send_along("recovery-code-redeem", &body).await?;
    walk.expect(recovered.json()["status"] == "recovered", "not recovered");
    walk.keep_session(&recovered);
    // The answer was lost, and the request comes again: the same outcome, another cookie.
    let again = walk.send_body("recovery-code-redeem", (200, ""), body.clone()).await?;
    walk.expect(again.json() == recovered.json(), "another outcome");
    walk.expect(again.session() != recovered.session(), "the same cookie");
    walk.send("recovery-code-redeem.key-reused", (422, "idempotency_key_reused"), |_| {}).await?;
    walk.send("recovery-code-redeem", (401, "wrong_credentials"), |event| {
        if let Some(headers) = event["headers"].as_object_mut() {
            headers.remove("idempotency-key");
        }
        event["body"] = body.to_string().into();
    })
    .await?;
    walk.secrets.push(KEY.to_owned());

    walk.send_signed_in("session-token", (403, "set_up_required")).await?;
    let options = walk.send_signed_in("passkey-enrol-options", (200, "")).await?.json();
    let credential = SoftwareKey::new("https://id.portal.example").create(&options["publicKey"]).await;
    let body = json!({ "enrolment": options["enrolment"], "credential": credential });
    walk.send_body("passkey-enrol", (201, ""), body).await?;
    walk.send_signed_in("recovery-code-issue", (201, "")).await?;
    let new = walk.send_signed_in("recovery-code-download", (200, "")).await?.json();
    walk.secrets.push(new["code"].as_str().unwrap_or_default().to_owned());
    let token = walk.send_signed_in("session-token", (200, "")).await?.json();
    walk.secrets.push(token["access_token"].as_str().unwrap_or_default().to_owned());
    Ok(())
}

/// And once more by a code to the address, while the deployment's date is to come.
pub async fn by_email(walk: &mut Walk) -> Result<(), Failure> {
    for (name, status, code) in [
        ("recovery-email-send.malformed-json", 400, "bad_request"),
        ("recovery-email-verify.wrong-type", 400, "bad_request"),
        ("recovery-email-verify", 401, "sign_in_expired"),
    ] {
        walk.send(name, (status, code), |_| {}).await?;
    }
    let sent = walk.send("recovery-email-send", (202, ""), |_| {}).await?.json();
    let letters = walk.deployment.letters("rivera@clinic.example").await?;
    let code = letters.iter().rev().find_map(|letter| Some(letter.split_once(" is your code")?.0.to_owned()));
    let code = code.ok_or_else(|| format!("no code in {letters:?}"))?;
    walk.secrets.push(sent["recovery"].as_str().unwrap_or_default().to_owned());
    // What the account has changes before the code comes back.
    walk.send_signed_in("recovery-code-issue", (201, "")).await?;
    let body = |code: &str| json!({ "recovery": sent["recovery"], "code": code });
    let wrong = body(&flows::another_code(&code));
    walk.send_body("recovery-email-verify", (401, "wrong_credentials"), wrong).await?;
    // A session that comes along ends.
    let recovered = walk.send_along("recovery-email-verify", &body(&code)).await?;
    walk.expect(recovered.json()["status"] == "recovered", "not recovered");
    walk.keep_session(&recovered);
    walk.send_body("recovery-email-verify", (401, "sign_in_expired"), body(&code)).await?;
    walk.send_signed_in("sign-out", (204, "")).await?;
    Ok(())
}

/// The date is past: whatever is asked, email recovers nothing.
pub async fn no_longer_by_email(walk: &mut Walk) -> Result<(), Failure> {
    walk.deployment.change("EmailRecoveryEndsAt", "2025-03-07T06:00:00Z")?;
    for name in [
        "recovery-email-send",
        "recovery-email-send.malformed-json",
        "recovery-email-verify",
        "recovery-email-verify.wrong-type",
    ] {
        walk.send(name, (410, "email_recovery_retired"), |_| {}).await?;
    }
    for name in ["recovery-email-send.foreign-origin", "recovery-email-verify.foreign-origin"] {
        walk.send(name, (403, "wrong_origin"), |_| {}).await?;
    }
    Ok(())
}
