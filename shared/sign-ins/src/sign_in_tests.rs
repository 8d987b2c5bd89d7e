use postern_domain::admission::Factor;
use postern_keys::LocalKeys;
use postern_keys::rotation::SealingKeyDue;
use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::constant(1_772_863_200, 123_456_789);

async fn keyring() -> Keyring {
    let keys = LocalKeys::ephemeral();
    let due = SealingKeyDue { version: 1, active_from: Timestamp::UNIX_EPOCH };
    Keyring::open(&keys, &[due.make(&keys).await.unwrap()]).await.unwrap()
}

fn begun(username: &str, account: u8) -> SignIn {
    let id = SignInId::from_bytes([account; 16]);
    SignIn::begin(id, AccountId::from_bytes([account; 16]), username.parse().unwrap(), NOW)
}

#[tokio::test]
async fn it_comes_back_as_it_went_and_for_ten_minutes_exactly() {
    let keyring = keyring().await;
    let mut sign_in = begun("dr.rivera", 7);
    sign_in.proofs.push(Proof {
        factor: Factor::Password,
        at: NOW,
        enrolled_at: NOW,
        outlives_method: false,
    });
    let text = sign_in.seal(&keyring, NOW).unwrap();
    assert!(text.starts_with("si_"));
    let last = sign_in.expires_at - SignedDuration::from_millis(1);
    let back = SignIn::open(&keyring, &text, last).unwrap();
    assert_eq!((&back.id, &back.account, &back.username), (&sign_in.id, &sign_in.account, &sign_in.username));
    assert_eq!((back.proofs, back.expires_at), (sign_in.proofs, sign_in.expires_at));
    assert_eq!(SignIn::open(&keyring, &text, sign_in.expires_at).unwrap_err().code(), "sign_in_expired");
}

#[tokio::test]
async fn what_can_be_no_username_is_counted_by_itself_alone_and_under_our_key() {
    let (ours, other) = (keyring().await, keyring().await);
    let random = Random::system();
    let name = |keyring: &Keyring, given: &str| SignIn::by_name(keyring, &random, given, NOW).username;
    assert_eq!(name(&ours, "Dr.Rivera").as_str(), "dr.rivera");
    for given in ["", "ab", "rivera@clinic.example", "correct horse battery", &"x".repeat(65), "\u{1F511}"] {
        let stands_in = name(&ours, given);
        assert_eq!(stands_in, name(&ours, given));
        assert_eq!(stands_in.as_str().parse::<Username>().unwrap(), stands_in, "{given}");
        assert_ne!(stands_in, name(&ours, &format!("{given} ")));
        assert_ne!(stands_in, name(&other, given), "whoever lacks the key cannot try what was typed");
    }
}

#[tokio::test]
async fn nobody_and_somebody_are_of_one_length() {
    let keyring = keyring().await;
    let lengths: Vec<usize> =
        (0..50).map(|account| begun("dr.rivera", account).seal(&keyring, NOW).unwrap().len()).collect();
    assert!(lengths.iter().all(|length| *length == lengths[0]), "{lengths:?}");
}

#[tokio::test]
async fn what_was_changed_or_sealed_elsewhere_is_over() {
    let ours = keyring().await;
    let text = begun("dr.rivera", 7).seal(&ours, NOW).unwrap();
    let foreign = begun("dr.rivera", 7).seal(&keyring().await, NOW).unwrap();
    let middle = text.len() / 2;
    let other = if text.as_bytes()[middle] == b'A' { "B" } else { "A" };
    let changed = format!("{}{other}{}", &text[..middle], &text[middle + 1..]);
    for bad in [foreign.as_str(), changed.as_str(), "", "si_", "si_!", &text[3..], &text[..text.len() - 1]] {
        assert_eq!(SignIn::open(&ours, bad, NOW).unwrap_err().code(), "sign_in_expired", "{bad}");
    }
    // Sealed for a passkey's sign-in: another purpose, although the prefix is the same.
    let sealed = ours.seal(Purpose::PasskeySignIn, &[], b"{}", NOW).unwrap();
    let sealed = format!("si_{}", URL_SAFE_NO_PAD.encode(sealed));
    assert!(SignIn::open(&ours, &sealed, NOW).is_err());
}

proptest! {
    #[test]
    fn any_text_is_read_without_harm(text in ".{0,200}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let keyring = runtime.block_on(keyring());
        prop_assert!(SignIn::open(&keyring, &text, NOW).is_err());
    }
}
