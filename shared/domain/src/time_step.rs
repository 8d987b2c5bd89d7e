//! The time steps of an authenticator app (RFC 6238).

use jiff::Timestamp;

/// A time step: how many times thirty seconds have passed since 1970 (RFC 6238 §4.2: `T`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeStep(u64);

impl TimeStep {
    /// How long a step is (RFC 6238 §4.1: `X`).
    pub const SECONDS: u64 = 30;

    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The step that is on at `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(u64::try_from(now.as_second()).unwrap_or_default() / Self::SECONDS)
    }

    /// The steps whose codes are taken at `now`: the one that is on, and the one before it, for a code that was read and
    /// typed while the step changed (RFC 6238 §5.2: at most one step of delay). None ahead: an app whose clock is fast
    /// shows the code again that is due.
    #[must_use]
    pub fn accepted_at(now: Timestamp) -> [Self; 2] {
        let on = Self::at(now);
        [Self(on.0.saturating_sub(1)), on]
    }

    /// Seconds since 1970.
    #[must_use]
    pub const fn first_second(self) -> u64 {
        self.0.saturating_mul(Self::SECONDS)
    }
}

#[cfg(test)]
#[path = "time_step_tests.rs"]
mod tests;
