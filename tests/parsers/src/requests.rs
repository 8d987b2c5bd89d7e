//! Whole requests, up to what a step's body is.

use std::future::ready;

use http::header::{HeaderName, HeaderValue, ORIGIN, X_CONTENT_TYPE_OPTIONS};
use http::{Method, StatusCode};
use lambda_http::{Body, RequestExt};
use percent_encoding::percent_decode_str;
use postern_domain::name::{Email, Locale, PasskeyName, Username};
use postern_http::{Frame, LARGEST_BODY, Problem, Reply, Request};
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded;

use crate::passkeys::run;

const OURS: &str = "https://id.example";

/// Stands in a body for what must not come back in a refusal.
const SECRET: &str = "hush";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    #[expect(dead_code, reason = "read, and thereby refused or taken")]
    username: Option<Username>,
    #[expect(dead_code, reason = "read, and thereby refused or taken")]
    email: Option<Email>,
    #[expect(dead_code, reason = "read, and thereby refused or taken")]
    name: Option<PasskeyName>,
    #[expect(dead_code, reason = "read, and thereby refused or taken")]
    locale: Option<Locale>,
    credential: Value,
}

/// Reads all that a step may ask of a request, and answers with what it read as the body's `credential`.
fn step(request: &Request) -> Result<Reply, Problem> {
    let _ = (request.session_id(), request.user_agent(), request.prefers_text(), request.source_ip());
    let _ = request.path_parameter("id");
    request.header(&HeaderName::from_static("idempotency-key"))?;
    request.query_parameter("cursor")?;
    let Members { credential, .. } = request.json()?;
    Ok(Reply::json(StatusCode::OK, &credential))
}

/// A request as text: `METHOD path?query`, headers, an empty line, the body. The answer is never a failure, and never ambiguous.
pub fn requests(data: &[u8]) {
    let Some((request, body)) = read(data) else { return };
    let safe = request.method().is_safe();
    let foreign = request.headers().get_all(ORIGIN).iter().any(|origin| origin.as_bytes() != OURS.as_bytes());
    let frame = Frame::uncounted([OURS.to_owned()]);
    let answer = run(frame.answer(&(), |(), request| Box::pin(ready(step(&request))), request));

    assert_eq!(answer.headers().get(X_CONTENT_TYPE_OPTIONS).unwrap(), "nosniff");
    let answered: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(answer.status() == StatusCode::PAYLOAD_TOO_LARGE, body.len() > LARGEST_BODY);
    if foreign && !safe && body.len() <= LARGEST_BODY {
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    }
    if answer.status() == StatusCode::OK {
        // A second reader takes the same from it.
        let read: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(read.get("credential"), Some(&answered));
        return;
    }
    assert!([400, 403, 413, 415].contains(&answer.status().as_u16()), "{}", answer.status());
    assert_eq!(answered.get("status"), Some(&answer.status().as_u16().into()));
    assert!(answered.get("code").and_then(Value::as_str).is_some_and(|code| !code.is_empty()));
    assert!(!answered.to_string().contains(SECRET));
}

/// None for what no gateway would pass on.
fn read(data: &[u8]) -> Option<(lambda_http::Request, &[u8])> {
    let end = data.windows(2).position(|pair| pair == b"\n\n")?;
    let (head, body) = (data.get(..end)?, data.get(end.checked_add(2)?..)?);
    let mut lines = std::str::from_utf8(head).ok()?.lines();
    let (method, target) = lines.next()?.split_once(' ')?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = http::Request::new(match std::str::from_utf8(body) {
        Ok(text) => Body::Text(text.to_owned()),
        Err(_) => Body::Binary(body.to_vec()),
    });
    *request.method_mut() = Method::from_bytes(method.as_bytes()).ok()?;
    *request.uri_mut() = path.parse().ok()?;
    for line in lines {
        let (name, value) = line.split_once(':')?;
        let value = HeaderValue::from_bytes(value.trim().as_bytes()).ok()?;
        request.headers_mut().append(name.parse::<HeaderName>().ok()?, value);
    }
    let id = path.rsplit('/').next().map(|last| percent_decode_str(last).decode_utf8_lossy().into_owned());
    let mut parameters = std::collections::HashMap::<String, Vec<String>>::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        parameters.entry(name.into_owned()).or_default().push(value.into_owned());
    }
    let request = request
        .with_raw_http_path(path)
        .with_path_parameters(std::collections::HashMap::from([(
            "id".to_owned(),
            vec![id.unwrap_or_default()],
        )]))
        .with_query_string_parameters(parameters);
    Some((request, body))
}
