//! What a failure says is for the log: never what an item holds.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write;

use aws_sdk_dynamodb::types::AttributeValue;
use postern_domain::account::{Account, Passkey};
use postern_domain::activity::{Event, What};
use postern_domain::send_limit::RESEND_AFTER;
use postern_domain::session::Session;
use postern_http::Problem;
use postern_store::{
    DeploymentLimits, IdempotentRequest, PasskeyEnrolment, PasskeyRemoval, PasskeySignIn, Registration,
    SealedCode, Secret, Sending, StoreError, StoredCode, decide_again,
};
use serde_json::json;

use crate::canned::{Answer, Canned};
use crate::tables::{
    ACCOUNTS, ATTEMPTS, Item, NOW, RECOVERY_CODES, Tables, account, ceremony, enrol_authenticator,
    enrol_phone, event, guess_app, guess_code, guess_password, passkey, pending, pending_authenticator,
    phone, prove, send, sending, sent, session, sign_in_id, signed_in,
};

const CANARY: &str = "canary";

/// Whatever of an error could reach a log: itself, what it comes from, and the problem that it becomes.
fn told(error: StoreError) -> String {
    let mut told = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(cause) = source {
        write!(told, " {cause} {cause:?}").unwrap();
        source = cause.source();
    }
    let problem = Problem::from(error);
    let cause = problem.cause().unwrap();
    write!(told, " {problem:?} {cause} {cause:?}").unwrap();
    told
}

fn canaries() -> (Account, Session, Passkey, Event) {
    let account = Account {
        username: "canary.name".parse().unwrap(),
        email: "canary@canary.example".parse().unwrap(),
        forget_at: None,
        ..account(1)
    };
    let session = Session {
        place: "canary-place".to_owned(),
        user_agent: Some("canary-agent".to_owned()),
        ..session(1)
    };
    let passkey = Passkey {
        name: "canary-label".parse().unwrap(),
        provider: Some("canary-provider".to_owned()),
        credential: "canary-credential".to_owned(),
        ..passkey(1)
    };
    let event = Event { place: "canary-place".to_owned(), ..event(1, What::PasskeyAdded) };
    (account, session, passkey, event)
}

#[tokio::test]
async fn a_condition_that_fails_tells_nothing_of_the_item_in_its_way() {
    let (account, session, passkey, event) = canaries();
    let tables = Tables::new().await;
    let register = || Registration {
        hash: None,
        account: &account,
        session: &session,
        event: &event,
        idempotent: None,
        replaced: None,
    };
    tables.store.register(register(), NOW).await.unwrap();
    let other_name = Account { username: "canary.other".parse().unwrap(), ..account.clone() };
    let enrolment = PasskeyEnrolment {
        account: &account,
        passkey: &passkey,
        ceremony: &ceremony(1),
        proven: &session,
        event: &event,
    };
    tables.store.enrol_passkey(enrolment).await.unwrap().unwrap();
    let read = tables.account(&account.id).await;
    let code = || SealedCode {
        sealed: b"canary-sealed".to_vec(),
        mac: *b"canary-canary-canary-canary-cana",
        issued_at: NOW,
    };
    tables.codes.issue(&read, None, &code(), &event).await.unwrap();

    let stale = Account { revision: 99, ..account.clone() };
    let unknown = Passkey { id: crate::tables::passkey(9).id, ..passkey.clone() };
    let sign_in = PasskeySignIn {
        account: &stale,
        used: &passkey,
        counter_was: 5,
        ceremony: &ceremony(7),
        session: &signed_in(3, 1),
        event: &event,
        replaced: None,
    };
    let removal = PasskeyRemoval { account: &stale, passkey: &passkey, proven: &session, event: &event };
    let enrol_unknown = PasskeyEnrolment {
        account: &stale,
        passkey: &unknown,
        ceremony: &ceremony(8),
        proven: &session,
        event: &event,
    };
    let registration = Registration { account: &other_name, ..register() };
    let later = NOW + jiff::SignedDuration::from_secs(1);
    let another = StoredCode::from(&SealedCode { issued_at: later, ..code() });
    let errors = [
        tables.store.register(registration, NOW).await.err(),
        tables.store.sign_in_by_passkey(sign_in).await.err(),
        tables.store.remove_passkey(removal).await.err(),
        tables.store.enrol_passkey(enrol_unknown).await.err(),
        tables.codes.issue(&stale, None, &code(), &event).await.err(),
        tables.codes.mark_downloaded(&read, &another, &event).await.err(),
    ];
    for error in errors {
        let told = told(error.unwrap());
        assert!(told.contains("Conflict") && !told.contains(CANARY), "{told}");
    }
}

/// DynamoDB's own texts quote what was sent.
#[tokio::test]
async fn a_refusal_tells_its_code_alone() {
    let (account, session, passkey, event) = canaries();
    let item = json!({ "email": { "S": CANARY } });
    let reason = |code: &str| json!({ "Code": code, "Message": "canary in the way", "Item": item });
    let cancelled = |code: &str| {
        let none = json!({ "Code": "None" });
        let reasons = [reason(code), none.clone(), none.clone(), none.clone(), none];
        let body = json!({ "Message": "Transaction cancelled for canary", "CancellationReasons": reasons });
        Answer::refusal_with("TransactionCanceledException", body)
    };
    let refusals = [
        cancelled("ValidationError"),
        cancelled("TransactionConflict"),
        Answer::refusal("ValidationException", "Value 'canary' at 'canary' failed to satisfy constraint"),
        Answer::refusal("ResourceNotFoundException", "canary"),
        Answer::right(json!("canary")),
    ];
    for refusal in refusals {
        let canned = Canned::answering([refusal]).await;
        let idempotent =
            IdempotentRequest { key: CANARY.to_owned(), request: CANARY.to_owned(), expires_at: NOW };
        let registration = Registration {
            hash: None,
            account: &account,
            session: &session,
            event: &event,
            idempotent: Some(idempotent),
            replaced: None,
        };
        let sign_in = PasskeySignIn {
            account: &account,
            used: &passkey,
            counter_was: 0,
            ceremony: &ceremony(1),
            session: &session,
            event: &event,
            replaced: None,
        };
        let errors = [
            canned.store.register(registration, NOW).await.err(),
            canned.store.sign_in_by_passkey(sign_in).await.err(),
            canned.store.account(&account.id, NOW).await.err(),
            canned.store.note(&event).await.err(),
            canned.store.sessions(&account.id).await.err(),
        ];
        for told in errors.into_iter().flatten().map(told) {
            assert!(!told.contains(CANARY), "{told}");
        }
    }
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_not_quoted() {
    let tables = Tables::new().await;
    let (of, session) = tables.with_code(1).await;
    tables
        .store
        .begin_session(&Session { account: account(2).id, ..crate::tables::session(2) }, None)
        .await
        .unwrap();
    // Each record, with each of its members spoilt in turn.
    let mut spoilt = 0;
    for ((table, pk, sk), item) in tables.contents().await {
        for name in item.keys().filter(|name| !["pk", "sk", "v"].contains(&name.as_str())) {
            let mut broken = item.clone();
            broken.insert(name.clone(), AttributeValue::S("canary\n".to_owned()));
            if table == ATTEMPTS && (name == "session_account" || name == "created_at") {
                // Still text, as the index wants it.
                broken.insert(name.clone(), AttributeValue::S("canary".to_owned()));
            }
            tables.put(table, broken).await;
            let mut errors = Vec::new();
            match table {
                ACCOUNTS => {
                    errors.extend(tables.store.account(&of.id, NOW).await.err());
                    errors.extend(tables.store.activity(&of.id, None).await.err());
                }
                RECOVERY_CODES => errors.extend(tables.codes.code(&of.id).await.err()),
                _ => {
                    errors.extend(tables.store.sessions(&of.id).await.err());
                    let problem = tables.store.caller(Some(session.id.clone()), NOW).await.err();
                    if let Some(cause) = problem.as_ref().and_then(Problem::cause) {
                        let told = format!("{cause} {cause:?}");
                        assert!(!told.contains(CANARY), "{table} {pk} {sk} {name}: {told}");
                    }
                }
            }
            for error in errors {
                assert!(!error.retryable());
                spoilt += 1;
                let told = told(error);
                assert!(!told.contains(CANARY), "{table} {pk} {sk} {name}: {told}");
            }
            tables.put(table, item.clone()).await;
        }
    }
    assert!(spoilt > 15, "only {spoilt} were noticed");
}

/// What stands by a name, what waits and what counts: each with each of its members spoilt in turn. An error or none, but
/// never a panic, never what the member holds, and never an authenticator that is open although its count cannot be read.
#[tokio::test]
async fn a_record_that_counts_and_cannot_be_read_is_an_error() {
    let tables = Tables::new().await;
    let (account, session) = tables.with_everything(1).await;
    let (store, username) = (&tables.store, &account.username);
    let limits = Some(DeploymentLimits { sends: 100, sends_per_country: 100 });
    let to = |number| Sending { limits, ..sending(username, number) };
    let code = sent(1, &phone(1), NOW);
    send(store, Some(&account), &to(1), &sign_in_id(1), &code, NOW).await.unwrap().unwrap();
    for _ in 0..2 {
        guess_code(store, username, &sign_in_id(1), NOW).await;
        guess_password(store, username, NOW).await;
        guess_app(store, username, &sign_in_id(1), NOW).await;
    }
    store.keep_pending_authenticator(&session.id, &pending_authenticator(2)).await.unwrap();
    store.keep_pending_phone(&session.id, &pending(&phone(2)), NOW).await.unwrap();
    store.claim_call("call", "claimant", NOW).await.unwrap();
    let mut noticed = BTreeSet::new();
    let before = tables.contents().await;
    let kinds = ["NAME#", "LIMIT#", "PHONE-ENROLMENT#", "AUTHENTICATOR-ENROLMENT#", "CALL#"];
    let counting = before.iter().filter(|((_, pk, _), _)| kinds.iter().any(|kind| pk.starts_with(kind)));
    for ((table, pk, sk), item) in counting {
        for name in item.keys().filter(|name| !["pk", "sk", "v"].contains(&name.as_str())) {
            for value in [
                AttributeValue::S("canary\n".to_owned()),
                AttributeValue::M(Item::from([("tag".to_owned(), AttributeValue::S(CANARY.to_owned()))])),
                AttributeValue::N("-99999999999999999999".to_owned()),
            ] {
                let mut broken = item.clone();
                broken.insert(name.clone(), value);
                tables.put(table, broken).await;
                let later = NOW + RESEND_AFTER;
                let password = Secret::Password { rehashed: None };
                let errors = [
                    store.guess_password(username, NOW).await.err(),
                    store.guess_phone_code(username, &sign_in_id(1), NOW).await.err(),
                    store.guess_authenticator(username, &sign_in_id(1), NOW).await.err(),
                    store.phones_of(username, later).await.err(),
                    store.count_enrolment(&account.id, &to(3), later).await.err(),
                    store.uncount_send(&to(1), NOW).await.err(),
                    prove(store, &account, password, &sign_in_id(2), None).await.err(),
                    prove(store, &account, Secret::PhoneCode(&code), &sign_in_id(1), None).await.err(),
                    store.guess_pending_phone(&session.id, &phone(2).id, NOW).await.err(),
                    enrol_phone(store, &account, &session, &phone(2)).await.err(),
                    store.guess_pending_authenticator(&session.id, NOW).await.err(),
                    enrol_authenticator(store, &account, &session, 2).await.err(),
                    store.claim_call("call", "another", NOW).await.err(),
                ];
                for error in errors.into_iter().flatten() {
                    // Not of a write that another one of these came before.
                    if !matches!(error, StoreError::Conflict) {
                        let name = name.split_inclusive('_').next().unwrap();
                        noticed.insert(format!(
                            "{} {name}",
                            if sk.is_empty() { pk.split('#').next().unwrap() } else { sk }
                        ));
                    }
                    let told = told(error);
                    assert!(!told.contains(CANARY), "{pk} {sk} {name}: {told}");
                }
                let after = tables.contents().await;
                for (key, item) in before.iter().filter(|(key, item)| after.get(key) != Some(item)) {
                    tables.put(key.0, item.clone()).await;
                }
            }
        }
    }
    // All that a verdict rests on. What is not among them locks, limits or is not there, once it cannot be read.
    let by_name = ["account", "failures", "guesses", "known", "streak"];
    let of_codes = ["before_", "code_"].map(|name| format!("PHONE {name}"));
    let waiting =
        ["channel", "country", "delete_", "expires_", "guesses", "line_", "number", "tag", "version"];
    let expected: BTreeSet<_> = by_name
        .iter()
        .flat_map(|name| ["PASSWORD", "PHONE", "AUTHENTICATOR"].map(|which| format!("{which} {name}")))
        .chain(["last_", "sealed"].map(|name| format!("AUTHENTICATOR {name}")))
        .chain(
            ["delete_", "expires_", "guesses", "sealed"]
                .map(|name| format!("AUTHENTICATOR-ENROLMENT {name}")),
        )
        .chain(of_codes)
        .chain(waiting.map(|name| format!("PHONE-ENROLMENT {name}")))
        .collect();
    assert_eq!(noticed, expected);
}

#[tokio::test]
async fn a_lost_race_is_decided_again_and_nothing_else_is() {
    async fn run(outcomes: impl Fn(u32) -> Result<(), Problem>) -> (u32, Result<(), Problem>) {
        let mut times = 0;
        let mut decide = async || {
            times += 1;
            outcomes(times)
        };
        let outcome = decide_again!(decide());
        (times, outcome)
    }
    let conflict = || Err(StoreError::Conflict.into());
    let (times, outcome) = run(|time| if time < 3 { conflict() } else { Ok(()) }).await;
    assert!(times == 3 && outcome.is_ok());
    let (times, outcome) = run(|_| conflict()).await;
    assert_eq!((times, outcome.unwrap_err().status().as_u16()), (8, 503));
    let unavailable = || StoreError::Unavailable { operation: "Query", reason: "timed out".to_owned() };
    let (times, outcome) = run(|_| Err(unavailable().into())).await;
    assert_eq!((times, outcome.unwrap_err().status().as_u16()), (1, 503));
    let (times, _) = run(|_| Err(StoreError::Corrupt("PROFILE").into())).await;
    assert_eq!(times, 1);
    let (times, outcome) = run(|_| Err(Problem::not_signed_in())).await;
    assert_eq!((times, outcome.unwrap_err().status().as_u16()), (1, 401));
    assert!(StoreError::Conflict.retryable() && unavailable().retryable());
}
