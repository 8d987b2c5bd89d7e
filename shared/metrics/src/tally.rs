//! The counts of one run.

use std::cell::RefCell;

use postern_domain::guess::{DISABLED_AT, FREE_GUESSES, Guesses};

use crate::metric::{Method, Metric};

tokio::task_local! {
    static TALLY: RefCell<Tally>;
}

/// What was counted in a run, in the order in which it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally(Vec<(Metric, u64)>);

impl Tally {
    pub fn add(&mut self, metric: Metric) {
        match self.0.iter_mut().find(|(counted, _)| *counted == metric) {
            Some((_, count)) => *count += 1,
            None => self.0.push((metric, 1)),
        }
    }

    /// Counts what happens in `run`. What a task counts that `run` spawns is lost.
    pub async fn around<F: Future>(self, run: F) -> (F::Output, Self) {
        TALLY
            .scope(RefCell::new(self), async {
                let output = run.await;
                (output, TALLY.with(RefCell::take))
            })
            .await
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn counts(&self) -> &[(Metric, u64)] {
        &self.0
    }
}

impl FromIterator<Metric> for Tally {
    fn from_iter<I: IntoIterator<Item = Metric>>(metrics: I) -> Self {
        let mut tally = Self::default();
        for metric in metrics {
            tally.add(metric);
        }
        tally
    }
}

/// Counts `metric` in the run that this is a part of. Outside of any, as while a function starts, nothing is counted.
pub fn count(metric: Metric) {
    let _ = TALLY.try_with(|tally| tally.borrow_mut().add(metric));
}

/// Counts what a wrong guess did, with which `guesses` are.
pub fn count_wrong(method: Method, guesses: Guesses) {
    if guesses.failures >= DISABLED_AT {
        count(Metric::Disablings { method });
    } else if guesses.streak >= FREE_GUESSES {
        count(Metric::Locks { method });
    }
}

#[cfg(test)]
#[path = "tally_tests.rs"]
mod tests;
