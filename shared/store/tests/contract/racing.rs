//! Many at the same instant, and any of many.

use std::future::Future;
use std::sync::Arc;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestRunner};
use tokio::sync::Barrier;

use crate::tables::Tables;

pub const RACERS: u32 = 64;

/// Starts all when all are ready, and gives what came of each.
pub async fn at_once<R, F>(race: impl Fn(u32) -> F) -> Vec<R>
where
    R: Send + 'static,
    F: Future<Output = R> + Send + 'static,
{
    let ready = Arc::new(Barrier::new(usize::try_from(RACERS).unwrap()));
    let racers: Vec<_> = (0..RACERS)
        .map(|racer| {
            let (ready, run) = (ready.clone(), race(racer));
            tokio::spawn(async move {
                ready.wait().await;
                run.await
            })
        })
        .collect();
    let mut outcomes = Vec::new();
    for racer in racers {
        outcomes.push(racer.await.unwrap());
    }
    outcomes
}

pub fn count<T>(outcomes: &[T], is: impl Fn(&T) -> bool) -> usize {
    outcomes.iter().filter(|outcome| is(outcome)).count()
}

pub fn all_but_one<T>(outcomes: &[T], is: impl Fn(&T) -> bool) -> bool {
    count(outcomes, is) + 1 == outcomes.len()
}

/// Asks `holds` of values that `strategy` draws, all in the same tables.
#[expect(clippy::needless_pass_by_value, reason = "a closure is written where it is asked")]
pub fn for_any<S: Strategy>(cases: u32, strategy: &S, holds: impl AsyncFn(&Tables, S::Value)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let tables = runtime.block_on(Tables::new());
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(strategy, |value| {
        runtime.block_on(holds(&tables, value));
        Ok(())
    });
    outcome.unwrap();
}
