use super::*;

/// One range of the partition is the account, its revision is the last of it, and the activity lies outside.
#[test]
fn what_decisions_rest_on_sorts_together() {
    let methods = ["AUTHENTICATOR", "PASSKEY#pk_A", "PASSKEY#pk_z", "PASSWORD", "PHONE#ph_A"];
    let activity = ["ACTIVITY#", "ACTIVITY#2025-03-01T12:00:00.000Z#evt_A", "ACTIVITY#\u{10ffff}"];
    for method in methods {
        assert!((FIRST_METHOD..PROFILE).contains(&method), "{method}");
        assert!(activity.iter().all(|event| *event < method), "{method}");
    }
    assert!(PASSKEY < PROFILE && methods.is_sorted());
}

/// As text, an instant sorts as in time: the sort key of the activity, the range key of the sessions.
#[test]
fn instants_sort_as_text() {
    let millisecond = |count| Timestamp::from_millisecond(count).unwrap();
    let texts: Vec<_> =
        [0, 1, 10, 999, 1000, 1_740_830_400_123, 253_402_207_200_000].map(millisecond).map(instant).into();
    assert!(texts.is_sorted(), "{texts:?}");
    assert!(texts.iter().all(|text| text.len() == "1970-01-01T00:00:00.000Z".len()), "{texts:?}");
    assert_eq!(instant(millisecond(1_740_830_400_120)), "2025-03-01T12:00:00.120Z");
}

#[test]
fn an_attempt_stays_an_hour_beyond_its_expiry() {
    let at: Timestamp = "2025-03-01T12:00:00.999Z".parse().unwrap();
    assert_eq!(delete_at(at), at.as_second() + 3600);
    assert_eq!(delete_at(Timestamp::MAX), Timestamp::MAX.as_second());
}

/// `DynamoDB`'s limits: 2,048 bytes for a partition key, 1,024 for a sort key.
#[test]
fn keys_are_far_from_their_limits() {
    let (account, passkey) = (AccountId::from_bytes([255; 16]), PasskeyId::from_bytes([255; 32]));
    let username: Username = "a".repeat(64).parse().unwrap();
    let keys = [
        name_key(&username),
        profile_key(&account),
        passkey_key(&account, &passkey),
        credential_key(&passkey),
        session_key(&SessionId::from_bytes([255; 32])),
    ];
    for value in keys.iter().flat_map(HashMap::values) {
        assert!(value.as_s().unwrap().len() <= 100, "{value:?}");
    }
}
