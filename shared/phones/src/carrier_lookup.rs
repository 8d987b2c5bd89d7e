//! AWS End User Messaging, which asks the carriers.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_pinpointsmsvoicev2::Client;
use aws_sdk_pinpointsmsvoicev2::config::Builder;
use aws_sdk_pinpointsmsvoicev2::config::retry::RetryConfig;
use aws_sdk_pinpointsmsvoicev2::config::timeout::TimeoutConfig;
use aws_sdk_pinpointsmsvoicev2::types::PhoneNumberType;
use postern_domain::phone_number::PhoneNumber;
use postern_messages::NotSent;

use crate::{Carrier, LineLookup, LookupFailed};

const OPERATION: &str = "sms-voice:CarrierLookup";

/// Makes the client from `config`, which says region, credentials and endpoint.
///
/// A person waits, and the number plan stands in: one try, of two seconds.
#[must_use]
pub fn lookup_client(config: Builder) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_timeout(Duration::from_secs(2))
        .build();
    let config = config.retry_config(RetryConfig::disabled()).timeout_config(timeouts);
    Client::from_conf(config.build())
}

/// `CarrierLookup` of AWS End User Messaging.
#[derive(Debug, Clone)]
pub struct CarrierLookup(Client);

impl CarrierLookup {
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self(client)
    }
}

#[async_trait]
impl LineLookup for CarrierLookup {
    async fn look_up(&self, number: &PhoneNumber) -> Result<Carrier, LookupFailed> {
        let failed = |reason: &str| {
            LookupFailed::Unavailable(NotSent { operation: OPERATION, reason: reason.to_owned() })
        };
        let found = self.0.carrier_lookup().phone_number(number.as_str()).send().await;
        let found = found.map_err(|error| LookupFailed::Unavailable(NotSent::of(OPERATION, &error)))?;
        if found.e164_phone_number != number.as_str() {
            return Err(failed("another number was looked up"));
        }
        Ok(match found.phone_number_type {
            PhoneNumberType::Mobile => Carrier::Mobile,
            PhoneNumberType::Landline => Carrier::Landline,
            PhoneNumberType::Voip => Carrier::Voip,
            PhoneNumberType::Prepaid => Carrier::Prepaid,
            PhoneNumberType::Invalid => Carrier::Invalid,
            // Non-exhaustive: what AWS adds is something else, too.
            _ => Carrier::Other,
        })
    }
}
