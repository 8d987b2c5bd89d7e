//! A stand-in of AWS End User Messaging, of which no stand-in of AWS has the operations that the functions call: AWS JSON
//! 1.0, `CarrierLookup` and `SendVoiceMessage`, as strict as the service's published model.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::Failure;

/// What `X-Amz-Target` begins with.
pub(crate) const TARGET: &str = "PinpointSMSVoiceV2";

/// One that listens. Dropping it ends it.
pub(crate) struct EndUserMessaging {
    pub address: String,
    state: Shared,
    task: JoinHandle<()>,
}

/// A call that was placed.
#[derive(Debug, Clone)]
pub struct PlacedCall {
    pub to: String,
    pub from: String,
    /// What is said, in SSML.
    pub body: String,
    pub voice: String,
}

#[derive(Default)]
struct Kept {
    calls: Vec<PlacedCall>,
    /// How many of the next calls are refused.
    refused: u32,
}

type Shared = Arc<Mutex<Kept>>;

/// A refusal: the exception's name, and why.
type Refused = (&'static str, String);

impl EndUserMessaging {
    pub(crate) async fn start() -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let state = Shared::default();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&state));
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, state, task })
    }

    /// The calls so far, the oldest first.
    pub(crate) fn calls(&self) -> Vec<PlacedCall> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).calls.clone()
    }

    /// Refuses the next call, as when too many are placed at once.
    pub(crate) fn refuse_next_call(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).refused += 1;
    }
}

impl Drop for EndUserMessaging {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(state): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let operation = text("x-amz-target").strip_prefix(TARGET).and_then(|rest| rest.strip_prefix('.'));
    let answered = if text(CONTENT_TYPE.as_str()) == "application/x-amz-json-1.0" {
        let parameters: Value = serde_json::from_slice(&body).unwrap_or_default();
        let parameters = parameters.as_object().cloned().unwrap_or_default();
        match operation {
            Some("CarrierLookup") => carrier_lookup(&parameters),
            Some("SendVoiceMessage") => send_voice_message(&state, &parameters),
            _ => Err(("UnknownOperationException", format!("{operation:?}"))),
        }
    } else {
        Err(("SerializationException", "not AWS JSON 1.0".to_owned()))
    };
    let (status, body) = match answered {
        Ok(body) => (StatusCode::OK, body),
        Err((name, why)) => (StatusCode::BAD_REQUEST, json!({ "__type": name, "Message": why })),
    };
    (status, [(CONTENT_TYPE, "application/x-amz-json-1.0")], body.to_string()).into_response()
}

/// What the local run's table says: of `+1 NXX 555 01dd` the last two digits tell the line.
fn carrier_lookup(parameters: &Map<String, Value>) -> Result<Value, Refused> {
    known(parameters, &["PhoneNumber"])?;
    let number = phone_number(parameters, "PhoneNumber")?;
    let last: u8 = number.get(number.len().saturating_sub(2)..).and_then(|it| it.parse().ok()).unwrap_or(99);
    let kind = match last {
        0..60 => "MOBILE",
        60..80 => "LANDLINE",
        80..90 => "VOIP",
        _ => "INVALID",
    };
    Ok(json!({
        "E164PhoneNumber": number,
        "DialingCountryCode": "1",
        "IsoCountryCode": "US",
        "Country": "United States",
        "Carrier": "Example Wireless",
        "PhoneNumberType": kind,
    }))
}

fn send_voice_message(state: &Shared, parameters: &Map<String, Value>) -> Result<Value, Refused> {
    known(
        parameters,
        &[
            "DestinationPhoneNumber",
            "OriginationIdentity",
            "MessageBody",
            "MessageBodyTextType",
            "VoiceId",
            "ConfigurationSetName",
            "MaxPricePerMinute",
            "TimeToLive",
            "Context",
            "DryRun",
            "ProtectConfigurationId",
            "MessageFeedbackEnabled",
        ],
    )?;
    let text = |name: &str| parameters.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let to = phone_number(parameters, "DestinationPhoneNumber")?;
    let (from, body, voice) = (text("OriginationIdentity"), text("MessageBody"), text("VoiceId"));
    let invalid = |why: &str| Err(("ValidationException", why.to_owned()));
    if from.is_empty() || from.len() > 64 {
        return invalid("OriginationIdentity");
    }
    if body.trim().is_empty() || body.len() > 6000 {
        return invalid("MessageBody");
    }
    let is_ssml = body.starts_with("<speak>") && body.ends_with("</speak>");
    if text("MessageBodyTextType") != "SSML" || !is_ssml {
        return invalid("MessageBodyTextType");
    }
    let lives = parameters.get("TimeToLive").map(|seconds| seconds.as_u64().unwrap_or_default());
    if lives.is_some_and(|seconds| !(5..=259_200).contains(&seconds)) {
        return invalid("TimeToLive");
    }
    let mut kept = state.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(fewer) = kept.refused.checked_sub(1) {
        kept.refused = fewer;
        return Err(("ThrottlingException", "too many calls at once".to_owned()));
    }
    kept.calls.push(PlacedCall { to, from, body, voice });
    Ok(json!({ "MessageId": format!("call-{}", kept.calls.len()) }))
}

fn known(parameters: &Map<String, Value>, members: &[&str]) -> Result<(), Refused> {
    match parameters.keys().find(|name| !members.contains(&name.as_str())) {
        Some(name) => Err(("ValidationException", format!("{name} is not known"))),
        None => Ok(()),
    }
}

/// `\+[1-9][0-9]{1,18}`.
fn phone_number(parameters: &Map<String, Value>, name: &str) -> Result<String, Refused> {
    let number = parameters.get(name).and_then(Value::as_str).unwrap_or_default();
    let digits = number.strip_prefix('+').unwrap_or_default();
    let fits = (2..=19).contains(&digits.len()) && !digits.starts_with('0');
    if fits && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(number.to_owned())
    } else {
        Err(("ValidationException", name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_strict() {
        let state = Shared::default();
        let call = json!({
            "DestinationPhoneNumber": "+12125550167",
            "OriginationIdentity": "+18005550100",
            "MessageBody": "<speak>1</speak>",
            "MessageBodyTextType": "SSML",
            "VoiceId": "JOANNA",
            "TimeToLive": 60,
        });
        let with = |name: &str, value: Value| {
            let mut changed = call.as_object().unwrap().clone();
            changed.insert(name.to_owned(), value);
            send_voice_message(&state, &changed).map_err(|(_, why)| why)
        };
        assert_eq!(with("VoiceId", "LUPE".into()), Ok(json!({ "MessageId": "call-1" })));
        assert_eq!(
            with("DestinationPhoneNumber", "2125550167".into()),
            Err("DestinationPhoneNumber".to_owned())
        );
        assert_eq!(with("MessageBody", "no SSML".into()), Err("MessageBodyTextType".to_owned()));
        assert_eq!(with("TimeToLive", 1.into()), Err("TimeToLive".to_owned()));
        assert_eq!(with("Digits", "1".into()), Err("Digits is not known".to_owned()));
        state.lock().unwrap().refused = 1;
        assert_eq!(with("VoiceId", "LUPE".into()), Err("too many calls at once".to_owned()));
        assert_eq!(state.lock().unwrap().calls.len(), 1);
        let lookup = |number: &str| {
            let parameters = json!({ "PhoneNumber": number });
            carrier_lookup(parameters.as_object().unwrap()).map(|found| found["PhoneNumberType"].clone())
        };
        assert_eq!(lookup("+12125550123"), Ok("MOBILE".into()));
        assert_eq!(lookup("+12125550167"), Ok("LANDLINE".into()));
        assert_eq!(lookup("+12125550185"), Ok("VOIP".into()));
        assert!(lookup("212").is_err());
    }
}
