//! Authenticator apps: one waits for its first code at a time, takes the place of the one before in one write, and gives no
//! step twice.

use jiff::SignedDuration;
use postern_domain::account::{Account, Authenticator, Methods};
use postern_domain::activity::What;
use postern_domain::one_time_code::{GUESSES_PER_CODE, SENT_CODE_LIVES};
use postern_domain::session::Session;
use postern_domain::time_step::TimeStep;
use postern_store::{Counted, NoneWaits, PendingAuthenticator, Proven, Secret, StoreError};

use crate::racing::{all_but_one, at_once, count};
use crate::tables::{
    NOW, STEP, Tables, account, add_authenticator, enrol_authenticator, guess_app, number,
    pending_authenticator, prove, remove_authenticator, sealed, session, set_password, sign_in_id, signed_in,
    step_after,
};

const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);

async fn guess(tables: &Tables, of: &Session) -> Result<PendingAuthenticator, NoneWaits> {
    tables.store.guess_pending_authenticator(&of.id, NOW).await.unwrap()
}

fn refused(guess: &Result<PendingAuthenticator, NoneWaits>) -> Option<NoneWaits> {
    guess.as_ref().err().copied()
}

fn of_app(step: TimeStep, sealed: &[u8]) -> Secret<'_> {
    Secret::AuthenticatorStep { step, sealed }
}

mod waiting {
    use super::*;

    #[tokio::test]
    async fn what_waits_comes_back_and_another_takes_its_place() {
        let tables = Tables::new().await;
        assert_eq!(refused(&guess(&tables, &session(1)).await), Some(NoneWaits::None));
        for number in [1, 2] {
            let waits = pending_authenticator(number);
            tables.store.keep_pending_authenticator(&session(1).id, &waits).await.unwrap();
            let read = guess(&tables, &session(1)).await.unwrap();
            assert_eq!((read.sealed, read.expires_at), (waits.sealed, waits.expires_at));
        }
        // It waits beside the session that asked for it, and beside no other of the account.
        assert_eq!(refused(&guess(&tables, &session(2)).await), Some(NoneWaits::None));
        let [record] = &*tables.beginning("AUTHENTICATOR-ENROLMENT#").await else { panic!("not one") };
        assert_eq!(number(record, "delete_at"), (NOW + SENT_CODE_LIVES).as_second() + 3600);
        assert_eq!(number(record, "guesses"), 1, "each has its own five");
    }

    #[tokio::test]
    async fn its_time_ends_to_the_millisecond_and_looks_as_if_it_never_was() {
        let tables = Tables::new().await;
        let waits = pending_authenticator(1);
        tables.store.keep_pending_authenticator(&session(1).id, &waits).await.unwrap();
        let at = async |now| tables.store.guess_pending_authenticator(&session(1).id, now).await.unwrap();
        assert!(at(waits.expires_at - MILLISECOND).await.is_ok());
        assert_eq!(refused(&at(waits.expires_at).await), Some(NoneWaits::None));
        for _ in 0..GUESSES_PER_CODE {
            at(NOW).await.ok();
        }
        assert_eq!(refused(&at(waits.expires_at - MILLISECOND).await), Some(NoneWaits::OutOfGuesses));
        assert_eq!(refused(&at(waits.expires_at).await), Some(NoneWaits::None));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn five_of_many_guesses_are_taken() {
        let tables = Tables::new().await;
        let waits = pending_authenticator(1);
        tables.store.keep_pending_authenticator(&session(1).id, &waits).await.unwrap();
        let outcomes = at_once(|_| {
            let store = tables.store.clone();
            async move { store.guess_pending_authenticator(&session(1).id, NOW).await.unwrap() }
        })
        .await;
        assert_eq!(count(&outcomes, Result::is_ok), usize::try_from(GUESSES_PER_CODE).unwrap());
        let out = |outcome: &_| refused(outcome) == Some(NoneWaits::OutOfGuesses);
        assert_eq!(count(&outcomes, out), outcomes.len() - 5);
    }
}

mod adding {
    use super::*;

    #[tokio::test]
    async fn the_account_is_kept_and_the_code_that_confirmed_is_spent() {
        let tables = Tables::new().await;
        let (before, session) = tables.registered(1).await;
        assert!(add_authenticator(&tables.store, &before, &session, 1).await.unwrap());
        let after = tables.account(&before.id).await;
        let authenticator = Some(Authenticator { confirmed_at: NOW + MILLISECOND });
        let methods = Methods { authenticator, ..Methods::default() };
        assert_eq!(after, Account { forget_at: None, revision: 1, methods, ..before });
        assert!(tables.beginning("AUTHENTICATOR-ENROLMENT#").await.is_empty());
        let kept = guess_app(&tables.store, &after.username, &sign_in_id(1), NOW).await.kept.unwrap();
        assert_eq!((kept.sealed, kept.last_step, kept.account), (sealed(1), STEP, after.clone()));
        assert!(tables.by_name(&after.username, "AUTHENTICATOR").await["forget_at"].is_null());
        let events = tables.store.activity(&after.id, None).await.unwrap().events;
        assert_eq!(count(&events, |event| event.what == What::AuthenticatorAdded), 1);
    }

    #[tokio::test]
    async fn another_takes_the_place_of_the_one_before_and_of_its_count() {
        let tables = Tables::new().await;
        let (account, session) = tables.with_authenticator(1).await;
        for _ in 0..3 {
            guess_app(&tables.store, &account.username, &sign_in_id(1), NOW).await;
        }
        assert!(add_authenticator(&tables.store, &account, &session, 2).await.unwrap());
        let after = tables.account(&account.id).await;
        assert_eq!((after.revision, after.generation), (account.revision + 1, account.generation));
        assert_ne!(after.methods.authenticator, account.methods.authenticator);
        let guess = guess_app(&tables.store, &account.username, &sign_in_id(1), NOW).await;
        assert_eq!((guess.guesses.streak, guess.guesses.failures), (1, 1));
        let kept = guess.kept.unwrap();
        assert_eq!((kept.sealed, kept.account), (sealed(2), after));
    }

    #[tokio::test]
    async fn all_of_it_or_nothing() {
        let tables = Tables::new().await;
        let (account, session) = tables.registered(1).await;
        tables.store.keep_pending_authenticator(&session.id, &pending_authenticator(1)).await.unwrap();
        let before = tables.contents().await;
        let stale = Account { revision: 5, ..account.clone() };
        let renamed = Account { username: self::account(2).username, ..account.clone() };
        for (account, session) in [(&stale, &session), (&renamed, &session)] {
            let outcome = enrol_authenticator(&tables.store, account, session, 1).await;
            assert!(matches!(outcome, Err(StoreError::Conflict)), "{outcome:?}");
        }
        // Another waits by now; a session that waits for none.
        for (session, number) in [(&session, 2), (&signed_in(9, 1), 1)] {
            assert!(!enrol_authenticator(&tables.store, &account, session, number).await.unwrap());
        }
        assert_eq!(tables.contents().await, before);
        assert!(tables.store.sign_out(&session.id, NOW).await.unwrap());
        let outcome = enrol_authenticator(&tables.store, &account, &session, 1).await;
        assert!(matches!(outcome, Err(StoreError::Conflict)), "the session has ended");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_many_confirmations_at_once_one_enrols() {
        let tables = Tables::new().await;
        let (account, session) = tables.registered(1).await;
        tables.store.keep_pending_authenticator(&session.id, &pending_authenticator(1)).await.unwrap();
        let outcomes = at_once(|_| {
            let (store, account, session) = (tables.store.clone(), account.clone(), session.clone());
            async move { enrol_authenticator(&store, &account, &session, 1).await }
        })
        .await;
        assert!(all_but_one(&outcomes, |outcome| matches!(outcome, Ok(false))), "{outcomes:?}");
        assert_eq!(tables.account(&account.id).await.revision, account.revision + 1);
    }
}

mod proving {
    use super::*;

    #[tokio::test]
    async fn a_step_is_spent_and_every_one_before_it() {
        let tables = Tables::new().await;
        let (account, _) = tables.with_authenticator(1).await;
        let prove = async |step, sign_in, begins| {
            prove(&tables.store, &account, of_app(step, &sealed(1)), &sign_in_id(sign_in), begins)
                .await
                .unwrap()
        };
        assert_eq!(prove(STEP, 1, None).await, Proven::SecretSpent, "it confirmed");
        assert_eq!(prove(step_after(3), 1, None).await, Proven::Done);
        let before = tables.contents().await;
        for (nth, steps) in (10..).zip([0, 1, 2, 3]) {
            for begins in [None, Some(5000)] {
                assert_eq!(prove(step_after(steps), nth, begins).await, Proven::SecretSpent, "{steps}");
            }
        }
        assert_eq!(tables.contents().await, before);
        assert_eq!(prove(step_after(4), 1, Some(5000)).await, Proven::Done);
        assert_eq!(prove(step_after(5), 1, Some(5001)).await, Proven::SignInOver);
        let item = tables.by_name(&account.username, "AUTHENTICATOR").await;
        assert_eq!(u64::try_from(number(&item, "last_step")).unwrap(), step_after(4).number());
    }

    /// A client whose answer was lost asks again: it is told that the sign-in is used, and that counts as no guess.
    #[tokio::test]
    async fn a_sign_in_that_a_code_ended_takes_no_guess() {
        let tables = Tables::new().await;
        let (account, _) = tables.with_authenticator(1).await;
        let (store, username) = (&tables.store, &account.username);
        guess_app(store, username, &sign_in_id(1), NOW).await;
        let sealed = sealed(1);
        let secret = of_app(step_after(1), &sealed);
        assert_eq!(prove(store, &account, secret, &sign_in_id(1), Some(5000)).await.unwrap(), Proven::Done);
        let again = store.guess_authenticator(username, &sign_in_id(1), NOW).await.unwrap();
        assert!(matches!(again, Counted::SignInOver), "{again:?}");
        assert_eq!(number(&tables.by_name(username, "AUTHENTICATOR").await, "streak"), 0);
        assert_eq!(guess_app(store, username, &sign_in_id(2), NOW).await.guesses.streak, 1);
    }

    #[tokio::test]
    async fn a_secret_that_was_replaced_or_removed_proves_nothing() {
        let tables = Tables::new().await;
        let (account, session) = tables.with_authenticator(1).await;
        let old = guess_app(&tables.store, &account.username, &sign_in_id(1), NOW).await.kept.unwrap();
        assert!(add_authenticator(&tables.store, &account, &session, 2).await.unwrap());
        let fresh = tables.account(&account.id).await;
        for account in [&old.account, &fresh] {
            let secret = of_app(step_after(1), &old.sealed);
            let outcome = prove(&tables.store, account, secret, &sign_in_id(1), Some(5000)).await;
            assert_eq!(outcome.unwrap(), Proven::SecretSpent);
        }
        remove_authenticator(&tables.store, &fresh, &session).await.unwrap();
        let new = sealed(2);
        let secret = of_app(step_after(1), &new);
        let outcome = prove(&tables.store, &fresh, secret, &sign_in_id(1), Some(5000)).await;
        assert_eq!(outcome.unwrap(), Proven::SecretSpent);
    }

    #[tokio::test]
    async fn an_old_copy_of_the_account_proves_nothing() {
        let tables = Tables::new().await;
        let (account, session) = tables.with_authenticator(1).await;
        set_password(&tables.store, &account, &session, 1).await.unwrap();
        let copy = guess_app(&tables.store, &account.username, &sign_in_id(1), NOW).await.kept.unwrap();
        let before = tables.contents().await;
        let secret = of_app(step_after(1), &copy.sealed);
        let outcome = prove(&tables.store, &copy.account, secret, &sign_in_id(1), Some(5000)).await;
        assert!(matches!(outcome, Err(StoreError::Conflict)), "{outcome:?}");
        assert_eq!(tables.contents().await, before, "the step is not spent");
        let fresh = tables.account(&account.id).await;
        let outcome = prove(&tables.store, &fresh, secret, &sign_in_id(1), Some(5000)).await;
        assert_eq!(outcome.unwrap(), Proven::Done);
        let renewed = guess_app(&tables.store, &account.username, &sign_in_id(2), NOW).await.kept.unwrap();
        assert_eq!(renewed.account, fresh);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_many_with_one_step_at_once_one_goes_on() {
        let tables = Tables::new().await;
        let (account, _) = tables.with_authenticator(1).await;
        for (round, begins) in [(1, false), (2, true)] {
            let outcomes = at_once(|racer| {
                let (store, account) = (tables.store.clone(), account.clone());
                let begins = begins.then_some(5000 + racer);
                async move {
                    let secret = Secret::AuthenticatorStep { step: step_after(round), sealed: &sealed(1) };
                    prove(&store, &account, secret, &sign_in_id(racer + 100), begins).await.unwrap()
                }
            })
            .await;
            assert!(all_but_one(&outcomes, |outcome| *outcome == Proven::SecretSpent), "{outcomes:?}");
        }
        assert_eq!(tables.store.sessions(&account.id).await.unwrap().len(), 2);
    }

    /// In any order, each step after the last that was taken is taken, and no other.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_many_steps_at_once_the_last_is_remembered() {
        let tables = Tables::new().await;
        let (account, _) = tables.with_authenticator(1).await;
        let outcomes = at_once(|racer| {
            let (store, account) = (tables.store.clone(), account.clone());
            async move {
                let secret =
                    Secret::AuthenticatorStep { step: step_after(u64::from(racer) + 1), sealed: &sealed(1) };
                prove(&store, &account, secret, &sign_in_id(racer + 100), None).await.unwrap()
            }
        })
        .await;
        assert_eq!(*outcomes.last().unwrap(), Proven::Done);
        let item = tables.by_name(&account.username, "AUTHENTICATOR").await;
        let last = u64::try_from(outcomes.len()).unwrap();
        assert_eq!(u64::try_from(number(&item, "last_step")).unwrap(), step_after(last).number());
    }
}

mod removing {
    use super::*;

    #[tokio::test]
    async fn what_stood_by_the_name_is_nobodys_and_counts_on() {
        let tables = Tables::new().await;
        let (account, session) = tables.with_authenticator(1).await;
        for _ in 0..2 {
            guess_app(&tables.store, &account.username, &sign_in_id(1), NOW).await;
        }
        remove_authenticator(&tables.store, &account, &session).await.unwrap();
        let after = tables.account(&account.id).await;
        assert_eq!(after, account.without_authenticator());
        let item = tables.by_name(&account.username, "AUTHENTICATOR").await;
        for gone in ["account", "known", "sealed", "last_step"] {
            assert!(!item.contains_key(gone), "{gone}");
        }
        assert!(item["forget_at"].is_n());
        let guess = guess_app(&tables.store, &account.username, &sign_in_id(1), NOW).await;
        assert_eq!((guess.guesses.streak, guess.guesses.failures), (3, 3));
        assert!(guess.kept.is_none());
    }

    #[tokio::test]
    async fn all_of_it_or_nothing() {
        let tables = Tables::new().await;
        let (account, session) = tables.with_authenticator(1).await;
        let (without, other) = tables.enrolled(2).await;
        let before = tables.contents().await;
        let stale = Account { revision: 9, ..account.clone() };
        for (account, session) in [(&stale, &session), (&account, &signed_in(9, 1)), (&without, &other)] {
            let outcome = remove_authenticator(&tables.store, account, session).await;
            assert!(matches!(outcome, Err(StoreError::Conflict)), "{outcome:?}");
        }
        assert_eq!(tables.contents().await, before);
    }

    /// Either the code comes first, and the removal ends what it began, or it proves nothing.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn against_signing_in() {
        let tables = Tables::new().await;
        let (account, session) = tables.with_authenticator(1).await;
        let outcomes = at_once(|racer| {
            let (store, account, session) = (tables.store.clone(), account.clone(), session.clone());
            async move {
                if racer % 8 == 0 {
                    return remove_authenticator(&store, &account, &session).await.map(|()| "removed");
                }
                let secret =
                    Secret::AuthenticatorStep { step: step_after(u64::from(racer) + 1), sealed: &sealed(1) };
                let proven = prove(&store, &account, secret, &sign_in_id(racer), Some(racer + 5000)).await?;
                Ok(if proven == Proven::Done { "proven" } else { "spent" })
            }
        })
        .await;
        assert_eq!(count(&outcomes, |outcome| matches!(outcome, Ok("removed"))), 1, "{outcomes:?}");
        let proven = count(&outcomes, |outcome| matches!(outcome, Ok("proven")));
        // One registered, and one for each code that came first.
        assert_eq!(tables.store.sessions(&account.id).await.unwrap().len(), proven + 1);
        assert!(!tables.by_name(&account.username, "AUTHENTICATOR").await.contains_key("sealed"));
    }
}
