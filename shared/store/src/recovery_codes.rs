//! Recovery codes: a table of their own, which only the functions that issue, download and redeem touch.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use postern_domain::account::Account;
use postern_domain::activity::Event;
use postern_domain::id::AccountId;
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::change::unchanged;
use crate::error::StoreError;
use crate::guessed::{Guessed, guessed_key};
use crate::record::{self, MarkerRecord, number, single_key, string};
use crate::redeeming;
use crate::transaction::{Expression, Transaction};

/// The table `RecoveryCodes`, beside the two that every step shares.
#[derive(Debug, Clone)]
pub struct RecoveryCodes {
    pub(crate) store: Store,
    pub(crate) table: String,
}

/// A code that is to be issued: sealed, and found again by its MAC.
pub struct SealedCode {
    pub sealed: Vec<u8>,
    pub mac: [u8; 32],
    pub issued_at: Timestamp,
}

/// A code as it stands in the table.
pub struct StoredCode {
    pub sealed: Vec<u8>,
    pub issued_at: Timestamp,
    marker: String,
}

impl From<&SealedCode> for StoredCode {
    /// As it stands once it is issued.
    fn from(code: &SealedCode) -> Self {
        let marker = redeeming::marker(&code.mac);
        Self { sealed: code.sealed.clone(), issued_at: code.issued_at, marker }
    }
}

#[derive(Serialize, Deserialize)]
struct CodeRecord {
    #[serde(with = "serde_bytes")]
    sealed: Vec<u8>,
    /// Where the code's marker stands.
    marker: String,
    issued_at: Timestamp,
    downloaded_at: Option<Timestamp>,
}

#[derive(Clone, Copy, PartialEq)]
enum Condition {
    Code,
    Marker,
    Profile,
}

impl RecoveryCodes {
    #[must_use]
    pub fn new(store: Store, table: impl Into<String>) -> Self {
        Self { store, table: table.into() }
    }

    /// The account's present code. One call.
    pub async fn code(&self, account: &AccountId) -> Result<Option<StoredCode>, StoreError> {
        let found = self
            .store
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(single_key(account.as_str())))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| StoreError::unavailable("GetItem", &error))?;
        let Some(item) = found.item else { return Ok(None) };
        let CodeRecord { sealed, marker, issued_at, .. } = record::read(item, "recovery code")?;
        Ok(Some(StoredCode { sealed, issued_at, marker }))
    }

    /// Issues `new` in place of `old`, which dies in the same write. `false`: another account holds the
    /// same code, or `old` is the same, so another one must be drawn. One call.
    pub async fn issue(
        &self,
        account: &Account,
        old: Option<&StoredCode>,
        new: &SealedCode,
        event: &Event,
    ) -> Result<bool, StoreError> {
        let mut writes = Transaction::new();
        let marker = redeeming::marker(&new.mac);
        if old.is_some_and(|old| old.marker == marker) {
            return Ok(false);
        }
        let record = CodeRecord {
            sealed: new.sealed.clone(),
            marker: marker.clone(),
            issued_at: new.issued_at,
            downloaded_at: None,
        };
        let replaces_old = match old {
            Some(old) => Expression::new("marker = :old", [(":old", string(&old.marker))]),
            None => Expression::absent(),
        };
        let item = record::item(single_key(account.id.as_str()), &record)?;
        writes.put_if(Condition::Code, &self.table, item, replaces_old)?;
        let holder = MarkerRecord { account: account.id.clone(), forget_at: None };
        let changed = account.with_recovery_code(new.issued_at);
        let mut holder = record::item(single_key(marker), &holder)?;
        holder.extend([redeeming::known(&changed)?]);
        writes.put_if(Condition::Marker, &self.table, holder, Expression::absent())?;
        if let Some(old) = old {
            writes.delete(&self.table, single_key(&old.marker))?;
        }
        let change = Expression::new(
            "SET revision = :next, recovery_issued_at = :issued REMOVE recovery_downloaded_at",
            [(":next", number(changed.revision)), (":issued", string(new.issued_at.to_string()))],
        );
        let profile = record::profile_key(&account.id);
        writes.update_if(Condition::Profile, &self.store.accounts, profile, change, unchanged(account))?;
        // Whatever was guessed at the code before, be it that it was disabled, is over.
        let key = guessed_key(&account.username, Guessed::RecoveryCode);
        writes.update(&self.store.accounts, key, redeeming::counted_anew(account))?;
        writes.put(&self.store.accounts, record::activity_item(event)?)?;
        let failed = writes.commit(&self.store.client).await?;
        match failed.as_slice() {
            [] => Ok(true),
            [only] if only.condition == Condition::Marker => Ok(false),
            [_, ..] => Err(StoreError::Conflict),
        }
    }

    /// Marks `code` as downloaded, the first time, and writes the look at it down, every time. `account` as it was read,
    /// before the code; what is known of it by the code is brought up to date. One call.
    pub async fn mark_downloaded(
        &self,
        account: &Account,
        code: &StoredCode,
        event: &Event,
    ) -> Result<(), StoreError> {
        let at = || string(event.at.to_string());
        let mut writes = Transaction::new();
        let marked =
            Expression::new("SET downloaded_at = if_not_exists(downloaded_at, :now)", [(":now", at())]);
        let same = Expression::new("issued_at = :issued", [(":issued", string(code.issued_at.to_string()))]);
        writes.update_if(Condition::Code, &self.table, single_key(account.id.as_str()), marked, same)?;
        let (name, known) = redeeming::known(&account.with_code_downloaded(event.at))?;
        let known = Expression::new(format!("SET {name} = :known"), [(":known", known)]);
        writes.update_if(
            Condition::Marker,
            &self.table,
            single_key(&code.marker),
            known,
            Expression::present(),
        )?;
        let first = !account.holds_recovery_code();
        let change = Expression::new(
            "SET recovery_downloaded_at = if_not_exists(recovery_downloaded_at, :now) ADD revision :step",
            [(":now", at()), (":step", AttributeValue::N(u8::from(first).to_string()))],
        );
        let profile = record::profile_key(&account.id);
        writes.update_if(Condition::Profile, &self.store.accounts, profile, change, unchanged(account))?;
        writes.put(&self.store.accounts, record::activity_item(event)?)?;
        if writes.commit(&self.store.client).await?.is_empty() { Ok(()) } else { Err(StoreError::Conflict) }
    }
}
