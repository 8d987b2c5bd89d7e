use super::*;
use crate::metric::{Kind, Service};

const METHOD: Method = Method::Password;

async fn counted(run: impl FnOnce()) -> Vec<(Metric, u64)> {
    let ((), tally) = Tally::default().around(async { run() }).await;
    tally.counts().to_vec()
}

#[tokio::test]
async fn a_run_counts_its_own() {
    count(Metric::ColdStarts);
    let throttled = Metric::AwsErrors { service: Service::Kms, kind: Kind::Throttled };
    let mut before = Tally::default();
    before.add(Metric::ColdStarts);
    let (output, tally) = before
        .around(async {
            count(throttled);
            tokio::task::yield_now().await;
            count(Metric::Locks { method: METHOD });
            count(throttled);
            7
        })
        .await;
    assert_eq!(output, 7);
    let expected = [(Metric::ColdStarts, 1), (throttled, 2), (Metric::Locks { method: METHOD }, 1)];
    assert_eq!(tally.counts(), expected);
    assert_eq!(counted(|| {}).await, []);
}

#[tokio::test]
async fn a_wrong_guess_locks_from_the_fifth_on_and_disables_at_the_hundredth() {
    for (streak, failures, expected) in [
        (4, 4, vec![]),
        (5, 5, vec![(Metric::Locks { method: METHOD }, 1)]),
        (6, 6, vec![(Metric::Locks { method: METHOD }, 1)]),
        (4, 99, vec![]),
        (5, 99, vec![(Metric::Locks { method: METHOD }, 1)]),
        (2, 100, vec![(Metric::Disablings { method: METHOD }, 1)]),
    ] {
        let guesses = Guesses { streak, failures, last_at: None };
        assert_eq!(counted(|| count_wrong(METHOD, guesses)).await, expected, "{streak}, {failures}");
    }
}
