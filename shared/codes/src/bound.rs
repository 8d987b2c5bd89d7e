//! What a code is bound to.

use jiff::Timestamp;
use postern_domain::account::Channel;
use postern_domain::id::{AccountId, PhoneId};
use postern_domain::one_time_code::OneTimeCode;
use postern_domain::phone_number::PhoneNumber;
use postern_keys::{Keyring, VersionedMac};

/// What a code was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    SignIn,
    Enrolment,
}

/// All that a code is bound to.
#[derive(Debug, Clone, Copy)]
pub struct Bound<'a> {
    pub purpose: Purpose,
    /// The sign-in, or the session, that asked.
    pub asked_by: &'a str,
    pub account: &'a AccountId,
    pub phone: &'a PhoneId,
    pub channel: Channel,
}

impl Bound<'_> {
    #[must_use]
    pub fn mac(&self, keyring: &Keyring, code: &OneTimeCode, now: Timestamp) -> VersionedMac {
        keyring.mac(postern_keys::Purpose::PhoneCode, &self.message(code), now)
    }

    /// Whether `code` is the one that `mac` was made of, for the same. In constant time.
    #[must_use]
    pub fn verify(&self, keyring: &Keyring, code: &OneTimeCode, mac: &VersionedMac) -> bool {
        keyring.verify(postern_keys::Purpose::PhoneCode, &self.message(code), mac)
    }

    fn message<'m>(&'m self, code: &'m OneTimeCode) -> [&'m [u8]; 6] {
        let purpose: &[u8] = match self.purpose {
            Purpose::SignIn => b"sign-in",
            Purpose::Enrolment => b"enrolment",
        };
        [
            purpose,
            self.asked_by.as_bytes(),
            self.account.as_str().as_bytes(),
            self.phone.as_str().as_bytes(),
            self.channel.as_str().as_bytes(),
            code.expose_digits().as_bytes(),
        ]
    }
}

/// The id of a phone that an account adds: the same whenever it adds that number, so that a newer code to it ends the older one.
/// Without the key nobody learns the number from it.
#[must_use]
pub fn phone_id(keyring: &Keyring, account: &AccountId, number: &PhoneNumber, now: Timestamp) -> PhoneId {
    let message = [b"phone", account.as_str().as_bytes(), number.as_str().as_bytes()];
    let mac = keyring.mac(postern_keys::Purpose::PhoneCode, &message, now);
    let mut id = [0; 16];
    id.iter_mut().zip(mac.tag).for_each(|(byte, of_mac)| *byte = of_mac);
    PhoneId::from_bytes(id)
}

#[cfg(test)]
#[path = "bound_tests.rs"]
mod tests;
