//! What calls to `DynamoDB` would be billed by: each is asked for its `ConsumedCapacity`, once somebody counts it.
//!
//! The engine counts as AWS documents it: 4 KB a read unit and 1 KB a write unit, rounded up for each item, twice that in a
//! transaction, and an index's share beside it.

use std::slice;

use aws_sdk_dynamodb::config::interceptors::{
    AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use serde_json::{Map, Value};

use crate::toll::Toll;

/// The request units of some calls.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Units {
    pub reads: f64,
    pub writes: f64,
    /// Answers that say nothing of units: refused conditions, mostly, which are billed all the same.
    pub untold: u64,
}

/// Asks for the units of each call, and adds them to the toll.
#[derive(Debug)]
pub(crate) struct AskForUnits(pub Toll);

impl Intercept for AskForUnits {
    fn name(&self) -> &'static str {
        "ask for units"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if !self.0.counts_units() {
            return Ok(());
        }
        let request = context.request_mut();
        let mut body: Map<String, Value> =
            serde_json::from_slice(request.body().bytes().unwrap_or_default())?;
        body.insert("ReturnConsumedCapacity".to_owned(), "TOTAL".into());
        let body = serde_json::to_vec(&body)?;
        request.headers_mut().insert("content-length", body.len().to_string());
        *request.body_mut() = SdkBody::from(body);
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.0.counts_units() {
            let operation = config.load::<Metadata>().map(Metadata::name).unwrap_or_default();
            let answer = serde_json::from_slice(context.response().body().bytes().unwrap_or_default());
            self.0.add_units(units(operation, &answer.unwrap_or_default()));
        }
        Ok(())
    }
}

/// One table's, or one for each table of a transaction. Only a transaction says of which kind they are.
fn units(operation: &str, answer: &Value) -> Units {
    let tables = match answer.get("ConsumedCapacity") {
        None => return Units { untold: 1, ..Units::default() },
        Some(Value::Array(tables)) => tables.as_slice(),
        Some(table) => slice::from_ref(table),
    };
    let sum = tables.iter().filter_map(|table| table.get("CapacityUnits")?.as_f64()).sum();
    let reads = ["GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems"].contains(&operation);
    if reads { Units { reads: sum, ..Units::default() } } else { Units { writes: sum, ..Units::default() } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn units_are_read_from_every_form_of_answer() {
        let one = json!({ "ConsumedCapacity": { "TableName": "A", "CapacityUnits": 1.5 } });
        let two = json!({ "ConsumedCapacity": [{ "CapacityUnits": 4.0 }, { "CapacityUnits": 2.0 }] });
        assert_eq!(units("GetItem", &one), Units { reads: 1.5, writes: 0.0, untold: 0 });
        assert_eq!(units("Query", &one), Units { reads: 1.5, writes: 0.0, untold: 0 });
        assert_eq!(units("UpdateItem", &one), Units { reads: 0.0, writes: 1.5, untold: 0 });
        assert_eq!(units("TransactWriteItems", &two), Units { reads: 0.0, writes: 6.0, untold: 0 });
        assert_eq!(units("PutItem", &json!({})), Units { reads: 0.0, writes: 0.0, untold: 1 });
    }
}
