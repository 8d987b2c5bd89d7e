use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use secrecy::ExposeSecret;

use super::*;
use crate::LocalKeys;
use crate::rotation::TokenKeyDue;

const TOKEN_LIFE: SignedDuration = SignedDuration::from_mins(15);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    exp: i64,
}

fn claims() -> Claims {
    Claims { iss: "https://id.example".into(), aud: "portal".into(), sub: "acc_1".into(), exp: 4_000_000_000 }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

async fn record(keys: &LocalKeys, kid: &str, from: i64, until: i64) -> TokenKeyRecord {
    let due = TokenKeyDue { active_from: at(from), active_until: at(until) };
    due.make(keys, kid.to_owned()).await.unwrap()
}

fn kids(jwks: &Value) -> Vec<&str> {
    jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap()).collect()
}

/// As a portal does it: the key by its id from the JWKS, the algorithm fixed.
fn verified(token: &str, jwks: &Value) -> Result<Claims, jsonwebtoken::errors::Error> {
    let set: JwkSet = serde_json::from_value(jwks.clone()).unwrap();
    let kid = decode_header(token)?.kid.unwrap();
    let key = DecodingKey::from_jwk(set.find(&kid).unwrap())?;
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_issuer(&["https://id.example"]);
    validation.set_audience(&["portal"]);
    decode(token, &key, &validation).map(|token| token.claims)
}

#[tokio::test]
async fn a_token_verifies_by_the_jwks() {
    let keys = LocalKeys::ephemeral();
    let records = [record(&keys, "one", 0, 100).await, record(&keys, "two", 100, 200).await];
    let signer = TokenSigner::open(&keys, &records, at(0)).await.unwrap();

    for (now, kid) in [(0, "one"), (99, "one"), (100, "two"), (199, "two")] {
        let token = signer.sign(&claims(), at(now)).unwrap();
        let token = token.expose_secret();
        let header: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap())
                .unwrap();
        assert_eq!(header, json!({ "alg": "ES256", "typ": "at+jwt", "kid": kid }));
        assert_eq!(verified(token, &jwks(&records, at(now), TOKEN_LIFE)).unwrap(), claims());
    }
}

#[tokio::test]
async fn a_changed_token_does_not_verify() {
    let keys = LocalKeys::ephemeral();
    let records = [record(&keys, "one", 0, 100).await];
    let signer = TokenSigner::open(&keys, &records, at(0)).await.unwrap();
    let token = signer.sign(&claims(), at(0)).unwrap();
    let [header, _, signature] = token.expose_secret().split('.').collect::<Vec<_>>()[..] else {
        panic!("not three parts")
    };
    let other = Claims { sub: "acc_2".into(), ..claims() };
    let other = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&other).unwrap());
    let forged = format!("{header}.{other}.{signature}");
    assert!(verified(&forged, &jwks(&records, at(0), TOKEN_LIFE)).is_err());
}

#[tokio::test]
async fn no_active_key_no_token() {
    let keys = LocalKeys::ephemeral();
    let records = [record(&keys, "one", 0, 100).await, record(&keys, "two", 150, 200).await];
    let signer = TokenSigner::open(&keys, &records, at(0)).await.unwrap();
    for (now, can) in
        [(-1, false), (0, true), (99, true), (100, false), (149, false), (150, true), (200, false)]
    {
        assert_eq!(signer.can_sign_at(at(now)), can, "{now}");
        let token = signer.sign(&claims(), at(now));
        assert_eq!(token.is_ok(), can);
        assert!(can || matches!(token, Err(KeyError::Unavailable(_))));
    }
    let none = TokenSigner::open(&keys, &[], at(0)).await.unwrap();
    assert!(!none.can_sign_at(at(0)));
}

#[tokio::test]
async fn keys_that_sign_no_more_are_not_opened() {
    let keys = LocalKeys::ephemeral();
    // It would be refused, were it opened.
    let past = TokenKeyRecord { sealed_private: vec![0; 60], ..record(&keys, "past", 0, 100).await };
    let records = [past, record(&keys, "present", 100, 200).await];
    let signer = TokenSigner::open(&keys, &records, at(100)).await.unwrap();
    assert_eq!(format!("{signer:?}"), r#"TokenSigner { kids: ["present"], .. }"#);
    assert!(matches!(TokenSigner::open(&keys, &records, at(99)).await, Err(KeyError::Refused)));
}

#[tokio::test]
async fn a_record_that_was_tampered_with_signs_nothing() {
    let keys = LocalKeys::ephemeral();
    let (one, two) = (record(&keys, "one", 0, 100).await, record(&keys, "two", 0, 100).await);

    let renamed = TokenKeyRecord { kid: "two".into(), ..one.clone() };
    assert!(matches!(TokenSigner::open(&keys, &[renamed], at(0)).await, Err(KeyError::Refused)));

    let swapped = TokenKeyRecord { public_der: two.public_der.clone(), ..one.clone() };
    assert!(matches!(TokenSigner::open(&keys, &[swapped], at(0)).await, Err(KeyError::Corrupt)));

    let data_key = keys.encrypt(KeyName::Token, &EncryptionContext::token("one"), &[7; 32]).await.unwrap();
    let no_pair = TokenKeyRecord { sealed_private: data_key, ..one };
    assert!(matches!(TokenSigner::open(&keys, &[no_pair], at(0)).await, Err(KeyError::Corrupt)));
}

#[tokio::test]
async fn the_jwks_shows_the_next_the_active_and_those_whose_tokens_live() {
    let keys = LocalKeys::ephemeral();
    let records = [
        record(&keys, "three", 20_000, 30_000).await,
        record(&keys, "one", 0, 10_000).await,
        record(&keys, "two", 10_000, 20_000).await,
    ];
    let shown = |now| jwks(&records, at(now), TOKEN_LIFE);
    // The last token of "one" ends 15 minutes after it, and may be held valid for 5 more.
    assert_eq!(kids(&shown(11_199)), ["one", "two", "three"]);
    assert_eq!(kids(&shown(11_200)), ["two", "three"]);
    assert_eq!(kids(&shown(40_000)), [""; 0]);
    assert_eq!(jwks(&records, at(0), SignedDuration::MAX)["keys"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_jwk_says_what_rfc_7518_asks_and_nothing_private() {
    let keys = LocalKeys::ephemeral();
    let records = [record(&keys, "one", 0, 100).await];
    let set = jwks(&records, at(0), TOKEN_LIFE);
    let [key] = &set["keys"].as_array().unwrap()[..] else { panic!("one key") };

    let mut members: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    for (member, value) in [("kty", "EC"), ("crv", "P-256"), ("use", "sig"), ("alg", "ES256"), ("kid", "one")]
    {
        assert_eq!(key[member], value);
    }
    for coordinate in ["x", "y"] {
        let bytes = URL_SAFE_NO_PAD.decode(key[coordinate].as_str().unwrap()).unwrap();
        assert_eq!(bytes.len(), 32);
    }
}

#[tokio::test]
async fn a_public_key_that_cannot_be_read_is_left_out() {
    let keys = LocalKeys::ephemeral();
    let good = record(&keys, "good", 0, 100).await;
    let broken = |public_der: Vec<u8>| TokenKeyRecord { public_der, ..good.clone() };
    let der = good.public_der.clone();
    let mut off_the_curve = der.clone();
    off_the_curve[90] ^= 1;
    for public_der in [Vec::new(), der[..90].to_vec(), [&der[..], b"x"].concat(), off_the_curve] {
        assert_eq!(jwks(&[broken(public_der)], at(0), TOKEN_LIFE), json!({ "keys": [] }));
    }
    assert_eq!(kids(&jwks(&[good], at(0), TOKEN_LIFE)), ["good"]);
}

#[tokio::test]
async fn claims_that_cannot_be_written_are_no_token() {
    struct Unwritable;
    impl Serialize for Unwritable {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no"))
        }
    }
    let keys = LocalKeys::ephemeral();
    let signer = TokenSigner::open(&keys, &[record(&keys, "one", 0, 100).await], at(0)).await.unwrap();
    assert!(signer.sign(&Unwritable, at(0)).is_err());
}
