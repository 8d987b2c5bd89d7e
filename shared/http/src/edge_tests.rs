use http::StatusCode;
use lambda_http::{Body, Response};
use serde_json::{Value, json};

use super::*;
use crate::{Frame, Reply};

const SECRET: &str = "k3Vq8ZtB1nYw6RcD0sLmJ4xGhP7fTaUe";
const OLDER: &str = "Zq0pWm5Xv8Rk2Ld7Bf1Hs4Jt6Yc9Ngaa";
const GATEWAYS_WORD: &str = "130.176.1.1";

fn edge(kind: &str, secrets: &str) -> Result<Edge, InvalidSetting> {
    let settings = [("EDGE", kind), ("ORIGIN_SECRET", secrets)];
    Edge::from_settings(
        &settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect(),
    )
}

/// What a step answers that says who called, and whether it saw the secret.
async fn answer(edge: Edge, headers: &[(&str, &str)]) -> Response<Body> {
    let headers: serde_json::Map<String, Value> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let event = json!({
        "version": "2.0", "routeKey": "GET /v1/policy", "rawPath": "/v1/policy", "rawQueryString": "", "headers": headers,
        "requestContext": {
            "accountId": "1", "apiId": "a", "domainName": "id.example", "domainPrefix": "id", "requestId": "r-1",
            "routeKey": "GET /v1/policy", "stage": "$default", "time": "24/Nov/2026:04:00:00 +0000", "timeEpoch": 1,
            "http": {"method": "GET", "path": "/v1/policy", "protocol": "HTTP/1.1", "sourceIp": GATEWAYS_WORD, "userAgent": "t"},
        },
        "isBase64Encoded": false,
    });
    let request = lambda_http::request::from_str(&event.to_string()).unwrap();
    let frame = Frame { edge, ..Frame::uncounted(["https://id.example".to_owned()]) };
    let step = |(): &(), request: crate::Request| -> crate::BoxFuture<'_> {
        Box::pin(async move {
            let saw = request.header(&ORIGIN_SECRET)?.is_some();
            Ok(Reply::json(StatusCode::OK, &json!({ "caller": request.source_ip(), "saw": saw })))
        })
    };
    frame.answer(&(), step, request).await
}

/// Who a step takes for the caller; none where no step was asked.
async fn caller(edge: Edge, headers: &[(&str, &str)]) -> Result<String, (u16, String)> {
    let response = answer(edge, headers).await;
    let body: Value = serde_json::from_slice(response.body()).unwrap();
    if response.status() == StatusCode::OK {
        assert_eq!(body["saw"], false, "a step has no use for the secret");
        return Ok(body["caller"].as_str().unwrap().to_owned());
    }
    Err((response.status().as_u16(), body["code"].as_str().unwrap().to_owned()))
}

#[tokio::test]
async fn without_an_edge_no_header_says_who_calls() {
    let forged = [("x-origin-secret", SECRET), ("cloudfront-viewer-address", "198.51.100.10:46532")];
    assert_eq!(caller(edge("off", SECRET).unwrap(), &forged).await.unwrap(), GATEWAYS_WORD);
    let unset = Edge::from_settings(&Settings::default()).unwrap();
    assert_eq!(caller(unset, &forged).await.unwrap(), GATEWAYS_WORD);
}

#[tokio::test]
async fn through_the_edge_the_viewer_calls() {
    let both = format!("{SECRET},{OLDER}");
    for kind in ["beside", "front"] {
        for secret in [SECRET, OLDER] {
            for (header, address) in [
                ("198.51.100.10:46532", "198.51.100.10"),
                ("2001:db8::1:2:46532", "2001:db8::1:2"),
                ("[2001:db8::1]:46532", "2001:db8::1"),
            ] {
                let headers = [("x-origin-secret", secret), ("cloudfront-viewer-address", header)];
                let called = caller(edge(kind, &both).unwrap(), &headers).await;
                assert_eq!(called.as_deref(), Ok(address), "{kind} {header}");
            }
        }
    }
}

#[tokio::test]
async fn past_the_edge_nobody_is_believed() {
    let address = ("cloudfront-viewer-address", "198.51.100.10:46532");
    let almost = format!("{}a", &SECRET[..SECRET.len() - 1]);
    let not_found = Err((404, "not_found".to_owned()));
    for headers in [
        &[address][..],
        &[address, ("x-origin-secret", "")],
        &[address, ("x-origin-secret", &almost)],
        &[address, ("x-origin-secret", &SECRET[..31])],
        &[address, ("x-origin-secret", &format!("{SECRET},{SECRET}"))],
    ] {
        assert_eq!(caller(edge("front", SECRET).unwrap(), headers).await, not_found, "{headers:?}");
        let called = caller(edge("beside", SECRET).unwrap(), headers).await;
        assert_eq!(called.as_deref(), Ok(GATEWAYS_WORD), "{headers:?}");
    }
}

/// A limit by `CloudFront`'s own address would be everybody's.
#[tokio::test]
async fn an_edge_that_does_not_say_who_calls_gets_nothing() {
    for header in [None, Some(""), Some("198.51.100.10"), Some("nobody:46532"), Some("198.51.100.10:port")] {
        let mut headers = vec![("x-origin-secret", SECRET)];
        headers.extend(header.map(|value| ("cloudfront-viewer-address", value)));
        let refused = caller(edge("front", SECRET).unwrap(), &headers).await;
        assert_eq!(refused, Err((503, "unavailable".to_owned())), "{header:?}");
    }
}

#[test]
fn a_weak_or_missing_secret_starts_nothing() {
    let refused = |kind: &str, secrets: &str| edge(kind, secrets).unwrap_err();
    assert_eq!(refused("front", ""), InvalidSetting::Missing("ORIGIN_SECRET"));
    let short = InvalidSetting::Malformed("ORIGIN_SECRET", "at least 32 characters");
    assert_eq!(refused("front", "short"), short);
    assert_eq!(refused("beside", &format!("{SECRET},short")), short);
    assert_eq!(refused("on", SECRET), InvalidSetting::Malformed("EDGE", "off, beside or front"));
}

#[test]
fn the_secret_is_in_no_debug_output() {
    assert!(!format!("{:?}", edge("front", SECRET).unwrap()).contains(SECRET));
}
