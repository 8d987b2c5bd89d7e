//! `DELETE /v1/account/sessions/{id}`: ends one of the account's sessions.
//!
//! Calls: two reads, one transaction; and a write once a minute to say that the session is used.

use postern_domain::activity::What;
use postern_domain::id::SessionId;
use postern_domain::policy::Policy;
use postern_http::{Clock, Problem, Reply, Request};
use postern_keys::Random;
use postern_store::{Store, happened};

/// What the role of this function allows, action by action.
pub const CALLS: &[&str] = &[
    "dynamodb:PutItem Accounts",
    "dynamodb:Query Accounts",
    "dynamodb:DeleteItem Attempts",
    "dynamodb:GetItem Attempts",
    "dynamodb:UpdateItem Attempts",
];

/// Everything that this step may touch; its role grants exactly this.
pub struct Deps {
    pub clock: Clock,
    pub store: Store,
    pub policy: Policy,
    pub random: Random,
}

pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let now = deps.clock.now();
    let caller = deps.store.caller(request.session_id(), now).await?;
    caller.session.may_all(&deps.policy, &caller.account, now)?;
    let ended: Option<SessionId> = request.path_parameter("id").and_then(|id| id.parse().ok());
    let ended = ended.ok_or_else(Problem::not_found)?;
    let event = happened(&request, &deps.random, &caller.account.id, What::SessionEnded, now);
    if !deps.store.end_session(&ended, &event).await? {
        return Err(Problem::not_found());
    }
    let reply = Reply::no_content();
    Ok(if ended == caller.session.id { reply.clearing_session() } else { reply })
}
