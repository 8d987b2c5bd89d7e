//! Phones: each waits for its own code, is added once, and leaves nothing behind when it goes.

use jiff::SignedDuration;
use postern_domain::account::{Account, Channel, LineType, Phone};
use postern_domain::activity::What;
use postern_domain::one_time_code::{GUESSES_PER_CODE, SENT_CODE_LIVES};
use postern_domain::session::Session;
use postern_keys::VersionedMac;
use postern_store::{NotPending, PendingPhone, StoreError};

use crate::racing::{all_but_one, at_once, count};
use crate::tables::{
    NOW, Tables, add_phone, enrol_phone, guess_code, number, pending, phone, remove_phone, send, sending,
    sent, session, set_password, sign_in_id, signed_in,
};

const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);

async fn guess(tables: &Tables, of: &Session, phone: &Phone) -> Result<PendingPhone, NotPending> {
    tables.store.guess_pending_phone(&of.id, &phone.id, NOW).await.unwrap()
}

fn refused(guess: &Result<PendingPhone, NotPending>) -> Option<NotPending> {
    guess.as_ref().err().copied()
}

mod waiting {
    use super::*;

    #[tokio::test]
    async fn what_waits_comes_back() {
        let tables = Tables::new().await;
        let landline = Phone { line_type: LineType::Landline, country: "PR".to_owned(), ..phone(1) };
        let mac = VersionedMac { version: u32::MAX, tag: [255; 32] };
        let waits = PendingPhone { channel: Channel::Call, mac, ..pending(&landline) };
        tables.store.keep_pending_phone(&session(1).id, &waits, NOW).await.unwrap();
        let read = guess(&tables, &session(1), &landline).await.unwrap();
        assert_eq!((read.id, read.number, read.country), (waits.id, waits.number, waits.country));
        assert_eq!((read.line_type, read.channel), (LineType::Landline, Channel::Call));
        assert_eq!(
            (read.mac.version, read.mac.tag, read.expires_at),
            (u32::MAX, [255; 32], waits.expires_at)
        );
        let [record] = &*tables.beginning("PHONE-ENROLMENT#").await else { panic!("not one") };
        assert_eq!(number(record, "delete_at"), (NOW + SENT_CODE_LIVES).as_second() + 3600);
    }

    #[tokio::test]
    async fn each_waits_beside_the_other_and_by_its_session() {
        let tables = Tables::new().await;
        assert_eq!(refused(&guess(&tables, &session(1), &phone(1)).await), Some(NotPending::Unknown));
        for number in [1, 2] {
            tables.store.keep_pending_phone(&session(1).id, &pending(&phone(number)), NOW).await.unwrap();
        }
        for number in [1, 2] {
            let read = guess(&tables, &session(1), &phone(number)).await.unwrap();
            assert_eq!((read.id, read.mac.tag), (phone(number).id, pending(&phone(number)).mac.tag));
            assert_eq!(
                refused(&guess(&tables, &session(2), &phone(number)).await),
                Some(NotPending::Unknown)
            );
        }
    }

    #[tokio::test]
    async fn a_newer_code_ends_the_older_one_and_keeps_its_count() {
        let tables = Tables::new().await;
        let (store, of) = (&tables.store, session(1));
        let code = |tag: u8, after: SignedDuration| PendingPhone {
            mac: VersionedMac { version: 1, tag: [tag; 32] },
            expires_at: NOW + after + SENT_CODE_LIVES,
            ..pending(&phone(1))
        };
        store.keep_pending_phone(&of.id, &code(1, SignedDuration::ZERO), NOW).await.unwrap();
        for _ in 1..GUESSES_PER_CODE {
            assert_eq!(guess(&tables, &of, &phone(1)).await.unwrap().mac.tag, [1; 32]);
        }
        let later = SignedDuration::from_secs(30);
        store.keep_pending_phone(&of.id, &code(2, later), NOW + later).await.unwrap();
        assert_eq!(guess(&tables, &of, &phone(1)).await.unwrap().mac.tag, [2; 32]);
        assert_eq!(refused(&guess(&tables, &of, &phone(1)).await), Some(NotPending::OutOfGuesses));

        // It was over: another enrolment begins, with guesses of its own.
        store.keep_pending_phone(&of.id, &code(3, later), NOW + later).await.unwrap();
        for _ in 1..GUESSES_PER_CODE {
            assert_eq!(guess(&tables, &of, &phone(1)).await.unwrap().mac.tag, [3; 32]);
        }
        // So it is where the time of the older one is over.
        let much_later = SENT_CODE_LIVES + later + SignedDuration::from_secs(1);
        store.keep_pending_phone(&of.id, &code(4, much_later), NOW + much_later).await.unwrap();
        for _ in 0..GUESSES_PER_CODE {
            assert_eq!(guess(&tables, &of, &phone(1)).await.unwrap().mac.tag, [4; 32]);
        }
        assert_eq!(tables.beginning("PHONE-ENROLMENT#").await.len(), 1);
    }

    #[tokio::test]
    async fn its_time_ends_to_the_millisecond() {
        let tables = Tables::new().await;
        tables.store.keep_pending_phone(&session(1).id, &pending(&phone(1)), NOW).await.unwrap();
        let at =
            async |now| tables.store.guess_pending_phone(&session(1).id, &phone(1).id, now).await.unwrap();
        let over = NOW + SENT_CODE_LIVES;
        assert!(at(over - MILLISECOND).await.is_ok());
        assert_eq!(refused(&at(over).await), Some(NotPending::Expired));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn five_of_many_guesses_are_taken() {
        let tables = Tables::new().await;
        tables.store.keep_pending_phone(&session(1).id, &pending(&phone(1)), NOW).await.unwrap();
        let outcomes = at_once(|_| {
            let store = tables.store.clone();
            async move { store.guess_pending_phone(&session(1).id, &phone(1).id, NOW).await.unwrap() }
        })
        .await;
        assert_eq!(count(&outcomes, Result::is_ok), usize::try_from(GUESSES_PER_CODE).unwrap());
        let out = |outcome: &_| refused(outcome) == Some(NotPending::OutOfGuesses);
        assert_eq!(count(&outcomes, out), outcomes.len() - 5);
        // A guess at another phone is none at this one.
        assert_eq!(refused(&guess(&tables, &session(1), &phone(2)).await), Some(NotPending::Unknown));
    }
}

mod adding {
    use super::*;

    #[tokio::test]
    async fn phones_come_back_in_the_order_in_which_they_came() {
        let tables = Tables::new().await;
        let (before, session) = tables.registered(1).await;
        let voip = Phone { line_type: LineType::Voip, country: "CA".to_owned(), ..phone(2) };
        let written = [phone(1), voip, phone(3)];
        for phone in &written {
            let account = tables.account(&before.id).await;
            assert!(add_phone(&tables.store, &account, &session, phone).await.unwrap());
        }
        let mut expected = Account { forget_at: None, revision: 3, ..before };
        expected.methods.phones = written.into();
        assert_eq!(tables.account(&expected.id).await, expected);
        assert!(tables.beginning("PHONE-ENROLMENT#").await.is_empty(), "each code is spent");
        let events = tables.store.activity(&expected.id, None).await.unwrap().events;
        assert_eq!(count(&events, |event| event.what == What::PhoneAdded), 3);
    }

    #[tokio::test]
    async fn all_of_it_or_nothing() {
        let tables = Tables::new().await;
        let (account, session) = tables.registered(1).await;
        let waits = pending(&phone(1));
        tables.store.keep_pending_phone(&session.id, &waits, NOW).await.unwrap();
        let before = tables.contents().await;
        let enrol = async |account: &Account, session: &Session, of: u32| {
            let outcome = enrol_phone(&tables.store, account, session, &phone(of)).await;
            assert_eq!(tables.contents().await, before);
            outcome
        };
        assert!(!enrol(&account, &session, 2).await.unwrap(), "another's code");
        assert!(!enrol(&account, &signed_in(9, 1), 1).await.unwrap(), "waits beside another session");
        let moved = Account { revision: 5, ..account.clone() };
        assert!(matches!(enrol(&moved, &session, 1).await, Err(StoreError::Conflict)));
        let renamed = Account { username: "another.name".parse().unwrap(), ..account.clone() };
        assert!(matches!(enrol(&renamed, &session, 1).await, Err(StoreError::Conflict)));

        tables.store.sign_out(&session.id, NOW).await.unwrap();
        let before = tables.contents().await;
        let outcome = enrol_phone(&tables.store, &account, &session, &phone(1)).await;
        assert!(matches!(outcome, Err(StoreError::Conflict)), "the session ended");
        assert_eq!(tables.contents().await, before);
    }

    #[tokio::test]
    async fn a_code_is_spent_by_the_phone_that_it_adds() {
        let tables = Tables::new().await;
        let (account, session) = tables.with_phone(1).await;
        assert!(!enrol_phone(&tables.store, &account, &session, &phone(1)).await.unwrap());
        assert_eq!(refused(&guess(&tables, &session, &phone(1)).await), Some(NotPending::Unknown));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn one_code_many_times() {
        let tables = Tables::new().await;
        let (account, session) = tables.registered(1).await;
        tables.store.keep_pending_phone(&session.id, &pending(&phone(1)), NOW).await.unwrap();
        let outcomes = at_once(|_| {
            let (store, account, session) = (tables.store.clone(), account.clone(), session.clone());
            async move { enrol_phone(&store, &account, &session, &phone(1)).await.unwrap() }
        })
        .await;
        assert!(all_but_one(&outcomes, |added| !added));
        let after = tables.account(&account.id).await;
        assert_eq!((after.methods.phones, after.revision), (vec![phone(1)], account.revision + 1));
    }

    /// Each of another session, on the account as it was read: one, and the others decide again.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn many_phones_at_once() {
        let tables = Tables::new().await;
        let (account, _) = tables.registered(1).await;
        for racer in 0..crate::racing::RACERS {
            tables.store.begin_session(&signed_in(racer + 100, 1), None).await.unwrap();
        }
        let outcomes = at_once(|racer| {
            let (store, account, session) =
                (tables.store.clone(), account.clone(), signed_in(racer + 100, 1));
            async move { add_phone(&store, &account, &session, &phone(racer + 1)).await }
        })
        .await;
        assert!(all_but_one(&outcomes, |outcome| matches!(outcome, Err(StoreError::Conflict))));
        let after = tables.account(&account.id).await;
        assert_eq!((after.methods.phones.len(), after.revision), (1, account.revision + 1));
        let kept = guess_code(&tables.store, &account.username, &sign_in_id(1), NOW).await.kept.unwrap();
        assert_eq!(kept.account, after);
    }

    /// Against newer codes to it: a phone is added by the code that was judged, or not at all.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn against_newer_codes() {
        let tables = Tables::new().await;
        let (account, session) = tables.registered(1).await;
        tables.store.keep_pending_phone(&session.id, &pending(&phone(1)), NOW).await.unwrap();
        let outcomes = at_once(|racer| {
            let (store, account, session) = (tables.store.clone(), account.clone(), session.clone());
            async move {
                if racer % 2 == 0 {
                    matches!(enrol_phone(&store, &account, &session, &phone(1)).await, Ok(true))
                } else {
                    let mac = VersionedMac { version: 9, tag: [9; 32] };
                    let newer = PendingPhone { mac, ..pending(&phone(1)) };
                    store.keep_pending_phone(&session.id, &newer, NOW).await.unwrap();
                    false
                }
            }
        })
        .await;
        let added = count(&outcomes, |added| *added);
        assert!(added <= 1);
        assert_eq!(tables.account(&account.id).await.methods.phones.len(), added);
        let [waits] = &*tables.beginning("PHONE-ENROLMENT#").await else { panic!("not one") };
        assert_eq!(waits["tag"].as_b().unwrap().as_ref(), [9; 32]);
    }
}

mod removing {
    use super::*;

    #[tokio::test]
    async fn one_of_two_leaves_the_other() {
        let tables = Tables::new().await;
        let (account, session) = tables.with_phone(1).await;
        assert!(add_phone(&tables.store, &account, &session, &phone(2)).await.unwrap());
        let account = tables.account(&account.id).await;
        remove_phone(&tables.store, &account, &session, &phone(1)).await.unwrap();
        let after = tables.account(&account.id).await;
        assert_eq!(after, account.without_phone(&phone(1).id));
        assert_eq!(after.methods.phones, [phone(2)]);
        let kept = tables.store.phones_of(&account.username, NOW).await.unwrap().account;
        assert_eq!(kept, Some(after));
        assert!(tables.by_name(&account.username, "PHONE").await["forget_at"].is_null());
    }

    #[tokio::test]
    async fn the_last_leaves_nothing_that_tells_of_the_account() {
        let tables = Tables::new().await;
        let (account, session) = tables.with_phone(1).await;
        let (store, username) = (&tables.store, &account.username);
        let (code, to) = (sent(1, &phone(1), NOW), sending(username, 1));
        send(store, Some(&account), &to, &sign_in_id(1), &code, NOW).await.unwrap().unwrap();
        guess_code(store, username, &sign_in_id(2), NOW).await;
        remove_phone(store, &account, &session, &phone(1)).await.unwrap();
        let after = tables.account(&account.id).await;
        assert_eq!(after, account.without_phone(&phone(1).id));
        let item = tables.by_name(username, "PHONE").await;
        assert!(!item.contains_key("account") && !item.contains_key("known"));
        assert_eq!(number(&item, "forget_at"), NOW.as_second() + 400 * 24 * 3600);
        assert_eq!(number(&item, "streak"), 1, "what was guessed counts on");
        let of = store.phones_of(username, NOW).await.unwrap();
        assert_eq!(of.account, None);
        // The code that was on its way answers nothing.
        let guess = guess_code(store, username, &sign_in_id(1), NOW).await;
        assert!(guess.kept.is_none());
        assert!(tables.beginning("PHONE#").await.is_empty());
        // As it is at the next phone: kept again.
        assert!(add_phone(store, &after, &session, &phone(2)).await.unwrap());
        let item = tables.by_name(username, "PHONE").await;
        assert!(item["forget_at"].is_null() && number(&item, "streak") == 0);
    }

    #[tokio::test]
    async fn all_of_it_or_nothing() {
        let tables = Tables::new().await;
        let (account, session) = tables.with_phone(1).await;
        let before = tables.contents().await;
        let remove = async |account: &Account, session: &Session, of: u32| {
            let outcome = remove_phone(&tables.store, account, session, &phone(of)).await;
            assert!(matches!(outcome, Err(StoreError::Conflict)), "{outcome:?}");
            assert_eq!(tables.contents().await, before);
        };
        remove(&Account { revision: 9, ..account.clone() }, &session, 1).await;
        remove(&account, &session, 2).await;
        remove(&account, &signed_in(9, 1), 1).await;
        remove_phone(&tables.store, &account, &session, &phone(1)).await.unwrap();
        let before = tables.contents().await;
        let outcome = remove_phone(&tables.store, &account, &session, &phone(1)).await;
        assert!(matches!(outcome, Err(StoreError::Conflict)));
        assert_eq!(tables.contents().await, before);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn against_adding_and_a_new_password() {
        let tables = Tables::new().await;
        let (account, session) = tables.with_phone(1).await;
        tables.store.keep_pending_phone(&session.id, &pending(&phone(2)), NOW).await.unwrap();
        let outcomes = at_once(|racer| {
            let (store, account, session) = (tables.store.clone(), account.clone(), session.clone());
            async move {
                match racer % 3 {
                    0 => remove_phone(&store, &account, &session, &phone(1)).await.map(|()| "removed"),
                    1 => enrol_phone(&store, &account, &session, &phone(2))
                        .await
                        .map(|added| if added { "added" } else { "spent" }),
                    _ => set_password(&store, &account, &session, racer).await.map(|()| "set"),
                }
            }
        })
        .await;
        let done = |what| count(&outcomes, |outcome| outcome.as_ref().is_ok_and(|done| *done == what));
        assert_eq!(done("removed") + done("added") + done("set"), 1, "{outcomes:?}");
        let after = tables.account(&account.id).await;
        assert_eq!(after.revision, account.revision + 1);
        let copy = tables.store.phones_of(&account.username, NOW).await.unwrap().account;
        if done("set") == 0 {
            assert_eq!(copy, (!after.methods.phones.is_empty()).then_some(after));
        } else {
            assert_eq!(copy, Some(account), "as it was read: no proof rests on it");
        }
    }
}
