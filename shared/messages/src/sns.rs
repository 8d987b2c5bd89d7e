//! Amazon SNS.

use async_trait::async_trait;
use aws_sdk_sns::Client;
use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sns::types::MessageAttributeValue;

use crate::{CloudEvent, NotSent, SecurityEvents};

/// The `SecurityEvents` topic on SNS.
#[derive(Debug, Clone)]
pub struct Sns {
    client: Client,
    security_events: String,
}

impl Sns {
    /// `security_events`: the topic's ARN.
    #[must_use]
    pub fn new(client: Client, security_events: impl Into<String>) -> Self {
        Self { client, security_events: security_events.into() }
    }
}

#[async_trait]
impl SecurityEvents for Sns {
    async fn publish(&self, event: &CloudEvent) -> Result<(), NotSent> {
        let not_sent = |reason: String| NotSent { operation: "sns:Publish", reason };
        let body =
            serde_json::to_string(event).map_err(|_| not_sent("the event cannot be written".to_owned()))?;
        // Subscriptions filter by the type without reading the body.
        let kind = MessageAttributeValue::builder().data_type("String").string_value(event.kind()).build();
        let kind = kind.map_err(|_| not_sent("the attribute cannot be built".to_owned()))?;
        let published = self
            .client
            .publish()
            .topic_arn(&self.security_events)
            .message(body)
            .message_attributes("type", kind)
            .send()
            .await;
        published.map(|_| ()).map_err(|error| not_sent(reason(&error)))
    }
}

/// The service's code alone: its messages may quote what was sent.
fn reason<E: ProvideErrorMetadata>(error: &SdkError<E>) -> String {
    let reason = match error {
        SdkError::TimeoutError(_) => "timed out",
        SdkError::DispatchFailure(_) => "no connection",
        SdkError::ResponseError(_) => "no readable response",
        SdkError::ConstructionFailure(_) => "the request could not be built",
        SdkError::ServiceError(service) => service.err().code().unwrap_or("an unnamed service error"),
        _ => "an unknown kind of error",
    };
    reason.to_owned()
}

#[cfg(test)]
#[path = "sns_tests.rs"]
mod tests;
