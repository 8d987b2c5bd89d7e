//! What DynamoDB answers when two meet, which the engine never does, and what we ask of it beyond what the engine looks at.

use postern_domain::account::Account;
use postern_domain::activity::{Event, What};
use postern_domain::session::Session;
use postern_keys::SealingKeyRecord;
use postern_store::{PasskeySignIn, Registered, Store, StoreError};
use serde_json::json;

use crate::canned::{Answer, Canned};
use crate::tables::{NOW, account, ceremony, event, passkey, register, session, signed_in};

const NONE: &str = "None";
const FAILED: &str = "ConditionalCheckFailed";
const CONFLICT: &str = "TransactionConflict";

fn done() -> Answer {
    Answer::right(json!({}))
}

/// Six writes: the challenge, the passkey, the profile, the event, the session.
async fn sign_in(store: &Store) -> Result<bool, StoreError> {
    let new = PasskeySignIn {
        account: &account(1),
        used: &passkey(1),
        counter_was: 0,
        ceremony: &ceremony(1),
        session: &signed_in(2, 1),
        event: &event(1, What::SignedIn),
        replaced: None,
    };
    store.sign_in_by_passkey(new).await
}

#[tokio::test]
async fn a_transaction_that_met_another_is_sent_again() {
    let conflict = || Answer::cancelled(&[NONE, CONFLICT, NONE, NONE, NONE]);
    let canned = Canned::answering([conflict(), conflict(), done()]).await;
    assert!(sign_in(&canned.store).await.unwrap());

    let asked = canned.asked();
    assert_eq!(asked.len(), 3);
    // The same one, so that an attempt whose answer was lost takes effect once.
    assert!(asked[0].body["ClientRequestToken"].is_string());
    assert!(asked.iter().all(|again| again.operation == "TransactWriteItems" && again.body == asked[0].body));
}

#[tokio::test]
async fn a_throttled_partition_is_asked_again() {
    for code in ["ThrottlingError", "ProvisionedThroughputExceeded"] {
        let canned = Canned::answering([Answer::cancelled(&[NONE, NONE, code, NONE, NONE]), done()]).await;
        assert!(sign_in(&canned.store).await.unwrap());
        assert_eq!(canned.asked().len(), 2);
    }
}

#[tokio::test]
async fn a_condition_that_does_not_hold_is_not_asked_again() {
    let canned = Canned::answering([Answer::cancelled(&[FAILED, NONE, NONE, NONE, NONE]), done()]).await;
    assert!(!sign_in(&canned.store).await.unwrap());
    assert_eq!(canned.asked().len(), 1);

    let canned = Canned::answering([Answer::cancelled(&[NONE, FAILED, NONE, NONE, NONE]), done()]).await;
    assert!(matches!(sign_in(&canned.store).await, Err(StoreError::Conflict)));
    assert_eq!(canned.asked().len(), 1);
}

#[tokio::test]
async fn a_conflict_that_does_not_end_is_no_verdict() {
    let canned = Canned::answering([Answer::cancelled(&[NONE, CONFLICT, NONE, NONE, NONE])]).await;
    let error = sign_in(&canned.store).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable { .. }) && error.retryable(), "{error}");
    assert_eq!(canned.asked().len(), 4);
}

/// Of a registration that meets its own repetition, the name may be taken already and the key not yet known: that would
/// be another answer than the first one's.
#[tokio::test]
async fn half_a_verdict_is_none() {
    let half = || Answer::cancelled(&[FAILED, CONFLICT, NONE, NONE]);
    let register = async |store: &Store| {
        register(store, &account(1), &session(1), &event(1, What::AccountRegistered)).await
    };
    let canned = Canned::answering([half(), half(), Answer::cancelled(&[FAILED, NONE, NONE, NONE])]).await;
    assert!(matches!(register(&canned.store).await, Ok(Registered::UsernameTaken)));
    assert_eq!(canned.asked().len(), 3);

    for other in [CONFLICT, "ThrottlingError", "ValidationError", "ItemCollectionSizeLimitExceeded"] {
        let canned = Canned::answering([Answer::cancelled(&[FAILED, other, NONE, NONE])]).await;
        assert!(matches!(register(&canned.store).await, Err(StoreError::Unavailable { .. })), "{other}");
    }
}

#[tokio::test]
async fn a_single_write_that_met_a_transaction_is_sent_again() {
    let conflict = || Answer::refusal("TransactionConflictException", "Transaction is ongoing for the item");

    let canned = Canned::answering([conflict(), conflict(), done()]).await;
    canned.store.note(&event(1, What::SignedIn)).await.unwrap();
    assert_eq!(canned.asked().len(), 3);

    let canned = Canned::answering([conflict(), conflict(), done()]).await;
    assert!(!canned.store.sign_out(&session(1).id, NOW).await.unwrap());
    assert_eq!(canned.asked().len(), 3);

    let key = SealingKeyRecord { version: 1, sealed: vec![1], active_from: NOW };
    let canned = Canned::answering([conflict(), conflict(), done()]).await;
    assert!(canned.keys.add_sealing(&key).await.unwrap());
    assert_eq!(canned.asked().len(), 3);
}

/// `session(1)` and its account, unproven, as a step reads them.
fn read() -> [Answer; 2] {
    let (account, session): (Account, Session) = (account(1), session(1));
    let profile = json!({ "Items": [{
        "pk": { "S": account.id.as_str() }, "sk": { "S": "PROFILE" }, "username": { "S": "provider" },
        "email": { "S": "a@b.example" }, "locale": { "S": "en-US" }, "created_at": { "S": NOW.to_string() },
        "generation": { "N": "0" }, "revision": { "N": "0" },
    }], "Count": 1, "ScannedCount": 1 });
    let found = json!({ "Item": {
        "pk": { "S": format!("SESSION#{}", session.id) }, "session_account": { "S": account.id.as_str() },
        "created_at": { "S": NOW.to_string() }, "last_seen_at": { "S": NOW.to_string() },
        "origin": { "S": "registration" }, "proofs": { "L": [] }, "generation": { "N": "0" },
        "place": { "S": "192.0.2.7" }, "delete_at": { "N": "9" },
    } });
    [Answer::right(found), Answer::right(profile)]
}

/// The use of a session is written down while a transaction proves it.
#[tokio::test]
async fn a_use_that_met_a_transaction_is_written_down_again() {
    let [found, profile] = read();
    let conflict = Answer::refusal("TransactionConflictException", "Transaction is ongoing for the item");
    let canned = Canned::answering([found, profile, conflict, done()]).await;
    let at = NOW + jiff::SignedDuration::from_mins(2);
    canned.store.caller(Some(session(1).id), at).await.unwrap();
    let operations: Vec<_> = canned.asked().into_iter().map(|asked| asked.operation).collect();
    assert_eq!(operations, ["GetItem", "Query", "UpdateItem", "UpdateItem"]);
}

/// And while it ends: then it is over for this use, too.
#[tokio::test]
async fn a_use_of_a_session_that_ends_meanwhile_is_none() {
    let [found, profile] = read();
    let ended = Answer::refusal("ConditionalCheckFailedException", "The conditional request failed");
    let canned = Canned::answering([found, profile, ended]).await;
    let at = NOW + jiff::SignedDuration::from_mins(2);
    let problem = canned.store.caller(Some(session(1).id), at).await.unwrap_err();
    assert_eq!((problem.code(), problem.cause().is_none()), ("not_signed_in", true));
    assert_eq!(canned.asked().len(), 3);
}

/// The isolation between a transaction and a `Query` is read-committed: the part that is read later may be newer. So the
/// revision must be read first: then a decision that rests on a mixture meets a revision that has moved on.
#[tokio::test]
async fn an_account_is_read_from_its_revision_on() {
    let canned =
        Canned::answering([Answer::right(json!({ "Items": [], "Count": 0, "ScannedCount": 0 }))]).await;
    assert!(canned.store.account(&account(1).id, NOW).await.unwrap().is_none());
    let [asked] = &*canned.asked() else { panic!("not one call") };
    assert_eq!(asked.operation, "Query");
    assert_eq!(
        (&asked.body["ScanIndexForward"], &asked.body["ConsistentRead"]),
        (&json!(false), &json!(true))
    );
}

/// The engine reads consistently whatever is asked.
#[tokio::test]
async fn decisions_rest_on_consistent_reads() {
    let nothing = || Answer::right(json!({}));
    let canned = Canned::answering([nothing()]).await;
    assert!(canned.store.caller(Some(session(1).id), NOW).await.is_err());
    assert!(canned.codes.code(&account(1).id).await.unwrap().is_none());
    let empty = json!({ "Items": [], "Count": 0, "ScannedCount": 0 });
    let queried = Canned::answering([Answer::right(empty)]).await;
    assert!(queried.keys.sealing().await.unwrap().is_empty());
    assert!(queried.keys.tokens().await.unwrap().is_empty());
    assert!(queried.store.activity(&account(1).id, None).await.unwrap().events.is_empty());
    for asked in canned.asked().into_iter().chain(queried.asked()) {
        assert_eq!(asked.body["ConsistentRead"], json!(true), "{}", asked.operation);
    }
}

#[tokio::test]
async fn what_dynamodb_refuses_is_unavailable() {
    let event: Event = event(1, What::SignedIn);
    for (name, times) in [
        ("ThrottlingException", 4),
        ("ProvisionedThroughputExceededException", 4),
        ("ResourceNotFoundException", 1),
        ("AccessDeniedException", 1),
        ("ValidationException", 1),
    ] {
        let canned = Canned::answering([Answer::refusal(name, "canary")]).await;
        let error = canned.store.note(&event).await.unwrap_err();
        assert_eq!(error.to_string(), format!("PutItem failed: {name}"));
        assert_eq!(canned.asked().len(), times, "{name}");
    }
}
