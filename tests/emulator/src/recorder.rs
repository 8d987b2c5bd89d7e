//! Between one function and the services: passes every call on, and writes down which it was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use agreement::PHONE_NUMBERS;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::Failure;
use crate::end_user_messaging;

/// Where the calls go, and what the things that they name are called in the template.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    pub http: reqwest::Client,
    /// The address of `DynamoDB`.
    pub tables: String,
    /// The address of End User Messaging.
    pub voice: String,
    /// The address of all else.
    pub stand_in: String,
    /// Logical ids, by table name, key id and topic ARN.
    pub names: BTreeMap<String, String>,
}

/// A recorder that listens. Dropping it ends it.
pub(crate) struct Recorder {
    pub address: String,
    made: Shared,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Made {
    calls: BTreeSet<String>,
    /// Calls to tables, each with the partition that it concerned.
    partitions: BTreeSet<(String, String)>,
    /// Topics by their logical ids, with what was published there.
    published: Vec<(String, String)>,
}

type Shared = Arc<Mutex<Made>>;

impl Recorder {
    pub(crate) async fn start(services: Services) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let made = Shared::default();
        let router = Router::new().fallback(pass_on).with_state((services, Arc::clone(&made)));
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, made, task })
    }

    /// Every call so far, as `CALLS` writes it: `dynamodb:GetItem Attempts`.
    pub(crate) fn calls(&self) -> BTreeSet<String> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).calls.clone()
    }

    /// Every call to a table, with the partition key that it concerned.
    pub(crate) fn partitions(&self) -> BTreeSet<(String, String)> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).partitions.clone()
    }

    /// What was published to a topic, the oldest first.
    pub(crate) fn published(&self, topic: &str) -> Vec<String> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let to_it = made.published.iter().filter(|(to, _)| to == topic);
        to_it.map(|(_, message)| message.clone()).collect()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass_on(
    State((services, shared)): State<(Services, Shared)>,
    method: Method,
    uri: Uri,
    mut headers: HeaderMap,
    body: Bytes,
) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    {
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.calls.extend(made(target, &body, &services.names));
        shared.partitions.extend(partitions(target, &body, &services.names));
        shared.published.extend(published(target, &body, &services.names));
    }
    let service = match target.split('.').next() {
        Some(end_user_messaging::TARGET) => &services.voice,
        Some(target) if target.starts_with("DynamoDB_") => &services.tables,
        _ => &services.stand_in,
    };
    let address = format!("{service}{uri}");
    // The name stays what it was: the caller's signature covers it.
    for own in [CONTENT_LENGTH, TRANSFER_ENCODING] {
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
        Some((_, action @ "BatchGetItem")) if parameters.get("RequestItems").is_some() => {
            let tables = parameters.get("RequestItems").and_then(Value::as_object).into_iter().flatten();
            tables.map(|(table, _)| call("dynamodb", action, table)).collect()
        }
        Some((service, action)) if service.starts_with("DynamoDB_") => {
            let made = call("dynamodb", action, &text(&parameters, "TableName"));
            let index = text(&parameters, "IndexName");
            vec![if index.is_empty() { made } else { format!("{made}/{index}") }]
        }
        Some(("TrentService", action)) => vec![call("kms", action, &text(&parameters, "KeyId"))],
        Some((end_user_messaging::TARGET, action)) => {
            let origination = text(&parameters, "OriginationIdentity");
            vec![call("sms-voice", action, if origination.is_empty() { "*" } else { &origination })]
        }
        None if parameters.get("FromEmailAddress").is_some() => {
            let sender = text(&parameters, "FromEmailAddress");
            let identity = sender.rsplit_once('@').map_or("", |(_, domain)| domain.trim_end_matches('>'));
            vec![call("ses", "SendEmail", identity)]
        }
        _ => {
            let form = form(body);
            let value = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
            let on = match (value("TopicArn"), value("PhoneNumber")) {
                ("", "") => "*",
                ("", _) => PHONE_NUMBERS,
                (topic, _) => topic,
            };
            vec![call("sns", value("Action"), on)]
        }
    }
}

/// The calls of a request to tables, each with its partition key: IAM's `dynamodb:LeadingKeys`.
fn partitions(target: &str, body: &[u8], names: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let parameters: Value = serde_json::from_slice(body).unwrap_or_default();
    let transaction = target.ends_with(".TransactWriteItems");
    let parts: Vec<(String, Value)> = if transaction {
        let parts = parameters.get("TransactItems").and_then(Value::as_array).into_iter().flatten();
        let parts = parts.filter_map(Value::as_object).flatten();
        parts.map(|(kind, part)| (format!("DynamoDB_.{kind}Item"), part.clone())).collect()
    } else if target.ends_with(".BatchGetItem") {
        let tables = parameters.get("RequestItems").and_then(Value::as_object).into_iter().flatten();
        let keys = tables.flat_map(|(table, wanted)| {
            let keys = wanted.get("Keys").and_then(Value::as_array).into_iter().flatten();
            keys.map(move |key| serde_json::json!({ "TableName": table, "Key": key }))
        });
        keys.map(|part| (target.to_owned(), part)).collect()
    } else if target.starts_with("DynamoDB_") {
        vec![(target.to_owned(), parameters)]
    } else {
        Vec::new()
    };
    let mut found = Vec::new();
    for (target, part) in parts {
        let written = ["/Key/pk/S", "/Item/pk/S"].iter().find_map(|pointer| part.pointer(pointer));
        // `pk = :account AND ...`
        let asked = || {
            let (_, rest) = part.get("KeyConditionExpression")?.as_str()?.split_once('=')?;
            let name = rest.split_whitespace().next()?;
            part.get("ExpressionAttributeValues")?.get(name)?.get("S")
        };
        let key = written.or_else(asked).and_then(Value::as_str).unwrap_or_default();
        let calls = made(&target, part.to_string().as_bytes(), names);
        found.extend(calls.into_iter().map(|call| (call, key.to_owned())));
    }
    found
}

/// The topic and the message of a request that publishes.
fn published(target: &str, body: &[u8], names: &BTreeMap<String, String>) -> Option<(String, String)> {
    let mut form = if target.is_empty() { form(body) } else { BTreeMap::new() };
    let topic = names.get(form.get("TopicArn")?)?.clone();
    Some((topic, form.remove("Message")?))
}

/// SNS speaks AWS's query protocol.
fn form(body: &[u8]) -> BTreeMap<String, String> {
    let address = format!("http://form/?{}", String::from_utf8_lossy(body));
    let address = reqwest::Url::parse(&address);
    address.map(|address| address.query_pairs().into_owned().collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_written_as_iam_writes_them() {
        let names = [
            ("t1", "Attempts"),
            ("k1", "TokenKey"),
            ("arn:x:y", "SecurityEvents"),
            ("+18005550100", "VoiceOriginationIdentity"),
            ("mail.portal.example", "EmailIdentity"),
        ];
        let names = names.iter().map(|(name, id)| ((*name).to_owned(), (*id).to_owned())).collect();
        let partitions_of = |target, body: &str| partitions(target, body.as_bytes(), &names);
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
        let put = r#"{"TransactItems":[{"Put":{"TableName":"t1","Item":{"pk":{"S":"SPENT#1"}}}}]}"#;
        let spent = [("dynamodb:PutItem Attempts".to_owned(), "SPENT#1".to_owned())];
        assert_eq!(partitions_of("DynamoDB_20120810.TransactWriteItems", put), spent);
        let query = r#"{"TableName":"t1","KeyConditionExpression":"pk = :a AND sk >= :b","ExpressionAttributeValues":{":a":{"S":"KEYS"}}}"#;
        let keys = [("dynamodb:Query Attempts".to_owned(), "KEYS".to_owned())];
        assert_eq!(partitions_of("DynamoDB_20120810.Query", query), keys);
        let batch = r#"{"RequestItems":{"t1":{"Keys":[{"pk":{"S":"a"}}]},"t2":{"Keys":[{"pk":{"S":"b"}},{"pk":{"S":"c"}}]}}}"#;
        assert_eq!(
            made("DynamoDB_20120810.BatchGetItem", batch),
            "dynamodb:BatchGetItem Attempts, dynamodb:BatchGetItem t2"
        );
        let read = [("Attempts", "a"), ("t2", "b"), ("t2", "c")];
        let read = read.map(|(table, key)| (format!("dynamodb:BatchGetItem {table}"), key.to_owned()));
        assert_eq!(partitions_of("DynamoDB_20120810.BatchGetItem", batch), read);
        assert_eq!(made("TrentService.Decrypt", r#"{"KeyId":"k1"}"#), "kms:Decrypt TokenKey");
        assert_eq!(made("", "Action=Publish&TopicArn=arn%3Ax%3Ay"), "sns:Publish SecurityEvents");
        assert_eq!(made("", "Action=Publish&PhoneNumber=%2B12125550123"), "sns:Publish PhoneNumbers");
        let asked = "Action=CheckIfPhoneNumberIsOptedOut&phoneNumber=%2B12125550123";
        assert_eq!(made("", asked), "sns:CheckIfPhoneNumberIsOptedOut *");
        let lookup = r#"{"PhoneNumber":"+12125550123"}"#;
        assert_eq!(made("PinpointSMSVoiceV2.CarrierLookup", lookup), "sms-voice:CarrierLookup *");
        let call = r#"{"OriginationIdentity":"+18005550100"}"#;
        let placed = "sms-voice:SendVoiceMessage VoiceOriginationIdentity";
        assert_eq!(made("PinpointSMSVoiceV2.SendVoiceMessage", call), placed);
        let foreign = r#"{"OriginationIdentity":"+18005550199"}"#;
        let made_so = made("PinpointSMSVoiceV2.SendVoiceMessage", foreign);
        assert_eq!(made_so, "sms-voice:SendVoiceMessage +18005550199");
        for sender in ["portal@mail.portal.example", "Portal <portal@mail.portal.example>"] {
            let letter = serde_json::json!({ "FromEmailAddress": sender }).to_string();
            assert_eq!(made("", &letter), "ses:SendEmail EmailIdentity");
        }
        let message = published("", b"TopicArn=arn%3Ax%3Ay&Message=%7B%7D", &names);
        assert_eq!(message, Some(("SecurityEvents".to_owned(), "{}".to_owned())));
    }
}
