use std::sync::LazyLock;

use postern_keys::LocalKeys;
use postern_keys::rotation::SealingKeyDue;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const NOW: Timestamp = Timestamp::constant(1_740_830_400, 0);

static KEYRING: LazyLock<Keyring> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(keyring()));

async fn keyring() -> Keyring {
    let keys = LocalKeys::ephemeral();
    let due = SealingKeyDue { version: 1, active_from: Timestamp::UNIX_EPOCH };
    Keyring::open(&keys, &[due.make(&keys).await.unwrap()]).await.unwrap()
}

fn id(byte: u8) -> CallId {
    CallId::from_bytes([byte; 16])
}

fn call() -> Call {
    Call {
        to: "+12125550123".parse().unwrap(),
        code: "135790".parse().unwrap(),
        locale: "es-US".parse().unwrap(),
        expires_at: "2025-03-01T12:10:00.123Z".parse().unwrap(),
    }
}

#[tokio::test]
async fn what_was_sealed_opens_and_says_nothing_on_its_way() {
    let keyring = keyring().await;
    let sealed = SealedCall::seal(&keyring, id(1), &call(), NOW).unwrap();
    let written = serde_json::to_string(&sealed).unwrap();
    for shown in [&written, &format!("{sealed:?}")] {
        assert!(!shown.contains("135790") && !shown.contains("5550"), "{shown}");
    }
    let parsed: Value = serde_json::from_str(&written).unwrap();
    assert_eq!(parsed["id"], "call_AQEBAQEBAQEBAQEBAQEBAQ");
    assert_eq!(parsed.as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "sealed"]);

    let read: SealedCall = serde_json::from_str(&written).unwrap();
    let Ok(Opened::Call(opened)) = read.open(&keyring) else { panic!("not a call") };
    assert_eq!((opened.to.as_str(), opened.code.expose_digits()), ("+12125550123", "135790"));
    assert_eq!((opened.locale.as_str(), opened.expires_at), ("es-US", call().expires_at));
    assert!(
        !format!("{opened:?}").contains("135790") && !format!("{opened:?}").contains("5550"),
        "{opened:?}"
    );
}

#[tokio::test]
async fn another_id_another_key_another_byte() {
    let keyring = keyring().await;
    let sealed = SealedCall::seal(&keyring, id(1), &call(), NOW).unwrap();
    let moved = SealedCall { id: id(2), ..sealed.clone() };
    assert_eq!(moved.open(&keyring).unwrap_err(), CallNotOpened::Refused);
    assert_eq!(sealed.open(&self::keyring().await).unwrap_err(), CallNotOpened::Refused);
    for place in 0..sealed.sealed.len() {
        let mut changed = sealed.clone();
        changed.sealed[place] ^= 1;
        let version = (1..5).contains(&place);
        let wanted = if version { CallNotOpened::UnknownVersion } else { CallNotOpened::Refused };
        assert_eq!(changed.open(&keyring).unwrap_err(), wanted, "{place}");
    }
    for length in 0..sealed.sealed.len() {
        let cut = SealedCall { sealed: sealed.sealed[..length].to_vec(), ..sealed.clone() };
        assert_eq!(cut.open(&keyring).unwrap_err(), CallNotOpened::Refused, "{length}");
    }
}

/// What is sealed for another purpose, or is no call.
#[tokio::test]
async fn a_seal_is_not_enough() {
    let keyring = keyring().await;
    let plain = br#"{"to":"+12125550123","code":"135790","locale":"en","expires_at":"2025-03-01T12:10:00Z"}"#;
    let of = |purpose, plain: &[u8]| SealedCall {
        id: id(1),
        sealed: keyring.seal(purpose, &[id(1).as_str()], plain, NOW).unwrap(),
    };
    assert!(of(Purpose::VoiceCode, plain).open(&keyring).is_ok());
    assert_eq!(of(Purpose::PhoneCode, plain).open(&keyring).unwrap_err(), CallNotOpened::Refused);
    for (part, other) in
        [("+1", "1"), ("135790", "13579"), ("en", "!"), ("T12", ""), ("\"code\"", "\"pin\""), ("}", "")]
    {
        let plain = String::from_utf8(plain.to_vec()).unwrap().replace(part, other);
        assert_eq!(
            of(Purpose::VoiceCode, plain.as_bytes()).open(&keyring).unwrap_err(),
            CallNotOpened::Refused,
            "{plain}"
        );
    }
}

#[test]
fn ids() {
    let read = |text: &str| serde_json::from_value::<CallId>(json!(text));
    assert_eq!(read(id(1).as_str()).unwrap(), id(1));
    for text in [
        "",
        "call_",
        "AQEBAQEBAQEBAQEBAQEBAQ",
        "call_AQEBAQEBAQEBAQEBAQEBAR",
        "call_AQEBAQEBAQEBAQEBAQEB",
        "acc_AQEBAQEBAQEBAQEBAQEBAQ",
        "call_#",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
    for written in [
        json!({ "id": id(1) }),
        json!({ "id": id(1), "sealed": "!" }),
        json!({ "id": id(1), "sealed": "", "to": "" }),
    ] {
        assert!(serde_json::from_value::<SealedCall>(written).is_err());
    }
}

proptest! {
    /// Nobody can tell by its length whether somebody is called, or whom.
    #[test]
    fn all_are_of_one_length(
        number in "\\+[1-9][0-9]{6,14}",
        code in "[0-9]{6}",
        locale in "[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?(-[a-z0-9]{5,8}){0,2}",
        second in 0..4_102_444_800_i64,
        nanosecond in 0..1_000_000_000_i32,
    ) {
        let (Ok(to), Ok(locale)) = (number.parse(), locale.parse()) else { return Err(TestCaseError::reject("no locale")) };
        let expires_at = Timestamp::new(second, nanosecond).unwrap();
        let call = Call { to, code: code.parse().unwrap(), locale, expires_at };
        let keyring = &*KEYRING;
        let [called, nobody] = [
            SealedCall::seal(keyring, id(1), &call, NOW).unwrap(),
            SealedCall::seal_nothing(keyring, id(2), NOW).unwrap(),
        ];
        let length = |sealed| serde_json::to_string(sealed).unwrap().len();
        prop_assert_eq!(length(&called), length(&nobody));
        prop_assert!(matches!(nobody.open(keyring), Ok(Opened::Nobody)));
        let Ok(Opened::Call(opened)) = called.open(keyring) else { return Err(TestCaseError::fail("not a call")) };
        prop_assert_eq!((opened.to, opened.locale, opened.expires_at), (call.to, call.locale, call.expires_at));
    }
}
