//! What is written comes back, expires when it should, and lies where nothing else looks for it.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use postern_domain::account::{Account, Channel, IssuedRecoveryCode, Passkey};
use postern_domain::activity::{Event, What};
use postern_domain::admission::{Factor, Proof};
use postern_domain::id::PhoneId;
use postern_domain::session::{Origin, Session};
use postern_keys::{SealingKeyRecord, TokenKeyRecord};
use postern_store::{
    Cursor, IdempotentRequest, PasskeySignIn, Registered, Registration, StoredCode, activity_of,
};

use crate::tables::{
    ACCOUNTS, Item, NOW, Tables, account, bytes, ceremony, code, enrol, event, event_of, passkey, proven,
    register, session, signed_in,
};

#[tokio::test]
async fn an_account_comes_back() {
    let tables = Tables::new().await;
    let longest = Account {
        username: "a".repeat(64).parse().unwrap(),
        email: format!("{}@{}.example", "é".repeat(30), "d".repeat(60)).parse().unwrap(),
        locale: "zh-Hant-TW".parse().unwrap(),
        generation: u64::MAX,
        revision: 7,
        ..account(2)
    };
    for written in [account(1), longest] {
        let event = event_of(&written, event(1, What::AccountRegistered));
        let registered = register(&tables.store, &written, &session(1), &event).await.unwrap();
        assert!(matches!(registered, Registered::Done));
        // In whole seconds, as the table's TTL wants it.
        let forget_at = written.forget_at.map(|at| Timestamp::from_second(at.as_second()).unwrap());
        assert_eq!(tables.account(&written.id).await, Account { forget_at, ..written });
    }
    assert_eq!(tables.store.account(&account(3).id, NOW).await.unwrap(), None);
}

#[tokio::test]
async fn passkeys_come_back_and_keep_the_account() {
    let tables = Tables::new().await;
    let (before, session) = tables.registered(1).await;
    let plain = passkey(1);
    let extreme = Passkey {
        name: "\u{1f511}".repeat(64).parse().unwrap(),
        created_at: NOW + SignedDuration::from_millis(1),
        last_used_at: Some(NOW + SignedDuration::from_hours(1)),
        backup_eligible: false,
        backed_up: true,
        counter: u32::MAX,
        provider: None,
        credential: "\u{0}\"\\é".repeat(2000),
        ..passkey(2)
    };
    let mut read = before.clone();
    for (number, written) in [(1, &plain), (2, &extreme)] {
        let enrolment = postern_store::PasskeyEnrolment {
            account: &read,
            passkey: written,
            ceremony: &ceremony(number),
            proven: &session,
            event: &event(number + 1, What::PasskeyAdded),
        };
        tables.store.enrol_passkey(enrolment).await.unwrap().unwrap();
        read = tables.account(&read.id).await;
    }
    let mut expected = Account { forget_at: None, revision: 2, ..before };
    expected.methods.passkeys = vec![plain, extreme];
    assert_eq!(read, expected);
}

#[tokio::test]
async fn a_sign_in_moves_what_moves_and_nothing_else() {
    let tables = Tables::new().await;
    let (before, _) = tables.enrolled(1).await;
    let at = NOW + SignedDuration::from_secs(9);
    let used = Passkey { counter: 41, backed_up: true, last_used_at: Some(at), ..passkey(1) };
    let begun = Session { created_at: at, last_seen_at: at, ..signed_in(7, 1) };
    let sign_in = PasskeySignIn {
        account: &before,
        used: &used,
        counter_was: 0,
        ceremony: &ceremony(2),
        session: &begun,
        event: &Event { at, ..event(9, What::SignedIn) },
        replaced: None,
    };
    assert!(tables.store.sign_in_by_passkey(sign_in).await.unwrap());
    let mut expected = before;
    expected.methods.passkeys = vec![used];
    assert_eq!(tables.account(&expected.id).await, expected);
    assert_eq!(tables.store.caller(Some(begun.id.clone()), at).await.unwrap().session, begun);
}

#[tokio::test]
async fn a_recovery_code_comes_back() {
    let tables = Tables::new().await;
    let (account, _) = tables.with_code(1).await;
    assert!(tables.codes.code(&self::account(2).id).await.unwrap().is_none());

    let stored = tables.codes.code(&account.id).await.unwrap().unwrap();
    assert_eq!((stored.sealed, stored.issued_at), (code(1).sealed, code(1).issued_at));
    let issued = IssuedRecoveryCode { issued_at: code(1).issued_at, downloaded_at: None };
    assert_eq!(account.recovery_code, Some(issued.clone()));
    assert_eq!(account.revision, 2);

    let at = NOW + SignedDuration::from_secs(30);
    let looked = Event { at, ..event(5, What::RecoveryCodeDownloaded) };
    tables.codes.mark_downloaded(&account, &StoredCode::from(&code(1)), &looked).await.unwrap();
    let downloaded = tables.account(&account.id).await;
    assert_eq!(downloaded.recovery_code, Some(IssuedRecoveryCode { downloaded_at: Some(at), ..issued }));
    assert_eq!(downloaded.revision, 3);
}

#[tokio::test]
async fn sessions_come_back_the_newest_first() {
    let tables = Tables::new().await;
    let at = NOW - SignedDuration::from_mins(1);
    let proof = |factor| Proof { factor, at, enrolled_at: at, outlives_method: true };
    let everything = Session {
        origin: Origin::Recovery,
        proofs: vec![
            proof(Factor::Passkey { id: passkey(4).id, backed_up: true }),
            proof(Factor::Password),
            proof(Factor::Authenticator),
            proof(Factor::Phone { id: PhoneId::from_bytes(bytes(4)), channel: Channel::Text }),
            Proof {
                outlives_method: false,
                ..proof(Factor::Phone { id: PhoneId::from_bytes(bytes(5)), channel: Channel::Call })
            },
        ],
        generation: u64::MAX,
        created_at: NOW + SignedDuration::from_millis(2),
        last_seen_at: NOW + SignedDuration::from_millis(3),
        place: "2001:db8::1".to_owned(),
        user_agent: None,
        ..session(2)
    };
    let of_the_account = Session { account: account(1).id, ..everything };
    let earlier = Session { created_at: NOW + SignedDuration::from_millis(1), ..session(1) };
    let written = [earlier, of_the_account, session(3)];
    for session in &written {
        tables.store.begin_session(session, None).await.unwrap();
    }
    let [earlier, later, of_another] = written;
    assert_eq!(tables.store.sessions(&account(1).id).await.unwrap(), [later, earlier]);
    assert_eq!(tables.store.sessions(&account(3).id).await.unwrap(), [of_another]);
    assert_eq!(tables.store.sessions(&account(4).id).await.unwrap(), []);
}

#[tokio::test]
async fn an_account_may_have_more_sessions_than_a_page() {
    let tables = Tables::new().await;
    // The index answers with 1 MB at a time.
    let user_agent = Some("x".repeat(200_000));
    for number in 0..8 {
        let session = Session { account: account(1).id, user_agent: user_agent.clone(), ..session(number) };
        tables.store.begin_session(&session, None).await.unwrap();
    }
    assert_eq!(tables.store.sessions(&account(1).id).await.unwrap().len(), 8);
}

#[tokio::test]
async fn activity_comes_back_in_pages_the_newest_first() {
    let tables = Tables::new().await;
    let mut written: Vec<Event> = Vec::new();
    for (what, number) in What::ALL.into_iter().cycle().zip(0..120_u32) {
        let at = NOW + SignedDuration::from_millis(i64::from(number));
        let event =
            Event { at, place: "2001:db8::1".to_owned(), account: account(1).id, ..event(number, what) };
        tables.store.note(&event).await.unwrap();
        written.push(event);
    }
    written.reverse();
    tables.store.note(&Event { account: account(2).id, ..event(900, What::SignedIn) }).await.unwrap();

    let mut read = Vec::new();
    let mut pages = Vec::new();
    let mut cursor: Option<Cursor> = None;
    loop {
        let page = tables.store.activity(&account(1).id, cursor.as_ref()).await.unwrap();
        pages.push(page.events.len());
        read.extend(page.events);
        let Some(next) = page.next else { break };
        // As a client hands it back.
        cursor = Some(next.to_string().parse().unwrap());
        assert_eq!(cursor, Some(next));
    }
    assert_eq!(pages, [50, 50, 20]);
    assert_eq!(read, written);

    // Whoever brings another's cursor sees their own alone.
    let own = tables.store.activity(&account(2).id, cursor.as_ref()).await.unwrap();
    assert!(own.events.iter().all(|event| event.account == account(2).id));
    assert!(tables.store.activity(&account(3).id, None).await.unwrap().events.is_empty());
}

#[tokio::test]
async fn a_last_page_that_is_full_has_no_next() {
    let tables = Tables::new().await;
    let page = tables.store.activity(&account(1).id, None).await.unwrap();
    assert!(page.events.is_empty() && page.next.is_none());
    let of_each = |number| Event { account: account(1).id, ..event(number, What::SignedIn) };
    for number in 0..50_u32 {
        tables.store.note(&of_each(number)).await.unwrap();
    }
    let page = tables.store.activity(&account(1).id, None).await.unwrap();
    assert!(page.events.len() == 50 && page.next.is_none());
    tables.store.note(&of_each(50)).await.unwrap();
    let page = tables.store.activity(&account(1).id, None).await.unwrap();
    let next = tables.store.activity(&account(1).id, page.next.as_ref()).await.unwrap();
    assert!(next.events.len() == 1 && next.next.is_none());
}

#[test]
fn what_is_no_cursor() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let encode = |plain: &str| URL_SAFE_NO_PAD.encode(plain);
    let id = event(1, What::SignedIn).id;
    assert!(encode(&format!("2025-03-01T12:00:00.123Z#{id}")).parse::<Cursor>().is_ok());
    for text in [
        String::new(),
        "!".to_owned(),
        encode(""),
        encode("2025-03-01T12:00:00.123Z"),
        encode(&format!("#{id}")),
        encode(&format!("yesterday#{id}")),
        encode("2025-03-01T12:00:00.123Z#acc_AAAAAAAAAAAAAAAAAAAAAA"),
        encode(&format!("2025-03-01T12:00:00.123Z#{id}#")),
        URL_SAFE_NO_PAD.encode([0xff, 0xfe]),
        format!("{}=", encode(&format!("2025-03-01T12:00:00.123Z#{id}"))),
    ] {
        assert!(text.parse::<Cursor>().is_err(), "{text:?}");
    }
}

#[tokio::test]
async fn keys_come_back_in_their_order() {
    let tables = Tables::new().await;
    let sealing = |version: u32| SealingKeyRecord {
        version,
        sealed: vec![0, 255, 10],
        active_from: NOW - SignedDuration::from_secs(i64::from(version)),
    };
    let token = |number: u32| TokenKeyRecord {
        kid: format!("kid-{number}"),
        sealed_private: vec![1, 0, 2],
        public_der: vec![3, 0, 4],
        active_from: NOW + SignedDuration::from_hours(i64::from(number)),
        active_until: NOW + SignedDuration::from_hours(i64::from(number) + 1),
    };
    for version in [10, 9, u32::MAX] {
        assert!(tables.keys.add_sealing(&sealing(version)).await.unwrap());
    }
    for number in [2, 1] {
        assert!(tables.keys.add_token(&token(number)).await.unwrap());
    }
    assert_eq!(tables.keys.sealing().await.unwrap(), [sealing(9), sealing(10), sealing(u32::MAX)]);
    let kids: Vec<_> = tables.keys.tokens().await.unwrap();
    assert_eq!(kids.iter().map(|key| key.kid.as_str()).collect::<Vec<_>>(), ["kid-1", "kid-2"]);
    assert_eq!(
        (&kids[0].sealed_private, &kids[0].public_der, kids[0].active_from, kids[0].active_until),
        (&vec![1, 0, 2], &vec![3, 0, 4], token(1).active_from, token(1).active_until)
    );
}

/// Beside the account's own records stand its activity, before, and whatever a later release may add.
#[tokio::test]
async fn an_account_is_its_records_alone() {
    let tables = Tables::new().await;
    let (expected, _) = tables.enrolled(1).await;
    for number in 0..60 {
        let noted = Event { account: expected.id.clone(), ..event(number, What::SignedIn) };
        tables.store.note(&noted).await.unwrap();
    }
    let unknown = [("pk", expected.id.as_str()), ("sk", "PASSWORD"), ("hash", "of a later release")];
    let unknown: Item =
        unknown.map(|(name, text)| (name.to_owned(), AttributeValue::S(text.to_owned()))).into();
    tables.put(ACCOUNTS, unknown).await;
    assert_eq!(tables.account(&expected.id).await, expected);

    let passkey_alone = event_of(&account(2), event(2, What::SignedIn));
    tables.store.note(&passkey_alone).await.unwrap();
    assert_eq!(tables.store.account(&account(2).id, NOW).await.unwrap(), None, "activity makes no account");
}

#[tokio::test]
async fn the_stream_tells_activity_and_nothing_else() {
    let tables = Tables::new().await;
    tables.with_code(1).await;
    let mut told = Vec::new();
    for ((table, ..), item) in tables.contents().await {
        if table == ACCOUNTS {
            told.extend(activity_of(serde_dynamo::Item::from(item)).unwrap());
        }
    }
    told.sort_by_key(|event| event.id.clone());
    let whats: Vec<_> = told.iter().map(|event| event.what).collect();
    assert_eq!(whats, [What::AccountRegistered, What::PasskeyAdded, What::RecoveryCodeIssued]);
    assert_eq!(told[0], event(1, What::AccountRegistered));
}

/// TTL takes what has one of these attributes, and nothing else: in whole seconds since 1970, an hour after the expiry
/// that every read checks.
#[tokio::test]
async fn what_expires_says_so_to_the_table() {
    let tables = Tables::new().await;
    let idempotent = IdempotentRequest {
        key: "digest".to_owned(),
        request: "mac".to_owned(),
        expires_at: NOW + SignedDuration::from_mins(10),
    };
    let registration = Registration {
        hash: None,
        account: &account(1),
        session: &session(1),
        event: &event(1, What::AccountRegistered),
        idempotent: Some(idempotent),
        replaced: None,
    };
    tables.store.register(registration, NOW).await.unwrap();
    let second = NOW.as_second();
    let expiring = async |tables: &Tables| -> BTreeSet<(String, &'static str, i64)> {
        let mut expiring = BTreeSet::new();
        for ((_, pk, sk), item) in tables.contents().await {
            let kind = if sk.is_empty() { &pk } else { &sk };
            let kind = kind.split('#').next().unwrap().to_owned();
            for name in ["forget_at", "delete_at"] {
                // Of what is somebody's it is no number, and so never due.
                if let Some(at) = item.get(name).filter(|at| !at.is_null()) {
                    expiring.insert((kind.clone(), name, at.as_n().unwrap().parse().unwrap()));
                }
            }
        }
        expiring
    };
    let session_ends = ("SESSION".to_owned(), "delete_at", second + 13 * 3600);
    let idempotency_ends = ("IDEMPOTENCY".to_owned(), "delete_at", second + 3600 + 600);
    let forgotten = second + 24 * 3600;
    assert_eq!(
        expiring(&tables).await,
        BTreeSet::from([
            ("NAME".to_owned(), "forget_at", forgotten),
            ("PROFILE".to_owned(), "forget_at", forgotten),
            session_ends.clone(),
            idempotency_ends.clone(),
        ])
    );

    // The first method keeps the account for good.
    let account = tables.account(&account(1).id).await;
    enrol(&tables.store, &account, &proven(&session(1), &passkey(1)), 1).await.unwrap().unwrap();
    let account = tables.account(&account.id).await;
    assert!(tables.codes.issue(&account, None, &code(1), &event(8, What::RecoveryCodeIssued)).await.unwrap());
    let key = SealingKeyRecord { version: 1, sealed: vec![1], active_from: NOW };
    assert!(tables.keys.add_sealing(&key).await.unwrap());
    assert_eq!(
        expiring(&tables).await,
        BTreeSet::from([
            session_ends,
            idempotency_ends,
            ("SPENT".to_owned(), "delete_at", second + 3600 + 300),
        ])
    );
}

#[tokio::test]
async fn nothing_is_written_as_null() {
    let tables = Tables::new().await;
    let session = Session { user_agent: None, ..session(1) };
    tables.store.begin_session(&session, None).await.unwrap();
    tables.registered(2).await;
    for (key, item) in tables.contents().await {
        assert!(item.values().all(|value| !value.is_null()), "{key:?}");
    }
}

/// DynamoDB refuses its own words in expressions. So does the engine: every other test here would fail on one.
#[tokio::test]
async fn the_engine_refuses_the_services_own_words() {
    let tables = Tables::new().await;
    for word in ["name", "counter", "session", "token", "region"] {
        let update = tables
            .client
            .update_item()
            .table_name(ACCOUNTS)
            .key("pk", AttributeValue::S("a".to_owned()))
            .key("sk", AttributeValue::S("b".to_owned()))
            .update_expression(format!("SET {word} = :v"))
            .expression_attribute_values(":v", AttributeValue::Bool(true));
        let refused = format!("{:?}", update.send().await.unwrap_err());
        assert!(refused.contains("reserved keyword"), "{word}: {refused}");
    }
}
