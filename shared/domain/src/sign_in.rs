//! What an answer makes of a sign-in.

use jiff::Timestamp;

use crate::account::Account;
use crate::admission::{Admission, Method, Proof, admitted};
use crate::policy::Policy;

/// Where a sign-in stands after a right answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Another proof is wanted: one of these methods, never none.
    Next(Vec<Method>),
    SignedIn(Admission),
    /// Proven as far as the account allows, and that is not enough by the rules of now.
    SetUpRequired,
}

/// Decides by the rules of `now`, whatever began before.
#[must_use]
pub fn outcome(policy: &Policy, account: &Account, proofs: &[Proof], now: Timestamp) -> Outcome {
    // A method that was replaced since it answered has proven nothing any more.
    let proofs: Vec<Proof> = proofs.iter().filter(|proof| proof.stands(account)).cloned().collect();
    match admitted(policy, account, &proofs, now) {
        Some(_) if policy.set_up_is_required(now) && !account.is_ready() => return Outcome::SetUpRequired,
        Some(admission) => return Outcome::SignedIn(admission),
        None => {}
    }
    let unproven: Vec<Method> = methods(account)
        .into_iter()
        .filter(|method| proofs.iter().all(|proof| proof.factor.method() != *method))
        .collect();
    if unproven.is_empty() { Outcome::SetUpRequired } else { Outcome::Next(unproven) }
}

/// The kinds of method that the account has, the strongest first.
fn methods(account: &Account) -> Vec<Method> {
    let methods = &account.methods;
    [
        (Method::Passkey, !methods.passkeys.is_empty()),
        (Method::Password, methods.password.is_some()),
        (Method::Authenticator, methods.authenticator.is_some()),
        (Method::Phone, !methods.phones.is_empty()),
    ]
    .into_iter()
    .filter_map(|(method, there)| there.then_some(method))
    .collect()
}

#[cfg(test)]
#[path = "sign_in_tests.rs"]
mod tests;
