//! A transaction whose conditions have names, so that a cancelled one says which decision was lost.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update,
};

use crate::error::StoreError;
use crate::record::{self, Item, Key};

/// Writes that happen together or not at all. `C` names their conditions.
pub struct Transaction<C> {
    writes: Vec<(Option<C>, TransactWriteItem)>,
}

/// A condition that did not hold, and the item that stands there instead.
pub struct Failed<C> {
    pub condition: C,
    pub item: Option<Item>,
}

/// An expression with its values.
pub struct Expression {
    pub text: String,
    pub values: HashMap<String, AttributeValue>,
}

impl Expression {
    pub fn new<'a>(
        text: impl Into<String>,
        values: impl IntoIterator<Item = (&'a str, AttributeValue)>,
    ) -> Self {
        let values = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { text: text.into(), values }
    }

    /// Goes on with `text`.
    pub fn push(&mut self, text: impl AsRef<str>) {
        self.text.push_str(text.as_ref());
    }

    /// Both hold.
    pub fn and(self, other: Self) -> Self {
        let text = format!("({}) AND ({})", self.text, other.text);
        Self { text, values: self.values.into_iter().chain(other.values).collect() }
    }

    /// The item is not there.
    pub fn absent() -> Self {
        Self::new("attribute_not_exists(pk)", [])
    }

    /// The item is there.
    pub fn present() -> Self {
        Self::new("attribute_exists(pk)", [])
    }

    /// A change that may make the record: what it makes says its version, and what is there keeps its own.
    pub fn versioned(mut self) -> Self {
        let version = format!("SET {0} = if_not_exists({0}, :{0})", record::VERSION);
        self.text = match self.text.strip_prefix("SET ") {
            Some(rest) => format!("{version}, {rest}"),
            None => format!("{version} {}", self.text),
        };
        self.values.insert(format!(":{}", record::VERSION), record::number(record::WRITES));
        self
    }

    fn values(self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then_some(self.values)
    }
}

impl<C: Copy> Transaction<C> {
    pub fn new() -> Self {
        Self { writes: Vec::new() }
    }

    /// Writes an item, whatever stands there.
    pub fn put(&mut self, table: &str, item: Item) -> Result<(), StoreError> {
        let put = Put::builder().table_name(table).set_item(Some(item));
        let put = put.build().map_err(|_| INVALID)?;
        self.writes.push((None, TransactWriteItem::builder().put(put).build()));
        Ok(())
    }

    /// Writes an item if `condition` holds.
    pub fn put_if(
        &mut self,
        name: C,
        table: &str,
        item: Item,
        condition: Expression,
    ) -> Result<(), StoreError> {
        let put = Put::builder()
            .table_name(table)
            .set_item(Some(item))
            .condition_expression(condition.text.clone())
            .set_expression_attribute_values(condition.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = put.build().map_err(|_| INVALID)?;
        self.writes.push((Some(name), TransactWriteItem::builder().put(put).build()));
        Ok(())
    }

    /// Changes an item, or makes it.
    pub fn update(&mut self, table: &str, key: Key, change: Expression) -> Result<(), StoreError> {
        let change = change.versioned();
        let update = Update::builder()
            .table_name(table)
            .set_key(Some(key))
            .update_expression(change.text.clone())
            .set_expression_attribute_values(change.values());
        let update = update.build().map_err(|_| INVALID)?;
        self.writes.push((None, TransactWriteItem::builder().update(update).build()));
        Ok(())
    }

    /// Changes an item if `condition` holds.
    pub fn update_if(
        &mut self,
        name: C,
        table: &str,
        key: Key,
        change: Expression,
        condition: Expression,
    ) -> Result<(), StoreError> {
        let change = change.versioned();
        let update = Update::builder()
            .table_name(table)
            .set_key(Some(key))
            .update_expression(change.text)
            .condition_expression(condition.text)
            .set_expression_attribute_values(values([change.values, condition.values]))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let update = update.build().map_err(|_| INVALID)?;
        self.writes.push((Some(name), TransactWriteItem::builder().update(update).build()));
        Ok(())
    }

    /// Deletes an item, if it is there.
    pub fn delete(&mut self, table: &str, key: Key) -> Result<(), StoreError> {
        let delete = Delete::builder().table_name(table).set_key(Some(key)).build().map_err(|_| INVALID)?;
        self.writes.push((None, TransactWriteItem::builder().delete(delete).build()));
        Ok(())
    }

    /// Deletes an item if `condition` holds.
    pub fn delete_if(
        &mut self,
        name: C,
        table: &str,
        key: Key,
        condition: Expression,
    ) -> Result<(), StoreError> {
        let delete = Delete::builder()
            .table_name(table)
            .set_key(Some(key))
            .condition_expression(condition.text.clone())
            .set_expression_attribute_values(condition.values());
        let delete = delete.build().map_err(|_| INVALID)?;
        self.writes.push((Some(name), TransactWriteItem::builder().delete(delete).build()));
        Ok(())
    }

    /// Writes nothing, and holds the others to `condition`.
    pub fn check(&mut self, name: C, table: &str, key: Key, condition: Expression) -> Result<(), StoreError> {
        let check = ConditionCheck::builder()
            .table_name(table)
            .set_key(Some(key))
            .condition_expression(condition.text.clone())
            .set_expression_attribute_values(condition.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let check = check.build().map_err(|_| INVALID)?;
        self.writes.push((Some(name), TransactWriteItem::builder().condition_check(check).build()));
        Ok(())
    }

    /// Commits. `Ok` with failed conditions: nothing was written, and these are why.
    ///
    /// The SDK gives each call a `ClientRequestToken`, so that an attempt whose answer was lost takes
    /// effect once.
    pub async fn commit(self, client: &Client) -> Result<Vec<Failed<C>>, StoreError> {
        let (names, writes): (Vec<_>, Vec<_>) = self.writes.into_iter().unzip();
        let outcome = client.transact_write_items().set_transact_items(Some(writes)).send().await;
        let Err(error) = outcome else { return Ok(Vec::new()) };
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error()
        else {
            return Err(StoreError::unavailable("TransactWriteItems", &error));
        };
        let reasons = cancelled.cancellation_reasons();
        let is = |reason: &CancellationReason, code| reason.code() == Some(code);
        let failed: Vec<Failed<C>> = names
            .into_iter()
            .zip(reasons)
            .filter(|(_, reason)| is(reason, CONDITION_FAILED))
            .filter_map(|(name, reason)| Some(Failed { condition: name?, item: reason.item().cloned() }))
            .collect();
        // Cancelled for another reason, too: a throttled partition, or a conflict that outlasted the retries.
        // Then not every condition was looked at, and which of them failed is half the truth.
        let whole = reasons.iter().all(|reason| is(reason, CONDITION_FAILED) || is(reason, "None"));
        if failed.is_empty() || !whole { Err(StoreError::cancelled(&error, reasons)) } else { Ok(failed) }
    }
}

const CONDITION_FAILED: &str = "ConditionalCheckFailed";

const INVALID: StoreError = StoreError::Corrupt("a write could not be built");

fn values(sets: [HashMap<String, AttributeValue>; 2]) -> Option<HashMap<String, AttributeValue>> {
    let values: HashMap<_, _> = sets.into_iter().flatten().collect();
    (!values.is_empty()).then_some(values)
}
