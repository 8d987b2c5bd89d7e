//! Amazon SNS.

use async_trait::async_trait;
use aws_sdk_sns::Client;
use aws_sdk_sns::config::Builder;
use aws_sdk_sns::error::ProvideErrorMetadata;
use aws_sdk_sns::types::MessageAttributeValue;
use postern_domain::phone_number::PhoneNumber;

use crate::{CloudEvent, NotSent, SealedCall, SecurityEvents, TextNotSent, Texts, VoiceCodes, two_tries};

const PUBLISH: &str = "sns:Publish";
const OPTED_OUT: &str = "sns:CheckIfPhoneNumberIsOptedOut";

/// Makes the client from `config`, which says region, credentials and endpoint.
///
/// A person waits for the answer: two tries, three seconds in all. A lost answer so costs at most one text more, with the
/// same code; the topics' subscribers know an event or a call by its id.
#[must_use]
pub fn sns_client(config: Builder) -> Client {
    let (retries, timeouts) = two_tries();
    Client::from_conf(config.retry_config(retries).timeout_config(timeouts).build())
}

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
        let body = serde_json::to_string(event).map_err(|_| not_sent("the event cannot be written"))?;
        let published = self
            .client
            .publish()
            .topic_arn(&self.security_events)
            .message(body)
            // Subscriptions filter by the type without reading the body.
            .message_attributes("type", attribute(event.kind())?)
            .send()
            .await;
        published.map(|_| ()).map_err(|error| NotSent::of(PUBLISH, &error))
    }
}

/// Text messages by SNS.
///
/// SNS takes a text to a number that is opted out as any other, and drops it: only asking tells, or its delivery log. Where
/// the service does refuse such a number, as its newer interfaces do, that is told.
#[derive(Debug, Clone)]
pub struct SnsTexts {
    client: Client,
    sender: Option<String>,
}

impl SnsTexts {
    /// `sender`: the number that texts come from; without one, SNS picks among the account's own.
    #[must_use]
    pub fn new(client: Client, sender: Option<String>) -> Self {
        Self { client, sender }
    }
}

#[async_trait]
impl Texts for SnsTexts {
    async fn text(&self, to: &PhoneNumber, body: &str) -> Result<(), TextNotSent> {
        let mut publish = self
            .client
            .publish()
            .phone_number(to.as_str())
            .message(body)
            // Ahead of marketing, at once, by the most reliable route.
            .message_attributes("AWS.SNS.SMS.SMSType", attribute("Transactional")?);
        if let Some(sender) = &self.sender {
            publish = publish.message_attributes("AWS.MM.SMS.OriginationNumber", attribute(sender)?);
        }
        publish.send().await.map(|_| ()).map_err(|error| {
            if is_opted_out(error.code(), error.message()) {
                TextNotSent::OptedOut
            } else {
                TextNotSent::NotSent(NotSent::of(PUBLISH, &error))
            }
        })
    }

    async fn is_opted_out(&self, number: &PhoneNumber) -> Result<bool, NotSent> {
        let asked =
            self.client.check_if_phone_number_is_opted_out().phone_number(number.as_str()).send().await;
        asked.map(|answer| answer.is_opted_out).map_err(|error| NotSent::of(OPTED_OUT, &error))
    }
}

/// `OptedOut` is SNS's own code for it (API reference, `CreateSMSSandboxPhoneNumber`), the phrase that of its delivery log.
fn is_opted_out(code: Option<&str>, message: Option<&str>) -> bool {
    code == Some("OptedOut") || message.is_some_and(|message| message.contains("opted out"))
}

/// The `VoiceCodes` topic on SNS.
#[derive(Debug, Clone)]
pub struct SnsVoiceCodes {
    client: Client,
    topic: String,
}

impl SnsVoiceCodes {
    /// `topic`: its ARN.
    #[must_use]
    pub fn new(client: Client, topic: impl Into<String>) -> Self {
        Self { client, topic: topic.into() }
    }
}

#[async_trait]
impl VoiceCodes for SnsVoiceCodes {
    async fn hand_on(&self, call: &SealedCall) -> Result<(), NotSent> {
        let body = serde_json::to_string(call).map_err(|_| not_sent("the call cannot be written"))?;
        let published = self.client.publish().topic_arn(&self.topic).message(body).send().await;
        published.map(|_| ()).map_err(|error| NotSent::of(PUBLISH, &error))
    }
}

fn attribute(value: &str) -> Result<MessageAttributeValue, NotSent> {
    let attribute = MessageAttributeValue::builder().data_type("String").string_value(value).build();
    attribute.map_err(|_| not_sent("the attribute cannot be built"))
}

fn not_sent(reason: &str) -> NotSent {
    NotSent { operation: PUBLISH, reason: reason.to_owned() }
}

#[cfg(test)]
#[path = "sns_tests.rs"]
mod tests;
