//! Tells of what happened: reads new activity from the stream of `Accounts`, publishes it to the
//! `SecurityEvents` topic, and writes to the owner.
//!
//! The step that made a change is not held up by telling of it, and no telling is lost: Lambda hands a
//! batch out again, from the first entry that failed, and what fails for good goes to a queue with an
//! alarm. Delivery is at least once; an event keeps its id.
//!
//! Calls: SNS `Publish`, once an entry.

use std::sync::Arc;

use postern_domain::activity::Event;
use postern_http::Clock;
use postern_messages::{CloudEvent, Letter, Mail, Notice, SecurityEvents};
use postern_store::{Store, activity_of};
use serde::{Deserialize, Serialize};
use tracing::{error, info};

/// What the role of this function allows, action by action.
pub const CALLS: &[&str] = &["sns:Publish SecurityEvents"];

/// Everything that this function may touch; its role grants exactly this.
pub struct Deps {
    pub topic: Arc<dyn SecurityEvents>,
    /// The deployment's base address.
    pub issuer: String,
    /// Letters to the owner, where there is a way to send them.
    pub letters: Option<Letters>,
}

/// What letters need: the account's address, and the mail.
pub struct Letters {
    pub clock: Clock,
    pub store: Store,
    pub mail: Arc<dyn Mail>,
}

/// A batch of a DynamoDB stream, as Lambda hands it out.
#[derive(Debug, Deserialize)]
pub struct Batch {
    #[serde(rename = "Records")]
    records: Vec<StreamRecord>,
}

#[derive(Debug, Deserialize)]
struct StreamRecord {
    dynamodb: Change,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Change {
    sequence_number: String,
    new_image: Option<serde_dynamo::Item>,
}

/// `ReportBatchItemFailures`: Lambda goes on from the first of these.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    pub batch_item_failures: Vec<NotTold>,
}

/// A stream record that is to come again.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NotTold {
    pub item_identifier: String,
}

pub async fn handle(deps: &Deps, batch: Batch) -> Told {
    for StreamRecord { dynamodb: change } in batch.records {
        let Some(image) = change.new_image else { continue };
        let told = match activity_of(image) {
            Ok(None) => continue,
            Ok(Some(event)) => tell(deps, &event).await,
            Err(error) => Err(error.to_string()),
        };
        if let Err(cause) = told {
            error!(cause, "not told");
            // In order: what follows waits for it.
            return Told { batch_item_failures: vec![NotTold { item_identifier: change.sequence_number }] };
        }
    }
    Told::default()
}

async fn tell(deps: &Deps, event: &Event) -> Result<(), String> {
    deps.topic.publish(&CloudEvent::new(event, &deps.issuer)).await.map_err(|error| error.to_string())?;
    if let Some(letters) = &deps.letters
        && event.what.is_told()
    {
        let account = letters.store.account(&event.account, letters.clock.now()).await;
        // An account that is gone meanwhile has nobody to tell.
        if let Some(account) = account.map_err(|error| error.to_string())?
            && let Some(notice) = Notice::of(event, account.username.as_str())
        {
            letters
                .mail
                .send(&account.email, &Letter::from(&notice))
                .await
                .map_err(|error| error.to_string())?;
        }
    }
    info!(event = event.id.as_str(), "told");
    Ok(())
}
