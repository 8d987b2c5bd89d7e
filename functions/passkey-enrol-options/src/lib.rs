//! `POST /v1/account/passkeys/options`: begins the enrolment of a passkey.
//!
//! Calls: two reads, and a write once a minute to say that the session is used. The ceremony goes out
//! sealed: nothing is stored.

use postern_domain::passkey::MOST_PASSKEYS;
use postern_domain::policy::Policy;
use postern_http::{Clock, Problem, Reply, Request, StatusCode};
use postern_passkeys::Ceremonies;
use postern_store::{OpenedKeyring, Store};
use serde::Deserialize;
use serde_json::json;

/// What the role of this function allows, action by action.
pub const CALLS: &[&str] = &[
    "dynamodb:Query Accounts",
    "dynamodb:GetItem Attempts",
    "dynamodb:UpdateItem Attempts",
    "kms:Decrypt KeyringKey",
];

/// Everything that this step may touch; its role grants exactly this.
pub struct Deps {
    pub clock: Clock,
    pub store: Store,
    pub keyring: OpenedKeyring,
    pub ceremonies: Ceremonies,
    pub policy: Policy,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {}

pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let now = deps.clock.now();
    let caller = deps.store.caller(request.session_id(), now).await?;
    let Body {} = request.json()?;
    let (session, account) = (&caller.session, &caller.account);
    session.may_enrol(&deps.policy, account, now)?;
    if account.methods.passkeys.len() >= MOST_PASSKEYS {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "passkey_refused",
            format!("An account keeps at most {MOST_PASSKEYS} passkeys. Remove one first."),
        ));
    }
    let keyring = deps.keyring.at(now).await?;
    let options = deps.ceremonies.enrolment_options(&keyring, account, &session.id, now);
    let options = options.map_err(Problem::unavailable)?;
    Ok(Reply::json(StatusCode::OK, &json!({ "enrolment": options.sealed, "publicKey": options.public_key })))
}
