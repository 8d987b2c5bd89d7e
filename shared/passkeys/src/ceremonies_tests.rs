use std::sync::Arc;

use jiff::SignedDuration;
use postern_domain::account::Methods;
use postern_keys::LocalKeys;
use postern_keys::rotation::SealingKeyDue;
use serde_json::json;

use super::*;
use crate::forge::{self, BACKED_UP, BACKUP_ELIGIBLE, Forge, ORIGIN, RP_ID, Says, USER_VERIFIED, encode};

const NOW: Timestamp = Timestamp::constant(1_740_830_400, 123_000_000);
const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);

/// The one thing that is wrong.
type Change = fn(&mut Says);

/// A relying party, an account with its session, and an authenticator.
struct Bench {
    ceremonies: Ceremonies,
    keyring: Keyring,
    account: Account,
    session: SessionId,
    forge: Forge,
}

impl Bench {
    async fn new() -> Self {
        let origins = vec![ORIGIN.to_owned(), "https://portal.id.example:8443".to_owned()];
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
        Self {
            ceremonies: Ceremonies::new(RP_ID, "The portal", origins).unwrap(),
            keyring: keyring().await,
            account,
            session: SessionId::from_bytes([8; 32]),
            forge: Forge::new(),
        }
    }

    fn enrolment_options(&self) -> Options {
        self.ceremonies.enrolment_options(&self.keyring, &self.account, &self.session, NOW).unwrap()
    }

    fn sign_in_options(&self) -> Options {
        self.ceremonies.sign_in_options(&self.keyring, NOW).unwrap()
    }

    /// Enrols with what the authenticator says.
    fn enrol(&self, change: impl FnOnce(&mut Says)) -> Result<Passkey, EnrolmentRefused> {
        let options = self.enrolment_options();
        let given = self.forge.create(&options.public_key, change);
        self.finish(&options.sealed, given, None).map(|enrolled| enrolled.passkey)
    }

    fn finish(
        &self,
        sealed: &str,
        given: Registration,
        name: Option<PasskeyName>,
    ) -> Result<Enrolled, EnrolmentRefused> {
        let answer = EnrolmentAnswer { sealed: sealed.to_owned(), credential: given, name };
        self.ceremonies.enrol(&self.keyring, &self.account, &self.session, answer, NOW)
    }

    /// Signs in with what the authenticator says.
    fn answer(&self, passkey: &Passkey, change: impl FnOnce(&mut Says)) -> Result<Answer, AnswerRefused> {
        let options = self.sign_in_options();
        let pending = self.ceremonies.pending(&self.keyring, &options.sealed, NOW).unwrap();
        let given = self.forge.get(&options.public_key, [7; 16], change);
        self.ceremonies.answer(pending, given, passkey)
    }
}

async fn keyring() -> Keyring {
    let keys = Arc::new(LocalKeys::ephemeral());
    let due = SealingKeyDue { version: 1, active_from: Timestamp::UNIX_EPOCH };
    Keyring::open(&*keys, &[due.make(&*keys).await.unwrap()]).await.unwrap()
}

#[tokio::test]
async fn what_the_browser_is_asked_to_create() {
    let mut bench = Bench::new().await;
    let held = bench.enrol(|_| {}).unwrap();
    bench.account.methods.passkeys.push(held);
    let Options { public_key, .. } = bench.enrolment_options();
    assert_eq!(public_key["rp"], json!({ "id": RP_ID, "name": "The portal" }));
    assert_eq!(
        public_key["user"],
        json!({ "id": encode([7; 16]), "name": "dr.rivera", "displayName": "dr.rivera" })
    );
    let selection = &public_key["authenticatorSelection"];
    assert_eq!(selection["residentKey"], "required");
    assert_eq!(selection["requireResidentKey"], true);
    assert_eq!(selection["userVerification"], "required");
    assert_eq!(public_key["timeout"], 300_000);
    let excluded = &public_key["excludeCredentials"];
    assert_eq!(excluded.as_array().unwrap().len(), 1);
    assert_eq!(
        (&excluded[0]["type"], &excluded[0]["id"]),
        (&json!("public-key"), &json!(encode("credential")))
    );
    assert!(public_key.get("attestation").is_none_or(|wanted| wanted == "none"), "{public_key}");
}

#[tokio::test]
async fn what_the_browser_is_asked_to_sign() {
    let Options { public_key, sealed } = Bench::new().await.sign_in_options();
    assert_eq!(public_key["rpId"], RP_ID);
    assert_eq!(public_key["userVerification"], "required");
    assert_eq!(public_key["timeout"], 300_000);
    assert_eq!(public_key["allowCredentials"], json!([]), "discoverable");
    assert!(sealed.starts_with("si_"));
}

#[tokio::test]
async fn no_challenge_comes_twice() {
    let bench = Bench::new().await;
    let mut challenges = std::collections::HashSet::new();
    for _ in 0..8 {
        for options in [bench.enrolment_options(), bench.sign_in_options()] {
            let challenge = options.public_key["challenge"].as_str().unwrap().to_owned();
            // WebAuthn L3 §13.4.3: 16 bytes at least.
            assert!(URL_SAFE_NO_PAD.decode(&challenge).unwrap().len() >= 16);
            assert!(challenges.insert(challenge) && challenges.insert(options.sealed));
        }
    }
}

#[tokio::test]
async fn a_passkey_is_enrolled_and_answers() {
    let bench = Bench::new().await;
    let options = bench.enrolment_options();
    let given = bench.forge.create(&options.public_key, |says| {
        says.flags |= BACKUP_ELIGIBLE | BACKED_UP;
        says.counter = 3;
    });
    let Enrolled { passkey, ceremony } = bench.finish(&options.sealed, given, None).unwrap();
    assert_eq!(passkey.id, PasskeyId::from_bytes(sha256(b"credential")));
    assert_eq!((passkey.backup_eligible, passkey.backed_up, passkey.counter), (true, true, 3));
    assert_eq!((passkey.created_at, passkey.last_used_at), (NOW, None));
    assert_eq!(ceremony.expires_at, NOW + SignedDuration::from_mins(5));

    // What has moved since stands beside the record of the key, and counts.
    let moved = Passkey { counter: 9, backed_up: false, ..passkey };
    let answer = bench.answer(&moved, |says| {
        says.flags |= BACKUP_ELIGIBLE;
        says.counter = 10;
    });
    assert_eq!(answer, Ok(Answer { counter: 10, backed_up: false }));
    let answer = bench.answer(&moved, |says| {
        says.flags |= BACKUP_ELIGIBLE | BACKED_UP;
        says.counter = 10;
    });
    assert_eq!(answer, Ok(Answer { counter: 10, backed_up: true }));
}

/// WebAuthn L3 §7.1 steps 7 to 12 and §7.2 steps 10 to 15: where it took place, for both ceremonies.
#[tokio::test]
async fn where_a_ceremony_took_place_is_where_it_may() {
    let bench = Bench::new().await;
    let passkey = bench.enrol(|_| {}).unwrap();
    let set = |name: &'static str, value: Value| {
        move |says: &mut Says| {
            says.client_data.as_object_mut().unwrap().insert(name.to_owned(), value);
        }
    };
    for (name, value) in [
        ("origin", json!("https://portal.id.example:8443")),
        ("topOrigin", Value::Null),
        ("other", json!("as browsers add them")),
    ] {
        assert!(bench.enrol(set(name, value.clone())).is_ok(), "{name} {value}");
        assert!(bench.answer(&passkey, set(name, value.clone())).is_ok(), "{name} {value}");
    }
    for (name, value) in [
        ("origin", json!("https://id.example/")),
        ("origin", json!("https://id.example/path")),
        ("origin", json!("https://id.example:443")),
        ("origin", json!("https://ID.example")),
        ("origin", json!("https://user@id.example")),
        ("origin", json!("https://id.example?query")),
        ("origin", json!("http://id.example")),
        ("origin", json!("https://portal.id.example")),
        ("origin", json!("https://id.example.evil.example")),
        ("origin", json!("android:apk-key-hash:2jmj7l5rSw0yVb_vlWAYkK_YBwk")),
        ("origin", json!("null")),
        ("origin", json!("")),
        ("origin", Value::Null),
        ("origin", json!([ORIGIN])),
        ("crossOrigin", json!(true)),
        ("crossOrigin", json!("false")),
        ("crossOrigin", Value::Null),
        ("topOrigin", json!(ORIGIN)),
        ("topOrigin", json!("https://evil.example")),
        ("topOrigin", json!("")),
        ("type", json!("payment.get")),
        ("challenge", json!(encode([0; 32]))),
        ("challenge", json!("")),
    ] {
        let refused = bench.enrol(set(name, value.clone()));
        assert_eq!(refused, Err(EnrolmentRefused::Credential), "{name} {value}");
        let refused = bench.answer(&passkey, set(name, value.clone()));
        assert_eq!(refused, Err(AnswerRefused::Wrong), "{name} {value}");
    }
    // One ceremony's answer is none of the other's.
    let refused = bench.enrol(set("type", json!("webauthn.get")));
    assert_eq!(refused, Err(EnrolmentRefused::Credential));
    let refused = bench.answer(&passkey, set("type", json!("webauthn.create")));
    assert_eq!(refused, Err(AnswerRefused::Wrong));
}

#[tokio::test]
async fn client_data_that_can_be_read_two_ways_are_refused() {
    let bench = Bench::new().await;
    let passkey = bench.enrol(|_| {}).unwrap();
    let texts: [fn(&str) -> String; 5] = [
        |right| right.replacen('{', r#"{"origin":"https://evil.example","#, 1),
        |right| right.replacen('{', r#"{"crossOrigin":true,"#, 1),
        |right| right.replacen('{', r#"{"topOrigin":"https://evil.example","topOrigin":null,"#, 1),
        |right| format!("{right}{right}"),
        |_| "not JSON".to_owned(),
    ];
    for text in texts {
        let change = |says: &mut Says| says.client_data_text = Some(text(&says.client_data.to_string()));
        assert_eq!(bench.enrol(change), Err(EnrolmentRefused::Credential));
        assert_eq!(bench.answer(&passkey, change), Err(AnswerRefused::Wrong));
    }
}

#[tokio::test]
async fn what_an_enrolment_must_say() {
    let bench = Bench::new().await;
    let changes: [(&str, Change); 9] = [
        ("no user verification", |says| says.flags &= !USER_VERIFIED),
        ("no user present", |says| says.flags &= !1),
        ("backed up without being eligible", |says| says.flags |= BACKED_UP),
        ("another RP", |says| says.rp_id = "evil.example".to_owned()),
        ("another credential is signed", |says| says.signed_id = b"other".to_vec()),
        ("another credential is named", |says| says.raw_id = b"other".to_vec()),
        ("the id is not the raw id", |says| says.id = Some(encode("other"))),
        ("the id in another spelling", |says| says.id = Some(format!("{}=", encode("credential")))),
        ("another kind", |says| says.kind = "password"),
    ];
    for (what, change) in changes {
        assert_eq!(bench.enrol(change), Err(EnrolmentRefused::Credential), "{what}");
    }
}

/// WebAuthn L3 §7.1 step 25.
#[tokio::test]
async fn a_credential_id_has_1023_bytes_at_most() {
    let mut bench = Bench::new().await;
    for (length, accepted) in [(1, true), (16, true), (1023, true), (1024, false), (4000, false), (0, false)]
    {
        bench.forge.credential_id = vec![5; length];
        assert_eq!(bench.enrol(|_| {}).is_ok(), accepted, "{length}");
    }
    bench.forge.credential_id = vec![5; 1023];
    let passkey = bench.enrol(|_| {}).unwrap();
    assert!(bench.answer(&passkey, |_| {}).is_ok());
    bench.forge.credential_id = vec![5; 1024];
    assert_eq!(bench.answer(&passkey, |_| {}), Err(AnswerRefused::Wrong));
}

#[tokio::test]
async fn a_credential_of_the_account_is_not_enrolled_again() {
    let mut bench = Bench::new().await;
    let held = bench.enrol(|_| {}).unwrap();
    bench.account.methods.passkeys.push(held);
    assert_eq!(bench.enrol(|_| {}), Err(EnrolmentRefused::Exists));
    bench.forge.credential_id = b"another".to_vec();
    assert!(bench.enrol(|_| {}).is_ok());
}

#[tokio::test]
async fn a_passkey_is_called_something() {
    let bench = Bench::new().await;
    let named = |aaguid: [u8; 16], name: Option<&str>| {
        let options = bench.enrolment_options();
        let given = bench.forge.create(&options.public_key, |says| says.aaguid = aaguid);
        let name = name.map(|name| name.parse().unwrap());
        bench.finish(&options.sealed, given, name).unwrap().passkey
    };
    let bitwarden = uuid::uuid!("d548826e-79b4-db40-a3d8-11116f7e8349").into_bytes();
    let passkey = named(bitwarden, Some("Front desk"));
    assert_eq!((passkey.name.as_str(), passkey.provider.as_deref()), ("Front desk", Some("Bitwarden")));
    assert_eq!(named(bitwarden, None).name.as_str(), "Bitwarden");
    let passkey = named([9; 16], None);
    assert_eq!((passkey.name.as_str(), passkey.provider), ("Passkey", None));
}

/// Attestation is not asked for, and nothing rests on it: what a client sends unasked would only fill the account's
/// partition, chains of certificates among it.
#[tokio::test]
async fn attestation_is_not_kept() {
    let bench = Bench::new().await;
    let passkey = bench.enrol(|says| says.self_attested = true).unwrap();
    assert!(!passkey.credential.contains("Self"), "{}", passkey.credential);
    let plain = bench.enrol(|_| {}).unwrap();
    assert_eq!(passkey.credential, plain.credential);
    assert!(bench.answer(&passkey, |_| {}).is_ok());
}

/// 20 of them, and more, fit the page that an account is read in (1 MB).
#[tokio::test]
async fn a_passkeys_record_is_small() {
    let mut bench = Bench::new().await;
    bench.forge.credential_id = vec![255; 1023];
    let passkey = bench.enrol(|says| says.self_attested = true).unwrap();
    assert!(passkey.credential.len() < 4096, "{} bytes", passkey.credential.len());
}

#[tokio::test]
async fn what_an_answer_must_say() {
    let bench = Bench::new().await;
    let passkey = bench.enrol(|says| says.flags |= BACKUP_ELIGIBLE).unwrap();
    let eligible = |says: &mut Says| says.flags |= BACKUP_ELIGIBLE;
    assert!(bench.answer(&passkey, eligible).is_ok());
    let changes: [(&str, Change); 9] = [
        ("no user verification", |says| says.flags &= !USER_VERIFIED),
        ("no user present", |says| says.flags &= !1),
        ("eligible no more", |says| says.flags &= !BACKUP_ELIGIBLE),
        ("another RP", |says| says.rp_id = "evil.example".to_owned()),
        ("another key", |says| says.signed_by = Some(forge::key())),
        ("another credential", |says| says.raw_id = b"other".to_vec()),
        ("the id is not the raw id", |says| says.id = Some(encode("other"))),
        ("the id in another spelling", |says| says.id = Some(format!("{}=", encode("credential")))),
        ("another kind", |says| says.kind = "password"),
    ];
    for (what, change) in changes {
        let refused = bench.answer(&passkey, |says| {
            eligible(says);
            change(says);
        });
        assert_eq!(refused, Err(AnswerRefused::Wrong), "{what}");
    }
    // WebAuthn L3 §6.1.3: eligibility never changes, in neither direction.
    let device_bound = Passkey { backup_eligible: false, ..bench.enrol(|_| {}).unwrap() };
    assert_eq!(bench.answer(&device_bound, eligible), Err(AnswerRefused::Wrong));
    let backed_up_only = bench.answer(&device_bound, |says| says.flags |= BACKED_UP);
    assert_eq!(backed_up_only, Err(AnswerRefused::Wrong));
}

/// WebAuthn L3 §7.2 step 22.
#[tokio::test]
async fn a_counter_grows_or_is_always_zero() {
    let bench = Bench::new().await;
    let enrolled = bench.enrol(|_| {}).unwrap();
    for (stored, given, accepted) in [
        (0, 0, true),
        (0, 1, true),
        (1, 2, true),
        (1, 1, false),
        (2, 1, false),
        (1, 0, false),
        (u32::MAX - 1, u32::MAX, true),
        (u32::MAX, u32::MAX, false),
        (u32::MAX, 0, false),
    ] {
        let passkey = Passkey { counter: stored, ..enrolled.clone() };
        let answer = bench.answer(&passkey, |says| says.counter = given);
        let expected = if accepted {
            Ok(Answer { counter: given, backed_up: false })
        } else {
            Err(AnswerRefused::CounterDidNotGrow)
        };
        assert_eq!(answer, expected, "{stored} -> {given}");
    }
}

/// The owner is told of a passkey that may have been cloned: nobody without its key may bring that about.
#[tokio::test]
async fn a_counter_counts_only_under_the_passkeys_own_signature() {
    let bench = Bench::new().await;
    let passkey = Passkey { counter: 5, ..bench.enrol(|_| {}).unwrap() };
    let forged = bench.answer(&passkey, |says| says.signed_by = Some(forge::key()));
    assert_eq!(forged, Err(AnswerRefused::Wrong));
    let unverified = bench.answer(&passkey, |says| says.flags &= !USER_VERIFIED);
    assert_eq!(unverified, Err(AnswerRefused::Wrong));
}

#[tokio::test]
async fn whom_an_answer_claims_to_be() {
    let bench = Bench::new().await;
    let options = bench.sign_in_options().public_key;
    let claimed = |handle: Option<Vec<u8>>| {
        Ceremonies::claimed(&bench.forge.get(&options, [7; 16], |says| says.user_handle = handle))
    };
    let passkey = PasskeyId::from_bytes(sha256(b"credential"));
    let other = AccountId::from_bytes([1; 16]);
    assert_eq!(claimed(Some(vec![1; 16])), Some((other, passkey)), "the handle's account, whosever the key");
    for handle in [None, Some(vec![]), Some(vec![7; 15]), Some(vec![7; 17]), Some(b"acc_".to_vec())] {
        assert_eq!(claimed(handle.clone()), None, "{handle:?}");
    }
}

#[tokio::test]
async fn an_enrolment_is_of_its_account_and_session_alone() {
    let bench = Bench::new().await;
    let options = bench.enrolment_options();
    let finish = |account: &Account, session: &SessionId, sealed: &str| {
        let credential = bench.forge.create(&options.public_key, |_| {});
        let answer = EnrolmentAnswer { sealed: sealed.to_owned(), credential, name: None };
        let finished = bench.ceremonies.enrol(&bench.keyring, account, session, answer, NOW);
        finished.map(|enrolled| enrolled.ceremony.id)
    };
    let over = Err(EnrolmentRefused::CeremonyOver);
    let other_account = Account { id: AccountId::from_bytes([1; 16]), ..bench.account.clone() };
    assert_eq!(finish(&other_account, &bench.session, &options.sealed), over);
    assert_eq!(finish(&bench.account, &SessionId::from_bytes([1; 32]), &options.sealed), over);
    let begun_elsewhere =
        bench.ceremonies.enrolment_options(&bench.keyring, &other_account, &bench.session, NOW).unwrap();
    assert_eq!(finish(&bench.account, &bench.session, &begun_elsewhere.sealed), over);
    assert!(finish(&bench.account, &bench.session, &options.sealed).is_ok());
}

#[tokio::test]
async fn one_purposes_state_is_not_the_others() {
    let bench = Bench::new().await;
    let (enrolment, sign_in) = (bench.enrolment_options(), bench.sign_in_options());
    let swapped = |sealed: &str, prefix: &str| format!("{prefix}{}", &sealed[3..]);
    for sealed in [enrolment.sealed.clone(), swapped(&enrolment.sealed, "si_")] {
        assert!(bench.ceremonies.pending(&bench.keyring, &sealed, NOW).is_err());
    }
    for sealed in [sign_in.sealed.clone(), swapped(&sign_in.sealed, "en_")] {
        let given = bench.forge.create(&enrolment.public_key, |_| {});
        let refused = bench.finish(&sealed, given, None).map(|enrolled| enrolled.passkey);
        assert_eq!(refused, Err(EnrolmentRefused::CeremonyOver));
    }
}

#[tokio::test]
async fn a_ceremony_lasts_five_minutes_to_the_millisecond() {
    let bench = Bench::new().await;
    let (enrolment, sign_in) = (bench.enrolment_options(), bench.sign_in_options());
    let last = NOW + SignedDuration::from_mins(5) - MILLISECOND;
    for (now, open) in [(NOW, true), (last, true), (last + MILLISECOND, false), (Timestamp::MAX, false)] {
        assert_eq!(bench.ceremonies.pending(&bench.keyring, &sign_in.sealed, now).is_ok(), open, "{now}");
        let credential = bench.forge.create(&enrolment.public_key, |_| {});
        let answer = EnrolmentAnswer { sealed: enrolment.sealed.clone(), credential, name: None };
        let finished = bench.ceremonies.enrol(&bench.keyring, &bench.account, &bench.session, answer, now);
        assert_eq!(finished.err(), (!open).then_some(EnrolmentRefused::CeremonyOver), "{now}");
    }
}

/// A marker spends it by its digest: so it has one spelling.
#[tokio::test]
async fn a_sealed_state_has_one_spelling() {
    let bench = Bench::new().await;
    let sealed = bench.sign_in_options().sealed;
    let open =
        |text: &str| bench.ceremonies.pending(&bench.keyring, text, NOW).map(|pending| pending.ceremony);
    let ceremony = open(&sealed).unwrap();
    assert_eq!(ceremony.expires_at, NOW + SignedDuration::from_mins(5));
    assert_eq!(open(&sealed).unwrap().id, ceremony.id);
    assert_ne!(open(&bench.sign_in_options().sealed).unwrap().id, ceremony.id);

    let body = &sealed[3..];
    let mut spellings = vec![
        String::new(),
        "si_".to_owned(),
        body.to_owned(),
        format!("{sealed}="),
        format!("{sealed}A"),
        format!(" {sealed}"),
        format!("{sealed}\n"),
        format!("SI_{body}"),
        format!("si_si_{body}"),
        sealed[..sealed.len() - 1].to_owned(),
        sealed.replace(['-', '_'], "+"),
    ];
    // Each other last character: where its low bits stand for nothing, it is refused all the same.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let begin = &sealed[..sealed.len() - 1];
    spellings.extend(alphabet.chars().map(|last| format!("{begin}{last}")));
    spellings.retain(|spelling| *spelling != sealed);
    for spelling in spellings {
        assert!(open(&spelling).is_err(), "{spelling}");
    }
    // Sealed by other keys.
    assert!(bench.ceremonies.pending(&keyring().await, &sealed, NOW).is_err());
}

#[test]
fn origins_fit_the_rp_id() {
    let made = |rp_id: &str, origins: &[&str]| {
        Ceremonies::new(rp_id, "The portal", origins.iter().map(|origin| (*origin).to_owned()).collect())
    };
    assert!(made("localhost", &["http://localhost:8080"]).is_ok());
    assert!(made("id.example", &["https://id.example", "https://portal.id.example"]).is_ok());
    for (rp_id, origins) in [
        ("id.example", &[][..]),
        ("id.example", &["https://evil.example"]),
        ("id.example", &["https://notid.example"]),
        ("id.example", &["id.example"]),
        ("id.example", &[""]),
    ] {
        assert!(made(rp_id, origins).is_err(), "{rp_id} {origins:?}");
    }
}
