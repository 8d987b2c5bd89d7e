//! What an answer is counted as.

use postern_metrics::{Method, Metric, Outcome, Tally, Way};

use crate::problem::Problem;
use crate::reply::Reply;

/// Counts what a run came to: a refusal, and what became of the proof where one was asked for. `function` is asked for where
/// it matters.
pub fn count_outcome(
    tally: &mut Tally,
    function: impl Fn() -> &'static str,
    outcome: &Result<Reply, Problem>,
) {
    let came_to = match outcome {
        Ok(reply) => reply.outcome(),
        Err(problem) => {
            if problem.status().is_client_error() {
                tally.add(Metric::Refusals { code: problem.code() });
            }
            Outcome::of_code(problem.code())
        }
    };
    if let Some(metric) = came_to.and_then(|outcome| of_proof(function(), outcome)) {
        tally.add(metric);
    }
}

/// None: the function asks for no proof.
fn of_proof(function: &str, outcome: Outcome) -> Option<Metric> {
    let sign_in = |method| Some(Metric::SignIns { method, outcome });
    let recovery = |way| Some(Metric::Recoveries { way, outcome });
    match function {
        "passkey-sign-in" => sign_in(Method::Passkey),
        "password-sign-in" => sign_in(Method::Password),
        "authenticator-sign-in" => sign_in(Method::Authenticator),
        "phone-code-verify" => sign_in(Method::Phone),
        "recovery-code-redeem" => recovery(Way::Code),
        "recovery-email-verify" => recovery(Way::Email),
        _ => None,
    }
}

#[cfg(test)]
#[path = "counts_tests.rs"]
mod tests;
