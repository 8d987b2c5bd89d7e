//! The notice: its instants, the three set-ups, and the action that an account still needs.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::account::{Account, Methods};

/// The instants of the notice, as the deployment sets them. Each takes effect at itself: one
/// millisecond before it the old rule holds, at it the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    pub recovery_code_prompted_from: Timestamp,
    pub email_recovery_ends_at: Timestamp,
    pub set_up_required_from: Timestamp,
}

/// One of the three verified set-ups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetUp {
    Passkey,
    AuthenticatorAndPhone,
    PasswordAndPhone,
}

impl SetUp {
    pub const ALL: [Self; 3] = [Self::Passkey, Self::AuthenticatorAndPhone, Self::PasswordAndPhone];
}

/// Which set-ups an account has complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetUps {
    pub passkey: bool,
    pub authenticator_and_phone: bool,
    pub password_and_phone: bool,
}

impl SetUps {
    /// Whether the minimum is met: any one of the three.
    #[must_use]
    pub fn any(self) -> bool {
        self.passkey || self.authenticator_and_phone || self.password_and_phone
    }
}

impl Methods {
    #[must_use]
    pub fn set_ups(&self) -> SetUps {
        let phone = !self.phones.is_empty();
        SetUps {
            passkey: !self.passkeys.is_empty(),
            authenticator_and_phone: self.authenticator.is_some() && phone,
            password_and_phone: self.password.is_some() && phone,
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.passkeys.is_empty()
            && self.authenticator.is_none()
            && self.phones.is_empty()
            && self.password.is_none()
    }
}

/// What an owner is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    AddPasskey,
    GetAuthenticator,
    VerifyPhone,
    SetPassword,
    DownloadRecoveryCode,
}

/// An action, until when, and which set-ups it completes or brings nearer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActionNeeded {
    pub action: Action,
    pub deadline: Timestamp,
    pub completes: Vec<SetUp>,
}

impl Policy {
    /// Whether a minimum set-up, and a downloaded recovery code, are asked of everyone.
    #[must_use]
    pub fn set_up_is_required(&self, now: Timestamp) -> bool {
        now >= self.set_up_required_from
    }

    #[must_use]
    pub fn recovery_code_is_prompted(&self, now: Timestamp) -> bool {
        now >= self.recovery_code_prompted_from
    }

    #[must_use]
    pub fn email_recovery_is_over(&self, now: Timestamp) -> bool {
        now >= self.email_recovery_ends_at
    }

    /// What the account lacks at `now`, the most secure first. Empty once nothing is asked.
    #[must_use]
    pub fn action_needed(&self, account: &Account, now: Timestamp) -> Vec<ActionNeeded> {
        let methods = &account.methods;
        let mut needed = Vec::new();
        if !methods.set_ups().any() {
            needed.push((Action::AddPasskey, vec![SetUp::Passkey]));
            if methods.authenticator.is_none() {
                needed.push((Action::GetAuthenticator, vec![SetUp::AuthenticatorAndPhone]));
            }
            if methods.phones.is_empty() {
                needed
                    .push((Action::VerifyPhone, vec![SetUp::AuthenticatorAndPhone, SetUp::PasswordAndPhone]));
            }
            if methods.password.is_none() {
                needed.push((Action::SetPassword, vec![SetUp::PasswordAndPhone]));
            }
        }
        if self.recovery_code_is_prompted(now) && !account.holds_recovery_code() {
            needed.push((Action::DownloadRecoveryCode, Vec::new()));
        }
        let deadline = self.set_up_required_from;
        needed.into_iter().map(|(action, completes)| ActionNeeded { action, deadline, completes }).collect()
    }

    /// Whether taking methods away, down to `left`, is refused: once a set-up is required, an account
    /// that has one keeps one; and at any time, one that has a method keeps a method.
    #[must_use]
    pub fn would_break_set_up(&self, account: &Account, left: &Methods, now: Timestamp) -> bool {
        let breaks_set_up = account.methods.set_ups().any() && !left.set_ups().any();
        let locks_out = !account.methods.is_empty() && left.is_empty();
        locks_out || (breaks_set_up && self.set_up_is_required(now))
    }

    /// Whether an account may become what it is `without` a method.
    ///
    /// # Errors
    ///
    /// With what to add first, where [`Self::would_break_set_up`] says that it may not.
    pub fn may_become(
        &self,
        account: &Account,
        without: &Account,
        now: Timestamp,
    ) -> Result<(), WouldBreakSetUp> {
        if self.would_break_set_up(account, &without.methods, now) {
            return Err(WouldBreakSetUp(self.action_needed(without, now)));
        }
        Ok(())
    }
}

/// Without the method the account would have no complete set-up, or no method at all: what to add first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WouldBreakSetUp(pub Vec<ActionNeeded>);

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
