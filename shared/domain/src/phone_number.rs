//! A phone number, as it is kept and dialled.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A number in the international form of ITU-T E.164: `+` and up to 15 digits. Never in a log: its `Debug` is redacted.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PhoneNumber(String);

/// The text is no number in E.164.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq)]
#[error("not a phone number in international form")]
pub struct InvalidPhoneNumber;

impl PhoneNumber {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last two digits: all of a number that its owner is shown.
    #[must_use]
    pub fn ending(&self) -> &str {
        self.0.get(self.0.len().saturating_sub(2)..).unwrap_or_default()
    }
}

impl FromStr for PhoneNumber {
    type Err = InvalidPhoneNumber;

    fn from_str(text: &str) -> Result<Self, InvalidPhoneNumber> {
        let digits = text.strip_prefix('+').ok_or(InvalidPhoneNumber)?;
        let fits = (7..=15).contains(&digits.len()) && !digits.starts_with('0');
        if fits && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidPhoneNumber)
        }
    }
}

impl TryFrom<String> for PhoneNumber {
    type Error = InvalidPhoneNumber;

    fn try_from(text: String) -> Result<Self, InvalidPhoneNumber> {
        text.parse()
    }
}

impl From<PhoneNumber> for String {
    fn from(number: PhoneNumber) -> String {
        number.0
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PhoneNumber(redacted)")
    }
}

#[cfg(test)]
#[path = "phone_number_tests.rs"]
mod tests;
