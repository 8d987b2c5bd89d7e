use std::collections::HashSet;

use argon2::{AssociatedData, ParamsBuilder};
use async_trait::async_trait;
use futures_util::future::join_all;
use postern_keys::{
    EncryptionContext, KeyError, KeyName, KeyService, SealedKeyPair, SealingKeyRecord, SecretBytes,
};

use super::*;

/// A key service whose data keys are written in the records, readable.
#[derive(Debug)]
struct Readable;

#[async_trait]
impl KeyService for Readable {
    async fn encrypt(&self, _: KeyName, _: &EncryptionContext, _: &[u8]) -> Result<Vec<u8>, KeyError> {
        Err(KeyError::unavailable("not asked of it"))
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

/// With version 3 active from second 0, version 4 from 100, and so on.
async fn keyring(versions: impl IntoIterator<Item = u8>) -> Keyring {
    let record = |version: u8| SealingKeyRecord {
        version: version.into(),
        sealed: (0..32).map(|byte| byte + version - 3).collect(),
        active_from: at((i64::from(version) - 3) * 100),
    };
    let records: Vec<_> = versions.into_iter().map(record).collect();
    Keyring::open(&Readable, &records).await.unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn account(byte: u8) -> AccountId {
    AccountId::from_bytes([byte; 16])
}

fn typed(text: &str) -> TypedPassword {
    TypedPassword::try_from(text.to_owned()).unwrap()
}

/// As cheap as Argon2 goes.
const CHEAP: Cost = Cost::for_tests(8, 1);

fn cheap() -> Hasher {
    Hasher::new(CHEAP, AT_ONCE)
}

impl Hasher {
    /// What every hash cost since last asked.
    fn made(&self) -> Vec<Cost> {
        std::mem::take(&mut self.pool.made.lock().unwrap())
    }

    async fn new_hash(&self, keyring: &Keyring, account: &AccountId, password: &str) -> PasswordHash {
        self.hash(keyring, account, &typed(password), &Random::system(), at(1)).await.unwrap()
    }

    async fn checked(
        &self,
        keyring: &Keyring,
        account: &AccountId,
        password: &str,
        stored: &PasswordHash,
    ) -> Checked {
        self.check(keyring, account, &typed(password), Some(stored), at(1)).await.unwrap()
    }
}

/// RFC 9106 §5.3, by the crate, the variant and the version that hash here.
#[test]
fn the_rfcs_vector_comes_out() {
    let params = ParamsBuilder::new()
        .m_cost(32)
        .t_cost(3)
        .p_cost(4)
        .output_len(32)
        .data(AssociatedData::new(&[4; 12]).unwrap())
        .build()
        .unwrap();
    let argon2 = Argon2::new_with_secret(&[3; 8], ALGORITHM, VERSION, params).unwrap();
    // Used memory makes no difference.
    let mut memory = vec![Block::new(); 32];
    for block in &mut memory {
        block.as_mut().fill(0x5a5a);
    }
    let mut tag = [0; 32];
    argon2.hash_password_into_with_memory(&[1; 32], &[2; 16], &mut tag, &mut memory[..]).unwrap();
    assert_eq!(
        tag,
        [
            0x0d, 0x64, 0x0d, 0xf5, 0x8d, 0x78, 0x76, 0x6c, 0x08, 0xc0, 0x37, 0xa3, 0x4a, 0x8b, 0x53, 0xc9,
            0xd0, 0x1e, 0xf0, 0x45, 0x2d, 0x75, 0xb6, 0x5e, 0xb5, 0x25, 0x20, 0xe9, 0x6b, 0x01, 0xe6, 0x59,
        ]
    );
}

/// Computed with Python's `hmac` and the reference implementation, libargon2. They fail when anything of the format changes,
/// and with it every password that is stored.
#[tokio::test]
async fn the_hashes_stay_what_they_were() {
    let keyring = keyring([3]).await;
    for stored in [
        "3$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$a+Akqf8jHEEv1GRzQGzADmzWWVhKGU3Vg5FjH/IDA9w",
        "3$argon2id$v=19$m=7168,t=5,p=1$AAECAwQFBgcICQoLDA0ODw$l1DtbuwwBKvXprgnvB+WI++JsXC1k0Zc49ALmuGY40U",
    ] {
        let stored: PasswordHash = stored.parse().unwrap();
        let hasher = Hasher::new(stored.cost, AT_ONCE);
        let found = hasher.checked(&keyring, &account(7), "caf\u{e9} au lait", &stored).await;
        assert_eq!(found, Checked::Right);
        let found = hasher.checked(&keyring, &account(7), "caf\u{e9} au lait ", &stored).await;
        assert_eq!(found, Checked::Wrong);
    }
}

#[tokio::test]
async fn a_password_is_right_for_its_own_hash_and_no_other_is() {
    let (hasher, keyring) = (cheap(), keyring([3]).await);
    let stored = hasher.new_hash(&keyring, &account(1), "Correct horse").await;
    assert_eq!(hasher.checked(&keyring, &account(1), "Correct horse", &stored).await, Checked::Right);
    for other in
        ["correct horse", "Correct horse ", " Correct horse", "Correct hors", "", "Correct\u{a0}horse"]
    {
        assert_eq!(hasher.checked(&keyring, &account(1), other, &stored).await, Checked::Wrong, "{other}");
    }
}

#[tokio::test]
async fn composed_and_decomposed_are_one_password() {
    let (hasher, keyring) = (cheap(), keyring([3]).await);
    let stored = hasher.new_hash(&keyring, &account(1), "cafe\u{301} au lait").await;
    assert_eq!(hasher.checked(&keyring, &account(1), "caf\u{e9} au lait", &stored).await, Checked::Right);
    assert_eq!(hasher.checked(&keyring, &account(1), "cafe au lait", &stored).await, Checked::Wrong);
}

#[tokio::test]
async fn every_character_counts_up_to_the_last() {
    let (hasher, keyring) = (cheap(), keyring([3]).await);
    for (character, length) in
        [("a", 128), ("\u{1f511}", 128), ("a", 1_024), ("\u{1d160}", 256), ("\u{0}", 9)]
    {
        let long = character.repeat(length);
        let stored = hasher.new_hash(&keyring, &account(1), &long).await;
        assert_eq!(hasher.checked(&keyring, &account(1), &long, &stored).await, Checked::Right);
        let shorter = character.repeat(length - 1);
        assert_eq!(hasher.checked(&keyring, &account(1), &shorter, &stored).await, Checked::Wrong);
        let other_end = shorter + "b";
        assert_eq!(hasher.checked(&keyring, &account(1), &other_end, &stored).await, Checked::Wrong);
    }
}

#[tokio::test]
async fn a_hash_fits_its_own_account_alone() {
    let (hasher, keyring) = (cheap(), keyring([3]).await);
    let stored = hasher.new_hash(&keyring, &account(1), "correct horse").await;
    assert_eq!(hasher.checked(&keyring, &account(2), "correct horse", &stored).await, Checked::Wrong);
}

#[tokio::test]
async fn two_hashes_of_one_password_have_nothing_in_common() {
    let (hasher, keyring) = (cheap(), keyring([3]).await);
    let mut seen = HashSet::new();
    for _ in 0..20 {
        let hash = hasher.new_hash(&keyring, &account(1), "correct horse").await;
        assert!(seen.insert(hash.salt.to_vec()) && seen.insert(hash.tag.to_vec()));
    }
}

#[tokio::test]
async fn a_hash_is_outdated_when_the_cost_has_grown() {
    let keyring = keyring([3]).await;
    let stored_at = |memory, passes| Hasher::new(Cost::for_tests(memory, passes), AT_ONCE);
    let today = stored_at(64, 3);
    for (memory, passes, expected) in [
        (64, 3, Checked::Right),
        (65, 3, Checked::Right),
        (64, 4, Checked::Right),
        (63, 3, Checked::RightButOutdated),
        (64, 2, Checked::RightButOutdated),
        (128, 2, Checked::RightButOutdated),
        (32, 6, Checked::RightButOutdated),
    ] {
        let stored = stored_at(memory, passes).new_hash(&keyring, &account(1), "correct horse").await;
        let found = today.checked(&keyring, &account(1), "correct horse", &stored).await;
        assert_eq!(found, expected, "{memory} {passes}");
        let found = today.checked(&keyring, &account(1), "wrong horse", &stored).await;
        assert_eq!(found, Checked::Wrong, "{memory} {passes}");

        let renewed = today.new_hash(&keyring, &account(1), "correct horse").await;
        assert_eq!(today.checked(&keyring, &account(1), "correct horse", &renewed).await, Checked::Right);
    }
}

#[tokio::test]
async fn a_hash_is_outdated_when_its_pepper_is_not_the_active_one() {
    let (hasher, keyring) = (cheap(), keyring([3, 4]).await);
    let password = typed("correct horse");
    let random = Random::system();
    let stored = hasher.hash(&keyring, &account(1), &password, &random, at(99)).await.unwrap();
    assert_eq!(stored.pepper, 3);
    for (now, expected) in
        [(99, Checked::Right), (100, Checked::RightButOutdated), (9_999, Checked::RightButOutdated)]
    {
        let found = hasher.check(&keyring, &account(1), &password, Some(&stored), at(now)).await;
        assert_eq!(found.unwrap(), expected, "{now}");
        let found = hasher.check(&keyring, &account(1), &typed("wrong horse"), Some(&stored), at(now)).await;
        assert_eq!(found.unwrap(), Checked::Wrong, "{now}");
    }
    let renewed = hasher.hash(&keyring, &account(1), &password, &random, at(100)).await.unwrap();
    assert_eq!(renewed.pepper, 4);
    let found = hasher.check(&keyring, &account(1), &password, Some(&renewed), at(100)).await;
    assert_eq!(found.unwrap(), Checked::Right);

    // A hash whose pepper is said to be another.
    let swapped = PasswordHash { pepper: 4, ..stored };
    let found = hasher.check(&keyring, &account(1), &password, Some(&swapped), at(100)).await;
    assert_eq!(found.unwrap(), Checked::Wrong);
}

#[tokio::test]
async fn an_unknown_pepper_decides_nothing() {
    let hasher = cheap();
    let stored = hasher.new_hash(&keyring([3]).await, &account(1), "correct horse").await;
    hasher.made();
    let later = keyring([4, 5]).await;
    for password in ["correct horse", "wrong horse"] {
        let failed = hasher.check(&later, &account(1), &typed(password), Some(&stored), at(1)).await;
        assert!(matches!(failed, Err(HashingFailed::UnknownPepper(3))));
    }
    assert_eq!(hasher.made(), []);
}

#[tokio::test]
async fn a_password_that_is_not_there_costs_one_hash_of_today_and_is_wrong() {
    let keyring = keyring([3]).await;
    let today = Hasher::new(Cost::for_tests(64, 3), AT_ONCE);
    for password in ["correct horse", "", "\u{0}"] {
        for account in [account(0), account(1)] {
            let found = today.check(&keyring, &account, &typed(password), None, at(1)).await.unwrap();
            assert_eq!((found, today.made()), (Checked::Wrong, vec![today.cost]));
        }
    }
    // As much as a right one and a wrong one cost.
    let stored = today.new_hash(&keyring, &account(1), "correct horse").await;
    today.made();
    for password in ["correct horse", "wrong horse"] {
        today.checked(&keyring, &account(1), password, &stored).await;
        assert_eq!(today.made(), [today.cost]);
    }
}

/// Even the one password whose tag the dummy expects.
#[tokio::test]
async fn nothing_fits_the_dummy() {
    let (hasher, keyring) = (cheap(), keyring([3]).await);
    let password = typed("correct horse");
    let peppered = keyring.mac(Purpose::PasswordPepper, &message(&account(1), &password), at(1));
    let dummy = |tag| PasswordHash { pepper: 3, cost: CHEAP, salt: NOBODYS_SALT, tag };
    let fits = argon2id(CHEAP, &NOBODYS_SALT, &peppered.tag, &mut Vec::new()).unwrap();
    assert_eq!(hasher.checked(&keyring, &account(1), "correct horse", &dummy(fits)).await, Checked::Right);
    let found = hasher.check(&keyring, &account(1), &password, None, at(1)).await.unwrap();
    assert_eq!(found, Checked::Wrong);
    assert_eq!(
        hasher.checked(&keyring, &account(1), "correct horse", &dummy([0; TAG_LEN])).await,
        Checked::Wrong
    );
}

/// Each hash that runs has a buffer, and none is thrown away: there are as many as ever ran at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_take_no_more_memory_than_was_agreed() {
    let keyring = keyring([3]).await;
    for at_once in [1, 2, 3] {
        // Long enough that all would run together if nothing held them back.
        let hasher = Hasher::new(Cost::for_tests(4_096, 1), NonZeroUsize::new(at_once).unwrap());
        let stored = hasher.new_hash(&keyring, &account(1), "correct horse").await;
        let checks = (0..32).map(|turn| {
            // Through clones, as a function's requests do.
            let (hasher, keyring, stored) = (hasher.clone(), &keyring, &stored);
            async move {
                let password = if turn % 2 == 0 { "correct horse" } else { "wrong horse" };
                hasher.checked(keyring, &account(1), password, stored).await == Checked::Right
            }
        });
        let right = join_all(checks).await;
        assert_eq!(right, (0..32).map(|turn| turn % 2 == 0).collect::<Vec<_>>());

        assert_eq!(hasher.made().len(), 33);
        let buffers = hasher.pool.idle.lock().unwrap();
        assert!((1..=at_once).contains(&buffers.len()), "{} of {at_once}", buffers.len());
        assert!(buffers.iter().all(|buffer| buffer.len() == 4_096));
    }
}

/// Whoever closes the connection neither frees a place that is still in use nor keeps it.
#[tokio::test]
async fn a_check_that_nobody_waits_for_gives_its_place_back() {
    let keyring = keyring([3]).await;
    let hasher = Hasher::new(Cost::for_tests(1_024, 1), NonZeroUsize::MIN);
    for _ in 0..5 {
        let (account, password) = (account(1), typed("correct horse"));
        let abandoned = hasher.check(&keyring, &account, &password, None, at(1));
        assert!(futures_util::FutureExt::now_or_never(abandoned).is_none());
    }
    let stored = hasher.new_hash(&keyring, &account(1), "correct horse").await;
    assert_eq!(hasher.checked(&keyring, &account(1), "correct horse", &stored).await, Checked::Right);
    assert_eq!(hasher.pool.idle.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_buffer_serves_every_cost() {
    let keyring = keyring([3]).await;
    let hasher = Hasher::new(Cost::for_tests(64, 1), NonZeroUsize::MIN);
    let larger = Hasher::new(Cost::for_tests(256, 1), NonZeroUsize::MIN);
    let small = hasher.new_hash(&keyring, &account(1), "correct horse").await;
    let large = larger.new_hash(&keyring, &account(1), "correct horse").await;
    for stored in [&small, &large, &small, &large] {
        assert_eq!(hasher.checked(&keyring, &account(1), "correct horse", stored).await, Checked::Right);
    }
    assert_eq!(hasher.pool.idle.lock().unwrap().iter().map(Vec::len).collect::<Vec<_>>(), [256]);
}

#[tokio::test]
async fn nothing_secret_is_shown() {
    let (hasher, keyring) = (cheap(), keyring([3]).await);
    hasher.new_hash(&keyring, &account(1), "correct horse").await;
    assert_eq!(format!("{hasher:?}"), "Hasher { cost: Cost { memory_kib: 8, passes: 1 }, .. }");
}

/// A function shares it between its tasks.
const _: () = {
    const fn shared<T: Send + Sync + Clone + 'static>() {}
    shared::<Hasher>();
    shared::<PasswordHash>();
    shared::<TypedPassword>();
};
