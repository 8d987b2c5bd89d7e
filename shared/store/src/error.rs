//! What can go wrong between a decision and its record.

use std::error::Error;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::types::CancellationReason;
use postern_http::Problem;
use postern_metrics::{Kind, Metric, Service, count, count_aws_error};

/// The store's own failures; outcomes that a step expects are values, not errors.
#[derive(thiserror::Error, Debug)]
pub enum StoreError {
    /// Somebody else wrote first: load again, decide again.
    #[error("the condition of a write did not hold")]
    Conflict,
    /// `DynamoDB` did not answer, or refused to: asking again is right.
    #[error("{operation} failed: {reason}")]
    Unavailable { operation: &'static str, reason: String },
    /// A record cannot be read: somebody has to look.
    #[error("a record is corrupt: {0}")]
    Corrupt(&'static str),
    /// A record has a form that a later release writes, and this one cannot read.
    #[error("a record is of a later release: {what}, version {version}")]
    Newer { what: &'static str, version: u32 },
}

impl StoreError {
    /// Whether the same request may succeed when it is sent again.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::Conflict | Self::Unavailable { .. } => true,
            Self::Corrupt(_) | Self::Newer { .. } => false,
        }
    }

    /// Keeps the service's code alone: its messages, and the items of a cancelled transaction, may hold
    /// what must not be logged.
    pub(crate) fn unavailable<E>(operation: &'static str, error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        count_aws_error(Service::DynamoDb, error);
        Self::unavailable_for(operation, error)
    }

    /// As [`Self::unavailable`], of a transaction: only its reasons say whether it was throttled.
    pub(crate) fn cancelled<E>(error: &SdkError<E>, reasons: &[CancellationReason]) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let kinds = || reasons.iter().filter_map(|reason| reason.code()).map(Kind::of_code);
        let throttled = kinds().any(|kind| kind == Kind::Throttled);
        let kind = if throttled { Kind::Throttled } else { Kind::Other };
        count(Metric::AwsErrors { service: Service::DynamoDb, kind });
        Self::unavailable_for("TransactWriteItems", error)
    }

    fn unavailable_for<E>(operation: &'static str, error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let reason = match error {
            SdkError::TimeoutError(_) => "timed out",
            SdkError::DispatchFailure(_) => "no connection",
            SdkError::ResponseError(_) => "no readable response",
            SdkError::ConstructionFailure(_) => "the request could not be built",
            SdkError::ServiceError(service) => service.err().code().unwrap_or("an unnamed service error"),
            _ => "an unknown kind of error",
        };
        Self::Unavailable { operation, reason: reason.to_owned() }
    }
}

/// Whether the condition of a change held, and so the change was made.
pub fn held(updated: Result<UpdateItemOutput, SdkError<UpdateItemError>>) -> Result<bool, StoreError> {
    let Err(error) = updated else { return Ok(true) };
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
        _ => Err(StoreError::unavailable("UpdateItem", &error)),
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Problem::unavailable(error)
    }
}

/// How often a step decides again before it says that it is busy.
const ATTEMPTS: usize = 8;

/// Runs a decision until its write meets the state that it was decided on: `decide_again!(decide(deps, &request))`.
#[macro_export]
macro_rules! decide_again {
    ($decide:expr) => {{
        let mut races = $crate::Races::default();
        loop {
            let outcome = $decide.await;
            if !races.lost_another(&outcome) {
                break outcome;
            }
        }
    }};
}

/// Counts the races that a request lost.
#[derive(Debug, Default)]
pub struct Races(usize);

impl Races {
    /// Whether `outcome` is a lost race, and there is patience for another.
    pub fn lost_another<T>(&mut self, outcome: &Result<T, Problem>) -> bool {
        let cause = outcome.as_ref().err().and_then(Problem::cause);
        let conflict = cause
            .and_then(|cause| cause.downcast_ref())
            .is_some_and(|error| matches!(error, StoreError::Conflict));
        self.0 += 1;
        conflict && self.0 < ATTEMPTS
    }
}
