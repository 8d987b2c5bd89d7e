//! What goes out, after its transition is stored.
//!
//! - [`SecurityEvents`]: the topic that a deployment's own systems subscribe to; CloudEvents 1.0.
//! - [`Mail`]: notices to the owner's address, and codes until email recovers nothing any more.
//! - [`Texts`]: one-time codes as a text; [`CodeWords`] says them.
//! - [`VoiceCodes`]: one-time codes on their way to a call, which SNS cannot place: a [`SealedCall`] is published to a
//!   topic, whose subscriber places it through [`Calls`].
//!
//! Each is a trait with an adapter for AWS and a half for the local run, the [`Outbox`], where a person
//! reads what would have gone out. The adapters for SNS are tested over HTTP with a stand-in of SNS, and with canned
//! answers where that never fails; the one for AWS End User Messaging, which has no stand-in, with canned answers alone,
//! written from the service's published model.

mod cloud_event;
mod letter;
mod notice;
mod outbox;
mod sealed_call;
mod ses;
mod sns;
mod voice;
mod wording;

pub use cloud_event::CloudEvent;
pub use letter::Letter;
pub use notice::Notice;
pub use outbox::{Gate, Kind, Message, Outbox, Subscriber};
pub use sealed_call::{Call, CallId, CallNotOpened, InvalidCallId, Opened, SealedCall};
pub use ses::{SesMail, ses_client};
pub use sns::{Sns, SnsTexts, SnsVoiceCodes, sns_client};
pub use voice::{VoiceMessages, voice_client};
pub use wording::{CodeWords, Language, Spoken};

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sns::config::retry::RetryConfig;
use aws_sdk_sns::config::timeout::TimeoutConfig;
use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};
use postern_domain::name::Email;
use postern_domain::phone_number::PhoneNumber;
use postern_metrics::{Service, count_aws_error};

/// A person waits for the answer: two tries, three seconds in all.
pub(crate) fn two_tries() -> (RetryConfig, TimeoutConfig) {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_millis(1800))
        .operation_timeout(Duration::from_secs(3))
        .build();
    let retries =
        RetryConfig::standard().with_max_attempts(2).with_initial_backoff(Duration::from_millis(50));
    (retries, timeouts)
}

/// A message did not go out. Asking again is right: delivery is at least once.
#[derive(thiserror::Error, Debug, Clone, PartialEq, Eq)]
#[error("{operation} failed: {reason}")]
pub struct NotSent {
    pub operation: &'static str,
    pub reason: String,
}

impl NotSent {
    /// What became of a call to AWS. Keeps the service's code alone: its messages may quote what was sent.
    #[must_use]
    pub fn of<E: ProvideErrorMetadata, R>(operation: &'static str, error: &SdkError<E, R>) -> Self {
        let asked =
            |service: &&Service| operation.split_once(':').is_some_and(|(of, _)| of == service.as_str());
        if let Some(service) = Service::ALL.iter().find(asked) {
            count_aws_error(*service, error);
        }
        let reason = match error {
            SdkError::TimeoutError(_) => "timed out",
            SdkError::DispatchFailure(_) => "no connection",
            SdkError::ResponseError(_) => "no readable response",
            SdkError::ConstructionFailure(_) => "the request could not be built",
            SdkError::ServiceError(service) => service.err().code().unwrap_or("an unnamed service error"),
            _ => "an unknown kind of error",
        };
        Self { operation, reason: reason.to_owned() }
    }
}

/// The `SecurityEvents` topic.
#[async_trait]
pub trait SecurityEvents: Send + Sync + std::fmt::Debug {
    /// `sns:Publish`.
    async fn publish(&self, event: &CloudEvent) -> Result<(), NotSent>;
}

/// Email to an account's own address.
#[async_trait]
pub trait Mail: Send + Sync + std::fmt::Debug {
    /// `ses:SendEmail`.
    async fn send(&self, to: &Email, letter: &Letter) -> Result<(), NotSent>;

    /// The same, to nobody: so that it costs as much where there is no account.
    async fn send_to_nobody(&self, letter: &Letter) -> Result<(), NotSent>;
}

/// Text messages to a phone.
#[async_trait]
pub trait Texts: Send + Sync + std::fmt::Debug {
    /// `sns:Publish`, to a phone number.
    async fn text(&self, to: &PhoneNumber, body: &str) -> Result<(), TextNotSent>;

    /// `sns:CheckIfPhoneNumberIsOptedOut`: whether the number's owner wants no texts from here. A text to it goes out, as far
    /// as `text` can tell, and never arrives.
    async fn is_opted_out(&self, number: &PhoneNumber) -> Result<bool, NotSent>;
}

/// A text did not go out.
#[derive(thiserror::Error, Debug, Clone, PartialEq, Eq)]
pub enum TextNotSent {
    /// The number's owner wants no texts from here: asking again changes nothing.
    #[error("the number is opted out")]
    OptedOut,
    #[error(transparent)]
    NotSent(#[from] NotSent),
}

/// The `VoiceCodes` topic.
#[async_trait]
pub trait VoiceCodes: Send + Sync + std::fmt::Debug {
    /// `sns:Publish`, to the topic. Done means handed on: whether it rings is not known.
    async fn hand_on(&self, call: &SealedCall) -> Result<(), NotSent>;
}

/// Calls to a phone.
#[async_trait]
pub trait Calls: Send + Sync + std::fmt::Debug {
    /// `sms-voice:SendVoiceMessage`, once.
    async fn call(&self, to: &PhoneNumber, words: &Spoken) -> Result<(), CallNotPlaced>;
}

/// A call is not known to be placed.
#[derive(thiserror::Error, Debug, Clone, PartialEq, Eq)]
pub enum CallNotPlaced {
    /// It does not ring. It may be placed again.
    #[error("not placed: {0}")]
    Refused(NotSent),
    /// It may ring. It must not be placed again.
    #[error("perhaps not placed: {0}")]
    Unclear(NotSent),
}
