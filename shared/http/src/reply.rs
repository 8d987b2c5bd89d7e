//! An answer, before it becomes API Gateway's.

use std::fmt;
use std::time::Duration;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use lambda_http::{Body, Response};
use postern_metrics::Outcome;
use secrecy::ExposeSecret;
use serde::Serialize;

use crate::cookies::{self, SessionToken};

/// What a step answers. `no-store` unless it says otherwise.
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Body,
    outcome: Option<Outcome>,
    least: Duration,
}

impl Reply {
    /// A JSON body. One that cannot be written is our own fault: 500 with nothing in it.
    #[must_use]
    pub fn json(status: StatusCode, body: &impl Serialize) -> Self {
        match serde_json::to_string(body) {
            Ok(text) => Self::new(status, "application/json", Body::Text(text)),
            Err(_) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "application/json", Body::Text("{}".to_owned()))
            }
        }
    }

    #[must_use]
    pub fn text(status: StatusCode, content_type: &'static str, body: String) -> Self {
        Self::new(status, content_type, Body::Text(body))
    }

    #[must_use]
    pub fn bytes(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Self {
        Self::new(status, content_type, Body::Binary(body))
    }

    #[must_use]
    pub fn no_content() -> Self {
        Self::without_type(StatusCode::NO_CONTENT, Body::Empty)
    }

    fn new(status: StatusCode, content_type: &'static str, body: Body) -> Self {
        Self::without_type(status, body).with_header(CONTENT_TYPE, HeaderValue::from_static(content_type))
    }

    fn without_type(status: StatusCode, body: Body) -> Self {
        Self { status, headers: no_store(), body, outcome: None, least: Duration::ZERO }
    }

    /// Replaces the header, if it stands already.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Open to all and the same for all, for `seconds`.
    #[must_use]
    pub fn cached_for(self, seconds: u32) -> Self {
        match HeaderValue::try_from(format!("public, max-age={seconds}")) {
            Ok(value) => self.with_header(CACHE_CONTROL, value),
            Err(_) => self,
        }
    }

    /// Hands the browser a new session.
    #[must_use]
    pub fn with_session(mut self, token: &SessionToken) -> Self {
        if let Ok(mut value) = HeaderValue::from_str(token.set().expose_secret()) {
            value.set_sensitive(true);
            self.headers.append(SET_COOKIE, value);
        }
        self
    }

    /// Takes the session away.
    #[must_use]
    pub fn clearing_session(mut self) -> Self {
        if let Ok(value) = HeaderValue::from_str(&cookies::clear_session()) {
            self.headers.append(SET_COOKIE, value);
        }
        self
    }

    /// What a proof came to, of which this tells: it is counted.
    #[must_use]
    pub fn with_outcome(self, outcome: Outcome) -> Self {
        Self { outcome: Some(outcome), ..self }
    }

    /// Holds the answer back until `least` after the request came, so that the time of what was done tells nothing.
    #[must_use]
    pub fn no_sooner_than(self, least: Duration) -> Self {
        Self { least, ..self }
    }

    pub(crate) fn least(&self) -> Duration {
        self.least
    }

    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.body.as_ref()
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

fn no_store() -> HeaderMap {
    HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static("no-store"))])
}

impl fmt::Debug for Reply {
    /// The status alone: the body may hold a token or a code.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({})", self.status.as_u16())
    }
}
