use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use p256::ecdsa::signature::Signer;
use p256::ecdsa::{DerSignature, SigningKey};
use serde_cbor_2::Value as Cbor;
use serde_json::{Value, json};

use crate::{base64url, from_base64url, sha256};

/// Flags of the authenticator data (WebAuthn L3 §6.1).
pub const UP: u8 = 1;
pub const UV: u8 = 1 << 2;
/// Backup eligibility.
pub const BE: u8 = 1 << 3;
/// Backup state.
pub const BS: u8 = 1 << 4;
const AT: u8 = 1 << 6;

/// A passkey of our own making. What it says is true until a test changes it: see [`Attestation`] and
/// [`Assertion`].
#[derive(Debug, Clone)]
pub struct HandMade {
    pub origin: String,
    pub credential_id: Vec<u8>,
    /// From the options that it was made for.
    pub user_handle: Vec<u8>,
    /// [`BE`] and [`BS`], as they stand for all its life.
    pub backup: u8,
    /// 0: it does not count its use.
    pub counter: u32,
    key: SigningKey,
}

/// What is said at creation, before it is encoded.
#[derive(Debug, Clone)]
pub struct Attestation {
    pub client_data: ClientData,
    pub rp_id: String,
    pub flags: u8,
    pub counter: u32,
    pub aaguid: [u8; 16],
    /// The credential id in the attested credential data.
    pub attested_id: Vec<u8>,
    /// Its length there, where it is not the true one.
    pub attested_length: Option<u16>,
    pub raw_id: Vec<u8>,
    /// `id`, as text.
    pub id: String,
    pub kind: &'static str,
    pub format: &'static str,
    /// COSE's algorithm: ES256 is -7.
    pub algorithm: i128,
    pub key: SigningKey,
}

/// What is said at sign-in, before it is signed.
#[derive(Debug, Clone)]
pub struct Assertion {
    pub client_data: ClientData,
    pub rp_id: String,
    pub flags: u8,
    pub counter: u32,
    pub raw_id: Vec<u8>,
    pub id: String,
    pub kind: &'static str,
    pub user_handle: Option<Vec<u8>>,
    pub key: SigningKey,
}

/// `clientDataJSON` (WebAuthn L3 §5.8.1).
#[derive(Debug, Clone)]
pub struct ClientData(pub Value);

impl ClientData {
    pub fn set(&mut self, member: &str, value: impl Into<Value>) {
        self.0[member] = value.into();
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.to_string().into_bytes()
    }
}

/// Keys and credential ids differ within a process, and between runs of it they need not.
fn next_seed() -> [u8; 32] {
    static MADE: AtomicU64 = AtomicU64::new(0);
    sha256(MADE.fetch_add(1, Ordering::Relaxed).to_be_bytes())
}

impl HandMade {
    pub fn new(origin: &str) -> Self {
        let seed = next_seed();
        Self {
            origin: origin.to_owned(),
            credential_id: sha256(seed).to_vec(),
            user_handle: Vec::new(),
            backup: 0,
            counter: 0,
            key: SigningKey::from_slice(&seed).unwrap(),
        }
    }

    pub fn another_key() -> SigningKey {
        SigningKey::from_slice(&next_seed()).unwrap()
    }

    /// The honest answer to `PublicKeyCredentialCreationOptionsJSON`.
    pub fn attestation(&mut self, public_key: &Value) -> Attestation {
        self.user_handle = from_base64url(public_key["user"]["id"].as_str().unwrap());
        let id = &self.credential_id;
        Attestation {
            client_data: self.client_data("webauthn.create", public_key),
            rp_id: public_key["rp"]["id"].as_str().unwrap().to_owned(),
            flags: UP | UV | AT | self.backup,
            counter: self.counter,
            aaguid: [0; 16],
            attested_id: id.clone(),
            attested_length: None,
            raw_id: id.clone(),
            id: base64url(id),
            kind: "public-key",
            format: "none",
            algorithm: -7,
            key: self.key.clone(),
        }
    }

    /// The honest answer to `PublicKeyCredentialRequestOptionsJSON`. Counts, where it counts at all.
    pub fn assertion(&mut self, public_key: &Value) -> Assertion {
        if self.counter > 0 {
            self.counter += 1;
        }
        let id = &self.credential_id;
        Assertion {
            client_data: self.client_data("webauthn.get", public_key),
            rp_id: public_key["rpId"].as_str().unwrap().to_owned(),
            flags: UP | UV | self.backup,
            counter: self.counter,
            raw_id: id.clone(),
            id: base64url(id),
            kind: "public-key",
            user_handle: Some(self.user_handle.clone()),
            key: self.key.clone(),
        }
    }

    fn client_data(&self, kind: &str, public_key: &Value) -> ClientData {
        ClientData(json!({
            "type": kind,
            "challenge": public_key["challenge"],
            "origin": self.origin,
            "crossOrigin": false,
        }))
    }
}

impl Attestation {
    /// `RegistrationResponseJSON`.
    pub fn json(&self) -> Value {
        let mut object = BTreeMap::new();
        object.insert(Cbor::from("fmt".to_owned()), Cbor::from(self.format.to_owned()));
        object.insert(Cbor::from("attStmt".to_owned()), Cbor::Map(BTreeMap::new()));
        object.insert(Cbor::from("authData".to_owned()), Cbor::Bytes(self.auth_data()));
        let object = serde_cbor_2::to_vec(&Cbor::Map(object)).unwrap();
        json!({
            "id": self.id,
            "rawId": base64url(&self.raw_id),
            "type": self.kind,
            "response": {
                "clientDataJSON": base64url(self.client_data.bytes()),
                "attestationObject": base64url(object),
                "transports": ["internal"],
            },
            "authenticatorAttachment": "platform",
            "clientExtensionResults": { "credProps": { "rk": true } },
        })
    }

    fn auth_data(&self) -> Vec<u8> {
        let length = self.attested_length.unwrap_or(u16::try_from(self.attested_id.len()).unwrap());
        let mut bytes = head(&self.rp_id, self.flags, self.counter);
        if self.flags & AT != 0 {
            bytes.extend(self.aaguid);
            bytes.extend(length.to_be_bytes());
            bytes.extend(&self.attested_id);
            bytes.extend(self.cose_key());
        }
        bytes
    }

    /// RFC 9053 §7.1.1.
    fn cose_key(&self) -> Vec<u8> {
        let point = self.key.verifying_key().to_sec1_point(false);
        let (x, y) = (point.x().unwrap().to_vec(), point.y().unwrap().to_vec());
        let parts = [
            (1, Cbor::Integer(2)),
            (3, Cbor::Integer(self.algorithm)),
            (-1, Cbor::Integer(1)),
            (-2, Cbor::Bytes(x)),
            (-3, Cbor::Bytes(y)),
        ];
        let map = parts.into_iter().map(|(label, value)| (Cbor::Integer(label), value)).collect();
        serde_cbor_2::to_vec(&Cbor::Map(map)).unwrap()
    }
}

impl Assertion {
    /// `AuthenticationResponseJSON`.
    pub fn json(&self) -> Value {
        let auth_data = head(&self.rp_id, self.flags, self.counter);
        let client_data = self.client_data.bytes();
        let signature: DerSignature = self.key.sign(&[auth_data.as_slice(), &sha256(&client_data)].concat());
        let mut response = json!({
            "clientDataJSON": base64url(client_data),
            "authenticatorData": base64url(auth_data),
            "signature": base64url(signature.as_bytes()),
        });
        if let Some(handle) = &self.user_handle {
            response["userHandle"] = base64url(handle).into();
        }
        json!({
            "id": self.id,
            "rawId": base64url(&self.raw_id),
            "type": self.kind,
            "response": response,
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
        })
    }
}

/// The part of the authenticator data that each has (WebAuthn L3 §6.1).
fn head(rp_id: &str, flags: u8, counter: u32) -> Vec<u8> {
    let mut bytes = sha256(rp_id).to_vec();
    bytes.push(flags);
    bytes.extend(counter.to_be_bytes());
    bytes
}
