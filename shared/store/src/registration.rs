//! Registering an account: one transaction takes the name, writes the account and begins its session.

use jiff::Timestamp;
use postern_domain::account::Account;
use postern_domain::activity::Event;
use postern_domain::id::SessionId;
use postern_domain::session::Session;
use secrecy::SecretString;

use crate::Store;
use crate::error::StoreError;
use crate::idempotency::{IdempotentRequest, UsedKey, unused_at};
use crate::password::password_item;
use crate::record::{self, MarkerRecord, number};
use crate::transaction::{Expression, Transaction};

/// A new account, ready to be written.
pub struct Registration<'a> {
    pub account: &'a Account,
    pub session: &'a Session,
    pub event: &'a Event,
    pub idempotent: Option<IdempotentRequest>,
    /// Of the account's password, if it begins with one.
    pub hash: Option<&'a SecretString>,
    /// The session that came with the request: it ends.
    pub replaced: Option<SessionId>,
}

/// What came of a registration.
pub enum Registered {
    Done,
    UsernameTaken,
    /// The key was used before, for this request and account: whether it is the same one is for the
    /// caller, who has the keyring, to say.
    KeyUsed(UsedKey),
}

#[derive(Clone, Copy, PartialEq)]
enum Condition {
    Key,
    Name,
    Profile,
}

impl Store {
    /// Writes the account unless its name is taken or its key was used. One call.
    pub async fn register(&self, new: Registration<'_>, now: Timestamp) -> Result<Registered, StoreError> {
        let mut writes = Transaction::new();
        if let Some(idempotent) = &new.idempotent {
            writes.put_if(Condition::Key, &self.attempts, idempotent.item(new.account)?, unused_at(now))?;
        }
        let forget_at = new.account.forget_at.map(Timestamp::as_second);
        let marker = MarkerRecord { account: new.account.id.clone(), forget_at };
        // A name that nobody came back for is free again.
        let free = Expression::new(
            "attribute_not_exists(pk) OR forget_at <= :now",
            [(":now", number(now.as_second()))],
        );
        let name = record::item(record::name_key(&new.account.username), &marker)?;
        writes.put_if(Condition::Name, &self.accounts, name, free)?;
        writes.put_if(
            Condition::Profile,
            &self.accounts,
            record::profile_item(new.account)?,
            Expression::absent(),
        )?;
        if let Some(hash) = new.hash {
            writes.put(&self.accounts, password_item(new.account, hash)?)?;
        }
        writes.put(&self.accounts, record::activity_item(new.event)?)?;
        writes.put(&self.attempts, record::session_item(new.session)?)?;
        if let Some(replaced) = &new.replaced {
            writes.delete(&self.attempts, record::session_key(replaced))?;
        }

        let failed = writes.commit(&self.client).await?;
        // A used key says more than a taken name: its own first request took it.
        if let Some(used) = failed.iter().find(|failed| failed.condition == Condition::Key) {
            return Ok(Registered::KeyUsed(UsedKey::read(used.item.clone())?));
        }
        if failed.iter().any(|failed| failed.condition == Condition::Name) {
            return Ok(Registered::UsernameTaken);
        }
        if failed.is_empty() { Ok(Registered::Done) } else { Err(StoreError::Conflict) }
    }
}
