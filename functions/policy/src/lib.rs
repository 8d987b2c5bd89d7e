//! `GET /v1/policy`: the notice's instants and its three set-ups, open to all.
//!
//! Calls: none.

use postern_domain::policy::{Policy, SetUp};
use postern_http::{Problem, Reply, Request, StatusCode};
use serde_json::{Value, json};

/// What the role of this function allows, action by action.
pub const CALLS: &[&str] = &[];

/// Everything that this step may touch; its role grants exactly this.
pub struct Deps {
    pub policy: Policy,
}

/// Seconds that anyone may keep the answer.
const CACHED_FOR: u32 = 300;

#[expect(clippy::unused_async, reason = "every step has the same form")]
pub async fn handle(deps: &Deps, _request: Request) -> Result<Reply, Problem> {
    let policy = &deps.policy;
    let body = json!({
        "email_recovery_ends_at": policy.email_recovery_ends_at,
        "set_up_required_from": policy.set_up_required_from,
        "recovery_code_prompted_from": policy.recovery_code_prompted_from,
        "set_ups": SetUp::ALL.map(described),
    });
    Ok(Reply::json(StatusCode::OK, &body).cached_for(CACHED_FOR))
}

fn described(set_up: SetUp) -> Value {
    let (what, how, action) = match set_up {
        SetUp::Passkey => (
            "The most secure, fastest and easiest way to sign in. It needs no phone.",
            "Use your fingerprint, your face or your device's PIN, on the phone or the computer.",
            "Add a passkey.",
        ),
        SetUp::AuthenticatorAndPhone => (
            "A free smartphone app, and a mobile or direct landline number without an extension.",
            "The app gives a one-time code to enter. When you are locked out or need another way, a code comes by text or phone call.",
            "Get an authenticator app and verify your phone number.",
        ),
        SetUp::PasswordAndPhone => (
            "Your password as today, and a mobile or direct landline number without an extension.",
            "Sign in with your password. When you are locked out or need another way, a code comes by text or phone call.",
            "Verify your phone number.",
        ),
    };
    json!({ "id": set_up, "what": what, "how": how, "action": action })
}
