//! `GET /v1/account/sessions`: where the account is signed in.
//!
//! Calls: three reads, and a write once a minute to say that the session is used.

use postern_domain::policy::Policy;
use postern_http::{Clock, Problem, Reply, Request, StatusCode, view};
use postern_store::Store;
use serde_json::json;

/// What the role of this function allows, action by action.
pub const CALLS: &[&str] = &[
    "dynamodb:Query Accounts",
    "dynamodb:GetItem Attempts",
    "dynamodb:Query Attempts/sessions-by-account",
    "dynamodb:UpdateItem Attempts",
];

/// Everything that this step may touch; its role grants exactly this.
pub struct Deps {
    pub clock: Clock,
    pub store: Store,
    pub policy: Policy,
}

pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let now = deps.clock.now();
    let caller = deps.store.caller(request.session_id(), now).await?;
    let account = &caller.account;
    caller.session.may_all(&deps.policy, account, now)?;
    let sessions = deps.store.sessions(&account.id).await?;
    let living = sessions.iter().filter(|session| session.lives(account, now));
    let entries: Vec<_> =
        living.map(|session| view::SessionEntry::new(session, &caller.session.id)).collect();
    Ok(Reply::json(StatusCode::OK, &json!({ "sessions": entries })))
}
