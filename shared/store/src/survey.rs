//! Reading every account, page by page, for a report.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use postern_domain::account::Account;
use postern_domain::id::AccountId;

use crate::error::StoreError;
use crate::record::{self, FIRST_METHOD, Item, Key, string};

/// A walk through the table `Accounts`, once, at the pace of whoever asks for its pages.
///
/// It reads what an account consists of and neither its activity nor what is counted by names, which a `Scan` passes
/// over all the same: it is charged by what it passes over. It reads eventually consistently, at half the price: a
/// report of a table in use is of no instant anyway.
#[derive(Debug)]
pub struct Survey {
    client: Client,
    accounts: String,
    from: Option<Key>,
    /// The account whose items the last page may have ended among.
    open: Option<(String, Vec<Item>)>,
    over: bool,
}

/// What a page brought.
#[derive(Debug, Default)]
pub struct Surveyed {
    pub accounts: Vec<Account>,
    /// Items passed over, of every kind.
    pub items: u64,
    /// Read capacity units taken, as DynamoDB says. 0 where it does not.
    pub capacity: f64,
}

impl Survey {
    /// `accounts`: the table's name.
    #[must_use]
    pub fn new(client: Client, accounts: impl Into<String>) -> Self {
        Self { client, accounts: accounts.into(), from: None, open: None, over: false }
    }

    /// About how many items the table holds: DynamoDB counts them every six hours (`DescribeTable`).
    ///
    /// # Errors
    ///
    /// Where the table is not there, may not be read, or does not answer.
    pub async fn items(&self) -> Result<u64, StoreError> {
        let described = self.client.describe_table().table_name(&self.accounts).send().await;
        let table = described.map_err(|error| StoreError::unavailable("DescribeTable", &error))?.table;
        Ok(table.and_then(|table| table.item_count).and_then(|items| items.try_into().ok()).unwrap_or(0))
    }

    /// The next page, of `items` items at most. None: every account was read.
    ///
    /// # Errors
    ///
    /// Where the table does not answer, or holds what this release cannot read.
    pub async fn next(&mut self, items: i32) -> Result<Option<Surveyed>, StoreError> {
        if self.over {
            return Ok(None);
        }
        let page = self
            .client
            .scan()
            .table_name(&self.accounts)
            .filter_expression("begins_with(pk, :accounts) AND sk >= :first")
            .expression_attribute_values(":accounts", string(AccountId::PREFIX))
            .expression_attribute_values(":first", string(FIRST_METHOD))
            .set_exclusive_start_key(self.from.take())
            .limit(items)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::unavailable("Scan", &error))?;
        let mut surveyed = Surveyed {
            items: page.scanned_count().try_into().unwrap_or(0),
            capacity: page.consumed_capacity().and_then(|taken| taken.capacity_units).unwrap_or(0.0),
            ..Surveyed::default()
        };
        self.from = page.last_evaluated_key;
        for item in page.items.unwrap_or_default() {
            surveyed.accounts.extend(self.take(item)?);
        }
        if self.from.is_none() {
            self.over = true;
            surveyed.accounts.extend(self.close()?);
        }
        Ok(Some(surveyed))
    }

    /// Adds an item to its account, and brings the account before it, which is complete by then: the items of a
    /// partition lie together (DynamoDB Developer Guide, "Partitions and data distribution").
    fn take(&mut self, item: Item) -> Result<Option<Account>, StoreError> {
        let pk = item.get("pk").and_then(|pk| pk.as_s().ok()).cloned().unwrap_or_default();
        if let Some((open, items)) = &mut self.open
            && *open == pk
        {
            items.push(item);
            return Ok(None);
        }
        let complete = self.close()?;
        self.open = Some((pk, vec![item]));
        Ok(complete)
    }

    fn close(&mut self) -> Result<Option<Account>, StoreError> {
        let Some((pk, items)) = self.open.take() else { return Ok(None) };
        let id = pk.parse().map_err(|_| StoreError::Corrupt("an account's id"))?;
        // Methods without a profile: the items did not lie together, and a report would be wrong.
        record::account(&id, items)?.map(Some).ok_or(StoreError::Corrupt("an account without a profile"))
    }
}
