//! An authenticator that says whatever a test wants, rightly signed: so that a refusal is for the one thing that is wrong.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_cbor_2::Value as Cbor;
use serde_json::{Value, json};

use crate::wire::{Authentication, Registration};

pub const RP_ID: &str = "id.example";
pub const ORIGIN: &str = "https://id.example";

const USER_PRESENT: u8 = 1;
pub const USER_VERIFIED: u8 = 1 << 2;
pub const BACKUP_ELIGIBLE: u8 = 1 << 3;
pub const BACKED_UP: u8 = 1 << 4;
const ATTESTED: u8 = 1 << 6;

pub struct Forge {
    key: EcdsaKeyPair,
    pub credential_id: Vec<u8>,
}

/// All that an answer says. Right, unless a test changes it.
pub struct Says {
    pub client_data: Value,
    pub rp_id: String,
    pub flags: u8,
    pub counter: u32,
    pub aaguid: [u8; 16],
    /// The credential that the signed data name.
    pub signed_id: Vec<u8>,
    /// The credential that the client names.
    pub raw_id: Vec<u8>,
    pub id: Option<String>,
    pub kind: &'static str,
    pub user_handle: Option<Vec<u8>>,
    pub self_attested: bool,
    /// In place of the client data, as bytes.
    pub client_data_text: Option<String>,
    pub signed_by: Option<EcdsaKeyPair>,
}

impl Forge {
    pub fn new() -> Self {
        Self { key: key(), credential_id: b"credential".to_vec() }
    }

    /// Answers `navigator.credentials.create()`.
    pub fn create(&self, options: &Value, change: impl FnOnce(&mut Says)) -> Registration {
        serde_json::from_value(self.registration(options, change)).unwrap()
    }

    pub fn registration(&self, options: &Value, change: impl FnOnce(&mut Says)) -> Value {
        let mut says = self.says(options, "webauthn.create");
        change(&mut says);
        let mut data = says.head(ATTESTED);
        data.extend(says.aaguid);
        data.extend(u16::try_from(says.signed_id.len()).unwrap().to_be_bytes());
        data.extend(&says.signed_id);
        data.extend(serde_cbor_2::to_vec(&self.public_key()).unwrap());
        let client_data = says.client_data();
        let (format, statement) = if says.self_attested {
            let statement =
                map([("alg", Cbor::Integer(-7)), ("sig", Cbor::Bytes(self.sign(&data, &client_data)))]);
            ("packed", statement)
        } else {
            ("none", map([]))
        };
        let object = map([
            ("fmt", Cbor::Text(format.into())),
            ("attStmt", statement),
            ("authData", Cbor::Bytes(data)),
        ]);
        let response = json!({
            "clientDataJSON": encode(&client_data),
            "attestationObject": encode(serde_cbor_2::to_vec(&object).unwrap()),
            "transports": ["internal"],
        });
        says.credential(&response)
    }

    /// Answers `navigator.credentials.get()`.
    pub fn get(
        &self,
        options: &Value,
        user_handle: [u8; 16],
        change: impl FnOnce(&mut Says),
    ) -> Authentication {
        let mut says = self.says(options, "webauthn.get");
        says.user_handle = Some(user_handle.to_vec());
        change(&mut says);
        let (data, client_data) = (says.head(0), says.client_data());
        let signer = says.signed_by.as_ref().unwrap_or(&self.key);
        let response = json!({
            "clientDataJSON": encode(&client_data),
            "authenticatorData": encode(&data),
            "signature": encode(sign(signer, &data, &client_data)),
            "userHandle": says.user_handle.as_ref().map(encode),
        });
        serde_json::from_value(says.credential(&response)).unwrap()
    }

    fn says(&self, options: &Value, kind: &str) -> Says {
        Says {
            client_data: json!({ "type": kind, "challenge": options["challenge"], "origin": ORIGIN, "crossOrigin": false }),
            rp_id: RP_ID.to_owned(),
            flags: USER_PRESENT | USER_VERIFIED,
            counter: 0,
            aaguid: [0; 16],
            signed_id: self.credential_id.clone(),
            raw_id: self.credential_id.clone(),
            id: None,
            kind: "public-key",
            user_handle: None,
            self_attested: false,
            client_data_text: None,
            signed_by: None,
        }
    }

    /// RFC 9053 §7.1.1: an elliptic-curve key, P-256, for ES256.
    fn public_key(&self) -> Cbor {
        let point = self.key.public_key().as_ref();
        let (x, y) = (Cbor::Bytes(point[1..33].to_vec()), Cbor::Bytes(point[33..].to_vec()));
        let entries =
            [(1, Cbor::Integer(2)), (3, Cbor::Integer(-7)), (-1, Cbor::Integer(1)), (-2, x), (-3, y)];
        Cbor::Map(entries.into_iter().map(|(label, value)| (Cbor::Integer(label), value)).collect())
    }

    fn sign(&self, data: &[u8], client_data: &[u8]) -> Vec<u8> {
        sign(&self.key, data, client_data)
    }
}

impl Says {
    fn head(&self, more: u8) -> Vec<u8> {
        let mut data = digest(&SHA256, self.rp_id.as_bytes()).as_ref().to_vec();
        data.push(self.flags | more);
        data.extend(self.counter.to_be_bytes());
        data
    }

    fn client_data(&self) -> Vec<u8> {
        self.client_data_text.clone().unwrap_or_else(|| self.client_data.to_string()).into_bytes()
    }

    fn credential(&self, response: &Value) -> Value {
        let id = self.id.clone().unwrap_or_else(|| encode(&self.raw_id));
        json!({
            "id": id,
            "rawId": encode(&self.raw_id),
            "type": self.kind,
            "response": response,
            "clientExtensionResults": { "credProps": { "rk": true } },
            "authenticatorAttachment": "platform",
        })
    }
}

pub fn key() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap()
}

fn sign(key: &EcdsaKeyPair, data: &[u8], client_data: &[u8]) -> Vec<u8> {
    let signed = [data, digest(&SHA256, client_data).as_ref()].concat();
    key.sign(&SystemRandom::new(), &signed).unwrap().as_ref().to_vec()
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn map<const N: usize>(entries: [(&str, Cbor); N]) -> Cbor {
    Cbor::Map(entries.into_iter().map(|(name, value)| (Cbor::Text(name.to_owned()), value)).collect())
}
