//! What a client sees when it does not get what it asked for: RFC 9457, with a stable `code`.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use postern_domain::Timestamp;
use postern_domain::guess::{Standing, whole_seconds};
use postern_domain::policy::{ActionNeeded, WouldBreakSetUp};
use postern_domain::session::Refusal;
use serde_json::{Map, Value, json};

use crate::reply::Reply;

/// The inside half of an error: logged once, by [`crate::Frame::answer`], and never shown.
pub type Cause = Box<dyn Error + Send + Sync>;

/// What a wrong guess takes at the least: more than its one write does, and less than anybody notices. What is written for a name that nobody
/// has is a new record the first time, and a new one is done sooner than one that is changed.
const WRONG_GUESS: Duration = Duration::from_millis(40);

/// A problem: the outside half is `status`, `code`, `detail` and the members; the cause stays inside.
pub struct Problem(Box<Parts>);

struct Parts {
    status: StatusCode,
    code: &'static str,
    detail: String,
    members: Map<String, Value>,
    allow: Option<String>,
    retry_after: Option<u64>,
    cause: Option<Cause>,
    least: Duration,
}

impl Problem {
    /// A problem of its own kind: `code` is what clients switch on, `detail` what a person reads.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            status,
            code,
            detail: detail.into(),
            members: Map::new(),
            allow: None,
            retry_after: None,
            cause: None,
            least: Duration::ZERO,
        }))
    }

    #[must_use]
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", detail)
    }

    #[must_use]
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is nothing at this address.")
    }

    /// `methods`: those that the path has.
    #[must_use]
    pub fn method_not_allowed(methods: &[&str]) -> Self {
        let mut problem = Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "This address does not take that method.",
        );
        problem.0.allow = Some(methods.join(", "));
        problem
    }

    #[must_use]
    pub fn not_signed_in() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "not_signed_in", "Sign in first.")
    }

    /// An unknown account, a wrong secret, a method that the account lacks and a closed account: one answer, no sooner than [`WRONG_GUESS`].
    #[must_use]
    pub fn wrong_credentials() -> Self {
        let detail = "That did not match. Check it and try again.";
        let mut problem = Self::new(StatusCode::UNAUTHORIZED, "wrong_credentials", detail);
        problem.0.least = WRONG_GUESS;
        problem
    }

    #[must_use]
    pub fn sign_in_expired() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "sign_in_expired", "This sign-in is over. Begin again.")
    }

    #[must_use]
    pub fn step_up_required() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "step_up_required",
            "Sign in again: this needs a sign-in that is at most five minutes old.",
        )
    }

    #[must_use]
    pub fn set_up_required() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "set_up_required",
            "Finish setting up first: add a sign-in method and download the recovery code.",
        )
    }

    /// Too many wrong guesses in a row. `unlock` is the same for everyone, whatever the account has.
    #[must_use]
    pub fn locked(standing: Standing, now: Timestamp) -> Self {
        let detail = "That was wrong too often. Wait, or sign in with another method.";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "locked", detail)
            .with("unlock", json!(["passkey", "phone", "recovery_code"]))
            .retry_after(standing.retry_after(now).unwrap_or(1))
    }

    #[must_use]
    pub fn too_many_requests(seconds: u64) -> Self {
        let detail = "That was asked for too often. Wait before you ask again.";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail).retry_after(seconds)
    }

    /// Another one is taken at `until`, at the earliest.
    #[must_use]
    pub fn too_many_until(until: Timestamp, now: Timestamp) -> Self {
        Self::too_many_requests(whole_seconds(until.duration_since(now)))
    }

    /// `reasons` are stable names, `suggestions` sentences for a person.
    #[must_use]
    pub fn weak_password(reasons: impl Into<Value>, suggestions: Vec<String>) -> Self {
        let detail = "This password is too easy to guess, or too long.";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "weak_password", detail)
            .with("reasons", reasons)
            .with("suggestions", suggestions)
    }

    /// Whatever was asked, by whomever.
    #[must_use]
    pub fn email_recovery_retired() -> Self {
        Self::new(
            StatusCode::GONE,
            "email_recovery_retired",
            "Email is no longer a way back in. Use your recovery code. Without it, and without any way to sign in, register \
             a new account.",
        )
    }

    /// The same `Idempotency-Key` with another body.
    #[must_use]
    pub fn idempotency_key_reused() -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency_key_reused",
            "This Idempotency-Key stands for another request. Use a new one.",
        )
    }

    #[must_use]
    pub fn too_many_phones() -> Self {
        let detail = "An account keeps five phones. Remove one first.";
        Self::new(StatusCode::CONFLICT, "too_many_phones", detail)
    }

    /// A dependency failed: nothing was decided, nothing is lost, and asking again is right.
    #[must_use]
    pub fn unavailable(cause: impl Into<Cause>) -> Self {
        let mut problem = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "A part of the service did not answer. Nothing was changed; try again in a moment.",
        );
        problem.0.cause = Some(cause.into());
        problem.retry_after(2)
    }

    /// A member of its own beside the standard ones.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.members.insert(name.to_owned(), value.into());
        self
    }

    /// What the account must do first, as `action_needed`.
    #[must_use]
    pub fn with_action_needed(self, needed: &[ActionNeeded]) -> Self {
        self.with("action_needed", json!(needed))
    }

    /// `seconds` in the member `retry_after` and in the header (RFC 9110 §10.2.3).
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after = Some(seconds);
        self.with("retry_after", seconds)
    }

    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// Why, for the log alone.
    #[must_use]
    pub fn cause(&self) -> Option<&Cause> {
        self.0.cause.as_ref()
    }

    pub(crate) fn into_reply(self) -> Reply {
        let parts = *self.0;
        let title = parts.status.canonical_reason().unwrap_or("Problem");
        let mut body = json!({
            "type": format!("urn:postern:problem:{}", parts.code),
            "title": title,
            "status": parts.status.as_u16(),
            "code": parts.code,
            "detail": parts.detail,
        });
        if let Value::Object(object) = &mut body {
            object.extend(parts.members);
        }
        let mut reply = Reply::json(parts.status, &body)
            .no_sooner_than(parts.least)
            .with_header(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(allow) = parts.allow.and_then(|methods| HeaderValue::try_from(methods).ok()) {
            reply = reply.with_header(ALLOW, allow);
        }
        if let Some(seconds) = parts.retry_after {
            reply = reply.with_header(RETRY_AFTER, HeaderValue::from(seconds));
        }
        reply
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::StepUpRequired => Self::step_up_required(),
            Refusal::SetUpRequired => Self::set_up_required(),
        }
    }
}

impl From<WouldBreakSetUp> for Problem {
    fn from(WouldBreakSetUp(needed): WouldBreakSetUp) -> Self {
        let detail = "Without it the account would have no complete set-up. Add another method first.";
        Self::new(StatusCode::CONFLICT, "would_break_set_up", detail).with_action_needed(&needed)
    }
}

impl fmt::Debug for Problem {
    /// Status and code alone: members and causes may speak of a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Problem({} {})", self.0.status.as_u16(), self.0.code)
    }
}
