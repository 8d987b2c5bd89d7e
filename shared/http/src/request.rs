//! A request, as a step sees it.

use std::fmt;

use http::header::{ACCEPT, CONTENT_TYPE, ORIGIN, USER_AGENT};
use http::{HeaderName, Method, StatusCode};
use lambda_http::request::RequestContext;
use lambda_http::{Body, RequestExt};
use mime::Mime;
use postern_domain::id::SessionId;
use serde::de::DeserializeOwned;

use crate::cookies::SessionToken;
use crate::json;
use crate::problem::Problem;

/// Bodies over this are refused, in bytes.
pub const LARGEST_BODY: usize = 64 * 1024;

/// A look at the recovery code is a GET, and marks it downloaded.
const CHANGING_GET: &str = "/v1/account/recovery-code";

/// Most of a `User-Agent` that is kept, in characters.
const LONGEST_USER_AGENT: usize = 256;

/// A request of an API Gateway HTTP API (payload format 2.0).
pub struct Request(lambda_http::Request);

impl Request {
    pub(crate) fn new(request: lambda_http::Request) -> Self {
        Self(request)
    }

    #[must_use]
    pub fn method(&self) -> &Method {
        self.0.method()
    }

    /// The path, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.raw_http_path()
    }

    /// A parameter of the path, as `{id}` in the route.
    pub fn path_parameter(&self, name: &str) -> Option<String> {
        self.0.path_parameters_ref()?.first(name).map(str::to_owned)
    }

    /// The one value of a parameter of the query. Given twice, or a name that is not in `known`: 400.
    pub fn query_parameter(&self, name: &str) -> Result<Option<String>, Problem> {
        let Some(parameters) = self.0.query_string_parameters_ref() else { return Ok(None) };
        let values = parameters.all(name).unwrap_or_default();
        match values.as_slice() {
            [] => Ok(None),
            [value] => Ok(Some((*value).to_owned())),
            [_, _, ..] => Err(Problem::bad_request(format!("The parameter `{name}` stands twice."))),
        }
    }

    /// The one value of a header. Given twice: 400.
    pub fn header(&self, name: &HeaderName) -> Result<Option<&str>, Problem> {
        let mut values = self.0.headers().get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => value
                .to_str()
                .map(Some)
                .map_err(|_| Problem::bad_request(format!("The header `{name}` is not ASCII."))),
            (Some(_), Some(_)) => Err(Problem::bad_request(format!("The header `{name}` stands twice."))),
        }
    }

    /// The caller's address in the gateway's own word, never a header's; behind an edge in the edge's ([`crate::Edge`]).
    #[must_use]
    pub fn source_ip(&self) -> String {
        match self.0.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.clone().unwrap_or_default(),
            _ => String::new(),
        }
    }

    #[must_use]
    pub fn request_id(&self) -> Option<String> {
        match self.0.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone(),
            _ => None,
        }
    }

    #[must_use]
    pub fn user_agent(&self) -> Option<String> {
        let text = self.0.headers().get(USER_AGENT)?.to_str().ok()?;
        Some(text.chars().filter(|c| !c.is_control()).take(LONGEST_USER_AGENT).collect())
    }

    /// The session that the cookie names, if one came that could be one.
    #[must_use]
    pub fn session_id(&self) -> Option<SessionId> {
        SessionToken::of(self.0.headers()).map(|token| token.id())
    }

    /// Whether the caller would rather have plain text than JSON (RFC 9110 §12.5.1).
    #[must_use]
    pub fn prefers_text(&self) -> bool {
        let accepted = self.0.headers().get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let accepted: Vec<Mime> = accepted
            .flat_map(|value| value.split(','))
            .filter_map(|range| range.trim().parse().ok())
            .collect();
        let weight = |wanted: &Mime| {
            let range = accepted.iter().find(|range| range.essence_str() == wanted.essence_str())?;
            Some(range.get_param("q").map_or(1.0, |q| q.as_str().parse::<f32>().unwrap_or(0.0)))
        };
        weight(&mime::TEXT_PLAIN) > weight(&mime::APPLICATION_JSON)
    }

    /// The body as JSON: 415 for another type, 400 for what is not a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let body = self.body();
        if body.is_empty() {
            return Err(Problem::bad_request("The body is missing: a JSON object is wanted."));
        }
        let content_type = self.header(&CONTENT_TYPE)?.unwrap_or_default();
        if !is_json(content_type) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Send the body as `Content-Type: application/json`, in UTF-8.",
            ));
        }
        json::from_slice(body).map_err(|error| Problem::bad_request(format!("The body is refused: {error}.")))
    }

    /// The body's bytes, at most [`LARGEST_BODY`].
    #[must_use]
    pub fn body(&self) -> &[u8] {
        match self.0.body() {
            Body::Text(text) => text.as_bytes(),
            Body::Binary(bytes) => bytes,
            _ => &[],
        }
    }

    pub(crate) fn refuse_large_body(&self) -> Result<(), Problem> {
        if self.body().len() > LARGEST_BODY {
            return Err(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                "The body is larger than 64 KiB.",
            ));
        }
        Ok(())
    }

    /// A request that changes something and says that it comes from elsewhere does so (OWASP ASVS 5.0
    /// §3.5). One without `Origin` comes from no browser's page.
    pub(crate) fn refuse_foreign_origin(&self, origins: &[String]) -> Result<(), Problem> {
        if self.method().is_safe() && self.path() != CHANGING_GET {
            return Ok(());
        }
        let foreign = self
            .0
            .headers()
            .get_all(ORIGIN)
            .iter()
            .any(|given| origins.iter().all(|ours| ours.as_bytes() != given.as_bytes()));
        if foreign {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "wrong_origin",
                "This call does not come from one of the portal's own pages.",
            ));
        }
        Ok(())
    }
}

fn is_json(content_type: &str) -> bool {
    content_type.parse::<Mime>().is_ok_and(|mime| {
        mime.essence_str() == mime::APPLICATION_JSON.essence_str()
            && mime.get_param(mime::CHARSET).is_none_or(|charset| charset == mime::UTF_8)
    })
}

impl fmt::Debug for Request {
    /// Method and path alone: headers and body hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {})", self.method(), self.path())
    }
}

#[cfg(test)]
mod tests {
    use super::is_json;

    #[test]
    fn content_types() {
        for good in ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"]
        {
            assert!(is_json(good), "{good}");
        }
        for bad in
            ["", "text/json", "text/plain", "application/jsonx", "application/json; charset=latin1", "json"]
        {
            assert!(!is_json(bad), "{bad}");
        }
    }
}
