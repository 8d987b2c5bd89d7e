//! Sealing, MACs and token signatures.
//!
//! - [`KeyService`] is what we ask of a key service, one method per AWS KMS operation; [`Kms`] is AWS KMS, [`LocalKeys`]
//!   the local run's key file. One contract test runs on both.
//! - [`Keyring`] seals in bulk with data keys that were opened once per cold start; it makes no call.
//! - [`TokenSigner`] signs access tokens in the process, [`jwks`] publishes the keys that verify them.
//! - [`rotation`] says, purely, which keys must be made so that one is active and the next stands ready.
//! - [`Random`] draws every random value of the project: it is part of the shell, as the clock is.
//!
//! Nothing here reads the clock: `now` comes in as a value.

mod aead;
mod keyring;
mod kms;
mod local;
mod random;
pub mod rotation;
mod secret;
mod service;
mod token;

pub use keyring::{Keyring, OpenError, Purpose, SealingKeyRecord, VersionedMac};
pub use kms::{Kms, KmsKeys, kms_client};
pub use local::{Gate, LocalKeys};
pub use random::Random;
pub use secret::SecretBytes;
pub use service::{EncryptionContext, KeyError, KeyName, KeyService, SealedKeyPair};
pub use token::{TokenKeyRecord, TokenSigner, jwks};
