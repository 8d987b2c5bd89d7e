//! `DELETE /v1/account/passkeys/{id}`: removes a passkey, and with it the other sessions that it proved.
//!
//! Calls: two reads, one transaction; and a write once a minute to say that the session is used.

use postern_domain::activity::What;
use postern_domain::admission::Factor;
use postern_domain::id::PasskeyId;
use postern_domain::policy::Policy;
use postern_http::{Clock, Problem, Reply, Request};
use postern_keys::Random;
use postern_store::{PasskeyRemoval, Store, decide_again, happened};

/// What the role of this function allows, action by action.
pub const CALLS: &[&str] = &[
    "dynamodb:DeleteItem Accounts",
    "dynamodb:PutItem Accounts",
    "dynamodb:Query Accounts",
    "dynamodb:UpdateItem Accounts",
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
    decide_again!(decide(deps, &request))
}

async fn decide(deps: &Deps, request: &Request) -> Result<Reply, Problem> {
    let now = deps.clock.now();
    let caller = deps.store.caller(request.session_id(), now).await?;
    let (session, account) = (&caller.session, &caller.account);
    session.may_remove(&deps.policy, account, now)?;
    let id: Option<PasskeyId> = request.path_parameter("id").and_then(|id| id.parse().ok());
    let passkey = id.and_then(|id| account.passkey(&id)).ok_or_else(Problem::not_found)?;
    deps.policy.may_become(account, &account.without_passkey(&passkey.id), now)?;

    let event = happened(request, &deps.random, &account.id, What::PasskeyRemoved, now);
    let is_removed = |factor: &Factor| matches!(factor, Factor::Passkey { id, .. } if *id == passkey.id);
    deps.store
        .remove_passkey(PasskeyRemoval {
            account,
            passkey,
            proven: &session.outliving(is_removed),
            event: &event,
        })
        .await?;
    Ok(Reply::no_content())
}
