//! The sealed state of a sign-in.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use postern_domain::admission::Proof;
use postern_domain::id::{AccountId, SignInId};
use postern_domain::name::Username;
use postern_http::Problem;
use postern_keys::{Keyring, Purpose, Random};
use serde::{Deserialize, Serialize};

/// How long a sign-in may take, from its first step.
pub const LIFE: SignedDuration = SignedDuration::from_mins(10);

/// What a sealed state is for.
#[derive(Clone, Copy)]
enum Use {
    SignIn,
    Recovery,
}

impl Use {
    fn purpose(self) -> Purpose {
        match self {
            Self::SignIn => Purpose::SignIn,
            Self::Recovery => Purpose::Recovery,
        }
    }

    /// What begins every `sign_in`, a passkey's too; and every `recovery`.
    fn prefix(self) -> &'static str {
        match self {
            Self::SignIn => "si_",
            Self::Recovery => "re_",
        }
    }
}

/// A sign-in under way: whose, and what it has proven.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// The same from the first step to the last: what is spent, and what codes are bound to.
    pub id: SignInId,
    /// Of a name that nobody has: one drawn at random.
    pub account: AccountId,
    pub username: Username,
    pub proofs: Vec<Proof>,
    pub expires_at: Timestamp,
    /// Begun by this very request: no client has a state of it yet, to answer with more than once.
    pub is_new: bool,
}

/// As it is sealed. Two sign-ins of names of one length, with nothing proven, are of one length, whoever has the names.
#[derive(Serialize, Deserialize)]
struct Sealed {
    id: SignInId,
    account: AccountId,
    username: Username,
    proofs: Vec<Proof>,
    /// Milliseconds since 1970.
    expires_at: i64,
}

impl SignIn {
    /// Begins the one that `username` asks for, or goes on with `sign_in`: a body names one of them.
    pub fn of(
        keyring: &Keyring,
        random: &Random,
        username: Option<&str>,
        sign_in: Option<&str>,
        now: Timestamp,
    ) -> Result<Self, Problem> {
        match (username, sign_in) {
            (Some(username), None) => Ok(Self::by_name(keyring, random, username, now)),
            (None, Some(sign_in)) => Self::open(keyring, sign_in, now),
            _ => Err(Problem::bad_request("The body names a `username` or a `sign_in`.")),
        }
    }

    /// Begins one by what somebody gave as the username. Whether the name is somebody's it does not say.
    #[must_use]
    pub fn by_name(keyring: &Keyring, random: &Random, given: &str, now: Timestamp) -> Self {
        let id = SignInId::from_bytes(random.fill());
        let nobody = AccountId::from_bytes(random.fill());
        let username = given.parse().unwrap_or_else(|_| {
            let mac = keyring.mac(Purpose::SignIn, &[b"username", given.as_bytes()], now);
            Username::standing_in(&mac.tag)
        });
        Self::begin(id, nobody, username, now)
    }

    /// Begins one at `now`.
    #[must_use]
    pub fn begin(id: SignInId, account: AccountId, username: Username, now: Timestamp) -> Self {
        // Kept to the millisecond, as it comes back.
        let now = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
        let expires_at = now.saturating_add(LIFE).unwrap_or(Timestamp::MAX);
        Self { id, account, username, proofs: Vec::new(), expires_at, is_new: true }
    }

    /// For the client to bring back.
    pub fn seal(&self, keyring: &Keyring, now: Timestamp) -> Result<String, Problem> {
        self.sealed_for(keyring, Use::SignIn, now)
    }

    /// The same, of a recovery by email: it is no sign-in, and serves as none.
    pub fn seal_recovery(&self, keyring: &Keyring, now: Timestamp) -> Result<String, Problem> {
        self.sealed_for(keyring, Use::Recovery, now)
    }

    fn sealed_for(&self, keyring: &Keyring, of: Use, now: Timestamp) -> Result<String, Problem> {
        let sealed = Sealed {
            id: self.id.clone(),
            account: self.account.clone(),
            username: self.username.clone(),
            proofs: self.proofs.clone(),
            expires_at: self.expires_at.as_millisecond(),
        };
        let plain = serde_json::to_vec(&sealed).map_err(Problem::unavailable)?;
        let sealed = keyring.seal(of.purpose(), &[], &plain, now).map_err(Problem::unavailable)?;
        Ok(format!("{}{}", of.prefix(), URL_SAFE_NO_PAD.encode(sealed)))
    }

    /// What the client brought back: 401 `sign_in_expired` for one that is over, or is none of ours.
    pub fn open(keyring: &Keyring, text: &str, now: Timestamp) -> Result<Self, Problem> {
        Self::opened(keyring, Use::SignIn, text, now)
    }

    /// The same of a recovery by email.
    pub fn open_recovery(keyring: &Keyring, text: &str, now: Timestamp) -> Result<Self, Problem> {
        Self::opened(keyring, Use::Recovery, text, now)
    }

    fn opened(keyring: &Keyring, of: Use, text: &str, now: Timestamp) -> Result<Self, Problem> {
        Self::unsealed(keyring, of, text)
            .filter(|sign_in| now < sign_in.expires_at)
            .ok_or_else(Problem::sign_in_expired)
    }

    fn unsealed(keyring: &Keyring, of: Use, text: &str) -> Option<Self> {
        let sealed = URL_SAFE_NO_PAD.decode(text.strip_prefix(of.prefix())?).ok()?;
        let plain = keyring.open_sealed(of.purpose(), &[], &sealed).ok()?;
        let Sealed { id, account, username, proofs, expires_at } =
            serde_json::from_slice(plain.expose()).ok()?;
        let expires_at = Timestamp::from_millisecond(expires_at).ok()?;
        Some(Self { id, account, username, proofs, expires_at, is_new: false })
    }
}

#[cfg(test)]
#[path = "sign_in_tests.rs"]
mod tests;
