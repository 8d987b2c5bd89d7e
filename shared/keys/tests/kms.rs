//! The contract on AWS KMS, over HTTP, with ministack in its place.
//!
//! ministack is laxer than KMS in two things, which `local.rs` asks of the local keys and nothing here can ask: its
//! ciphertexts are not authenticated, and it does not compare the `KeyId` of a `Decrypt` with the blob's. That we send the
//! `KeyId`, and what we make of KMS's refusals, is tested in `src/kms/tests.rs`.

mod contract;

use aws_sdk_kms::Client;
use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_kms::types::{KeySpec, KeyUsageType};
use postern_keys::{EncryptionContext, KeyError, KeyName, KeyService, Kms, KmsKeys};

#[tokio::test]
async fn kms_keeps_the_contract() {
    let client = client();
    let kms = Kms::new(
        client.clone(),
        KmsKeys {
            keyring: Some(symmetric_key(&client).await),
            token: Some(symmetric_key(&client).await),
            recovery_code: Some(symmetric_key(&client).await),
            recovery_code_mac: Some(mac_key(&client).await),
        },
    );
    contract::holds(&kms).await;
}

#[tokio::test]
async fn macs_of_two_keys_differ() {
    let client = client();
    let mut tags = Vec::new();
    for _ in 0..2 {
        let keys = KmsKeys { recovery_code_mac: Some(mac_key(&client).await), ..KmsKeys::default() };
        let kms = Kms::new(client.clone(), keys);
        tags.push(kms.mac(KeyName::RecoveryCodeMac, b"1234567890123456").await.unwrap());
    }
    assert_ne!(tags[0], tags[1]);
}

#[tokio::test]
async fn a_key_that_is_not_there_is_unavailable() {
    let keys = KmsKeys { keyring: Some("no-such-key".into()), ..KmsKeys::default() };
    let made = Kms::new(client(), keys).data_key(KeyName::Keyring, &EncryptionContext::keyring(1)).await;
    let Err(KeyError::Unavailable(cause)) = made else { panic!("{made:?}") };
    assert!(cause.to_string().contains("NotFoundException"), "{cause}");
}

#[expect(clippy::disallowed_methods, reason = "the test command says where the stand-in is")]
#[expect(clippy::panic, reason = "a test that cannot run has failed")]
fn client() -> Client {
    let Ok(endpoint) = std::env::var("POSTERN_STAND_IN") else {
        panic!(
            "POSTERN_STAND_IN is not set: this test speaks to a stand-in of AWS KMS, which tests/stand-ins/start starts. Run\n    \
             tests/stand-ins/with cargo test -p postern-keys"
        )
    };
    let credentials =
        Credentials::builder().access_key_id("test").secret_access_key("test").provider_name("test").build();
    let config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(credentials)
        .build();
    Client::from_conf(config)
}

async fn symmetric_key(client: &Client) -> String {
    created(client, KeySpec::SymmetricDefault, KeyUsageType::EncryptDecrypt).await
}

async fn mac_key(client: &Client) -> String {
    created(client, KeySpec::Hmac256, KeyUsageType::GenerateVerifyMac).await
}

#[expect(clippy::unwrap_used, reason = "a test")]
async fn created(client: &Client, spec: KeySpec, usage: KeyUsageType) -> String {
    let answer = client.create_key().key_spec(spec).key_usage(usage).send().await.unwrap();
    answer.key_metadata.unwrap().key_id
}
