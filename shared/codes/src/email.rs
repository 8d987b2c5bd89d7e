//! Codes by email, as long as email recovers anything.

use std::sync::Arc;

use jiff::Timestamp;
use postern_domain::id::{AccountId, SignInId};
use postern_domain::name::{Email, Locale, Username};
use postern_domain::one_time_code::OneTimeCode;
use postern_http::Problem;
use postern_keys::{Keyring, Purpose, Random, VersionedMac};
use postern_messages::{CodeWords, Mail, NotSent};
use postern_metrics::{Channel, Country, Metric, Sent, count};
use postern_store::{DeploymentLimits, EmailDigest, Sending};

use crate::send::{drawn, limit_mac};

/// What drawing and sending codes by email takes.
#[derive(Clone)]
pub struct EmailCodes {
    pub mail: Arc<dyn Mail>,
    pub words: CodeWords,
    /// None: limits per address and for the whole deployment are lifted.
    pub limits: Option<DeploymentLimits>,
    pub random: Random,
}

/// All that a code by email is bound to.
#[derive(Debug, Clone, Copy)]
pub struct EmailBound<'a> {
    pub recovery: &'a SignInId,
    pub account: &'a AccountId,
}

/// Emails are counted beside the countries that texts and calls go to.
const COUNTRY: &str = "EMAIL";

impl EmailCodes {
    /// A new code, each equally likely.
    pub fn draw(&self) -> Result<OneTimeCode, Problem> {
        drawn(&self.random)
    }

    /// What a send is counted by: MACs, so that the limits' records name nobody. By the caller's address as codes by phone
    /// are.
    #[must_use]
    pub fn counted(
        &self,
        keyring: &Keyring,
        username: &Username,
        to: Option<&Email>,
        address: &str,
        now: Timestamp,
    ) -> Sending {
        let mac = |what: &[u8], value: &[u8]| limit_mac(keyring, Purpose::Recovery, what, value, now);
        let number = match to {
            Some(to) => mac(b"email", &EmailDigest::of(to).0),
            // As if it were an address of its own: it, too, gets one in thirty seconds.
            None => mac(b"nobody", username.as_str().as_bytes()),
        };
        Sending {
            username: username.clone(),
            number,
            name: Some(mac(b"name", username.as_str().as_bytes())),
            address: limit_mac(keyring, Purpose::PhoneCode, b"address", address.as_bytes(), now),
            country: COUNTRY.to_owned(),
            limits: self.limits,
        }
    }

    /// Sends `code`; for an account that is not there, to nobody. One call to SES in each case.
    pub async fn send(&self, to: Option<(&Email, &Locale)>, code: &OneTimeCode) -> Result<(), NotSent> {
        let sent = match to {
            Some((to, locale)) => self.mail.send(to, &self.words.letter(code, locale)).await,
            None => self.mail.send_to_nobody(&self.words.letter(code, &Locale::english())).await,
        };
        let outcome = match (&sent, to) {
            (Ok(()), Some(_)) => Sent::Sent,
            (Ok(()), None) => Sent::Nobody,
            (Err(_), _) => Sent::Failed,
        };
        count(Metric::Sends { channel: Channel::Email, country: Country::NONE, outcome });
        sent
    }
}

impl EmailBound<'_> {
    #[must_use]
    pub fn mac(&self, keyring: &Keyring, code: &OneTimeCode, now: Timestamp) -> VersionedMac {
        keyring.mac(Purpose::Recovery, &self.message(code), now)
    }

    /// Whether `code` is the one that `mac` was made of, for the same. In constant time.
    #[must_use]
    pub fn verify(&self, keyring: &Keyring, code: &OneTimeCode, mac: &VersionedMac) -> bool {
        keyring.verify(Purpose::Recovery, &self.message(code), mac)
    }

    fn message<'m>(&'m self, code: &'m OneTimeCode) -> [&'m [u8]; 4] {
        [
            b"email-code",
            self.recovery.as_str().as_bytes(),
            self.account.as_str().as_bytes(),
            code.expose_digits().as_bytes(),
        ]
    }
}

impl std::fmt::Debug for EmailCodes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EmailCodes")
    }
}
