//! `GET /.well-known/jwks.json`: the public keys that verify access tokens (RFC 7517 §5).
//!
//! Calls: one read. What is secret of a key stays sealed: this function may not decrypt.

use postern_http::{Clock, Problem, Reply, Request, StatusCode};
use postern_store::KeyRecords;

/// What the role of this function allows, action by action.
pub const CALLS: &[&str] = &["dynamodb:Query Accounts"];

/// Everything that this step may touch; its role grants exactly this.
pub struct Deps {
    pub clock: Clock,
    pub records: KeyRecords,
}

/// Seconds that anyone may keep the answer: a key is published long before it signs.
const CACHED_FOR: u32 = 300;

pub async fn handle(deps: &Deps, _request: Request) -> Result<Reply, Problem> {
    let records = deps.records.tokens().await?;
    let keys = postern_keys::jwks(&records, deps.clock.now(), postern_tokens::LIFE);
    Ok(Reply::json(StatusCode::OK, &keys).cached_for(CACHED_FOR))
}
