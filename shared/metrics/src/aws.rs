//! Failures of AWS's services, told apart.

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::metric::{Kind, Metric, Service};
use crate::tally::count;

/// Counts a call that failed. Not for what a step expects, as a condition that did not hold.
pub fn count_aws_error<E: ProvideErrorMetadata, R>(service: Service, error: &SdkError<E, R>) {
    count(Metric::AwsErrors { service, kind: Kind::of(error) });
}

/// What codes of refused access have in common (API reference of each service, "Common Errors").
const DENIED: [&str; 6] = [
    "AccessDenied",
    "AuthorizationError",
    "ExpiredToken",
    "InvalidClientTokenId",
    "NotAuthorized",
    "UnrecognizedClient",
];

/// Likewise those of a rate or a quota that was used up.
const THROTTLED: [&str; 6] =
    ["LimitExceeded", "QuotaExceeded", "SlowDown", "ThroughputExceeded", "Throttl", "TooManyRequests"];

impl Kind {
    fn of<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Self {
        match error {
            SdkError::TimeoutError(_) => Self::Timeout,
            SdkError::DispatchFailure(failure) if failure.is_timeout() => Self::Timeout,
            SdkError::ServiceError(refusal) => refusal.err().code().map_or(Self::Other, Self::of_code),
            _ => Self::Other,
        }
    }

    /// By the service's own code.
    #[must_use]
    pub fn of_code(code: &str) -> Self {
        let is = |parts: &[&str]| parts.iter().any(|part| code.contains(part));
        if is(&DENIED) {
            Self::Denied
        } else if is(&THROTTLED) {
            Self::Throttled
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
#[path = "aws_tests.rs"]
mod tests;
