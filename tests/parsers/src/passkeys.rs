//! What browsers bring back of a passkey's ceremonies, and what is sealed.

use std::future::Future;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use postern_domain::account::{Account, Methods, Passkey};
use postern_domain::id::{AccountId, SessionId};
use postern_keys::rotation::SealingKeyDue;
use postern_keys::{Keyring, LocalKeys};
use postern_passkeys::wire::{Authentication, Registration};
use postern_passkeys::{AnswerRefused, Ceremonies, CeremonyOver, EnrolmentAnswer, EnrolmentRefused, Options};
use postern_sign_ins::SignIn;
use serde_cbor_2::Value as Cbor;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Flags of authenticator data (WebAuthn L3 §6.1).
const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const ATTESTED: u8 = 1 << 6;

const RP_ID: &str = "id.example";
const ORIGIN: &str = "https://id.example";
const NOW: Timestamp = Timestamp::constant(1_740_830_400, 0);
const CREDENTIAL: &[u8] = b"credential";

/// An attestation object as an authenticator makes it, of the public key in RFC 6979 A.2.5.
const ATTESTATION: &[u8] = include_bytes!("../fuzz/corpus/passkey_enrolments/none-es256");

static BENCH: LazyLock<Bench> = LazyLock::new(|| run(Bench::new()));

/// A relying party, and an account with its session and its passkey.
struct Bench {
    ceremonies: Ceremonies,
    keyring: Keyring,
    account: Account,
    session: SessionId,
    passkey: Passkey,
}

impl Bench {
    async fn new() -> Self {
        let keys = LocalKeys::ephemeral();
        let due = SealingKeyDue { version: 1, active_from: Timestamp::UNIX_EPOCH };
        let keyring = Keyring::open(&keys, &[due.make(&keys).await.unwrap()]).await.unwrap();
        let ceremonies = Ceremonies::new(RP_ID, "The portal", vec![ORIGIN.to_owned()]).unwrap();
        let account = Account {
            id: AccountId::from_bytes([7; 16]),
            username: "dr.rivera".parse().unwrap(),
            email: "rivera@clinic.example".parse().unwrap(),
            locale: "en-US".parse().unwrap(),
            created_at: NOW,
            forget_at: None,
            generation: 0,
            revision: 0,
            methods: Methods::default(),
            recovery_code: None,
        };
        let session = SessionId::from_bytes([8; 32]);
        let passkey = enrol(&ceremonies, &keyring, &account, &session, ATTESTATION).unwrap();
        Self { ceremonies, keyring, account, session, passkey }
    }

    fn sign_in(&self, credential: Authentication, sealed: &str) -> Result<(), AnswerRefused> {
        let pending = self.ceremonies.pending(&self.keyring, sealed, NOW).unwrap();
        self.ceremonies.answer(pending, credential, &self.passkey).map(drop)
    }
}

fn enrol(
    ceremonies: &Ceremonies,
    keyring: &Keyring,
    account: &Account,
    session: &SessionId,
    attestation: &[u8],
) -> Result<Passkey, EnrolmentRefused> {
    let Options { sealed, public_key } =
        ceremonies.enrolment_options(keyring, account, session, NOW).unwrap();
    let response = json!({
        "clientDataJSON": client_data("webauthn.create", &public_key),
        "attestationObject": URL_SAFE_NO_PAD.encode(attestation),
    });
    let credential = serde_json::from_value(credential(&response)).unwrap();
    let answer = EnrolmentAnswer { sealed, credential, name: None };
    ceremonies.enrol(keyring, account, session, answer, NOW).map(|enrolled| enrolled.passkey)
}

fn client_data(kind: &str, options: &Value) -> String {
    let data = json!({ "type": kind, "challenge": options.get("challenge"), "origin": ORIGIN });
    URL_SAFE_NO_PAD.encode(data.to_string())
}

fn credential(response: &Value) -> Value {
    let id = URL_SAFE_NO_PAD.encode(CREDENTIAL);
    json!({ "id": id, "rawId": id, "type": "public-key", "response": response })
}

/// Attestation objects (WebAuthn L3 §6.5), all else being right: what is enrolled is of our relying party, of the credential that was
/// named, of a verified user, and its record reads again.
pub fn passkey_enrolments(data: &[u8]) {
    let Bench { ceremonies, keyring, account, session, .. } = &*BENCH;
    let Ok(passkey) = enrol(ceremonies, keyring, account, session, data) else { return };
    let object: Cbor = serde_cbor_2::from_slice(data).unwrap();
    let Cbor::Map(members) = object else { panic!("enrolled from no map") };
    let Some(Cbor::Bytes(signed)) = members.get(&Cbor::Text("authData".to_owned())) else {
        panic!("enrolled from no data")
    };
    assert_eq!(signed.get(..32), Some(Sha256::digest(RP_ID).as_slice()));
    let flags = signed.get(32).unwrap();
    assert_eq!(flags & (USER_PRESENT | USER_VERIFIED | ATTESTED), USER_PRESENT | USER_VERIFIED | ATTESTED);
    assert_eq!(passkey.backup_eligible, flags & BACKUP_ELIGIBLE != 0);
    assert_eq!(passkey.backed_up, flags & BACKED_UP != 0);
    assert!(passkey.backup_eligible || !passkey.backed_up);
    assert_eq!(signed.get(55..65), Some(CREDENTIAL));
    let record: Value = serde_json::from_str(&passkey.credential).unwrap();
    assert!(record.is_object());
    let mut owner = account.clone();
    owner.methods.passkeys.push(passkey);
    // Its id is offered to the next enrolment as one that is there already.
    let again = ceremonies.enrolment_options(keyring, &owner, session, NOW).unwrap();
    let excluded = again.public_key.pointer("/excludeCredentials/0/id").and_then(Value::as_str);
    assert_eq!(excluded, Some(URL_SAFE_NO_PAD.encode(CREDENTIAL).as_str()));
}

/// Authenticator data and signatures (WebAuthn L3 §6.1), all else being right: the first byte says how long the data are. Without
/// the key none is right.
pub fn passkey_sign_ins(data: &[u8]) {
    let bench = &*BENCH;
    let Some((&length, rest)) = data.split_first() else { return };
    let (signed, signature) = rest.split_at_checked(length.into()).unwrap_or((rest, &[]));
    let Options { sealed, public_key } = bench.ceremonies.sign_in_options(&bench.keyring, NOW).unwrap();
    let response = json!({
        "clientDataJSON": client_data("webauthn.get", &public_key),
        "authenticatorData": URL_SAFE_NO_PAD.encode(signed),
        "signature": URL_SAFE_NO_PAD.encode(signature),
        "userHandle": URL_SAFE_NO_PAD.encode([7; 16]),
    });
    let credential: Authentication = serde_json::from_value(credential(&response)).unwrap();
    assert!(Ceremonies::claimed(&credential).is_some_and(|(owner, _)| owner == bench.account.id));
    assert_eq!(bench.sign_in(credential, &sealed), Err(AnswerRefused::Wrong));
}

/// `RegistrationResponseJSON` and `AuthenticationResponseJSON` as text: none answers a challenge that was drawn after it.
pub fn passkey_answers(data: &[u8]) {
    let Bench { ceremonies, keyring, account, session, .. } = &*BENCH;
    if let Ok(credential) = serde_json::from_slice::<Registration>(data) {
        let Options { sealed, .. } = ceremonies.enrolment_options(keyring, account, session, NOW).unwrap();
        let answer = EnrolmentAnswer { sealed, credential, name: None };
        let refused = ceremonies.enrol(keyring, account, session, answer, NOW).map(drop).unwrap_err();
        assert_eq!(refused, EnrolmentRefused::Credential);
    }
    if let Ok(credential) = serde_json::from_slice::<Authentication>(data) {
        let _ = Ceremonies::claimed(&credential);
        let Options { sealed, .. } = ceremonies.sign_in_options(keyring, NOW).unwrap();
        assert_eq!(BENCH.sign_in(credential, &sealed), Err(AnswerRefused::Wrong));
    }
}

/// Sealed states: what the keyring did not seal is none.
pub fn sealed(data: &[u8]) {
    let Bench { ceremonies, keyring, .. } = &*BENCH;
    let encoded = URL_SAFE_NO_PAD.encode(data);
    let texts = ["si_", "re_", "en_"].map(|prefix| format!("{prefix}{encoded}"));
    let texts = texts.iter().map(String::as_str).chain(std::str::from_utf8(data));
    for text in texts {
        assert!(SignIn::open(keyring, text, NOW).is_err());
        assert!(SignIn::open_recovery(keyring, text, NOW).is_err());
        assert_eq!(ceremonies.pending(keyring, text, NOW).map(drop), Err(CeremonyOver));
    }
}

/// Runs what waits for nothing but this process.
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(future)
}
