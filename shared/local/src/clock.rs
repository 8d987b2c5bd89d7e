//! The clock that every function sees, and that `/dev/clock` moves.

use std::sync::{Arc, PoisonError, RwLock};

use jiff::{SignedDuration, Timestamp};
use postern_http::Clock;

/// A clock that can be moved and held.
#[derive(Debug, Clone, Default)]
pub struct MovableClock(Arc<RwLock<State>>);

#[derive(Debug, Clone, Copy)]
enum State {
    /// Ahead of the machine's clock by this, or behind it.
    Running(SignedDuration),
    Held(Timestamp),
}

impl Default for State {
    fn default() -> Self {
        Self::Running(SignedDuration::ZERO)
    }
}

impl MovableClock {
    pub fn now(&self) -> Timestamp {
        match self.state() {
            State::Running(ahead) => machine_now().saturating_add(ahead).unwrap_or(Timestamp::MAX),
            State::Held(at) => at,
        }
    }

    /// The clock as functions get it.
    pub fn clock(&self) -> Clock {
        let clock = self.clone();
        Clock::from_fn(move || clock.now())
    }

    pub fn is_held(&self) -> bool {
        matches!(self.state(), State::Held(_))
    }

    /// Shows `at` from now on, running on from there or held.
    pub fn set(&self, at: Timestamp, held: bool) {
        let state = if held { State::Held(at) } else { State::Running(at.duration_since(machine_now())) };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Back to the machine's time.
    pub fn reset(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = State::default();
    }

    fn state(&self) -> State {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn machine_now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the clock itself")]
    Timestamp::now()
}
