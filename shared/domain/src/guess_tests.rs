use proptest::prelude::*;

use super::*;
use crate::fixtures::{MILLISECOND, instant};

fn after(streak: u64, last_at: Timestamp) -> Guesses {
    Guesses { streak, failures: streak, last_at: Some(last_at) }
}

#[test]
fn five_lock_for_a_minute_and_each_more_for_twice_as_long_up_to_a_day() {
    let minutes = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1440, 1440];
    for streak in 0..5 {
        assert_eq!(lock_after(streak), None, "{streak}");
    }
    for (streak, minutes) in (5..).zip(minutes) {
        assert_eq!(lock_after(streak), Some(SignedDuration::from_mins(minutes)), "{streak}");
    }
    for streak in [37, 99, 1 << 40, u64::MAX] {
        assert_eq!(lock_after(streak), Some(LONGEST_LOCK), "{streak}");
    }
}

#[test]
fn a_lock_ends_exactly_when_it_ends() {
    let last_at = instant("2026-03-07T06:00:00Z");
    for (streak, lock) in locks() {
        let until = last_at + lock;
        assert_eq!(after(streak, last_at).standing(until - MILLISECOND), Standing::LockedUntil(until));
        assert_eq!(after(streak, last_at).standing(until), Standing::Open);
    }
    assert_eq!(after(4, last_at).standing(last_at), Standing::Open);
    assert_eq!(Guesses::default().standing(last_at), Standing::Open);
}

#[test]
fn a_hundred_in_a_row_disable_for_good_although_locks_were_lifted_between() {
    let last_at = instant("2026-03-07T06:00:00Z");
    let guesses = |failures| Guesses { streak: 1, failures, last_at: Some(last_at) };
    let years_later = last_at + SignedDuration::from_hours(24 * 365 * 5);
    assert_eq!(guesses(99).standing(years_later), Standing::Open);
    assert_eq!(guesses(100).standing(years_later), Standing::Disabled);
    assert_eq!(guesses(101).standing(years_later), Standing::Disabled);
}

#[test]
fn seconds_left_are_rounded_up() {
    let now = instant("2026-03-07T06:00:00Z");
    let left = |millis| Standing::LockedUntil(now + SignedDuration::from_millis(millis)).retry_after(now);
    assert_eq!(left(60_000), Some(60));
    assert_eq!(left(59_001), Some(60));
    assert_eq!(left(1), Some(1));
    assert_eq!(Standing::Open.retry_after(now), None);
    assert_eq!(Standing::Disabled.retry_after(now), Some(86_400));
}

#[test]
fn the_owner_is_told_of_the_first_lock_and_of_the_end() {
    let of = |streak, failures| {
        Guesses { streak, failures, last_at: None }.told([What::PasswordLocked, What::PasswordDisabled])
    };
    assert_eq!(of(4, 4), None);
    assert_eq!(of(5, 5), Some(What::PasswordLocked));
    assert_eq!(of(6, 6), None);
    assert_eq!(of(5, 99), Some(What::PasswordLocked));
    assert_eq!(of(95, 100), Some(What::PasswordDisabled));
    assert_eq!(of(5, 100), Some(What::PasswordDisabled));
    assert_eq!(of(96, 101), None);
}

#[test]
fn the_locks_end_with_the_longest() {
    let locks = locks();
    assert_eq!(locks.first(), Some(&(5, FIRST_LOCK)));
    assert_eq!(locks.last(), Some(&(16, LONGEST_LOCK)));
    assert_eq!(locks.len(), 12);
}

proptest! {
    #[test]
    fn more_guesses_never_open_sooner(streak in 0_u64..200, more in 1_u64..50, waited in 0_i64..100_000_000) {
        let last_at = instant("2026-03-07T06:00:00Z");
        let now = last_at + SignedDuration::from_millis(waited);
        let (few, many) = (after(streak, last_at).standing(now), after(streak + more, last_at).standing(now));
        prop_assert!(few == Standing::Open || many != Standing::Open);
        prop_assert!(few.retry_after(now) <= many.retry_after(now));
    }
}
