//! Codes to an account's address: counted as those to phones, five guesses each, ten minutes, and used once.

use jiff::{SignedDuration, Timestamp};
use postern_domain::account::Account;
use postern_domain::activity::What;
use postern_domain::guess::{FREE_GUESSES, Standing};
use postern_domain::id::{AccountId, SessionId};
use postern_domain::name::Username;
use postern_domain::one_time_code::SENT_CODE_LIVES;
use postern_keys::VersionedMac;
use postern_store::{
    Beginning, Counted, EmailRecovery, EmailedCode, Guess, KeptEmails, NotNow, Recovery, RecoveryEmail,
    Store, StoreError,
};

use crate::racing::{all_but_one, at_once, count};
use crate::tables::{
    NOW, Tables, bytes, event, event_of, guess_password, number, recovering, sending, set_password,
    sign_in_id, taken,
};

const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);

fn nobody() -> AccountId {
    AccountId::from_bytes(bytes(999_999))
}

fn emailed(code: u32, now: Timestamp) -> EmailedCode {
    EmailedCode { mac: VersionedMac { version: 2, tag: bytes(code) }, expires_at: now + SENT_CODE_LIVES }
}

/// Sends code `code` for recovery `recovery`.
async fn send(
    store: &Store,
    username: &Username,
    recovery: u32,
    code: u32,
    now: Timestamp,
) -> Result<Result<EmailedCode, NotNow>, StoreError> {
    let addressee = store.addressee(username, &nobody(), now).await?;
    let code = emailed(code, now);
    let sending = sending(username, recovery);
    let email = RecoveryEmail {
        sending: &sending,
        recovery: &sign_in_id(recovery),
        account: addressee.account.as_ref(),
        nobody: &nobody(),
        code: &code,
        over: &addressee.over,
    };
    Ok(store.send_for_recovery(email, now).await?.map(|()| code))
}

async fn guess(store: &Store, username: &Username, recovery: u32, now: Timestamp) -> Guess<KeptEmails> {
    taken(store.guess_emailed_code(username, &sign_in_id(recovery), now).await.unwrap())
}

async fn recover(
    store: &Store,
    account: &Account,
    recovery: u32,
    code: &EmailedCode,
    number: u32,
) -> Result<bool, StoreError> {
    let recovered = account.recovered(false);
    let session = recovering(&recovered, number);
    store
        .recover_by_email(EmailRecovery {
            makes: Recovery {
                account,
                recovered: &recovered,
                begins: Beginning {
                    session: &session,
                    event: &event_of(account, event(number, What::Recovered)),
                    replaced: None,
                },
            },
            recovery: &sign_in_id(recovery),
            code,
        })
        .await
}

#[tokio::test]
async fn a_code_comes_back_to_its_own_recovery_for_ten_minutes() {
    let tables = Tables::new().await;
    let (account, _) = tables.with_password(1).await;
    let store = &tables.store;
    let addressee = store.addressee(&account.username, &nobody(), NOW).await.unwrap();
    assert_eq!(addressee.account, Some(account.clone()));
    let code = send(store, &account.username, 1, 7, NOW).await.unwrap().unwrap();
    let looked_at = async |recovery: u32, now: Timestamp| {
        let kept = guess(store, &account.username, recovery, now).await.kept.unwrap();
        assert_eq!(kept.account, account);
        kept.code.map(|code| code.mac.tag)
    };
    assert_eq!(looked_at(1, NOW).await, Some(code.mac.tag));
    assert_eq!(looked_at(2, NOW).await, None);
    assert_eq!(looked_at(1, NOW + SENT_CODE_LIVES - MILLISECOND).await, Some(code.mac.tag));
    assert_eq!(looked_at(1, NOW + SENT_CODE_LIVES).await, None);
    // What is over is cleared away by the next send.
    let later = NOW + SENT_CODE_LIVES;
    send(store, &account.username, 3, 8, later).await.unwrap().unwrap();
    let record = tables.by_name(&account.username, "EMAIL").await;
    assert_eq!(record.keys().filter(|name| name.starts_with("code_")).count(), 1);
    assert_eq!(record.keys().filter(|name| name.starts_with("before_")).count(), 1);
}

#[tokio::test]
async fn nobody_gets_the_same_writes() {
    let tables = Tables::new().await;
    let username: Username = "nobody-at-all".parse().unwrap();
    let store = &tables.store;
    assert!(store.addressee(&username, &nobody(), NOW).await.unwrap().account.is_none());
    send(store, &username, 1, 7, NOW).await.unwrap().unwrap();
    for streak in 1..=FREE_GUESSES {
        let guess = guess(store, &username, 1, NOW).await;
        assert_eq!((guess.guesses.streak, guess.kept.is_none()), (streak, true));
    }
    let refused = store.guess_emailed_code(&username, &sign_in_id(1), NOW).await.unwrap();
    assert!(matches!(refused, Counted::Refused(Standing::LockedUntil(_))));
    assert!(matches!(send(store, &username, 2, 8, NOW).await.unwrap(), Err(NotNow::Locked(_))));
}

/// A name whose account was forgotten is nobody's, although its records are still there.
#[tokio::test]
async fn a_forgotten_account_gets_no_letter() {
    let tables = Tables::new().await;
    let (account, _) = tables.registered(1).await;
    let forgotten = account.forget_at.unwrap();
    let at = async |now| tables.store.addressee(&account.username, &nobody(), now).await.unwrap().account;
    assert!(at(forgotten - SignedDuration::from_secs(1)).await.is_some());
    assert!(at(forgotten).await.is_none());
}

#[tokio::test]
async fn a_right_code_ends_every_session_and_keeps_the_recovery_code() {
    let tables = Tables::new().await;
    let (account, before) = tables.with_everything(1).await;
    let store = &tables.store;
    guess_password(store, &account.username, NOW).await;
    let code = send(store, &account.username, 1, 7, NOW).await.unwrap().unwrap();
    guess(store, &account.username, 1, NOW).await;
    assert!(recover(store, &account, 1, &code, 60).await.unwrap());
    let after = tables.account(&account.id).await;
    assert_eq!(after, account.recovered(false));
    assert_eq!(after.recovery_code, account.recovery_code);
    assert!(tables.store.caller(Some(before.id), NOW).await.is_err());
    assert!(tables.store.caller(Some(SessionId::from_bytes(bytes(60))), NOW).await.is_ok());
    assert_eq!(number(&tables.by_name(&account.username, "PASSWORD").await, "streak"), 0);
    assert_eq!(number(&tables.by_name(&account.username, "EMAIL").await, "failures"), 0);
    // Once.
    assert!(!recover(store, &after, 1, &code, 61).await.unwrap());
    let used = store.guess_emailed_code(&account.username, &sign_in_id(1), NOW).await.unwrap();
    assert!(matches!(used, Counted::SignInOver));
}

#[tokio::test]
async fn what_has_changed_since_is_decided_again() {
    let tables = Tables::new().await;
    let (account, session) = tables.with_code(1).await;
    let code = send(&tables.store, &account.username, 1, 7, NOW).await.unwrap().unwrap();
    set_password(&tables.store, &account, &session, 2).await.unwrap();
    let before = tables.contents().await;
    let stale = recover(&tables.store, &account, 1, &code, 60).await;
    assert!(matches!(stale, Err(StoreError::Conflict)));
    assert_eq!(tables.contents().await, before);
    let fresh = tables.account(&account.id).await;
    assert!(recover(&tables.store, &fresh, 1, &code, 60).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_code_many_times() {
    let tables = Tables::new().await;
    let (account, _) = tables.with_password(1).await;
    let code = send(&tables.store, &account.username, 1, 7, NOW).await.unwrap().unwrap();
    let outcomes = at_once(|racer| {
        let (store, account, code) = (tables.store.clone(), account.clone(), code.clone());
        async move { recover(&store, &account, 1, &code, racer + 100).await }
    })
    .await;
    assert!(all_but_one(&outcomes, |outcome| matches!(outcome, Ok(false))), "{outcomes:?}");
    assert_eq!(tables.account(&account.id).await.generation, account.generation + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_sends_at_once_are_as_many_as_may() {
    let tables = Tables::new().await;
    let (account, _) = tables.with_password(1).await;
    let outcomes = at_once(|racer| {
        let (store, username) = (tables.store.clone(), account.username.clone());
        async move { send(&store, &username, racer + 1, racer, NOW).await.unwrap() }
    })
    .await;
    assert_eq!(count(&outcomes, Result::is_ok), 10, "ten in an hour for one account");
}
