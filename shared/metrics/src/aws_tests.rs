use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::error::ErrorMetadata;

use super::*;

type Failed = SdkError<ErrorMetadata, ()>;

#[test]
fn codes_are_told_apart() {
    for (code, kind) in [
        ("AccessDeniedException", Kind::Denied),
        ("AccessDenied", Kind::Denied),
        ("AuthorizationErrorException", Kind::Denied),
        ("KMSAccessDeniedException", Kind::Denied),
        ("UnrecognizedClientException", Kind::Denied),
        ("ThrottlingException", Kind::Throttled),
        ("ThrottledException", Kind::Throttled),
        ("KMSThrottlingException", Kind::Throttled),
        ("ProvisionedThroughputExceededException", Kind::Throttled),
        ("RequestLimitExceeded", Kind::Throttled),
        ("LimitExceededException", Kind::Throttled),
        ("ServiceQuotaExceededException", Kind::Throttled),
        ("TooManyRequestsException", Kind::Throttled),
        ("InternalServerError", Kind::Other),
        ("DisabledException", Kind::Other),
        ("TransactionCanceledException", Kind::Other),
    ] {
        assert_eq!(Kind::of_code(code), kind, "{code}");
        let error = Failed::service_error(ErrorMetadata::builder().code(code).build(), ());
        assert_eq!(Kind::of(&error), kind, "{code}");
    }
}

#[test]
fn silence_is_told_apart() {
    for (error, kind) in [
        (Failed::timeout_error("late"), Kind::Timeout),
        (Failed::dispatch_failure(ConnectorError::timeout("late".into())), Kind::Timeout),
        (Failed::dispatch_failure(ConnectorError::io("cut".into())), Kind::Other),
        (Failed::response_error("half", ()), Kind::Other),
        (Failed::construction_failure("bad"), Kind::Other),
        (Failed::service_error(ErrorMetadata::builder().build(), ()), Kind::Other),
    ] {
        assert_eq!(Kind::of(&error), kind, "{error:?}");
    }
}
