use http::StatusCode;

use super::*;
use crate::routes::ROUTES;

fn counted(function: &'static str, outcome: &Result<Reply, Problem>) -> Tally {
    let mut tally = Tally::default();
    count_outcome(&mut tally, || function, outcome);
    tally
}

fn tally(metrics: &[Metric]) -> Tally {
    metrics.iter().copied().collect()
}

fn reply(outcome: Outcome) -> Reply {
    Reply::no_content().with_outcome(outcome)
}

#[test]
fn proofs_are_counted_by_what_they_came_to() {
    let (method, way) = (Method::Passkey, Way::Code);
    let signed_in = Metric::SignIns { method, outcome: Outcome::SignedIn };
    assert_eq!(counted("passkey-sign-in", &Ok(reply(Outcome::SignedIn))), tally(&[signed_in]));
    let recovered = Metric::Recoveries { way, outcome: Outcome::Recovered };
    assert_eq!(counted("recovery-code-redeem", &Ok(reply(Outcome::Recovered))), tally(&[recovered]));
    let wrong = Metric::SignIns { method, outcome: Outcome::WrongCredentials };
    assert_eq!(
        counted("passkey-sign-in", &Err(Problem::wrong_credentials())),
        tally(&[Metric::Refusals { code: "wrong_credentials" }, wrong])
    );
    // Nobody's guess: a body that cannot be read.
    assert_eq!(
        counted("passkey-sign-in", &Err(Problem::bad_request("x"))),
        tally(&[Metric::Refusals { code: "bad_request" }])
    );
}

#[test]
fn what_asks_for_no_proof_counts_its_refusals_alone() {
    assert_eq!(counted("account-view", &Ok(Reply::no_content())), tally(&[]));
    assert_eq!(
        counted("account-view", &Err(Problem::not_signed_in())),
        tally(&[Metric::Refusals { code: "not_signed_in" }])
    );
    assert_eq!(
        counted("phone-confirm", &Err(Problem::wrong_credentials())),
        tally(&[Metric::Refusals { code: "wrong_credentials" }])
    );
}

/// A failure of ours is no refusal.
#[test]
fn failures_are_told_from_refusals() {
    let unavailable = Metric::SignIns { method: Method::Password, outcome: Outcome::Unavailable };
    assert_eq!(counted("password-sign-in", &Err(Problem::unavailable("x"))), tally(&[unavailable]));
    let other = Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "other", "x");
    assert_eq!(counted("password-sign-in", &Err(other)), tally(&[]));
}

#[test]
fn every_function_that_asks_for_a_proof_is_there() {
    let asking = ROUTES.iter().filter(|route| of_proof(route.function, Outcome::Locked).is_some());
    assert_eq!(asking.count(), 6);
}
