//! The sealed keys of the keyring and of the token signer: the partition `KEYS` of `Accounts`.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use jiff::Timestamp;
use postern_keys::{SealingKeyRecord, TokenKeyRecord};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::record::{self, Item, key, string};

const PARTITION: &str = "KEYS";
const SEALING: &str = "SEALING#";
const TOKEN: &str = "TOKEN#";

/// Reads and adds sealed keys. What is here opens only with the key service's leave.
#[derive(Debug, Clone)]
pub struct KeyRecords {
    client: Client,
    table: String,
}

#[derive(Serialize, Deserialize)]
struct Sealing {
    version: u32,
    #[serde(with = "serde_bytes")]
    sealed: Vec<u8>,
    active_from: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Token {
    kid: String,
    #[serde(with = "serde_bytes")]
    sealed_private: Vec<u8>,
    #[serde(with = "serde_bytes")]
    public_der: Vec<u8>,
    active_from: Timestamp,
    active_until: Timestamp,
}

impl KeyRecords {
    /// `table`: the name of `Accounts`.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// Opens the connection ahead of the first request. A failure here is the first request's to meet.
    pub async fn warm(&self) {
        let _ = self.tokens().await;
    }

    /// The keyring's keys. One call.
    pub async fn sealing(&self) -> Result<Vec<SealingKeyRecord>, StoreError> {
        let items = self.items(SEALING).await?;
        let records = items.into_iter().map(|item| {
            let Sealing { version, sealed, active_from } = record::read(item, "SEALING")?;
            Ok(SealingKeyRecord { version, sealed, active_from })
        });
        records.collect()
    }

    /// The token signer's key pairs. One call.
    pub async fn tokens(&self) -> Result<Vec<TokenKeyRecord>, StoreError> {
        let items = self.items(TOKEN).await?;
        let records = items.into_iter().map(|item| {
            let Token { kid, sealed_private, public_der, active_from, active_until } =
                record::read(item, "TOKEN")?;
            Ok(TokenKeyRecord { kid, sealed_private, public_der, active_from, active_until })
        });
        records.collect()
    }

    /// Adds a key of the keyring. `false`: another rotation was first. One call.
    pub async fn add_sealing(&self, new: &SealingKeyRecord) -> Result<bool, StoreError> {
        let record =
            Sealing { version: new.version, sealed: new.sealed.clone(), active_from: new.active_from };
        // Ten digits sort as the numbers do.
        self.add(record::item(key(PARTITION, format!("{SEALING}{:010}", new.version)), &record)?).await
    }

    /// Adds a key pair of the token signer, keyed by its first instant, so that two rotations at once
    /// add one. `false`: another was first. One call.
    pub async fn add_token(&self, new: &TokenKeyRecord) -> Result<bool, StoreError> {
        let record = Token {
            kid: new.kid.clone(),
            sealed_private: new.sealed_private.clone(),
            public_der: new.public_der.clone(),
            active_from: new.active_from,
            active_until: new.active_until,
        };
        let sk = format!("{TOKEN}{}", record::instant(new.active_from));
        self.add(record::item(key(PARTITION, sk), &record)?).await
    }

    async fn add(&self, item: Item) -> Result<bool, StoreError> {
        let added = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .send()
            .await;
        match added {
            Ok(_) => Ok(true),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutItemError::is_conditional_check_failed_exception) =>
            {
                Ok(false)
            }
            Err(error) => Err(StoreError::unavailable("PutItem", &error)),
        }
    }

    async fn items(&self, prefix: &str) -> Result<Vec<Item>, StoreError> {
        let pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :keys AND begins_with(sk, :prefix)")
            .expression_attribute_values(":keys", string(PARTITION))
            .expression_attribute_values(":prefix", string(prefix))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        pages.collect::<Result<Vec<_>, _>>().await.map_err(|error| StoreError::unavailable("Query", &error))
    }
}
