//! Many at the same instant. Each of these would go wrong with a read, a check and a write.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use jiff::{SignedDuration, Timestamp};
use postern_domain::account::{Account, Passkey};
use postern_domain::activity::{Event, What};
use postern_domain::id::EventId;
use postern_domain::passkey::check_counter;
use postern_domain::session::Session;
use postern_keys::{SealingKeyRecord, TokenKeyRecord};
use postern_store::{
    IdempotentRequest, PasskeyEnrolment, PasskeyRemoval, PasskeySignIn, Refused, Registered, Registration,
    Store, StoreError,
};

use crate::racing::{RACERS, all_but_one, at_once, count};
use crate::tables::{
    ATTEMPTS, NOW, Tables, account, bytes, ceremony, code, enrol, event, event_of, passkey, proven, session,
    signed_in,
};

/// How often a racer decides again on fresh state before it gives up, as a step does.
const TRIES: u32 = 3;

/// Which racer an item of account `number` is of.
fn later(number: u32) -> Timestamp {
    NOW + SignedDuration::from_millis(i64::from(number))
}

mod registering {
    use super::*;

    async fn register(store: Store, account: Account, racer: u32, key: Option<String>) -> Registered {
        let idempotent = key.map(|key| IdempotentRequest {
            key,
            request: format!("request of {racer}"),
            expires_at: NOW + SignedDuration::from_mins(10),
        });
        let (session, event) = (session(racer), event(racer, What::AccountRegistered));
        let new = Registration {
            hash: None,
            account: &account,
            session: &session,
            event: &event,
            idempotent,
            replaced: None,
        };
        store.register(new, NOW).await.unwrap()
    }

    /// Everything in the tables is `winner`'s.
    async fn assert_alone(tables: &Tables, winner: &Account, records: usize) {
        let contents = tables.contents().await;
        assert_eq!(contents.len(), records, "{contents:#?}");
        let id = winner.id.as_str();
        for ((_, pk, _), item) in contents {
            let owner = ["account", "session_account"].iter().find_map(|name| item.get(*name));
            let owner = owner.map(|owner| owner.as_s().unwrap().as_str());
            assert!(pk == id || owner == Some(id), "{pk} is {owner:?}'s, not {id}'s");
        }
        assert_eq!(tables.account(&winner.id).await.username, winner.username);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn one_name() {
        let tables = Tables::new().await;
        let name = account(0).username;
        let contender = move |racer: u32| Account { username: name.clone(), ..account(racer) };
        let outcomes = at_once(|racer| register(tables.store.clone(), contender(racer), racer, None)).await;
        assert!(all_but_one(&outcomes, |outcome| matches!(outcome, Registered::UsernameTaken)));
        let winner = outcomes.iter().position(|outcome| matches!(outcome, Registered::Done)).unwrap();
        let winner = contender(u32::try_from(winner).unwrap());
        // Profile, name, event and session.
        assert_alone(&tables, &winner, 4).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_forgotten_name() {
        let tables = Tables::new().await;
        let forgotten = Account { forget_at: Some(NOW), ..account(1000) };
        register(tables.store.clone(), forgotten.clone(), 1000, None).await;
        let name = forgotten.username;
        let contender = move |racer: u32| Account { username: name.clone(), ..account(racer) };
        let outcomes = at_once(|racer| register(tables.store.clone(), contender(racer), racer, None)).await;
        assert!(all_but_one(&outcomes, |outcome| matches!(outcome, Registered::UsernameTaken)));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn one_idempotency_key_for_one_request() {
        let tables = Tables::new().await;
        let name = account(0).username;
        let contender = move |racer: u32| Account { username: name.clone(), ..account(racer) };
        one_idempotency_key(&tables, contender).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn one_idempotency_key_for_many_requests() {
        one_idempotency_key(&Tables::new().await, account).await;
    }

    async fn one_idempotency_key(tables: &Tables, contender: impl Fn(u32) -> Account) {
        let key = Some("digest".to_owned());
        let outcomes =
            at_once(|racer| register(tables.store.clone(), contender(racer), racer, key.clone())).await;
        let winner = outcomes.iter().position(|outcome| matches!(outcome, Registered::Done)).unwrap();
        let winner = u32::try_from(winner).unwrap();
        let (id, request) = (contender(winner).id, format!("request of {winner}"));
        assert!(all_but_one(&outcomes, |outcome| match outcome {
            Registered::KeyUsed(first) => first.request == request && first.account == id,
            Registered::Done | Registered::UsernameTaken => false,
        }));
        // Profile, name, event, session and key.
        assert_alone(tables, &contender(winner), 5).await;
    }
}

mod enrolling {
    use super::*;

    fn enrolment_event(account: &Account, racer: u32) -> Event {
        event_of(account, event(racer + 2000, What::PasskeyAdded))
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn one_answer_many_times() {
        let tables = Tables::new().await;
        let (account, session) = tables.registered(1).await;
        let session = proven(&session, &passkey(1));
        let (store, read) = (tables.store.clone(), account.clone());
        let outcomes = at_once(|_| {
            let (store, account, session) = (store.clone(), read.clone(), session.clone());
            async move { enrol(&store, &account, &session, 1).await }
        })
        .await;
        assert!(all_but_one(&outcomes, |outcome| matches!(outcome, Ok(Err(Refused::Exists)))));
        let after = tables.account(&account.id).await;
        assert_eq!((after.methods.passkeys.len(), after.revision), (1, account.revision + 1));
    }

    /// Even if each of them decides again for as long as the account moves on.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn one_challenge_with_many_credentials() {
        let tables = Tables::new().await;
        let (account, session) = tables.registered(1).await;
        let outcomes = at_once(|racer| {
            let (store, id, session) = (tables.store.clone(), account.id.clone(), session.clone());
            async move {
                loop {
                    let account = store.account(&id, NOW).await.unwrap().unwrap();
                    let created = passkey(racer + 100);
                    let enrolment = PasskeyEnrolment {
                        account: &account,
                        passkey: &created,
                        ceremony: &ceremony(1),
                        proven: &proven(&session, &created),
                        event: &enrolment_event(&account, racer),
                    };
                    match store.enrol_passkey(enrolment).await {
                        Err(StoreError::Conflict) => {}
                        outcome => break outcome,
                    }
                }
            }
        })
        .await;
        assert!(all_but_one(&outcomes, |outcome| matches!(outcome, Ok(Err(Refused::Spent)))));
        let after = tables.account(&account.id).await;
        assert_eq!(after.methods.passkeys.len(), 1);
        assert_eq!(tables.beginning("CREDENTIAL#").await.len(), 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn one_credential_by_two_accounts() {
        let tables = Tables::new().await;
        let contenders = [tables.registered(1).await, tables.registered(2).await];
        let outcomes = at_once(|racer| {
            let (account, session) = contenders[usize::try_from(racer % 2).unwrap()].clone();
            let store = tables.store.clone();
            async move {
                let created = passkey(9);
                let enrolment = PasskeyEnrolment {
                    account: &account,
                    passkey: &created,
                    ceremony: &ceremony(racer),
                    proven: &proven(&session, &created),
                    event: &enrolment_event(&account, racer),
                };
                store.enrol_passkey(enrolment).await
            }
        })
        .await;
        assert!(all_but_one(&outcomes, |outcome| matches!(outcome, Ok(Err(Refused::Exists)))));
        let mut owners = Vec::new();
        for (account, session) in &contenders {
            let after = tables.account(&account.id).await;
            if after.methods.passkeys.is_empty() {
                assert_eq!(&after, account, "the loser is as before");
                let session = tables.store.caller(Some(session.id.clone()), NOW).await.unwrap().session;
                assert_eq!(session.proofs, []);
            } else {
                owners.push(account.id.as_str().to_owned());
            }
        }
        let markers = tables.beginning("CREDENTIAL#").await;
        let marked: Vec<_> = markers.iter().map(|marker| marker["account"].as_s().unwrap().clone()).collect();
        assert_eq!((owners.len(), &owners), (1, &marked));
        assert_eq!(tables.beginning("SPENT#").await.len(), 1, "only the winner's challenge is spent");
    }
}

mod signing_in {
    use super::*;

    async fn sign_in(
        store: &Store,
        account: &Account,
        counter_was: u32,
        counter: u32,
        ceremony: u32,
        racer: u32,
    ) -> Result<bool, StoreError> {
        let used = Passkey { counter, last_used_at: Some(NOW), ..passkey(1) };
        let new = PasskeySignIn {
            account,
            used: &used,
            counter_was,
            ceremony: &crate::tables::ceremony(ceremony),
            session: &signed_in(racer + 5000, 1),
            event: &event_of(account, event(racer + 5000, What::SignedIn)),
            replaced: None,
        };
        store.sign_in_by_passkey(new).await
    }

    async fn sessions(tables: &Tables) -> usize {
        // But the one that registered.
        tables.beginning("SESSION#").await.len() - 1
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn one_challenge() {
        let tables = Tables::new().await;
        let (account, _) = tables.enrolled(1).await;
        // A counter of zero stays, so that nothing but the challenge tells them apart.
        let outcomes = at_once(|racer| {
            let (store, account) = (tables.store.clone(), account.clone());
            async move { sign_in(&store, &account, 0, 0, 7, racer).await.unwrap() }
        })
        .await;
        assert!(all_but_one(&outcomes, |signed_in| !signed_in));
        assert_eq!(sessions(&tables).await, 1);
        let events = tables.store.activity(&account.id, None).await.unwrap().events;
        assert_eq!(count(&events, |event| event.what == What::SignedIn), 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn many_challenges_of_a_passkey_that_does_not_count() {
        let tables = Tables::new().await;
        let (account, _) = tables.enrolled(1).await;
        let outcomes = at_once(|racer| {
            let (store, account) = (tables.store.clone(), account.clone());
            async move { sign_in(&store, &account, 0, 0, racer + 100, racer).await.unwrap() }
        })
        .await;
        assert!(outcomes.iter().all(|signed_in| *signed_in), "nobody stands in another's way");
        assert_eq!(sessions(&tables).await, outcomes.len());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn one_counter_to_grow_from() {
        let tables = Tables::new().await;
        let (account, _) = tables.enrolled(1).await;
        let outcomes = at_once(|racer| {
            let (store, account) = (tables.store.clone(), account.clone());
            async move { sign_in(&store, &account, 0, racer + 1, racer + 100, racer).await }
        })
        .await;
        assert!(all_but_one(&outcomes, |outcome| matches!(outcome, Err(StoreError::Conflict))));
        assert_eq!(count(&outcomes, |outcome| matches!(outcome, Ok(true))), 1);
        assert_eq!((sessions(&tables).await, tables.beginning("SPENT#").await.len()), (1, 2));
    }

    /// Each decides again on the counter that it meets, as the step does.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn growing_counters_in_any_order() {
        let tables = Tables::new().await;
        let (account, _) = tables.enrolled(1).await;
        let highest_seen = Arc::new(AtomicU32::new(0));
        let outcomes = at_once(|racer| {
            let (store, id, highest_seen) = (tables.store.clone(), account.id.clone(), highest_seen.clone());
            // Neither rising nor falling: 37 and 64 have no common divisor.
            let counter = racer * 37 % RACERS + 1;
            async move {
                loop {
                    let seen_before = highest_seen.load(Ordering::SeqCst);
                    let account = store.account(&id, NOW).await.unwrap().unwrap();
                    let stored = account.methods.passkeys[0].counter;
                    assert!(stored >= seen_before, "the counter went from {seen_before} down to {stored}");
                    highest_seen.fetch_max(stored, Ordering::SeqCst);
                    if check_counter(stored, counter).is_err() {
                        break None;
                    }
                    match sign_in(&store, &account, stored, counter, racer + 100, racer).await {
                        Ok(true) => break Some((stored, counter)),
                        Err(StoreError::Conflict) => {}
                        lost => panic!("{lost:?}"),
                    }
                }
            }
        })
        .await;
        let mut steps: Vec<_> = outcomes.into_iter().flatten().collect();
        steps.sort_unstable();
        // One step begins where the one before ended, from none to the highest.
        let begins: Vec<_> = steps.iter().map(|(from, _)| *from).collect();
        let ends: Vec<_> = [0].into_iter().chain(steps.iter().map(|(_, to)| *to)).collect();
        assert_eq!(ends.last(), Some(&RACERS));
        assert_eq!(begins, ends[..begins.len()]);
        assert_eq!(tables.account(&account.id).await.methods.passkeys[0].counter, RACERS);
        assert_eq!(sessions(&tables).await, steps.len());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn against_removing() {
        let tables = Tables::new().await;
        let (account, session) = tables.enrolled(1).await;
        let outcomes = at_once(|racer| {
            let (store, account, session) = (tables.store.clone(), account.clone(), session.clone());
            async move {
                if racer % 2 == 0 {
                    sign_in(&store, &account, 0, 0, racer + 100, racer).await.map(|_| "signed in")
                } else {
                    let event = event_of(&account, event(racer + 5000, What::PasskeyRemoved));
                    let removal = PasskeyRemoval {
                        account: &account,
                        passkey: &passkey(1),
                        proven: &session,
                        event: &event,
                    };
                    store.remove_passkey(removal).await.map(|()| "removed")
                }
            }
        })
        .await;
        assert_eq!(count(&outcomes, |outcome| matches!(outcome, Ok("removed"))), 1);
        assert_eq!(
            count(&outcomes, |outcome| matches!(outcome, Ok(_) | Err(StoreError::Conflict))),
            outcomes.len()
        );
        // Nothing of the passkey is left, and nothing was made anew by an update that came late.
        let after = tables.account(&account.id).await;
        assert_eq!((after.methods.passkeys.len(), after.revision), (0, account.revision + 1));
        assert!(
            tables.beginning("PASSKEY#").await.is_empty() && tables.beginning("CREDENTIAL#").await.is_empty()
        );
        // Who signed in before the removal is out by it.
        let signed_in = count(&outcomes, |outcome| matches!(outcome, Ok("signed in")));
        let left = tables.store.sessions(&account.id).await.unwrap();
        assert_eq!(left.len(), signed_in + 1);
        assert_eq!(count(&left, |session| session.lives(&after, NOW)), 0);
    }
}

mod removing {
    use super::*;

    /// Each enrols a passkey or removes one, on the account that it reads, until it is done.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn against_enrolling() {
        let tables = Tables::new().await;
        let (account, session) = tables.registered(1).await;
        // Half of the racers find one to remove.
        for number in (0..RACERS).step_by(8) {
            let account = tables.account(&account.id).await;
            let enrolment = PasskeyEnrolment {
                account: &account,
                passkey: &passkey(number),
                ceremony: &ceremony(number),
                proven: &session,
                event: &event_of(&account, event(number + 3000, What::PasskeyAdded)),
            };
            tables.store.enrol_passkey(enrolment).await.unwrap().unwrap();
        }
        let before = tables.account(&account.id).await;
        let had = before.methods.passkeys.len();
        let outcomes = at_once(|racer| {
            let (store, id, session) = (tables.store.clone(), account.id.clone(), session.clone());
            async move {
                // As a step: not for ever.
                for _ in 0..TRIES {
                    let account = store.account(&id, NOW).await.unwrap().unwrap();
                    let outcome = if racer % 8 == 0 {
                        let event = event_of(&account, event(racer + 4000, What::PasskeyRemoved));
                        let removal = PasskeyRemoval {
                            account: &account,
                            passkey: &passkey(racer),
                            proven: &session,
                            event: &event,
                        };
                        store.remove_passkey(removal).await.map(|()| -1_i64)
                    } else {
                        let enrolment = PasskeyEnrolment {
                            account: &account,
                            passkey: &passkey(racer),
                            ceremony: &ceremony(racer),
                            proven: &session,
                            event: &event_of(&account, event(racer + 4000, What::PasskeyAdded)),
                        };
                        store.enrol_passkey(enrolment).await.map(|outcome| {
                            outcome.unwrap();
                            1
                        })
                    };
                    match outcome {
                        Err(StoreError::Conflict) => {}
                        outcome => return outcome.unwrap(),
                    }
                }
                0
            }
        })
        .await;
        let changes = count(&outcomes, |change| *change != 0);
        let after = tables.account(&account.id).await;
        assert!(changes > 0);
        assert_eq!(after.revision, before.revision + u64::try_from(changes).unwrap());
        let more = i64::try_from(had).unwrap() + outcomes.iter().sum::<i64>();
        assert_eq!(i64::try_from(after.methods.passkeys.len()).unwrap(), more);
        // A marker for each passkey and none besides.
        let markers: HashSet<_> = tables
            .beginning("CREDENTIAL#")
            .await
            .into_iter()
            .map(|item| item["pk"].as_s().unwrap().clone())
            .collect();
        let passkeys = after.methods.passkeys.iter().map(|passkey| format!("CREDENTIAL#{}", passkey.id));
        assert_eq!(markers, passkeys.collect());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn against_renaming() {
        let tables = Tables::new().await;
        let (account, session) = tables.enrolled(1).await;
        let outcomes = at_once(|racer| {
            let (store, account, session) = (tables.store.clone(), account.clone(), session.clone());
            async move {
                if racer % 2 == 0 {
                    let event = event_of(&account, event(racer + 5000, What::PasskeyRenamed));
                    let name = format!("Name {racer}").parse().unwrap();
                    store.rename_passkey(&account.id, &passkey(1).id, &name, &event).await.unwrap();
                    false
                } else {
                    let event = event_of(&account, event(racer + 5000, What::PasskeyRemoved));
                    let removal = PasskeyRemoval {
                        account: &account,
                        passkey: &passkey(1),
                        proven: &session,
                        event: &event,
                    };
                    store.remove_passkey(removal).await.is_ok()
                }
            }
        })
        .await;
        assert_eq!(count(&outcomes, |removed| *removed), 1);
        assert!(tables.beginning("PASSKEY#").await.is_empty(), "a name is left, and no passkey");
    }
}

mod recovery_codes {
    use super::*;

    /// The account's code, its marker and its profile say the same.
    async fn assert_one_stands(tables: &Tables, account: &Account) {
        let contents = tables.contents().await;
        let codes: Vec<_> =
            contents.iter().filter(|((table, ..), _)| *table == crate::tables::RECOVERY_CODES).collect();
        let [((_, marker, _), holder), ((_, of, _), code)] = codes.as_slice() else {
            panic!("not a code and its marker: {codes:#?}")
        };
        let id = account.id.as_str();
        assert_eq!(code["marker"].as_s().unwrap(), marker);
        assert_eq!((of.as_str(), holder["account"].as_s().unwrap().as_str()), (id, id));

        let profile = tables.beginning("PROFILE").await.remove(0);
        assert_eq!(profile["recovery_issued_at"], code["issued_at"]);
        assert_eq!(profile.get("recovery_downloaded_at"), code.get("downloaded_at"));
    }

    async fn issue(tables: (Store, postern_store::RecoveryCodes), id: Account, racer: u32) -> bool {
        let (store, codes) = tables;
        for _ in 0..TRIES {
            let account = store.account(&id.id, NOW).await.unwrap().unwrap();
            let old = codes.code(&account.id).await.unwrap();
            let event = event_of(&account, event(racer + 6000, What::RecoveryCodeIssued));
            match codes.issue(&account, old.as_ref(), &code(racer + 100), &event).await {
                Ok(issued) => return issued,
                Err(StoreError::Conflict) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        false
    }

    /// When the code that it looked at was issued.
    async fn look(
        tables: (Store, postern_store::RecoveryCodes),
        id: Account,
        racer: u32,
    ) -> Option<Timestamp> {
        let (store, codes) = tables;
        for _ in 0..TRIES {
            let account = store.account(&id.id, NOW).await.unwrap().unwrap();
            let stored = codes.code(&account.id).await.unwrap().unwrap();
            let id = EventId::from_bytes(bytes(racer + 7000));
            let looked = Event {
                id,
                at: later(racer + 9000),
                ..event_of(&account, event(1, What::RecoveryCodeDownloaded))
            };
            match codes.mark_downloaded(&account, &stored, &looked).await {
                Ok(()) => return Some(stored.issued_at),
                Err(StoreError::Conflict) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        None
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_first_one() {
        let tables = Tables::new().await;
        let (account, _) = tables.enrolled(1).await;
        let outcomes = at_once(|racer| {
            let (codes, account) = (tables.codes.clone(), account.clone());
            async move {
                let event = event_of(&account, event(racer + 6000, What::RecoveryCodeIssued));
                codes.issue(&account, None, &code(racer + 100), &event).await
            }
        })
        .await;
        assert!(all_but_one(&outcomes, |outcome| matches!(outcome, Err(StoreError::Conflict))));
        assert_one_stands(&tables, &account).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn one_after_the_other() {
        let tables = Tables::new().await;
        let (account, _) = tables.with_code(1).await;
        let outcomes =
            at_once(|racer| issue((tables.store.clone(), tables.codes.clone()), account.clone(), racer))
                .await;
        let issued = count(&outcomes, |issued| *issued);
        assert!(issued > 0);
        assert_one_stands(&tables, &account).await;
        let after = tables.account(&account.id).await;
        assert_eq!(after.revision, account.revision + u64::try_from(issued).unwrap());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn looking_against_issuing() {
        let tables = Tables::new().await;
        let (account, _) = tables.with_code(1).await;
        let outcomes = at_once(|racer| {
            let (both, account) = ((tables.store.clone(), tables.codes.clone()), account.clone());
            async move {
                if racer % 2 == 0 {
                    issue(both, account, racer).await;
                    None
                } else {
                    look(both, account, racer).await
                }
            }
        })
        .await;
        assert_one_stands(&tables, &account).await;
        let after = tables.account(&account.id).await;
        let code = after.recovery_code.clone().unwrap();
        let looked_at_this = outcomes.iter().flatten().any(|issued_at| *issued_at == code.issued_at);
        assert_eq!(after.holds_recovery_code(), looked_at_this, "downloaded is what its owner saw");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn the_first_look() {
        let tables = Tables::new().await;
        let (account, _) = tables.with_code(1).await;
        let outcomes =
            at_once(|racer| look((tables.store.clone(), tables.codes.clone()), account.clone(), racer)).await;
        assert!(
            outcomes.iter().all(Option::is_some),
            "only the first moves the account, and one try more is enough"
        );
        let after = tables.account(&account.id).await;
        assert!(after.holds_recovery_code());
        assert_eq!(after.revision, account.revision + 1);
        assert_one_stands(&tables, &account).await;
    }
}

mod sessions {
    use super::*;

    /// A use that is being written down does not bring back a session that ended. The ends come a call later each, so
    /// that some fall between a read and its write.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn using_against_ending() {
        let tables = Tables::new().await;
        let (account, first) = tables.enrolled(1).await;
        assert!(tables.store.sign_out(&first.id, NOW).await.unwrap());
        for number in 0..RACERS / 2 {
            tables.store.begin_session(&signed_in(number, 1), None).await.unwrap();
        }
        let at = NOW + SignedDuration::from_mins(2);
        let outcomes = at_once(|racer| {
            let (store, account) = (tables.store.clone(), account.id.clone());
            let id = signed_in(racer / 2, 1).id;
            async move {
                if racer % 2 == 0 {
                    let _ = store.caller(Some(id), at).await;
                    false
                } else {
                    for _ in 0..racer / 2 % 4 {
                        store.account(&account, at).await.unwrap();
                    }
                    store.sign_out(&id, at).await.unwrap()
                }
            }
        })
        .await;
        assert_eq!(count(&outcomes, |signed_out| *signed_out), outcomes.len() / 2);
        assert_eq!(tables.beginning("SESSION#").await, []);
        assert_eq!(tables.store.sessions(&account.id).await.unwrap(), []);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn enrolling_against_ending() {
        let tables = Tables::new().await;
        let (account, session) = tables.registered(1).await;
        let outcomes = at_once(|racer| {
            let (store, account, session) = (tables.store.clone(), account.clone(), session.clone());
            async move {
                if racer % 2 == 0 {
                    let created = passkey(racer);
                    let enrolment = PasskeyEnrolment {
                        account: &account,
                        passkey: &created,
                        ceremony: &ceremony(racer),
                        proven: &proven(&session, &created),
                        event: &event_of(&account, event(racer + 2000, What::PasskeyAdded)),
                    };
                    store.enrol_passkey(enrolment).await.map(|outcome| outcome.unwrap()).is_ok()
                } else {
                    store.sign_out(&session.id, NOW).await.unwrap();
                    false
                }
            }
        })
        .await;
        let enrolled = count(&outcomes, |enrolled| *enrolled);
        assert!(enrolled <= 1);
        assert_eq!(tables.account(&account.id).await.methods.passkeys.len(), enrolled);
        assert!(tables.beginning("SESSION#").await.is_empty(), "a session is left that nobody began");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn ending_one_many_times() {
        let tables = Tables::new().await;
        let (account, _) = tables.enrolled(1).await;
        let other: Session = signed_in(9, 1);
        tables.store.begin_session(&other, None).await.unwrap();
        let outcomes = at_once(|racer| {
            let (store, id) = (tables.store.clone(), other.id.clone());
            let event = event_of(&account, event(racer + 5000, What::SessionEnded));
            async move { store.end_session(&id, &event).await.unwrap() }
        })
        .await;
        assert!(all_but_one(&outcomes, |ended| !ended));
        let events = tables.store.activity(&account.id, None).await.unwrap().events;
        assert_eq!(count(&events, |event| event.what == What::SessionEnded), 1);
        let contents = tables.contents().await;
        assert!(!contents.keys().any(|(table, pk, _)| *table == ATTEMPTS && pk.contains(other.id.as_str())));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_rotations_add_one_key() {
    let tables = Tables::new().await;
    let outcomes = at_once(|racer| {
        let keys = tables.keys.clone();
        async move {
            let sealed = racer.to_be_bytes().to_vec();
            let sealing = SealingKeyRecord { version: 3, sealed: sealed.clone(), active_from: later(racer) };
            let token = TokenKeyRecord {
                kid: format!("kid-{racer}"),
                sealed_private: sealed.clone(),
                public_der: sealed,
                active_from: NOW,
                active_until: later(racer),
            };
            (keys.add_sealing(&sealing).await.unwrap(), keys.add_token(&token).await.unwrap())
        }
    })
    .await;
    assert!(all_but_one(&outcomes, |(sealing, _)| !sealing) && all_but_one(&outcomes, |(_, token)| !token));
    let winner =
        |won: fn(&(bool, bool)) -> bool| u32::try_from(outcomes.iter().position(won).unwrap()).unwrap();
    let [sealing] = &*tables.keys.sealing().await.unwrap() else { panic!("not one") };
    assert_eq!(sealing.sealed, winner(|outcome| outcome.0).to_be_bytes());
    let [token] = &*tables.keys.tokens().await.unwrap() else { panic!("not one") };
    assert_eq!(token.kid, format!("kid-{}", winner(|outcome| outcome.1)));
}
