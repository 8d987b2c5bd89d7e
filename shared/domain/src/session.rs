//! What a session may do, and until when it lives.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::admission::{self, Admission, Factor, Proof, admitted};
use crate::id::{AccountId, SessionId};
use crate::policy::Policy;

/// A session that was not used this long is over (OWASP ASVS 5.0 §7.3.1).
pub const IDLE_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// A session is over this long after its sign-in, used or not (OWASP ASVS 5.0 §7.3.2).
pub const OVER_AFTER: SignedDuration = SignedDuration::from_hours(12);

/// A session, known by the SHA-256 of its cookie's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub account: AccountId,
    pub origin: Origin,
    pub proofs: Vec<Proof>,
    /// The account's generation when the session began.
    pub generation: u64,
    pub created_at: Timestamp,
    pub last_seen_at: Timestamp,
    /// The caller's address, as the gateway saw it.
    pub place: String,
    pub user_agent: Option<String>,
}

/// How a session began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    Registration,
    SignIn,
    Recovery,
}

/// What a session is good for at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Signed in: it may take a token.
    Full(Admission),
    /// It may enrol, see the account and sign out.
    MayOnlyEnrol,
}

/// Why a session may not do a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Its proofs do not admit, or are older than five minutes.
    StepUpRequired,
    /// The account lacks a minimum set-up or its recovery code: it may only enrol.
    SetUpRequired,
}

impl Session {
    /// Whether the session lives, as far as it alone can tell.
    #[must_use]
    pub fn is_current(&self, now: Timestamp) -> bool {
        now.duration_since(self.last_seen_at) < IDLE_AFTER && now.duration_since(self.created_at) < OVER_AFTER
    }

    /// Whether the session lives: it is current, of the account's generation, and every method that
    /// proved it is still the account's. So removing a method, changing the password and recovering end
    /// the sessions that they must end in the one write that makes the change.
    #[must_use]
    pub fn lives(&self, account: &Account, now: Timestamp) -> bool {
        self.is_current(now)
            && account.exists_at(now)
            && self.account == account.id
            && self.generation == account.generation
            && self.proofs.iter().all(|proof| proof.stands(account))
    }

    /// The session after it enrolled `factor` in `changed`: what an enrolment proves counts as a proof of the session, and
    /// of what it took the place of nothing stands. None where the account has no such method.
    #[must_use]
    pub fn proving(&self, changed: &Account, factor: Factor, now: Timestamp) -> Option<Self> {
        let proof = Proof::of(changed, factor, now)?;
        let standing = self.proofs.iter().filter(|proof| proof.stands(changed)).cloned();
        let proofs = standing.chain([proof]).collect();
        Some(Self { proofs, generation: changed.generation, ..self.clone() })
    }

    /// The session after it removed the method that `is_removed`: it goes on by that method's proof; all others that rest on
    /// it end.
    #[must_use]
    pub fn outliving(&self, is_removed: impl Fn(&Factor) -> bool) -> Self {
        let outliving = |proof: &Proof| {
            let outlives_method = proof.outlives_method || is_removed(&proof.factor);
            Proof { outlives_method, ..proof.clone() }
        };
        Self { proofs: self.proofs.iter().map(outliving).collect(), ..self.clone() }
    }

    /// What the session is good for by the rules of `now`, whatever began before.
    #[must_use]
    pub fn standing(&self, policy: &Policy, account: &Account, now: Timestamp) -> Standing {
        match admitted(policy, account, &self.proofs, now) {
            Some(admission) if !policy.set_up_is_required(now) || account.is_ready() => {
                Standing::Full(admission)
            }
            Some(_) | None => Standing::MayOnlyEnrol,
        }
    }

    /// Enrolling a method, taking a recovery code: an account without a minimum set-up does so with the
    /// session that it has, and so does one that recovers; any other needs fresh proofs that admit.
    pub fn may_enrol(&self, policy: &Policy, account: &Account, now: Timestamp) -> Result<(), Refusal> {
        let set_up = account.methods.set_ups().any();
        if !set_up || self.recovers(policy, account, now) || self.admits_freshly(policy, account, now) {
            Ok(())
        } else {
            Err(Refusal::StepUpRequired)
        }
    }

    /// Renaming or removing a method. A session that may only enrol may not, unless it recovers; where the
    /// account has a set-up and only this session lacks the proofs, proving them is the way on.
    pub fn may_remove(&self, policy: &Policy, account: &Account, now: Timestamp) -> Result<(), Refusal> {
        match self.standing(policy, account, now) {
            Standing::MayOnlyEnrol if self.recovers(policy, account, now) => Ok(()),
            Standing::MayOnlyEnrol => {
                let proven = admitted(policy, account, &self.proofs, now).is_some();
                let step_up = account.methods.set_ups().any() && !proven;
                Err(if step_up { Refusal::StepUpRequired } else { Refusal::SetUpRequired })
            }
            Standing::Full(_) if self.admits_freshly(policy, account, now) => Ok(()),
            Standing::Full(_) => Err(Refusal::StepUpRequired),
        }
    }

    /// Whether the session still lives by the recovery that began it: until what it has proven since
    /// admits. From then on a change of a method needs a step-up, as in any other session.
    #[must_use]
    pub fn recovers(&self, policy: &Policy, account: &Account, now: Timestamp) -> bool {
        self.origin == Origin::Recovery && self.standing(policy, account, now) == Standing::MayOnlyEnrol
    }

    fn admits_freshly(&self, policy: &Policy, account: &Account, now: Timestamp) -> bool {
        admitted(policy, account, &admission::fresh(&self.proofs, now), now).is_some()
    }

    /// Taking a token, seeing the activity and the sessions.
    pub fn may_all(&self, policy: &Policy, account: &Account, now: Timestamp) -> Result<Admission, Refusal> {
        match self.standing(policy, account, now) {
            Standing::Full(admission) => Ok(admission),
            // Nothing is left to set up: this session alone has not proven enough.
            Standing::MayOnlyEnrol if account.is_ready() => Err(Refusal::StepUpRequired),
            Standing::MayOnlyEnrol => Err(Refusal::SetUpRequired),
        }
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
