//! `PATCH /v1/account/passkeys/{id}`: gives a passkey another name.
//!
//! Calls: two reads, one transaction; and a write once a minute to say that the session is used.

use postern_domain::account::Passkey;
use postern_domain::activity::What;
use postern_domain::id::PasskeyId;
use postern_domain::name::PasskeyName;
use postern_domain::policy::Policy;
use postern_http::{Clock, Problem, Reply, Request, StatusCode, view};
use postern_keys::Random;
use postern_store::{Store, happened};
use serde::Deserialize;

/// What the role of this function allows, action by action.
pub const CALLS: &[&str] = &[
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    name: String,
}

pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let now = deps.clock.now();
    let caller = deps.store.caller(request.session_id(), now).await?;
    let Body { name } = request.json()?;
    let name: PasskeyName =
        name.parse().map_err(|error| Problem::bad_request(format!("The body is refused: {error}.")))?;
    caller.session.may_remove(&deps.policy, &caller.account, now)?;
    let id: Option<PasskeyId> = request.path_parameter("id").and_then(|id| id.parse().ok());
    let passkey = id.and_then(|id| caller.account.passkey(&id)).ok_or_else(Problem::not_found)?;

    let event = happened(&request, &deps.random, &caller.account.id, What::PasskeyRenamed, now);
    if deps.store.rename_passkey(&caller.account.id, &passkey.id, &name, &event).await? {
        let renamed = Passkey { name, ..passkey.clone() };
        Ok(Reply::json(StatusCode::OK, &view::Passkey::new(&renamed)))
    } else {
        Err(Problem::not_found())
    }
}
