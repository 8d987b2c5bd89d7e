//! One-time codes: those that we send to a phone, and those of an authenticator app.

use std::str::FromStr;

use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};

/// Digits in a code (NIST SP 800-63B-4 §3.1.3.2 asks at least six).
pub const LENGTH: usize = 6;

/// How long a code that was sent is good for (NIST SP 800-63B-4 §3.1.3.2: at most ten minutes).
pub const SENT_CODE_LIVES: SignedDuration = SignedDuration::from_mins(10);

/// How many guesses one sent code takes.
pub const GUESSES_PER_CODE: u64 = 5;

/// Exactly six ASCII digits. Its `Debug` is redacted.
#[derive(Debug, Clone)]
pub struct OneTimeCode(SecretString);

/// The text is no code.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq)]
#[error("a code has exactly six digits")]
pub struct InvalidCode;

impl OneTimeCode {
    /// The digits: for the MAC, and for the one message that carries them.
    #[must_use]
    pub fn expose_digits(&self) -> &str {
        self.0.expose_secret()
    }
}

impl FromStr for OneTimeCode {
    type Err = InvalidCode;

    /// Nothing is trimmed or converted: other digits of Unicode are no digits here.
    fn from_str(text: &str) -> Result<Self, InvalidCode> {
        if text.len() == LENGTH && text.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(Self(SecretString::from(text)))
        } else {
            Err(InvalidCode)
        }
    }
}

#[cfg(test)]
#[path = "one_time_code_tests.rs"]
mod tests;
