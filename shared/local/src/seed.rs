//! An account as the notice finds it: a password and an address, and nothing more.

use std::net::{Ipv4Addr, SocketAddr};

use axum::body::Body;
use axum::extract::Request;
use http::{Method, StatusCode, header};
use serde_json::json;

use crate::gateway::Gateway;

pub const USERNAME: &str = "dr.classic";
pub const EMAIL: &str = "classic@clinic.example";
pub const PASSWORD: &str = "old river, 4 quiet sparrows";
/// When it was registered.
pub const REGISTERED_AT: &str = "2024-01-15T15:00:00Z";

/// Registers it as anybody is registered, unless an earlier run did. The clock shows [`REGISTERED_AT`]. The error is a
/// message for a person.
pub async fn register(gateway: &Gateway) -> Result<(), String> {
    let body = json!({ "username": USERNAME, "email": EMAIL, "password": PASSWORD });
    let request = Request::builder()
        .method(Method::POST)
        .uri("/v1/accounts")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .map_err(|error| error.to_string())?;
    let answer = gateway.answer(request, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await;
    match answer.status() {
        StatusCode::CREATED | StatusCode::CONFLICT => Ok(()),
        other => Err(format!("the account {USERNAME} was not registered: {other}")),
    }
}
