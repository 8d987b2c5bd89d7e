//! Setting a password: the hash by the name, the profile and the session in one transaction.

use postern_domain::account::Account;
use postern_domain::activity::Event;
use postern_domain::session::Session;
use secrecy::{ExposeSecret, SecretString};

use crate::Store;
use crate::change::Change;
use crate::error::StoreError;
use crate::guessed::{Guessed, HASH, fresh_item};
use crate::record::{Item, string};
use crate::transaction::Transaction;

/// A password that is to be set. `account` as it was read, `changed` as it is to be; `proven` as the session is to be.
pub struct PasswordChange<'a> {
    pub account: &'a Account,
    pub changed: &'a Account,
    pub hash: &'a SecretString,
    pub proven: &'a Session,
    pub event: &'a Event,
}

impl Store {
    /// Sets a password, in place of the one before and its count. Sessions of an older generation end with it. One call.
    pub async fn set_password(&self, new: PasswordChange<'_>) -> Result<(), StoreError> {
        let mut writes = Transaction::new();
        writes.put(&self.accounts, password_item(new.changed, new.hash)?)?;
        let change =
            Change { account: new.account, changed: new.changed, proven: new.proven, event: new.event };
        self.change(&mut writes, &change)?;
        if writes.commit(&self.client).await?.is_empty() { Ok(()) } else { Err(StoreError::Conflict) }
    }
}

/// The password of `account`, with nothing counted.
pub fn password_item(account: &Account, hash: &SecretString) -> Result<Item, StoreError> {
    fresh_item(account, Guessed::Password, [(HASH, string(hash.expose_secret()))])
}
