use std::fmt;

use aws_lc_rs::{constant_time, hkdf, hmac};
use futures_util::future::try_join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::aead::{self, append_part, length};
use crate::{EncryptionContext, KeyError, KeyName, KeyService, SecretBytes};

/// The first byte of everything sealed here.
const FORMAT: u8 = 1;

/// A data key of the keyring as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealingKeyRecord {
    /// Stands in everything that the key seals, and in its encryption context.
    pub version: u32,
    /// The data key, sealed by the key service.
    pub sealed: Vec<u8>,
    /// Seals from then on, until a newer one is active. It opens for ever.
    pub active_from: Timestamp,
}

/// What a sealed value or a MAC is for. Each purpose has keys of its own: what was sealed for one opens for no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The state of a passkey's enrolment.
    PasskeyEnrolment,
    /// The state of a passkey sign-in.
    PasskeySignIn,
    /// What a request with an `Idempotency-Key` was and how it ended.
    IdempotentRequest,
    /// An authenticator's secret.
    Authenticator,
    /// A one-time code that was sent to a phone.
    PhoneCode,
    /// The pepper under password hashes.
    PasswordPepper,
    /// A sign-in between its steps.
    SignIn,
    /// A one-time code on its way to a call.
    VoiceCode,
    /// A recovery under way, its code, and who asks for one.
    Recovery,
    /// Where the next page of a listing begins.
    Cursor,
}

impl Purpose {
    /// Never changed once used: it is part of the keys.
    const fn label(self) -> &'static str {
        match self {
            Self::PasskeyEnrolment => "postern/1/passkey-enrolment",
            Self::PasskeySignIn => "postern/1/passkey-sign-in",
            Self::IdempotentRequest => "postern/1/idempotent-request",
            Self::Authenticator => "postern/1/authenticator",
            Self::PhoneCode => "postern/1/phone-code",
            Self::PasswordPepper => "postern/1/password-pepper",
            Self::SignIn => "postern/1/sign-in",
            Self::VoiceCode => "postern/1/voice-code",
            Self::Recovery => "postern/1/recovery",
            Self::Cursor => "postern/1/cursor",
        }
    }
}

/// The data keys, opened: the newest that is active seals, all open.
pub struct Keyring {
    oldest: DataKey,
    /// In the order in which they take over.
    newer: Vec<DataKey>,
}

impl Keyring {
    /// Opens every record: one `kms:Decrypt` each, at the same time. Done once per cold start.
    ///
    /// [`KeyError::Unavailable`] too when there is no record yet; [`KeyError::Corrupt`] when two records have one version or
    /// a key has another length.
    pub async fn open(service: &dyn KeyService, records: &[SealingKeyRecord]) -> Result<Self, KeyError> {
        let mut keys = try_join_all(records.iter().map(|record| DataKey::open(service, record))).await?;
        keys.sort_by_key(|key| (key.active_from, key.version));
        let mut keys = keys.into_iter();
        let oldest = keys.next().ok_or_else(|| KeyError::unavailable(NoSealingKey))?;
        let keyring = Self { oldest, newer: keys.collect() };
        let doubled = |key: &DataKey| keyring.keys().filter(|other| other.version == key.version).count() > 1;
        if keyring.keys().any(doubled) {
            return Err(KeyError::Corrupt);
        }
        Ok(keyring)
    }

    /// Seals for one purpose, bound to `context`: an account, a record's key, whatever the value must not be moved from.
    ///
    /// The output is a format byte, the key's version (`u32`, big-endian), a salt, the ciphertext and its tag: 53 bytes more
    /// than `plaintext`. [`KeyError::Unavailable`] when no key is active at `now`.
    pub fn seal(
        &self,
        purpose: Purpose,
        context: &[&str],
        plaintext: &[u8],
        now: Timestamp,
    ) -> Result<Vec<u8>, KeyError> {
        let key = self.active_at(now).ok_or_else(|| KeyError::unavailable(NoSealingKey))?;
        let head = head(key.version);
        aead::seal(&key.secret, purpose.label(), &bound(head, purpose, context), &head, plaintext)
            .map_err(|_| KeyError::unavailable(SealingFailed))
    }

    /// Opens what any version sealed for the same purpose and context.
    pub fn open_sealed(
        &self,
        purpose: Purpose,
        context: &[&str],
        sealed: &[u8],
    ) -> Result<SecretBytes, OpenError> {
        let (head, body) = sealed.split_first_chunk::<5>().ok_or(OpenError::Refused)?;
        let (&[FORMAT, a, b, c, d], body) = (head, body) else {
            return Err(OpenError::Refused);
        };
        let key = self.version(u32::from_be_bytes([a, b, c, d])).ok_or(OpenError::UnknownVersion)?;
        aead::open(&key.secret, purpose.label(), &bound(*head, purpose, context), body)
            .map_err(|_| OpenError::Refused)
    }

    /// A MAC over a list of parts, under the key that is active at `now` (before any is: under the first).
    #[must_use]
    pub fn mac(&self, purpose: Purpose, message: &[&[u8]], now: Timestamp) -> VersionedMac {
        let key = self.active_at(now).unwrap_or(&self.oldest);
        VersionedMac { version: key.version, tag: key.mac(purpose, message) }
    }

    /// The same under the key of `version`, for a value that was stored in place of the MAC and can only be made again.
    /// `None`: no such key was there when the keyring was opened.
    #[must_use]
    pub fn mac_under(&self, version: u32, purpose: Purpose, message: &[&[u8]]) -> Option<VersionedMac> {
        self.version(version).map(|key| VersionedMac { version, tag: key.mac(purpose, message) })
    }

    /// Whether `mac` was made for the same purpose and parts, under any version. In constant time. An unknown version: no.
    #[must_use]
    pub fn verify(&self, purpose: Purpose, message: &[&[u8]], mac: &VersionedMac) -> bool {
        self.version(mac.version).is_some_and(|key| {
            constant_time::verify_slices_are_equal(&key.mac(purpose, message), &mac.tag).is_ok()
        })
    }

    /// Whether a key is active at `now`.
    #[must_use]
    pub fn can_seal_at(&self, now: Timestamp) -> bool {
        self.active_at(now).is_some()
    }

    fn active_at(&self, now: Timestamp) -> Option<&DataKey> {
        self.keys().filter(|key| key.active_from <= now).last()
    }

    fn version(&self, version: u32) -> Option<&DataKey> {
        self.keys().find(|key| key.version == version)
    }

    fn keys(&self) -> impl Iterator<Item = &DataKey> {
        std::iter::once(&self.oldest).chain(&self.newer)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let versions: Vec<_> = self.keys().map(|key| key.version).collect();
        f.debug_struct("Keyring").field("versions", &versions).finish_non_exhaustive()
    }
}

/// A MAC and the version of the key that made it. Compared by [`Keyring::verify`] alone: there is no `==`.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct VersionedMac {
    /// Of the keyring.
    pub version: u32,
    /// HMAC-SHA-256.
    pub tag: [u8; 32],
}

impl fmt::Debug for VersionedMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VersionedMac").field("version", &self.version).finish_non_exhaustive()
    }
}

/// Why a sealed value does not open.
#[derive(thiserror::Error, Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// No key of that version was there when the keyring was opened. The version is not authenticated: whoever opens the
    /// keyring anew upon this must bound how often, for anybody can write a version.
    #[error("sealed by a version of the keyring that is not known here")]
    UnknownVersion,
    /// Not sealed here, or for another purpose or context, or changed since.
    #[error("not sealed here for this purpose and context")]
    Refused,
}

#[derive(thiserror::Error, Debug)]
#[error("no key of the keyring is active: has keys-rotate run?")]
struct NoSealingKey;

#[derive(thiserror::Error, Debug)]
#[error("sealing failed")]
struct SealingFailed;

struct DataKey {
    version: u32,
    active_from: Timestamp,
    secret: SecretBytes,
    /// Boxed: an expanded HMAC key is large, and so would be every future that holds a keyring.
    macs: Box<MacKeys>,
}

impl DataKey {
    async fn open(service: &dyn KeyService, record: &SealingKeyRecord) -> Result<Self, KeyError> {
        let context = EncryptionContext::keyring(record.version);
        let secret = service.decrypt(KeyName::Keyring, &context, &record.sealed).await?;
        if secret.expose().len() != aead::KEY_LEN {
            return Err(KeyError::Corrupt);
        }
        let macs = Box::new(MacKeys::derive(&secret)?);
        Ok(Self { version: record.version, active_from: record.active_from, secret, macs })
    }

    fn mac(&self, purpose: Purpose, message: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(self.macs.of(purpose));
        for part in message {
            // With its length before each part, no two lists of parts are one message.
            context.update(&length(part));
            context.update(part);
        }
        let mut tag = [0; 32];
        tag.copy_from_slice(context.sign().as_ref());
        tag
    }
}

/// One HMAC key per purpose. Sealing draws a salt per message; the fixed salt here keeps the two apart.
struct MacKeys {
    passkey_enrolment: hmac::Key,
    passkey_sign_in: hmac::Key,
    idempotent_request: hmac::Key,
    authenticator: hmac::Key,
    phone_code: hmac::Key,
    password_pepper: hmac::Key,
    sign_in: hmac::Key,
    voice_code: hmac::Key,
    recovery: hmac::Key,
    cursor: hmac::Key,
}

impl MacKeys {
    fn derive(secret: &SecretBytes) -> Result<Self, KeyError> {
        let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, b"postern/1/mac").extract(secret.expose());
        let key = |purpose: Purpose| -> Result<hmac::Key, KeyError> {
            let label = [purpose.label().as_bytes()];
            let key = derived.expand(&label, hmac::HMAC_SHA256).map_err(|_| KeyError::Corrupt)?;
            Ok(hmac::Key::from(key))
        };
        Ok(Self {
            passkey_enrolment: key(Purpose::PasskeyEnrolment)?,
            passkey_sign_in: key(Purpose::PasskeySignIn)?,
            idempotent_request: key(Purpose::IdempotentRequest)?,
            authenticator: key(Purpose::Authenticator)?,
            phone_code: key(Purpose::PhoneCode)?,
            password_pepper: key(Purpose::PasswordPepper)?,
            sign_in: key(Purpose::SignIn)?,
            voice_code: key(Purpose::VoiceCode)?,
            recovery: key(Purpose::Recovery)?,
            cursor: key(Purpose::Cursor)?,
        })
    }

    fn of(&self, purpose: Purpose) -> &hmac::Key {
        match purpose {
            Purpose::PasskeyEnrolment => &self.passkey_enrolment,
            Purpose::PasskeySignIn => &self.passkey_sign_in,
            Purpose::IdempotentRequest => &self.idempotent_request,
            Purpose::Authenticator => &self.authenticator,
            Purpose::PhoneCode => &self.phone_code,
            Purpose::PasswordPepper => &self.password_pepper,
            Purpose::SignIn => &self.sign_in,
            Purpose::VoiceCode => &self.voice_code,
            Purpose::Recovery => &self.recovery,
            Purpose::Cursor => &self.cursor,
        }
    }
}

fn head(version: u32) -> [u8; 5] {
    let [a, b, c, d] = version.to_be_bytes();
    [FORMAT, a, b, c, d]
}

/// What the tag covers beside the plaintext: format, version, purpose and context, each part with its length.
fn bound(head: [u8; 5], purpose: Purpose, context: &[&str]) -> Vec<u8> {
    let mut bytes = head.to_vec();
    append_part(&mut bytes, purpose.label().as_bytes());
    for part in context {
        append_part(&mut bytes, part.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests;
