use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use postern_domain::account::{Account, Passkey};
use postern_domain::id::{AccountId, PasskeyId, SessionId};
use postern_domain::name::PasskeyName;
use postern_domain::passkey::{ClientData, check_counter};
use postern_http::{Error, Settings};
use postern_keys::{KeyError, Keyring, Purpose};
use postern_store::Ceremony;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;
use uuid::Uuid;
use webauthn_rs::prelude::{
    AttestationFormat, Credential, DiscoverableAuthentication, ParsedAttestation, Passkey as WebauthnPasskey,
    PasskeyRegistration, Webauthn, WebauthnBuilder, WebauthnError,
};

use crate::providers;
use crate::wire::{Authentication, Registration};

/// A ceremony lasts this long (WebAuthn L3 §15.1 recommends 5 to 10 minutes).
const LIFE: SignedDuration = SignedDuration::from_mins(5);
const TIMEOUT: Duration = Duration::from_mins(5);

const SIGN_IN: &str = "si_";
const ENROLMENT: &str = "en_";

/// The relying party, and the ceremonies that it takes part in.
#[derive(Debug, Clone)]
pub struct Ceremonies {
    webauthn: Webauthn,
    origins: Vec<String>,
}

/// The RP id is not a suffix of an origin's host, or an origin is not one.
#[derive(thiserror::Error, Debug)]
#[error("the RP id and the origins do not fit together: {0}")]
pub struct InvalidRelyingParty(String);

/// Options for the browser, and the sealed state that it brings back.
#[derive(Debug)]
pub struct Options {
    pub sealed: String,
    pub public_key: Value,
}

/// The state does not open, was sealed for something else, or its time is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CeremonyOver;

/// What the browser brings back of an enrolment.
#[derive(Debug)]
pub struct EnrolmentAnswer {
    pub sealed: String,
    pub credential: Registration,
    pub name: Option<PasskeyName>,
}

/// A passkey that was created, and the ceremony to spend.
#[derive(Debug)]
pub struct Enrolled {
    pub passkey: Passkey,
    pub ceremony: Ceremony,
}

/// Why an enrolment is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnrolmentRefused {
    CeremonyOver,
    /// The credential is already the account's.
    Exists,
    /// The answer does not hold.
    Credential,
}

/// A sign-in that was begun here and is not over.
#[derive(Debug)]
pub struct PendingSignIn {
    state: DiscoverableAuthentication,
    pub ceremony: Ceremony,
}

/// A right answer, and what it says of the passkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    pub counter: u32,
    pub backed_up: bool,
}

/// Why an answer is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerRefused {
    Wrong,
    /// The signature holds, but the counter did not grow.
    CounterDidNotGrow,
}

#[derive(Serialize, Deserialize)]
struct Sealed<S> {
    expires_at: Timestamp,
    state: S,
}

impl Ceremonies {
    /// Reads `RP_ID`, `RP_NAME` and `ORIGINS`, and says which of these is missing or does not fit the others.
    pub fn from_settings(settings: &Settings) -> Result<Self, Error> {
        let (id, name) = (settings.required("RP_ID")?, settings.required("RP_NAME")?);
        Ok(Self::new(&id, &name, settings.list("ORIGINS")?)?)
    }

    /// `origins`: those whose pages may use the RP id, to the letter.
    pub fn new(rp_id: &str, rp_name: &str, origins: Vec<String>) -> Result<Self, InvalidRelyingParty> {
        let invalid = |error: &dyn std::fmt::Display| InvalidRelyingParty(error.to_string());
        let urls: Vec<Url> = origins
            .iter()
            .map(|origin| origin.parse())
            .collect::<Result<_, _>>()
            .map_err(|error| invalid(&error))?;
        let (first, others) = urls.split_first().ok_or_else(|| invalid(&"there is no origin"))?;
        let builder = WebauthnBuilder::new(rp_id, first).map_err(|error| invalid(&error))?;
        let builder = builder.rp_name(rp_name).timeout(TIMEOUT);
        let builder = others.iter().fold(builder, WebauthnBuilder::append_allowed_origin);
        Ok(Self { webauthn: builder.build().map_err(|error| invalid(&error))?, origins })
    }

    /// `PublicKeyCredentialCreationOptionsJSON`, for this account and session alone.
    pub fn enrolment_options(
        &self,
        keyring: &Keyring,
        account: &Account,
        session: &SessionId,
        now: Timestamp,
    ) -> Result<Options, KeyError> {
        let handle = Uuid::from_bytes(account.id.bytes().map_err(|_| KeyError::Corrupt)?);
        let taken =
            account.methods.passkeys.iter().map(|passkey| credential(passkey).map(|known| known.cred_id));
        let taken = taken.collect::<Option<Vec<_>>>().ok_or(KeyError::Corrupt)?;
        let username = account.username.as_str();
        let (options, state) = self
            .webauthn
            .start_passkey_registration(handle, username, username, Some(taken))
            .map_err(KeyError::unavailable)?;
        let mut public_key = serde_json::to_value(options.public_key).map_err(KeyError::unavailable)?;
        // webauthn-rs asks for a passkey without asking that it be discoverable; signing in without a
        // username rests on that (WebAuthn L3 §5.4.4).
        if let Some(selection) = public_key.get_mut("authenticatorSelection").and_then(Value::as_object_mut) {
            selection.insert("residentKey".to_owned(), "required".into());
            selection.insert("requireResidentKey".to_owned(), true.into());
        }
        let context = [account.id.as_str(), session.as_str()];
        let sealed = seal(keyring, Purpose::PasskeyEnrolment, &context, ENROLMENT, &state, now)?;
        Ok(Options { sealed, public_key })
    }

    /// WebAuthn L3 §7.1: what the browser created for [`Self::enrolment_options`] of the same account and
    /// session.
    pub fn enrol(
        &self,
        keyring: &Keyring,
        account: &Account,
        session: &SessionId,
        answer: EnrolmentAnswer,
        now: Timestamp,
    ) -> Result<Enrolled, EnrolmentRefused> {
        let EnrolmentAnswer { sealed, credential: given, name } = answer;
        let context = [account.id.as_str(), session.as_str()];
        let (state, ceremony): (PasskeyRegistration, _) =
            open(keyring, Purpose::PasskeyEnrolment, &context, ENROLMENT, &sealed, now)
                .map_err(|CeremonyOver| EnrolmentRefused::CeremonyOver)?;
        self.check_client_data(given.client_data()).ok_or(EnrolmentRefused::Credential)?;
        let provider = providers::provider(given.attestation_object());
        let given = given.check().map_err(|_| EnrolmentRefused::Credential)?;
        let named = passkey_id(&given.raw_id);
        if account.passkey(&named).is_some() {
            return Err(EnrolmentRefused::Exists);
        }
        let created = self
            .webauthn
            .finish_passkey_registration(&given, &state)
            .map_err(|_| EnrolmentRefused::Credential)?;
        // The signed data's id is what counts; a client that names another is not believed.
        if created.cred_id().as_slice() != given.raw_id {
            return Err(EnrolmentRefused::Credential);
        }
        let created = without_attestation(created.into());
        let stored = serde_json::to_string(&WebauthnPasskey::from(created.clone()))
            .map_err(|_| EnrolmentRefused::Credential)?;
        let name = name
            .or_else(|| provider.and_then(|provider| provider.parse().ok()))
            .or_else(|| "Passkey".parse().ok())
            .ok_or(EnrolmentRefused::Credential)?;
        let passkey = Passkey {
            id: named,
            name,
            created_at: now,
            last_used_at: None,
            backup_eligible: created.backup_eligible,
            backed_up: created.backup_state,
            counter: created.counter,
            provider: provider.map(str::to_owned),
            credential: stored,
        };
        Ok(Enrolled { passkey, ceremony })
    }

    /// `PublicKeyCredentialRequestOptionsJSON` for whoever holds a passkey here.
    pub fn sign_in_options(&self, keyring: &Keyring, now: Timestamp) -> Result<Options, KeyError> {
        let (options, state) =
            self.webauthn.start_discoverable_authentication().map_err(KeyError::unavailable)?;
        let public_key = serde_json::to_value(options.public_key).map_err(KeyError::unavailable)?;
        let sealed = seal(keyring, Purpose::PasskeySignIn, &[], SIGN_IN, &state, now)?;
        Ok(Options { sealed, public_key })
    }

    /// The sign-in that was begun by [`Self::sign_in_options`].
    pub fn pending(
        &self,
        keyring: &Keyring,
        sign_in: &str,
        now: Timestamp,
    ) -> Result<PendingSignIn, CeremonyOver> {
        let (state, ceremony) = open(keyring, Purpose::PasskeySignIn, &[], SIGN_IN, sign_in, now)?;
        Ok(PendingSignIn { state, ceremony })
    }

    /// Whom the answer claims to be: the user handle's account and the credential.
    #[must_use]
    pub fn claimed(given: &Authentication) -> Option<(AccountId, PasskeyId)> {
        let handle = given.user_handle()?.try_into().ok()?;
        Some((AccountId::from_bytes(handle), passkey_id(given.credential_id())))
    }

    /// WebAuthn L3 §7.2: whether `given` answers `pending` with `passkey`, which must be of the account that
    /// [`Self::claimed`] names.
    pub fn answer(
        &self,
        pending: PendingSignIn,
        given: Authentication,
        passkey: &Passkey,
    ) -> Result<Answer, AnswerRefused> {
        self.check_client_data(given.client_data()).ok_or(AnswerRefused::Wrong)?;
        let given = given.check().map_err(|_| AnswerRefused::Wrong)?;
        let mut known = credential(passkey).ok_or(AnswerRefused::Wrong)?;
        // The stored credential is as it was created; what has moved since stands beside it.
        known.counter = passkey.counter;
        known.backup_state = passkey.backed_up;
        let result = self.webauthn.finish_discoverable_authentication_v2(&given, pending.state, &known);
        let result = result.map_err(|error| match error {
            WebauthnError::CredentialPossibleCompromise => AnswerRefused::CounterDidNotGrow,
            _ => AnswerRefused::Wrong,
        })?;
        if !result.user_verified() || result.backup_eligible() != passkey.backup_eligible {
            return Err(AnswerRefused::Wrong);
        }
        check_counter(passkey.counter, result.counter()).map_err(|_| AnswerRefused::CounterDidNotGrow)?;
        Ok(Answer { counter: result.counter(), backed_up: result.backup_state() })
    }

    fn check_client_data(&self, bytes: &[u8]) -> Option<()> {
        let data: ClientData = serde_json::from_slice(bytes).ok()?;
        data.check(&self.origins).ok()
    }
}

/// The passkey's public name: the SHA-256 of its credential id.
fn passkey_id(credential_id: &[u8]) -> PasskeyId {
    PasskeyId::from_bytes(sha256(credential_id))
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

/// Attestation is not asked for, and nothing rests on it. A client that sends one all the same, with as
/// many certificates as a body holds, does not fill the account's partition with them.
fn without_attestation(created: Credential) -> Credential {
    Credential {
        attestation: ParsedAttestation::default(),
        attestation_format: AttestationFormat::None,
        ..created
    }
}

fn credential(passkey: &Passkey) -> Option<Credential> {
    serde_json::from_str::<WebauthnPasskey>(&passkey.credential).ok().map(Credential::from)
}

fn seal(
    keyring: &Keyring,
    purpose: Purpose,
    context: &[&str],
    prefix: &str,
    state: &impl Serialize,
    now: Timestamp,
) -> Result<String, KeyError> {
    let expires_at = now.saturating_add(LIFE).map_err(KeyError::unavailable)?;
    let plain = serde_json::to_vec(&Sealed { expires_at, state }).map_err(KeyError::unavailable)?;
    let sealed = keyring.seal(purpose, context, &plain, now)?;
    Ok(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(sealed)))
}

fn open<S: DeserializeOwned>(
    keyring: &Keyring,
    purpose: Purpose,
    context: &[&str],
    prefix: &str,
    sealed: &str,
    now: Timestamp,
) -> Result<(S, Ceremony), CeremonyOver> {
    let bytes = sealed.strip_prefix(prefix).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let bytes = bytes.ok_or(CeremonyOver)?;
    let plain = keyring.open_sealed(purpose, context, &bytes).map_err(|_| CeremonyOver)?;
    let Sealed { expires_at, state } = serde_json::from_slice(plain.expose()).map_err(|_| CeremonyOver)?;
    if now >= expires_at {
        return Err(CeremonyOver);
    }
    let id = URL_SAFE_NO_PAD.encode(sha256(&bytes));
    Ok((state, Ceremony { id, expires_at }))
}

#[cfg(test)]
#[path = "ceremonies_tests.rs"]
mod tests;
