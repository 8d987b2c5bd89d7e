//! What happened to an account, as its owner and the `SecurityEvents` topic are told.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{AccountId, EventId};

/// What happened. The names are stable: portals switch on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    AccountRegistered,
    SignedIn,
    PasskeyAdded,
    PasskeyRenamed,
    PasskeyRemoved,
    /// A passkey answered with a counter that did not grow: it may have been cloned.
    PasskeyCounterRefused,
    RecoveryCodeIssued,
    RecoveryCodeDownloaded,
    /// Five wrong recovery codes in a row.
    RecoveryCodeLocked,
    /// A hundred in a row: a new one has to be issued.
    RecoveryCodeDisabled,
    /// Five wrong codes by email in a row.
    EmailCodeLocked,
    /// A hundred in a row.
    EmailCodeDisabled,
    /// By the recovery code, or by a code to the address of old: every other session ended with it.
    Recovered,
    SessionEnded,
    PasswordSet,
    PasswordChanged,
    /// Five wrong passwords in a row.
    PasswordLocked,
    /// A hundred in a row: it has to be set anew.
    PasswordDisabled,
    PhoneAdded,
    PhoneRemoved,
    /// Five wrong codes in a row.
    PhoneLocked,
    /// A hundred in a row: a phone has to be added anew.
    PhoneDisabled,
    AuthenticatorAdded,
    /// Another took the place of the one before.
    AuthenticatorReplaced,
    AuthenticatorRemoved,
    /// Five wrong codes in a row.
    AuthenticatorLocked,
    /// A hundred in a row: it has to be enrolled anew.
    AuthenticatorDisabled,
}

impl What {
    /// Each of them: one that is added is added here, too.
    pub const ALL: [Self; 27] = [
        Self::AccountRegistered,
        Self::SignedIn,
        Self::PasskeyAdded,
        Self::PasskeyRenamed,
        Self::PasskeyRemoved,
        Self::PasskeyCounterRefused,
        Self::RecoveryCodeIssued,
        Self::RecoveryCodeDownloaded,
        Self::RecoveryCodeLocked,
        Self::RecoveryCodeDisabled,
        Self::EmailCodeLocked,
        Self::EmailCodeDisabled,
        Self::Recovered,
        Self::SessionEnded,
        Self::PasswordSet,
        Self::PasswordChanged,
        Self::PasswordLocked,
        Self::PasswordDisabled,
        Self::PhoneAdded,
        Self::PhoneRemoved,
        Self::PhoneLocked,
        Self::PhoneDisabled,
        Self::AuthenticatorAdded,
        Self::AuthenticatorReplaced,
        Self::AuthenticatorRemoved,
        Self::AuthenticatorLocked,
        Self::AuthenticatorDisabled,
    ];

    /// Whether the owner is told on every channel, beyond the activity and the topic: a change of a
    /// method, a look at the recovery code, a lock, a sign of a theft. Not every sign-in.
    #[must_use]
    pub fn is_told(self) -> bool {
        match self {
            Self::PasskeyAdded
            | Self::PasskeyRenamed
            | Self::PasskeyRemoved
            | Self::PasskeyCounterRefused
            | Self::RecoveryCodeIssued
            | Self::RecoveryCodeDownloaded
            | Self::RecoveryCodeLocked
            | Self::RecoveryCodeDisabled
            | Self::EmailCodeLocked
            | Self::EmailCodeDisabled
            | Self::Recovered
            | Self::PasswordSet
            | Self::PasswordChanged
            | Self::PasswordLocked
            | Self::PasswordDisabled
            | Self::PhoneAdded
            | Self::PhoneRemoved
            | Self::PhoneLocked
            | Self::PhoneDisabled
            | Self::AuthenticatorAdded
            | Self::AuthenticatorReplaced
            | Self::AuthenticatorRemoved
            | Self::AuthenticatorLocked
            | Self::AuthenticatorDisabled => true,
            Self::AccountRegistered | Self::SignedIn | Self::SessionEnded => false,
        }
    }
}

/// One entry of an account's activity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub id: EventId,
    pub account: AccountId,
    pub at: Timestamp,
    pub what: What,
    /// The caller's address, as the gateway saw it.
    pub place: String,
}

#[cfg(test)]
#[path = "activity_tests.rs"]
mod tests;
