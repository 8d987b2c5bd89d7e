//! Redeeming a recovery code: each guess counted before it is looked at, and each code spent once.
//!
//! A guess names an account by its username, or by an address, which may be several accounts'. It is counted by what
//! it names, as any other authenticator is, and for a name or an address that nobody has by the same write; beside
//! that by the caller's address, and by the hour for the whole deployment. The code itself is found by its MAC.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use postern_domain::account::Account;
use postern_domain::guess::{Guesses, Standing};
use postern_domain::id::AccountId;
use postern_domain::name::{Email, Username};
use postern_domain::send_limit::{PER_ADDRESS, free_at};
use sha2::{Digest, Sha256};

use crate::enrolment::{Ceremony, spent_item};
use crate::error::StoreError;
use crate::guessed::{Guessed, KNOWN, account_of, guessed_key, guesses_of, one_more_at, open_at, refusal};
use crate::idempotency::{IdempotentRequest, UsedKey, unused_at};
use crate::record::{self, Key, number, single_key};
use crate::recovery_codes::RecoveryCodes;
use crate::sends::{limit_key, next_hour, sent};
use crate::sign_in::Recovery;
use crate::transaction::{Expression, Transaction};

/// Whose code it is said to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    Username(Username),
    Email(EmailDigest),
}

/// An address as it is counted by, whatever its case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmailDigest(pub [u8; 32]);

impl EmailDigest {
    #[must_use]
    pub fn of(email: &Email) -> Self {
        Self(Sha256::digest(email.as_str().to_lowercase()).into())
    }
}

impl Named {
    /// Whether it names `account`, perhaps beside others.
    #[must_use]
    pub fn names(&self, account: &Account) -> bool {
        match self {
            Self::Username(username) => *username == account.username,
            Self::Email(digest) => *digest == EmailDigest::of(&account.email),
        }
    }

    /// Spreads what is counted for all.
    fn spread(&self) -> [u8; 32] {
        match self {
            Self::Username(username) => Sha256::digest(username.as_str()).into(),
            Self::Email(digest) => digest.0,
        }
    }

    fn count_key(&self) -> Key {
        match self {
            Self::Username(username) => guessed_key(username, Guessed::RecoveryCode),
            Self::Email(digest) => {
                record::key(format!("EMAIL#{}", hex::encode(digest.0)), Guessed::RecoveryCode.sort_key())
            }
        }
    }
}

/// A guess that is about to be counted.
pub struct CodeGuess<'a> {
    pub named: &'a Named,
    /// A MAC of the caller's address.
    pub address: [u8; 32],
    /// Guesses of the whole deployment in an hour. None: limits per address and for the deployment are lifted.
    pub limit: Option<u64>,
    pub idempotent: Option<&'a IdempotentRequest>,
}

/// What became of a guess.
#[derive(Debug)]
pub enum CodeCounted {
    /// Counted: it may be looked at.
    Taken,
    /// Locked or disabled: nothing was counted, and nothing may be looked at.
    Refused(Standing),
    /// A limit is reached until then. Nothing was counted.
    Limited(Timestamp),
    /// The request was made before. Nothing was counted.
    KeyUsed(UsedKey),
}

/// What a guess meets.
#[derive(Debug)]
pub struct Held {
    /// With this one, and those that came at the same time.
    pub guesses: Guesses,
    /// Whose count it is. None: nobody's, or that of an address.
    pub owner: Option<AccountId>,
    /// The code that was brought, if there is such a one; whosever it is.
    pub code: Option<HeldCode>,
}

/// A code that was found by its MAC.
#[derive(Debug)]
pub struct HeldCode {
    /// Whose it is, as it was last known: username and address never change.
    pub account: Account,
    pub(crate) marker: String,
}

/// A right code, and the recovery that it makes.
pub struct Redemption<'a> {
    pub makes: Recovery<'a>,
    pub code: &'a HeldCode,
    pub named: &'a Named,
    pub idempotent: Option<&'a IdempotentRequest>,
    /// The sign-in that proved something beside the code: it is spent with it.
    pub second: Option<&'a Ceremony>,
}

/// What became of a right code.
#[derive(Debug)]
pub enum Redeemed {
    Done,
    /// Another request spent it, or another code took its place.
    Spent,
    /// The account's own count is locked: a code that came by an address waits for it.
    Locked(Standing),
    /// The sign-in beside it was used.
    SignInOver,
    /// The same request was done meanwhile.
    KeyUsed(UsedKey),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Key,
    Count,
    Address,
    Deployment,
    Code,
    Profile,
    Lock,
    SignIn,
}

impl RecoveryCodes {
    /// Counts a guess. One call.
    pub async fn count_guess(&self, guess: CodeGuess<'_>, now: Timestamp) -> Result<CodeCounted, StoreError> {
        let store = &self.store;
        let mut writes = Transaction::new();
        if let Some(idempotent) = guess.idempotent {
            writes.check(Condition::Key, &store.attempts, idempotent.record_key(), unused_at(now))?;
        }
        let key = guess.named.count_key();
        writes.update_if(Condition::Count, &store.accounts, key, one_more_at(now), open_at(now))?;
        if let Some(limit) = guess.limit {
            let address = limit_key("RECOVERY-ADDRESS", &hex::encode(guess.address));
            store.count_window(&mut writes, Condition::Address, address, PER_ADDRESS, now)?;
            let by = guess.named.spread();
            store.count_hour(&mut writes, Condition::Deployment, "RECOVERY", &by, limit, now)?;
        }
        let mut until: Option<Timestamp> = None;
        let failed = writes.commit(&store.client).await?;
        if failed.is_empty() {
            return Ok(CodeCounted::Taken);
        }
        for failed in failed {
            let item = failed.item.unwrap_or_default();
            match failed.condition {
                Condition::Key => return Ok(CodeCounted::KeyUsed(UsedKey::read(Some(item))?)),
                Condition::Count => return Ok(CodeCounted::Refused(refusal(guesses_of(&item)?, now))),
                Condition::Address => until = until.max(free_at(PER_ADDRESS, &sent(&item))),
                Condition::Deployment => until = until.max(Some(next_hour(now))),
                Condition::Code | Condition::Profile | Condition::Lock | Condition::SignIn => {}
            }
        }
        until.map(CodeCounted::Limited).ok_or(StoreError::Conflict)
    }

    /// The code with this MAC, and how often `named` was guessed at. One call, whoever is named.
    pub async fn held(&self, mac: &[u8; 32], named: &Named) -> Result<Held, StoreError> {
        let marker = marker(mac);
        let wanted =
            [(&self.table, vec![single_key(&marker)]), (&self.store.accounts, vec![named.count_key()])];
        let mut found = self.store.get_together(wanted).await?;
        let mut one = |table: &str| found.remove(table).and_then(|mut items| items.pop());
        let count = one(&self.store.accounts).unwrap_or_default();
        let owner = count.get("account").and_then(|id| id.as_s().ok()?.parse().ok());
        let code = match one(&self.table) {
            Some(mut item) => {
                record::refuse_newer(&item, "CODE")?;
                account_of(&mut item)?.map(|account| HeldCode { account, marker })
            }
            None => None,
        };
        Ok(Held { guesses: guesses_of(&count)?, owner, code })
    }

    /// Spends a code: every other session ends, what was locked opens, and the session that may set up anew begins, or
    /// nothing at all. One call.
    ///
    /// [`StoreError::Conflict`]: the account is not as it was read.
    pub async fn redeem(&self, new: Redemption<'_>, now: Timestamp) -> Result<Redeemed, StoreError> {
        let (store, account) = (&self.store, new.makes.account);
        let mut writes = Transaction::new();
        if let Some(idempotent) = new.idempotent {
            writes.put_if(
                Condition::Key,
                &store.attempts,
                idempotent.item(new.makes.recovered)?,
                unused_at(now),
            )?;
        }
        let marker = &new.code.marker;
        let same = Expression::new("marker = :marker", [(":marker", record::string(marker))]);
        writes.delete_if(Condition::Code, &self.table, single_key(account.id.as_str()), same)?;
        writes.delete(&self.table, single_key(marker))?;
        let anew =
            Expression::new("SET streak = :none, failures = :none REMOVE guessed_at", [(":none", number(0))]);
        let own = guessed_key(&account.username, Guessed::RecoveryCode);
        match new.named {
            Named::Username(_) => writes.update(&store.accounts, own, anew)?,
            Named::Email(_) => {
                writes.update_if(Condition::Lock, &store.accounts, own, anew, open_at(now))?;
                // An address is anybody's to register with: a right guess takes back no more than itself, or whoever
                // has a code of his own could guess at others' for ever.
                let one_less = Expression::new(
                    "SET streak = streak - :one, failures = failures - :one",
                    [(":one", number(1))],
                );
                writes.update(&store.accounts, new.named.count_key(), one_less)?;
            }
        }
        store.recover(&mut writes, Condition::Profile, &new.makes, Guessed::RecoveryCode)?;
        if let Some(second) = new.second {
            writes.put_if(Condition::SignIn, &store.attempts, spent_item(second)?, Expression::absent())?;
        }

        let failed = writes.commit(&store.client).await?;
        let of = |condition| failed.iter().find(|failed| failed.condition == condition);
        if let Some(used) = of(Condition::Key) {
            Ok(Redeemed::KeyUsed(UsedKey::read(used.item.clone())?))
        } else if of(Condition::Code).is_some() {
            Ok(Redeemed::Spent)
        } else if of(Condition::SignIn).is_some() {
            Ok(Redeemed::SignInOver)
        } else if let Some(locked) = of(Condition::Lock) {
            let guesses = guesses_of(&locked.item.clone().unwrap_or_default())?;
            Ok(Redeemed::Locked(refusal(guesses, now)))
        } else if failed.is_empty() {
            Ok(Redeemed::Done)
        } else {
            Err(StoreError::Conflict)
        }
    }
}

/// Where the marker of a code stands.
pub fn marker(mac: &[u8; 32]) -> String {
    use base64::Engine as _;
    format!("CODE#{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(mac))
}

/// The copy of `account` that stands by its code.
pub fn known(account: &Account) -> Result<(String, AttributeValue), StoreError> {
    Ok((KNOWN.to_owned(), record::known(account)?))
}

/// What counts the guesses at a code that was issued anew: from nothing.
pub fn counted_anew(account: &Account) -> Expression {
    Expression::new(
        "SET account = :account, forget_at = :never, streak = :none, failures = :none REMOVE guessed_at",
        [
            (":account", record::string(account.id.as_str())),
            (":never", crate::guessed::never_forgotten()),
            (":none", number(0)),
        ],
    )
}
