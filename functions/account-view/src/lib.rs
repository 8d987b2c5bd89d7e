//! `GET /v1/account`: the account, its methods, and what it still needs.
//!
//! Calls: two reads, and a write once a minute to say that the session is used.

use postern_domain::policy::Policy;
use postern_http::{Clock, Problem, Reply, Request, StatusCode, view};
use postern_store::Store;

/// What the role of this function allows, action by action.
pub const CALLS: &[&str] =
    &["dynamodb:Query Accounts", "dynamodb:GetItem Attempts", "dynamodb:UpdateItem Attempts"];

/// Everything that this step may touch; its role grants exactly this.
pub struct Deps {
    pub clock: Clock,
    pub store: Store,
    pub policy: Policy,
}

pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let now = deps.clock.now();
    let caller = deps.store.caller(request.session_id(), now).await?;
    Ok(Reply::json(StatusCode::OK, &view::Account::new(&caller.account, &deps.policy, now)))
}
