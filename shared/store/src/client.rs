//! The `DynamoDB` client, with the retries that conditional transactions need.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::StalledStreamProtectionConfig;
use aws_sdk_dynamodb::config::interceptors::InterceptorContext;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};

/// Makes the client from `config`, which says region, credentials and endpoint.
///
/// Within the function's ten seconds: three attempts of two seconds each at most.
#[must_use]
pub fn client(config: Builder) -> Client {
    let retries =
        RetryConfig::standard().with_max_attempts(4).with_initial_backoff(Duration::from_millis(25));
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(2))
        .operation_timeout(Duration::from_secs(6))
        .build();
    let config = config
        .retry_config(retries)
        .timeout_config(timeouts)
        .retry_classifier(TransactionConflict)
        // Watches for streams that trickle: these answers are small, and the time limits above hold.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    Client::from_conf(config.build())
}

/// A write that met a transaction, or a transaction that met another write, decided nothing: the same one
/// is sent again. The SDK does neither by itself, nor does it look into why a transaction was cancelled.
#[derive(Debug)]
struct TransactionConflict;

/// Why a transaction was cancelled, where sending it again is right (API reference, `TransactWriteItems`).
const PASSING: [&str; 3] = ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];

impl ClassifyRetry for TransactionConflict {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let error = context.output_or_error().and_then(Result::err);
        let Some(error) = error.and_then(|error| error.as_operation_error()) else {
            return RetryAction::NoActionIndicated;
        };
        let passes = if let Some(error) = error.downcast_ref::<TransactWriteItemsError>() {
            was_cancelled_in_passing(error)
        } else if let Some(error) = error.downcast_ref::<PutItemError>() {
            error.is_transaction_conflict_exception()
        } else if let Some(error) = error.downcast_ref::<UpdateItemError>() {
            error.is_transaction_conflict_exception()
        } else if let Some(error) = error.downcast_ref::<DeleteItemError>() {
            error.is_transaction_conflict_exception()
        } else {
            false
        };
        if passes { RetryAction::transient_error() } else { RetryAction::NoActionIndicated }
    }

    fn name(&self) -> &'static str {
        "transaction conflict"
    }
}

fn was_cancelled_in_passing(error: &TransactWriteItemsError) -> bool {
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else { return false };
    let mut codes = cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code());
    codes.any(|code| PASSING.contains(&code))
}
