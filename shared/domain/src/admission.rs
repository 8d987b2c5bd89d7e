//! Which proofs admit, and how strongly.
//!
//! NIST SP 800-63B-4 §2: AAL2 takes two distinct factors, or one multi-factor authenticator. A
//! user-verified passkey is one (§3.1.7); password + authenticator and password + phone are two;
//! authenticator + phone are two of the same kind (things one has), and so are called AAL1.

use std::cmp::Reverse;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::account::{Account, Channel};
use crate::id::{PasskeyId, PhoneId};
use crate::policy::Policy;

/// One proof: which enrolment of a method answered, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    pub factor: Factor,
    pub at: Timestamp,
    /// When the method that answered was enrolled. A method that was replaced since has another instant,
    /// so that the proofs of the old one are over.
    pub enrolled_at: Timestamp,
    /// The session that removed the method itself goes on, although the method is no more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outlives_method: bool,
}

/// What was proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Factor {
    Passkey { id: PasskeyId, backed_up: bool },
    Password,
    Authenticator,
    Phone { id: PhoneId, channel: Channel },
}

/// The kinds of method, as the contract names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    Passkey,
    Password,
    Authenticator,
    Phone,
}

impl Factor {
    #[must_use]
    pub fn method(&self) -> Method {
        match self {
            Self::Passkey { .. } => Method::Passkey,
            Self::Password => Method::Password,
            Self::Authenticator => Method::Authenticator,
            Self::Phone { .. } => Method::Phone,
        }
    }
}

/// Authentication context class: weakest first, so that the greater is the stronger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Acr {
    Aal1,
    Aal2,
    /// Phishing-resistant: `phr` of `OpenID` Connect EAP ACR Values 1.0.
    Phr,
}

/// Authentication method reference (RFC 8176 §2). Of two that can stand in for each other the stronger is
/// the lesser: an authenticator app before a phone (a restricted authenticator, NIST SP 800-63B-4 §3.1.3.3),
/// a key that cannot leave its device before one that can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Amr {
    Pwd,
    Otp,
    Sms,
    Tel,
    Hwk,
    Swk,
    User,
    Mfa,
}

/// The proofs admit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    pub acr: Acr,
    pub amr: Vec<Amr>,
    /// The oldest of the proofs that it rests on: `auth_time` never claims more than that.
    pub authenticated_at: Timestamp,
}

impl Factor {
    /// When the account enrolled it; none when the account has it no more.
    fn enrolled_at(&self, account: &Account) -> Option<Timestamp> {
        let methods = &account.methods;
        match self {
            Self::Passkey { id, .. } => account.passkey(id).map(|passkey| passkey.created_at),
            Self::Password => methods.password.as_ref().map(|password| password.changed_at),
            Self::Authenticator => methods.authenticator.as_ref().map(|app| app.confirmed_at),
            Self::Phone { id, .. } => account.phone(id).map(|phone| phone.verified_at),
        }
    }
}

impl Proof {
    /// A proof of `factor` as the account has it; none where it has it no more.
    #[must_use]
    pub fn of(account: &Account, factor: Factor, at: Timestamp) -> Option<Self> {
        let enrolled_at = factor.enrolled_at(account)?;
        Some(Self { factor, at, enrolled_at, outlives_method: false })
    }

    /// Whether the enrolment that was proven is still the account's.
    #[must_use]
    pub fn stands(&self, account: &Account) -> bool {
        self.outlives_method || self.factor.enrolled_at(account) == Some(self.enrolled_at)
    }
}

/// A proof counts as fresh, for a change of a method and a look at the recovery code, this long.
pub const FRESH_FOR: SignedDuration = SignedDuration::from_mins(5);

/// Admits by one passkey with user verification, or by any two of {password, authenticator, phone}:
/// the strongest admission that the proofs give, and of equals the latest. Of those again, the one by the
/// stronger methods, as [`Amr`] lists them, so that the order of the proofs does not matter.
#[must_use]
pub fn admission(proofs: &[Proof]) -> Option<Admission> {
    let passkeys = proofs.iter().filter_map(|proof| match proof.factor {
        Factor::Passkey { backed_up, .. } => Some(Admission {
            acr: Acr::Phr,
            amr: vec![if backed_up { Amr::Swk } else { Amr::Hwk }, Amr::User, Amr::Mfa],
            authenticated_at: proof.at,
        }),
        Factor::Password | Factor::Authenticator | Factor::Phone { .. } => None,
    });
    let pairs = proofs
        .iter()
        .flat_map(|first| proofs.iter().map(move |second| (first, second)))
        .filter_map(|(first, second)| pair_admission(first, second));
    passkeys
        .chain(pairs)
        .max_by_key(|admission| (admission.acr, admission.authenticated_at, Reverse(admission.amr.clone())))
}

/// The proofs that are at most [`FRESH_FOR`] old at `now`.
#[must_use]
pub fn fresh(proofs: &[Proof], now: Timestamp) -> Vec<Proof> {
    proofs.iter().filter(|proof| now.duration_since(proof.at) <= FRESH_FOR).cloned().collect()
}

/// The old way in, until the deadline and without a minimum set-up: the password alone.
#[must_use]
pub fn password_admission(proofs: &[Proof]) -> Option<Admission> {
    let latest =
        proofs.iter().filter(|proof| proof.factor == Factor::Password).max_by_key(|proof| proof.at)?;
    Some(Admission { acr: Acr::Aal1, amr: vec![Amr::Pwd], authenticated_at: latest.at })
}

/// Admits by the proofs, or in the old way: until the deadline, and without a minimum set-up, by the
/// password alone.
#[must_use]
pub fn admitted(policy: &Policy, account: &Account, proofs: &[Proof], now: Timestamp) -> Option<Admission> {
    admission(proofs).or_else(|| {
        let old_way = !policy.set_up_is_required(now) && !account.methods.set_ups().any();
        old_way.then(|| password_admission(proofs)).flatten()
    })
}

/// Each unordered pair of distinct methods is matched in one order only.
fn pair_admission(first: &Proof, second: &Proof) -> Option<Admission> {
    let acr = match (first.factor.method(), second.factor.method()) {
        (Method::Password, Method::Authenticator | Method::Phone) => Acr::Aal2,
        (Method::Authenticator, Method::Phone) => Acr::Aal1,
        (Method::Passkey | Method::Password | Method::Authenticator | Method::Phone, _) => return None,
    };
    let mut amr: Vec<Amr> =
        [first, second].into_iter().filter_map(|proof| reference(&proof.factor)).collect();
    if acr == Acr::Aal2 {
        amr.push(Amr::Mfa);
    }
    Some(Admission { acr, amr, authenticated_at: first.at.min(second.at) })
}

fn reference(factor: &Factor) -> Option<Amr> {
    match factor {
        Factor::Passkey { .. } => None,
        Factor::Password => Some(Amr::Pwd),
        Factor::Authenticator => Some(Amr::Otp),
        Factor::Phone { channel: Channel::Text, .. } => Some(Amr::Sms),
        Factor::Phone { channel: Channel::Call, .. } => Some(Amr::Tel),
    }
}

#[cfg(test)]
#[path = "admission_tests.rs"]
mod tests;
