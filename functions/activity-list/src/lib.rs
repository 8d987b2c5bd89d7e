//! `GET /v1/account/activity`: what happened to the account, newest first.
//!
//! Calls: three reads, and a write once a minute to say that the session is used.

use postern_domain::activity::Event;
use postern_domain::policy::Policy;
use postern_http::{Clock, Problem, Reply, Request, StatusCode};
use postern_store::{Cursor, Store};
use serde_json::{Value, json};

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
    caller.session.may_all(&deps.policy, &caller.account, now)?;
    let cursor: Option<Cursor> = request
        .query_parameter("cursor")?
        .map(|text| text.parse())
        .transpose()
        .map_err(|_| Problem::bad_request("The cursor is not one that this call gave."))?;
    let page = deps.store.activity(&caller.account.id, cursor.as_ref()).await?;
    let mut body = json!({ "events": page.events.iter().map(entry).collect::<Vec<_>>() });
    if let (Some(next), Value::Object(members)) = (page.next, &mut body) {
        members.insert("cursor".to_owned(), next.to_string().into());
    }
    Ok(Reply::json(StatusCode::OK, &body))
}

fn entry(event: &Event) -> Value {
    json!({ "id": event.id, "at": event.at, "what": event.what, "where": event.place })
}
