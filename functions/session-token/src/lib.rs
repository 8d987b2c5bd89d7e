//! `POST /v1/session/token`: an access token for the portal, from the session.
//!
//! Calls: two reads, and a write once a minute to say that the session is used.

use postern_domain::policy::Policy;
use postern_domain::session::Refusal;
use postern_http::{Clock, Problem, Reply, Request, StatusCode};
use postern_store::Store;
use postern_tokens::AccessTokens;
use serde::Deserialize;

/// What the role of this function allows, action by action.
pub const CALLS: &[&str] = &[
    "dynamodb:Query Accounts",
    "dynamodb:GetItem Attempts",
    "dynamodb:UpdateItem Attempts",
    "kms:Decrypt TokenKey",
];

/// Everything that this step may touch; its role grants exactly this.
pub struct Deps {
    pub clock: Clock,
    pub store: Store,
    pub policy: Policy,
    pub tokens: AccessTokens,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {}

pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let now = deps.clock.now();
    let caller = deps.store.caller(request.session_id(), now).await?;
    let Body {} = request.json()?;
    let (session, account) = (&caller.session, &caller.account);
    let admission = session.may_all(&deps.policy, account, now).map_err(|refusal| match refusal {
        Refusal::SetUpRequired => {
            let needed = deps.policy.action_needed(account, now);
            Problem::set_up_required().with("action_needed", serde_json::to_value(needed).unwrap_or_default())
        }
        Refusal::StepUpRequired => Problem::step_up_required(),
    })?;
    Ok(Reply::json(StatusCode::OK, &deps.tokens.issue(session, &admission, now).await?))
}
