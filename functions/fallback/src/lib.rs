//! The route `$default`: what no other route takes. 404, or 405 for a path that has other methods.
//!
//! Calls: none.

use postern_http::routes::methods_of;
use postern_http::{Problem, Reply, Request};

/// What the role of this function allows, action by action.
pub const CALLS: &[&str] = &[];

/// Everything that this step may touch: nothing.
pub struct Deps;

#[expect(clippy::unused_async, reason = "every step has the same form")]
pub async fn handle(_deps: &Deps, request: Request) -> Result<Reply, Problem> {
    match methods_of(request.path()).as_slice() {
        [] => Err(Problem::not_found()),
        methods => Err(Problem::method_not_allowed(methods)),
    }
}
