//! What a step costs: the processor time that its future takes, poll by poll.
//!
//! The SDK's connection runs in a task of its own, and so does the embedded engine: neither is counted.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use cpu_time::ThreadTime;

tokio::task_local! {
    static FUNCTION: String;
}

/// The function whose run this is a part of.
pub(crate) fn function() -> Option<String> {
    FUNCTION.try_with(Clone::clone).ok()
}

/// What the runs of a function took so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    pub runs: u64,
    /// Processor time.
    pub cpu: Duration,
}

/// Adds up by function. Clones share the sums.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Mutex<HashMap<String, Spent>>>);

impl Meter {
    /// What `function` took so far.
    #[must_use]
    pub fn spent(&self, function: &str) -> Spent {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(function).copied().unwrap_or_default()
    }

    /// How often each function ran so far.
    #[must_use]
    pub fn runs(&self) -> BTreeMap<String, u64> {
        let sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sums.iter().map(|(function, spent)| (function.clone(), spent.runs)).collect()
    }

    /// Measures `run`, a run of `function`.
    pub fn measure<F: Future>(&self, function: &str, run: F) -> impl Future<Output = F::Output> + use<F> {
        Measured {
            run: Box::pin(FUNCTION.scope(function.to_owned(), run)),
            cpu: Duration::ZERO,
            meter: self.clone(),
            function: function.to_owned(),
        }
    }
}

struct Measured<F> {
    run: Pin<Box<F>>,
    cpu: Duration,
    meter: Meter,
    function: String,
}

impl<F: Future> Future for Measured<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let begin = ThreadTime::now();
        let polled = self.run.as_mut().poll(context);
        self.cpu += begin.elapsed();
        if polled.is_ready() {
            let mut sums = self.meter.0.lock().unwrap_or_else(PoisonError::into_inner);
            let spent = sums.entry(self.function.clone()).or_default();
            spent.runs += 1;
            spent.cpu += self.cpu;
        }
        polled
    }
}
