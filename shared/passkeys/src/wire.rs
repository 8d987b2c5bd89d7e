//! What browsers send: `RegistrationResponseJSON` and `AuthenticationResponseJSON` (WebAuthn L3 §5.1).
//!
//! Members that are not used are tolerated, as browsers add them, extension outputs among them: nothing
//! here rests on those.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use postern_domain::passkey::LONGEST_CREDENTIAL_ID;
use serde::{Deserialize, Deserializer};
use webauthn_rs::prelude::{PublicKeyCredential, RegisterPublicKeyCredential};

/// Bytes in base64url without padding, as the specification writes them.
#[derive(Debug, Clone)]
struct Base64Url(Vec<u8>);

impl<'de> Deserialize<'de> for Base64Url {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        URL_SAFE_NO_PAD.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}

/// The answer to `navigator.credentials.create()`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registration {
    id: String,
    raw_id: Base64Url,
    #[serde(rename = "type")]
    kind: String,
    response: Attestation,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attestation {
    #[serde(rename = "clientDataJSON")]
    client_data: Base64Url,
    attestation_object: Base64Url,
}

/// The answer to `navigator.credentials.get()`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Authentication {
    id: String,
    raw_id: Base64Url,
    #[serde(rename = "type")]
    kind: String,
    response: Assertion,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Assertion {
    #[serde(rename = "clientDataJSON")]
    client_data: Base64Url,
    authenticator_data: Base64Url,
    signature: Base64Url,
    #[serde(default)]
    user_handle: Option<Base64Url>,
}

/// The parts do not belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inconsistent;

impl Registration {
    pub(crate) fn client_data(&self) -> &[u8] {
        &self.response.client_data.0
    }

    pub(crate) fn attestation_object(&self) -> &[u8] {
        &self.response.attestation_object.0
    }

    pub(crate) fn check(self) -> Result<RegisterPublicKeyCredential, Inconsistent> {
        check(&self.id, &self.raw_id, &self.kind)?;
        let response = webauthn_rs_proto::AuthenticatorAttestationResponseRaw {
            attestation_object: self.response.attestation_object.0,
            client_data_json: self.response.client_data.0,
            transports: None,
        };
        Ok(RegisterPublicKeyCredential {
            id: self.id,
            raw_id: self.raw_id.0,
            response,
            type_: self.kind,
            extensions: webauthn_rs_proto::RegistrationExtensionsClientOutputs::default(),
        })
    }
}

impl Authentication {
    pub(crate) fn client_data(&self) -> &[u8] {
        &self.response.client_data.0
    }

    pub(crate) fn credential_id(&self) -> &[u8] {
        &self.raw_id.0
    }

    pub(crate) fn user_handle(&self) -> Option<&[u8]> {
        self.response.user_handle.as_ref().map(|handle| handle.0.as_slice())
    }

    pub(crate) fn check(self) -> Result<PublicKeyCredential, Inconsistent> {
        check(&self.id, &self.raw_id, &self.kind)?;
        let response = webauthn_rs_proto::AuthenticatorAssertionResponseRaw {
            authenticator_data: self.response.authenticator_data.0,
            client_data_json: self.response.client_data.0,
            signature: self.response.signature.0,
            user_handle: self.response.user_handle.map(|handle| handle.0),
        };
        Ok(PublicKeyCredential {
            id: self.id,
            raw_id: self.raw_id.0,
            response,
            extensions: webauthn_rs_proto::AuthenticationExtensionsClientOutputs::default(),
            type_: self.kind,
        })
    }
}

fn check(id: &str, raw_id: &Base64Url, kind: &str) -> Result<(), Inconsistent> {
    let consistent = kind == "public-key"
        && (1..=LONGEST_CREDENTIAL_ID).contains(&raw_id.0.len())
        && URL_SAFE_NO_PAD.encode(&raw_id.0) == id;
    if consistent { Ok(()) } else { Err(Inconsistent) }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
