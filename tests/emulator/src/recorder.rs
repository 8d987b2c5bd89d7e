//! Between one function and the services: passes every call on, and writes down which it was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::Failure;

/// Where the calls go, and what the things that they name are called in the template.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    pub http: reqwest::Client,
    /// The address of `DynamoDB`.
    pub tables: String,
    /// The address of all else.
    pub stand_in: String,
    /// Logical ids, by table name, key id and topic ARN.
    pub names: BTreeMap<String, String>,
}

/// A recorder that listens. Dropping it ends it.
pub(crate) struct Recorder {
    pub address: String,
    calls: Calls,
    task: JoinHandle<()>,
}

type Calls = Arc<Mutex<BTreeSet<String>>>;

impl Recorder {
    pub(crate) async fn start(services: Services) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let calls = Calls::default();
        let router = Router::new().fallback(pass_on).with_state((services, Arc::clone(&calls)));
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, calls, task })
    }

    /// Every call so far, as `CALLS` writes it: `dynamodb:GetItem Attempts`.
    pub(crate) fn calls(&self) -> BTreeSet<String> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass_on(
    State((services, calls)): State<(Services, Calls)>,
    method: Method,
    uri: Uri,
    mut headers: HeaderMap,
    body: Bytes,
) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let made = made(target, &body, &services.names);
    calls.lock().unwrap_or_else(PoisonError::into_inner).extend(made);
    let service = if target.starts_with("DynamoDB_") { &services.tables } else { &services.stand_in };
    let address = format!("{service}{uri}");
    for own in [HOST, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(own);
    }
    let passed_on = services.http.request(method, address).headers(headers).body(body).send().await;
    let Ok(answer) = passed_on else { return StatusCode::BAD_GATEWAY.into_response() };
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    for own in [CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(own);
    }
    match answer.bytes().await {
        Ok(body) => (status, headers, body).into_response(),
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

/// The IAM actions that a request takes, and on what. A transaction takes one for each of its parts.
fn made(target: &str, body: &[u8], names: &BTreeMap<String, String>) -> Vec<String> {
    let call = |service: &str, action: &str, on: &str| {
        let on = names.get(on).map_or(on, String::as_str);
        format!("{service}:{action} {on}")
    };
    let parameters: Value = serde_json::from_slice(body).unwrap_or_default();
    let text =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    match target.split_once('.') {
        Some((_, "TransactWriteItems")) => {
            let parts = parameters.get("TransactItems").and_then(Value::as_array).into_iter().flatten();
            let parts = parts.filter_map(Value::as_object).flatten();
            parts
                .map(|(kind, part)| call("dynamodb", &format!("{kind}Item"), &text(part, "TableName")))
                .collect()
        }
        Some((service, action)) if service.starts_with("DynamoDB_") => {
            let made = call("dynamodb", action, &text(&parameters, "TableName"));
            let index = text(&parameters, "IndexName");
            vec![if index.is_empty() { made } else { format!("{made}/{index}") }]
        }
        Some(("TrentService", action)) => vec![call("kms", action, &text(&parameters, "KeyId"))],
        _ => {
            // SNS speaks AWS's query protocol: a form.
            let address = format!("http://form/?{}", String::from_utf8_lossy(body));
            let form = reqwest::Url::parse(&address).ok();
            let value = |name: &str| {
                let mut pairs = form.as_ref().map(reqwest::Url::query_pairs)?;
                pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
            };
            vec![call("sns", &value("Action").unwrap_or_default(), &value("TopicArn").unwrap_or_default())]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_written_as_iam_writes_them() {
        let names = [("t1", "Attempts"), ("k1", "TokenKey"), ("arn:x:y", "SecurityEvents")];
        let names = names.iter().map(|(name, id)| ((*name).to_owned(), (*id).to_owned())).collect();
        let made = |target, body: &str| made(target, body.as_bytes(), &names).join(", ");
        let transaction =
            r#"{"TransactItems":[{"Put":{"TableName":"t1"}},{"ConditionCheck":{"TableName":"t2"}}]}"#;
        assert_eq!(
            made("DynamoDB_20120810.TransactWriteItems", transaction),
            "dynamodb:PutItem Attempts, dynamodb:ConditionCheckItem t2"
        );
        assert_eq!(made("DynamoDB_20120810.Query", r#"{"TableName":"t1"}"#), "dynamodb:Query Attempts");
        let index = r#"{"TableName":"t1","IndexName":"by-x"}"#;
        assert_eq!(made("DynamoDB_20120810.Query", index), "dynamodb:Query Attempts/by-x");
        assert_eq!(made("TrentService.Decrypt", r#"{"KeyId":"k1"}"#), "kms:Decrypt TokenKey");
        assert_eq!(made("", "Action=Publish&TopicArn=arn%3Ax%3Ay"), "sns:Publish SecurityEvents");
    }
}
