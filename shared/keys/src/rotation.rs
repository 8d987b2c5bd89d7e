//! Which keys must be made now, so that one is active and the next stands ready. Pure: the caller makes and stores them.
//!
//! A key is made a whole period before its turn, so that every running function and every cache of the JWKS knows it by
//! then. Sealing keys have no end: the newest that is active seals, all open. Token keys follow each other without gap or
//! overlap.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};

use crate::{EncryptionContext, KeyError, KeyName, KeyService, SealingKeyRecord, TokenKeyRecord};

/// A sealing key that is overdue is still announced this long before its turn: a function that opened its keyring before
/// could not open what it seals.
const NOTICE: SignedDuration = SignedDuration::from_hours(24);

/// How long a key is the active one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Periods {
    /// Of the keyring.
    pub sealing: SignedDuration,
    /// Of the token keys.
    pub token: SignedDuration,
}

impl Default for Periods {
    fn default() -> Self {
        Self { sealing: SignedDuration::from_hours(90 * 24), token: SignedDuration::from_hours(30 * 24) }
    }
}

/// A keyring key that must be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealingKeyDue {
    /// The next free version.
    pub version: u32,
    /// Seals from then on.
    pub active_from: Timestamp,
}

/// A token key pair that must be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenKeyDue {
    /// Signs from then on.
    pub active_from: Timestamp,
    /// Signs until then, exclusive.
    pub active_until: Timestamp,
}

impl SealingKeyDue {
    /// Makes it: one `kms:GenerateDataKeyWithoutPlaintext`.
    pub async fn make(self, service: &dyn KeyService) -> Result<SealingKeyRecord, KeyError> {
        let Self { version, active_from } = self;
        let sealed = service.data_key(KeyName::Keyring, &EncryptionContext::keyring(version)).await?;
        Ok(SealingKeyRecord { version, sealed, active_from })
    }
}

impl TokenKeyDue {
    /// Makes it: one `kms:GenerateDataKeyPairWithoutPlaintext`. `kid` comes from [`kid`].
    pub async fn make(self, service: &dyn KeyService, kid: String) -> Result<TokenKeyRecord, KeyError> {
        let Self { active_from, active_until } = self;
        let pair = service.token_key_pair(KeyName::Token, &EncryptionContext::token(&kid)).await?;
        Ok(TokenKeyRecord {
            kid,
            sealed_private: pair.sealed_private,
            public_der: pair.public_der,
            active_from,
            active_until,
        })
    }
}

/// A new token key's id. It cannot be the key's thumbprint (RFC 7638): it stands in the encryption context that the key
/// pair is made with.
#[must_use]
pub fn kid(random: [u8; 16]) -> String {
    URL_SAFE_NO_PAD.encode(random)
}

/// The keyring keys to make. The very first is active since the epoch, so that no clock is too early for it.
#[must_use]
pub fn due_sealing(existing: &[SealingKeyRecord], now: Timestamp, periods: Periods) -> Vec<SealingKeyDue> {
    let mut due = Vec::new();
    let mut version = existing.iter().map(|key| key.version).max().unwrap_or(0);

    let active_since = existing.iter().map(|key| key.active_from).filter(|from| *from <= now).max();
    let active_since = active_since.unwrap_or_else(|| {
        version = version.saturating_add(1);
        let active_from = if existing.is_empty() { Timestamp::UNIX_EPOCH.min(now) } else { now };
        due.push(SealingKeyDue { version, active_from });
        now
    });

    if !existing.iter().any(|key| key.active_from > now) {
        let earliest = later(now, NOTICE.min(periods.sealing));
        let active_from = later(active_since, periods.sealing).max(earliest);
        due.push(SealingKeyDue { version: version.saturating_add(1), active_from });
    }
    due
}

/// The token key pairs to make. The very first is active since the epoch, so that no clock is too early for it.
#[must_use]
pub fn due_tokens(existing: &[TokenKeyRecord], now: Timestamp, periods: Periods) -> Vec<TokenKeyDue> {
    let mut due = Vec::new();
    // One that takes over at `at`, up to the next that is there already: no gap, no overlap.
    let one_from = |at: Timestamp| {
        let following = existing.iter().map(|key| key.active_from).filter(|from| *from > at).min();
        let until = later(at, periods.token);
        following.map_or(until, |from| from.min(until))
    };
    let covered_until =
        |at: Timestamp| existing.iter().filter(|key| key.is_active_at(at)).map(|key| key.active_until).max();

    let active_until = covered_until(now).unwrap_or_else(|| {
        let active_from = if existing.is_empty() { Timestamp::UNIX_EPOCH.min(now) } else { now };
        let active_until = one_from(now);
        due.push(TokenKeyDue { active_from, active_until });
        active_until
    });
    if covered_until(active_until).is_none() {
        due.push(TokenKeyDue { active_from: active_until, active_until: one_from(active_until) });
    }
    due
}

/// Later by `period`, which is a second at least: a period of nothing would ask for new keys for ever.
fn later(at: Timestamp, period: SignedDuration) -> Timestamp {
    at.checked_add(period.max(SignedDuration::from_secs(1))).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
