//! Requests that may come again: what an `Idempotency-Key` stands for, for ten minutes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use postern_domain::account::Account;
use postern_domain::id::AccountId;
use postern_http::{HeaderName, Problem, Request};
use postern_keys::{Keyring, Purpose, VersionedMac};
use sha2::{Digest, Sha256};

use crate::error::StoreError;
use crate::record::{self, IdempotencyRecord, Item, Key, number, single_key};
use crate::transaction::Expression;

/// The request's `Idempotency-Key`, as a digest, and a MAC of what it stands for.
#[derive(Debug, Clone)]
pub struct IdempotentRequest {
    pub key: String,
    pub request: String,
    pub expires_at: Timestamp,
}

/// A key that was used before, for this request and account.
#[derive(Debug)]
pub struct UsedKey {
    pub request: String,
    pub account: AccountId,
    /// The account's, when the first request was done.
    pub revision: u64,
}

/// A repeated request is the same one this long.
const REPEATABLE_FOR: SignedDuration = SignedDuration::from_mins(10);

/// Longest `Idempotency-Key`, in characters.
const LONGEST_KEY: usize = 64;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

impl IdempotentRequest {
    /// The key of `request`, if one came: 400 for what is none. `call`: keys of one call are none of another's. `content`:
    /// what the request asks for, as a MAC and not a hash: an address, or a code, is guessed too easily from its hash.
    pub fn of(
        request: &Request,
        call: &str,
        keyring: &Keyring,
        content: &[&[u8]],
        now: Timestamp,
    ) -> Result<Option<Self>, Problem> {
        let Some(key) = request.header(&IDEMPOTENCY_KEY)? else { return Ok(None) };
        if !(1..=LONGEST_KEY).contains(&key.len()) {
            return Err(Problem::bad_request("The Idempotency-Key has 1 to 64 characters."));
        }
        let mac = keyring.mac(Purpose::IdempotentRequest, content, now);
        let digest = Sha256::new().chain_update(call).chain_update([0]).chain_update(key).finalize();
        Ok(Some(Self {
            key: URL_SAFE_NO_PAD.encode(digest),
            request: serde_json::to_string(&mac).map_err(Problem::unavailable)?,
            expires_at: now.saturating_add(REPEATABLE_FOR).map_err(Problem::unavailable)?,
        }))
    }

    pub(crate) fn record_key(&self) -> Key {
        single_key(format!("IDEMPOTENCY#{}", self.key))
    }

    /// `account` as it is to be.
    pub(crate) fn item(&self, account: &Account) -> Result<Item, StoreError> {
        let record = IdempotencyRecord {
            request: self.request.clone(),
            account: account.id.clone(),
            revision: account.revision,
            expires_at: self.expires_at.as_second(),
            delete_at: record::delete_at(self.expires_at),
        };
        record::item(self.record_key(), &record)
    }
}

impl UsedKey {
    pub(crate) fn read(item: Option<Item>) -> Result<Self, StoreError> {
        let record: IdempotencyRecord = record::read(item.ok_or(StoreError::Conflict)?, "IDEMPOTENCY")?;
        Ok(Self { request: record.request, account: record.account, revision: record.revision })
    }

    /// Whether it was used for a request that asked for the same.
    #[must_use]
    pub fn stands_for(&self, keyring: &Keyring, content: &[&[u8]]) -> bool {
        serde_json::from_str::<VersionedMac>(&self.request)
            .is_ok_and(|mac| keyring.verify(Purpose::IdempotentRequest, content, &mac))
    }
}

/// The key was not used, or too long ago.
pub fn unused_at(now: Timestamp) -> Expression {
    Expression::new("attribute_not_exists(pk) OR expires_at <= :now", [(":now", number(now.as_second()))])
}
