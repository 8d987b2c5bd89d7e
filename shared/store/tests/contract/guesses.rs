//! Guesses: counted before they are looked at, the same for every name, and the locks to the millisecond.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use postern_domain::account::Account;
use postern_domain::activity::What;
use postern_domain::guess::{DISABLED_AT, FIRST_LOCK, FREE_GUESSES, Guesses, Standing, lock_after, locks};
use postern_domain::name::Username;
use postern_store::{Counted, Proven, Secret, Store};
use proptest::prelude::*;
use secrecy::ExposeSecret;

use crate::racing::{RACERS, at_once, count, for_any};

use crate::tables::{
    ACCOUNTS, Item, NOW, Tables, account, add_authenticator, add_phone, enrol, event, guess_app, guess_code,
    guess_password, hash, number, passkey, phone, prove, proven, registration, remove_authenticator,
    remove_phone, sealed, send, sending, sent, session, set_password, sign_in_by_passkey, sign_in_id,
    step_after,
};

const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);

const EACH: [&str; 3] = ["PASSWORD", "PHONE", "AUTHENTICATOR"];

/// Guesses at what stands in `which`. None: it was taken.
async fn refused(store: &Store, username: &Username, which: &str, now: Timestamp) -> Option<Standing> {
    let standing = match which {
        "PASSWORD" => of(store.guess_password(username, now).await.unwrap()),
        "PHONE" => of(store.guess_phone_code(username, &sign_in_id(1), now).await.unwrap()),
        _ => of(store.guess_authenticator(username, &sign_in_id(1), now).await.unwrap()),
    };
    standing.err()
}

fn of<T: std::fmt::Debug>(counted: Counted<T>) -> Result<Guesses, Standing> {
    match counted {
        Counted::Taken(guess) => Ok(guess.guesses),
        Counted::Refused(standing) => Err(standing),
        Counted::SignInOver => panic!("the sign-in is not over"),
    }
}

fn counts(item: &Item) -> (i64, i64) {
    (number(item, "streak"), number(item, "failures"))
}

mod racing {
    use super::*;

    async fn five_are_taken(tables: &Tables, username: &Username, which: &'static str) {
        let outcomes = at_once(|_| {
            let (store, username) = (tables.store.clone(), username.clone());
            async move { refused(&store, &username, which, NOW).await }
        })
        .await;
        assert_eq!(count(&outcomes, Option::is_none), 5, "{username:?} {which}");
        let locked = Some(Standing::LockedUntil(NOW + FIRST_LOCK));
        assert_eq!(
            count(&outcomes, |outcome| *outcome == locked),
            outcomes.len() - 5,
            "{username:?} {which}"
        );
        assert_eq!(counts(&tables.by_name(username, which).await), (5, 5));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn at_a_name_that_nobody_has() {
        let tables = Tables::new().await;
        for which in EACH {
            five_are_taken(&tables, &"nobody".parse().unwrap(), which).await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn at_an_account_without_any() {
        let tables = Tables::new().await;
        let (account, _) = tables.enrolled(1).await;
        for which in EACH {
            five_are_taken(&tables, &account.username, which).await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn at_an_account_with_everything() {
        let tables = Tables::new().await;
        let (account, _) = tables.with_everything(1).await;
        for which in EACH {
            five_are_taken(&tables, &account.username, which).await;
        }
    }

    /// Each at the instant that the one lock ends: one more, and the next lock.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn at_the_end_of_a_lock() {
        let tables = Tables::new().await;
        let (account, _) = tables.with_password(1).await;
        let username = account.username;
        for _ in 0..FREE_GUESSES {
            guess_password(&tables.store, &username, NOW).await;
        }
        let free_at = NOW + FIRST_LOCK;
        let outcomes = at_once(|_| {
            let (store, username) = (tables.store.clone(), username.clone());
            async move { refused(&store, &username, "PASSWORD", free_at).await }
        })
        .await;
        assert_eq!(count(&outcomes, Option::is_none), 1);
        let next = Some(Standing::LockedUntil(free_at + FIRST_LOCK * 2));
        assert_eq!(count(&outcomes, |outcome| *outcome == next), outcomes.len() - 1);
    }

    /// With locks lifted all the while, it ends at a hundred.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn against_lifting() {
        let tables = Tables::new().await;
        let (account, _) = tables.with_everything(1).await;
        let mut all_taken = 0;
        for at in (1000..60_000).step_by(1000) {
            let outcomes = at_once(|racer| {
                let (store, account) = (tables.store.clone(), account.clone());
                async move {
                    if racer % 8 == 0 {
                        assert!(sign_in_by_passkey(&store, &account, 1, racer + at).await.unwrap());
                        return false;
                    }
                    refused(&store, &account.username, "PASSWORD", NOW).await.is_none()
                }
            })
            .await;
            let taken = count(&outcomes, |taken| *taken);
            all_taken += taken;
            assert!(taken <= 5 * (outcomes.len() / 8 + 1), "{taken}");
            if tables.store.password_is_disabled(&account.username).await.unwrap() {
                break;
            }
        }
        assert_eq!(all_taken, 100);
        let standing = refused(&tables.store, &account.username, "PASSWORD", NOW).await;
        assert_eq!(standing, Some(Standing::Disabled));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn against_registering_the_name() {
        let tables = Tables::new().await;
        let new = Account { forget_at: None, ..account(1) }.with_password(NOW);
        let outcomes = at_once(|racer| {
            let (store, new) = (tables.store.clone(), new.clone());
            async move {
                if racer == RACERS / 2 {
                    let (session, event, hash) = (session(1), event(1, What::AccountRegistered), hash(1));
                    let registration = postern_store::Registration {
                        hash: Some(&hash),
                        ..registration(&new, &session, &event)
                    };
                    store.register(registration, NOW).await.unwrap();
                    None
                } else {
                    Some(refused(&store, &new.username, "PASSWORD", NOW).await)
                }
            }
        })
        .await;
        // Five before, and five after.
        let taken = count(&outcomes, |outcome| matches!(outcome, Some(None)));
        assert!((5..=10).contains(&taken), "{taken}");
        let item = tables.by_name(&new.username, "PASSWORD").await;
        assert!(counts(&item).0 <= 5 && item["password_hash"].is_s() && item["forget_at"].is_null());
    }
}

/// The condition of the write and the decision of the domain say the same, on any record and at any instant.
#[test]
fn a_guess_is_taken_just_when_the_authenticator_is_open() {
    let near = prop_oneof![-2_000_000_i64..=2_000_000, -1_000_000_000_000_i64..100_000_000_000_000];
    let written = (0_u64..24, prop_oneof![Just(0_u64), 0..110_u64], any::<bool>());
    let strategy = (written, near, 0_usize..2);
    for_any(600, &strategy, async |tables, ((streak, lifted, ever), off, which)| {
        let guesses = Guesses { streak, failures: streak + lifted, last_at: ever.then_some(NOW) };
        // Around the end of the lock, also by parts of a millisecond.
        let now = NOW + lock_after(streak).unwrap_or_default() + SignedDuration::from_nanos(off);
        let (username, which): (Username, _) = ("nobody".parse().unwrap(), EACH[which]);
        let mut item = Item::from([
            ("pk".to_owned(), AttributeValue::S(format!("NAME#{}", username.as_str()))),
            ("sk".to_owned(), AttributeValue::S(which.to_owned())),
        ]);
        for (name, value) in
            [("streak", streak), ("failures", guesses.failures), ("guesses", guesses.failures)]
        {
            item.insert(name.to_owned(), AttributeValue::N(value.to_string()));
        }
        if ever {
            item.insert("guessed_at".to_owned(), AttributeValue::N(NOW.as_millisecond().to_string()));
        }
        tables.put(ACCOUNTS, item.clone()).await;
        let refused = refused(&tables.store, &username, which, now).await;
        let after = tables.by_name(&username, which).await;
        match guesses.standing(now) {
            Standing::Open => {
                assert_eq!(refused, None, "{guesses:?} at {now}");
                let (streak, failures) =
                    (i64::try_from(streak).unwrap(), i64::try_from(guesses.failures).unwrap());
                assert_eq!(counts(&after), (streak + 1, failures + 1));
                assert_eq!(number(&after, "guessed_at"), now.as_millisecond());
            }
            closed => {
                assert_eq!(refused, Some(closed), "{guesses:?} at {now}");
                assert_eq!(after, item, "a refusal counts nothing");
            }
        }
    });
}

/// From the first guess to the longest lock, each as early as it can be.
#[tokio::test]
async fn every_lock_ends_to_the_millisecond() {
    let tables = Tables::new().await;
    let (account, _) = tables.with_everything(1).await;
    for username in [account.username, "nobody".parse().unwrap()] {
        for which in EACH {
            let mut now = NOW;
            for _ in 1..FREE_GUESSES {
                assert_eq!(refused(&tables.store, &username, which, now).await, None);
            }
            for (streak, lock) in locks().into_iter().chain([(17, SignedDuration::from_hours(24))]) {
                assert_eq!(refused(&tables.store, &username, which, now).await, None, "{streak}");
                let until = now + lock;
                for locked in [now, until - MILLISECOND] {
                    let standing = refused(&tables.store, &username, which, locked).await;
                    assert_eq!(standing, Some(Standing::LockedUntil(until)), "{streak}");
                }
                now = until;
            }
        }
    }
}

#[tokio::test]
async fn a_hundred_disable_whatever_was_lifted_and_setting_it_anew_enables() {
    let tables = Tables::new().await;
    let (account, session) = tables.with_everything(1).await;
    let username = &account.username;
    let mut failures = 0;
    for number in 0..20 {
        for _ in 0..FREE_GUESSES {
            failures += 1;
            let guess = guess_password(&tables.store, username, NOW).await;
            assert_eq!(guess.guesses.failures, failures);
            assert_eq!(
                guess_code(&tables.store, username, &sign_in_id(1), NOW).await.guesses.failures,
                failures
            );
            assert_eq!(
                guess_app(&tables.store, username, &sign_in_id(1), NOW).await.guesses.failures,
                failures
            );
        }
        assert!(sign_in_by_passkey(&tables.store, &account, 1, number + 4000).await.unwrap());
    }
    assert_eq!(failures, DISABLED_AT);
    let years_later = NOW + SignedDuration::from_hours(24 * 365 * 5);
    for which in EACH {
        for now in [NOW, years_later] {
            assert_eq!(
                refused(&tables.store, username, which, now).await,
                Some(Standing::Disabled),
                "{which}"
            );
        }
        assert_eq!(counts(&tables.by_name(username, which).await), (0, 100), "lifted, and yet disabled");
    }

    let disabled = async |username: &Username| tables.store.password_is_disabled(username).await.unwrap();
    assert!(disabled(username).await);
    let nobody: Username = "nobody".parse().unwrap();
    assert!(!disabled(&nobody).await && tables.by_name(&nobody, "PASSWORD").await.is_empty());

    set_password(&tables.store, &account, &session, 2).await.unwrap();
    assert!(!disabled(username).await);
    let guess = guess_password(&tables.store, username, NOW).await;
    assert_eq!((guess.guesses.streak, guess.guesses.failures), (1, 1));
    assert_eq!(guess.kept.unwrap().hash.expose_secret(), hash(2).expose_secret());

    // Taking the phone away enables nothing; one that is enrolled does.
    let account = tables.account(&account.id).await;
    remove_phone(&tables.store, &account, &session, &phone(1)).await.unwrap();
    assert_eq!(refused(&tables.store, username, "PHONE", NOW).await, Some(Standing::Disabled));
    let account = tables.account(&account.id).await;
    assert!(add_phone(&tables.store, &account, &session, &phone(2)).await.unwrap());
    assert_eq!(refused(&tables.store, username, "PHONE", NOW).await, None);

    // Likewise the authenticator.
    let account = tables.account(&account.id).await;
    remove_authenticator(&tables.store, &account, &session).await.unwrap();
    assert_eq!(refused(&tables.store, username, "AUTHENTICATOR", NOW).await, Some(Standing::Disabled));
    let account = tables.account(&account.id).await;
    assert!(add_authenticator(&tables.store, &account, &session, 2).await.unwrap());
    assert_eq!(refused(&tables.store, username, "AUTHENTICATOR", NOW).await, None);
}

#[tokio::test]
async fn a_passkey_lifts_the_locks_of_what_the_account_has() {
    let tables = Tables::new().await;
    let (account, _) = tables.with_everything(1).await;
    for which in EACH {
        for _ in 0..FREE_GUESSES {
            assert_eq!(refused(&tables.store, &account.username, which, NOW).await, None);
        }
        assert!(refused(&tables.store, &account.username, which, NOW).await.is_some());
    }
    assert!(sign_in_by_passkey(&tables.store, &account, 1, 4000).await.unwrap());
    for which in EACH {
        let item = tables.by_name(&account.username, which).await;
        assert_eq!((counts(&item), item.get("guessed_at")), ((0, 5), None));
        assert_eq!(refused(&tables.store, &account.username, which, NOW).await, None);
    }
    // What stands by the name of an account without them is nobody's.
    let (without, _) = tables.enrolled(2).await;
    for which in EACH {
        assert_eq!(refused(&tables.store, &without.username, which, NOW).await, None);
    }
    assert!(sign_in_by_passkey(&tables.store, &without, 2, 4001).await.unwrap());
    for which in EACH {
        assert_eq!(counts(&tables.by_name(&without.username, which).await), (1, 1));
    }
}

#[tokio::test]
async fn a_right_answer_starts_its_own_count_anew() {
    let tables = Tables::new().await;
    let (account, _) = tables.with_everything(1).await;
    let username = &account.username;
    let both = async || {
        let [password, phone] = ["PASSWORD", "PHONE"].map(|which| tables.by_name(username, which));
        (counts(&password.await), counts(&phone.await))
    };
    for _ in 0..3 {
        guess_password(&tables.store, username, NOW).await;
        guess_code(&tables.store, username, &sign_in_id(1), NOW).await;
    }
    let password = Secret::Password { rehashed: None };
    let outcome = prove(&tables.store, &account, password, &sign_in_id(1), None).await.unwrap();
    assert_eq!((outcome, both().await), (Proven::Done, ((0, 0), (3, 3))));
    assert!(!tables.by_name(username, "PASSWORD").await.contains_key("guessed_at"));

    for _ in 0..4 {
        guess_password(&tables.store, username, NOW).await;
    }
    tables.store.password_was_right(username).await.unwrap();
    assert_eq!(both().await, ((0, 0), (3, 3)));

    for _ in 0..FREE_GUESSES {
        guess_password(&tables.store, username, NOW).await;
    }
    let code = sent(1, &phone(1), NOW);
    let sending = sending(username, 1);
    send(&tables.store, Some(&account), &sending, &sign_in_id(1), &code, NOW).await.unwrap().unwrap();
    // A phone's proof lifts the password's lock; its count towards disabling goes on.
    let outcome =
        prove(&tables.store, &account, Secret::PhoneCode(&code), &sign_in_id(1), Some(5000)).await.unwrap();
    assert_eq!((outcome, both().await), (Proven::Done, ((0, 5), (0, 0))));
    assert!(!tables.by_name(username, "PHONE").await.contains_key("guessed_at"));
    // An authenticator's lifts nobody else's.
    for _ in 0..FREE_GUESSES {
        guess_password(&tables.store, username, NOW).await;
        guess_app(&tables.store, username, &sign_in_id(2), NOW).await;
    }
    let of_app = Secret::AuthenticatorStep { step: step_after(1), sealed: &sealed(1) };
    let outcome = prove(&tables.store, &account, of_app, &sign_in_id(2), None).await.unwrap();
    assert_eq!((outcome, both().await), (Proven::Done, ((5, 10), (0, 0))));
    let item = tables.by_name(username, "AUTHENTICATOR").await;
    assert_eq!((counts(&item), item.contains_key("guessed_at")), ((0, 0), false));
}

#[tokio::test]
async fn a_wrong_answer_resets_nothing() {
    let tables = Tables::new().await;
    let (account, _) = tables.with_everything(1).await;
    guess_code(&tables.store, &account.username, &sign_in_id(1), NOW).await;
    let never_sent = sent(1, &phone(1), NOW);
    let outcome =
        prove(&tables.store, &account, Secret::PhoneCode(&never_sent), &sign_in_id(1), Some(5000)).await;
    assert_eq!(outcome.unwrap(), Proven::SecretSpent);
    assert_eq!(counts(&tables.by_name(&account.username, "PHONE").await), (1, 1));
}

/// TTL takes what is a number, and only that.
#[tokio::test]
async fn what_is_nobodys_is_forgotten_and_what_is_somebodys_never() {
    let tables = Tables::new().await;
    let nobody: Username = "nobody".parse().unwrap();
    let (without, _) = tables.enrolled(2).await;
    let in_400_days = NOW.as_second() + 400 * 24 * 3600;
    for username in [&nobody, &without.username] {
        for which in EACH {
            for later in 0..3 {
                let now = NOW + SignedDuration::from_hours(later);
                assert_eq!(refused(&tables.store, username, which, now).await, None);
            }
            assert_eq!(number(&tables.by_name(username, which).await, "forget_at"), in_400_days);
        }
    }
    // A send is the first, where nobody guessed before.
    let other: Username = "nobody.else".parse().unwrap();
    let code = sent(1, &phone(1), NOW);
    send(&tables.store, None, &sending(&other, 1), &sign_in_id(1), &code, NOW).await.unwrap().unwrap();
    assert_eq!(number(&tables.by_name(&other, "PHONE").await, "forget_at"), in_400_days);
    let (third, _) = tables.registered(3).await;
    let counted = tables.store.count_enrolment(&third.id, &sending(&third.username, 2), NOW).await.unwrap();
    assert_eq!(counted, Ok(()));
    assert_eq!(number(&tables.by_name(&third.username, "PHONE").await, "forget_at"), in_400_days);

    let (account, _) = tables.with_everything(1).await;
    let code = sent(2, &phone(1), NOW);
    let sending = sending(&account.username, 3);
    send(&tables.store, Some(&account), &sending, &sign_in_id(1), &code, NOW).await.unwrap().unwrap();
    for which in EACH {
        assert_eq!(refused(&tables.store, &account.username, which, NOW).await, None);
        assert!(tables.by_name(&account.username, which).await["forget_at"].is_null(), "{which}");
    }
    let secret = Secret::Password { rehashed: None };
    prove(&tables.store, &account, secret, &sign_in_id(2), None).await.unwrap();
    prove(&tables.store, &account, Secret::PhoneCode(&code), &sign_in_id(1), Some(5000)).await.unwrap();
    for which in EACH {
        assert!(tables.by_name(&account.username, which).await["forget_at"].is_null(), "{which}");
    }
}

/// A method that is enrolled after others guessed at the name begins with nothing counted, and is kept.
#[tokio::test]
async fn what_was_guessed_before_there_was_anything_to_guess_is_nobodys() {
    let tables = Tables::new().await;
    let (account, session) = tables.registered(1).await;
    let username = &account.username;
    for which in EACH {
        for _ in 0..FREE_GUESSES {
            assert_eq!(refused(&tables.store, username, which, NOW).await, None);
        }
    }
    set_password(&tables.store, &account, &session, 1).await.unwrap();
    let account = tables.account(&account.id).await;
    assert!(add_phone(&tables.store, &account, &session, &phone(1)).await.unwrap());
    let account = tables.account(&account.id).await;
    assert!(add_authenticator(&tables.store, &account, &session, 1).await.unwrap());
    for which in EACH {
        let item = tables.by_name(username, which).await;
        assert_eq!((counts(&item), item.get("guessed_at")), ((0, 0), None), "{which}");
        assert!(item["forget_at"].is_null(), "{which}");
        assert_eq!(refused(&tables.store, username, which, NOW).await, None);
    }
    let registered = Account { forget_at: None, ..self::account(2) }.with_password(NOW);
    for _ in 0..FREE_GUESSES {
        guess_password(&tables.store, &registered.username, NOW).await;
    }
    let (session, event) = (self::session(2), event(2, What::AccountRegistered));
    let registration =
        postern_store::Registration { hash: Some(&hash(2)), ..registration(&registered, &session, &event) };
    tables.store.register(registration, NOW).await.unwrap();
    let item = tables.by_name(&registered.username, "PASSWORD").await;
    assert!(item["forget_at"].is_null());
    let guess = guess_password(&tables.store, &registered.username, NOW).await;
    assert_eq!((guess.guesses.streak, guess.guesses.failures), (1, 1));
    assert_eq!(guess.kept.unwrap().account, tables.account(&registered.id).await);
}

/// Neither the write nor what comes back is smaller where nobody has the name.
#[tokio::test]
async fn what_is_nobodys_weighs_as_much_as_what_is_somebodys() {
    let tables = Tables::new().await;
    let (account, session) = tables.with_phone(1).await;
    set_password(&tables.store, &account, &session, 1).await.unwrap();
    let account = tables.account(&account.id).await;
    let known = &account.username;
    let [nobody, other]: [Username; 2] = ["nobody", "nobody.else"].map(|name| name.parse().unwrap());
    assert!(guess_password(&tables.store, known, NOW).await.kept.is_some());
    assert!(guess_password(&tables.store, &nobody, NOW).await.kept.is_none());
    assert!(guess_code(&tables.store, &nobody, &sign_in_id(1), NOW).await.kept.is_none());
    let code = sent(1, &phone(1), NOW);
    send(&tables.store, None, &sending(&other, 1), &sign_in_id(1), &code, NOW).await.unwrap().unwrap();
    assert!(tables.store.phones_of(&other, NOW).await.unwrap().account.is_none());
    assert!(guess_code(&tables.store, &other, &sign_in_id(1), NOW).await.kept.is_none());

    let weight = async |username: &Username, which: &str| {
        let known = tables.by_name(username, which).await.remove("known");
        format!("{:?}", known.expect(which)).len()
    };
    for (username, which) in [(&nobody, "PASSWORD"), (&nobody, "PHONE"), (&other, "PHONE")] {
        let (ours, theirs) = (weight(known, which).await, weight(username, which).await);
        assert!(ours.abs_diff(theirs) * 5 < ours, "{which} of {username:?}: {theirs} instead of {ours}");
    }
}

/// The owner's activity and what a lock writes for nobody take one write each.
#[tokio::test]
async fn a_lock_of_nobodys_leaves_a_mark_that_goes_away() {
    let tables = Tables::new().await;
    let nobody: Username = "nobody".parse().unwrap();
    tables.store.note_nobody(&nobody, NOW).await.unwrap();
    let [mark] = &*tables.beginning("LOCKED#").await else { panic!("not one") };
    assert_eq!(number(mark, "delete_at"), NOW.as_second() + 3600);
}

/// The name is the same whichever way it was typed: there is one count.
#[tokio::test]
async fn another_spelling_counts_on() {
    let tables = Tables::new().await;
    let (account, session) = tables.registered(1).await;
    enrol(&tables.store, &account, &proven(&session, &passkey(1)), 1).await.unwrap().unwrap();
    let spellings = [account.username.as_str().to_owned(), account.username.as_str().to_uppercase()];
    for (streak, spelling) in (1..).zip(spellings.iter().cycle().take(4)) {
        let guess = guess_password(&tables.store, &spelling.parse().unwrap(), NOW).await;
        assert_eq!(guess.guesses.streak, streak);
    }
}
