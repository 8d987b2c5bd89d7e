//! Codes on their way to a phone: five guesses each, ten minutes, and used once.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use postern_domain::account::{Account, Channel, LineType, Phone};
use postern_domain::admission::{Factor, Proof};
use postern_domain::guess::FREE_GUESSES;
use postern_domain::name::Username;
use postern_domain::one_time_code::{GUESSES_PER_CODE, SENT_CODE_LIVES};
use postern_store::{Counted, NotNow, Proven, Secret, SentCode, Store, StoreError};

use crate::racing::{all_but_one, at_once, count};
use crate::tables::{
    ATTEMPTS, Item, NOW, Tables, add_phone, guess_code, number, passkey, phone, prove, prove_first,
    remove_phone, send, sending, sent, sign_in_by_passkey, sign_in_id,
};

const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// Sends code `code` for sign-in `sign_in`, to a number of its own.
async fn send_code(store: &Store, account: &Account, sign_in: u32, code: u32, now: Timestamp) -> SentCode {
    let of = sent(code, &phone(1), now);
    let sending = sending(&account.username, code);
    send(store, Some(account), &sending, &sign_in_id(sign_in), &of, now).await.unwrap().unwrap();
    of
}

/// The code that a guess for `sign_in` may look at, by its tag.
async fn looked_at(store: &Store, username: &Username, sign_in: u32, now: Timestamp) -> Option<[u8; 32]> {
    let kept = guess_code(store, username, &sign_in_id(sign_in), now).await.kept;
    kept.unwrap().code.map(|code| code.mac.tag)
}

fn codes(item: &Item) -> usize {
    item.keys().filter(|name| name.starts_with("code_")).count()
}

async fn prove_code(
    store: &Store,
    account: &Account,
    code: &SentCode,
    sign_in: u32,
    begins: Option<u32>,
) -> Result<Proven, StoreError> {
    prove(store, account, Secret::PhoneCode(code), &sign_in_id(sign_in), begins).await
}

#[tokio::test]
async fn a_code_comes_back_to_its_own_sign_in() {
    let tables = Tables::new().await;
    let (account, _) = tables.with_phone(1).await;
    let code = SentCode { channel: Channel::Call, ..sent(1, &phone(1), NOW) };
    let sending = sending(&account.username, 1);
    send(&tables.store, Some(&account), &sending, &sign_in_id(1), &code, NOW).await.unwrap().unwrap();
    let guess = guess_code(&tables.store, &account.username, &sign_in_id(1), NOW).await;
    let kept = guess.kept.unwrap();
    assert_eq!(kept.account, account);
    let read = kept.code.unwrap();
    assert_eq!((read.mac.version, read.mac.tag), (code.mac.version, code.mac.tag));
    assert_eq!((read.phone, read.channel), (code.phone, Channel::Call));
    assert_eq!(read.expires_at.as_millisecond(), code.expires_at.as_millisecond());
    assert_eq!(looked_at(&tables.store, &account.username, 2, NOW).await, None);
}

#[tokio::test]
async fn a_newer_code_ends_the_older_one_of_its_sign_in() {
    let tables = Tables::new().await;
    let (account, _) = tables.with_phone(1).await;
    let store = &tables.store;
    let older = send_code(store, &account, 1, 1, NOW).await;
    let of_another = send_code(store, &account, 2, 2, NOW).await;
    let newer = send_code(store, &account, 1, 3, NOW).await;
    assert_eq!(looked_at(store, &account.username, 1, NOW).await, Some(newer.mac.tag));
    assert_eq!(looked_at(store, &account.username, 2, NOW).await, Some(of_another.mac.tag));
    assert_eq!(prove_code(store, &account, &older, 1, Some(5000)).await.unwrap(), Proven::SecretSpent);
    assert_eq!(prove_code(store, &account, &of_another, 1, Some(5000)).await.unwrap(), Proven::SecretSpent);
    assert_eq!(prove_code(store, &account, &newer, 1, Some(5000)).await.unwrap(), Proven::Done);
}

#[tokio::test]
async fn a_code_ends_after_ten_minutes_to_the_millisecond() {
    let tables = Tables::new().await;
    let (account, _) = tables.with_phone(1).await;
    let code = send_code(&tables.store, &account, 1, 1, NOW).await;
    assert_eq!(code.expires_at, NOW + SENT_CODE_LIVES);
    let before = code.expires_at - MILLISECOND;
    assert_eq!(looked_at(&tables.store, &account.username, 1, before).await, Some(code.mac.tag));
    assert_eq!(looked_at(&tables.store, &account.username, 1, code.expires_at).await, None);
}

/// The locks are lifted before each guess, so that nothing but the code's own count is in the way.
#[tokio::test]
async fn a_code_takes_five_guesses_whatever_becomes_of_the_locks() {
    let tables = Tables::new().await;
    let (account, _) = tables.with_everything(1).await;
    let (store, username) = (&tables.store, &account.username);
    let mut lifted = 4000;
    let mut guess = async |sign_in: u32| {
        lifted += 1;
        assert!(sign_in_by_passkey(store, &account, 1, lifted).await.unwrap());
        looked_at(store, username, sign_in, NOW).await
    };
    // Three before it was sent are not its own.
    for _ in 0..3 {
        assert_eq!(guess(1).await, None);
    }
    let code = send_code(store, &account, 1, 1, NOW).await;
    for place in 0..GUESSES_PER_CODE {
        assert_eq!(guess(1).await, Some(code.mac.tag), "{place}");
    }
    assert_eq!(guess(1).await, None, "the sixth");
    assert_eq!(number(&tables.by_name(username, "PHONE").await, "failures"), 9, "and each counted");
    // A newer one takes five of its own, and those at another sign-in are among them.
    let newer = send_code(store, &account, 1, 2, NOW).await;
    for _ in 0..2 {
        assert_eq!(guess(7).await, None);
    }
    for _ in 2..GUESSES_PER_CODE {
        assert_eq!(guess(1).await, Some(newer.mac.tag));
    }
    assert_eq!(guess(1).await, None);
}

#[tokio::test]
async fn a_newer_code_does_not_reset_the_count() {
    let tables = Tables::new().await;
    let (account, _) = tables.with_phone(1).await;
    for guesses in 1..=FREE_GUESSES {
        let sign_in = u32::try_from(guesses).unwrap();
        send_code(&tables.store, &account, sign_in, sign_in, NOW).await;
        let guess = guess_code(&tables.store, &account.username, &sign_in_id(sign_in), NOW).await;
        assert_eq!((guess.guesses.streak, guess.guesses.failures), (guesses, guesses));
    }
    let locked = tables.store.guess_phone_code(&account.username, &sign_in_id(9), NOW).await.unwrap();
    assert!(matches!(locked, Counted::Refused(_)));
    let (sending, code) = (sending(&account.username, 9), sent(9, &phone(1), NOW));
    let refused = send(&tables.store, Some(&account), &sending, &sign_in_id(9), &code, NOW).await.unwrap();
    assert!(matches!(refused, Err(NotNow::Locked(_))), "nor does it go out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_code_that_many_guess_at_at_once_takes_five() {
    let tables = Tables::new().await;
    let (account, _) = tables.with_phone(1).await;
    send_code(&tables.store, &account, 1, 1, NOW).await;
    let outcomes = at_once(|_| {
        let (store, username) = (tables.store.clone(), account.username.clone());
        async move {
            match store.guess_phone_code(&username, &sign_in_id(1), NOW).await.unwrap() {
                Counted::Taken(guess) => guess.kept.unwrap().code.is_some(),
                Counted::Refused(_) | Counted::SignInOver => false,
            }
        }
    })
    .await;
    assert_eq!(count(&outcomes, |looked| *looked), 5);
}

#[tokio::test]
async fn what_is_over_is_cleared_away() {
    let tables = Tables::new().await;
    let (account, _) = tables.with_phone(1).await;
    let username = &account.username;
    // As many as go out, for more than a day; whoever guesses in between adds nothing.
    let (mut now, mut sends) = (NOW, 0);
    for sign_in in 0..180_u32 {
        let (code, sending) = (sent(sign_in, &phone(1), now), sending(username, sign_in));
        let outcome =
            send(&tables.store, Some(&account), &sending, &sign_in_id(sign_in), &code, now).await.unwrap();
        sends += usize::from(outcome.is_ok());
        let item = tables.by_name(username, "PHONE").await;
        assert!(codes(&item) <= 10 && item.len() <= 60, "{}: {}", codes(&item), item.len());
        now += SignedDuration::from_mins(11);
    }
    assert!(sends >= 30, "{sends}");
    // What is not over stands.
    now += SignedDuration::from_hours(25);
    let (first, second) = (send_code(&tables.store, &account, 500, 500, now).await, now + MINUTE);
    send_code(&tables.store, &account, 501, 501, second).await;
    assert_eq!(codes(&tables.by_name(username, "PHONE").await), 2);
    assert_eq!(looked_at(&tables.store, username, 500, second).await, Some(first.mac.tag));
    send_code(&tables.store, &account, 502, 502, first.expires_at - MILLISECOND).await;
    assert_eq!(codes(&tables.by_name(username, "PHONE").await), 3);
    send_code(&tables.store, &account, 503, 503, first.expires_at).await;
    let item = tables.by_name(username, "PHONE").await;
    assert_eq!(codes(&item), 3);
    assert_eq!(item.keys().filter(|name| name.starts_with("before_")).count(), 3, "each with its own");
}

/// The most that one write may have to clear away: the expression stays within the service's 4 KB.
#[tokio::test]
async fn ten_at_once_are_cleared_away_at_once() {
    let tables = Tables::new().await;
    let (account, _) = tables.with_phone(1).await;
    for sign_in in 0..10 {
        send_code(&tables.store, &account, sign_in, sign_in, NOW).await;
    }
    let hour_later = NOW + SignedDuration::from_hours(1);
    assert_eq!(tables.store.phones_of(&account.username, hour_later).await.unwrap().over.len(), 20);
    send_code(&tables.store, &account, 20, 20, hour_later).await;
    assert_eq!(codes(&tables.by_name(&account.username, "PHONE").await), 1);
}

mod using {
    use super::*;

    #[tokio::test]
    async fn a_sign_in_that_began_a_session_is_over_and_takes_no_guess() {
        let tables = Tables::new().await;
        let (account, _) = tables.with_everything(1).await;
        let (store, username) = (&tables.store, &account.username);
        let code = send_code(store, &account, 1, 1, NOW).await;
        assert_eq!(looked_at(store, username, 1, NOW).await, Some(code.mac.tag));
        assert_eq!(prove_code(store, &account, &code, 1, Some(5000)).await.unwrap(), Proven::Done);

        let before = tables.contents().await;
        for now in [NOW, code.expires_at - MILLISECOND, code.expires_at + MINUTE] {
            let again = store.guess_phone_code(username, &sign_in_id(1), now).await.unwrap();
            assert!(matches!(again, Counted::SignInOver));
        }
        assert_eq!(prove_code(store, &account, &code, 1, Some(5001)).await.unwrap(), Proven::SignInOver);
        assert_eq!(prove_code(store, &account, &code, 1, None).await.unwrap(), Proven::SignInOver);
        let password = Secret::Password { rehashed: None };
        let by_password = prove(store, &account, password, &sign_in_id(1), Some(5001)).await.unwrap();
        assert_eq!(by_password, Proven::SignInOver);
        assert_eq!(tables.contents().await, before, "nothing is counted, and nothing begins");

        // The code itself is spent, too, whatever becomes of the sign-in's mark.
        let mark = AttributeValue::S(format!("SPENT#{}", sign_in_id(1)));
        tables.client.delete_item().table_name(ATTEMPTS).key("pk", mark).send().await.unwrap();
        for begins in [None, Some(5001)] {
            assert_eq!(prove_code(store, &account, &code, 1, begins).await.unwrap(), Proven::SecretSpent);
        }

        // Also where a guess at another sign-in would be refused.
        for _ in 0..FREE_GUESSES {
            guess_code(store, username, &sign_in_id(2), NOW).await;
        }
        let again = store.guess_phone_code(username, &sign_in_id(1), NOW).await.unwrap();
        assert!(matches!(again, Counted::SignInOver));
        // The mark goes away with the codes that are over.
        let later = code.expires_at + MINUTE;
        send_code(store, &account, 3, 3, later).await;
        assert_eq!(codes(&tables.by_name(username, "PHONE").await), 1);
    }

    #[tokio::test]
    async fn a_first_proof_spends_the_code_and_not_the_sign_in() {
        let tables = Tables::new().await;
        let (account, _) = tables.with_everything(1).await;
        let (store, username) = (&tables.store, &account.username);
        let code = send_code(store, &account, 1, 1, NOW).await;
        assert_eq!(prove_code(store, &account, &code, 1, None).await.unwrap(), Proven::Done);
        assert_eq!(codes(&tables.by_name(username, "PHONE").await), 0);
        assert_eq!(prove_code(store, &account, &code, 1, None).await.unwrap(), Proven::SecretSpent);
        assert_eq!(prove_code(store, &account, &code, 1, Some(5000)).await.unwrap(), Proven::SecretSpent);
        assert_eq!(looked_at(store, username, 1, NOW).await, None);
        assert!(tables.beginning("SPENT#si_").await.is_empty());
        let password = Secret::Password { rehashed: None };
        assert_eq!(prove(store, &account, password, &sign_in_id(1), Some(5000)).await.unwrap(), Proven::Done);
    }

    /// A landline answers calls alone: for texts, the last phone that takes them is remembered beside it.
    #[tokio::test]
    async fn the_phone_that_answered_is_the_next_to_be_asked() {
        let tables = Tables::new().await;
        let (account, session) = tables.with_phone(1).await;
        let (store, username) = (&tables.store, &account.username);
        let last = async || store.phones_of(username, NOW).await.unwrap().last;
        let [mobile, landline] = [phone(1), Phone { line_type: LineType::Landline, ..phone(2) }];
        assert_eq!(last().await, [mobile.id.clone(), mobile.id.clone()]);
        assert!(add_phone(store, &account, &session, &landline).await.unwrap());
        assert_eq!(last().await, [landline.id.clone(), mobile.id.clone()]);
        let account = tables.account(&account.id).await;
        assert!(add_phone(store, &account, &session, &phone(3)).await.unwrap());
        assert_eq!(last().await, [phone(3).id, phone(3).id]);
        let account = tables.account(&account.id).await;
        let mut for_texts = phone(3).id;
        for (sign_in, answering, begins) in
            [(1, &mobile, None), (2, &landline, Some(5000)), (3, &landline, None)]
        {
            let (code, to) = (sent(sign_in, answering, NOW), sending(username, sign_in));
            send(store, Some(&account), &to, &sign_in_id(sign_in), &code, NOW).await.unwrap().unwrap();
            assert_eq!(prove_code(store, &account, &code, sign_in, begins).await.unwrap(), Proven::Done);
            if answering.line_type != LineType::Landline {
                for_texts = answering.id.clone();
            }
            assert_eq!(last().await, [answering.id.clone(), for_texts.clone()]);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn many_at_once_begin_one_session() {
        let tables = Tables::new().await;
        let (account, _) = tables.with_everything(1).await;
        let code = send_code(&tables.store, &account, 1, 1, NOW).await;
        let sessions = tables.beginning("SESSION#").await.len();
        let outcomes = at_once(|racer| {
            let (store, account, code) = (tables.store.clone(), account.clone(), code.clone());
            async move { prove_code(&store, &account, &code, 1, Some(5000 + racer)).await.unwrap() }
        })
        .await;
        assert!(all_but_one(&outcomes, |outcome| *outcome == Proven::SignInOver));
        assert_eq!(count(&outcomes, |outcome| *outcome == Proven::Done), 1);
        assert_eq!(tables.beginning("SESSION#").await.len(), sessions + 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn many_at_once_prove_a_first_time_once() {
        let tables = Tables::new().await;
        let (account, _) = tables.with_everything(1).await;
        let code = send_code(&tables.store, &account, 1, 1, NOW).await;
        let outcomes = at_once(|_| {
            let (store, account, code) = (tables.store.clone(), account.clone(), code.clone());
            async move { prove_code(&store, &account, &code, 1, None).await.unwrap() }
        })
        .await;
        assert!(all_but_one(&outcomes, |outcome| *outcome == Proven::SecretSpent));
        assert_eq!(count(&outcomes, |outcome| *outcome == Proven::Done), 1);
    }

    /// Each name of a sign-in is the same one: a first proof is kept, and the next one meets it.
    #[tokio::test]
    async fn a_first_proof_is_met_by_the_next_one() {
        let tables = Tables::new().await;
        let (account, _) = tables.with_everything(1).await;
        let (store, password) = (&tables.store, Secret::Password { rehashed: None });
        let code = send_code(store, &account, 1, 1, NOW).await;
        let by_phone = Factor::Phone { id: code.phone.clone(), channel: code.channel };
        let proof = Proof::of(&account, by_phone.clone(), NOW).unwrap();
        let first = prove_first(store, &account, Secret::PhoneCode(&code), &sign_in_id(1), by_phone).await;
        assert_eq!(first.unwrap(), Proven::Done);

        let before = tables.contents().await;
        let next = prove_first(store, &account, password, &sign_in_id(1), Factor::Password).await;
        assert_eq!(next.unwrap(), Proven::Before(proof));
        assert_eq!(tables.contents().await, before, "nothing counts until it is decided with both");
        assert_eq!(prove(store, &account, password, &sign_in_id(1), Some(5000)).await.unwrap(), Proven::Done);
        let again = prove_first(store, &account, password, &sign_in_id(1), Factor::Password).await;
        assert_eq!(again.unwrap(), Proven::SignInOver);

        // Another sign-in has proven nothing; nor has this one, of another account that takes the name after it.
        let other = prove_first(store, &account, password, &sign_in_id(2), Factor::Password).await;
        assert_eq!(other.unwrap(), Proven::Done);
        let key = AttributeValue::S(format!("PROVEN#{}", sign_in_id(2)));
        let theirs = AttributeValue::S("acc_of_another".to_owned());
        let update = tables.client.update_item().table_name(ATTEMPTS).key("pk", key);
        let update =
            update.update_expression("SET account = :theirs").expression_attribute_values(":theirs", theirs);
        update.send().await.unwrap();
        let other = prove_first(store, &account, password, &sign_in_id(2), Factor::Password).await;
        assert_eq!(other.unwrap(), Proven::Done);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_many_first_proofs_at_once_one_is_first() {
        let tables = Tables::new().await;
        let (account, _) = tables.with_everything(1).await;
        let outcomes = at_once(|_| {
            let (store, account) = (tables.store.clone(), account.clone());
            let password = Secret::Password { rehashed: None };
            async move {
                let (sign_in, factor) = (sign_in_id(1), Factor::Password);
                prove_first(&store, &account, password, &sign_in, factor).await.unwrap()
            }
        })
        .await;
        assert_eq!(count(&outcomes, |outcome| *outcome == Proven::Done), 1);
        assert!(all_but_one(&outcomes, |outcome| matches!(outcome, Proven::Before(_))));
        assert_eq!(tables.beginning("PROVEN#").await.len(), 1);
    }

    /// Both proofs at once, many times over: one session.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_sign_in_by_two_proofs_is_used_once() {
        let tables = Tables::new().await;
        let (account, _) = tables.with_everything(1).await;
        let code = send_code(&tables.store, &account, 1, 1, NOW).await;
        let outcomes = at_once(|racer| {
            let (store, account, code) = (tables.store.clone(), account.clone(), code.clone());
            async move {
                let password = Secret::Password { rehashed: None };
                let secret = if racer % 2 == 0 { password } else { Secret::PhoneCode(&code) };
                prove(&store, &account, secret, &sign_in_id(1), Some(5000 + racer)).await.unwrap()
            }
        })
        .await;
        assert!(all_but_one(&outcomes, |outcome| *outcome == Proven::SignInOver));
    }

    /// A newer code against the older one's answer: never both.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn an_answer_against_newer_codes() {
        let tables = Tables::new().await;
        let (account, _) = tables.with_phone(1).await;
        let code = send_code(&tables.store, &account, 1, 1, NOW).await;
        let outcomes = at_once(|racer| {
            let (store, account, code) = (tables.store.clone(), account.clone(), code.clone());
            async move {
                if racer % 2 == 0 {
                    prove_code(&store, &account, &code, 1, Some(5000 + racer)).await.unwrap() == Proven::Done
                } else {
                    let (code, to) =
                        (sent(racer + 10, &phone(1), NOW), sending(&account.username, racer + 10));
                    let _ = send(&store, Some(&account), &to, &sign_in_id(1), &code, NOW).await.unwrap();
                    false
                }
            }
        })
        .await;
        let done = count(&outcomes, |done| *done);
        assert!(done <= 1);
        let item = tables.by_name(&account.username, "PHONE").await;
        let (_, of) = item.iter().find(|(name, _)| name.starts_with("code_")).unwrap();
        assert_eq!(of.as_m().unwrap().contains_key("used"), done == 1, "the one that was used stands");
    }
}

/// What an answer rests on: each condition, alone, and nothing is written.
#[tokio::test]
async fn each_condition_of_an_answer_says_why() {
    let tables = Tables::new().await;
    let (account, session) = tables.with_everything(1).await;
    let store = &tables.store;
    let code = send_code(store, &account, 1, 1, NOW).await;
    let before = tables.contents().await;
    for begins in [None, Some(5000)] {
        let stale = account.with_passkey(passkey(7));
        let outcome = prove_code(store, &stale, &code, 1, begins).await;
        assert!(matches!(outcome, Err(StoreError::Conflict)), "{outcome:?}");
        let unknown = sent(9, &phone(1), NOW);
        assert_eq!(prove_code(store, &account, &unknown, 1, begins).await.unwrap(), Proven::SecretSpent);
        assert_eq!(prove_code(store, &account, &code, 2, begins).await.unwrap(), Proven::SecretSpent);
        let password = Secret::Password { rehashed: None };
        let outcome = prove(store, &stale, password, &sign_in_id(1), begins).await;
        assert!(matches!(outcome, Err(StoreError::Conflict)), "{outcome:?}");
        // A password that is not there: the account is not as it was read.
        let elsewhere = Account { username: "some.other".parse().unwrap(), ..account.clone() };
        let outcome = prove(store, &elsewhere, password, &sign_in_id(1), begins).await;
        assert!(matches!(outcome, Err(StoreError::Conflict)), "{outcome:?}");
    }
    assert_eq!(tables.contents().await, before);

    // The phone went away while its code was on its way.
    remove_phone(store, &account, &session, &phone(1)).await.unwrap();
    let outcome = prove_code(store, &account, &code, 1, Some(5000)).await;
    assert!(matches!(outcome, Err(StoreError::Conflict)), "{outcome:?}");
    let guess = guess_code(store, &account.username, &sign_in_id(1), NOW).await;
    assert!(guess.kept.is_none());
}
