//! Recovering by a code that was sent to the account's address, as long as email recovers anything.
//!
//! The codes stand by the username, as those to phones do, and are guessed at in the same ladder. Nothing lifts a lock of
//! theirs but time: a record is there only once somebody has asked for a code.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use postern_domain::account::Account;
use postern_domain::id::{AccountId, SignInId};
use postern_domain::name::Username;
use postern_domain::send_limit::PER_ACCOUNT;
use postern_keys::VersionedMac;
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::change::unchanged;
use crate::error::StoreError;
use crate::guessed::{
    Counted, Guessed, KNOWN, account_of, before_attribute, code_attribute, forget_nobody_at, guessed_key,
    is_good, known_or_nobody, never_forgotten, open_at,
};
use crate::record::{self, Item, number};
use crate::sends::{Condition as SendCondition, NotNow, Sending, codes_over, free, moved, outcome};
use crate::sign_in::Recovery;
use crate::transaction::{Expression, Transaction};

/// Whom a code by email goes to.
#[derive(Debug, Default)]
pub struct Addressee {
    /// None: nobody has that name.
    pub account: Option<Account>,
    /// Attributes of codes that are over.
    pub over: Vec<String>,
}

/// A code on its way to an account's address. Only its MAC is kept.
#[derive(Debug, Clone)]
pub struct EmailedCode {
    pub mac: VersionedMac,
    pub expires_at: Timestamp,
}

/// A code by email that is about to be sent.
pub struct RecoveryEmail<'a> {
    pub sending: &'a Sending,
    pub recovery: &'a SignInId,
    /// As it was read; none for a name that nobody has.
    pub account: Option<&'a Account>,
    /// Stands for the account where there is none.
    pub nobody: &'a AccountId,
    pub code: &'a EmailedCode,
    /// Attributes of codes that are over: they are cleared away.
    pub over: &'a [String],
}

/// What is known of the codes that were sent to an account's address.
#[derive(Debug)]
pub struct KeptEmails {
    /// As it was when the last code was sent.
    pub account: Account,
    /// The code of this recovery, while it takes guesses.
    pub code: Option<EmailedCode>,
}

/// A right code, and the recovery that it makes.
pub struct EmailRecovery<'a> {
    pub makes: Recovery<'a>,
    pub recovery: &'a SignInId,
    pub code: &'a EmailedCode,
}

#[derive(Serialize, Deserialize)]
struct EmailedRecord {
    version: u32,
    #[serde(with = "serde_bytes")]
    tag: Vec<u8>,
    /// Milliseconds since 1970.
    expires_at: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Code,
    Profile,
}

impl Store {
    /// Who has `username`. Two calls, whether or not anybody has.
    pub async fn addressee(
        &self,
        username: &Username,
        nobody: &AccountId,
        now: Timestamp,
    ) -> Result<Addressee, StoreError> {
        let keys = vec![record::name_key(username), guessed_key(username, Guessed::Email)];
        let mut found = self.get_together([(&self.accounts, keys)]).await?;
        let items = found.remove(&self.accounts).unwrap_or_default();
        let of = |kind: &str| {
            items
                .iter()
                .find(|item| item.get("sk").and_then(|sk| sk.as_s().ok()).is_some_and(|sk| sk == kind))
        };
        for item in &items {
            record::refuse_newer(item, "NAME")?;
        }
        let id = of("NAME").and_then(|marker| marker.get("account")?.as_s().ok()?.parse().ok());
        let over = of(Guessed::Email.sort_key()).map(|item| codes_over(item, now)).unwrap_or_default();
        let account = self.account(id.as_ref().unwrap_or(nobody), now).await?;
        // Of an account that was forgotten, and not yet taken away, the name says nothing.
        let account = account.filter(|account| account.username == *username);
        Ok(Addressee { account, over })
    }

    /// Counts a send and keeps its code, or does neither. One call.
    ///
    /// [`StoreError::Conflict`]: the account is not as it was read.
    pub async fn send_for_recovery(
        &self,
        new: RecoveryEmail<'_>,
        now: Timestamp,
    ) -> Result<Result<(), NotNow>, StoreError> {
        let mut writes = Transaction::new();
        let (code, before) = (code_attribute(new.recovery), before_attribute(new.recovery));
        let record = EmailedRecord {
            version: new.code.mac.version,
            tag: new.code.mac.tag.to_vec(),
            expires_at: new.code.expires_at.as_millisecond(),
        };
        let mut change = moved(PER_ACCOUNT, now);
        change.push(format!(", {code} = :code, {before} = if_not_exists(guesses, :none)"));
        change
            .values
            .extend([(":code".to_owned(), record::value(&record)?), (":none".to_owned(), number(0))]);
        if let Some(account) = new.account {
            change.push(format!(", account = :account, {KNOWN} = :known, forget_at = :forget"));
            change.values.extend([
                (":account".to_owned(), record::string(account.id.as_str())),
                (":known".to_owned(), record::known(account)?),
                (":forget".to_owned(), never_forgotten()),
            ]);
        } else {
            change.push(", forget_at = if_not_exists(forget_at, :forget)");
            change.values.insert(":forget".to_owned(), forget_nobody_at(now));
            let nobody = known_or_nobody();
            change.push(nobody.text);
            change.values.extend(nobody.values);
        }
        if !new.over.is_empty() {
            change.push(" REMOVE ");
            change.push(new.over.join(", "));
        }
        let key = guessed_key(&new.sending.username, Guessed::Email);
        let free = free(PER_ACCOUNT, now).and(open_at(now));
        writes.update_if(SendCondition::Account, &self.accounts, key, change, free)?;
        self.count_send(&mut writes, new.sending, now)?;
        let held = new.account.map_or_else(Expression::absent, unchanged);
        let profile = record::profile_key(new.account.map_or(new.nobody, |account| &account.id));
        writes.check(SendCondition::Profile, &self.accounts, profile, held)?;
        outcome(writes.commit(&self.client).await?, now)
    }

    /// Counts a guess at the code of `recovery`, and brings it. One call, whoever has the name.
    pub async fn guess_emailed_code(
        &self,
        username: &Username,
        recovery: &SignInId,
        now: Timestamp,
    ) -> Result<Counted<KeptEmails>, StoreError> {
        let kept = |item: &mut Item| {
            let code = code_of(item, recovery, now)?;
            Ok(account_of(item)?.map(|account| KeptEmails { account, code }))
        };
        self.count_guess(username, Guessed::Email, Some(recovery), now, kept).await
    }

    /// Spends a code: every other session ends, what was locked opens, and the session that may set up anew begins, or
    /// nothing at all. The recovery code stays as it is. `false`: the code was used. One call.
    ///
    /// [`StoreError::Conflict`]: the account is not as it was read.
    pub async fn recover_by_email(&self, new: EmailRecovery<'_>) -> Result<bool, StoreError> {
        let mut writes = Transaction::new();
        let kept = code_attribute(new.recovery);
        // Remembered until the code would have been over: another answer to it is told that the recovery is used.
        let success = Expression::new(
            format!("SET streak = :none, failures = :none, {kept}.used = :used REMOVE guessed_at"),
            [(":none", number(0)), (":used", AttributeValue::Bool(true))],
        );
        let tag = AttributeValue::B(new.code.mac.tag.to_vec().into());
        let same = Expression::new(
            format!("{kept}.tag = :tag AND attribute_not_exists({kept}.used)"),
            [(":tag", tag)],
        );
        let key = guessed_key(&new.makes.account.username, Guessed::Email);
        writes.update_if(Condition::Code, &self.accounts, key, success, same)?;
        self.recover(&mut writes, Condition::Profile, &new.makes, Guessed::Email)?;
        let failed = writes.commit(&self.client).await?;
        if failed.iter().any(|failed| failed.condition == Condition::Code) {
            Ok(false)
        } else if failed.is_empty() {
            Ok(true)
        } else {
            Err(StoreError::Conflict)
        }
    }
}

/// The code of `recovery`, while it is good and this guess is one of those that it takes.
fn code_of(item: &mut Item, recovery: &SignInId, now: Timestamp) -> Result<Option<EmailedCode>, StoreError> {
    const WHAT: &str = "code";
    let Some(code) = item.remove(&code_attribute(recovery)) else { return Ok(None) };
    let AttributeValue::M(code) = code else { return Err(StoreError::Corrupt(WHAT)) };
    let EmailedRecord { version, tag, expires_at } = record::read(code, WHAT)?;
    let expires_at = Timestamp::from_millisecond(expires_at).map_err(|_| StoreError::Corrupt(WHAT))?;
    let tag = tag.try_into().map_err(|_| StoreError::Corrupt(WHAT))?;
    let good = is_good(item, recovery, expires_at, now)?;
    Ok(good.then_some(EmailedCode { mac: VersionedMac { version, tag }, expires_at }))
}
