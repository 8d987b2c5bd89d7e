//! Adding a phone, by a code that was sent to it, and taking it away.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use postern_domain::account::{Account, Channel, LineType, Phone};
use postern_domain::activity::Event;
use postern_domain::id::{PhoneId, SessionId};
use postern_domain::one_time_code::GUESSES_PER_CODE;
use postern_domain::phone_number::PhoneNumber;
use postern_domain::session::Session;
use postern_keys::VersionedMac;
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::change::{self, Change};
use crate::error::{StoreError, held};
use crate::guessed::{Guessed, KNOWN, forget_nobody_at, guessed_key, last_phone, never_forgotten};
use crate::record::{self, Key, number, single_key, string};
use crate::transaction::{Expression, Transaction};

/// A phone that waits for its code, beside the session that asked for it.
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
    /// Keeps what waits for a code. An older code to the same phone ends with it, and what was guessed at that one stays
    /// counted; but where that was too often, or is too long ago, this is another enrolment. One call, for that one two.
    pub async fn keep_pending_phone(
        &self,
        session: &SessionId,
        pending: &PendingPhone,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let goes_on = Expression::new(
            "attribute_not_exists(pk) OR (guesses < :most AND delete_at > :now)",
            [(":most", number(GUESSES_PER_CODE)), (":now", number(record::delete_at(now)))],
        );
        if !self.wait_for(session, pending, "if_not_exists(guesses, :none)", Some(goes_on)).await? {
            self.wait_for(session, pending, ":none", None).await?;
        }
        Ok(())
    }

    /// `false`: `condition` does not hold.
    async fn wait_for(
        &self,
        session: &SessionId,
        pending: &PendingPhone,
        guesses: &str,
        condition: Option<Expression>,
    ) -> Result<bool, StoreError> {
        let record = PendingRecord {
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
        let mut item = record::item(Key::new(), &record)?;
        item.remove("guesses");
        // Some of the names are words of `DynamoDB`'s own.
        let names = item.keys().map(|name| (format!("#{name}"), name.clone())).collect();
        let set: Vec<_> = item.keys().map(|name| format!("#{name} = :{name}")).collect();
        let values = item.into_iter().map(|(name, value)| (format!(":{name}"), value));
        let (condition, of_condition) = condition.map(|Expression { text, values }| (text, values)).unzip();
        let kept = self
            .client
            .update_item()
            .table_name(&self.attempts)
            .set_key(Some(pending_key(session, &pending.id)))
            .update_expression(format!("SET guesses = {guesses}, {}", set.join(", ")))
            .set_condition_expression(condition)
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(Some(values.chain(of_condition.unwrap_or_default()).collect()))
            .expression_attribute_values(":none", number(0))
            .send()
            .await;
        held(kept)
    }

    /// Counts a guess at the code of a phone that `session` waits for, and brings it. One call.
    pub async fn guess_pending_phone(
        &self,
        session: &SessionId,
        id: &PhoneId,
        now: Timestamp,
    ) -> Result<Result<PendingPhone, NotPending>, StoreError> {
        const WHAT: &str = "PHONE-ENROLMENT";
        let item = match self.count_pending(pending_key(session, id)).await? {
            Ok(item) => item,
            Err(Some(_)) => return Ok(Err(NotPending::OutOfGuesses)),
            Err(None) => return Ok(Err(NotPending::Unknown)),
        };
        let record: PendingRecord = record::read(item, WHAT)?;
        if record.expires_at <= now {
            return Ok(Err(NotPending::Expired));
        }
        let tag = record.tag.try_into().map_err(|_| StoreError::Corrupt(WHAT))?;
        Ok(Ok(PendingPhone {
            id: id.clone(),
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
        let key = pending_key(&new.proven.id, &phone.id);
        writes.delete_if(change::Condition::Spent, &self.attempts, key, same)?;
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

fn pending_key(session: &SessionId, phone: &PhoneId) -> Key {
    single_key(format!("PHONE-ENROLMENT#{session}#{phone}"))
}
