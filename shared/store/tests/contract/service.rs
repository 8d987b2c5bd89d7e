//! What the service refuses of a request: the engine refuses it, too, so that every other test here would fail on it.
//! Then what stands here of the limits is that the largest requests stay within them.

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use postern_domain::account::{Account, MOST_PHONES};
use postern_domain::activity::What;
use postern_domain::guess::FREE_GUESSES;
use postern_store::{PasskeyEnrolment, Proven, Secret};

use crate::tables::{
    ACCOUNTS, NOW, Tables, add_phone, ceremony, event, event_of, guess_code, passkey, phone, prove, send,
    sending, sent, set_password, sign_in_id,
};

fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// What the engine says to an update in a transaction of its own: as the store writes.
async fn refusal(tables: &Tables, change: &str, condition: Option<&str>, values: &[&str]) -> String {
    let mut update = Update::builder()
        .table_name(ACCOUNTS)
        .key("pk", text("a"))
        .key("sk", text("b"))
        .update_expression(change)
        .set_condition_expression(condition.map(str::to_owned));
    for name in values {
        update = update.expression_attribute_values(*name, text("value"));
    }
    let write = TransactWriteItem::builder().update(update.build().unwrap()).build();
    let refused = tables.client.transact_write_items().transact_items(write).send().await.unwrap_err();
    // As a whole, or as the reason of a cancellation.
    let refused = format!("{:?}", refused.into_service_error());
    assert!(refused.contains("Validation"), "{change} {condition:?}: {refused}");
    refused
}

/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html>: in any expression, at any place of
/// a path, in any spelling.
#[tokio::test]
async fn its_own_words() {
    let tables = Tables::new().await;
    for word in [
        "name", "counter", "session", "token", "hash", "count", "number", "code", "locks", "Tag", "USE",
        "ttl",
    ] {
        let is_word = !["code", "Tag"].contains(&word);
        let in_places = [
            (format!("SET {word} = :v"), None),
            (format!("SET {word}.used = :v"), None),
            (format!("SET known.{word} = :v"), None),
            (format!("SET known = if_not_exists({word}, :v)"), None),
            (format!("REMOVE {word} SET known = :v"), None),
            ("SET known = :v".to_owned(), Some(format!("attribute_exists({word})"))),
            ("SET known = :v".to_owned(), Some(format!("known.{word} = :v"))),
        ];
        for (change, condition) in in_places.iter().filter(|_| is_word) {
            let refused = refusal(&tables, change, condition.as_deref(), &[":v"]).await;
            assert!(refused.contains("reserved keyword"), "{change} {condition:?}: {refused}");
        }
    }
}

#[tokio::test]
async fn what_an_expression_may_not() {
    let tables = Tables::new().await;
    let long = |length: usize| format!("SET known = :v, {} = :v", "k".repeat(length - 21));
    assert_eq!(long(4097).len(), 4097);
    for (change, condition, values, says) in [
        ("SET known = :v", None, &[":v", ":unused"][..], "unused"),
        ("SET known = :v, guesses = :missing", None, &[":v"], "not defined"),
        ("SET known.used = :v REMOVE known", None, &[":v"], "overlap"),
        ("SET known = :v REMOVE known", None, &[":v"], "overlap"),
        ("SET known = :v, known = :v", None, &[":v"], "overlap"),
        ("SET known = :v SET guesses = :v", None, &[":v"], "SET"),
        ("SET known = :v", Some(""), &[":v"], "empty"),
        (&*long(4097), None, &[":v"], "size"),
    ] {
        let refused = refusal(&tables, change, condition, values).await;
        assert!(refused.contains(says), "{change:.60} {condition:?}: {refused}");
    }
}

#[tokio::test]
async fn what_a_transaction_may_not() {
    let tables = Tables::new().await;
    let put = |number: u32, size: usize| {
        let put = Put::builder()
            .table_name(ACCOUNTS)
            .item("pk", text("a"))
            .item("sk", text(number.to_string()))
            .item("known", text("x".repeat(size)));
        TransactWriteItem::builder().put(put.build().unwrap()).build()
    };
    let refused = async |writes: Vec<TransactWriteItem>| {
        let refused =
            tables.client.transact_write_items().set_transact_items(Some(writes)).send().await.unwrap_err();
        format!("{:?} {:?}", refused.code(), refused.message())
    };
    let twice = refused(vec![put(1, 1), put(1, 1)]).await;
    assert!(twice.contains("multiple operations on one item"), "{twice}");
    let many = refused((0..101).map(|number| put(number, 1)).collect()).await;
    assert!(many.contains("less than or equal to 100"), "{many}");
    let large = refused(vec![put(1, 400 * 1024)]).await;
    assert!(large.contains("Item size"), "{large}");
    let all_large = refused((0..12).map(|number| put(number, 380 * 1024)).collect()).await;
    assert!(all_large.contains("ValidationException"), "{all_large}");
}

/// An account with all that it may have, at every limit: each of its writes fits, and what it rests on comes in one page.
#[tokio::test]
async fn the_largest_account_fits() {
    let tables = Tables::new().await;
    let (account, session) = tables.registered(1).await;
    let store = &tables.store;
    for number in 1..=20 {
        let account = tables.account(&account.id).await;
        let largest = postern_domain::account::Passkey {
            name: "\u{1f511}".repeat(64).parse().unwrap(),
            credential: "x".repeat(8 * 1024),
            ..passkey(number)
        };
        let enrolment = PasskeyEnrolment {
            account: &account,
            passkey: &largest,
            ceremony: &ceremony(number),
            proven: &session,
            event: &event_of(&account, event(number + 500, What::PasskeyAdded)),
        };
        store.enrol_passkey(enrolment).await.unwrap().unwrap();
    }
    let read = async || tables.account(&account.id).await;
    set_password(store, &read().await, &session, 1).await.unwrap();
    for number in 1..=MOST_PHONES {
        let number = u32::try_from(number).unwrap();
        assert!(add_phone(store, &read().await, &session, &phone(number)).await.unwrap());
    }
    let account: Account = read().await;
    for number in 0..10 {
        let (code, to) = (sent(number, &phone(1), NOW), sending(&account.username, number));
        send(store, Some(&account), &to, &sign_in_id(number), &code, NOW).await.unwrap().unwrap();
    }
    for _ in 0..FREE_GUESSES {
        guess_code(store, &account.username, &sign_in_id(0), NOW).await;
    }
    let code = sent(5, &phone(1), NOW);
    let outcome = prove(store, &account, Secret::PhoneCode(&code), &sign_in_id(5), Some(5000)).await.unwrap();
    assert_eq!(outcome, Proven::Done);
    let secret = Secret::Password { rehashed: Some(&crate::tables::hash(2)) };
    assert_eq!(prove(store, &account, secret, &sign_in_id(20), Some(5001)).await.unwrap(), Proven::Done);
    let hour_later = NOW + jiff::SignedDuration::from_hours(1);
    let (code, to) = (sent(30, &phone(1), hour_later), sending(&account.username, 30));
    send(store, Some(&account), &to, &sign_in_id(30), &code, hour_later).await.unwrap().unwrap();
    for which in ["PASSWORD", "PHONE"] {
        // Far from 400 KB, and so far from the price of a large write.
        let size = format!("{:?}", tables.by_name(&account.username, which).await).len();
        assert!(size < 40 * 1024, "{size}");
    }
}
