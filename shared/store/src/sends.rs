//! Sending codes: the limits, counted before anything goes out, each a window that slides.
//!
//! A window is kept as the instants of the last sends, `sent0` the newest. One conditional write checks the
//! window and moves it on, so that of a hundred at once as many pass as may. What all sends of a country or
//! a deployment share is counted by the hour and in shards, so that no two sends wait for each other.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use postern_domain::account::Account;
use postern_domain::guess::Standing;
use postern_domain::id::{AccountId, PhoneId, SignInId};
use postern_domain::name::Username;
use postern_domain::send_limit::{self, LOOKUPS, Limit, PER_ACCOUNT, PER_ADDRESS, PER_NUMBER, RESEND_AFTER};
use serde::Deserialize;

use crate::Store;
use crate::change::unchanged;
use crate::enrolment::spent_key;
use crate::error::StoreError;
use crate::guessed::{
    CODE, CodeRecord, Guessed, LAST_FOR_TEXTS, LAST_PHONE, SentCode, account_of, before_attribute,
    code_attribute, forget_nobody_at, guessed_key, guesses_of, known_or_nobody, open_at,
};
use crate::record::{self, Item, Key, number, single_key};
use crate::transaction::{Expression, Failed, Transaction};

/// How many codes may go out from the whole deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeploymentLimits {
    /// In an hour.
    pub sends: u64,
    /// In an hour, to numbers of one country.
    pub sends_per_country: u64,
}

/// Who asks for a code, and where it goes: what the limits are counted by. Digests, not the values.
#[derive(Debug, Clone)]
pub struct Sending {
    pub username: Username,
    /// A MAC of the number.
    pub number: [u8; 32],
    /// A MAC of the name, before any proof. A name is then as one number, whatever phones it has: else a text and a call
    /// at once would tell an account with two numbers, or one for calls alone, from a name that nobody has.
    pub name: Option<[u8; 32]>,
    /// A MAC of the caller's address.
    pub address: [u8; 32],
    /// ISO 3166 country of the number.
    pub country: String,
    /// None: limits per address and for the deployment are lifted.
    pub limits: Option<DeploymentLimits>,
}

/// A code for a sign-in that is about to be sent.
pub struct SignInCode<'a> {
    pub sending: &'a Sending,
    pub sign_in: &'a SignInId,
    /// As it was read; none for a name that nobody has.
    pub account: Option<&'a Account>,
    /// Stands for the account where there is none.
    pub nobody: &'a AccountId,
    pub code: &'a SentCode,
    /// Attributes of codes that are over: they are cleared away.
    pub over: &'a [String],
}

/// What stands by a name for codes by phone.
#[derive(Debug, Default)]
pub struct PhonesOf {
    /// As it was last read; none for a name that nobody has, or an account without phones.
    pub account: Option<Account>,
    /// The phone that was proven last, and the last of those that take texts.
    pub last: Vec<PhoneId>,
    /// Attributes of codes that are over.
    pub over: Vec<String>,
    /// Attributes of codes.
    codes: Vec<String>,
}

impl PhonesOf {
    /// Whether a code went out for `sign_in` before.
    #[must_use]
    pub fn has_code_for(&self, sign_in: &SignInId) -> bool {
        self.codes.contains(&code_attribute(sign_in))
    }
}

/// Why nothing may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotNow {
    /// A limit is reached until then.
    Limited(Timestamp),
    /// Codes are locked: none would be looked at.
    Locked(Standing),
    /// The sign-in is used.
    SignInOver,
}

/// The conditions of a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    Account,
    /// Likewise, of an enrolment: no lock is in its way.
    Enrolment,
    Number,
    Address,
    Country,
    Deployment,
    Lookup,
    Profile,
    SignIn,
}

/// What one hour's counts of a country or the deployment are spread over, at most.
const SHARDS: u64 = 16;

/// Fewer sends are not spread so thinly: where many numbers share a small count, some would find theirs
/// used up while others are left over.
const LEAST_OF_A_SHARD: u64 = 50;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

impl Store {
    /// What a send by `username` rests on. One call, whoever has the name.
    pub async fn phones_of(&self, username: &Username, now: Timestamp) -> Result<PhonesOf, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.accounts)
            .set_key(Some(guessed_key(username, Guessed::Phone)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| StoreError::unavailable("GetItem", &error))?;
        let Some(mut item) = found.item else { return Ok(PhonesOf::default()) };
        record::refuse_newer(&item, "PHONE")?;
        let over = codes_over(&item, now);
        let id = |name| item.get(name).and_then(|id| id.as_s().ok()?.parse().ok());
        let last = [LAST_PHONE, LAST_FOR_TEXTS].into_iter().filter_map(id).collect();
        let codes = item.keys().filter(|name| name.starts_with(CODE)).cloned().collect();
        Ok(PhonesOf { account: account_of(&mut item)?, last, over, codes })
    }

    /// Counts a send for a sign-in and keeps its code, or does neither. One call.
    ///
    /// [`StoreError::Conflict`]: the account is not as it was read.
    pub async fn send_for_sign_in(
        &self,
        new: SignInCode<'_>,
        now: Timestamp,
    ) -> Result<Result<(), NotNow>, StoreError> {
        let mut writes = Transaction::new();
        let (code, before) = (code_attribute(new.sign_in), before_attribute(new.sign_in));
        let record = CodeRecord {
            version: new.code.mac.version,
            tag: new.code.mac.tag.to_vec(),
            phone: new.code.phone.clone(),
            channel: new.code.channel,
            expires_at: new.code.expires_at.as_millisecond(),
        };
        // A newer code ends the older one, and the guesses go on being counted.
        let mut change = moved(PER_ACCOUNT, now);
        change.push(format!(
            ", {code} = :code, {before} = if_not_exists(guesses, :none), forget_at = if_not_exists(forget_at, :forget)"
        ));
        let known = known_or_nobody();
        change.push(known.text);
        change.values.extend(known.values);
        let over =
            new.over.iter().filter(|name| **name != code && **name != before).cloned().collect::<Vec<_>>();
        if !over.is_empty() {
            change.push(" REMOVE ");
            change.push(over.join(", "));
        }
        change.values.extend([
            (":code".to_owned(), record::value(&record)?),
            (":none".to_owned(), number(0)),
            (":forget".to_owned(), forget_nobody_at(now)),
        ]);
        let key = guessed_key(&new.sending.username, Guessed::Phone);
        let free = free(PER_ACCOUNT, now).and(open_at(now));
        writes.update_if(Condition::Account, &self.accounts, key, change, free)?;
        self.count_send(&mut writes, new.sending, now)?;
        let held = new.account.map_or_else(Expression::absent, unchanged);
        let profile = record::profile_key(new.account.map_or(new.nobody, |account| &account.id));
        writes.check(Condition::Profile, &self.accounts, profile, held)?;
        writes.check(
            Condition::SignIn,
            &self.attempts,
            spent_key(new.sign_in.as_str()),
            Expression::absent(),
        )?;
        outcome(writes.commit(&self.client).await?, now)
    }

    /// Counts what the sends of a number, an address, a country and the deployment have in common.
    pub(crate) fn count_send(
        &self,
        writes: &mut Transaction<Condition>,
        sending: &Sending,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let number_key = limit_key("NUMBER", &hex::encode(sending.number));
        self.count_window(writes, Condition::Number, number_key, PER_NUMBER, now)?;
        if let Some(name) = &sending.name {
            self.count_window(writes, Condition::Number, name_window(name), PER_NUMBER, now)?;
        }
        let Some(limits) = sending.limits else { return Ok(()) };
        let address_key = limit_key("ADDRESS", &hex::encode(sending.address));
        self.count_window(writes, Condition::Address, address_key, PER_ADDRESS, now)?;
        let country = format!("COUNTRY#{}", sending.country);
        self.count_hour(
            writes,
            Condition::Country,
            &country,
            &sending.number,
            limits.sends_per_country,
            now,
        )?;
        self.count_hour(writes, Condition::Deployment, "ALL", &sending.number, limits.sends, now)
    }

    /// Counts what all have in common, `most` in an hour. `by`: spreads the count.
    pub(crate) fn count_hour<C: Copy>(
        &self,
        writes: &mut Transaction<C>,
        name: C,
        what: &str,
        by: &[u8; 32],
        most: u64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let hour = now.as_second().div_euclid(3600);
        let change = Expression::new(
            "SET delete_at = :delete ADD sends :one",
            [(":one", number(1)), (":delete", number(record::delete_at(next_hour(now))))],
        );
        let (shard, portion) = shard(by.first().map_or(0, |byte| u64::from(*byte)), most);
        let none_yet = if portion > 0 { "attribute_not_exists(sends) OR " } else { "" };
        let fits = Expression::new(format!("{none_yet}sends < :most"), [(":most", number(portion))]);
        let key = single_key(format!("LIMIT#{what}#{hour}#{shard}"));
        writes.update_if(name, &self.attempts, key, change, fits)
    }

    /// Counts a send for an enrolment, and the lookup of its number, or does neither. One call.
    pub async fn count_enrolment(
        &self,
        account: &AccountId,
        sending: &Sending,
        now: Timestamp,
    ) -> Result<Result<(), NotNow>, StoreError> {
        let mut writes = Transaction::new();
        let mut change = moved(PER_ACCOUNT, now);
        change.push(", forget_at = if_not_exists(forget_at, :forget)");
        change.values.insert(":forget".to_owned(), forget_nobody_at(now));
        let key = guessed_key(&sending.username, Guessed::Phone);
        writes.update_if(Condition::Enrolment, &self.accounts, key, change, free(PER_ACCOUNT, now))?;
        self.count_send(&mut writes, sending, now)?;
        self.count_window(
            &mut writes,
            Condition::Lookup,
            limit_key("LOOKUP", account.as_str()),
            LOOKUPS,
            now,
        )?;
        outcome(writes.commit(&self.client).await?, now)
    }

    /// Takes a count back from the number and the account, where nothing was sent after all, so that another try
    /// need not wait. One call.
    pub async fn uncount_send(&self, sending: &Sending, now: Timestamp) -> Result<(), StoreError> {
        self.uncount(sending, Guessed::Phone, now).await
    }

    /// The same of a code by email. One call.
    pub async fn uncount_email(&self, sending: &Sending, now: Timestamp) -> Result<(), StoreError> {
        self.uncount(sending, Guessed::Email, now).await
    }

    async fn uncount(&self, sending: &Sending, which: Guessed, now: Timestamp) -> Result<(), StoreError> {
        #[derive(Clone, Copy)]
        struct StillNewest;
        let mut writes = Transaction::new();
        let windows = [
            (&self.attempts, limit_key("NUMBER", &hex::encode(sending.number)), PER_NUMBER),
            (&self.accounts, guessed_key(&sending.username, which), PER_ACCOUNT),
        ];
        let name = sending.name.iter().map(|name| (&self.attempts, name_window(name), PER_NUMBER));
        for (table, key, limits) in windows.into_iter().chain(name) {
            let newest = Expression::new("sent0 = :sent", [(":sent", number(now.as_millisecond()))]);
            writes.update_if(StillNewest, table, key, moved_back(limits), newest)?;
        }
        // Another send came between: then the count stays.
        writes.commit(&self.client).await.map(|_| ())
    }

    pub(crate) fn count_window<C: Copy>(
        &self,
        writes: &mut Transaction<C>,
        name: C,
        key: Key,
        limits: &[Limit],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let within = limits.iter().map(|limit| limit.within).max().unwrap_or(HOUR);
        let over = now.saturating_add(within).unwrap_or(Timestamp::MAX);
        let mut change = moved(limits, now);
        change.push(", delete_at = :delete");
        change.values.insert(":delete".to_owned(), number(record::delete_at(over)));
        writes.update_if(name, &self.attempts, key, change, free(limits, now))
    }
}

/// What the lost conditions of a send come to: the latest of the limits, before anything else is tried again.
pub fn outcome(failed: Vec<Failed<Condition>>, now: Timestamp) -> Result<Result<(), NotNow>, StoreError> {
    let mut until: Option<Timestamp> = None;
    let mut stale = false;
    for Failed { condition, item } in failed {
        let item = item.unwrap_or_default();
        let free = match condition {
            Condition::SignIn => return Ok(Err(NotNow::SignInOver)),
            Condition::Profile => {
                stale = true;
                continue;
            }
            Condition::Account => {
                let standing = guesses_of(&item)?.standing(now);
                if standing != Standing::Open {
                    return Ok(Err(NotNow::Locked(standing)));
                }
                send_limit::free_at(PER_ACCOUNT, &sent(&item))
            }
            Condition::Enrolment => send_limit::free_at(PER_ACCOUNT, &sent(&item)),
            Condition::Number => send_limit::free_at(PER_NUMBER, &sent(&item)),
            Condition::Address => send_limit::free_at(PER_ADDRESS, &sent(&item)),
            Condition::Lookup => send_limit::free_at(LOOKUPS, &sent(&item)),
            Condition::Country | Condition::Deployment => Some(next_hour(now)),
        };
        // A limit that ended between two clocks is about to end.
        until = until.max(Some(free.unwrap_or(now).max(now)));
    }
    match until {
        Some(until) => Ok(Err(NotNow::Limited(until))),
        None if stale => Err(StoreError::Conflict),
        None => Ok(Ok(())),
    }
}

/// Another code to the number, at the earliest.
#[must_use]
pub fn resend_at(now: Timestamp) -> Timestamp {
    now.saturating_add(RESEND_AFTER).unwrap_or(Timestamp::MAX)
}

pub fn next_hour(now: Timestamp) -> Timestamp {
    let hour = now.as_second().div_euclid(3600).saturating_add(1);
    Timestamp::from_second(hour.saturating_mul(3600)).unwrap_or(Timestamp::MAX)
}

/// Which shard of a count of `most` is used, and how much of it is that shard's: all of them together are `most`.
fn shard(spread: u64, most: u64) -> (u64, u64) {
    let shards = (most / LEAST_OF_A_SHARD).clamp(1, SHARDS);
    let shard = spread % shards;
    (shard, most / shards + u64::from(shard < most % shards))
}

fn name_window(name: &[u8; 32]) -> Key {
    limit_key("NAME", &hex::encode(name))
}

pub fn limit_key(what: &str, digest: &str) -> Key {
    single_key(format!("LIMIT#{what}#{digest}"))
}

/// Every limit lets one more go at `now`.
pub fn free(limits: &[Limit], now: Timestamp) -> Expression {
    let mut conditions = Vec::new();
    let mut values = Vec::new();
    for limit in limits {
        let place = limit.times.saturating_sub(1);
        conditions.push(format!("(attribute_not_exists(sent{place}) OR sent{place} <= :sent{place})"));
        let bound = now.saturating_sub(limit.within).unwrap_or(Timestamp::MIN);
        values.push((format!(":sent{place}"), number(bound.as_millisecond())));
    }
    Expression { text: conditions.join(" AND "), values: values.into_iter().collect() }
}

/// Moves a window on by a send at `now`. Every right-hand side is what stood before the write.
pub fn moved(limits: &[Limit], now: Timestamp) -> Expression {
    let mut moved =
        Expression::new("SET sent0 = :sent", [(":sent", number(now.as_millisecond())), (":never", never())]);
    for place in 1..send_limit::reach(limits) {
        moved.push(format!(", sent{place} = if_not_exists(sent{}, :never)", place - 1));
    }
    moved
}

/// Moves a window back by its newest send.
fn moved_back(limits: &[Limit]) -> Expression {
    let last = send_limit::reach(limits).saturating_sub(1);
    let mut moved = Expression::new(format!("SET sent{last} = :never"), [(":never", never())]);
    for place in 0..last {
        moved.push(format!(", sent{place} = if_not_exists(sent{}, :never)", place + 1));
    }
    moved
}

fn never() -> AttributeValue {
    number(Timestamp::UNIX_EPOCH.as_millisecond())
}

/// The instants of a window, the newest first.
pub fn sent(item: &Item) -> Vec<Timestamp> {
    (0..)
        .map_while(|place| item.get(&format!("sent{place}"))?.as_n().ok()?.parse().ok())
        .map_while(|millis| Timestamp::from_millisecond(millis).ok())
        .collect()
}

/// The attributes of codes that are over, with what belongs to them.
pub fn codes_over(item: &Item, now: Timestamp) -> Vec<String> {
    #[derive(Deserialize)]
    struct Expiry {
        expires_at: i64,
    }
    let mut over = Vec::new();
    for (name, value) in item {
        let Some(sign_in) = name.strip_prefix(CODE) else { continue };
        let expiry = value.as_m().ok().and_then(|code| record::read::<Expiry>(code.clone(), "code").ok());
        if expiry.is_none_or(|expiry| expiry.expires_at <= now.as_millisecond()) {
            over.extend([name.clone(), format!("before_{sign_in}")]);
        }
    }
    over
}

#[cfg(test)]
#[path = "sends_tests.rs"]
mod tests;
