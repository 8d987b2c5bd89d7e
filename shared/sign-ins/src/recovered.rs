//! What a recovery ends in, by whichever way.

use jiff::Timestamp;
use postern_domain::account::Account;
use postern_domain::policy::Policy;
use postern_domain::session::{Origin, Session};
use postern_http::{Reply, Request, SessionToken, StatusCode, view};
use postern_metrics::Outcome;
use serde_json::json;

use crate::reply::session_of;

/// The session that a recovery begins: it has proven nothing yet, and may set up anew. `account` as it is to be.
#[must_use]
pub fn recovering(token: &SessionToken, account: &Account, request: &Request, now: Timestamp) -> Session {
    Session { origin: Origin::Recovery, ..session_of(token, account, Vec::new(), request, now) }
}

#[must_use]
pub fn recovered(token: &SessionToken, account: &Account, policy: &Policy, now: Timestamp) -> Reply {
    let account = view::Account::new(account, policy, now);
    let reply = Reply::json(StatusCode::OK, &json!({ "status": "recovered", "account": account }));
    reply.with_outcome(Outcome::Recovered).with_session(token)
}
