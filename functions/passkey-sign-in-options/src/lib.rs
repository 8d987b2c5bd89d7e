//! `POST /v1/sign-in/passkey/options`: begins a sign-in by passkey.
//!
//! Calls: none. The ceremony goes out sealed, so nobody can fill a table without an account.

use postern_http::{Clock, Problem, Reply, Request, StatusCode};
use postern_passkeys::Ceremonies;
use postern_store::OpenedKeyring;
use serde::Deserialize;
use serde_json::json;

/// What the role of this function allows, action by action: the keyring's records, at a cold start.
pub const CALLS: &[&str] = &["dynamodb:Query Accounts", "kms:Decrypt KeyringKey"];

/// Everything that this step may touch; its role grants exactly this.
pub struct Deps {
    pub clock: Clock,
    pub keyring: OpenedKeyring,
    pub ceremonies: Ceremonies,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {}

pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let now = deps.clock.now();
    let Body {} = request.json()?;
    let keyring = deps.keyring.at(now).await?;
    let options = deps.ceremonies.sign_in_options(&keyring, now).map_err(Problem::unavailable)?;
    Ok(Reply::json(StatusCode::OK, &json!({ "sign_in": options.sealed, "publicKey": options.public_key })))
}
