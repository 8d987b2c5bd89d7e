use proptest::prelude::*;

use super::*;
use crate::fixtures::{MILLISECOND, instant};

/// Sends as early as the limits let, `times` times, from `start`.
fn as_early_as_can_be(limits: &[Limit], start: Timestamp, times: usize) -> Vec<Timestamp> {
    let mut sent: Vec<Timestamp> = Vec::new();
    for _ in 0..times {
        let next = free_at(limits, &sent).unwrap_or(start).max(start);
        sent.insert(0, next);
    }
    sent.reverse();
    sent
}

#[test]
fn a_number_gets_one_in_thirty_seconds_five_an_hour_ten_a_day() {
    let start = instant("2026-03-07T06:00:00Z");
    let at: Vec<i64> = as_early_as_can_be(PER_NUMBER, start, 11)
        .into_iter()
        .map(|at| at.duration_since(start).as_secs())
        .collect();
    assert_eq!(at, [0, 30, 60, 90, 120, 3600, 3630, 3660, 3690, 3720, 86_400]);
}

#[test]
fn an_account_gets_ten_an_hour_twenty_a_day() {
    let start = instant("2026-03-07T06:00:00Z");
    let at = as_early_as_can_be(PER_ACCOUNT, start, 21);
    assert!(at.iter().take(10).all(|at| *at == start));
    assert!(at.iter().skip(10).take(10).all(|at| *at == start + HOUR));
    assert_eq!(at[20], start + DAY);
}

#[test]
fn the_bound_is_exact() {
    let start = instant("2026-03-07T06:00:00Z");
    let free = free_at(PER_NUMBER, &[start]).unwrap();
    assert_eq!(free, start + RESEND_AFTER);
    assert!(free - MILLISECOND < start + RESEND_AFTER);
    assert_eq!(free_at(PER_NUMBER, &[]), None);
}

proptest! {
    /// Whoever sends whenever it is free never sends more than a limit in any stretch of its length.
    #[test]
    fn no_stretch_holds_more_than_its_limit(waits in proptest::collection::vec(0_i64..4_000_000, 1..60)) {
        let mut now = instant("2026-03-07T06:00:00Z");
        let mut sent: Vec<Timestamp> = Vec::new();
        for wait in waits {
            now += SignedDuration::from_millis(wait);
            if free_at(PER_NUMBER, &sent).is_none_or(|free| free <= now) {
                sent.insert(0, now);
            }
        }
        for limit in PER_NUMBER {
            for (place, newest) in sent.iter().enumerate() {
                let within = sent.iter().skip(place).filter(|at| newest.duration_since(**at) < limit.within);
                prop_assert!(within.count() <= limit.times);
            }
        }
    }
}
