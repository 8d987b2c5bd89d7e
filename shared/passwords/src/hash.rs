use std::fmt;
use std::str::FromStr;

use argon2::password_hash::phc;
use argon2::{ARGON2ID_IDENT, Params};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::Cost;
use crate::hasher::VERSION;

pub(crate) const SALT_LEN: usize = 16;
pub(crate) const TAG_LEN: usize = 32;

/// A password's hash as it is stored: the pepper's version in the keyring, then a PHC string.
///
/// `3$argon2id$v=19$m=19456,t=2,p=1$<salt>$<tag>`. Redacted in `Debug`; compared by
/// [`Hasher::check`](crate::Hasher::check) alone: there is no `==`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PasswordHash {
    pub(crate) pepper: u32,
    pub(crate) cost: Cost,
    pub(crate) salt: [u8; SALT_LEN],
    pub(crate) tag: [u8; TAG_LEN],
}

/// The stored text is no hash that was made here, or one that no function could afford to check.
#[derive(thiserror::Error, Clone, Copy, Debug, PartialEq, Eq)]
#[error("not a password's hash that was made here")]
pub struct InvalidHash;

impl FromStr for PasswordHash {
    type Err = InvalidHash;

    /// Accepts the one canonical spelling only.
    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let (pepper, _) = text.split_once('$').ok_or(InvalidHash)?;
        let phc = text.strip_prefix(pepper).ok_or(InvalidHash)?;
        let phc = phc::PasswordHash::new(phc).map_err(|_| InvalidHash)?;
        if phc.algorithm != ARGON2ID_IDENT || phc.version != Some(VERSION.into()) {
            return Err(InvalidHash);
        }
        let params = Params::try_from(&phc.params).map_err(|_| InvalidHash)?;
        let salt = phc.salt.ok_or(InvalidHash)?;
        let tag = phc.hash.ok_or(InvalidHash)?;
        let hash = Self {
            pepper: pepper.parse().map_err(|_| InvalidHash)?,
            cost: Cost::of(&params).map_err(|_| InvalidHash)?,
            salt: salt.as_ref().try_into().map_err(|_| InvalidHash)?,
            tag: tag.as_bytes().try_into().map_err(|_| InvalidHash)?,
        };
        if hash.text() == text { Ok(hash) } else { Err(InvalidHash) }
    }
}

impl PasswordHash {
    fn text(&self) -> String {
        let salt = STANDARD_NO_PAD.encode(self.salt);
        let tag = STANDARD_NO_PAD.encode(self.tag);
        let version = u32::from(VERSION);
        format!("{}${ARGON2ID_IDENT}$v={version}${}${salt}${tag}", self.pepper, self.cost)
    }
}

impl TryFrom<String> for PasswordHash {
    type Error = InvalidHash;

    fn try_from(text: String) -> Result<Self, InvalidHash> {
        text.parse()
    }
}

impl From<PasswordHash> for String {
    /// The one way to the text, to be stored.
    fn from(hash: PasswordHash) -> String {
        hash.text()
    }
}

impl From<&PasswordHash> for SecretString {
    /// The same, wrapped.
    fn from(hash: &PasswordHash) -> SecretString {
        SecretString::from(hash.text())
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pepper, cost, salt: _, tag: _ } = self;
        f.debug_struct("PasswordHash").field("pepper", pepper).field("cost", cost).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "hash_tests.rs"]
mod tests;
