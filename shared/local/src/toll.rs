//! The toll that every call to a service passes: it counts calls, and makes those fail that
//! `/dev/faults` names.
//!
//! A fault meets a call as the step sees it. The SDK's own retries of one call carry one invocation id,
//! and meet the same fault: `times: 1` is one failed call, not one failed attempt that a retry hides.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_http_client::Builder;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use postern_keys::KeyError;
use postern_messages::NotSent;
use postern_metrics::{Kind, Metric, count};
use serde::{Deserialize, Serialize};

use crate::meter;
use crate::units::Units;

/// What makes calls fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    pub service: Service,
    /// AWS's name, as `UpdateItem`.
    pub operation: String,
    /// How many calls go well before.
    #[serde(default)]
    pub after: u64,
    /// How many calls fail then; all, where it is not said.
    #[serde(default = "always")]
    pub times: u64,
    pub kind: FaultKind,
}

fn always() -> u64 {
    u64::MAX
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    Dynamodb,
    Kms,
    Sns,
    Smsvoice,
    Ses,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    Throttled,
    Error,
    Timeout,
    /// The call takes effect, the answer does not arrive.
    LostResponse,
}

/// The toll gate. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Toll(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    faults: Vec<Fault>,
    calls: HashMap<(Service, String), u64>,
    by_function: HashMap<String, u64>,
    /// The invocations that met a fault lately: their retries meet it again.
    faulted: VecDeque<(String, FaultKind)>,
    /// None: nobody counts them.
    units: Option<Units>,
}

/// Invocations remembered: many more than are ever under way.
const REMEMBERED: usize = 256;

#[derive(thiserror::Error, Debug)]
#[error("made to fail: {0:?}")]
struct MadeToFail(FaultKind);

impl Toll {
    /// From now on those calls fail; none heals all.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        let mut state = self.state();
        state.faults = faults;
        state.faulted.clear();
    }

    /// How often an operation was called, retries aside.
    #[must_use]
    pub fn calls(&self, service: Service, operation: &str) -> u64 {
        self.state().calls.get(&(service, operation.to_owned())).copied().unwrap_or_default()
    }

    /// How many calls there were, of all operations.
    #[must_use]
    pub fn all_calls(&self) -> u64 {
        self.state().calls.values().sum()
    }

    /// How many calls the runs of `function` made.
    #[must_use]
    pub fn calls_of(&self, function: &str) -> u64 {
        self.state().by_function.get(function).copied().unwrap_or_default()
    }

    /// How often each operation was called, retries aside.
    #[must_use]
    pub fn by_operation(&self) -> BTreeMap<(Service, String), u64> {
        self.state().calls.iter().map(|(operation, times)| (operation.clone(), *times)).collect()
    }

    /// From now on the request units of each call to `DynamoDB` are counted.
    pub fn count_units(&self) {
        self.state().units.get_or_insert_default();
    }

    /// The request units since [`Self::count_units`], retries among them.
    #[must_use]
    pub fn units(&self) -> Units {
        self.state().units.unwrap_or_default()
    }

    pub(crate) fn counts_units(&self) -> bool {
        self.state().units.is_some()
    }

    pub(crate) fn add_units(&self, more: Units) {
        if let Some(units) = &mut self.state().units {
            units.reads += more.reads;
            units.writes += more.writes;
            units.untold += more.untold;
        }
    }

    /// Counts a call, and says whether it is to fail.
    fn pass(&self, service: Service, operation: &str) -> Option<FaultKind> {
        let mut state = self.state();
        *state.calls.entry((service, operation.to_owned())).or_default() += 1;
        if let Some(function) = meter::function() {
            *state.by_function.entry(function).or_default() += 1;
        }
        let fault = state
            .faults
            .iter_mut()
            .find(|fault| fault.service == service && fault.operation == operation && fault.times > 0)?;
        if fault.after > 0 {
            fault.after -= 1;
            return None;
        }
        if fault.times != u64::MAX {
            fault.times -= 1;
        }
        Some(fault.kind)
    }

    /// An attempt of an invocation: the first one passes, a retry is what the first one was.
    fn pass_attempt(
        &self,
        service: Service,
        operation: &str,
        invocation: &str,
        first: bool,
    ) -> (Option<FaultKind>, bool) {
        if !first {
            let state = self.state();
            return (state.faulted.iter().find(|(id, _)| id == invocation).map(|(_, kind)| *kind), false);
        }
        let fault = self.pass(service, operation);
        if let Some(kind) = fault {
            let mut state = self.state();
            state.faulted.push_back((invocation.to_owned(), kind));
            if state.faulted.len() > REMEMBERED {
                state.faulted.pop_front();
            }
        }
        (fault, true)
    }

    /// An HTTP client for the SDK whose calls pass here.
    pub(crate) fn http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(TolledClient { toll: self.clone(), inner: Builder::new().build_http() })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Key operations pass as KMS's.
impl postern_keys::Gate for KeysToll {
    fn before(&self, operation: &'static str) -> Result<(), KeyError> {
        match self.0.pass(Service::Kms, operation) {
            None => Ok(()),
            Some(FaultKind::LostResponse) => {
                self.0.state().faulted.push_back((operation.to_owned(), FaultKind::LostResponse));
                Ok(())
            }
            Some(kind) => {
                count_failed(Service::Kms, kind);
                Err(KeyError::unavailable(MadeToFail(kind)))
            }
        }
    }

    fn after(&self, operation: &'static str) -> Result<(), KeyError> {
        if self.0.lost(operation) {
            count_failed(Service::Kms, FaultKind::LostResponse);
            Err(KeyError::unavailable(MadeToFail(FaultKind::LostResponse)))
        } else {
            Ok(())
        }
    }
}

impl Toll {
    /// Whether the answer of a call that just took effect is to be lost.
    fn lost(&self, operation: &str) -> bool {
        let mut state = self.state();
        let place = state.faulted.iter().position(|(id, _)| id == operation);
        place.is_some_and(|place| state.faulted.remove(place).is_some())
    }
}

/// The toll, for [`postern_keys::LocalKeys`].
#[derive(Debug, Clone)]
pub struct KeysToll(pub Toll);

/// The toll, for [`postern_messages::Outbox`].
#[derive(Debug, Clone)]
pub struct MessagesToll(pub Toll);

impl postern_messages::Gate for MessagesToll {
    fn before(&self, service: &'static str, operation: &'static str) -> Result<(), NotSent> {
        let Some(named) = service_named(service) else { return Ok(()) };
        match self.0.pass(named, operation) {
            None => Ok(()),
            Some(FaultKind::LostResponse) => {
                self.0.state().faulted.push_back((operation.to_owned(), FaultKind::LostResponse));
                Ok(())
            }
            Some(kind) => {
                count_failed(named, kind);
                Err(NotSent { operation, reason: MadeToFail(kind).to_string() })
            }
        }
    }

    fn after(&self, service: &'static str, operation: &'static str) -> Result<(), NotSent> {
        if self.0.lost(operation) {
            if let Some(named) = service_named(service) {
                count_failed(named, FaultKind::LostResponse);
            }
            Err(NotSent { operation, reason: MadeToFail(FaultKind::LostResponse).to_string() })
        } else {
            Ok(())
        }
    }
}

/// Counts as the adapter would whose place a local half takes.
fn count_failed(service: Service, kind: FaultKind) {
    let service = match service {
        Service::Dynamodb => postern_metrics::Service::DynamoDb,
        Service::Kms => postern_metrics::Service::Kms,
        Service::Sns => postern_metrics::Service::Sns,
        Service::Smsvoice => postern_metrics::Service::SmsVoice,
        Service::Ses => postern_metrics::Service::Ses,
    };
    let kind = match kind {
        FaultKind::Throttled => Kind::Throttled,
        FaultKind::Timeout => Kind::Timeout,
        FaultKind::Error | FaultKind::LostResponse => Kind::Other,
    };
    count(Metric::AwsErrors { service, kind });
}

fn service_named(name: &str) -> Option<Service> {
    serde_json::from_value(serde_json::Value::from(name)).ok()
}

struct TolledClient {
    toll: Toll,
    inner: SharedHttpClient,
}

impl fmt::Debug for TolledClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TolledClient")
    }
}

impl HttpClient for TolledClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(TolledConnector { toll: self.toll.clone(), inner })
    }
}

#[derive(Debug)]
struct TolledConnector {
    toll: Toll,
    inner: SharedHttpConnector,
}

impl HttpConnector for TolledConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let header = |name| request.headers().get(name).unwrap_or_default().to_owned();
        let (invocation, attempt) = (header("amz-sdk-invocation-id"), header("amz-sdk-request"));
        let target = header("x-amz-target");
        let operation = target.rsplit_once('.').map_or(target.as_str(), |(_, operation)| operation);
        let first = attempt.contains("attempt=1;") || attempt.ends_with("attempt=1") || attempt.is_empty();
        match self.toll.pass_attempt(Service::Dynamodb, operation, &invocation, first) {
            (None, _) => self.inner.call(request),
            (Some(FaultKind::Throttled), _) => answered(400, "ProvisionedThroughputExceededException"),
            (Some(FaultKind::Error), _) => answered(500, "InternalServerError"),
            (Some(FaultKind::Timeout), _) => failed(ConnectorError::timeout, FaultKind::Timeout),
            (Some(FaultKind::LostResponse), true) => {
                let call = self.inner.call(request);
                HttpConnectorFuture::new(async move {
                    call.await?;
                    Err(ConnectorError::io(Box::new(MadeToFail(FaultKind::LostResponse))))
                })
            }
            (Some(FaultKind::LostResponse), false) => failed(ConnectorError::io, FaultKind::LostResponse),
        }
    }
}

fn answered(status: u16, code: &str) -> HttpConnectorFuture {
    let body = format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"made to fail"}}"#);
    HttpConnectorFuture::ready(
        StatusCode::try_from(status)
            .map(|status| HttpResponse::new(status, SdkBody::from(body)))
            .map_err(|error| ConnectorError::other(error.into(), None)),
    )
}

fn failed(kind: fn(Box<dyn Error + Send + Sync>) -> ConnectorError, fault: FaultKind) -> HttpConnectorFuture {
    HttpConnectorFuture::ready(Err(kind(Box::new(MadeToFail(fault)))))
}
