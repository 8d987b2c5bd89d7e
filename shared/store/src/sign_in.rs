//! Signing in: each proof, and the session that comes of it, is one transaction.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use postern_domain::account::{Account, Passkey};
use postern_domain::activity::Event;
use postern_domain::admission;
use postern_domain::id::{AccountId, SessionId, SignInId};
use postern_domain::session::Session;
use postern_domain::time_step::TimeStep;
use secrecy::{ExposeSecret, SecretString};

use crate::Store;
use crate::change::unchanged;
use crate::enrolment::{Ceremony, spent_item, spent_key};
use crate::error::StoreError;
use crate::guessed::{
    ENDED, Guessed, HASH, KNOWN, LAST_STEP, SEALED, SentCode, before_attribute, code_attribute, guessed_key,
    last_phone,
};
use crate::record::{self, Item, Key, ProvenRecord, number, single_key, string};
use crate::transaction::{Expression, Failed, Transaction};

/// A passkey's right answer. `account` as it was read, `used` as the passkey is to be.
pub struct PasskeySignIn<'a> {
    pub account: &'a Account,
    pub used: &'a Passkey,
    /// The counter that the decision rested on.
    pub counter_was: u32,
    pub ceremony: &'a Ceremony,
    pub session: &'a Session,
    pub event: &'a Event,
    /// The session that came with the request: it ends, so that no value from before lives on.
    pub replaced: Option<SessionId>,
}

/// A right answer to something that can be guessed. `account` as it was read: its `known` copy, or afresh.
pub struct Proof<'a> {
    pub account: &'a Account,
    pub secret: Secret<'a>,
    pub sign_in: &'a SignInId,
    /// Until when the sign-in could be used.
    pub expires_at: Timestamp,
    pub then: Then<'a>,
}

/// What a right answer leads to.
pub enum Then<'a> {
    /// Another proof is wanted. `keeps`: the first proof of a sign-in whose state the client had before it. It may bring that
    /// back with the next answer, or with one at the same time, and this proof is to be known then.
    GoesOn { keeps: Option<&'a admission::Proof> },
    /// The proofs are enough.
    Ends(Beginning<'a>),
}

/// What answered rightly.
#[derive(Clone, Copy)]
pub enum Secret<'a> {
    Password {
        /// Of the same password, by today's parameters.
        rehashed: Option<&'a SecretString>,
    },
    /// Spent with the proof.
    PhoneCode(&'a SentCode),
    /// Likewise, and with it every step before. `sealed`: the secret that the code was made of.
    AuthenticatorStep { step: TimeStep, sealed: &'a [u8] },
}

/// An account that is recovered, by whichever way. `account` as it was read, `recovered` as it is to be.
pub struct Recovery<'a> {
    pub account: &'a Account,
    pub recovered: &'a Account,
    pub begins: Beginning<'a>,
}

/// The session that a sign-in, or a recovery, ends in.
pub struct Beginning<'a> {
    pub session: &'a Session,
    pub event: &'a Event,
    /// The session that came with the request: it ends, so that no value from before lives on.
    pub replaced: Option<SessionId>,
}

/// What became of a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proven {
    Done,
    /// It is not the first one of its sign-in: this was proven before. Nothing was written.
    Before(admission::Proof),
    /// The sign-in was used before.
    SignInOver,
    /// The code was used, or a newer one took its place; of an app: its step was used or a later one, or another secret took
    /// the place of its own.
    SecretSpent,
}

#[derive(Clone, Copy, PartialEq)]
enum Condition {
    SignIn,
    First,
    Secret,
    Passkey,
    Profile,
    Lock,
}

impl Store {
    /// Signs in. `false`: the challenge was spent before. One call.
    pub async fn sign_in_by_passkey(&self, new: PasskeySignIn<'_>) -> Result<bool, StoreError> {
        let used = new.used;
        let mut writes = Transaction::new();
        writes.put_if(Condition::SignIn, &self.attempts, spent_item(new.ceremony)?, Expression::absent())?;
        let last_used_at = used.last_used_at.unwrap_or(new.session.created_at);
        let change = Expression::new(
            "SET sign_count = :count, backed_up = :backed_up, last_used_at = :now",
            [
                (":count", number(used.counter)),
                (":backed_up", AttributeValue::Bool(used.backed_up)),
                (":now", string(last_used_at.to_string())),
            ],
        );
        // Of two answers at once, the one with the older counter is decided again and refused.
        let unmoved = Expression::new("sign_count = :was", [(":was", number(new.counter_was))]);
        let key = record::passkey_key(&new.account.id, &used.id);
        writes.update_if(Condition::Passkey, &self.accounts, key, change, unmoved)?;
        self.hold(&mut writes, new.account)?;
        self.lift_locks(&mut writes, Condition::Lock, new.account, None)?;
        self.begin(
            &mut writes,
            &Beginning { session: new.session, event: new.event, replaced: new.replaced },
        )?;
        let failed = writes.commit(&self.client).await?;
        if failed.iter().any(|failed| failed.condition == Condition::SignIn) {
            Ok(false)
        } else if failed.is_empty() {
            Ok(true)
        } else {
            Err(StoreError::Conflict)
        }
    }

    /// Makes a right answer count: its own count starts anew, a phone's lifts the locks of the others, and where the
    /// proofs are enough the sign-in is spent and its session begins; where they are not, a first one is kept. One call.
    ///
    /// [`StoreError::Conflict`]: the account is not as it was read.
    pub async fn prove(&self, new: Proof<'_>) -> Result<Proven, StoreError> {
        let account = new.account;
        let mut writes = Transaction::new();
        let spent = Ceremony { id: new.sign_in.as_str().to_owned(), expires_at: new.expires_at };
        let ends = match &new.then {
            Then::Ends(beginning) => {
                let mark = spent_item(&spent)?;
                writes.put_if(Condition::SignIn, &self.attempts, mark, Expression::absent())?;
                self.begin(&mut writes, beginning)?;
                true
            }
            Then::GoesOn { keeps } => {
                let mark = spent_key(&spent.id);
                writes.check(Condition::SignIn, &self.attempts, mark, Expression::absent())?;
                if let Some(proof) = keeps {
                    let item = proven_item(&new, proof)?;
                    writes.put_if(Condition::First, &self.attempts, item, not_of(&account.id))?;
                }
                false
            }
        };
        let Success { which, change, condition } = success(&new, ends)?;
        let key = guessed_key(&account.username, which);
        writes.update_if(Condition::Secret, &self.accounts, key, change, condition)?;
        if which == Guessed::Phone {
            self.lift_locks(&mut writes, Condition::Lock, account, Some(which))?;
        }
        self.hold(&mut writes, account)?;
        let mut failed = writes.commit(&self.client).await?;
        let has_failed = |condition| failed.iter().any(|failed| failed.condition == condition);
        if has_failed(Condition::SignIn) {
            Ok(Proven::SignInOver)
        } else if has_failed(Condition::Secret) && which != Guessed::Password {
            Ok(Proven::SecretSpent)
        } else if let [Failed { condition: Condition::First, item }] = failed.as_mut_slice() {
            let item = item.take().ok_or(StoreError::Conflict)?;
            let ProvenRecord { proof, .. } = record::read(item, "PROVEN")?;
            Ok(Proven::Before(proof))
        } else if failed.is_empty() {
            Ok(Proven::Done)
        } else {
            Err(StoreError::Conflict)
        }
    }

    /// Holds the account to what was read of it.
    fn hold(&self, writes: &mut Transaction<Condition>, account: &Account) -> Result<(), StoreError> {
        let profile = record::profile_key(&account.id);
        writes.check(Condition::Profile, &self.accounts, profile, unchanged(account))
    }

    /// Makes of an account what a recovery does: every other session ends, what was locked opens, but for what was guessed
    /// at `by`, and the session that may set up anew begins. `name`: of the account as it was read.
    pub(crate) fn recover<C: Copy>(
        &self,
        writes: &mut Transaction<C>,
        name: C,
        recovery: &Recovery<'_>,
        by: Guessed,
    ) -> Result<(), StoreError> {
        let Recovery { account, recovered, begins } = recovery;
        let mut change = Expression::new(
            "SET revision = :next, generation = :generation",
            [(":next", number(recovered.revision)), (":generation", number(recovered.generation))],
        );
        if recovered.recovery_code.is_none() {
            change.push(" REMOVE recovery_issued_at, recovery_downloaded_at");
        }
        let profile = record::profile_key(&account.id);
        writes.update_if(name, &self.accounts, profile, change, unchanged(account))?;
        self.lift_locks(writes, name, account, Some(by))?;
        self.begin(writes, begins)
    }

    fn begin<C: Copy>(
        &self,
        writes: &mut Transaction<C>,
        beginning: &Beginning<'_>,
    ) -> Result<(), StoreError> {
        writes.put(&self.accounts, record::activity_item(beginning.event)?)?;
        writes.put(&self.attempts, record::session_item(beginning.session)?)?;
        if let Some(replaced) = &beginning.replaced {
            writes.delete(&self.attempts, record::session_key(replaced))?;
        }
        Ok(())
    }

    /// Writes an event that stands for itself: a refusal or a lock that the owner should know of. One call.
    pub async fn note(&self, event: &Event) -> Result<(), StoreError> {
        self.put(&self.accounts, record::activity_item(event)?).await
    }
}

/// What a right answer makes of the record of what was guessed, and on what condition.
struct Success {
    which: Guessed,
    change: Expression,
    condition: Expression,
}

/// `ends`: the sign-in ends with it.
fn success(new: &Proof<'_>, ends: bool) -> Result<Success, StoreError> {
    let mut change = Expression::new(
        format!("SET streak = :none, failures = :none, {KNOWN} = :known"),
        [(":none", number(0)), (":known", record::known(new.account)?)],
    );
    let (which, condition) = match new.secret {
        Secret::Password { rehashed } => {
            if let Some(hash) = rehashed {
                change.push(format!(", {HASH} = :hash"));
                change.values.insert(":hash".to_owned(), string(hash.expose_secret()));
            }
            change.push(" REMOVE guessed_at");
            // That it is the password which answered, the profile's revision says.
            (Guessed::Password, Expression::new(format!("attribute_exists({HASH})"), []))
        }
        Secret::PhoneCode(code) => {
            let (kept, before) = (code_attribute(new.sign_in), before_attribute(new.sign_in));
            let phone = new.account.phone(&code.phone).ok_or(StoreError::Conflict)?;
            let last = last_phone(phone);
            change.push(last.text);
            change.values.extend(last.values);
            if ends {
                // Remembered until the code would have been over: another answer to it is told that the sign-in is used.
                change.push(format!(", {kept}.used = :used REMOVE guessed_at"));
                change.values.insert(":used".to_owned(), AttributeValue::Bool(true));
            } else {
                change.push(format!(" REMOVE guessed_at, {kept}, {before}"));
            }
            let tag = AttributeValue::B(code.mac.tag.to_vec().into());
            let unspent = format!("{kept}.tag = :tag AND attribute_not_exists({kept}.used)");
            (Guessed::Phone, Expression::new(unspent, [(":tag", tag)]))
        }
        Secret::AuthenticatorStep { step, sealed } => {
            change.push(format!(", {LAST_STEP} = :step"));
            if ends {
                // Another answer to it, as after one that was lost, is told that the sign-in is used.
                change.push(format!(", {ENDED} = :sign_in"));
                change.values.insert(":sign_in".to_owned(), string(new.sign_in.as_str()));
            }
            change.push(" REMOVE guessed_at");
            // RFC 6238 §5.2: the same step never, nor an older one; of 50 at once the first alone.
            let later = format!("{LAST_STEP} < :step AND {SEALED} = :sealed");
            let sealed = AttributeValue::B(sealed.to_vec().into());
            let values = [(":step", number(step.number())), (":sealed", sealed)];
            (Guessed::Authenticator, Expression::new(later, values))
        }
    };
    Ok(Success { which, change, condition })
}

fn proven_item(new: &Proof<'_>, proof: &admission::Proof) -> Result<Item, StoreError> {
    let record = ProvenRecord {
        account: new.account.id.clone(),
        proof: proof.clone(),
        delete_at: record::delete_at(new.expires_at),
    };
    record::item(proven_key(new.sign_in), &record)
}

fn proven_key(sign_in: &SignInId) -> Key {
    single_key(format!("PROVEN#{sign_in}"))
}

/// Nothing stands there, or what another account has proven that had the name before.
fn not_of(account: &AccountId) -> Expression {
    let account = [(":account", string(account.as_str()))];
    Expression::new("attribute_not_exists(pk) OR account <> :account", account)
}
