//! Guess counting: what wrong answers in a row do to an authenticator (NIST SP 800-63B-4 §3.2.2).
//!
//! The count belongs to the account's authenticator, and goes up before an answer is looked at. It is the
//! same for a name that nobody has.

use jiff::{SignedDuration, Timestamp};

use crate::activity::What;

/// Guesses in a row before the first lock: the last of them locks.
pub const FREE_GUESSES: u64 = 5;

/// The first lock. Each further wrong guess locks for twice as long.
pub const FIRST_LOCK: SignedDuration = SignedDuration::from_mins(1);

pub const LONGEST_LOCK: SignedDuration = SignedDuration::from_hours(24);

/// Wrong guesses in a row upon which the authenticator is disabled, to be enrolled again.
pub const DISABLED_AT: u64 = 100;

/// What an authenticator has been asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Guesses {
    /// In a row, since the last success or the last time that another method lifted the lock.
    pub streak: u64,
    /// In a row, since the last success: lifting a lock does not start this anew.
    pub failures: u64,
    pub last_at: Option<Timestamp>,
}

/// Whether an authenticator takes a guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Open,
    LockedUntil(Timestamp),
    Disabled,
}

impl Guesses {
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> Standing {
        if self.failures >= DISABLED_AT {
            return Standing::Disabled;
        }
        let until = lock_after(self.streak)
            .zip(self.last_at)
            .map(|(lock, last_at)| last_at.saturating_add(lock).unwrap_or(Timestamp::MAX));
        match until {
            Some(until) if now < until => Standing::LockedUntil(until),
            Some(_) | None => Standing::Open,
        }
    }
}

impl Guesses {
    /// What the owner is told of a wrong guess, with which these are: that it locked, the first time in a row, or that it
    /// disabled.
    #[must_use]
    pub fn told(&self, [locked, disabled]: [What; 2]) -> Option<What> {
        if self.failures == DISABLED_AT {
            Some(disabled)
        } else {
            (self.streak == FREE_GUESSES).then_some(locked)
        }
    }
}

impl Standing {
    /// Seconds until another guess is taken, at least one; `None` while one is taken. A disabled authenticator
    /// looks like one that is locked for as long as can be.
    #[must_use]
    pub fn retry_after(self, now: Timestamp) -> Option<u64> {
        let left = match self {
            Self::Open => return None,
            Self::LockedUntil(until) => until.duration_since(now),
            Self::Disabled => LONGEST_LOCK,
        };
        Some(whole_seconds(left))
    }
}

/// Seconds to wait where `left` is left: rounded up, and at least one.
#[must_use]
pub fn whole_seconds(left: SignedDuration) -> u64 {
    u64::try_from(left.as_millis().saturating_add(999) / 1000).unwrap_or_default().max(1)
}

/// For how long `streak` wrong guesses in a row lock.
#[must_use]
pub fn lock_after(streak: u64) -> Option<SignedDuration> {
    let doubled = streak.checked_sub(FREE_GUESSES)?;
    let factor = u32::try_from(doubled)
        .ok()
        .and_then(|doubled| 1_i32.checked_shl(doubled))
        .filter(|factor| *factor > 0);
    let lock = factor.and_then(|factor| FIRST_LOCK.checked_mul(factor)).unwrap_or(LONGEST_LOCK);
    Some(lock.min(LONGEST_LOCK))
}

/// Every streak whose lock differs from the one before it, with its lock, the shortest first. The last stands for all
/// longer streaks.
#[must_use]
pub fn locks() -> Vec<(u64, SignedDuration)> {
    let mut locks = Vec::new();
    for streak in FREE_GUESSES.. {
        let lock = lock_after(streak).unwrap_or(LONGEST_LOCK);
        locks.push((streak, lock));
        if lock == LONGEST_LOCK {
            break;
        }
    }
    locks
}

#[cfg(test)]
#[path = "guess_tests.rs"]
mod tests;
