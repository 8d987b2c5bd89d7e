//! How things stand in the tables. Each record says the version of its form in `v`: README, "Records".

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use postern_domain::account::{
    Account, Authenticator, IssuedRecoveryCode, LineType, Methods, Passkey, Password, Phone,
};
use postern_domain::activity::{Event, What};
use postern_domain::admission::Proof;
use postern_domain::id::{AccountId, EventId, PasskeyId, PhoneId, SessionId};
use postern_domain::name::{Email, Locale, PasskeyName, Username};
use postern_domain::phone_number::PhoneNumber;
use postern_domain::session::{OVER_AFTER, Origin, Session};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;

pub type Item = HashMap<String, AttributeValue>;
pub type Key = HashMap<String, AttributeValue>;

/// The form of the records that this release writes. Raised only once the release before reads it ([`READS`]).
pub const WRITES: u32 = 1;

/// The newest form that this release reads; and every older one.
pub const READS: u32 = 1;

/// The attribute that says the version.
pub const VERSION: &str = "v";

/// Everything of an account that decisions rest on sorts from here on; its activity sorts before.
pub const FIRST_METHOD: &str = "AUTHENTICATOR";
/// Sorts after every method.
pub const PROFILE: &str = "PROFILE";
pub const PASSKEY: &str = "PASSKEY#";
pub const PHONE: &str = "PHONE#";
pub const ACTIVITY: &str = "ACTIVITY#";

/// How long an expired attempt stays before TTL takes it, beyond its own expiry.
const KEPT: SignedDuration = SignedDuration::from_hours(1);

pub fn string(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub fn number<N: ToString + Copy>(value: N) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// An instant as text that sorts: always with three digits of a second.
pub fn instant(at: Timestamp) -> String {
    format!("{at:.3}")
}

pub fn key(pk: impl Into<String>, sk: impl Into<String>) -> Key {
    HashMap::from([("pk".to_owned(), string(pk)), ("sk".to_owned(), string(sk))])
}

/// A key of `Attempts` or `RecoveryCodes`, which have no sort key.
pub fn single_key(pk: impl Into<String>) -> Key {
    HashMap::from([("pk".to_owned(), string(pk))])
}

/// A record as an item, at `key`.
pub fn item(key: Key, record: &impl Serialize) -> Result<Item, StoreError> {
    let mut item: Item = serde_dynamo::aws_sdk_dynamodb_1::to_item(record)
        .map_err(|_| StoreError::Corrupt("a record cannot be written"))?;
    item.retain(|_, value| !value.is_null());
    item.insert(VERSION.to_owned(), number(WRITES));
    item.extend(key);
    Ok(item)
}

pub fn read<T: DeserializeOwned>(item: Item, what: &'static str) -> Result<T, StoreError> {
    refuse_newer(&item, what)?;
    serde_dynamo::aws_sdk_dynamodb_1::from_item(item).map_err(|_| StoreError::Corrupt(what))
}

/// A record of a newer release's form is not guessed at: what it means now, this release does not know.
pub fn refuse_newer(item: &Item, what: &'static str) -> Result<(), StoreError> {
    match item.get(VERSION) {
        // Part of a record that has one.
        None => Ok(()),
        Some(AttributeValue::N(version)) => refuse_newer_version(version, what),
        Some(_) => Err(StoreError::Corrupt(what)),
    }
}

pub fn refuse_newer_version(version: &str, what: &'static str) -> Result<(), StoreError> {
    match version.parse() {
        Ok(version) if version > READS => Err(StoreError::Newer { what, version }),
        Ok(_) => Ok(()),
        Err(_) => Err(StoreError::Corrupt(what)),
    }
}

/// A value nested in a record, such as a session's proofs.
pub fn value(of: &impl Serialize) -> Result<AttributeValue, StoreError> {
    serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(of)
        .map_err(|_| StoreError::Corrupt("a value cannot be written"))
}

#[derive(Serialize, Deserialize)]
pub struct ProfileRecord {
    pub username: Username,
    pub email: Email,
    pub locale: Locale,
    pub created_at: Timestamp,
    /// Seconds since 1970: also the table's TTL attribute.
    pub forget_at: Option<i64>,
    pub generation: u64,
    pub revision: u64,
    pub recovery_issued_at: Option<Timestamp>,
    pub recovery_downloaded_at: Option<Timestamp>,
    /// The hash itself stands by the name ([`crate::guessed`]).
    pub password_changed_at: Option<Timestamp>,
    /// Its secret, too.
    pub authenticator_confirmed_at: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
pub struct PhoneRecord {
    pub number: PhoneNumber,
    pub country: String,
    pub line_type: LineType,
    pub verified_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
pub struct PasskeyRecord {
    /// `name` and `counter` are words of `DynamoDB`'s own.
    #[serde(rename = "label")]
    pub name: PasskeyName,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
    pub backup_eligible: bool,
    pub backed_up: bool,
    #[serde(rename = "sign_count")]
    pub counter: u32,
    pub provider: Option<String>,
    pub credential: String,
}

#[derive(Serialize, Deserialize)]
pub struct SessionRecord {
    /// The index `sessions-by-account` is keyed by this: no other record has it.
    pub session_account: AccountId,
    pub created_at: String,
    pub last_seen_at: Timestamp,
    pub origin: Origin,
    pub proofs: Vec<Proof>,
    pub generation: u64,
    pub place: String,
    pub user_agent: Option<String>,
    pub delete_at: i64,
}

#[derive(Serialize, Deserialize)]
pub struct ActivityRecord {
    pub id: EventId,
    pub account: AccountId,
    pub at: Timestamp,
    pub what: What,
    pub place: String,
}

/// `NAME#…` and `CREDENTIAL#…`: who has taken it.
#[derive(Serialize, Deserialize)]
pub struct MarkerRecord {
    pub account: AccountId,
    pub forget_at: Option<i64>,
}

/// `SPENT#…`: a challenge that made its success.
#[derive(Serialize, Deserialize)]
pub struct SpentRecord {
    pub delete_at: i64,
}

/// `PROVEN#…`: the first proof of a sign-in whose state the client had before it.
#[derive(Serialize, Deserialize)]
pub struct ProvenRecord {
    pub account: AccountId,
    pub proof: Proof,
    pub delete_at: i64,
}

/// `IDEMPOTENCY#…`: what a request's key stands for.
#[derive(Serialize, Deserialize)]
pub struct IdempotencyRecord {
    pub request: String,
    pub account: AccountId,
    /// The account's, after the request: while it is the same, nothing has come of the first answer.
    pub revision: u64,
    /// Seconds since 1970.
    pub expires_at: i64,
    pub delete_at: i64,
}

/// When TTL may take an attempt that expires at `at`.
pub fn delete_at(at: Timestamp) -> i64 {
    at.saturating_add(KEPT).map_or(i64::MAX, Timestamp::as_second)
}

pub fn session_key(id: &SessionId) -> Key {
    single_key(format!("SESSION#{id}"))
}

pub fn name_key(username: &Username) -> Key {
    key(format!("NAME#{}", username.as_str()), "NAME")
}

pub fn profile_key(account: &AccountId) -> Key {
    key(account.as_str(), PROFILE)
}

pub fn passkey_key(account: &AccountId, id: &PasskeyId) -> Key {
    key(account.as_str(), format!("{PASSKEY}{id}"))
}

pub fn phone_key(account: &AccountId, id: &PhoneId) -> Key {
    key(account.as_str(), format!("{PHONE}{id}"))
}

pub fn credential_key(id: &PasskeyId) -> Key {
    key(format!("CREDENTIAL#{id}"), "CREDENTIAL")
}

pub fn profile_item(account: &Account) -> Result<Item, StoreError> {
    let record = ProfileRecord {
        username: account.username.clone(),
        email: account.email.clone(),
        locale: account.locale.clone(),
        created_at: account.created_at,
        forget_at: account.forget_at.map(Timestamp::as_second),
        generation: account.generation,
        revision: account.revision,
        recovery_issued_at: account.recovery_code.as_ref().map(|code| code.issued_at),
        recovery_downloaded_at: account.recovery_code.as_ref().and_then(|code| code.downloaded_at),
        password_changed_at: account.methods.password.as_ref().map(|password| password.changed_at),
        authenticator_confirmed_at: account.methods.authenticator.as_ref().map(|app| app.confirmed_at),
    };
    item(profile_key(&account.id), &record)
}

pub fn passkey_item(account: &AccountId, passkey: &Passkey) -> Result<Item, StoreError> {
    let record = PasskeyRecord {
        name: passkey.name.clone(),
        created_at: passkey.created_at,
        last_used_at: passkey.last_used_at,
        backup_eligible: passkey.backup_eligible,
        backed_up: passkey.backed_up,
        counter: passkey.counter,
        provider: passkey.provider.clone(),
        credential: passkey.credential.clone(),
    };
    item(passkey_key(account, &passkey.id), &record)
}

pub fn phone_item(account: &AccountId, phone: &Phone) -> Result<Item, StoreError> {
    let record = PhoneRecord {
        number: phone.number.clone(),
        country: phone.country.clone(),
        line_type: phone.line_type,
        verified_at: phone.verified_at,
    };
    item(phone_key(account, &phone.id), &record)
}

/// An account as one value: the copy that stands beside an authenticator which is found by the name. Without
/// the passkeys' keys: nothing is verified with a copy.
pub fn known(account: &Account) -> Result<AttributeValue, StoreError> {
    let mut items = vec![profile_item(account)?];
    for passkey in &account.methods.passkeys {
        items.push(passkey_item(&account.id, &Passkey { credential: String::new(), ..passkey.clone() })?);
    }
    for phone in &account.methods.phones {
        items.push(phone_item(&account.id, phone)?);
    }
    Ok(AttributeValue::L(items.into_iter().map(AttributeValue::M).collect()))
}

/// Reads what [`known`] wrote.
pub fn account_known(id: &AccountId, known: AttributeValue) -> Result<Account, StoreError> {
    let AttributeValue::L(items) = known else { return Err(StoreError::Corrupt("known")) };
    let items = items
        .into_iter()
        .map(|item| match item {
            AttributeValue::M(item) => Ok(item),
            _ => Err(StoreError::Corrupt("known")),
        })
        .collect::<Result<_, _>>()?;
    account(id, items)?.ok_or(StoreError::Corrupt("known"))
}

pub fn session_item(session: &Session) -> Result<Item, StoreError> {
    let over = session.created_at.saturating_add(OVER_AFTER).unwrap_or(Timestamp::MAX);
    let record = SessionRecord {
        session_account: session.account.clone(),
        created_at: instant(session.created_at),
        last_seen_at: session.last_seen_at,
        origin: session.origin,
        proofs: session.proofs.clone(),
        generation: session.generation,
        place: session.place.clone(),
        user_agent: session.user_agent.clone(),
        delete_at: delete_at(over),
    };
    item(session_key(&session.id), &record)
}

pub fn activity_item(event: &Event) -> Result<Item, StoreError> {
    let record = ActivityRecord {
        id: event.id.clone(),
        account: event.account.clone(),
        at: event.at,
        what: event.what,
        place: event.place.clone(),
    };
    let sk = format!("{ACTIVITY}{}#{}", instant(event.at), event.id);
    item(key(event.account.as_str(), sk), &record)
}

pub fn session(id: SessionId, item: Item) -> Result<Session, StoreError> {
    let record: SessionRecord = read(item, "SESSION")?;
    Ok(Session {
        id,
        account: record.session_account,
        origin: record.origin,
        proofs: record.proofs,
        generation: record.generation,
        created_at: record.created_at.parse().map_err(|_| StoreError::Corrupt("SESSION"))?,
        last_seen_at: record.last_seen_at,
        place: record.place,
        user_agent: record.user_agent,
    })
}

pub fn event(record: ActivityRecord) -> Event {
    Event { id: record.id, account: record.account, at: record.at, what: record.what, place: record.place }
}

/// Puts an account together from the items of its partition. No profile: no account.
pub fn account(id: &AccountId, items: Vec<Item>) -> Result<Option<Account>, StoreError> {
    let mut profile: Option<ProfileRecord> = None;
    let mut methods = Methods::default();
    for item in items {
        let sk = item.get("sk").and_then(|sk| sk.as_s().ok()).cloned().unwrap_or_default();
        if sk == PROFILE {
            profile = Some(read(item, PROFILE)?);
        } else if let Some(passkey) = sk.strip_prefix(PASSKEY) {
            let passkey = passkey.parse().map_err(|_| StoreError::Corrupt("PASSKEY"))?;
            methods.passkeys.push(self::passkey(passkey, read(item, "PASSKEY")?));
        } else if let Some(phone) = sk.strip_prefix(PHONE) {
            let id = phone.parse().map_err(|_| StoreError::Corrupt("PHONE"))?;
            let PhoneRecord { number, country, line_type, verified_at } = read(item, "PHONE")?;
            methods.phones.push(Phone { id, number, country, line_type, verified_at });
        }
    }
    let Some(profile) = profile else { return Ok(None) };
    methods.password = profile.password_changed_at.map(|changed_at| Password { changed_at });
    methods.authenticator =
        profile.authenticator_confirmed_at.map(|confirmed_at| Authenticator { confirmed_at });
    methods.phones.sort_by(|a, b| a.verified_at.cmp(&b.verified_at).then_with(|| a.id.cmp(&b.id)));
    methods.passkeys.sort_by(|a, b| a.created_at.cmp(&b.created_at).then_with(|| a.id.cmp(&b.id)));
    let forget_at = profile.forget_at.map(Timestamp::from_second).transpose();
    Ok(Some(Account {
        id: id.clone(),
        username: profile.username,
        email: profile.email,
        locale: profile.locale,
        created_at: profile.created_at,
        forget_at: forget_at.map_err(|_| StoreError::Corrupt(PROFILE))?,
        generation: profile.generation,
        revision: profile.revision,
        methods,
        recovery_code: profile
            .recovery_issued_at
            .map(|issued_at| IssuedRecoveryCode { issued_at, downloaded_at: profile.recovery_downloaded_at }),
    }))
}

fn passkey(id: PasskeyId, record: PasskeyRecord) -> Passkey {
    Passkey {
        id,
        name: record.name,
        created_at: record.created_at,
        last_used_at: record.last_used_at,
        backup_eligible: record.backup_eligible,
        backed_up: record.backed_up,
        counter: record.counter,
        provider: record.provider,
        credential: record.credential,
    }
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
