//! An account as decisions see it. Secrets stay in the store's records and the ceremonies' crate.

use jiff::Timestamp;

use crate::id::{AccountId, PasskeyId, PhoneId};
use crate::name::{Email, Locale, PasskeyName, Username};
use crate::phone_number::PhoneNumber;

/// An account and everything that its decisions rest on, read in one go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub id: AccountId,
    pub username: Username,
    pub email: Email,
    pub locale: Locale,
    pub created_at: Timestamp,
    /// Set until the first method is there: from this instant on the account is forgotten and its name
    /// free again.
    pub forget_at: Option<Timestamp>,
    /// Sessions of an older generation are over: recovery and "end all others" count it up.
    pub generation: u64,
    /// Counts every write to the account's methods and recovery code; conditions rest on it.
    pub revision: u64,
    pub methods: Methods,
    pub recovery_code: Option<IssuedRecoveryCode>,
}

/// The methods that an account has. Only confirmed ones stand here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Methods {
    pub passkeys: Vec<Passkey>,
    pub authenticator: Option<Authenticator>,
    pub phones: Vec<Phone>,
    pub password: Option<Password>,
}

/// A passkey, without its key: that is in `credential`, which only the ceremonies' crate reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkey {
    pub id: PasskeyId,
    pub name: PasskeyName,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
    /// Backup eligibility (BE) never changes after registration (`WebAuthn` L3 §6.1.3).
    pub backup_eligible: bool,
    pub backed_up: bool,
    /// The signature counter that was seen last (`WebAuthn` L3 §6.1.1).
    pub counter: u32,
    /// The credential manager's name, known from the AAGUID.
    pub provider: Option<String>,
    /// The credential public key record, opaque here.
    pub credential: String,
}

/// An authenticator app (RFC 6238), confirmed by a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticator {
    pub confirmed_at: Timestamp,
}

/// A phone number that answered with a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phone {
    pub id: PhoneId,
    /// Its ending is all of it that leaves here, but for the messages to it.
    pub number: PhoneNumber,
    /// ISO 3166-1 alpha-2, in upper case: of the number.
    pub country: String,
    pub line_type: LineType,
    pub verified_at: Timestamp,
}

/// The password's existence; its hash stays in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Password {
    pub changed_at: Timestamp,
}

/// What a number reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineType {
    Mobile,
    Landline,
    Voip,
    Unknown,
}

/// How a one-time code reaches a phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    Text,
    Call,
}

impl Channel {
    /// As the contract names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Call => "call",
        }
    }
}

impl LineType {
    /// A landline gets calls, never texts.
    #[must_use]
    pub fn channels(self) -> &'static [Channel] {
        match self {
            Self::Landline => &[Channel::Call],
            Self::Mobile | Self::Voip | Self::Unknown => &[Channel::Text, Channel::Call],
        }
    }
}

/// Phones that an account keeps at most.
pub const MOST_PHONES: usize = 5;

/// When the recovery code was issued, and whether its owner holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedRecoveryCode {
    pub issued_at: Timestamp,
    pub downloaded_at: Option<Timestamp>,
}

impl Account {
    /// Whether the account is there at `now`. One that gained no method in time is not.
    #[must_use]
    pub fn exists_at(&self, now: Timestamp) -> bool {
        self.forget_at.is_none_or(|forget_at| now < forget_at)
    }

    #[must_use]
    pub fn phone(&self, id: &PhoneId) -> Option<&Phone> {
        self.methods.phones.iter().find(|phone| phone.id == *id)
    }

    #[must_use]
    pub fn passkey(&self, id: &PasskeyId) -> Option<&Passkey> {
        self.methods.passkeys.iter().find(|passkey| passkey.id == *id)
    }

    /// The account after a change of its methods: kept for good, and another revision.
    #[must_use]
    pub fn with_methods(&self, methods: Methods) -> Self {
        Self { methods, forget_at: None, revision: self.revision.saturating_add(1), ..self.clone() }
    }

    #[must_use]
    pub fn with_passkey(&self, passkey: Passkey) -> Self {
        let mut methods = self.methods.clone();
        methods.passkeys.push(passkey);
        self.with_methods(methods)
    }

    #[must_use]
    pub fn without_passkey(&self, id: &PasskeyId) -> Self {
        let mut methods = self.methods.clone();
        methods.passkeys.retain(|passkey| passkey.id != *id);
        self.with_methods(methods)
    }

    /// With a phone, in place of what was known of the same.
    #[must_use]
    pub fn with_phone(&self, phone: Phone) -> Self {
        let mut methods = self.methods.clone();
        methods.phones.retain(|other| other.id != phone.id);
        methods.phones.push(phone);
        self.with_methods(methods)
    }

    #[must_use]
    pub fn without_phone(&self, id: &PhoneId) -> Self {
        let mut methods = self.methods.clone();
        methods.phones.retain(|phone| phone.id != *id);
        self.with_methods(methods)
    }

    /// With an authenticator, in place of the one before.
    #[must_use]
    pub fn with_authenticator(&self, confirmed_at: Timestamp) -> Self {
        let authenticator = Some(Authenticator { confirmed_at });
        self.with_methods(Methods { authenticator, ..self.methods.clone() })
    }

    #[must_use]
    pub fn without_authenticator(&self) -> Self {
        self.with_methods(Methods { authenticator: None, ..self.methods.clone() })
    }

    /// With another password. One that takes the place of another ends all sessions but the one that changes it, which
    /// goes over to the new generation.
    #[must_use]
    pub fn with_password(&self, changed_at: Timestamp) -> Self {
        let replaces = self.methods.password.is_some();
        let methods = Methods { password: Some(Password { changed_at }), ..self.methods.clone() };
        let generation = self.generation.saturating_add(u64::from(replaces));
        Self { generation, ..self.with_methods(methods) }
    }

    /// With another recovery code, which nobody has seen yet.
    #[must_use]
    pub fn with_recovery_code(&self, issued_at: Timestamp) -> Self {
        let recovery_code = Some(IssuedRecoveryCode { issued_at, downloaded_at: None });
        Self { recovery_code, revision: self.revision.saturating_add(1), ..self.clone() }
    }

    /// After its owner looked at the recovery code. Only the first look changes anything.
    #[must_use]
    pub fn with_code_downloaded(&self, at: Timestamp) -> Self {
        if self.holds_recovery_code() {
            return self.clone();
        }
        let downloaded = |code: &IssuedRecoveryCode| IssuedRecoveryCode {
            issued_at: code.issued_at,
            downloaded_at: Some(at),
        };
        let recovery_code = self.recovery_code.as_ref().map(downloaded);
        Self { recovery_code, revision: self.revision.saturating_add(1), ..self.clone() }
    }

    /// After a recovery: every session ends but the one that it begins. `spends_code`: the recovery code made it, and is
    /// no more.
    #[must_use]
    pub fn recovered(&self, spends_code: bool) -> Self {
        Self {
            generation: self.generation.saturating_add(1),
            revision: self.revision.saturating_add(1),
            recovery_code: self.recovery_code.clone().filter(|_| !spends_code),
            ..self.clone()
        }
    }

    /// Whether the owner has the present recovery code in hand.
    #[must_use]
    pub fn holds_recovery_code(&self) -> bool {
        self.recovery_code.as_ref().is_some_and(|code| code.downloaded_at.is_some())
    }

    /// Whether the owner can sign in by today's rules for good: a set-up is complete, and the recovery
    /// code is downloaded.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.methods.set_ups().any() && self.holds_recovery_code()
    }
}

#[cfg(test)]
#[path = "account_tests.rs"]
mod tests;
