use passkey_authenticator::{
    Authenticator, CredentialStore, DiscoverabilitySupport, StoreInfo, UiHint, UserCheck,
    UserValidationMethod,
};
use passkey_client::{Client, DefaultClientData};
use passkey_crypto::AvailableBackend;
use passkey_types::Passkey;
use passkey_types::ctap2::make_credential::{
    Options, PublicKeyCredentialRpEntity, PublicKeyCredentialUserEntity,
};
use passkey_types::ctap2::{Aaguid, Ctap2Error, StatusCode};
use passkey_types::webauthn::PublicKeyCredentialDescriptor;
use serde_json::{Value, json};
use url::Url;

/// passkey-rs's authenticator behind its browser: one device, on the page at `origin`.
#[derive(Debug, Clone)]
pub struct SoftwareKey {
    origin: Url,
    /// Whether new passkeys count their use.
    pub counts: bool,
    passkeys: Vec<Passkey>,
}

struct Device(Vec<Passkey>);

#[async_trait::async_trait]
impl CredentialStore for Device {
    type PasskeyItem = Passkey;

    async fn find_credentials(
        &self,
        ids: Option<&[PublicKeyCredentialDescriptor]>,
        rp_id: &str,
        _user_handle: Option<&[u8]>,
    ) -> Result<Vec<Passkey>, StatusCode> {
        let wanted = |passkey: &&Passkey| {
            passkey.rp_id == rp_id
                && ids.is_none_or(|ids| ids.iter().any(|known| known.id == passkey.credential_id))
        };
        let found: Vec<Passkey> = self.0.iter().rev().filter(wanted).cloned().collect();
        if found.is_empty() { Err(Ctap2Error::NoCredentials.into()) } else { Ok(found) }
    }

    async fn save_credential(
        &mut self,
        passkey: Passkey,
        _user: PublicKeyCredentialUserEntity,
        _rp: PublicKeyCredentialRpEntity,
        _options: Options,
    ) -> Result<(), StatusCode> {
        self.0.push(passkey);
        Ok(())
    }

    async fn update_credential(&mut self, used: &Passkey) -> Result<(), StatusCode> {
        for passkey in self.0.iter_mut().filter(|passkey| passkey.credential_id == used.credential_id) {
            *passkey = used.clone();
        }
        Ok(())
    }

    async fn get_info(&self) -> StoreInfo {
        StoreInfo { discoverability: DiscoverabilitySupport::Full }
    }
}

/// Someone is there, and shows the device a finger.
struct Owner;

#[async_trait::async_trait]
impl UserValidationMethod for Owner {
    type PasskeyItem = Passkey;

    async fn check_user<'a>(
        &self,
        _hint: UiHint<'a, Passkey>,
        presence: bool,
        verification: bool,
    ) -> Result<UserCheck, Ctap2Error> {
        Ok(UserCheck { presence, verification })
    }

    fn is_presence_enabled(&self) -> bool {
        true
    }

    fn is_verification_enabled(&self) -> Option<bool> {
        Some(true)
    }
}

impl SoftwareKey {
    pub fn new(origin: &str) -> Self {
        Self { origin: origin.parse().unwrap(), counts: false, passkeys: Vec::new() }
    }

    /// `navigator.credentials.create()`, to JSON and back as a browser does it.
    pub async fn create(&mut self, public_key: &Value) -> Value {
        let options = serde_json::from_value(json!({ "publicKey": public_key })).unwrap();
        let mut client = Client::new(self.authenticator()).allows_insecure_localhost(true);
        let created = client.register(&self.origin, options, DefaultClientData).await.unwrap();
        self.passkeys.clone_from(&client.authenticator().store().0);
        serde_json::to_value(created).unwrap()
    }

    /// `navigator.credentials.get()`.
    pub async fn get(&mut self, public_key: &Value) -> Value {
        let options = serde_json::from_value(json!({ "publicKey": public_key })).unwrap();
        let mut client = Client::new(self.authenticator()).allows_insecure_localhost(true);
        let answered = client.authenticate(&self.origin, options, DefaultClientData).await.unwrap();
        self.passkeys.clone_from(&client.authenticator().store().0);
        serde_json::to_value(answered).unwrap()
    }

    fn authenticator(&self) -> Authenticator<Device, Owner, AvailableBackend> {
        let device = Device(self.passkeys.clone());
        let mut device = Authenticator::new(Aaguid::new_empty(), device, Owner, AvailableBackend);
        device.set_make_credentials_with_signature_counter(self.counts);
        device
    }
}
