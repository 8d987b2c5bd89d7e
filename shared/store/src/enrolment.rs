//! Adding a passkey and taking it away, each one transaction; and the guesses at whatever else waits for its code.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use jiff::Timestamp;
use postern_domain::account::{Account, Passkey};
use postern_domain::activity::Event;
use postern_domain::one_time_code::GUESSES_PER_CODE;
use postern_domain::session::Session;

use crate::Store;
use crate::change::{Change, Condition};
use crate::error::StoreError;
use crate::record::{self, Item, Key, MarkerRecord, SpentRecord, number, single_key};
use crate::transaction::{Expression, Transaction};

/// A sealed ceremony that is about to be spent.
#[derive(Debug, Clone)]
pub struct Ceremony {
    /// A digest of the sealed state: it has one spelling, so the marker has one key.
    pub id: String,
    pub expires_at: Timestamp,
}

/// A passkey that is to be added. `account` and `session` as they were read; `proven` as the session is to
/// be: with the passkey's own proof.
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

impl Store {
    /// Counts a guess at what waits at `key` for its code, where guesses are left, and brings it. Else what was found there
    /// instead. One call.
    pub(crate) async fn count_pending(&self, key: Key) -> Result<Result<Item, Option<Item>>, StoreError> {
        let counted = self
            .client
            .update_item()
            .table_name(&self.attempts)
            .set_key(Some(key))
            .update_expression("SET guesses = guesses + :one")
            .condition_expression("guesses < :most")
            .expression_attribute_values(":most", number(GUESSES_PER_CODE))
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match counted {
            Ok(counted) => Ok(Ok(counted.attributes.unwrap_or_default())),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    Ok(Err(failed.item.clone()))
                }
                _ => Err(StoreError::unavailable("UpdateItem", &error)),
            },
        }
    }

    /// Adds a passkey: the challenge is spent, the credential taken, the account kept for good and the
    /// session proven, or nothing at all. One call.
    pub async fn enrol_passkey(&self, new: PasskeyEnrolment<'_>) -> Result<Result<(), Refused>, StoreError> {
        let (account, passkey) = (new.account, new.passkey);
        let mut writes = Transaction::new();
        writes.put_if(Condition::Spent, &self.attempts, spent_item(new.ceremony)?, Expression::absent())?;
        let marker = MarkerRecord { account: account.id.clone(), forget_at: None };
        let credential = record::item(record::credential_key(&passkey.id), &marker)?;
        writes.put_if(Condition::Credential, &self.accounts, credential, Expression::absent())?;
        let item = record::passkey_item(&account.id, passkey)?;
        writes.put_if(Condition::Method, &self.accounts, item, Expression::absent())?;
        let changed = account.with_passkey(passkey.clone());
        let change = Change { account, changed: &changed, proven: new.proven, event: new.event };
        self.change(&mut writes, &change)?;

        let failed = writes.commit(&self.client).await?;
        let has_failed = |condition| failed.iter().any(|failed| failed.condition == condition);
        if has_failed(Condition::Credential) || has_failed(Condition::Method) {
            Ok(Err(Refused::Exists))
        } else if has_failed(Condition::Spent) {
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
        writes.delete_if(Condition::Method, &self.accounts, key, Expression::present())?;
        writes.delete(&self.accounts, record::credential_key(&passkey.id))?;
        let changed = account.without_passkey(&passkey.id);
        let change = Change { account, changed: &changed, proven: old.proven, event: old.event };
        self.change(&mut writes, &change)?;
        if writes.commit(&self.client).await?.is_empty() { Ok(()) } else { Err(StoreError::Conflict) }
    }
}

pub fn spent_item(ceremony: &Ceremony) -> Result<record::Item, StoreError> {
    let record = SpentRecord { delete_at: record::delete_at(ceremony.expires_at) };
    record::item(spent_key(&ceremony.id), &record)
}

/// Where the marker of a spent ceremony or sign-in stands.
pub fn spent_key(id: &str) -> record::Key {
    single_key(format!("SPENT#{id}"))
}
