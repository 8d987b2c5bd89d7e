//! A call on its way to whoever places it, sealed: a topic's messages are seen by more than the code's owner.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use postern_domain::name::Locale;
use postern_domain::one_time_code::OneTimeCode;
use postern_domain::phone_number::PhoneNumber;
use postern_keys::{KeyError, Keyring, OpenError, Purpose};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// What stands in the topic. Of two of them nobody can tell which one calls somebody: they are of one length.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedCall {
    id: CallId,
    #[serde(serialize_with = "to_base64url", deserialize_with = "from_base64url")]
    sealed: Vec<u8>,
}

/// Names a call: one code, one id, one call, however often the topic delivers it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CallId(String);

/// The text is no id of a call.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq)]
#[error("not the id of a call")]
pub struct InvalidCallId;

/// What was sealed.
#[derive(Debug, Clone)]
pub enum Opened {
    /// The request concerned nobody; it only had to look as if it did.
    Nobody,
    Call(Call),
}

/// A code, and whom to tell it.
#[derive(Debug, Clone)]
pub struct Call {
    pub to: PhoneNumber,
    pub code: OneTimeCode,
    pub locale: Locale,
    /// From then on nobody is called.
    pub expires_at: Timestamp,
}

/// Why a sealed call does not open.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallNotOpened {
    /// A newer version of the keyring may be there by now.
    #[error("sealed by a version of the keyring that is not known here")]
    UnknownVersion,
    /// Not sealed here, for another call, or changed since. It never opens.
    #[error("not a call that was sealed here")]
    Refused,
}

/// Longer than any call: a number, a code, the longest language tag and an instant are under 160 bytes.
const LENGTH: usize = 256;

#[derive(Serialize, Deserialize)]
struct Plain<'a> {
    #[serde(borrow)]
    to: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    code: std::borrow::Cow<'a, str>,
    locale: Locale,
    expires_at: Timestamp,
}

impl SealedCall {
    /// Seals a call under the keyring, bound to its id.
    pub fn seal(keyring: &Keyring, id: CallId, call: &Call, now: Timestamp) -> Result<Self, KeyError> {
        let plain = Plain {
            to: call.to.as_str().into(),
            code: call.code.expose_digits().into(),
            locale: call.locale.clone(),
            expires_at: call.expires_at,
        };
        Self::seal_plain(keyring, id, Some(&plain), now)
    }

    /// Seals that nobody is called: for a request that must cost and look the same.
    pub fn seal_nothing(keyring: &Keyring, id: CallId, now: Timestamp) -> Result<Self, KeyError> {
        Self::seal_plain(keyring, id, None, now)
    }

    fn seal_plain(
        keyring: &Keyring,
        id: CallId,
        plain: Option<&Plain<'_>>,
        now: Timestamp,
    ) -> Result<Self, KeyError> {
        // Whole from the start, so that no copy of a part is left behind; JSON ends in any number of blanks.
        let mut padded = Zeroizing::new(vec![b' '; LENGTH]);
        serde_json::to_writer(padded.as_mut_slice(), &plain).map_err(KeyError::unavailable)?;
        let sealed = keyring.seal(Purpose::VoiceCode, &[id.as_str()], &padded, now)?;
        Ok(Self { id, sealed })
    }

    pub fn open(&self, keyring: &Keyring) -> Result<Opened, CallNotOpened> {
        let padded = keyring.open_sealed(Purpose::VoiceCode, &[self.id.as_str()], &self.sealed);
        let padded = padded.map_err(|error| match error {
            OpenError::UnknownVersion => CallNotOpened::UnknownVersion,
            OpenError::Refused => CallNotOpened::Refused,
        })?;
        let plain: Option<Plain<'_>> =
            serde_json::from_slice(padded.expose()).map_err(|_| CallNotOpened::Refused)?;
        let Some(Plain { to, code, locale, expires_at }) = plain else { return Ok(Opened::Nobody) };
        let to = to.parse().map_err(|_| CallNotOpened::Refused)?;
        let code = code.parse().map_err(|_| CallNotOpened::Refused)?;
        Ok(Opened::Call(Call { to, code, locale, expires_at }))
    }

    #[must_use]
    pub fn id(&self) -> &CallId {
        &self.id
    }
}

impl fmt::Debug for SealedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedCall").field("id", &self.id).finish_non_exhaustive()
    }
}

impl CallId {
    const PREFIX: &str = "call_";

    /// `bytes`: drawn at random, for each code.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(format!("{}{}", Self::PREFIX, URL_SAFE_NO_PAD.encode(bytes)))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CallId {
    type Error = InvalidCallId;

    /// Accepts the one canonical spelling only.
    fn try_from(text: String) -> Result<Self, InvalidCallId> {
        let encoded = text.strip_prefix(Self::PREFIX).ok_or(InvalidCallId)?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| InvalidCallId)?;
        if bytes.len() == 16 { Ok(Self(text)) } else { Err(InvalidCallId) }
    }
}

impl From<CallId> for String {
    fn from(id: CallId) -> String {
        id.0
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn to_base64url<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&URL_SAFE_NO_PAD.encode(bytes))
}

fn from_base64url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    URL_SAFE_NO_PAD.decode(text).map_err(serde::de::Error::custom)
}

#[cfg(test)]
#[path = "sealed_call_tests.rs"]
mod tests;
