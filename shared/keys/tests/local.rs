//! The contract on the local run's keys.

mod contract;

use postern_keys::{EncryptionContext, KeyService, LocalKeys};

#[tokio::test]
async fn local_keys_keep_the_contract() {
    contract::holds(&LocalKeys::ephemeral()).await;
}

/// The part of KMS's contract that its stand-in does not keep: see `kms.rs`.
#[tokio::test]
async fn local_keys_authenticate_what_they_open() {
    let service = &LocalKeys::ephemeral();
    let context = EncryptionContext::recovery_code("acc_1", "2025-01-02T03:04:05Z");
    for key in contract::SYMMETRIC {
        let sealed = service.encrypt(key, &context, b"1234567890123456").await.unwrap();
        for other in contract::SYMMETRIC.into_iter().filter(|other| *other != key) {
            contract::refused(service, other, &context, &sealed).await;
        }
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            contract::refused(service, key, &context, &changed).await;
        }
        for length in 0..sealed.len() {
            contract::refused(service, key, &context, &sealed[..length]).await;
        }
        contract::refused(service, key, &context, &[&sealed[..], b"x"].concat()).await;
    }
}
