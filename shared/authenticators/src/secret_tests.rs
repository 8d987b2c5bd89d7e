use jiff::SignedDuration;
use postern_keys::LocalKeys;
use postern_keys::rotation::SealingKeyDue;
use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::*;

const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);

/// The secret of both RFCs' test vectors.
fn of_the_rfcs() -> AuthenticatorSecret {
    AuthenticatorSecret(b"12345678901234567890".to_vec().into())
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn code(text: &str) -> OneTimeCode {
    text.parse().unwrap()
}

/// RFC 6238 Appendix B, the rows of SHA-1. They have eight digits, of which six are the last six (RFC 4226 §5.3: both are
/// what is left of one number).
const RFC_6238: [(i64, &str); 6] = [
    (59, "94287082"),
    (1_111_111_109, "07081804"),
    (1_111_111_111, "14050471"),
    (1_234_567_890, "89005924"),
    (2_000_000_000, "69279037"),
    (20_000_000_000, "65353130"),
];

/// RFC 4226 Appendix D, by counter.
const RFC_4226: [&str; 10] =
    ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];

#[test]
fn the_codes_are_those_of_rfc_6238() {
    for (second, eight) in RFC_6238 {
        let now = at(second);
        assert_eq!(of_the_rfcs().step_of(&code(&eight[2..]), now), Some(TimeStep::at(now)), "{second}");
        let all_eight = of_the_rfcs().builder().with_digits(8).build().unwrap();
        assert_eq!(all_eight.generate(second.unsigned_abs()).to_string(), eight);
    }
}

#[test]
fn the_codes_are_those_of_rfc_4226() {
    for (counter, digits) in (0..).zip(RFC_4226) {
        let step = TimeStep::new(counter);
        let now = at(i64::try_from(step.first_second()).unwrap());
        assert_eq!(of_the_rfcs().step_of(&code(digits), now), Some(step), "{counter}");
    }
}

#[test]
fn a_code_is_taken_for_its_own_step_and_the_next_to_the_millisecond() {
    let (secret, step) = (of_the_rfcs(), TimeStep::new(5));
    let begins = at(i64::try_from(step.first_second()).unwrap());
    let over = begins + SignedDuration::from_secs(60);
    let taken = |now| secret.step_of(&code(RFC_4226[5]), now);
    assert_eq!(taken(begins - MILLISECOND), None, "ahead");
    assert_eq!(taken(begins), Some(step));
    assert_eq!(taken(over - MILLISECOND), Some(step));
    assert_eq!(taken(over), None, "two steps late");
}

/// Whichever is found, it must be the later: else a code that is due would be refused as one that was used.
#[test]
fn of_two_steps_with_one_code_the_later_is_found() {
    let secret = of_the_rfcs();
    // The first such pair of this secret.
    let [one, other] = [910_737, 910_738].map(TimeStep::new);
    for step in [one, other] {
        assert_eq!(secret.totp().generate(step.first_second()).to_string(), "911617");
    }
    let now = at(i64::try_from(other.first_second()).unwrap());
    assert_eq!(secret.step_of(&code("911617"), now), Some(other));
}

#[test]
fn the_secret_is_drawn_160_bits_long_and_shown_in_base_32() {
    let random = Random::system();
    let (one, other) = (AuthenticatorSecret::draw(&random), AuthenticatorSecret::draw(&random));
    assert_eq!(one.0.expose().len() * 8, 160);
    assert_ne!(one.0.expose(), other.0.expose());
    assert_eq!(of_the_rfcs().base32().expose_secret(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    assert!(!format!("{:?}", of_the_rfcs()).contains("49"), "no byte of it");
}

async fn keyring() -> Keyring {
    let keys = LocalKeys::ephemeral();
    let due = SealingKeyDue { version: 1, active_from: Timestamp::UNIX_EPOCH };
    Keyring::open(&keys, &[due.make(&keys).await.unwrap()]).await.unwrap()
}

#[tokio::test]
async fn it_opens_where_it_was_sealed_for_and_nowhere_else() {
    let (keyring, now) = (keyring().await, at(1_772_863_200));
    let (account, other) = (AccountId::from_bytes([1; 16]), AccountId::from_bytes([2; 16]));
    let (session, another) = (SessionId::from_bytes([3; 32]), SessionId::from_bytes([4; 32]));
    let places = [
        Place::Account(&account),
        Place::Account(&other),
        Place::Enrolment { session: &session, account: &account },
        Place::Enrolment { session: &another, account: &account },
        Place::Enrolment { session: &session, account: &other },
    ];
    for (sealed_for, place) in places.iter().enumerate() {
        let sealed = of_the_rfcs().seal(&keyring, *place, now).unwrap();
        for (opened_at, place) in places.iter().enumerate() {
            let opened = AuthenticatorSecret::open(&keyring, *place, &sealed);
            assert_eq!(opened.is_ok(), sealed_for == opened_at, "{sealed_for}, {opened_at}");
            if let Ok(opened) = opened {
                assert_eq!(opened.0.expose(), of_the_rfcs().0.expose());
            }
        }
    }
    let short = keyring.seal(Purpose::Authenticator, &places[0].context(), &[1; 19], now).unwrap();
    assert!(AuthenticatorSecret::open(&keyring, places[0], &short).is_err());
}

proptest! {
    /// Nothing but the two steps' codes is taken.
    #[test]
    fn a_guess_is_right_only_if_it_is_one_of_two(
        bytes in any::<[u8; LENGTH]>(), second in 60_u32.., guess in "[0-9]{6}"
    ) {
        let secret = AuthenticatorSecret(bytes.to_vec().into());
        let now = at(i64::from(second));
        let due = TimeStep::accepted_at(now).map(|step| secret.totp().generate(step.first_second()).to_string());
        prop_assert_eq!(secret.step_of(&code(&guess), now).is_some(), due.contains(&guess));
        for (step, digits) in TimeStep::accepted_at(now).into_iter().zip(&due) {
            let found = secret.step_of(&code(digits), now);
            prop_assert!(found == Some(step) || due[0] == due[1]);
        }
    }
}
