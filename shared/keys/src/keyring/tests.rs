use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use proptest::prelude::*;

use super::*;
use crate::rotation::{Periods, due_sealing};
use crate::{Gate, LocalKeys, Random, SealedKeyPair, TokenSigner};

const ALL: [Purpose; 10] = [
    Purpose::PasskeyEnrolment,
    Purpose::PasskeySignIn,
    Purpose::IdempotentRequest,
    Purpose::Authenticator,
    Purpose::PhoneCode,
    Purpose::PasswordPepper,
    Purpose::SignIn,
    Purpose::VoiceCode,
    Purpose::Recovery,
    Purpose::Cursor,
];

/// A key service whose data keys are written in the records, readable.
#[derive(Debug)]
struct Readable;

#[async_trait]
impl KeyService for Readable {
    async fn encrypt(
        &self,
        _: KeyName,
        _: &EncryptionContext,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, KeyError> {
        Ok(plaintext.to_vec())
    }
    async fn decrypt(
        &self,
        _: KeyName,
        _: &EncryptionContext,
        sealed: &[u8],
    ) -> Result<SecretBytes, KeyError> {
        Ok(SecretBytes::from(sealed.to_vec()))
    }
    async fn mac(&self, _: KeyName, _: &[u8]) -> Result<[u8; 32], KeyError> {
        Err(KeyError::unavailable("not asked of it"))
    }
    async fn data_key(&self, _: KeyName, _: &EncryptionContext) -> Result<Vec<u8>, KeyError> {
        Err(KeyError::unavailable("not asked of it"))
    }
    async fn token_key_pair(&self, _: KeyName, _: &EncryptionContext) -> Result<SealedKeyPair, KeyError> {
        Err(KeyError::unavailable("not asked of it"))
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn record(version: u32, active_from: i64) -> SealingKeyRecord {
    let sealed = (0..32).map(|byte| byte + u8::try_from(version).unwrap() - 3).collect();
    SealingKeyRecord { version, sealed, active_from: at(active_from) }
}

fn opened(records: &[SealingKeyRecord]) -> Result<Keyring, KeyError> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(Keyring::open(&Readable, records))
}

static KEYRING: LazyLock<Keyring> = LazyLock::new(|| opened(&[record(3, 0)]).unwrap());

fn version_of(sealed: &[u8]) -> u32 {
    u32::from_be_bytes(sealed[1..5].try_into().unwrap())
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// Both values were computed with Python's `cryptography`: HKDF, AESGCM and HMAC. They fail when the format changes, and
/// with it every value that is stored.
#[test]
fn the_formats_stay_what_they_were() {
    let sealed = bytes(
        "0100000003808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f8f0796acf110f228ce\
         938adf44afc871fdd20c94f8dae68dfcf6438578ec0322fce1ec4d",
    );
    let opened = KEYRING.open_sealed(Purpose::Authenticator, &["acc_1", "AUTHENTICATOR"], &sealed).unwrap();
    assert_eq!(opened.expose(), b"12345678901234567890");

    let mac = KEYRING.mac(Purpose::PhoneCode, &[b"si_1", b"123456"], at(1));
    assert_eq!(mac.version, 3);
    assert_eq!(mac.tag.as_slice(), bytes("bf8c3dae764d78b0dfb2d2e447901be2865e9ab85ae54f01827eb80c5a981262"));
}

#[test]
fn labels_and_keys_differ_for_every_purpose() {
    let labels: HashSet<_> = ALL.iter().map(|purpose| purpose.label()).collect();
    assert_eq!(labels.len(), ALL.len());
    let tags: HashSet<_> = ALL.iter().map(|purpose| KEYRING.mac(*purpose, &[b"x"], at(1)).tag).collect();
    assert_eq!(tags.len(), ALL.len());
}

#[test]
fn what_is_sealed_for_one_purpose_opens_for_no_other() {
    for sealed_for in ALL {
        let sealed = KEYRING.seal(sealed_for, &["acc_1"], b"secret", at(1)).unwrap();
        let mac = KEYRING.mac(sealed_for, &[b"secret"], at(1));
        for opened_for in ALL {
            let opened = KEYRING.open_sealed(opened_for, &["acc_1"], &sealed);
            assert_eq!(opened.is_ok(), sealed_for == opened_for);
            assert_eq!(KEYRING.verify(opened_for, &[b"secret"], &mac), sealed_for == opened_for);
        }
    }
}

#[test]
fn two_seals_of_one_value_are_two_values() {
    let seal = || KEYRING.seal(Purpose::SignIn, &[], b"state", at(1)).unwrap();
    let (one, other) = (seal(), seal());
    assert_eq!(one[..5], other[..5]);
    assert_ne!(one[5..37], other[5..37], "the salt");
    assert_ne!(one[37..42], other[37..42], "the ciphertext");
    assert_eq!(one.len(), 53 + b"state".len());
}

#[test]
fn the_newest_active_version_seals_and_all_open() {
    let keyring = opened(&[record(5, 200), record(3, 0), record(4, 100)]).unwrap();
    let mut everything = Vec::new();
    for (now, version) in [(0, 3), (99, 3), (100, 4), (199, 4), (200, 5), (1_000_000, 5)] {
        let sealed = keyring.seal(Purpose::Cursor, &["c"], b"x", at(now)).unwrap();
        let mac = keyring.mac(Purpose::Cursor, &[b"x"], at(now));
        assert_eq!((version_of(&sealed), mac.version), (version, version));
        everything.push((sealed, mac));
    }
    for (sealed, mac) in &everything {
        assert_eq!(keyring.open_sealed(Purpose::Cursor, &["c"], sealed).unwrap().expose(), b"x");
        assert!(keyring.verify(Purpose::Cursor, &[b"x"], mac));
    }

    // A function that started before the last rotation.
    let older = opened(&[record(3, 0), record(4, 100)]).unwrap();
    let (sealed, mac) = everything.last().unwrap();
    let error = older.open_sealed(Purpose::Cursor, &["c"], sealed).unwrap_err();
    assert_eq!(error, OpenError::UnknownVersion);
    assert!(!older.verify(Purpose::Cursor, &[b"x"], mac));
}

#[test]
fn a_mac_or_a_sealed_value_does_not_pass_for_another_versions() {
    let keyring = opened(&[record(3, 0), record(4, 100)]).unwrap();
    let mac = keyring.mac(Purpose::PhoneCode, &[b"x"], at(0));
    assert!(!keyring.verify(Purpose::PhoneCode, &[b"x"], &VersionedMac { version: 4, ..mac }));

    let mut sealed = keyring.seal(Purpose::PhoneCode, &[], b"x", at(0)).unwrap();
    sealed[4] = 4;
    let error = keyring.open_sealed(Purpose::PhoneCode, &[], &sealed).unwrap_err();
    assert_eq!(error, OpenError::Refused);
}

#[test]
fn a_mac_is_made_under_any_version_that_is_there() {
    let keyring = opened(&[record(3, 0), record(4, 100)]).unwrap();
    for (now, version) in [(0, 3), (100, 4)] {
        let then = keyring.mac(Purpose::PasswordPepper, &[b"acc_1", b"x"], at(now));
        let again = keyring.mac_under(version, Purpose::PasswordPepper, &[b"acc_1", b"x"]).unwrap();
        assert_eq!((again.version, again.tag), (version, then.tag));
        assert!(keyring.verify(Purpose::PasswordPepper, &[b"acc_1", b"x"], &again));
    }
    assert!(opened(&[record(3, 0)]).unwrap().mac_under(4, Purpose::PasswordPepper, &[b"x"]).is_none());
}

#[test]
fn before_any_key_is_active_nothing_is_sealed() {
    let keyring = opened(&[record(4, 200), record(3, 100)]).unwrap();
    assert!(!keyring.can_seal_at(at(99)));
    assert!(keyring.can_seal_at(at(100)));
    let refused = keyring.seal(Purpose::SignIn, &[], b"x", at(99));
    assert!(matches!(refused, Err(KeyError::Unavailable(_))));
    assert_eq!(keyring.mac(Purpose::SignIn, &[b"x"], at(99)).version, 3);
}

#[test]
fn records_that_make_no_keyring_are_told_apart() {
    assert!(matches!(opened(&[]), Err(KeyError::Unavailable(_))));
    assert!(matches!(opened(&[record(3, 0), record(3, 100)]), Err(KeyError::Corrupt)));
    for length in [0, 16, 31, 33] {
        let short = SealingKeyRecord { sealed: vec![0; length], ..record(3, 0) };
        assert!(matches!(opened(&[short]), Err(KeyError::Corrupt)));
    }
}

#[tokio::test]
async fn a_record_opens_only_as_the_version_that_it_was_made_for() {
    let keys = LocalKeys::ephemeral();
    let sealed = keys.data_key(KeyName::Keyring, &EncryptionContext::keyring(1)).await.unwrap();
    let record = SealingKeyRecord { version: 1, sealed, active_from: at(0) };
    assert!(Keyring::open(&keys, std::slice::from_ref(&record)).await.is_ok());

    let renamed = SealingKeyRecord { version: 2, ..record };
    assert!(matches!(Keyring::open(&keys, &[renamed]).await, Err(KeyError::Refused)));
}

/// Counts `Decrypt`s, and lets those from the `fails_at`th on fail.
struct Counter {
    calls: AtomicUsize,
    fails_at: usize,
}

impl Gate for Counter {
    fn before(&self, operation: &'static str) -> Result<(), KeyError> {
        assert_eq!(operation, "Decrypt");
        if self.calls.fetch_add(1, Ordering::SeqCst) < self.fails_at {
            Ok(())
        } else {
            Err(KeyError::unavailable("ThrottlingException"))
        }
    }
    fn after(&self, _: &'static str) -> Result<(), KeyError> {
        Ok(())
    }
}

#[tokio::test]
async fn opening_costs_a_decrypt_per_key_and_using_it_none() {
    let keys = LocalKeys::ephemeral();
    let mut records = Vec::new();
    for due in due_sealing(&[], at(1), Periods::default()) {
        records.push(due.make(&keys).await.unwrap());
    }
    let counter = Arc::new(Counter { calls: AtomicUsize::new(0), fails_at: 3 });
    let keys = keys.with_gate(counter.clone());

    let keyring = Keyring::open(&keys, &records).await.unwrap();
    let sealed = keyring.seal(Purpose::SignIn, &[], b"x", at(1)).unwrap();
    keyring.open_sealed(Purpose::SignIn, &[], &sealed).unwrap();
    assert_eq!(counter.calls.load(Ordering::SeqCst), 2);

    // One of two keys is not enough: what the other sealed could not be opened.
    let half = Keyring::open(&keys, &records).await;
    assert!(matches!(half, Err(KeyError::Unavailable(_))));
}

/// A function keeps them for as long as it lives, and shares them between its tasks.
const _: () = {
    const fn shared<T: Send + Sync + 'static>() {}
    shared::<Keyring>();
    shared::<TokenSigner>();
    shared::<Random>();
};

#[test]
fn nothing_secret_is_shown() {
    assert_eq!(format!("{:?}", *KEYRING), "Keyring { versions: [3], .. }");
    let mac = KEYRING.mac(Purpose::PasswordPepper, &[b"password"], at(1));
    assert_eq!(format!("{mac:?}"), "VersionedMac { version: 3, .. }");
    assert_eq!(format!("{:?}", SecretBytes::from(vec![7; 4])), "SecretBytes([redacted])");
}

#[test]
fn records_and_macs_survive_being_stored() {
    let record = record(3, 100);
    let stored = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<SealingKeyRecord>(&stored).unwrap(), record);

    let mac = KEYRING.mac(Purpose::PhoneCode, &[b"x"], at(1));
    let stored: VersionedMac = serde_json::from_str(&serde_json::to_string(&mac).unwrap()).unwrap();
    assert!(KEYRING.verify(Purpose::PhoneCode, &[b"x"], &stored));
}

fn purpose() -> impl Strategy<Value = Purpose> {
    prop::sample::select(&ALL[..])
}

/// Few symbols and short parts, so that lists that differ only in where a part ends come often.
fn parts() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[ab\u{0}]{0,3}", 0..4)
}

fn borrowed(parts: &[String]) -> Vec<&str> {
    parts.iter().map(String::as_str).collect()
}

fn in_bytes(parts: &[String]) -> Vec<&[u8]> {
    parts.iter().map(String::as_bytes).collect()
}

proptest! {
    #[test]
    fn what_is_sealed_opens(
        purpose in purpose(),
        context in parts(),
        plaintext in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let sealed = KEYRING.seal(purpose, &borrowed(&context), &plaintext, at(1)).unwrap();
        let opened = KEYRING.open_sealed(purpose, &borrowed(&context), &sealed).unwrap();
        prop_assert_eq!(opened.expose(), plaintext);
    }

    #[test]
    fn another_context_is_refused(purpose in purpose(), sealed_for in parts(), opened_for in parts()) {
        prop_assume!(sealed_for != opened_for);
        let sealed = KEYRING.seal(purpose, &borrowed(&sealed_for), b"secret", at(1)).unwrap();
        let opened = KEYRING.open_sealed(purpose, &borrowed(&opened_for), &sealed);
        prop_assert_eq!(opened.unwrap_err(), OpenError::Refused);
    }

    #[test]
    fn no_byte_can_be_changed(
        plaintext in prop::collection::vec(any::<u8>(), 0..40),
        change in 1..=255_u8,
    ) {
        let sealed = KEYRING.seal(Purpose::SignIn, &["acc_1"], &plaintext, at(1)).unwrap();
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= change;
            let expected =
                if (1..5).contains(&position) { OpenError::UnknownVersion } else { OpenError::Refused };
            let opened = KEYRING.open_sealed(Purpose::SignIn, &["acc_1"], &changed);
            prop_assert_eq!(opened.unwrap_err(), expected, "byte {}", position);
        }
    }

    #[test]
    fn nothing_can_be_cut_off_or_added(cut in 0..60_usize, added in prop::collection::vec(any::<u8>(), 1..20)) {
        let sealed = KEYRING.seal(Purpose::SignIn, &[], b"1234567", at(1)).unwrap();
        prop_assume!(cut < sealed.len());
        prop_assert!(KEYRING.open_sealed(Purpose::SignIn, &[], &sealed[..cut]).is_err());
        let longer = [sealed, added].concat();
        prop_assert!(KEYRING.open_sealed(Purpose::SignIn, &[], &longer).is_err());
    }

    #[test]
    fn whatever_comes_in_only_errors(sealed in prop::collection::vec(any::<u8>(), 0..100)) {
        prop_assert!(KEYRING.open_sealed(Purpose::SignIn, &[], &sealed).is_err());
    }

    #[test]
    fn a_mac_verifies_for_its_own_parts_alone(purpose in purpose(), made in parts(), asked in parts()) {
        let mac = KEYRING.mac(purpose, &in_bytes(&made), at(1));
        prop_assert!(KEYRING.verify(purpose, &in_bytes(&made), &mac));
        prop_assert_eq!(KEYRING.verify(purpose, &in_bytes(&asked), &mac), made == asked);
    }

    #[test]
    fn no_bit_of_a_mac_can_be_changed(byte in 0..32_usize, bit in 0..8_u8) {
        let mut mac = KEYRING.mac(Purpose::PhoneCode, &[b"123456"], at(1));
        mac.tag[byte] ^= 1 << bit;
        prop_assert!(!KEYRING.verify(Purpose::PhoneCode, &[b"123456"], &mac));
    }
}
