//! Adding an authenticator app, by a code of it, and taking it away.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use postern_domain::account::Account;
use postern_domain::activity::Event;
use postern_domain::id::SessionId;
use postern_domain::session::Session;
use postern_domain::time_step::TimeStep;
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::change::{Change, Condition};
use crate::error::StoreError;
use crate::guessed::{ENDED, Guessed, KNOWN, LAST_STEP, SEALED, forget_nobody_at, fresh_item, guessed_key};
use crate::record::{self, Key, number, single_key};
use crate::transaction::{Expression, Transaction};

/// An authenticator that waits for its first code, beside the session that asked for it: one at a time.
#[derive(Debug, Clone)]
pub struct PendingAuthenticator {
    /// Its secret, sealed.
    pub sealed: Vec<u8>,
    pub expires_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct PendingRecord {
    #[serde(with = "serde_bytes")]
    sealed: Vec<u8>,
    expires_at: Timestamp,
    guesses: u64,
    delete_at: i64,
}

/// Why a guess at the code of a pending authenticator was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoneWaits {
    /// This session waits for none, or no longer.
    None,
    /// It was guessed at too often.
    OutOfGuesses,
}

/// An authenticator whose code was right. `account` as it was read, `changed` as it is to be; `proven` as the session is to
/// be: with the authenticator's own proof.
pub struct AuthenticatorEnrolment<'a> {
    pub account: &'a Account,
    pub changed: &'a Account,
    pub pending: &'a PendingAuthenticator,
    /// The secret, sealed for the account.
    pub sealed: Vec<u8>,
    /// The step of the code: it signs nobody in any more.
    pub step: TimeStep,
    pub proven: &'a Session,
    pub event: &'a Event,
}

/// An authenticator that is to be removed. `proven`: the session that removes it, which itself goes on.
pub struct AuthenticatorRemoval<'a> {
    pub account: &'a Account,
    pub proven: &'a Session,
    pub event: &'a Event,
}

impl Store {
    /// Keeps what waits for a code, in place of what waited before. One call.
    pub async fn keep_pending_authenticator(
        &self,
        session: &SessionId,
        pending: &PendingAuthenticator,
    ) -> Result<(), StoreError> {
        let record = PendingRecord {
            sealed: pending.sealed.clone(),
            expires_at: pending.expires_at,
            guesses: 0,
            delete_at: record::delete_at(pending.expires_at),
        };
        self.put(&self.attempts, record::item(pending_key(session), &record)?).await
    }

    /// Counts a guess at the code of the authenticator that `session` waits for, and brings it. One call.
    pub async fn guess_pending_authenticator(
        &self,
        session: &SessionId,
        now: Timestamp,
    ) -> Result<Result<PendingAuthenticator, NoneWaits>, StoreError> {
        let (item, taken) = match self.count_pending(pending_key(session)).await? {
            Ok(item) => (item, true),
            Err(Some(item)) => (item, false),
            Err(None) => return Ok(Err(NoneWaits::None)),
        };
        let record: PendingRecord = record::read(item, "AUTHENTICATOR-ENROLMENT")?;
        // One that is over looks as if TTL had taken it, out of guesses or not.
        if record.expires_at <= now {
            return Ok(Err(NoneWaits::None));
        }
        if !taken {
            return Ok(Err(NoneWaits::OutOfGuesses));
        }
        Ok(Ok(PendingAuthenticator { sealed: record.sealed, expires_at: record.expires_at }))
    }

    /// Adds an authenticator, in place of the one before and its count: what waited is spent, the account kept for good and
    /// the session proven, or nothing at all. `false`: it was spent, or another took its place. One call.
    pub async fn enrol_authenticator(&self, new: AuthenticatorEnrolment<'_>) -> Result<bool, StoreError> {
        let mut writes = Transaction::new();
        let waits = AttributeValue::B(new.pending.sealed.clone().into());
        let same = Expression::new(format!("{SEALED} = :sealed"), [(":sealed", waits)]);
        writes.delete_if(Condition::Spent, &self.attempts, pending_key(&new.proven.id), same)?;
        let secret = [(SEALED, AttributeValue::B(new.sealed.into())), (LAST_STEP, number(new.step.number()))];
        writes.put(&self.accounts, fresh_item(new.changed, Guessed::Authenticator, secret)?)?;
        let change =
            Change { account: new.account, changed: new.changed, proven: new.proven, event: new.event };
        self.change(&mut writes, &change)?;
        let failed = writes.commit(&self.client).await?;
        match failed.as_slice() {
            [] => Ok(true),
            failed if failed.iter().any(|failed| failed.condition == Condition::Spent) => Ok(false),
            _ => Err(StoreError::Conflict),
        }
    }

    /// Removes the authenticator. Sessions that it proved end with it: their proof stands no more. What was guessed by the
    /// name goes on being counted, as it would be if it were nobody's. One call.
    pub async fn remove_authenticator(
        &self,
        old: AuthenticatorRemoval<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let changed = old.account.without_authenticator();
        let mut writes = Transaction::new();
        let nobodys = Expression::new(
            format!("SET forget_at = :forget REMOVE account, {KNOWN}, {SEALED}, {LAST_STEP}, {ENDED}"),
            [(":forget", forget_nobody_at(now))],
        );
        let there = Expression::new(format!("attribute_exists({SEALED})"), []);
        let key = guessed_key(&old.account.username, Guessed::Authenticator);
        writes.update_if(Condition::Method, &self.accounts, key, nobodys, there)?;
        let change = Change { account: old.account, changed: &changed, proven: old.proven, event: old.event };
        self.change(&mut writes, &change)?;
        if writes.commit(&self.client).await?.is_empty() { Ok(()) } else { Err(StoreError::Conflict) }
    }
}

fn pending_key(session: &SessionId) -> Key {
    single_key(format!("AUTHENTICATOR-ENROLMENT#{session}"))
}
