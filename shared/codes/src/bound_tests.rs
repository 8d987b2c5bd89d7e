use postern_keys::LocalKeys;
use postern_keys::rotation::SealingKeyDue;

use super::*;

#[tokio::test]
async fn a_code_answers_for_nothing_but_what_asked_for_it() {
    let keys = LocalKeys::ephemeral();
    let due = SealingKeyDue { version: 1, active_from: Timestamp::UNIX_EPOCH };
    let keyring = Keyring::open(&keys, &[due.make(&keys).await.unwrap()]).await.unwrap();
    let now = Timestamp::constant(1_772_863_200, 0);
    let (account, other_account) = (AccountId::from_bytes([1; 16]), AccountId::from_bytes([2; 16]));
    let (phone, other_phone) = (PhoneId::from_bytes([3; 16]), PhoneId::from_bytes([4; 16]));
    let bound = Bound {
        purpose: Purpose::SignIn,
        asked_by: "si_a",
        account: &account,
        phone: &phone,
        channel: Channel::Text,
    };
    let code: OneTimeCode = "042137".parse().unwrap();
    let mac = bound.mac(&keyring, &code, now);
    assert!(bound.verify(&keyring, &code, &mac));
    assert!(!bound.verify(&keyring, &"042138".parse().unwrap(), &mac));
    for other in [
        Bound { purpose: Purpose::Enrolment, ..bound },
        Bound { asked_by: "si_b", ..bound },
        Bound { account: &other_account, ..bound },
        Bound { phone: &other_phone, ..bound },
        Bound { channel: Channel::Call, ..bound },
    ] {
        assert!(!other.verify(&keyring, &code, &mac), "{other:?}");
    }
}
