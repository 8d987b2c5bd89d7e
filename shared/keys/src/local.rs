use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use aws_lc_rs::{error::Unspecified, hkdf, hmac};
use zeroize::Zeroizing;

use crate::service::{Operation, WrongUse};
use crate::{EncryptionContext, KeyError, KeyName, KeyService, Random, SealedKeyPair, SecretBytes, aead};

/// The first bytes of a key file.
const MAGIC: &[u8; 16] = b"postern keys v1\n";
const ROOT_LEN: usize = 32;
/// Of the key file: the magic, the root, and a check value of as many bytes as the magic.
const FILE_LEN: usize = MAGIC.len() + ROOT_LEN + CHECK_LEN;
const CHECK_LEN: usize = 16;

/// What `kms:Encrypt` takes at most under a symmetric key (KMS API reference). The stand-in is not laxer.
const MAX_PLAINTEXT_LEN: usize = 4_096;
/// What `kms:GenerateMac` takes at most.
const MAX_MESSAGE_LEN: usize = 4_096;

/// The local run's key service: everything is derived from one file.
///
/// As strict as KMS in what it refuses, but its keys lie readable on the disk: never deployed.
pub struct LocalKeys {
    keyring: SecretBytes,
    token: SecretBytes,
    recovery_code: SecretBytes,
    recovery_code_mac: hmac::Key,
    gate: Option<Arc<dyn Gate>>,
}

/// Stands before and after each operation, under AWS's names (`"Encrypt"`): to count calls, and to let them fail.
pub trait Gate: Send + Sync {
    /// An error here: the call fails and takes no effect.
    fn before(&self, operation: &'static str) -> Result<(), KeyError>;
    /// An error here: the call took effect, but its answer is lost.
    fn after(&self, operation: &'static str) -> Result<(), KeyError>;
}

impl LocalKeys {
    /// Opens the key file, and makes it when it is not there: readable by its owner alone, whole or not at all.
    ///
    /// `InvalidData` when the file is something else or damaged. What was sealed with it is lost without it.
    pub fn open(path: &Path) -> io::Result<Self> {
        match read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                create(path).map_err(|error| told(path, "cannot be made", &error))?;
                read(path)
            }
            read => read,
        }
        .map_err(|error| told(path, "cannot be used", &error))
    }

    /// Keys that nobody will ever have again: for tests.
    #[must_use]
    pub fn ephemeral() -> Self {
        loop {
            // Fails with a probability of nothing: an output of HKDF this short always fits.
            if let Ok(keys) = Self::derive(&Zeroizing::new(Random::system().fill())) {
                return keys;
            }
        }
    }

    /// The same keys, behind `gate`.
    #[must_use]
    pub fn with_gate(self, gate: Arc<dyn Gate>) -> Self {
        Self { gate: Some(gate), ..self }
    }

    fn derive(root: &[u8; ROOT_LEN]) -> Result<Self, Unspecified> {
        Ok(Self {
            keyring: derived(root, "keyring")?,
            token: derived(root, "token")?,
            recovery_code: derived(root, "recovery-code")?,
            recovery_code_mac: hmac::Key::new(
                hmac::HMAC_SHA256,
                derived(root, "recovery-code-mac")?.expose(),
            ),
            gate: None,
        })
    }

    fn gated<T>(
        &self,
        operation: Operation,
        call: impl FnOnce() -> Result<T, KeyError>,
    ) -> Result<T, KeyError> {
        let Some(gate) = &self.gate else { return call() };
        gate.before(operation.name())?;
        let answer = call();
        gate.after(operation.name())?;
        answer
    }

    /// The key and the label that its ciphertexts are made under.
    fn sealing(&self, operation: Operation, key: KeyName) -> Result<(&SecretBytes, &'static str), KeyError> {
        match key {
            KeyName::Keyring => Ok((&self.keyring, "postern/local/keyring")),
            KeyName::Token => Ok((&self.token, "postern/local/token")),
            KeyName::RecoveryCode => Ok((&self.recovery_code, "postern/local/recovery-code")),
            KeyName::RecoveryCodeMac => Err(KeyError::unavailable(WrongUse { operation, key })),
        }
    }

    fn seal(
        &self,
        operation: Operation,
        key: KeyName,
        context: &EncryptionContext,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, KeyError> {
        let (secret, label) = self.sealing(operation, key)?;
        aead::seal(secret, label, &context.canonical(), &[], plaintext).map_err(failed)
    }
}

#[async_trait]
impl KeyService for LocalKeys {
    async fn encrypt(
        &self,
        key: KeyName,
        context: &EncryptionContext,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, KeyError> {
        self.gated(Operation::Encrypt, || {
            if plaintext.is_empty() || plaintext.len() > MAX_PLAINTEXT_LEN {
                return Err(KeyError::unavailable(WrongLength(MAX_PLAINTEXT_LEN)));
            }
            self.seal(Operation::Encrypt, key, context, plaintext)
        })
    }

    async fn decrypt(
        &self,
        key: KeyName,
        context: &EncryptionContext,
        sealed: &[u8],
    ) -> Result<SecretBytes, KeyError> {
        self.gated(Operation::Decrypt, || {
            let (secret, label) = self.sealing(Operation::Decrypt, key)?;
            aead::open(secret, label, &context.canonical(), sealed).map_err(|_| KeyError::Refused)
        })
    }

    async fn mac(&self, key: KeyName, message: &[u8]) -> Result<[u8; 32], KeyError> {
        self.gated(Operation::GenerateMac, || match key {
            KeyName::RecoveryCodeMac if message.is_empty() || message.len() > MAX_MESSAGE_LEN => {
                Err(KeyError::unavailable(WrongLength(MAX_MESSAGE_LEN)))
            }
            KeyName::RecoveryCodeMac => {
                let tag = hmac::sign(&self.recovery_code_mac, message);
                tag.as_ref().try_into().map_err(|_| failed(Unspecified))
            }
            KeyName::Keyring | KeyName::Token | KeyName::RecoveryCode => {
                Err(KeyError::unavailable(WrongUse { operation: Operation::GenerateMac, key }))
            }
        })
    }

    async fn data_key(&self, key: KeyName, context: &EncryptionContext) -> Result<Vec<u8>, KeyError> {
        let operation = Operation::GenerateDataKeyWithoutPlaintext;
        self.gated(operation, || {
            let data_key = Zeroizing::new(Random::system().fill::<{ aead::KEY_LEN }>());
            self.seal(operation, key, context, &*data_key)
        })
    }

    async fn token_key_pair(
        &self,
        key: KeyName,
        context: &EncryptionContext,
    ) -> Result<SealedKeyPair, KeyError> {
        let operation = Operation::GenerateDataKeyPairWithoutPlaintext;
        self.gated(operation, || {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
            let private = pair.to_pkcs8v1().map_err(failed)?;
            let public = pair.public_key().as_der().map_err(failed)?;
            Ok(SealedKeyPair {
                sealed_private: self.seal(operation, key, context, private.as_ref())?,
                public_der: public.as_ref().to_vec(),
            })
        })
    }
}

impl fmt::Debug for LocalKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKeys").finish_non_exhaustive()
    }
}

fn derived(root: &[u8; ROOT_LEN], name: &str) -> Result<SecretBytes, Unspecified> {
    let mut key = vec![0; aead::KEY_LEN];
    hkdf::Salt::new(hkdf::HKDF_SHA256, MAGIC)
        .extract(root)
        .expand(&[name.as_bytes()], hkdf::HKDF_SHA256)?
        .fill(&mut key)?;
    Ok(SecretBytes::from(key))
}

/// Tells damage from a wrong key: without it, a flipped bit in the root would only show as secrets that no longer open.
fn check(root: &[u8; ROOT_LEN]) -> Result<[u8; CHECK_LEN], Unspecified> {
    let check = derived(root, "check")?;
    check.expose().first_chunk().copied().ok_or(Unspecified)
}

fn read(path: &Path) -> io::Result<LocalKeys> {
    // One byte more than it should have, to notice a longer file without reading all of it.
    let most = FILE_LEN + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(most));
    File::open(path)?.take(u64::try_from(most).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
    let malformed =
        || io::Error::new(ErrorKind::InvalidData, "it is not a key file of Postern, or is damaged");

    let body = bytes.strip_prefix(MAGIC.as_slice()).ok_or_else(malformed)?;
    let (root, rest) = body.split_first_chunk::<ROOT_LEN>().ok_or_else(malformed)?;
    if check(root).map_err(io::Error::other)? != rest {
        return Err(malformed());
    }
    LocalKeys::derive(root).map_err(io::Error::other)
}

/// Leaves either a whole file at `path` or none. Whoever makes it at the same time wins or loses, and both read the winner's.
fn create(path: &Path) -> io::Result<()> {
    let root = Zeroizing::new(Random::system().fill::<ROOT_LEN>());
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_LEN));
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&*root);
    bytes.extend_from_slice(&check(&root).map_err(io::Error::other)?);

    let temporary = temporary_beside(path);
    let made = write_durably(&temporary, &bytes).and_then(|()| match fs::hard_link(&temporary, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        // A file system without links: then the last to rename wins.
        Err(_) => fs::rename(&temporary, path),
        linked => linked,
    });
    // Gone already when it was renamed.
    let _ = fs::remove_file(&temporary);
    made?;
    sync_directory(path)
}

fn temporary_beside(path: &Path) -> PathBuf {
    let [a, b, c, d] = Random::system().fill();
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{a:02x}{b:02x}{c:02x}{d:02x}.new"));
    PathBuf::from(name)
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The file's name is durable only once its directory is.
fn sync_directory(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(directory) = path.parent() {
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

fn told(path: &Path, what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("the key file {} {what}: {error}", path.display()))
}

fn failed(error: Unspecified) -> KeyError {
    KeyError::unavailable(error)
}

#[derive(thiserror::Error, Debug)]
#[error("must be of 1 to {0} bytes")]
struct WrongLength(usize);

#[cfg(test)]
mod tests;
