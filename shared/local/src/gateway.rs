//! API Gateway's part (HTTP API, payload format 2.0): HTTP in, event to the function, its answer out.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use lambda_http::request::LambdaRequest;
use lambda_http::{Context, LambdaEvent, Service, service_fn};
use percent_encoding::percent_decode_str;
use postern_http::Clock;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::functions::Function;
use crate::meter::Meter;
use crate::template::{Route, Template};

pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// API Gateway's own limit on a body, in bytes.
const LARGEST_BODY: usize = 10 * 1024 * 1024;

/// The HTTP API.
pub struct Gateway {
    pub template: Template,
    pub functions: HashMap<&'static str, Function>,
    pub origin: String,
    pub clock: Clock,
    pub meter: Meter,
    /// Draws a request's id.
    pub request_id: Arc<dyn Fn() -> Uuid + Send + Sync>,
}

impl Gateway {
    /// Answers as API Gateway and the function together would.
    pub async fn answer(&self, request: Request, caller: SocketAddr) -> Response {
        let (head, body) = request.into_parts();
        let cross_origin =
            head.headers.get(header::ORIGIN).filter(|origin| origin.as_bytes() == self.origin.as_bytes());
        let cross_origin = cross_origin.cloned();
        if head.method == Method::OPTIONS {
            return preflight(cross_origin);
        }
        let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
            return problem(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                "The body is larger than 64 KiB.",
            );
        };
        let Some((route, parameters)) = self.template.route(head.method.as_str(), head.uri.path()) else {
            return problem(StatusCode::NOT_FOUND, "not_found", "There is nothing at this address.");
        };
        let event = self.event(&head, &body, route, parameters, caller);
        let mut response = match self.invoke(&route.function, event).await {
            Ok(answer) => from_lambda(&answer).unwrap_or_else(|| bad_gateway("the answer cannot be read")),
            Err(cause) => bad_gateway(&cause),
        };
        if let Some(origin) = cross_origin {
            allow_origin(response.headers_mut(), origin);
        }
        if let Some(date) = http_date(self.clock.now()) {
            // Pages count down from it: by the clock that the functions see, not by the machine's.
            response.headers_mut().insert(header::DATE, date);
        }
        response
    }

    /// Runs a function as Lambda does: with the event as JSON, and `lambda_http` on both sides.
    async fn invoke(&self, function: &str, event: Value) -> Result<Value, String> {
        let run = self
            .functions
            .get(function)
            .cloned()
            .ok_or_else(|| format!("there is no function {function}"))?;
        let meter = self.meter.clone();
        let name = function.to_owned();
        let request: LambdaRequest =
            serde_json::from_value(event).map_err(|error| format!("the event cannot be read: {error}"))?;
        let step = service_fn(move |request: lambda_http::Request| {
            let answered = meter.measure(&name, run(request));
            async move { Ok::<_, lambda_http::Error>(answered.await) }
        });
        let answer =
            lambda_http::Adapter::from(step).call(LambdaEvent::new(request, Context::default())).await;
        let answer = answer.map_err(|error| error.to_string())?;
        serde_json::to_value(answer).map_err(|error| error.to_string())
    }

    /// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>
    fn event(
        &self,
        head: &http::request::Parts,
        body: &Bytes,
        route: &Route,
        parameters: Vec<(String, String)>,
        caller: SocketAddr,
    ) -> Value {
        let now = self.clock.now();
        let route_key = match &route.method {
            Some(method) => format!("{method} {}", route.path),
            None => route.path.clone(),
        };
        let path = head.uri.path();
        let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let mut event = json!({
            "version": "2.0",
            "routeKey": route_key,
            "rawPath": path,
            "rawQueryString": head.uri.query().unwrap_or_default(),
            "headers": joined_headers(&head.headers),
            "requestContext": {
                "accountId": "000000000000",
                "apiId": "local",
                "domainName": host,
                "domainPrefix": "local",
                "http": {
                    "method": head.method.as_str(),
                    "path": path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": caller.ip().to_string(),
                    "userAgent": head.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default(),
                },
                "requestId": (self.request_id)().to_string(),
                "routeKey": route_key,
                "stage": "$default",
                "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
                "timeEpoch": now.as_millisecond(),
            },
            "isBase64Encoded": false,
        });
        if let Value::Object(event) = &mut event {
            let cookies: Vec<&str> = head
                .headers
                .get_all(header::COOKIE)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .flat_map(|value| value.split(';'))
                .map(str::trim)
                .filter(|cookie| !cookie.is_empty())
                .collect();
            if !cookies.is_empty() {
                event.insert("cookies".to_owned(), cookies.into());
            }
            if !parameters.is_empty() {
                let decoded = parameters.into_iter().map(|(name, value)| {
                    (name, Value::from(percent_decode_str(&value).decode_utf8_lossy().into_owned()))
                });
                event.insert("pathParameters".to_owned(), Value::Object(decoded.collect()));
            }
            if !body.is_empty() {
                let text = std::str::from_utf8(body).ok().filter(|_| is_text(&head.headers));
                event.insert("isBase64Encoded".to_owned(), text.is_none().into());
                let body = text.map_or_else(|| STANDARD.encode(body), str::to_owned);
                event.insert("body".to_owned(), body.into());
            }
        }
        event
    }
}

/// Headers in lower case, one that stands twice joined by commas; cookies stand apart.
fn joined_headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers.iter().filter(|(name, _)| **name != header::COOKIE) {
        let value = String::from_utf8_lossy(value.as_bytes());
        joined
            .entry(name.as_str().to_owned())
            .and_modify(|present| {
                present.push(',');
                present.push_str(&value);
            })
            .or_insert_with(|| value.clone().into_owned());
    }
    joined
}

/// API Gateway hands on as text what says that it is, and in base64 the rest.
fn is_text(headers: &HeaderMap) -> bool {
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.starts_with("text/")
        || matches!(essence.as_str(), "" | "application/json" | "application/xml" | "application/javascript")
        || essence.ends_with("+json")
}

/// The function's answer in payload format 2.0, as HTTP.
fn from_lambda(answer: &Value) -> Option<Response> {
    let status = answer.get("statusCode")?.as_u64()?;
    let text = answer.get("body").and_then(Value::as_str).unwrap_or_default();
    let body = if answer.get("isBase64Encoded").and_then(Value::as_bool) == Some(true) {
        Body::from(STANDARD.decode(text).ok()?)
    } else {
        Body::from(text.to_owned())
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(u16::try_from(status).ok()?).ok()?;
    let headers = answer.get("headers").and_then(Value::as_object).into_iter().flatten();
    for (name, value) in headers {
        let (name, value) = (name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value.as_str()?).ok()?);
        response.headers_mut().append(name, value);
    }
    for cookie in answer.get("cookies").and_then(Value::as_array).into_iter().flatten() {
        response.headers_mut().append(header::SET_COOKIE, HeaderValue::from_str(cookie.as_str()?).ok()?);
    }
    Some(response)
}

fn preflight(origin: Option<HeaderValue>) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        allow_origin(headers, origin);
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET,POST,PATCH,PUT,DELETE"),
        );
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("content-type,accept,idempotency-key"),
        );
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
    response
}

/// As API Gateway writes it. None: a year that the format has no room for.
fn http_date(now: Timestamp) -> Option<HeaderValue> {
    let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&now).ok()?;
    HeaderValue::try_from(date).ok()
}

fn allow_origin(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers
        .insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("x-request-id,retry-after"));
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}

/// A problem that the local run itself answers, in the form of all others.
pub fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    let body = json!({
        "type": format!("urn:postern:problem:{code}"),
        "title": status.canonical_reason().unwrap_or("Problem"),
        "status": status.as_u16(),
        "code": code,
        "detail": detail,
    });
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn bad_gateway(cause: &str) -> Response {
    tracing::error!(cause, "a function failed");
    problem(StatusCode::BAD_GATEWAY, "bad_gateway", "A function did not answer as it should.")
}
