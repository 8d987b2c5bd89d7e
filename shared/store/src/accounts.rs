//! Reading an account.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use jiff::Timestamp;
use postern_domain::account::Account;
use postern_domain::activity::Event;
use postern_domain::id::{AccountId, PasskeyId};
use postern_domain::name::PasskeyName;

use crate::Store;
use crate::error::StoreError;
use crate::record::{self, FIRST_METHOD, Item, Key, string};
use crate::transaction::{Expression, Transaction};

impl Store {
    /// The account with everything that decisions rest on, if it is there at `now`. One call.
    pub async fn account(&self, id: &AccountId, now: Timestamp) -> Result<Option<Account>, StoreError> {
        let items = self.partition(id).await?;
        let account = record::account(id, items)?;
        Ok(account.filter(|account| account.exists_at(now)))
    }

    /// All but the activity. A partition without it fits one page by far: 20 passkeys and 5 phones.
    ///
    /// The profile, the last in order, is read first: a transaction may fall into the middle of a `Query`,
    /// whose later part is then the newer one (isolation levels, DynamoDB Developer Guide). With the
    /// revision read before everything that it stands for, no decision on such a mixture is ever written.
    async fn partition(&self, id: &AccountId) -> Result<Vec<Item>, StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.accounts)
            .key_condition_expression("pk = :account AND sk >= :first")
            .expression_attribute_values(":account", string(id.as_str()))
            .expression_attribute_values(":first", string(FIRST_METHOD))
            .scan_index_forward(false)
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| StoreError::unavailable("Query", &error))?;
        if page.last_evaluated_key().is_some() {
            return Err(StoreError::Corrupt("an account is larger than a page"));
        }
        Ok(page.items.unwrap_or_default())
    }

    /// Reads items by their keys, of each table: all of them, or none. One call.
    pub(crate) async fn get_together<const N: usize>(
        &self,
        wanted: [(&String, Vec<Key>); N],
    ) -> Result<HashMap<String, Vec<Item>>, StoreError> {
        const OPERATION: &str = "BatchGetItem";
        let mut read = self.client.batch_get_item();
        for (table, keys) in wanted {
            let keys = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
            let keys = keys.map_err(|_| StoreError::Corrupt("a read could not be built"))?;
            read = read.request_items(table, keys);
        }
        let found = read.send().await.map_err(|error| StoreError::unavailable(OPERATION, &error))?;
        // Half an answer decides nothing.
        if found.unprocessed_keys().is_some_and(|keys| !keys.is_empty()) {
            let reason = "not all was read".to_owned();
            return Err(StoreError::Unavailable { operation: OPERATION, reason });
        }
        Ok(found.responses.unwrap_or_default())
    }

    /// Gives a passkey another name. `false`: it is not there any more. One call.
    pub async fn rename_passkey(
        &self,
        account: &AccountId,
        passkey: &PasskeyId,
        name: &PasskeyName,
        event: &Event,
    ) -> Result<bool, StoreError> {
        #[derive(Clone, Copy)]
        struct Passkey;
        let mut writes = Transaction::new();
        writes.update_if(
            Passkey,
            &self.accounts,
            record::passkey_key(account, passkey),
            Expression::new("SET label = :label", [(":label", string(name.as_str()))]),
            Expression::present(),
        )?;
        writes.put(&self.accounts, record::activity_item(event)?)?;
        Ok(writes.commit(&self.client).await?.is_empty())
    }
}
