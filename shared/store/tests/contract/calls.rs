//! Calls: placed once, however often the topic brings them.

use jiff::SignedDuration;

use crate::racing::{all_but_one, at_once, count};
use crate::tables::{NOW, Tables, number};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_claims_a_call() {
    let tables = Tables::new().await;
    let expires_at = NOW + SignedDuration::from_hours(1);
    let outcomes = at_once(|racer| {
        let store = tables.store.clone();
        async move { store.claim_call("call", &format!("claimant {racer}"), expires_at).await.unwrap() }
    })
    .await;
    assert!(all_but_one(&outcomes, |claimed| !claimed));
    // The claim is found again by a retry whose first answer was lost, and by nobody else.
    let winner = outcomes.iter().position(|claimed| *claimed).unwrap();
    let claim =
        async |claimant: String| tables.store.claim_call("call", &claimant, expires_at).await.unwrap();
    assert!(claim(format!("claimant {winner}")).await);
    assert!(!claim("another".to_owned()).await);
    let [record] = &*tables.beginning("CALL#").await else { panic!("not one") };
    assert_eq!(number(record, "delete_at"), expires_at.as_second() + 3600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_claim_is_given_back_by_its_claimant_alone() {
    let tables = Tables::new().await;
    let (store, expires_at) = (&tables.store, NOW + SignedDuration::from_hours(1));
    assert!(store.claim_call("call", "first", expires_at).await.unwrap());
    store.release_call("call", "second").await.unwrap();
    store.release_call("never placed", "first").await.unwrap();
    assert!(!store.claim_call("call", "second", expires_at).await.unwrap());
    store.release_call("call", "first").await.unwrap();
    let outcomes = at_once(|racer| {
        let store = store.clone();
        async move {
            // One that was given back comes to one other at a time.
            let claimant = format!("claimant {racer}");
            let claimed = store.claim_call("call", &claimant, expires_at).await.unwrap();
            if claimed && racer % 2 == 0 {
                store.release_call("call", &claimant).await.unwrap();
                return false;
            }
            claimed
        }
    })
    .await;
    assert!(count(&outcomes, |kept| *kept) <= 1);
    assert_eq!(tables.beginning("CALL#").await.len(), count(&outcomes, |kept| *kept));
}
