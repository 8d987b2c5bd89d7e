//! How often a code goes out: sending costs money and annoys people.
//!
//! The windows slide: they hold for every hour and every day, not for those of the clock.

use jiff::{SignedDuration, Timestamp};

/// At most `times` within any stretch of `within`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    pub times: usize,
    pub within: SignedDuration,
}

const fn limit(times: usize, within: SignedDuration) -> Limit {
    Limit { times, within }
}

/// Another code to the same number, at the earliest.
pub const RESEND_AFTER: SignedDuration = SignedDuration::from_secs(30);

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// To one number, whichever accounts have it.
pub const PER_NUMBER: &[Limit] = &[limit(1, RESEND_AFTER), limit(5, HOUR), limit(10, DAY)];

/// For one account, to all of its numbers.
pub const PER_ACCOUNT: &[Limit] = &[limit(10, HOUR), limit(20, DAY)];

/// Asked for from one address.
pub const PER_ADDRESS: &[Limit] = &[limit(20, HOUR)];

/// Numbers that one account may have looked up, whatever comes of it: a lookup costs money too.
pub const LOOKUPS: &[Limit] = &[limit(40, HOUR)];

/// How many instants `limits` look back on.
#[must_use]
pub fn reach(limits: &[Limit]) -> usize {
    limits.iter().map(|limit| limit.times).max().unwrap_or_default()
}

/// When the next may go. `sent`: when the last ones went, the newest first.
#[must_use]
pub fn free_at(limits: &[Limit], sent: &[Timestamp]) -> Option<Timestamp> {
    let bound = |limit: &Limit| {
        let place = limit.times.checked_sub(1)?;
        sent.get(place).map(|at| at.saturating_add(limit.within).unwrap_or(Timestamp::MAX))
    };
    limits.iter().filter_map(bound).max()
}

#[cfg(test)]
#[path = "send_limit_tests.rs"]
mod tests;
