use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, ParsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{EncryptionContext, KeyError, KeyName, KeyService};

/// How far a portal's clock may be behind ours: RFC 7519 §4.1.4 expects "no more than a few minutes" of leeway.
const LEEWAY: SignedDuration = SignedDuration::from_mins(5);

/// A token key pair as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenKeyRecord {
    /// The key's id in the header of a token and in the JWKS; stands in the encryption context.
    pub kid: String,
    /// The private half (PKCS #8), sealed by the key service.
    pub sealed_private: Vec<u8>,
    /// The public half: DER, `SubjectPublicKeyInfo`.
    pub public_der: Vec<u8>,
    /// Signs from then on.
    pub active_from: Timestamp,
    /// Signs until then, exclusive. Its tokens live on.
    pub active_until: Timestamp,
}

impl TokenKeyRecord {
    pub(crate) fn is_active_at(&self, now: Timestamp) -> bool {
        (self.active_from..self.active_until).contains(&now)
    }
}

/// Signs access tokens in the process. `kms:Sign` would cost a round trip per token and share a region's quota.
pub struct TokenSigner {
    /// In the order in which they take over.
    keys: Vec<SigningKey>,
}

impl TokenSigner {
    /// Opens those records that may still sign: one `kms:Decrypt` each, at the same time. Done once per cold start.
    ///
    /// [`KeyError::Corrupt`] when a private key is not the one of the public key beside it.
    pub async fn open(
        service: &dyn KeyService,
        records: &[TokenKeyRecord],
        now: Timestamp,
    ) -> Result<Self, KeyError> {
        let alive = records.iter().filter(|record| now < record.active_until);
        let mut keys = try_join_all(alive.map(|record| SigningKey::open(service, record))).await?;
        keys.sort_by(|a, b| (a.active_from, &a.kid).cmp(&(b.active_from, &b.kid)));
        Ok(Self { keys })
    }

    /// A compact JWS (RFC 7515 §7.1) over `claims`, ES256, `typ: at+jwt` (RFC 9068 §2.1), by the key that is active at
    /// `now`; [`KeyError::Unavailable`] when none is.
    pub fn sign(&self, claims: &impl Serialize, now: Timestamp) -> Result<SecretString, KeyError> {
        let key = self.active_at(now).ok_or_else(|| KeyError::unavailable(NoTokenKey))?;
        let claims = serde_json::to_vec(claims).map_err(KeyError::unavailable)?;

        // Room for all of it at once, so that a growing buffer leaves no half token behind.
        let encoded = base64::encoded_len(claims.len(), false).unwrap_or_default();
        let length = key.header.len().saturating_add(encoded).saturating_add(88);
        let mut token = String::with_capacity(length);
        token.push_str(&key.header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(&claims, &mut token);
        let signature = key
            .pair
            .sign(&SystemRandom::new(), token.as_bytes())
            .map_err(|_| KeyError::unavailable(SigningFailed))?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.as_ref(), &mut token);
        Ok(SecretString::from(token))
    }

    /// Whether a key is active at `now`.
    #[must_use]
    pub fn can_sign_at(&self, now: Timestamp) -> bool {
        self.active_at(now).is_some()
    }

    fn active_at(&self, now: Timestamp) -> Option<&SigningKey> {
        self.keys.iter().rfind(|key| (key.active_from..key.active_until).contains(&now))
    }
}

impl fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kids: Vec<_> = self.keys.iter().map(|key| &key.kid).collect();
        f.debug_struct("TokenSigner").field("kids", &kids).finish_non_exhaustive()
    }
}

struct SigningKey {
    kid: String,
    active_from: Timestamp,
    active_until: Timestamp,
    /// The JWS header, encoded.
    header: String,
    pair: EcdsaKeyPair,
}

impl SigningKey {
    async fn open(service: &dyn KeyService, record: &TokenKeyRecord) -> Result<Self, KeyError> {
        let context = EncryptionContext::token(&record.kid);
        let private = service.decrypt(KeyName::Token, &context, &record.sealed_private).await?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private.expose())
            .map_err(|_| KeyError::Corrupt)?;
        // What the JWKS shows must be what signs.
        if point(&record.public_der).is_none_or(|point| pair.public_key().as_ref() != point.as_slice()) {
            return Err(KeyError::Corrupt);
        }
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": record.kid });
        Ok(Self {
            kid: record.kid.clone(),
            active_from: record.active_from,
            active_until: record.active_until,
            header: URL_SAFE_NO_PAD.encode(header.to_string()),
            pair,
        })
    }
}

/// The public keys (RFC 7517): the next, the active, and those whose tokens still live, oldest first.
///
/// A record that cannot be read is left out: [`TokenSigner::open`] refuses it, so nothing is signed with it.
#[must_use]
pub fn jwks(records: &[TokenKeyRecord], now: Timestamp, token_life: SignedDuration) -> Value {
    let lives_on = token_life.saturating_add(LEEWAY);
    let mut alive: Vec<_> = records
        .iter()
        .filter(|record| record.active_until.checked_add(lives_on).map_or(true, |end| now < end))
        .collect();
    alive.sort_by(|a, b| (a.active_from, &a.kid).cmp(&(b.active_from, &b.kid)));
    let keys: Vec<_> = alive.into_iter().filter_map(jwk).collect();
    json!({ "keys": keys })
}

fn jwk(record: &TokenKeyRecord) -> Option<Value> {
    let [_, coordinates @ ..] = point(&record.public_der)?;
    let (x, y) = coordinates.split_at(32);
    Some(json!({
        "kty": "EC",
        "crv": "P-256",
        "x": URL_SAFE_NO_PAD.encode(x),
        "y": URL_SAFE_NO_PAD.encode(y),
        "use": "sig",
        "alg": "ES256",
        "kid": record.kid,
    }))
}

/// The uncompressed point (SEC 1 §2.3.3) of a P-256 `SubjectPublicKeyInfo`, whose DER (RFC 5480) is always this prefix
/// and the point.
fn point(public_der: &[u8]) -> Option<[u8; 65]> {
    const PREFIX: &[u8] = &[
        0x30, 0x59, 0x30, 0x13, // SEQUENCE { SEQUENCE {
        0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, // id-ecPublicKey
        0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, // secp256r1 }
        0x03, 0x42, 0x00, // BIT STRING }
    ];
    let point = public_der.strip_prefix(PREFIX)?;
    // On the curve?
    ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok()?;
    point.try_into().ok()
}

#[derive(thiserror::Error, Debug)]
#[error("no token key is active: has keys-rotate run?")]
struct NoTokenKey;

#[derive(thiserror::Error, Debug)]
#[error("signing failed")]
struct SigningFailed;

#[cfg(test)]
mod tests;
