//! Who is signed in: every read checks the expiry itself, whatever TTL has left standing.

use jiff::{SignedDuration, Timestamp};
use postern_domain::account::Account;
use postern_domain::activity::What;
use postern_domain::session::{IDLE_AFTER, OVER_AFTER, Session};

use crate::tables::{NOW, Tables, event, event_of, session, signed_in};

const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);

async fn lives(tables: &Tables, session: &Session, now: Timestamp) -> bool {
    match tables.store.caller(Some(session.id.clone()), now).await {
        Ok(caller) => {
            assert_eq!(caller.account.id, session.account);
            true
        }
        Err(problem) => {
            assert_eq!((problem.status().as_u16(), problem.code()), (401, "not_signed_in"));
            assert!(problem.cause().is_none());
            false
        }
    }
}

#[tokio::test]
async fn nobody_without_a_session() {
    let tables = Tables::new().await;
    assert_eq!(tables.store.caller(None, NOW).await.unwrap_err().code(), "not_signed_in");
    assert!(!lives(&tables, &session(1), NOW).await);
    // Its account does not stand.
    tables.store.begin_session(&session(1), None).await.unwrap();
    assert!(!lives(&tables, &session(1), NOW).await);
}

#[tokio::test]
async fn an_idle_session_is_over_though_it_stands() {
    let tables = Tables::new().await;
    let (_, session) = tables.enrolled(1).await;
    assert!(!lives(&tables, &session, NOW + IDLE_AFTER).await);
    assert!(lives(&tables, &session, NOW + IDLE_AFTER - MILLISECOND).await);
    // That was a use: an hour from it.
    assert!(lives(&tables, &session, NOW + IDLE_AFTER + IDLE_AFTER - MILLISECOND - MILLISECOND).await);
}

#[tokio::test]
async fn a_used_session_is_over_after_twelve_hours_though_it_stands() {
    let tables = Tables::new().await;
    tables.enrolled(1).await;
    let used = Session { last_seen_at: NOW + OVER_AFTER - MILLISECOND, ..signed_in(9, 1) };
    tables.store.begin_session(&used, None).await.unwrap();
    assert!(lives(&tables, &used, NOW + OVER_AFTER - MILLISECOND).await);
    assert!(!lives(&tables, &used, NOW + OVER_AFTER).await);
    assert!(!tables.store.sign_out(&used.id, NOW + OVER_AFTER).await.unwrap(), "it had ended before");
}

#[tokio::test]
async fn a_use_is_written_down_once_a_minute() {
    let tables = Tables::new().await;
    let (_, session) = tables.enrolled(1).await;
    let minute = SignedDuration::from_mins(1);
    let before = tables.contents().await;
    assert!(lives(&tables, &session, NOW + minute - MILLISECOND).await);
    assert_eq!(tables.contents().await, before);
    assert!(lives(&tables, &session, NOW + minute).await);
    let seen = tables.store.caller(Some(session.id.clone()), NOW + minute).await.unwrap().session;
    assert_eq!(seen, Session { last_seen_at: NOW + minute, ..session });
}

#[tokio::test]
async fn a_session_of_an_older_generation_is_over() {
    let tables = Tables::new().await;
    let (account, _) = tables.enrolled(1).await;
    let of_another = Session { generation: account.generation + 1, ..signed_in(9, 1) };
    tables.store.begin_session(&of_another, None).await.unwrap();
    assert!(!lives(&tables, &of_another, NOW).await);
}

#[tokio::test]
async fn a_session_of_a_forgotten_account_is_over_though_both_stand() {
    let tables = Tables::new().await;
    let (account, _) = tables.registered(1).await;
    let forget_at = account.forget_at.unwrap();
    let late =
        Session { created_at: forget_at - MILLISECOND, last_seen_at: forget_at - MILLISECOND, ..session(9) };
    let late = Session { account: account.id, ..late };
    tables.store.begin_session(&late, None).await.unwrap();
    assert!(lives(&tables, &late, forget_at - MILLISECOND).await);
    assert!(!lives(&tables, &late, forget_at).await);
}

#[tokio::test]
async fn signing_out_ends_one_session_once() {
    let tables = Tables::new().await;
    let (_, session) = tables.enrolled(1).await;
    let other = signed_in(9, 1);
    tables.store.begin_session(&other, None).await.unwrap();
    assert!(tables.store.sign_out(&session.id, NOW).await.unwrap());
    assert!(!tables.store.sign_out(&session.id, NOW).await.unwrap());
    assert!(!lives(&tables, &session, NOW).await && lives(&tables, &other, NOW).await);
}

#[tokio::test]
async fn an_account_ends_its_own_sessions_alone() {
    let tables = Tables::new().await;
    let (own, _) = tables.enrolled(1).await;
    let (_, of_another) = tables.enrolled(2).await;
    let other = signed_in(9, 1);
    tables.store.begin_session(&other, None).await.unwrap();
    let end = async |account: &Account, session: &Session| {
        let event = event_of(account, event(80, What::SessionEnded));
        tables.store.end_session(&session.id, &event).await.unwrap()
    };
    let before = tables.contents().await;
    assert!(!end(&own, &of_another).await);
    assert!(!end(&own, &session(7)).await, "there is none");
    assert_eq!(tables.contents().await, before);

    assert!(end(&own, &other).await);
    assert!(!lives(&tables, &other, NOW).await && lives(&tables, &of_another, NOW).await);
    let events = tables.store.activity(&own.id, None).await.unwrap().events;
    assert_eq!(events.iter().filter(|event| event.what == What::SessionEnded).count(), 1);
}
