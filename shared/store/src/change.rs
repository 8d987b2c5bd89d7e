//! What every change of an account's methods writes beside the method itself.

use postern_domain::account::Account;
use postern_domain::activity::Event;
use postern_domain::phone_number::PhoneNumber;
use postern_domain::session::Session;

use crate::Store;
use crate::error::StoreError;
use crate::record::{self, number, string, value};
use crate::transaction::{Expression, Transaction};

/// A change of an account's methods. `account` as it was read, `changed` as it is to be; `proven` as the session is to be
/// that changes it.
pub struct Change<'a> {
    pub account: &'a Account,
    pub changed: &'a Account,
    pub proven: &'a Session,
    pub event: &'a Event,
}

/// The attribute of an activity entry that names a number which the account has no more. It is told, and never shown.
pub const GONE_NUMBER: &str = "gone_number";

/// The conditions of such a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Of the method itself.
    Method,
    /// Of what the change spends: a ceremony, an enrolment.
    Spent,
    /// Of a credential that two accounts cannot share.
    Credential,
    /// The account is as it was read.
    Profile,
    Name,
    /// The session that changes it lives.
    Session,
}

/// The account's methods, recovery code and generation are as they were read.
pub fn unchanged(account: &Account) -> Expression {
    Expression::new("revision = :revision", [(":revision", number(account.revision))])
}

impl Store {
    /// The profile, the name's marker, the session and the activity of a change.
    pub(crate) fn change(
        &self,
        writes: &mut Transaction<Condition>,
        change: &Change<'_>,
    ) -> Result<(), StoreError> {
        self.change_telling(writes, change, None)
    }

    /// The same, of a change that is told to `gone`, too: a number that the account has no more.
    pub(crate) fn change_telling(
        &self,
        writes: &mut Transaction<Condition>,
        change: &Change<'_>,
        gone: Option<&PhoneNumber>,
    ) -> Result<(), StoreError> {
        let (account, changed) = (change.account, change.changed);
        let mut set = "SET revision = :next, generation = :generation".to_owned();
        let mut values =
            vec![(":next", number(changed.revision)), (":generation", number(changed.generation))];
        let mut remove = " REMOVE forget_at".to_owned();
        let methods = &changed.methods;
        let password = methods.password.as_ref().map(|password| password.changed_at);
        let authenticator = methods.authenticator.as_ref().map(|app| app.confirmed_at);
        for (there, gone, value, at) in [
            (", password_changed_at = :password", ", password_changed_at", ":password", password),
            (", authenticator_confirmed_at = :app", ", authenticator_confirmed_at", ":app", authenticator),
        ] {
            match at {
                Some(at) => {
                    set.push_str(there);
                    values.push((value, string(at.to_string())));
                }
                None => remove.push_str(gone),
            }
        }
        let profile = record::profile_key(&account.id);
        writes.update_if(
            Condition::Profile,
            &self.accounts,
            profile,
            Expression::new(set + &remove, values),
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
        let session = change.proven;
        let proven = Expression::new(
            "SET proofs = :proofs, generation = :generation",
            [(":proofs", value(&session.proofs)?), (":generation", number(session.generation))],
        );
        let key = record::session_key(&session.id);
        writes.update_if(Condition::Session, &self.attempts, key, proven, Expression::present())?;
        let mut activity = record::activity_item(change.event)?;
        activity.extend(gone.map(|number| (GONE_NUMBER.to_owned(), string(number.as_str()))));
        writes.put(&self.accounts, activity)
    }
}
