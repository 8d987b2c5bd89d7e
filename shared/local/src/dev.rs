//! What only the local run has: messages, the clock, faults.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use http::header::{self, HeaderValue};
use http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use postern_messages::Outbox;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::clock::MovableClock;
use crate::gateway::problem;
use crate::toll::{Fault, Toll};

const PAGE: &str = include_str!("messages.html");
const STYLE: &str = include_str!("messages.css");
const SCRIPT: &str = include_str!("messages.js");

/// Largest body that these take, in bytes.
const LARGEST_BODY: usize = 64 * 1024;

/// The parts that a developer moves by hand.
#[derive(Debug, Clone)]
pub struct Dev {
    pub clock: MovableClock,
    pub toll: Toll,
    pub outbox: Outbox,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockChange {
    advance_seconds: Option<i64>,
    set: Option<Timestamp>,
    /// Not said: a step forward leaves it as it is, an instant runs on.
    frozen: Option<bool>,
}

impl Dev {
    /// Answers a request below `/dev/`. `true`: the clock was moved.
    pub async fn answer(&self, request: Request) -> (Response, bool) {
        let (head, body) = request.into_parts();
        let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
            return (
                problem(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "The body is larger than 64 KiB."),
                false,
            );
        };
        let query = head.uri.query().unwrap_or_default();
        match (head.method, head.uri.path()) {
            (Method::GET, "/dev/messages") => match recipient(query) {
                Ok(to) => (json(StatusCode::OK, &self.outbox.messages(to.as_deref())), false),
                Err(()) => (bad_request("The query takes `to` alone, once."), false),
            },
            (Method::DELETE, "/dev/messages") => {
                self.outbox.clear();
                (no_content(), false)
            }
            (Method::GET, "/dev/messages.html") => (page("text/html; charset=utf-8", PAGE), false),
            (Method::GET, "/dev/messages.css") => (page("text/css; charset=utf-8", STYLE), false),
            (Method::GET, "/dev/messages.js") => (page("text/javascript; charset=utf-8", SCRIPT), false),
            (Method::GET, "/dev/events") => (json(StatusCode::OK, &self.outbox.events()), false),
            (Method::GET, "/dev/clock") => (self.shown_clock(), false),
            (Method::POST, "/dev/clock") => match self.move_clock(&body) {
                Ok(()) => (self.shown_clock(), true),
                Err(detail) => (bad_request(&detail), false),
            },
            (Method::POST, "/dev/faults") => match parse::<Vec<Fault>>(&body) {
                Ok(faults) => {
                    let shown = json(StatusCode::OK, &faults);
                    self.toll.set_faults(faults);
                    (shown, false)
                }
                Err(detail) => (bad_request(&detail), false),
            },
            (_, path) => (refused(path), false),
        }
    }

    fn move_clock(&self, body: &[u8]) -> Result<(), String> {
        let change: ClockChange = parse(body)?;
        match change {
            ClockChange { advance_seconds: Some(_), set: Some(_), .. } => {
                Err("Give `advance_seconds` or `set`, not both.".to_owned())
            }
            ClockChange { advance_seconds: Some(seconds), set: None, frozen } => {
                let by = SignedDuration::from_secs(seconds);
                let at =
                    self.clock.now().checked_add(by).map_err(|_| "No clock goes that far.".to_owned())?;
                self.clock.set(at, frozen.unwrap_or(self.clock.is_held()));
                Ok(())
            }
            ClockChange { advance_seconds: None, set: Some(at), frozen } => {
                self.clock.set(at, frozen == Some(true));
                Ok(())
            }
            ClockChange { advance_seconds: None, set: None, frozen: Some(held) } => {
                self.clock.set(self.clock.now(), held);
                Ok(())
            }
            ClockChange { advance_seconds: None, set: None, frozen: None } => {
                self.clock.reset();
                Ok(())
            }
        }
    }

    fn shown_clock(&self) -> Response {
        json(StatusCode::OK, &json!({ "now": self.clock.now(), "frozen": self.clock.is_held() }))
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| format!("The body is refused: {error}."))
}

/// `to=`, if the query says nothing else.
fn recipient(query: &str) -> Result<Option<String>, ()> {
    let mut to = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let value = pair.strip_prefix("to=").ok_or(())?;
        let value = percent_encoding::percent_decode_str(value).decode_utf8().map_err(|_| ())?;
        if to.replace(value.into_owned()).is_some() {
            return Err(());
        }
    }
    Ok(to)
}

fn refused(path: &str) -> Response {
    let allowed = match path {
        "/dev/messages" => "GET, DELETE",
        "/dev/clock" => "GET, POST",
        "/dev/faults" => "POST",
        "/dev/messages.html" | "/dev/messages.css" | "/dev/messages.js" | "/dev/events" => "GET",
        _ => return problem(StatusCode::NOT_FOUND, "not_found", "There is nothing at this address."),
    };
    let mut response = problem(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "This address does not take that method.",
    );
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

fn bad_request(detail: &str) -> Response {
    problem(StatusCode::BAD_REQUEST, "bad_request", detail)
}

fn no_content() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let text = serde_json::to_string(body).unwrap_or_default();
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn page(content_type: &'static str, body: &'static str) -> Response {
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'",
        ),
    );
    response
}
