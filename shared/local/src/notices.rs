//! The stream of `Accounts`, handed to `security-notices` in batches, as Lambda's event source mapping
//! does: from where it stands, in order, and again from the first entry that failed.

use dynoxide::Database;
use dynoxide::actions::describe_stream::DescribeStreamRequest;
use dynoxide::actions::get_records::GetRecordsRequest;
use dynoxide::actions::get_shard_iterator::GetShardIteratorRequest;
use dynoxide::actions::list_streams::ListStreamsRequest;
use postern_http::Runs;
use security_notices::{Batch, Deps, handle};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::engine::ACCOUNTS;
use crate::meter::Meter;

/// Records in a batch, at most.
const BATCH: usize = 100;

/// What the mapping's filter in `infra/template.yaml` lets through: new items whose `sk` begins so.
const FILTER: &str = "ACTIVITY#";

/// Reads the stream from where it stood when the local run began.
pub struct Stream {
    database: Database,
    deps: Deps,
    runs: Runs,
    meter: Meter,
    /// The iterator of what comes next.
    next: Mutex<String>,
}

impl Stream {
    /// The error is a message for a person.
    pub fn open(database: Database, deps: Deps, runs: Runs, meter: Meter) -> Result<Self, String> {
        let streams = database
            .list_streams(ListStreamsRequest {
                table_name: Some(ACCOUNTS.to_owned()),
                ..ListStreamsRequest::default()
            })
            .map_err(|error| error.to_string())?;
        let arn =
            streams.streams.first().map(|stream| stream.stream_arn.clone()).ok_or("there is no stream")?;
        let described = database
            .describe_stream(DescribeStreamRequest {
                stream_arn: arn.clone(),
                ..DescribeStreamRequest::default()
            })
            .map_err(|error| error.to_string())?;
        let shard = described.stream_description.shards.last().map(|shard| shard.shard_id.clone());
        let iterator = database
            .get_shard_iterator(GetShardIteratorRequest {
                stream_arn: arn,
                shard_id: shard.ok_or("the stream has no shard")?,
                shard_iterator_type: "LATEST".to_owned(),
                sequence_number: None,
            })
            .map_err(|error| error.to_string())?;
        let next = iterator.shard_iterator.ok_or("the stream has no end")?;
        Ok(Self { database, deps, runs, meter, next: Mutex::new(next) })
    }

    /// Hands out all that is new. `false`: something failed, and comes again the next time.
    pub async fn hand_out(&self) -> Result<bool, String> {
        let mut next = self.next.lock().await;
        loop {
            let request = GetRecordsRequest { shard_iterator: next.clone(), limit: Some(BATCH) };
            let records = self.database.get_records(request).map_err(|error| error.to_string())?;
            if records.records.is_empty() {
                return Ok(true);
            }
            let let_through: Vec<Value> = records
                .records
                .iter()
                .filter(|record| record.event_name == "INSERT")
                .filter_map(|record| serde_json::to_value(record).ok())
                .filter(|record| {
                    let key = record.pointer("/dynamodb/Keys/sk/S").and_then(Value::as_str);
                    key.is_some_and(|key| key.starts_with(FILTER))
                })
                .collect();
            // What the filter leaves out starts no run.
            if !let_through.is_empty() {
                let batch = serde_json::from_value(json!({ "Records": let_through }));
                let batch: Batch = batch.map_err(|error| error.to_string())?;
                let run = self.runs.counting(handle(&self.deps, batch));
                let told = self.meter.measure("security-notices", run).await;
                if !told.batch_item_failures.is_empty() {
                    return Ok(false);
                }
            }
            *next = records.next_shard_iterator.ok_or("the stream has no end")?;
        }
    }
}
