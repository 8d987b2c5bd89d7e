//! Signing in by passkey: one transaction spends the challenge and begins the session.

use postern_domain::account::{Account, Passkey};
use postern_domain::activity::Event;
use postern_domain::id::SessionId;
use postern_domain::session::Session;

use crate::Store;
use crate::enrolment::{Ceremony, spent_item, unchanged};
use crate::error::StoreError;
use crate::record::{self, number, string};
use crate::transaction::{Expression, Transaction};

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

#[derive(Clone, Copy, PartialEq)]
enum Condition {
    Ceremony,
    Passkey,
    Profile,
}

impl Store {
    /// Signs in. `false`: the challenge was spent before. One call.
    pub async fn sign_in_by_passkey(&self, new: PasskeySignIn<'_>) -> Result<bool, StoreError> {
        let used = new.used;
        let mut writes = Transaction::new();
        writes.put_if(
            Condition::Ceremony,
            &self.attempts,
            spent_item(new.ceremony)?,
            Expression::absent(),
        )?;
        let last_used_at = used.last_used_at.unwrap_or(new.session.created_at);
        let change = Expression::new(
            "SET sign_count = :count, backed_up = :backed_up, last_used_at = :now",
            [
                (":count", number(used.counter)),
                (":backed_up", aws_sdk_dynamodb::types::AttributeValue::Bool(used.backed_up)),
                (":now", string(last_used_at.to_string())),
            ],
        );
        // Of two answers at once, the one with the older counter is decided again and refused.
        let unmoved = Expression::new("sign_count = :was", [(":was", number(new.counter_was))]);
        let key = record::passkey_key(&new.account.id, &used.id);
        writes.update_if(Condition::Passkey, &self.accounts, key, change, unmoved)?;
        writes.check(
            Condition::Profile,
            &self.accounts,
            record::profile_key(&new.account.id),
            unchanged(new.account),
        )?;
        writes.put(&self.accounts, record::activity_item(new.event)?)?;
        writes.put(&self.attempts, record::session_item(new.session)?)?;
        if let Some(replaced) = &new.replaced {
            writes.delete(&self.attempts, record::session_key(replaced))?;
        }
        let failed = writes.commit(&self.client).await?;
        if failed.iter().any(|failed| failed.condition == Condition::Ceremony) {
            Ok(false)
        } else if failed.is_empty() {
            Ok(true)
        } else {
            Err(StoreError::Conflict)
        }
    }

    /// Writes an event that stands for itself: a refusal that the owner should know of. One call.
    pub async fn note(&self, event: &Event) -> Result<(), StoreError> {
        self.client
            .put_item()
            .table_name(&self.accounts)
            .set_item(Some(record::activity_item(event)?))
            .send()
            .await
            .map_err(|error| StoreError::unavailable("PutItem", &error))?;
        Ok(())
    }
}
