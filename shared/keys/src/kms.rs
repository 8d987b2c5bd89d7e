use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_kms::Client;
use aws_sdk_kms::config::Builder;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::operation::RequestId;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{DataKeyPairSpec, DataKeySpec, MacAlgorithmSpec};
use postern_metrics::{Service, count_aws_error};

use crate::service::{MissingKey, Operation};
use crate::{EncryptionContext, KeyError, KeyName, KeyService, SealedKeyPair, SecretBytes};

/// What `Decrypt` takes at most (KMS API reference); a longer or an empty blob was never KMS's.
const MAX_SEALED_LEN: usize = 6_144;

/// Makes the client from `config`, which says region, credentials and endpoint.
///
/// A person waits for the answer: three attempts of two seconds each at most, five seconds in all.
#[must_use]
pub fn kms_client(config: Builder) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(2))
        .operation_timeout(Duration::from_secs(5))
        .build();
    let retries =
        RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(50));
    Client::from_conf(config.retry_config(retries).timeout_config(timeouts).build())
}

/// AWS KMS.
#[derive(Clone, Debug)]
pub struct Kms {
    client: Client,
    keys: KmsKeys,
}

/// Ids or ARNs of the keys that a function was given: `None` for the others.
#[derive(Clone, Debug, Default)]
pub struct KmsKeys {
    /// `KEYRING_KEY`: symmetric.
    pub keyring: Option<String>,
    /// `TOKEN_KEY`: symmetric.
    pub token: Option<String>,
    /// `RECOVERY_CODE_KEY`: symmetric.
    pub recovery_code: Option<String>,
    /// `RECOVERY_CODE_MAC_KEY`: `HMAC_256`.
    pub recovery_code_mac: Option<String>,
}

impl Kms {
    /// `client`: as [`kms_client`] makes it.
    #[must_use]
    pub fn new(client: Client, keys: KmsKeys) -> Self {
        Self { client, keys }
    }

    fn key_id(&self, key: KeyName) -> Result<&str, KeyError> {
        let id = match key {
            KeyName::Keyring => &self.keys.keyring,
            KeyName::Token => &self.keys.token,
            KeyName::RecoveryCode => &self.keys.recovery_code,
            KeyName::RecoveryCodeMac => &self.keys.recovery_code_mac,
        };
        id.as_deref().ok_or_else(|| KeyError::unavailable(MissingKey(key)))
    }
}

#[async_trait]
impl KeyService for Kms {
    async fn encrypt(
        &self,
        key: KeyName,
        context: &EncryptionContext,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, KeyError> {
        let answer = self
            .client
            .encrypt()
            .key_id(self.key_id(key)?)
            .set_encryption_context(Some(pairs(context)))
            .plaintext(Blob::new(plaintext))
            .send()
            .await
            .map_err(|error| unavailable(Operation::Encrypt, &error))?;
        required(Operation::Encrypt, answer.ciphertext_blob)
    }

    async fn decrypt(
        &self,
        key: KeyName,
        context: &EncryptionContext,
        sealed: &[u8],
    ) -> Result<SecretBytes, KeyError> {
        if sealed.is_empty() || sealed.len() > MAX_SEALED_LEN {
            return Err(KeyError::Refused);
        }
        let answer = self
            .client
            .decrypt()
            .key_id(self.key_id(key)?)
            .set_encryption_context(Some(pairs(context)))
            .ciphertext_blob(Blob::new(sealed))
            .send()
            .await
            .map_err(|error| match error.as_service_error() {
                Some(refusal)
                    if refusal.is_invalid_ciphertext_exception() || refusal.is_incorrect_key_exception() =>
                {
                    KeyError::Refused
                }
                _ => unavailable(Operation::Decrypt, &error),
            })?;
        required(Operation::Decrypt, answer.plaintext).map(SecretBytes::from)
    }

    async fn mac(&self, key: KeyName, message: &[u8]) -> Result<[u8; 32], KeyError> {
        let answer = self
            .client
            .generate_mac()
            .key_id(self.key_id(key)?)
            .mac_algorithm(MacAlgorithmSpec::HmacSha256)
            .message(Blob::new(message))
            .send()
            .await
            .map_err(|error| unavailable(Operation::GenerateMac, &error))?;
        required(Operation::GenerateMac, answer.mac)?
            .try_into()
            .map_err(|_| KeyError::unavailable(HalfAnswer(Operation::GenerateMac)))
    }

    async fn data_key(&self, key: KeyName, context: &EncryptionContext) -> Result<Vec<u8>, KeyError> {
        let operation = Operation::GenerateDataKeyWithoutPlaintext;
        let answer = self
            .client
            .generate_data_key_without_plaintext()
            .key_id(self.key_id(key)?)
            .set_encryption_context(Some(pairs(context)))
            .key_spec(DataKeySpec::Aes256)
            .send()
            .await
            .map_err(|error| unavailable(operation, &error))?;
        required(operation, answer.ciphertext_blob)
    }

    async fn token_key_pair(
        &self,
        key: KeyName,
        context: &EncryptionContext,
    ) -> Result<SealedKeyPair, KeyError> {
        let operation = Operation::GenerateDataKeyPairWithoutPlaintext;
        let answer = self
            .client
            .generate_data_key_pair_without_plaintext()
            .key_id(self.key_id(key)?)
            .set_encryption_context(Some(pairs(context)))
            .key_pair_spec(DataKeyPairSpec::EccNistP256)
            .send()
            .await
            .map_err(|error| unavailable(operation, &error))?;
        Ok(SealedKeyPair {
            sealed_private: required(operation, answer.private_key_ciphertext_blob)?,
            public_der: required(operation, answer.public_key)?,
        })
    }
}

fn pairs(context: &EncryptionContext) -> std::collections::HashMap<String, String> {
    context.pairs().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn required(operation: Operation, field: Option<Blob>) -> Result<Vec<u8>, KeyError> {
    field.map(Blob::into_inner).ok_or_else(|| KeyError::unavailable(HalfAnswer(operation)))
}

/// Keeps of the SDK's error what an operator needs. The error itself carries the raw answer, a plaintext among it when the
/// answer could not be read, and would print it under `{:?}`.
fn unavailable<E: ProvideErrorMetadata>(operation: Operation, error: &SdkError<E>) -> KeyError {
    count_aws_error(Service::Kms, error);
    let kind = match error {
        SdkError::ConstructionFailure(_) => "request not built",
        SdkError::TimeoutError(_) => "timed out",
        SdkError::DispatchFailure(_) => "not sent",
        SdkError::ServiceError(_) if error.code().is_some() => "refused",
        SdkError::ServiceError(_) | SdkError::ResponseError(_) => "answer not understood",
        _ => "failed",
    };
    KeyError::unavailable(KmsFault {
        operation,
        kind,
        code: error.code().map(str::to_owned),
        request_id: error.request_id().map(str::to_owned),
    })
}

#[derive(thiserror::Error, Debug)]
#[error("kms:{operation} {kind}: {}, request {}", .code.as_deref().unwrap_or("no code"), .request_id.as_deref().unwrap_or("unknown"))]
struct KmsFault {
    operation: Operation,
    kind: &'static str,
    code: Option<String>,
    request_id: Option<String>,
}

#[derive(thiserror::Error, Debug)]
#[error("kms:{0} answered without what it was asked for")]
struct HalfAnswer(Operation);

#[cfg(test)]
mod tests;
