//! `DELETE /v1/account/phones/{id}`: removes a phone, and with it the other sessions that it proved.
//!
//! Calls: two reads, one transaction; and a write once a minute to say that the session is used.

use postern_domain::activity::What;
use postern_domain::admission::Factor;
use postern_domain::id::PhoneId;
use postern_domain::policy::Policy;
use postern_http::{Clock, Problem, Reply, Request};
use postern_keys::Random;
use postern_store::{PhoneRemoval, Store, decide_again, happened};

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
    let id: Option<PhoneId> = request.path_parameter("id").and_then(|id| id.parse().ok());
    let phone = id.and_then(|id| account.phone(&id)).ok_or_else(Problem::not_found)?;
    deps.policy.may_become(account, &account.without_phone(&phone.id), now)?;

    let event = happened(request, &deps.random, &account.id, What::PhoneRemoved, now);
    let is_removed = |factor: &Factor| matches!(factor, Factor::Phone { id, .. } if *id == phone.id);
    let proven = session.outliving(is_removed);
    deps.store.remove_phone(PhoneRemoval { account, phone, proven: &proven, event: &event }, now).await?;
    Ok(Reply::no_content())
}
