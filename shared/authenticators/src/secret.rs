//! The secret that an app shares with us.

use jiff::Timestamp;
use postern_domain::id::{AccountId, SessionId};
use postern_domain::one_time_code::{LENGTH as DIGITS, OneTimeCode};
use postern_domain::time_step::TimeStep;
use postern_keys::{KeyError, Keyring, OpenError, Purpose, Random, SecretBytes};
use secrecy::SecretString;
use subtle::ConstantTimeEq;
use totp_rs::{Algorithm, Builder, Totp};
use zeroize::Zeroizing;

/// 160 bits (RFC 4226 §4, R6), the length of the hash.
const LENGTH: usize = 20;

/// 160 random bits. Its `Debug` is redacted.
#[derive(Debug, Clone)]
pub struct AuthenticatorSecret(SecretBytes);

/// Where a sealed secret stands. It opens in no other place.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// Beside the session that waits for its first code.
    Enrolment {
        session: &'a SessionId,
        account: &'a AccountId,
    },
    Account(&'a AccountId),
}

impl AuthenticatorSecret {
    #[must_use]
    pub fn draw(random: &Random) -> Self {
        Self(random.fill::<LENGTH>().to_vec().into())
    }

    /// For `place` alone. [`KeyError::Unavailable`] when no key is active at `now`.
    pub fn seal(&self, keyring: &Keyring, place: Place<'_>, now: Timestamp) -> Result<Vec<u8>, KeyError> {
        keyring.seal(Purpose::Authenticator, &place.context(), self.0.expose(), now)
    }

    /// What was sealed for the same place.
    pub fn open(keyring: &Keyring, place: Place<'_>, sealed: &[u8]) -> Result<Self, OpenError> {
        let secret = keyring.open_sealed(Purpose::Authenticator, &place.context(), sealed)?;
        if secret.expose().len() == LENGTH { Ok(Self(secret)) } else { Err(OpenError::Refused) }
    }

    /// In base 32 without padding, as apps let it be typed (Key URI Format). The one way out of here, with
    /// [`crate::Label::uri`].
    #[must_use]
    pub fn base32(&self) -> SecretString {
        self.totp().secret().to_base32().into()
    }

    /// The step that `code` is of, if it is one of those that are taken at `now`: the latest, should two have one code.
    ///
    /// Each is made and compared, in constant time, whichever it is.
    #[must_use]
    pub fn step_of(&self, code: &OneTimeCode, now: Timestamp) -> Option<TimeStep> {
        let totp = self.totp();
        TimeStep::accepted_at(now).into_iter().fold(None, |found, step| {
            let due = Zeroizing::new(totp.generate(step.first_second()).to_string());
            let same = due.as_bytes().ct_eq(code.expose_digits().as_bytes());
            if bool::from(same) { Some(step) } else { found }
        })
    }

    pub(crate) fn totp(&self) -> Totp {
        self.builder().build_noncompliant()
    }

    /// What `build` would check is constant here: the length of the secret, the digits and the step.
    pub(crate) fn builder(&self) -> Builder {
        Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(u8::try_from(DIGITS).unwrap_or(6))
            .with_step_duration(TimeStep::SECONDS)
            .with_skew(0)
            .with_secret(self.0.expose().to_vec())
    }
}

impl<'a> Place<'a> {
    fn context(self) -> Vec<&'a str> {
        match self {
            Self::Enrolment { session, account } => {
                vec!["AUTHENTICATOR-ENROLMENT", session.as_str(), account.as_str()]
            }
            Self::Account(account) => vec!["AUTHENTICATOR", account.as_str()],
        }
    }
}

#[cfg(test)]
#[path = "secret_tests.rs"]
mod tests;
