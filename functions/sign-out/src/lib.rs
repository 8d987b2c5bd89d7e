//! `DELETE /v1/session`: signs out.
//!
//! Calls: one write.

use postern_http::{Clock, Problem, Reply, Request};
use postern_store::Store;

/// What the role of this function allows, action by action.
pub const CALLS: &[&str] = &["dynamodb:DeleteItem Attempts"];

/// Everything that this step may touch; its role grants exactly this.
pub struct Deps {
    pub clock: Clock,
    pub store: Store,
}

pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let session = request.session_id().ok_or_else(Problem::not_signed_in)?;
    if deps.store.sign_out(&session, deps.clock.now()).await? {
        Ok(Reply::no_content().clearing_session())
    } else {
        Err(Problem::not_signed_in())
    }
}
