//! Which calls were placed: the topic delivers at least once, a phone rings once.

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::error::StoreError;
use crate::record::{self, Key, string};

/// `CALL#…`: a call that somebody is placing or has placed.
#[derive(Serialize, Deserialize)]
struct CallRecord {
    claimed_by: String,
    delete_at: i64,
}

impl Store {
    /// Claims a call. `false`: somebody else has. `claimant` is of this one try: so the SDK's own retry, after an answer was
    /// lost, finds its claim and not somebody else's. One call.
    ///
    /// The record must outlive every delivery that could still be placed: until `expires_at`.
    pub async fn claim_call(
        &self,
        id: &str,
        claimant: &str,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let record = CallRecord { claimed_by: claimant.to_owned(), delete_at: record::delete_at(expires_at) };
        let claimed = self
            .client
            .put_item()
            .table_name(&self.attempts)
            .set_item(Some(record::item(call_key(id), &record)?))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = claimed else { return Ok(true) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                let holder = failed.item().and_then(|item| item.get("claimed_by")?.as_s().ok());
                Ok(holder.is_some_and(|holder| holder == claimant))
            }
            _ => Err(StoreError::unavailable("PutItem", &error)),
        }
    }

    /// Gives a claim back, if it is `claimant`'s: the call may be placed by whoever comes next. One call.
    pub async fn release_call(&self, id: &str, claimant: &str) -> Result<(), StoreError> {
        let released = self
            .client
            .delete_item()
            .table_name(&self.attempts)
            .set_key(Some(call_key(id)))
            .condition_expression("claimed_by = :claimant")
            .expression_attribute_values(":claimant", string(claimant))
            .send()
            .await;
        match released {
            Ok(_) => Ok(()),
            // Nobody's, or somebody else's.
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(DeleteItemError::is_conditional_check_failed_exception) =>
            {
                Ok(())
            }
            Err(error) => Err(StoreError::unavailable("DeleteItem", &error)),
        }
    }
}

fn call_key(id: &str) -> Key {
    record::single_key(format!("CALL#{id}"))
}
