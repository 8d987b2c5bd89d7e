//! Adding a passkey and taking it away, each one transaction.

use jiff::Timestamp;
use postern_domain::account::{Account, Passkey};
use postern_domain::activity::Event;
use postern_domain::session::Session;

use crate::Store;
use crate::error::StoreError;
use crate::record::{self, MarkerRecord, SpentRecord, number, single_key, string, value};
use crate::transaction::{Expression, Transaction};

/// A sealed ceremony that is about to be spent.
#[derive(Debug, Clone)]
pub struct Ceremony {
    /// A digest of the sealed state: it has one spelling, so the marker has one key.
    pub id: String,
    pub expires_at: Timestamp,
}

/// A passkey that is to be added. `account` and `session` as they were read; `proven` as the session is
/// to be: with the passkey's own proof.
pub struct PasskeyEnrolment<'a> {
    pub account: &'a Account,
    pub passkey: &'a Passkey,
    pub ceremony: &'a Ceremony,
    pub proven: &'a Session,
    pub event: &'a Event,
}

/// A passkey that is to be removed. `proven`: the session that removes it, which itself goes on.
pub struct PasskeyRemoval<'a> {
    pub account: &'a Account,
    pub passkey: &'a Passkey,
    pub proven: &'a Session,
    pub event: &'a Event,
}

/// Why a passkey was not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The credential is an account's already, this one's or another's.
    Exists,
    /// The ceremony was finished before.
    Spent,
}

#[derive(Clone, Copy, PartialEq)]
enum Condition {
    Ceremony,
    Credential,
    Passkey,
    Profile,
    Name,
    Session,
}

impl Store {
    /// Adds a passkey: the challenge is spent, the credential taken, the account kept for good and the
    /// session proven, or nothing at all. One call.
    pub async fn enrol_passkey(&self, new: PasskeyEnrolment<'_>) -> Result<Result<(), Refused>, StoreError> {
        let (account, passkey) = (new.account, new.passkey);
        let mut writes = Transaction::new();
        writes.put_if(
            Condition::Ceremony,
            &self.attempts,
            spent_item(new.ceremony)?,
            Expression::absent(),
        )?;
        let marker = MarkerRecord { account: account.id.clone(), forget_at: None };
        let credential = record::item(record::credential_key(&passkey.id), &marker)?;
        writes.put_if(Condition::Credential, &self.accounts, credential, Expression::absent())?;
        let item = record::passkey_item(&account.id, passkey)?;
        writes.put_if(Condition::Passkey, &self.accounts, item, Expression::absent())?;
        let kept = Expression::new(
            "SET revision = :next REMOVE forget_at",
            [(":next", number(account.revision.saturating_add(1)))],
        );
        writes.update_if(
            Condition::Profile,
            &self.accounts,
            record::profile_key(&account.id),
            kept,
            unchanged(account),
        )?;
        if account.forget_at.is_some() {
            let own = Expression::new("account = :account", [(":account", string(account.id.as_str()))]);
            let kept = Expression::new("REMOVE forget_at", []);
            writes.update_if(
                Condition::Name,
                &self.accounts,
                record::name_key(&account.username),
                kept,
                own,
            )?;
        }
        self.prove(&mut writes, new.proven)?;
        writes.put(&self.accounts, record::activity_item(new.event)?)?;

        let failed = writes.commit(&self.client).await?;
        let has_failed = |condition| failed.iter().any(|failed| failed.condition == condition);
        if has_failed(Condition::Credential) || has_failed(Condition::Passkey) {
            Ok(Err(Refused::Exists))
        } else if has_failed(Condition::Ceremony) {
            Ok(Err(Refused::Spent))
        } else if failed.is_empty() {
            Ok(Ok(()))
        } else {
            Err(StoreError::Conflict)
        }
    }

    /// Removes a passkey. Sessions that it proved end with it: their proof stands no more. One call.
    pub async fn remove_passkey(&self, old: PasskeyRemoval<'_>) -> Result<(), StoreError> {
        let (account, passkey) = (old.account, old.passkey);
        let mut writes = Transaction::new();
        let key = record::passkey_key(&account.id, &passkey.id);
        writes.delete_if(Condition::Passkey, &self.accounts, key, Expression::present())?;
        writes.delete(&self.accounts, record::credential_key(&passkey.id))?;
        let next =
            Expression::new("SET revision = :next", [(":next", number(account.revision.saturating_add(1)))]);
        writes.update_if(
            Condition::Profile,
            &self.accounts,
            record::profile_key(&account.id),
            next,
            unchanged(account),
        )?;
        self.prove(&mut writes, old.proven)?;
        writes.put(&self.accounts, record::activity_item(old.event)?)?;
        if writes.commit(&self.client).await?.is_empty() { Ok(()) } else { Err(StoreError::Conflict) }
    }

    fn prove(&self, writes: &mut Transaction<Condition>, session: &Session) -> Result<(), StoreError> {
        let proven = Expression::new("SET proofs = :proofs", [(":proofs", value(&session.proofs)?)]);
        let key = record::session_key(&session.id);
        writes.update_if(Condition::Session, &self.attempts, key, proven, Expression::present())
    }
}

/// The account's methods, recovery code and generation are as they were read.
pub fn unchanged(account: &Account) -> Expression {
    Expression::new("revision = :revision", [(":revision", number(account.revision))])
}

pub fn spent_item(ceremony: &Ceremony) -> Result<record::Item, StoreError> {
    let record = SpentRecord { delete_at: record::delete_at(ceremony.expires_at) };
    record::item(single_key(format!("SPENT#{}", ceremony.id)), &record)
}
