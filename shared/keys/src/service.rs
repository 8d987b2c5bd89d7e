use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::{self, Debug, Display};

use async_trait::async_trait;

use crate::{SecretBytes, aead};

/// A key service: AWS KMS, or the local run's stand-in. One method is one call, named as AWS names it.
#[async_trait]
pub trait KeyService: Send + Sync + Debug + 'static {
    /// `kms:Encrypt`: seals up to 4,096 bytes under `key`.
    async fn encrypt(
        &self,
        key: KeyName,
        context: &EncryptionContext,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, KeyError>;

    /// `kms:Decrypt`: opens what `key` sealed with the same context. The key is named, never taken from the blob, so that
    /// a blob under another key is refused.
    async fn decrypt(
        &self,
        key: KeyName,
        context: &EncryptionContext,
        sealed: &[u8],
    ) -> Result<SecretBytes, KeyError>;

    /// `kms:GenerateMac`, HMAC-SHA-256. The tag of a secret is one too: compare in constant time, or look it up whole.
    async fn mac(&self, key: KeyName, message: &[u8]) -> Result<[u8; 32], KeyError>;

    /// `kms:GenerateDataKeyWithoutPlaintext`: a new 256-bit key, sealed; [`KeyService::decrypt`] opens it.
    async fn data_key(&self, key: KeyName, context: &EncryptionContext) -> Result<Vec<u8>, KeyError>;

    /// `kms:GenerateDataKeyPairWithoutPlaintext`: a new P-256 key pair, its private half sealed;
    /// [`KeyService::decrypt`] opens it to PKCS #8.
    async fn token_key_pair(
        &self,
        key: KeyName,
        context: &EncryptionContext,
    ) -> Result<SealedKeyPair, KeyError>;
}

/// A key of the deployment. A function is given only those that it uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyName {
    /// Seals the keyring's data keys.
    Keyring,
    /// Seals the private halves of the token keys.
    Token,
    /// Seals recovery codes.
    RecoveryCode,
    /// Finds and checks recovery codes without opening them (`HMAC_256`).
    RecoveryCodeMac,
}

impl KeyName {
    /// The environment variable that names the key in KMS.
    #[must_use]
    pub const fn variable(self) -> &'static str {
        match self {
            Self::Keyring => "KEYRING_KEY",
            Self::Token => "TOKEN_KEY",
            Self::RecoveryCode => "RECOVERY_CODE_KEY",
            Self::RecoveryCodeMac => "RECOVERY_CODE_MAC_KEY",
        }
    }
}

/// Encryption context (AWS KMS): non-secret pairs that are bound to the ciphertext and stand in `CloudTrail`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptionContext(BTreeMap<String, String>);

impl EncryptionContext {
    /// Of a data key of the keyring.
    #[must_use]
    pub fn keyring(version: u32) -> Self {
        Self::of("keyring", [("version", version.to_string())])
    }

    /// Of a token key pair.
    #[must_use]
    pub fn token(kid: impl Display) -> Self {
        Self::of("token", [("kid", kid.to_string())])
    }

    /// Of an account's recovery code; `issue` is when it was issued.
    #[must_use]
    pub fn recovery_code(account: impl Display, issue: impl Display) -> Self {
        Self::of("recovery-code", [("account", account.to_string()), ("issue", issue.to_string())])
    }

    fn of<const N: usize>(purpose: &str, pairs: [(&str, String); N]) -> Self {
        let mut context: BTreeMap<_, _> = pairs.map(|(name, value)| (name.to_owned(), value)).into();
        context.insert("purpose".to_owned(), purpose.to_owned());
        Self(context)
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Sorted by name, each part with its length: one context, one encoding.
    pub(crate) fn canonical(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, value) in &self.0 {
            aead::append_part(&mut bytes, name.as_bytes());
            aead::append_part(&mut bytes, value.as_bytes());
        }
        bytes
    }
}

/// A key pair whose private half only the key service can open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedKeyPair {
    /// The ciphertext of a PKCS #8 document.
    pub sealed_private: Vec<u8>,
    /// DER, `SubjectPublicKeyInfo`.
    pub public_der: Vec<u8>,
}

/// What can go wrong with a key.
#[derive(thiserror::Error, Debug)]
pub enum KeyError {
    /// The service failed, throttled, timed out, answered half, or may not be used so; or no key is active. Nothing was
    /// decided: 503, and a retry may succeed.
    #[error("the key service is unavailable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The blob, its context and the key do not belong together.
    #[error("the blob, its context and the key do not belong together")]
    Refused,
    /// A stored key record cannot be read.
    #[error("a stored key record cannot be read")]
    Corrupt,
}

impl KeyError {
    /// An [`KeyError::Unavailable`] with its cause.
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(cause.into())
    }
}

/// The function was not given a key that its code asks for: a mistake in the template.
#[derive(thiserror::Error, Debug)]
#[error("the environment variable {} is not set, so this function has no such key", .0.variable())]
pub(crate) struct MissingKey(pub(crate) KeyName);

/// AWS's `InvalidKeyUsageException`: a MAC asked of an encryption key, or the other way round.
#[derive(thiserror::Error, Debug)]
#[error("{operation} does not go with the key of {}", .key.variable())]
pub(crate) struct WrongUse {
    pub(crate) operation: Operation,
    pub(crate) key: KeyName,
}

/// The operations of AWS KMS that are used, under AWS's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Encrypt,
    Decrypt,
    GenerateMac,
    GenerateDataKeyWithoutPlaintext,
    GenerateDataKeyPairWithoutPlaintext,
}

impl Operation {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Encrypt => "Encrypt",
            Self::Decrypt => "Decrypt",
            Self::GenerateMac => "GenerateMac",
            Self::GenerateDataKeyWithoutPlaintext => "GenerateDataKeyWithoutPlaintext",
            Self::GenerateDataKeyPairWithoutPlaintext => "GenerateDataKeyPairWithoutPlaintext",
        }
    }
}

impl Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
