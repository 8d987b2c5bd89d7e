//! The `DynamoDB` client, with the retries that conditional transactions need.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::interceptors::InterceptorContext;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
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
    let config = config.retry_config(retries).timeout_config(timeouts).retry_classifier(TransactionConflict);
    Client::from_conf(config.build())
}

/// A transaction that met another one decided nothing: the same one is sent again. The SDK retries only
/// the conflict of a single write by itself.
#[derive(Debug)]
struct TransactionConflict;

impl ClassifyRetry for TransactionConflict {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let Some(Err(error)) = context.output_or_error() else { return RetryAction::NoActionIndicated };
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
            error.as_operation_error().and_then(|error| error.downcast_ref())
        else {
            return RetryAction::NoActionIndicated;
        };
        let mut codes = cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code());
        if codes.any(|code| code == "TransactionConflict") {
            RetryAction::transient_error()
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "transaction conflict"
    }
}
