//! What the stand-in cannot show (it looks neither at the `KeyId` of a `Decrypt` nor at a ciphertext's integrity): what we
//! send, and what we make of each of KMS's answers.

use std::error::Error;
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Answers every request alike and remembers its body.
struct Canned {
    kms: Kms,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Canned {
    async fn answering(status: u16, body: impl ToString) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let kms = kms(listener.local_addr().unwrap().port());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, body) = (asked.clone(), body.to_string());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let request = request_body(stream, status, &body).await;
                log.lock().unwrap().push(serde_json::from_slice(&request).unwrap());
            }
        });
        Self { kms, asked }
    }

    fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }
}

async fn request_body(mut stream: TcpStream, status: u16, answer: &str) -> Vec<u8> {
    let mut received = Vec::new();
    let body_at = loop {
        stream.read_buf(&mut received).await.unwrap();
        if let Some(end) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8_lossy(&received[..body_at]).to_lowercase();
    let length = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
    let length: usize = length.parse().unwrap();
    while received.len() < body_at + length {
        stream.read_buf(&mut received).await.unwrap();
    }
    let head = format!(
        "HTTP/1.1 {status} Answer\r\ncontent-type: application/x-amz-json-1.1\r\nx-amzn-requestid: req-1\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{answer}",
        answer.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    received.split_off(body_at)
}

fn kms(port: u16) -> Kms {
    let credentials =
        Credentials::builder().access_key_id("test").secret_access_key("test").provider_name("test").build();
    let config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(format!("http://127.0.0.1:{port}"))
        .credentials_provider(credentials)
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_timeout(Duration::from_secs(5)).build())
        .build();
    let keys = KmsKeys {
        keyring: Some("keyring-id".into()),
        token: Some("token-id".into()),
        recovery_code: Some("recovery-code-id".into()),
        recovery_code_mac: Some("recovery-code-mac-id".into()),
    };
    Kms::new(Client::from_conf(config), keys)
}

/// The whole chain of an error, in both ways in which it could reach a log.
fn told(error: &KeyError) -> String {
    let mut told = format!("{error:?} {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        write!(told, " {cause:?} {cause}").unwrap();
        source = cause.source();
    }
    told
}

#[tokio::test]
async fn each_call_names_its_key_and_its_context() {
    let context = EncryptionContext::recovery_code("acc_1", "2025-01-02T03:04:05Z");
    let in_json = json!({ "purpose": "recovery-code", "account": "acc_1", "issue": "2025-01-02T03:04:05Z" });

    let canned = Canned::answering(200, json!({ "CiphertextBlob": "c2VhbGVk" })).await;
    let sealed = canned.kms.encrypt(KeyName::RecoveryCode, &context, b"plain").await.unwrap();
    assert_eq!(sealed, b"sealed");
    let data_key = canned.kms.data_key(KeyName::Keyring, &EncryptionContext::keyring(7)).await.unwrap();
    assert_eq!(data_key, b"sealed");
    assert_eq!(
        canned.asked(),
        [
            json!({ "KeyId": "recovery-code-id", "EncryptionContext": in_json, "Plaintext": "cGxhaW4=" }),
            json!({ "KeyId": "keyring-id", "KeySpec": "AES_256",
                    "EncryptionContext": { "purpose": "keyring", "version": "7" } }),
        ]
    );

    let canned = Canned::answering(200, json!({ "Plaintext": "cGxhaW4=" })).await;
    let opened = canned.kms.decrypt(KeyName::RecoveryCode, &context, b"sealed").await.unwrap();
    assert_eq!(opened.expose(), b"plain");
    assert_eq!(
        canned.asked(),
        [json!({ "KeyId": "recovery-code-id", "EncryptionContext": in_json, "CiphertextBlob": "c2VhbGVk" })]
    );

    let tag = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let canned = Canned::answering(200, json!({ "Mac": tag })).await;
    let mac = canned.kms.mac(KeyName::RecoveryCodeMac, b"plain").await.unwrap();
    assert_eq!(mac, std::array::from_fn(|position| u8::try_from(position).unwrap()));
    assert_eq!(
        canned.asked(),
        [json!({ "KeyId": "recovery-code-mac-id", "MacAlgorithm": "HMAC_SHA_256", "Message": "cGxhaW4=" })]
    );

    let pair = json!({ "PrivateKeyCiphertextBlob": "c2VhbGVk", "PublicKey": "cHVibGlj" });
    let canned = Canned::answering(200, pair).await;
    let pair = canned.kms.token_key_pair(KeyName::Token, &EncryptionContext::token("kid-1")).await.unwrap();
    assert_eq!(pair, SealedKeyPair { sealed_private: b"sealed".into(), public_der: b"public".into() });
    assert_eq!(
        canned.asked(),
        [json!({ "KeyId": "token-id", "KeyPairSpec": "ECC_NIST_P256",
                 "EncryptionContext": { "purpose": "token", "kid": "kid-1" } })]
    );
}

#[tokio::test]
async fn a_blob_that_does_not_fit_is_refused_and_every_other_error_is_not() {
    for (status, code, refused) in [
        (400, "InvalidCiphertextException", true),
        (400, "IncorrectKeyException", true),
        (400, "AccessDeniedException", false),
        (400, "DisabledException", false),
        (400, "KMSInvalidStateException", false),
        (400, "NotFoundException", false),
        (400, "InvalidKeyUsageException", false),
        (400, "ThrottlingException", false),
        (400, "SomethingNewException", false),
        (500, "KMSInternalException", false),
        (503, "KeyUnavailableException", false),
    ] {
        let canned = Canned::answering(status, json!({ "__type": code, "message": "said" })).await;
        let error = canned
            .kms
            .decrypt(KeyName::Keyring, &EncryptionContext::keyring(1), b"sealed")
            .await
            .unwrap_err();
        assert_eq!(matches!(error, KeyError::Refused), refused, "{code}");
        if !refused {
            let told = told(&error);
            assert!(told.contains(&format!("kms:Decrypt refused: {code}, request req-1")), "{told}");
        }
    }
}

#[tokio::test]
async fn half_an_answer_is_none_and_its_secret_is_not_told() {
    for (body, said) in [
        (r#"{"Plaintext":"c2VjcmV0","KeyId":7}"#, "answer not understood"),
        (r#"{"Plaintext":"c2VjcmV0"#, "answer not understood"),
        (r#"{"Plaintext":"c2VjcmV0!"}"#, "answer not understood"),
        ("<html>c2VjcmV0</html>", "answer not understood"),
        (r#"{"KeyId":"c2VjcmV0"}"#, "answered without"),
        ("{}", "answered without"),
    ] {
        let canned = Canned::answering(200, body).await;
        let error = canned
            .kms
            .decrypt(KeyName::Keyring, &EncryptionContext::keyring(1), b"sealed")
            .await
            .unwrap_err();
        assert!(matches!(error, KeyError::Unavailable(_)), "{body}");
        let told = told(&error);
        assert!(told.contains(said), "{told}");
        assert!(!told.contains("c2VjcmV0") && !told.contains("secret"), "{told}");
    }

    let short = Canned::answering(200, json!({ "Mac": "AAECAw==" })).await;
    assert!(matches!(short.kms.mac(KeyName::RecoveryCodeMac, b"x").await, Err(KeyError::Unavailable(_))));
    let half = Canned::answering(200, json!({ "PublicKey": "cHVibGlj" })).await;
    let pair = half.kms.token_key_pair(KeyName::Token, &EncryptionContext::token("k")).await;
    assert!(matches!(pair, Err(KeyError::Unavailable(_))));
}

#[tokio::test]
async fn no_answer_is_told_as_what_it_was() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let error =
        kms(silent.local_addr().unwrap().port()).mac(KeyName::RecoveryCodeMac, b"x").await.unwrap_err();
    assert!(told(&error).contains("kms:GenerateMac timed out"), "{error:?}");

    let closed = silent.local_addr().unwrap().port();
    drop(silent);
    let error = kms(closed).mac(KeyName::RecoveryCodeMac, b"x").await.unwrap_err();
    assert!(told(&error).contains("kms:GenerateMac not sent"), "{error:?}");
}

#[tokio::test]
async fn a_key_that_the_function_was_not_given_is_named() {
    let canned = Canned::answering(200, "{}").await;
    let kms = Kms::new(canned.kms.client.clone(), KmsKeys::default());
    let context = EncryptionContext::keyring(1);
    for (key, variable) in [
        (KeyName::Keyring, "KEYRING_KEY"),
        (KeyName::Token, "TOKEN_KEY"),
        (KeyName::RecoveryCode, "RECOVERY_CODE_KEY"),
        (KeyName::RecoveryCodeMac, "RECOVERY_CODE_MAC_KEY"),
    ] {
        for error in [
            kms.encrypt(key, &context, b"x").await.unwrap_err(),
            kms.decrypt(key, &context, b"x").await.unwrap_err(),
            kms.mac(key, b"x").await.unwrap_err(),
            kms.data_key(key, &context).await.unwrap_err(),
            kms.token_key_pair(key, &context).await.unwrap_err(),
        ] {
            let said = format!("the environment variable {variable} is not set");
            assert!(matches!(error, KeyError::Unavailable(_)));
            assert!(told(&error).contains(&said), "{error:?}");
        }
    }
    assert_eq!(canned.asked(), [Value::Null; 0]);
}

#[tokio::test]
async fn a_blob_that_cannot_be_kmss_costs_no_call() {
    let canned = Canned::answering(200, "{}").await;
    for sealed in [Vec::new(), vec![0; MAX_SEALED_LEN + 1]] {
        let opened = canned.kms.decrypt(KeyName::Keyring, &EncryptionContext::keyring(1), &sealed).await;
        assert!(matches!(opened, Err(KeyError::Refused)));
    }
    assert_eq!(canned.asked(), [Value::Null; 0]);
}
