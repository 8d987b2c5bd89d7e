//! Identifiers: opaque to clients, with a prefix that says what they are, and a type each, so that
//! two kinds cannot be swapped.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The text is not an identifier of the wanted kind.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq)]
#[error("not an identifier of this kind")]
pub struct InvalidId;

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            pub const PREFIX: &str = $prefix;

            /// Names what `bytes` stand for: drawn at random, or a digest.
            #[must_use]
            pub fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self(format!("{}{}", $prefix, URL_SAFE_NO_PAD.encode(bytes)))
            }

            /// The bytes behind the identifier.
            pub fn bytes(&self) -> Result<[u8; $bytes], InvalidId> {
                let encoded = self.0.strip_prefix($prefix).ok_or(InvalidId)?;
                let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| InvalidId)?;
                bytes.try_into().map_err(|_| InvalidId)
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            /// Accepts the one canonical spelling only.
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let id = Self(text.to_owned());
                id.bytes()?;
                Ok(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

identifier!(
    /// An account. Its 16 bytes are the user handle of its passkeys (`WebAuthn` L3 §5.4.3).
    AccountId,
    "acc_",
    16
);
identifier!(
    /// A passkey: SHA-256 of its credential id, which may be up to 1,023 bytes, more than a `DynamoDB`
    /// sort key can hold.
    PasskeyId,
    "pk_",
    32
);
identifier!(
    /// A verified phone number of an account.
    PhoneId,
    "ph_",
    16
);
identifier!(
    /// A session: SHA-256 of its cookie's value. Publishing the digest of 256 random bits discloses
    /// nothing about them.
    SessionId,
    "ses_",
    32
);
identifier!(
    /// A sign-in, from its first proof to its end.
    SignInId,
    "si_",
    16
);
identifier!(
    /// An entry of an account's activity.
    EventId,
    "evt_",
    16
);

#[cfg(test)]
#[path = "id_tests.rs"]
mod tests;
