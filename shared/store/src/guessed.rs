//! Authenticators that can be guessed: the password, the codes that are sent to a phone, and those of an app.
//!
//! They stand by the username (`NAME#…`), so that one write counts a guess and brings back all that it is
//! judged by: the secret, the count, and `known`, a copy of the account as it was last read. A copy may be
//! old; so every transaction that rests on one holds the account to the copy's revision, and meets
//! [`StoreError::Conflict`] when it moved. A name that nobody has gets the same record by the same write, with the copy of an
//! account that is not there and without a secret, and TTL takes it away.

use std::hint::black_box;
use std::sync::LazyLock;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use jiff::{SignedDuration, Timestamp};
use postern_domain::account::{Account, Channel, LineType, Methods, Password, Phone};
use postern_domain::guess::{DISABLED_AT, FREE_GUESSES, Guesses, Standing, locks};
use postern_domain::id::{AccountId, PhoneId, SignInId};
use postern_domain::name::{InvalidName, Locale, Username};
use postern_domain::one_time_code::GUESSES_PER_CODE;
use postern_domain::time_step::TimeStep;
use postern_http::Problem;
use postern_keys::VersionedMac;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::error::{StoreError, held};
use crate::record::{self, Item, Key, number, string};
use crate::transaction::{Expression, Transaction};

/// Which of an account's authenticators; also its sort key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guessed {
    Password,
    Phone,
    Authenticator,
    RecoveryCode,
    /// Codes to the account's address.
    Email,
}

impl Guessed {
    pub const fn sort_key(self) -> &'static str {
        match self {
            Self::Password => "PASSWORD",
            Self::Phone => "PHONE",
            Self::Authenticator => "AUTHENTICATOR",
            Self::RecoveryCode => "RECOVERY-CODE",
            Self::Email => "EMAIL",
        }
    }
}

/// A guess that was counted, or was not taken.
#[derive(Debug)]
pub enum Counted<T> {
    /// Counted: it may be looked at.
    Taken(Guess<T>),
    /// Locked or disabled: nothing was counted, and nothing may be looked at.
    Refused(Standing),
    /// The sign-in was used: nothing was counted.
    SignInOver,
}

impl<T> Counted<T> {
    /// The guess, where it may be looked at.
    ///
    /// # Errors
    ///
    /// 429 `locked`, the same for everyone, or 401 `sign_in_expired`.
    pub fn taken(self, now: Timestamp) -> Result<Guess<T>, Problem> {
        match self {
            Self::Taken(guess) => Ok(guess),
            Self::Refused(standing) => Err(Problem::locked(standing, now)),
            Self::SignInOver => Err(Problem::sign_in_expired()),
        }
    }
}

/// A guess at an authenticator.
#[derive(Debug)]
pub struct Guess<T> {
    /// With this one.
    pub guesses: Guesses,
    /// None: nobody has that name, or its account lacks the method.
    pub kept: Option<T>,
}

/// A password, and whose it is.
#[derive(Debug)]
pub struct KeptPassword {
    /// As [`crate::Store`] was given it.
    pub hash: SecretString,
    /// As it was last read.
    pub account: Account,
}

/// An authenticator app, and whose it is.
#[derive(Debug)]
pub struct KeptAuthenticator {
    /// Its secret, as [`crate::Store`] was given it.
    pub sealed: Vec<u8>,
    /// The latest step whose code was taken: neither it nor one before it is taken again.
    pub last_step: TimeStep,
    /// As it was last read.
    pub account: Account,
}

/// What is known of the codes that were sent to an account's phones.
#[derive(Debug)]
pub struct KeptPhones {
    /// As it was last read.
    pub account: Account,
    /// The code that this sign-in asked for last, while it takes guesses.
    pub code: Option<SentCode>,
}

/// A code on its way to a phone. Only its MAC is kept.
#[derive(Debug, Clone)]
pub struct SentCode {
    pub mac: VersionedMac,
    pub phone: PhoneId,
    pub channel: Channel,
    pub expires_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
pub struct CodeRecord {
    pub version: u32,
    #[serde(with = "serde_bytes")]
    pub tag: Vec<u8>,
    pub phone: PhoneId,
    pub channel: Channel,
    /// Milliseconds since 1970.
    pub expires_at: i64,
}

/// The part of these records that counts.
#[derive(Default, Deserialize)]
struct Count {
    #[serde(default)]
    streak: u64,
    #[serde(default)]
    failures: u64,
    /// Milliseconds since 1970.
    guessed_at: Option<i64>,
}

/// How long the count of a name that nobody has is kept from its first guess on: longer than a hundred
/// guesses take, so that it locks and is disabled as any other.
const NOBODY_KEPT: SignedDuration = SignedDuration::from_hours(24 * 400);

/// The attribute of the copy of the account.
pub const KNOWN: &str = "known";

/// What stands as [`KNOWN`] by a name that nobody has: as much as of an account with a password and a phone, so that writing
/// and reading it takes as long.
static NOBODY: LazyLock<AttributeValue> = LazyLock::new(|| {
    let nobody = nobody().ok().and_then(|nobody| record::known(&nobody).ok());
    nobody.unwrap_or(AttributeValue::Null(true))
});

fn nobody() -> Result<Account, InvalidName> {
    let number = "+12125550100".parse().ok();
    let phone = number.map(|number| Phone {
        id: PhoneId::from_bytes([0; 16]),
        number,
        country: "US".to_owned(),
        line_type: LineType::Mobile,
        verified_at: Timestamp::UNIX_EPOCH,
    });
    Ok(Account {
        id: nobody_id(),
        username: "nobody.at.all".parse()?,
        email: "nobody.at.all@nowhere.example".parse()?,
        locale: Locale::english(),
        created_at: Timestamp::UNIX_EPOCH,
        forget_at: None,
        generation: 0,
        revision: 0,
        methods: Methods {
            password: Some(Password { changed_at: Timestamp::UNIX_EPOCH }),
            phones: phone.into_iter().collect(),
            ..Methods::default()
        },
        recovery_code: None,
    })
}

fn nobody_id() -> AccountId {
    AccountId::from_bytes([0; 16])
}

/// Leaves the copy of the account that is there, or makes that of nobody: the end of a `SET`.
pub fn known_or_nobody() -> Expression {
    Expression::new(format!(", {KNOWN} = if_not_exists({KNOWN}, :nobody)"), [(":nobody", NOBODY.clone())])
}

/// The attribute of a password's hash; `hash` is a word of `DynamoDB`'s own.
pub const HASH: &str = "password_hash";

/// The attribute of an authenticator's sealed secret.
pub const SEALED: &str = "sealed";

/// The attribute of the latest step whose code was taken.
pub const LAST_STEP: &str = "last_step";

/// The attribute that names the sign-in which a code of the app ended last.
pub const ENDED: &str = "ended_sign_in";

/// The attribute that names the phone which was proven last.
pub const LAST_PHONE: &str = "last_phone";

/// The attribute that names the phone which was proven last of those that take texts. All take calls.
pub const LAST_FOR_TEXTS: &str = "last_for_texts";

/// Remembers `phone` as the one that was proven last: the end of a `SET`.
pub fn last_phone(phone: &Phone) -> Expression {
    let named = [(":phone", string(phone.id.as_str()))];
    let mut last = Expression::new(format!(", {LAST_PHONE} = :phone"), named);
    if phone.line_type.channels().contains(&Channel::Text) {
        last.push(format!(", {LAST_FOR_TEXTS} = :phone"));
    }
    last
}

/// What the name of each attribute begins with that holds a code.
pub const CODE: &str = "code_";

/// The attribute that holds the code of a sign-in.
pub fn code_attribute(sign_in: &SignInId) -> String {
    format!("{CODE}{}", hex(sign_in))
}

/// How many guesses had been made when the code of a sign-in went out.
pub fn before_attribute(sign_in: &SignInId) -> String {
    format!("before_{}", hex(sign_in))
}

fn hex(sign_in: &SignInId) -> String {
    hex::encode(sign_in.bytes().unwrap_or_default())
}

/// What `account` keeps as `which`, with nothing counted; `secret`: what a guess at it is judged by.
pub fn fresh_item<const N: usize>(
    account: &Account,
    which: Guessed,
    secret: [(&str, AttributeValue); N],
) -> Result<Item, StoreError> {
    let mut item = guessed_key(&account.username, which);
    let entries = [
        (record::VERSION, number(record::WRITES)),
        ("account", string(account.id.as_str())),
        ("streak", number(0)),
        ("failures", number(0)),
        ("guesses", number(0)),
        ("forget_at", never_forgotten()),
        (KNOWN, record::known(account)?),
    ];
    item.extend(entries.into_iter().chain(secret).map(|(name, value)| (name.to_owned(), value)));
    Ok(item)
}

pub fn guessed_key(username: &Username, which: Guessed) -> Key {
    record::key(format!("NAME#{}", username.as_str()), which.sort_key())
}

/// `forget_at`, the table's TTL attribute, of a record that is somebody's: no number, and so never due.
pub fn never_forgotten() -> AttributeValue {
    AttributeValue::Null(true)
}

pub fn forget_nobody_at(now: Timestamp) -> AttributeValue {
    number(now.saturating_add(NOBODY_KEPT).map_or(i64::MAX, Timestamp::as_second))
}

/// The authenticator takes a guess at `now`: neither locked nor disabled.
pub fn open_at(now: Timestamp) -> Expression {
    let mut open = Expression::new(
        "(attribute_not_exists(failures) OR failures < :disabled) AND \
         (attribute_not_exists(guessed_at) OR streak < :free",
        [(":disabled", number(DISABLED_AT)), (":free", number(FREE_GUESSES))],
    );
    let locks = locks();
    for (place, (streak, lock)) in locks.iter().enumerate() {
        let compared = if place + 1 == locks.len() { ">=" } else { "=" };
        let opened = now.saturating_sub(*lock).unwrap_or(Timestamp::MIN).as_millisecond();
        open.push(format!(" OR (streak {compared} :streak{place} AND guessed_at <= :open{place})"));
        open.values.extend([
            (format!(":streak{place}"), number(*streak)),
            (format!(":open{place}"), number(opened)),
        ]);
    }
    open.push(")");
    open
}

/// Counts a guess, also where there is nothing to guess at yet.
pub fn one_more_at(now: Timestamp) -> Expression {
    Expression::new(
        "SET streak = if_not_exists(streak, :none) + :one, failures = if_not_exists(failures, :none) + :one, \
         guessed_at = :now, forget_at = if_not_exists(forget_at, :forget)",
        [
            (":none", number(0)),
            (":one", number(1)),
            (":now", number(now.as_millisecond())),
            (":forget", forget_nobody_at(now)),
        ],
    )
}

/// As far as this record knows, `sign_in` has not ended.
fn unused(which: Guessed, sign_in: &SignInId) -> Expression {
    match which {
        Guessed::Password | Guessed::Phone | Guessed::RecoveryCode | Guessed::Email => {
            Expression::new(format!("attribute_not_exists({}.used)", code_attribute(sign_in)), [])
        }
        Guessed::Authenticator => Expression::new(
            format!("attribute_not_exists({ENDED}) OR {ENDED} <> :sign_in"),
            [(":sign_in", string(sign_in.as_str()))],
        ),
    }
}

fn is_used(which: Guessed, sign_in: &SignInId, item: &Item) -> bool {
    match which {
        Guessed::Password | Guessed::Phone | Guessed::RecoveryCode | Guessed::Email => {
            let code = item.get(&code_attribute(sign_in)).and_then(|code| code.as_m().ok());
            code.is_some_and(|code| code.contains_key("used"))
        }
        Guessed::Authenticator => {
            item.get(ENDED).and_then(|ended| ended.as_s().ok()).is_some_and(|ended| ended == sign_in.as_str())
        }
    }
}

pub fn guesses_of(item: &Item) -> Result<Guesses, StoreError> {
    let Count { streak, failures, guessed_at } = record::read(item.clone(), "guesses")?;
    let last_at = guessed_at.map(Timestamp::from_millisecond).transpose();
    Ok(Guesses { streak, failures, last_at: last_at.map_err(|_| StoreError::Corrupt("guesses"))? })
}

/// The account that a record is of, as it was last read.
pub fn account_of(item: &mut Item) -> Result<Option<Account>, StoreError> {
    let Some(known) = item.remove(KNOWN) else { return Ok(None) };
    let Some(id) = item.get("account") else {
        // Nobody's is read all the same: the time that it takes tells nothing.
        black_box(record::account_known(&nobody_id(), known)?);
        return Ok(None);
    };
    let id: AccountId = id.as_s().ok().and_then(|id| id.parse().ok()).ok_or(StoreError::Corrupt("known"))?;
    record::account_known(&id, known).map(Some)
}

/// The code of `sign_in`, while it is good and this guess is one of those that it takes.
fn code_of(item: &mut Item, sign_in: &SignInId, now: Timestamp) -> Result<Option<SentCode>, StoreError> {
    const WHAT: &str = "code";
    let Some(code) = item.remove(&code_attribute(sign_in)) else { return Ok(None) };
    let AttributeValue::M(code) = code else { return Err(StoreError::Corrupt(WHAT)) };
    let CodeRecord { version, tag, phone, channel, expires_at } = record::read(code, WHAT)?;
    let expires_at = Timestamp::from_millisecond(expires_at).map_err(|_| StoreError::Corrupt(WHAT))?;
    let tag = tag.try_into().map_err(|_| StoreError::Corrupt(WHAT))?;
    let code = SentCode { mac: VersionedMac { version, tag }, phone, channel, expires_at };
    Ok(is_good(item, sign_in, expires_at, now)?.then_some(code))
}

/// Whether the code of `sign_in` is good, and this guess is one of those that it takes.
pub fn is_good(
    item: &Item,
    sign_in: &SignInId,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let counted = |name: &str| natural(item.get(name)).ok_or(StoreError::Corrupt("code"));
    let (total, before) = (counted("guesses")?, counted(&before_attribute(sign_in))?);
    Ok(now < expires_at && total.saturating_sub(before) <= GUESSES_PER_CODE)
}

fn natural(value: Option<&AttributeValue>) -> Option<u64> {
    value?.as_n().ok()?.parse().ok()
}

impl Store {
    /// Counts a guess at the password of `username`, and brings it. One call, whoever has the name.
    pub async fn guess_password(
        &self,
        username: &Username,
        now: Timestamp,
    ) -> Result<Counted<KeptPassword>, StoreError> {
        let kept = |item: &mut Item| {
            let hash = item.remove(HASH).and_then(|hash| hash.as_s().ok().cloned());
            let kept = hash.zip(account_of(item)?);
            Ok(kept.map(|(hash, account)| KeptPassword { hash: hash.into(), account }))
        };
        self.count_guess(username, Guessed::Password, None, now, kept).await
    }

    /// Counts a guess at the code that `sign_in` asked for, and brings it. One call, whoever has the name.
    pub async fn guess_phone_code(
        &self,
        username: &Username,
        sign_in: &SignInId,
        now: Timestamp,
    ) -> Result<Counted<KeptPhones>, StoreError> {
        let kept = |item: &mut Item| {
            let code = code_of(item, sign_in, now)?;
            Ok(account_of(item)?.map(|account| KeptPhones { account, code }))
        };
        self.count_guess(username, Guessed::Phone, Some(sign_in), now, kept).await
    }

    /// Counts a guess at the code of an authenticator app, and brings what it is judged by. One call, whoever has the name.
    pub async fn guess_authenticator(
        &self,
        username: &Username,
        sign_in: &SignInId,
        now: Timestamp,
    ) -> Result<Counted<KeptAuthenticator>, StoreError> {
        let kept = |item: &mut Item| {
            const WHAT: &str = "AUTHENTICATOR";
            let account = account_of(item)?;
            let Some(sealed) = item.remove(SEALED) else { return Ok(None) };
            let AttributeValue::B(sealed) = sealed else { return Err(StoreError::Corrupt(WHAT)) };
            let last_step = natural(item.get(LAST_STEP)).ok_or(StoreError::Corrupt(WHAT))?;
            let account = account.ok_or(StoreError::Corrupt(WHAT))?;
            let (sealed, last_step) = (sealed.into_inner(), TimeStep::new(last_step));
            Ok(Some(KeptAuthenticator { sealed, last_step, account }))
        };
        self.count_guess(username, Guessed::Authenticator, Some(sign_in), now, kept).await
    }

    /// Counts a guess, and brings what `kept` makes of the record that it is counted in.
    pub(crate) async fn count_guess<K>(
        &self,
        username: &Username,
        which: Guessed,
        sign_in: Option<&SignInId>,
        now: Timestamp,
        kept: impl FnOnce(&mut Item) -> Result<Option<K>, StoreError>,
    ) -> Result<Counted<K>, StoreError> {
        let mut open = open_at(now);
        if let Some(sign_in) = sign_in {
            open = unused(which, sign_in).and(open);
        }
        let mut one_more = one_more_at(now).versioned();
        one_more.push(", guesses = if_not_exists(guesses, :none) + :one");
        let known = known_or_nobody();
        one_more.push(known.text);
        open.values.extend(one_more.values.into_iter().chain(known.values));
        let counted = self
            .client
            .update_item()
            .table_name(&self.accounts)
            .set_key(Some(guessed_key(username, which)))
            .update_expression(one_more.text)
            .condition_expression(open.text)
            .set_expression_attribute_values(Some(open.values))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match counted {
            Ok(counted) => {
                let mut item = counted.attributes.unwrap_or_default();
                Ok(Counted::Taken(Guess { guesses: guesses_of(&item)?, kept: kept(&mut item)? }))
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    let item = failed.item.as_ref().ok_or(StoreError::Conflict)?;
                    if sign_in.is_some_and(|sign_in| is_used(which, sign_in, item)) {
                        return Ok(Counted::SignInOver);
                    }
                    Ok(Counted::Refused(refusal(guesses_of(item)?, now)))
                }
                _ => Err(StoreError::unavailable("UpdateItem", &error)),
            },
        }
    }

    /// Lifts the locks of what can be guessed of `account`, but for `proven`: its owner showed otherwise. The
    /// counts towards disabling go on.
    pub(crate) fn lift_locks<C: Copy>(
        &self,
        writes: &mut Transaction<C>,
        name: C,
        account: &Account,
        proven: Option<Guessed>,
    ) -> Result<(), StoreError> {
        let has = [
            (Guessed::Password, account.methods.password.is_some()),
            (Guessed::Phone, !account.methods.phones.is_empty()),
            (Guessed::Authenticator, account.methods.authenticator.is_some()),
            (Guessed::RecoveryCode, account.recovery_code.is_some()),
        ];
        for (which, _) in has.into_iter().filter(|(which, has)| *has && Some(*which) != proven) {
            let lifted = Expression::new("SET streak = :none REMOVE guessed_at", [(":none", number(0))]);
            let key = guessed_key(&account.username, which);
            writes.update_if(name, &self.accounts, key, lifted, Expression::present())?;
        }
        Ok(())
    }

    /// Whether the password of `username` was guessed at so often that it has to be set anew. One call.
    pub async fn password_is_disabled(&self, username: &Username) -> Result<bool, StoreError> {
        let disabled = self
            .client
            .update_item()
            .table_name(&self.accounts)
            .set_key(Some(guessed_key(username, Guessed::Password)))
            .update_expression("SET failures = failures")
            .condition_expression("failures >= :disabled")
            .expression_attribute_values(":disabled", number(DISABLED_AT))
            .send()
            .await;
        held(disabled)
    }

    /// The password was right, and nothing more comes of it: its count starts anew. One call.
    ///
    /// [`StoreError::Conflict`]: there is no password any more.
    pub async fn password_was_right(&self, username: &Username) -> Result<(), StoreError> {
        let reset = self
            .client
            .update_item()
            .table_name(&self.accounts)
            .set_key(Some(guessed_key(username, Guessed::Password)))
            .update_expression("SET streak = :none, failures = :none REMOVE guessed_at")
            .condition_expression(format!("attribute_exists({HASH})"))
            .expression_attribute_values(":none", number(0))
            .send()
            .await;
        if held(reset)? { Ok(()) } else { Err(StoreError::Conflict) }
    }

    /// What a lock writes where nobody is to be told of it: as much as the account's activity would be, so
    /// that the answer takes as long. One call.
    pub async fn note_nobody(&self, username: &Username, now: Timestamp) -> Result<(), StoreError> {
        #[derive(Serialize)]
        struct Locked {
            delete_at: i64,
        }
        let locked = Locked { delete_at: record::delete_at(now) };
        let key = record::single_key(format!("LOCKED#{}", username.as_str()));
        self.put(&self.attempts, record::item(key, &locked)?).await
    }
}

/// Why a guess was not taken. A lock that ended between two clocks is about to end.
pub fn refusal(guesses: Guesses, now: Timestamp) -> Standing {
    match guesses.standing(now) {
        Standing::Open => Standing::LockedUntil(now),
        closed @ (Standing::LockedUntil(_) | Standing::Disabled) => closed,
    }
}
