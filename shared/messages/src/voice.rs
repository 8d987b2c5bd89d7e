//! AWS End User Messaging, which places calls.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_pinpointsmsvoicev2::Client;
use aws_sdk_pinpointsmsvoicev2::config::Builder;
use aws_sdk_pinpointsmsvoicev2::config::retry::RetryConfig;
use aws_sdk_pinpointsmsvoicev2::config::timeout::TimeoutConfig;
use aws_sdk_pinpointsmsvoicev2::error::SdkError;
use aws_sdk_pinpointsmsvoicev2::operation::send_voice_message::SendVoiceMessageError;
use aws_sdk_pinpointsmsvoicev2::types::{VoiceId, VoiceMessageBodyTextType};
use postern_domain::phone_number::PhoneNumber;

use crate::{CallNotPlaced, Calls, Language, NotSent, Spoken};

const OPERATION: &str = "sms-voice:SendVoiceMessage";

/// In seconds: whoever asked for a call is waiting for it. AWS's own is 72 hours.
const TIME_TO_LIVE: i32 = 60;

/// Makes the client from `config`, which says region, credentials and endpoint.
///
/// One try, within half of the function's ten seconds. The SDK would try again after a lost answer, and the phone would
/// ring twice.
#[must_use]
pub fn voice_client(config: Builder) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_timeout(Duration::from_secs(5))
        .build();
    let config = config.retry_config(RetryConfig::disabled()).timeout_config(timeouts);
    Client::from_conf(config.build())
}

/// `SendVoiceMessage` of AWS End User Messaging.
#[derive(Debug, Clone)]
pub struct VoiceMessages {
    client: Client,
    origination: Option<String>,
}

impl VoiceMessages {
    /// `client`: from [`voice_client`]. `origination`: the number, pool or ARN that places the calls; without one, none is
    /// placed.
    #[must_use]
    pub fn new(client: Client, origination: Option<String>) -> Self {
        Self { client, origination }
    }
}

#[async_trait]
impl Calls for VoiceMessages {
    async fn call(&self, to: &PhoneNumber, words: &Spoken) -> Result<(), CallNotPlaced> {
        let Some(origination) = &self.origination else {
            let reason = "the deployment has no number to call from".to_owned();
            return Err(CallNotPlaced::Refused(NotSent { operation: OPERATION, reason }));
        };
        let placed = self
            .client
            .send_voice_message()
            .destination_phone_number(to.as_str())
            .origination_identity(origination)
            .message_body(words.expose_ssml())
            .message_body_text_type(VoiceMessageBodyTextType::Ssml)
            .voice_id(voice(words.language()))
            .time_to_live(TIME_TO_LIVE)
            .send()
            .await;
        placed.map(|_| ()).map_err(|error| {
            let not_sent = NotSent::of(OPERATION, &error);
            if is_refusal(&error) {
                CallNotPlaced::Refused(not_sent)
            } else {
                CallNotPlaced::Unclear(not_sent)
            }
        })
    }
}

/// American English and Spanish of the United States.
fn voice(language: Language) -> VoiceId {
    match language {
        Language::English => VoiceId::Joanna,
        Language::Spanish => VoiceId::Lupe,
    }
}

/// Whether the service said that it does not place the call. Its own failures, and silence, leave it open.
fn is_refusal<R>(error: &SdkError<SendVoiceMessageError, R>) -> bool {
    match error {
        SdkError::ConstructionFailure(_) => true,
        SdkError::ServiceError(refusal) => matches!(
            refusal.err(),
            SendVoiceMessageError::AccessDeniedException(_)
                | SendVoiceMessageError::ConflictException(_)
                | SendVoiceMessageError::ResourceNotFoundException(_)
                | SendVoiceMessageError::ServiceQuotaExceededException(_)
                | SendVoiceMessageError::ThrottlingException(_)
                | SendVoiceMessageError::ValidationException(_)
        ),
        _ => false,
    }
}

#[cfg(test)]
#[path = "voice_tests.rs"]
mod tests;
