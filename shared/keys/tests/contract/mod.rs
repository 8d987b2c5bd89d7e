//! What every key service must do: the same calls for AWS KMS and for the local run's keys.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use p256::ecdsa::signature::{Signer, Verifier};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use p256::pkcs8::{DecodePrivateKey, DecodePublicKey};
use postern_keys::rotation::{self, Periods};
use postern_keys::{EncryptionContext, KeyError, KeyName, KeyService, Keyring, Purpose, TokenSigner, jwks};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

pub const SYMMETRIC: [KeyName; 3] = [KeyName::Keyring, KeyName::Token, KeyName::RecoveryCode];

/// The whole contract.
pub async fn holds(service: &dyn KeyService) {
    seals_and_opens(service).await;
    refuses_another_context(service).await;
    macs(service).await;
    makes_data_keys(service).await;
    makes_key_pairs(service).await;
    refuses_another_use(service).await;
    carries_a_keyring_and_a_signer(service).await;
}

/// Neither opened nor merely failed.
pub async fn refused(service: &dyn KeyService, key: KeyName, context: &EncryptionContext, sealed: &[u8]) {
    let opened = service.decrypt(key, context, sealed).await;
    assert!(matches!(opened, Err(KeyError::Refused)), "{key:?}: {opened:?}");
}

async fn seals_and_opens(service: &dyn KeyService) {
    let context = EncryptionContext::recovery_code("acc_1", "2025-01-02T03:04:05Z");
    let long = [7; 4_096];
    for key in SYMMETRIC {
        for plaintext in [b"1234567890123456".as_slice(), b"x", &long] {
            let sealed = service.encrypt(key, &context, plaintext).await.unwrap();
            let opened = service.decrypt(key, &context, &sealed).await.unwrap();
            assert_eq!(opened.expose(), plaintext);
        }
    }
}

async fn refuses_another_context(service: &dyn KeyService) {
    let contexts = [
        EncryptionContext::recovery_code("acc_1", "2025-01-02T03:04:05Z"),
        EncryptionContext::recovery_code("acc_2", "2025-01-02T03:04:05Z"),
        EncryptionContext::recovery_code("acc_1", "2025-01-02T03:04:06Z"),
        EncryptionContext::recovery_code("2025-01-02T03:04:05Z", "acc_1"),
        EncryptionContext::keyring(1),
        EncryptionContext::keyring(2),
        EncryptionContext::token("1"),
    ];
    for made in &contexts {
        let sealed = service.encrypt(KeyName::RecoveryCode, made, b"1234567890123456").await.unwrap();
        for asked in contexts.iter().filter(|asked| *asked != made) {
            refused(service, KeyName::RecoveryCode, asked, &sealed).await;
        }
    }
}

async fn macs(service: &dyn KeyService) {
    let mac = async |message: &[u8]| service.mac(KeyName::RecoveryCodeMac, message).await.unwrap();
    assert_eq!(mac(b"1234567890123456").await, mac(b"1234567890123456").await);
    assert_ne!(mac(b"1234567890123456").await, mac(b"1234567890123457").await);
}

async fn makes_data_keys(service: &dyn KeyService) {
    let mut seen = HashSet::new();
    for version in 1..=3 {
        let context = EncryptionContext::keyring(version);
        let sealed = service.data_key(KeyName::Keyring, &context).await.unwrap();
        let opened = service.decrypt(KeyName::Keyring, &context, &sealed).await.unwrap();
        assert_eq!(opened.expose().len(), 32);
        assert!(seen.insert(opened.expose().to_vec()), "the same key twice");
        refused(service, KeyName::Keyring, &EncryptionContext::keyring(version + 1), &sealed).await;
    }
}

async fn makes_key_pairs(service: &dyn KeyService) {
    let context = EncryptionContext::token("kid-1");
    let pair = service.token_key_pair(KeyName::Token, &context).await.unwrap();
    refused(service, KeyName::Token, &EncryptionContext::token("kid-2"), &pair.sealed_private).await;

    let private = service.decrypt(KeyName::Token, &context, &pair.sealed_private).await.unwrap();
    let signing = SigningKey::from_pkcs8_der(private.expose()).unwrap();
    let verifying = VerifyingKey::from_public_key_der(&pair.public_der).unwrap();
    assert_eq!(signing.verifying_key(), &verifying);
    let signature: Signature = signing.sign(b"message");
    verifying.verify(b"message", &signature).unwrap();

    let another = service.token_key_pair(KeyName::Token, &context).await.unwrap();
    assert_ne!(pair.public_der, another.public_der);
}

async fn refuses_another_use(service: &dyn KeyService) {
    let context = EncryptionContext::keyring(1);
    let wrong_mac = service.mac(KeyName::Keyring, b"x").await;
    assert!(matches!(wrong_mac, Err(KeyError::Unavailable(_))), "{wrong_mac:?}");
    let wrong_seal = service.encrypt(KeyName::RecoveryCodeMac, &context, b"x").await;
    assert!(matches!(wrong_seal, Err(KeyError::Unavailable(_))), "{wrong_seal:?}");
}

/// Through everything that is built on a key service: rotation makes the keys, the keyring seals, a token is verified by
/// another library against the JWKS.
async fn carries_a_keyring_and_a_signer(service: &dyn KeyService) {
    let now: Timestamp = "2025-03-07T00:00:00Z".parse().unwrap();
    let mut sealing = Vec::new();
    for due in rotation::due_sealing(&[], now, Periods::default()) {
        sealing.push(due.make(service).await.unwrap());
    }
    let keyring = Keyring::open(service, &sealing).await.unwrap();
    let sealed = keyring.seal(Purpose::Authenticator, &["acc_1"], b"secret", now).unwrap();
    let reopened = Keyring::open(service, &sealing).await.unwrap();
    let opened = reopened.open_sealed(Purpose::Authenticator, &["acc_1"], &sealed).unwrap();
    assert_eq!(opened.expose(), b"secret");

    let mut tokens = Vec::new();
    for (number, due) in (1..).zip(rotation::due_tokens(&[], now, Periods::default())) {
        tokens.push(due.make(service, rotation::kid([number; 16])).await.unwrap());
    }
    let signer = TokenSigner::open(service, &tokens, now).await.unwrap();
    let token = signer.sign(&json!({ "sub": "acc_1", "exp": 4_000_000_000_u32 }), now).unwrap();

    let set: JwkSet = serde_json::from_value(jwks(&tokens, now, SignedDuration::from_mins(15))).unwrap();
    assert_eq!(set.keys.len(), 2);
    let key = DecodingKey::from_jwk(set.find(&rotation::kid([1; 16])).unwrap()).unwrap();
    let claims =
        decode::<Value>(token.expose_secret(), &key, &Validation::new(Algorithm::ES256)).unwrap().claims;
    assert_eq!(claims.get("sub").unwrap(), "acc_1");
}
