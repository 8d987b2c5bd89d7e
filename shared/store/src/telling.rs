//! Which channels were told of an event: kept only where some of them were, and others not.

use std::collections::BTreeSet;

use jiff::Timestamp;
use postern_domain::id::EventId;
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::error::StoreError;
use crate::record::{self, Key};

/// `TOLD#…`: an event that comes again is not told again to these.
#[derive(Serialize, Deserialize)]
struct ToldRecord {
    channels: BTreeSet<String>,
    delete_at: i64,
}

impl Store {
    /// The channels that were told of an event while others were not. One call.
    pub async fn told(&self, event: &EventId) -> Result<BTreeSet<String>, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.attempts)
            .set_key(Some(told_key(event)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| StoreError::unavailable("GetItem", &error))?;
        let record: Option<ToldRecord> = found.item.map(|item| record::read(item, "TOLD")).transpose()?;
        Ok(record.map(|record| record.channels).unwrap_or_default())
    }

    /// Remembers them until `until`, when the event comes no more. One call.
    pub async fn note_told(
        &self,
        event: &EventId,
        channels: BTreeSet<String>,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let record = ToldRecord { channels, delete_at: record::delete_at(until) };
        self.put(&self.attempts, record::item(told_key(event), &record)?).await
    }
}

fn told_key(event: &EventId) -> Key {
    record::single_key(format!("TOLD#{event}"))
}
