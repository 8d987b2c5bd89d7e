//! Adding a phone, by a code that was sent to it, and taking it away.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use postern_domain::account::{Account, Channel, LineType, Phone};
use postern_domain::activity::Event;
use postern_domain::id::{PhoneId, SessionId};
use postern_domain::phone_number::PhoneNumber;
use postern_domain::session::Session;
use postern_keys::VersionedMac;
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::change::{self, Change};
use crate::error::StoreError;
use crate::guessed::{Guessed, KNOWN, forget_nobody_at, guessed_key, last_phone, never_forgotten};
use crate::record::{self, Key, number, single_key, string};
use crate::transaction::{Expression, Transaction};

/// A phone that waits for its code, beside the session that asked for it: one at a time.
#[derive(Debug, Clone)]
pub struct PendingPhone {
    pub id: PhoneId,
    pub number: PhoneNumber,
    pub country: String,
    pub line_type: LineType,
    pub channel: Channel,
    pub mac: VersionedMac,
    pub expires_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct PendingRecord {
    phone: PhoneId,
    number: PhoneNumber,
    country: String,
    line_type: LineType,
    channel: Channel,
    version: u32,
    #[serde(with = "serde_bytes")]
    tag: Vec<u8>,
    expires_at: Timestamp,
    guesses: u64,
    delete_at: i64,
}

/// Why a guess at a pending phone's code was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotPending {
    /// This session waits for no such phone.
    Unknown,
    /// Its time is over.
    Expired,
    /// It was guessed at too often.
    OutOfGuesses,
}

/// A phone that answered. `account` as it was read; `proven` as the session is to be: with the phone's own proof.
pub struct PhoneEnrolment<'a> {
    pub account: &'a Account,
    pub phone: &'a Phone,
    pub pending: &'a PendingPhone,
    pub proven: &'a Session,
    pub event: &'a Event,
}

/// A phone that is to be removed. `proven`: the session that removes it, which itself goes on.
pub struct PhoneRemoval<'a> {
    pub account: &'a Account,
    pub phone: &'a Phone,
    pub proven: &'a Session,
    pub event: &'a Event,
}

impl Store {
    /// Keeps what waits for a code, in place of what waited before. One call.
    pub async fn keep_pending_phone(
        &self,
        session: &SessionId,
        pending: &PendingPhone,
    ) -> Result<(), StoreError> {
        let record = PendingRecord {
            phone: pending.id.clone(),
            number: pending.number.clone(),
            country: pending.country.clone(),
            line_type: pending.line_type,
            channel: pending.channel,
            version: pending.mac.version,
            tag: pending.mac.tag.to_vec(),
            expires_at: pending.expires_at,
            guesses: 0,
            delete_at: record::delete_at(pending.expires_at),
        };
        self.put(&self.attempts, record::item(pending_key(session), &record)?).await
    }

    /// Counts a guess at the code of the phone that `session` waits for, and brings it. One call.
    pub async fn guess_pending_phone(
        &self,
        session: &SessionId,
        id: &PhoneId,
        now: Timestamp,
    ) -> Result<Result<PendingPhone, NotPending>, StoreError> {
        const WHAT: &str = "PHONE-ENROLMENT";
        let asked_for = Expression::new("phone = :id", [(":id", string(id.as_str()))]);
        let item = match self.count_pending(pending_key(session), asked_for).await? {
            Ok(item) => item,
            Err(found) => {
                let found = found.as_ref().and_then(|item| item.get("phone")?.as_s().ok());
                let same = found.is_some_and(|phone| phone == id.as_str());
                return Ok(Err(if same { NotPending::OutOfGuesses } else { NotPending::Unknown }));
            }
        };
        let record: PendingRecord = record::read(item, WHAT)?;
        if record.expires_at <= now {
            return Ok(Err(NotPending::Expired));
        }
        let tag = record.tag.try_into().map_err(|_| StoreError::Corrupt(WHAT))?;
        Ok(Ok(PendingPhone {
            id: record.phone,
            number: record.number,
            country: record.country,
            line_type: record.line_type,
            channel: record.channel,
            mac: VersionedMac { version: record.version, tag },
            expires_at: record.expires_at,
        }))
    }

    /// Adds a phone: its code is spent, the account kept for good and the session proven, or nothing at all. `false`: the
    /// code was spent, or another took its place. One call.
    pub async fn enrol_phone(&self, new: PhoneEnrolment<'_>) -> Result<bool, StoreError> {
        let (account, phone) = (new.account, new.phone);
        let changed = account.with_phone(phone.clone());
        let mut writes = Transaction::new();
        let tag = AttributeValue::B(new.pending.mac.tag.to_vec().into());
        let same = Expression::new("tag = :tag", [(":tag", tag)]);
        writes.delete_if(change::Condition::Spent, &self.attempts, pending_key(&new.proven.id), same)?;
        writes.put(&self.accounts, record::phone_item(&account.id, phone)?)?;
        // Enrolled anew: whatever was counted before, be it that phones were disabled, is over.
        let last = last_phone(phone);
        let mut kept = Expression::new(
            format!(
                "SET account = :account, {KNOWN} = :known, forget_at = :never, streak = :none, failures = :none{} \
                 REMOVE guessed_at",
                last.text
            ),
            [
                (":account", string(account.id.as_str())),
                (":known", record::known(&changed)?),
                (":never", never_forgotten()),
                (":none", number(0)),
            ],
        );
        kept.values.extend(last.values);
        let key = guessed_key(&account.username, Guessed::Phone);
        writes.update(&self.accounts, key, kept)?;
        self.change(
            &mut writes,
            &Change { account, changed: &changed, proven: new.proven, event: new.event },
        )?;
        let failed = writes.commit(&self.client).await?;
        match failed.as_slice() {
            [] => Ok(true),
            failed if failed.iter().any(|failed| failed.condition == change::Condition::Spent) => Ok(false),
            _ => Err(StoreError::Conflict),
        }
    }

    /// Removes a phone. Sessions that it proved end with it: their proof stands no more. One call.
    pub async fn remove_phone(&self, old: PhoneRemoval<'_>, now: Timestamp) -> Result<(), StoreError> {
        let (account, phone) = (old.account, old.phone);
        let changed = account.without_phone(&phone.id);
        let mut writes = Transaction::new();
        let key = record::phone_key(&account.id, &phone.id);
        writes.delete_if(change::Condition::Method, &self.accounts, key, Expression::present())?;
        let kept = if changed.methods.phones.is_empty() {
            Expression::new(
                format!("SET forget_at = :forget REMOVE account, {KNOWN}"),
                [(":forget", forget_nobody_at(now))],
            )
        } else {
            Expression::new(format!("SET {KNOWN} = :known"), [(":known", record::known(&changed)?)])
        };
        writes.update(&self.accounts, guessed_key(&account.username, Guessed::Phone), kept)?;
        let takes_texts = phone.line_type.channels().contains(&Channel::Text);
        self.change_telling(
            &mut writes,
            &Change { account, changed: &changed, proven: old.proven, event: old.event },
            takes_texts.then_some(&phone.number),
        )?;
        if writes.commit(&self.client).await?.is_empty() { Ok(()) } else { Err(StoreError::Conflict) }
    }
}

fn pending_key(session: &SessionId) -> Key {
    single_key(format!("PHONE-ENROLMENT#{session}"))
}
