//! Sends: counted before anything goes out, in windows that slide, and given back where nothing went.

use std::sync::atomic::{AtomicU32, Ordering};

use jiff::{SignedDuration, Timestamp};
use postern_domain::guess::{FIRST_LOCK, FREE_GUESSES, Standing};
use postern_domain::name::Username;
use postern_domain::send_limit::{
    LOOKUPS, Limit, PER_ACCOUNT, PER_ADDRESS, PER_NUMBER, RESEND_AFTER, free_at,
};
use postern_store::{DeploymentLimits, NotNow, Sending, Store, StoreError, resend_at};
use proptest::prelude::*;

use crate::racing::{at_once, count, for_any};
use crate::tables::{
    ATTEMPTS, Item, NOW, Tables, account, guess_code, number, passkey, phone, prove, send, sending, sent,
    sign_in_id,
};

const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

type Sent = Result<(), NotNow>;

fn username(number: u32) -> Username {
    account(number).username
}

/// Sends for a sign-in of its own by a name that nobody has.
async fn send_by(store: &Store, sending: &Sending, sign_in: u32, now: Timestamp) -> Sent {
    let code = sent(sign_in, &phone(1), now);
    send(store, None, sending, &sign_in_id(sign_in), &code, now).await.unwrap()
}

fn until(duration: SignedDuration) -> Sent {
    Err(NotNow::Limited(NOW + duration))
}

/// The sends that stand in a window, the newest first.
fn window(item: &Item) -> Vec<i64> {
    let sent = (0..)
        .map_while(|place| item.get(&format!("sent{place}")))
        .map(|at| at.as_n().unwrap().parse().unwrap());
    sent.filter(|at| *at != 0).collect()
}

async fn windows(tables: &Tables, sending: &Sending) -> [Vec<i64>; 2] {
    let number = format!("LIMIT#NUMBER#{}", sending.number.map(|byte| format!("{byte:02x}")).concat());
    let of_number = tables.beginning(&number).await;
    let of_account = tables.by_name(&sending.username, "PHONE").await;
    [of_number.first().map(window).unwrap_or_default(), window(&of_account)]
}

mod racing {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn to_one_number() {
        let tables = Tables::new().await;
        let outcomes = at_once(|racer| {
            let (store, sending) = (tables.store.clone(), sending(&username(1), 1));
            async move { send_by(&store, &sending, racer, NOW).await }
        })
        .await;
        assert_eq!(count(&outcomes, Result::is_ok), 1);
        assert_eq!(count(&outcomes, |sent| *sent == until(RESEND_AFTER)), outcomes.len() - 1);
        assert_eq!(
            tables
                .by_name(&username(1), "PHONE")
                .await
                .keys()
                .filter(|name| name.starts_with("code_"))
                .count(),
            1
        );
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn to_one_number_by_many_accounts() {
        let tables = Tables::new().await;
        let outcomes = at_once(|racer| {
            let (store, sending) = (tables.store.clone(), sending(&username(racer), 1));
            async move { send_by(&store, &sending, racer, NOW).await }
        })
        .await;
        assert_eq!(count(&outcomes, Result::is_ok), 1);
        assert_eq!(tables.beginning("NAME#").await.len(), 1, "a send that was not made is counted nowhere");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn by_one_account_to_many_numbers() {
        let tables = Tables::new().await;
        let outcomes = at_once(|racer| {
            let (store, sending) = (tables.store.clone(), sending(&username(1), racer));
            async move { send_by(&store, &sending, racer, NOW).await }
        })
        .await;
        assert_eq!(count(&outcomes, Result::is_ok), 10);
        assert_eq!(count(&outcomes, |sent| *sent == until(HOUR)), outcomes.len() - 10);
        assert_eq!(tables.beginning("LIMIT#NUMBER#").await.len(), 10);
    }

    /// Enrolments and sign-ins of an account share its limit.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn enrolments_and_sign_ins() {
        let tables = Tables::new().await;
        let outcomes = at_once(|racer| {
            let (store, sending) = (tables.store.clone(), sending(&username(1), racer));
            async move {
                if racer % 2 == 0 {
                    send_by(&store, &sending, racer, NOW).await
                } else {
                    store.count_enrolment(&account(1).id, &sending, NOW).await.unwrap()
                }
            }
        })
        .await;
        assert_eq!(count(&outcomes, Result::is_ok), 10);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn from_one_address() {
        let tables = Tables::new().await;
        let limits = Some(DeploymentLimits { sends: 10_000, sends_per_country: 10_000 });
        let outcomes = at_once(|racer| {
            let store = tables.store.clone();
            let sending = Sending { limits, address: [9; 32], ..sending(&username(racer), racer) };
            async move { send_by(&store, &sending, racer, NOW).await }
        })
        .await;
        assert_eq!(count(&outcomes, Result::is_ok), 20);
        assert_eq!(count(&outcomes, |sent| *sent == until(HOUR)), outcomes.len() - 20);
    }

    /// One try is uncounted, another counted, all the while: what stands in the end is what was not given back.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn uncounting_against_sending() {
        let tables = Tables::new().await;
        let outcomes = at_once(|racer| {
            let (store, now) = (tables.store.clone(), NOW + MILLISECOND * i32::try_from(racer).unwrap());
            let sending = sending(&username(1), racer);
            async move {
                let sent = send_by(&store, &sending, racer, now).await;
                if sent.is_ok() && racer % 2 == 0 {
                    store.uncount_send(&sending, now).await.unwrap();
                }
                (sent, now, sending)
            }
        })
        .await;
        let of_account = window(&tables.by_name(&username(1), "PHONE").await);
        let of_numbers: usize =
            tables.beginning("LIMIT#NUMBER#").await.iter().map(|item| window(item).len()).sum();
        assert_eq!(of_account.len(), of_numbers, "both or neither");
        assert!(of_account.len() <= 10 && count(&outcomes, |(sent, ..)| sent.is_ok()) >= 10);
        for (_, now, _) in
            outcomes.iter().filter(|(sent, _, sending)| sent.is_ok() && sending.number[31] % 2 == 1)
        {
            assert!(of_account.contains(&now.as_millisecond()), "never given back");
        }
    }
}

/// As many as the limit says, and no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_deployment_and_a_country_never_send_more_than_they_may() {
    for (sends, sends_per_country) in [(0, 5), (5, 0), (7, 3), (40, 17)] {
        let tables = Tables::new().await;
        let limits = Some(DeploymentLimits { sends, sends_per_country });
        let send_all = async |at: u32, now: Timestamp| {
            at_once(|racer| {
                let store = tables.store.clone();
                let country = if racer % 2 == 0 { "US" } else { "PR" };
                let sending = sending(&username(racer + at), racer);
                // Numbers whose MACs begin differently, as all do.
                let number = sending.number.map(|byte| byte.wrapping_add(u8::try_from(racer).unwrap()));
                let sending = Sending { limits, number, country: country.to_owned(), ..sending };
                async move { (country, send_by(&store, &sending, racer + at, now).await) }
            })
            .await
        };
        let outcomes = send_all(0, NOW).await;
        let sent = count(&outcomes, |(_, sent)| sent.is_ok());
        let sent_to = |country| count(&outcomes, |(to, sent)| *to == country && sent.is_ok());
        let (most, most_per_country) =
            (usize::try_from(sends).unwrap(), usize::try_from(sends_per_country).unwrap());
        assert!(sent <= most, "{sent} of {most}");
        for country in ["US", "PR"] {
            assert!(
                sent_to(country) <= most_per_country,
                "{} of {most_per_country} to {country}",
                sent_to(country)
            );
        }
        // So few are not spread: none is lost.
        assert_eq!(sent, most.min(2 * most_per_country.min(32)));
        let next_hour = Timestamp::from_second((NOW.as_second() / 3600 + 1) * 3600).unwrap();
        let refused = |(_, sent): &(_, Sent)| *sent == Err(NotNow::Limited(next_hour));
        assert_eq!(count(&outcomes, refused), outcomes.len() - sent);
        // Exactly then they begin anew; the numbers' own limits have passed.
        let before = send_all(100, next_hour - MILLISECOND).await;
        assert_eq!(count(&before, |(_, sent)| sent.is_ok()), 0);
        let after = send_all(200, next_hour).await;
        assert_eq!(count(&after, |(_, sent)| sent.is_ok()), sent);
    }
}

/// Where there are many, they are spread, and yet never more in all.
#[tokio::test]
async fn what_is_spread_stays_within_the_limit() {
    let tables = Tables::new().await;
    let limits = Some(DeploymentLimits { sends: 203, sends_per_country: 10_000 });
    let mut sent = 0;
    for sender in 0..300_u32 {
        let mut number = [0; 32];
        number[0] = u8::try_from(sender * 37 % 256).unwrap();
        number[1..5].copy_from_slice(&sender.to_be_bytes());
        let sending = Sending { limits, number, ..sending(&username(sender), sender) };
        sent += usize::from(send_by(&tables.store, &sending, sender, NOW).await.is_ok());
    }
    assert_eq!(sent, 203);
    let counted: i64 = tables.beginning("LIMIT#ALL#").await.iter().map(|item| number(item, "sends")).sum();
    assert_eq!(counted, 203);
    assert!(tables.beginning("LIMIT#ALL#").await.len() > 1);
}

#[tokio::test]
async fn the_limits_of_a_deployment_are_lifted_where_there_are_none() {
    let tables = Tables::new().await;
    for sender in 0..25 {
        let sending = Sending { address: [9; 32], ..sending(&username(sender), sender) };
        assert_eq!(send_by(&tables.store, &sending, sender, NOW).await, Ok(()));
    }
    assert_eq!(tables.beginning("LIMIT#").await.len(), 25);
}

#[tokio::test]
async fn another_code_goes_after_half_a_minute_to_the_millisecond() {
    let tables = Tables::new().await;
    let (first, second) = (sending(&username(1), 1), sending(&username(2), 1));
    assert_eq!(send_by(&tables.store, &first, 1, NOW).await, Ok(()));
    assert_eq!(resend_at(NOW), NOW + RESEND_AFTER);
    let early = resend_at(NOW) - MILLISECOND;
    for (sending, now) in [(&first, NOW), (&second, NOW), (&first, early), (&second, early)] {
        assert_eq!(send_by(&tables.store, sending, 2, now).await, until(RESEND_AFTER));
    }
    assert_eq!(send_by(&tables.store, &second, 2, resend_at(NOW)).await, Ok(()));
}

/// How long one waits before the next try.
#[derive(Debug, Clone, Copy)]
enum Wait {
    For(i64),
    /// Until the limit lets go, and so many milliseconds more.
    Until(i64),
}

fn waits() -> impl Strategy<Value = Vec<Wait>> {
    let wait = prop_oneof![
        2 => (-2_i64..=2).prop_map(Wait::Until),
        2 => (0_i64..90_000).prop_map(Wait::For),
        1 => (0_i64..4_000_000).prop_map(Wait::For),
        1 => Just(Wait::For(0)),
    ];
    proptest::collection::vec(wait, 1..40)
}

static FRESH: AtomicU32 = AtomicU32::new(10_000);

fn fresh() -> u32 {
    FRESH.fetch_add(1, Ordering::Relaxed)
}

/// The condition of the write and the domain's reckoning say the same of any history.
async fn agrees(limits: &[Limit], waits: Vec<Wait>, send: impl AsyncFn(Timestamp) -> Sent) {
    let (mut now, mut history) = (NOW, Vec::<Timestamp>::new());
    for wait in waits {
        let free = free_at(limits, &history);
        now = match wait {
            Wait::For(millis) => now + SignedDuration::from_millis(millis),
            Wait::Until(more) => free.map_or(now, |free| now.max(free + SignedDuration::from_millis(more))),
        };
        if let Some(free) = free.filter(|free| now < *free) {
            assert_eq!(send(now).await, Err(NotNow::Limited(free)), "{history:?} at {now}");
        } else {
            assert_eq!(send(now).await, Ok(()), "{history:?} at {now}");
            history.insert(0, now);
        }
    }
}

#[test]
fn a_number_is_free_when_the_domain_says_so() {
    for_any(24, &waits(), async |tables, waits| {
        let number = fresh();
        // Each by another account, so that the number alone counts.
        agrees(PER_NUMBER, waits, async |now| {
            let sender = fresh();
            send_by(&tables.store, &sending(&username(sender), number), sender, now).await
        })
        .await;
    });
}

#[test]
fn an_account_is_free_when_the_domain_says_so() {
    for_any(24, &waits(), async |tables, waits| {
        let sender = fresh();
        agrees(PER_ACCOUNT, waits, async |now| {
            let number = fresh();
            send_by(&tables.store, &sending(&username(sender), number), number, now).await
        })
        .await;
    });
}

#[test]
fn an_address_is_free_when_the_domain_says_so() {
    let limits = Some(DeploymentLimits { sends: 1_000_000, sends_per_country: 1_000_000 });
    for_any(16, &waits(), async |tables, waits| {
        let mut address = [0; 32];
        address[..4].copy_from_slice(&fresh().to_be_bytes());
        agrees(PER_ADDRESS, waits, async |now| {
            let sender = fresh();
            let sending = Sending { limits, address, ..sending(&username(sender), sender) };
            send_by(&tables.store, &sending, sender, now).await
        })
        .await;
    });
}

/// The hardest history: each as early as it can be.
#[tokio::test]
async fn ten_in_an_hour_and_twenty_in_a_day_whichever_number_they_go_to() {
    let tables = Tables::new().await;
    let soonest = [Wait::Until(0); 21];
    let early = [Wait::Until(-1); 2];
    let waits = soonest.iter().flat_map(|wait| early.iter().chain([wait])).copied().collect();
    agrees(PER_ACCOUNT, waits, async |now| {
        let number = fresh();
        send_by(&tables.store, &sending(&username(1), number), number, now).await
    })
    .await;
}

#[tokio::test]
async fn lookups_are_counted_whatever_comes_of_them() {
    let tables = Tables::new().await;
    let by = account(1);
    let count = async |number: u32, now: Timestamp| {
        let sending = sending(&by.username, number);
        let counted = tables.store.count_enrolment(&by.id, &sending, now).await.unwrap();
        if counted.is_ok() {
            tables.store.uncount_send(&sending, now).await.unwrap();
        }
        counted
    };
    for number in 0..40 {
        assert_eq!(count(number, NOW).await, Ok(()), "{number}");
    }
    assert_eq!(LOOKUPS, [Limit { times: 40, within: HOUR }]);
    for now in [NOW, NOW + HOUR - MILLISECOND] {
        assert_eq!(count(41, now).await, until(HOUR));
    }
    // Another account has its own.
    let other = tables.store.count_enrolment(&account(2).id, &sending(&username(2), 41), NOW).await.unwrap();
    assert_eq!(other, Ok(()));
    assert_eq!(count(42, NOW + HOUR).await, Ok(()));
}

mod uncounting {
    use super::*;

    #[tokio::test]
    async fn gives_back_the_newest_alone() {
        let tables = Tables::new().await;
        let sending = sending(&username(1), 1);
        let mut before = windows(&tables, &sending).await;
        // On and on, beyond where the oldest fall out.
        let mut now = NOW;
        for sign_in in 0..30_u32 {
            now += SignedDuration::from_hours(3);
            send_by(&tables.store, &sending, sign_in, now).await.unwrap();
            tables.store.uncount_send(&sending, now).await.unwrap();
            let after = windows(&tables, &sending).await;
            // One that fell out was over.
            let day_ago = (now - SignedDuration::from_hours(24)).as_millisecond();
            let living = |windows: [Vec<i64>; 2]| {
                windows.map(|sent| sent.into_iter().filter(|at| *at > day_ago).collect::<Vec<_>>())
            };
            assert_eq!(living(after), living(before));
            send_by(&tables.store, &sending, sign_in, now).await.expect("nothing to wait for");
            before = windows(&tables, &sending).await;
            assert_eq!(before.each_ref().map(|sent| sent[0]), [now.as_millisecond(); 2]);
        }
    }

    #[tokio::test]
    async fn twice_gives_back_once() {
        let tables = Tables::new().await;
        let sending = sending(&username(1), 1);
        let later = resend_at(NOW);
        send_by(&tables.store, &sending, 1, NOW).await.unwrap();
        send_by(&tables.store, &sending, 2, later).await.unwrap();
        for _ in 0..2 {
            tables.store.uncount_send(&sending, later).await.unwrap();
            assert_eq!(windows(&tables, &sending).await, [[NOW.as_millisecond()]; 2]);
        }
    }

    #[tokio::test]
    async fn nothing_once_another_came_between() {
        let tables = Tables::new().await;
        let first = sending(&username(1), 1);
        let to_another = sending(&username(1), 2);
        let by_another = sending(&username(2), 1);
        send_by(&tables.store, &first, 1, NOW).await.unwrap();
        send_by(&tables.store, &to_another, 2, NOW + MILLISECOND).await.unwrap();
        let before = tables.contents().await;
        tables.store.uncount_send(&first, NOW).await.unwrap();
        assert_eq!(tables.contents().await, before);
        tables.store.uncount_send(&to_another, NOW + MILLISECOND).await.unwrap();
        tables.store.uncount_send(&first, NOW).await.unwrap();
        assert_eq!(windows(&tables, &first).await, [const { Vec::<i64>::new() }; 2]);

        send_by(&tables.store, &first, 3, NOW).await.unwrap();
        send_by(&tables.store, &by_another, 4, resend_at(NOW)).await.unwrap();
        let before = tables.contents().await;
        tables.store.uncount_send(&first, NOW).await.unwrap();
        // And of one that was never counted.
        tables.store.uncount_send(&sending(&username(3), 3), NOW).await.unwrap();
        assert_eq!(tables.contents().await, before);
    }
}

/// What a send rests on: each condition, alone.
mod holding {
    use super::*;

    #[tokio::test]
    async fn each_condition_says_why() {
        let tables = Tables::new().await;
        let (account, session) = tables.with_phone(1).await;
        let (store, username) = (&tables.store, &account.username);
        let code = sent(1, &phone(1), NOW);
        let limits = Some(DeploymentLimits { sends: 100, sends_per_country: 100 });
        let send_to = async |number: u32, sign_in: u32| {
            let sending = Sending { limits, ..sending(username, number) };
            let before = tables.contents().await;
            let outcome = send(store, Some(&account), &sending, &sign_in_id(sign_in), &code, NOW).await;
            if !matches!(outcome, Ok(Ok(()))) {
                assert_eq!(tables.contents().await, before);
            }
            outcome
        };
        assert_eq!(send_to(1, 1).await.unwrap(), Ok(()));
        assert_eq!(send_to(1, 1).await.unwrap(), until(RESEND_AFTER), "the number");

        let secret = postern_store::Secret::PhoneCode(&code);
        prove(store, &account, secret, &sign_in_id(1), Some(5000)).await.unwrap();
        assert_eq!(send_to(2, 1).await.unwrap(), Err(NotNow::SignInOver));
        assert_eq!(send_to(1, 1).await.unwrap(), Err(NotNow::SignInOver), "which says more than a limit");

        let stale = account.with_passkey(passkey(7));
        let before = tables.contents().await;
        let sending_2 = Sending { limits, ..sending(username, 2) };
        let outcome = send(store, Some(&stale), &sending_2, &sign_in_id(2), &code, NOW).await;
        assert!(matches!(outcome, Err(StoreError::Conflict)), "{outcome:?}");
        assert_eq!(tables.contents().await, before);

        for _ in 0..FREE_GUESSES {
            guess_code(store, username, &sign_in_id(2), NOW).await;
        }
        assert_eq!(
            send_to(2, 2).await.unwrap(),
            Err(NotNow::Locked(Standing::LockedUntil(NOW + FIRST_LOCK))),
            "none would be looked at"
        );
        // A phone is enrolled all the same.
        let counted = store.count_enrolment(&account.id, &sending_2, NOW).await.unwrap();
        assert_eq!(counted, Ok(()));
        assert!(tables.store.caller(Some(session.id), NOW).await.is_ok());
    }

    /// An enrolment waits for no lock, also where it waits for a limit.
    #[tokio::test]
    async fn an_enrolment_is_told_of_limits_alone() {
        let tables = Tables::new().await;
        let by = account(1);
        for number in 0..10 {
            let sending = sending(&by.username, number);
            assert_eq!(tables.store.count_enrolment(&by.id, &sending, NOW).await.unwrap(), Ok(()));
        }
        for _ in 0..FREE_GUESSES {
            guess_code(&tables.store, &by.username, &sign_in_id(1), NOW).await;
        }
        let counted = tables.store.count_enrolment(&by.id, &sending(&by.username, 11), NOW).await.unwrap();
        assert_eq!(counted, until(HOUR));
    }

    /// Of several limits, the one that lasts longest.
    #[tokio::test]
    async fn the_longest_wait_is_told() {
        let tables = Tables::new().await;
        for number in 0..10 {
            assert_eq!(send_by(&tables.store, &sending(&username(1), number), number, NOW).await, Ok(()));
        }
        assert_eq!(send_by(&tables.store, &sending(&username(1), 9), 11, NOW).await, until(HOUR));
        assert_eq!(send_by(&tables.store, &sending(&username(2), 9), 11, NOW).await, until(RESEND_AFTER));
    }

    /// Before a proof a name is as one number, whichever phones it has.
    #[tokio::test]
    async fn a_name_is_as_one_number() {
        let tables = Tables::new().await;
        let named = |number| Sending { name: Some([5; 32]), ..sending(&username(1), number) };
        assert_eq!(send_by(&tables.store, &named(1), 1, NOW).await, Ok(()));
        let early = resend_at(NOW) - MILLISECOND;
        assert_eq!(send_by(&tables.store, &named(2), 2, early).await, until(RESEND_AFTER));
        assert_eq!(send_by(&tables.store, &named(2), 2, resend_at(NOW)).await, Ok(()));
        assert_eq!(
            send_by(&tables.store, &named(3), 3, resend_at(NOW)).await,
            Err(NotNow::Limited(resend_at(resend_at(NOW))))
        );
        // And given back with the others.
        tables.store.uncount_send(&named(2), resend_at(NOW)).await.unwrap();
        assert_eq!(send_by(&tables.store, &named(3), 3, resend_at(NOW)).await, Ok(()));
    }

    /// A name that is registered between the read and the send.
    #[tokio::test]
    async fn nobody_is_somebody_by_now() {
        let tables = Tables::new().await;
        let (account, _) = tables.registered(1).await;
        let code = sent(1, &phone(1), NOW);
        let (sending, id) = (sending(&account.username, 1), sign_in_id(1));
        let (sign_in, code, over) = (&id, &code, &[][..]);
        let new = postern_store::SignInCode {
            sending: &sending,
            sign_in,
            account: None,
            nobody: &account.id,
            code,
            over,
        };
        assert!(matches!(tables.store.send_for_sign_in(new, NOW).await, Err(StoreError::Conflict)));
    }

    #[tokio::test]
    async fn what_counts_goes_away() {
        let tables = Tables::new().await;
        let limits = Some(DeploymentLimits { sends: 100, sends_per_country: 100 });
        let by = account(1);
        let sending = Sending { limits, ..sending(&by.username, 1) };
        assert_eq!(tables.store.count_enrolment(&by.id, &sending, NOW).await.unwrap(), Ok(()));
        let hour = 3600;
        // Each an hour after it could still say no.
        let kept = [("NUMBER", 25 * hour), ("ADDRESS", 2 * hour), ("LOOKUP", 2 * hour)];
        let next_hour = (NOW.as_second() / hour + 1) * hour - NOW.as_second();
        let kept = kept.into_iter().chain([("COUNTRY#US", next_hour + hour), ("ALL", next_hour + hour)]);
        for (what, seconds) in kept {
            let [record] = &*tables.beginning(&format!("LIMIT#{what}#")).await else {
                panic!("not one of {what}")
            };
            assert_eq!(number(record, "delete_at"), NOW.as_second() + seconds, "{what}");
        }
        let contents = tables.contents().await;
        assert_eq!(contents.keys().filter(|(table, ..)| *table == ATTEMPTS).count(), 5);
    }
}
