//! Setting a password: the hash, the account and the session together, and what ends by it.

use postern_domain::account::{Account, Methods};
use postern_domain::activity::What;
use postern_domain::admission::{Factor, Proof};
use postern_domain::session::Session;
use postern_store::{PasswordChange, Proven, Secret, StoreError};
use secrecy::ExposeSecret;

use crate::racing::{all_but_one, at_once, count};
use crate::tables::{
    NOW, Tables, account, event, event_of, guess_password, hash, prove, session, set_password,
    sign_in_by_passkey, sign_in_id, signed_in,
};

async fn hash_of(tables: &Tables, account: &Account) -> String {
    let kept = guess_password(&tables.store, &account.username, NOW).await.kept.unwrap();
    kept.hash.expose_secret().to_owned()
}

#[tokio::test]
async fn a_first_password_keeps_the_account_and_its_sessions() {
    let tables = Tables::new().await;
    let (before, first) = tables.registered(1).await;
    let other = Session { account: before.id.clone(), ..session(9) };
    tables.store.begin_session(&other, None).await.unwrap();
    set_password(&tables.store, &before, &first, 1).await.unwrap();
    let after = tables.account(&before.id).await;
    assert!(after.methods.password.is_some());
    let methods = Methods { password: after.methods.password.clone(), ..Methods::default() };
    assert_eq!(after, Account { forget_at: None, revision: 1, methods, ..before });
    assert_eq!(hash_of(&tables, &after).await, hash(1).expose_secret());
    for session in [&first, &other] {
        assert!(tables.store.caller(Some(session.id.clone()), NOW).await.is_ok());
    }
    for place in ["NAME", "PROFILE"] {
        let kept = tables.beginning(place).await;
        assert!(kept.iter().all(|item| item.get("forget_at").is_none_or(|at| !at.is_n())), "{place}");
    }
}

#[tokio::test]
async fn a_change_ends_all_sessions_but_its_own() {
    let tables = Tables::new().await;
    let (account, first) = tables.with_everything(1).await;
    let others = [signed_in(60, 1), signed_in(61, 1)];
    for other in &others {
        tables.store.begin_session(other, None).await.unwrap();
    }
    set_password(&tables.store, &account, &first, 2).await.unwrap();
    let after = tables.account(&account.id).await;
    assert_eq!((after.generation, after.revision), (account.generation + 1, account.revision + 1));
    let kept = tables.store.caller(Some(first.id.clone()), NOW).await.unwrap();
    assert_eq!((kept.session.generation, kept.session.created_at), (after.generation, first.created_at));
    for other in others {
        assert_eq!(tables.store.caller(Some(other.id), NOW).await.unwrap_err().code(), "not_signed_in");
    }
    assert_eq!(hash_of(&tables, &after).await, hash(2).expose_secret());
    let events = tables.store.activity(&account.id, None).await.unwrap().events;
    assert_eq!(count(&events, |event| event.what == What::PasswordSet), 2);
}

/// Who guessed the old password, and is about to make it count, meets the new one.
#[tokio::test]
async fn the_old_password_proves_nothing_any_more() {
    let tables = Tables::new().await;
    let (account, session) = tables.with_password(1).await;
    let old = guess_password(&tables.store, &account.username, NOW).await.kept.unwrap();
    set_password(&tables.store, &account, &session, 2).await.unwrap();
    let secrets = [Secret::Password { rehashed: None }, Secret::Password { rehashed: Some(&old.hash) }];
    for secret in secrets {
        let outcome = prove(&tables.store, &old.account, secret, &sign_in_id(1), Some(5000)).await;
        assert!(matches!(outcome, Err(StoreError::Conflict)));
    }
    assert_eq!(hash_of(&tables, &account).await, hash(2).expose_secret());
}

#[tokio::test]
async fn a_hash_by_todays_parameters_takes_the_place_of_its_own_password() {
    let tables = Tables::new().await;
    let (account, _) = tables.with_password(1).await;
    let secret = Secret::Password { rehashed: Some(&hash(9)) };
    assert_eq!(
        prove(&tables.store, &account, secret, &sign_in_id(1), Some(5000)).await.unwrap(),
        Proven::Done
    );
    assert_eq!(hash_of(&tables, &account).await, hash(9).expose_secret());
    assert_eq!(tables.account(&account.id).await, account, "which changes nothing of the account");
    let kept = Secret::Password { rehashed: None };
    assert_eq!(prove(&tables.store, &account, kept, &sign_in_id(2), None).await.unwrap(), Proven::Done);
    assert_eq!(hash_of(&tables, &account).await, hash(9).expose_secret());
}

#[tokio::test]
async fn all_of_it_or_nothing() {
    let tables = Tables::new().await;
    let (account, session) = tables.registered(1).await;
    let set = async |account: &Account, session: &Session| {
        let before = tables.contents().await;
        let outcome = set_password(&tables.store, account, session, 3).await;
        assert!(matches!(outcome, Err(StoreError::Conflict)), "{outcome:?}");
        assert_eq!(tables.contents().await, before);
    };
    // The account moved; the session ended; the name is another's by now.
    set(&Account { revision: 5, ..account.clone() }, &session).await;
    set(&account, &signed_in(9, 1)).await;
    let renamed = Account { username: self::account(2).username, ..account.clone() };
    tables.registered(2).await;
    set(&renamed, &session).await;
    set_password(&tables.store, &account, &session, 3).await.unwrap();
}

#[tokio::test]
async fn the_proof_of_a_new_password_stands_in_its_session() {
    let tables = Tables::new().await;
    let (account, session) = tables.enrolled(1).await;
    let changed = account.with_password(NOW);
    let proof = Proof { factor: Factor::Password, at: NOW, enrolled_at: NOW, outlives_method: false };
    let proven =
        Session { proofs: session.proofs.iter().cloned().chain([proof]).collect(), ..session.clone() };
    let event = event_of(&account, event(70, What::PasswordSet));
    let change = PasswordChange {
        account: &account,
        changed: &changed,
        hash: &hash(1),
        proven: &proven,
        event: &event,
    };
    tables.store.set_password(change).await.unwrap();
    let caller = tables.store.caller(Some(session.id), NOW).await.unwrap();
    assert_eq!((caller.session, caller.account), (proven, changed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_changes_at_once_are_one() {
    let tables = Tables::new().await;
    let (account, session) = tables.with_password(1).await;
    let outcomes = at_once(|racer| {
        let (store, account, session) = (tables.store.clone(), account.clone(), session.clone());
        async move { set_password(&store, &account, &session, racer + 100).await }
    })
    .await;
    assert!(all_but_one(&outcomes, |outcome| matches!(outcome, Err(StoreError::Conflict))));
    let winner = outcomes.iter().position(Result::is_ok).unwrap();
    let after = tables.account(&account.id).await;
    assert_eq!((after.revision, after.generation), (account.revision + 1, account.generation + 1));
    let number = u32::try_from(winner).unwrap() + 100;
    assert_eq!(hash_of(&tables, &after).await, hash(number).expose_secret());
    assert!(tables.store.caller(Some(session.id), NOW).await.is_ok());
}

/// No session of the old password outlives its change, whichever came first.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changing_against_signing_in() {
    let tables = Tables::new().await;
    let (account, session) = tables.with_everything(1).await;
    let outcomes = at_once(|racer| {
        let (store, account, session) = (tables.store.clone(), account.clone(), session.clone());
        async move {
            match racer % 4 {
                0 => set_password(&store, &account, &session, racer + 100).await.map(|()| "changed"),
                1 => sign_in_by_passkey(&store, &account, 1, racer + 4000).await.map(|_| "signed in"),
                _ => {
                    let secret = Secret::Password { rehashed: Some(&hash(1)) };
                    prove(&store, &account, secret, &sign_in_id(racer), Some(racer + 5000))
                        .await
                        .map(|_| "proven")
                }
            }
        }
    })
    .await;
    assert_eq!(count(&outcomes, |outcome| matches!(outcome, Ok("changed"))), 1);
    let lost = count(&outcomes, |outcome| matches!(outcome, Err(StoreError::Conflict)));
    assert_eq!(lost + count(&outcomes, Result::is_ok), outcomes.len());
    let after = tables.account(&account.id).await;
    let left = tables.store.sessions(&account.id).await.unwrap();
    let living: Vec<_> = left.iter().filter(|session| session.lives(&after, NOW)).collect();
    assert_eq!(living.len(), 1);
    assert_eq!(living[0].id, session.id);
    assert_ne!(hash_of(&tables, &after).await, hash(1).expose_secret(), "no old hash comes back");
}
