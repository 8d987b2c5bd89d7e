//! Tells of what happened: reads new activity from the stream of `Accounts`, publishes it to the
//! `SecurityEvents` topic, and tells the owner on every channel: by a text to each phone that takes texts, also to one that
//! is removed, and by email where the deployment has something to write from.
//!
//! The step that made a change is not held up by telling of it, and no telling is lost: Lambda hands a
//! batch out again, from the first entry that failed, and what fails for good goes to a queue with an
//! alarm. Delivery is at least once; an event keeps its id. Each channel is tried whatever became of the others, and one
//! that was told is not told again because another failed.
//!
//! Calls: SNS `Publish`, once an entry. Where the owner is told: two reads, and one message a channel; one write where only
//! some of them went out.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;
use postern_domain::account::Channel;
use postern_domain::activity::Event;
use postern_domain::phone_number::PhoneNumber;
use postern_http::Clock;
use postern_messages::{CloudEvent, Mail, NotSent, Notice, SecurityEvents, TextNotSent, Texts};
use postern_metrics::{Channel as By, Country, Metric, Sent, count};
use postern_store::{Store, activity_of, gone_number_of};
use serde::{Deserialize, Serialize};
use tracing::{error, info};

/// What the role of this function allows, action by action.
pub const CALLS: &[&str] = &[
    "dynamodb:Query Accounts",
    "dynamodb:GetItem Attempts",
    "dynamodb:PutItem Attempts",
    "ses:SendEmail EmailIdentity",
    "sns:Publish PhoneNumbers",
    "sns:Publish SecurityEvents",
];

/// Everything that this function may touch; its role grants exactly this.
pub struct Deps {
    pub clock: Clock,
    pub topic: Arc<dyn SecurityEvents>,
    /// The deployment's base address.
    pub issuer: String,
    /// What people call the portal.
    pub portal: String,
    pub store: Store,
    pub texts: Arc<dyn Texts>,
    /// None: the deployment has nothing to write from.
    pub mail: Option<Arc<dyn Mail>>,
}

/// How long a record of the stream may come again: it keeps them for 24 hours.
const COMES_AGAIN: SignedDuration = SignedDuration::from_hours(24);

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
        let gone = gone_number_of(&image);
        let told = match activity_of(image) {
            Ok(None) => continue,
            Ok(Some(event)) => tell(deps, &event, gone.as_ref()).await,
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

async fn tell(deps: &Deps, event: &Event, gone: Option<&PhoneNumber>) -> Result<(), String> {
    deps.topic.publish(&CloudEvent::new(event, &deps.issuer)).await.map_err(|error| error.to_string())?;
    if event.what.is_told() {
        tell_the_owner(deps, event, gone).await?;
    }
    info!(event = event.id.as_str(), "told");
    Ok(())
}

async fn tell_the_owner(deps: &Deps, event: &Event, gone: Option<&PhoneNumber>) -> Result<(), String> {
    let now = deps.clock.now();
    let account = deps.store.account(&event.account, now).await.map_err(|error| error.to_string())?;
    // An account that is gone meanwhile has nobody to tell.
    let Some(account) = account else { return Ok(()) };
    let Some(notice) = Notice::of(event, &account, &deps.portal) else { return Ok(()) };
    let before = deps.store.told(&event.id).await.map_err(|error| error.to_string())?;

    let mut told: BTreeSet<String> = before.clone();
    let mut failed: Option<NotSent> = None;
    let mut note = |channel: &str, sent: Result<(), NotSent>| match sent {
        Ok(()) => drop(told.insert(channel.to_owned())),
        Err(error) => failed = Some(error),
    };
    if let Some(mail) = deps.mail.as_ref().filter(|_| !before.contains(EMAIL)) {
        let sent = mail.send(&account.email, &notice.letter()).await;
        let outcome = if sent.is_ok() { Sent::Sent } else { Sent::Failed };
        count(Metric::Sends { channel: By::Email, country: Country::NONE, outcome });
        note(EMAIL, sent);
    }
    let takes_texts = |channels: &[Channel]| channels.contains(&Channel::Text);
    let phones = account.methods.phones.iter().filter(|phone| takes_texts(phone.line_type.channels()));
    let phones = phones.map(|phone| (phone.id.as_str(), &phone.number, Country::of(&phone.country)));
    for (channel, number, country) in phones.chain(gone.map(|number| (GONE, number, Country::NONE))) {
        if before.contains(channel) {
            continue;
        }
        let (sent, outcome) = match deps.texts.text(number, notice.text()).await {
            Ok(()) => (Ok(()), Sent::Sent),
            // Its owner wants no texts: asking again changes nothing.
            Err(TextNotSent::OptedOut) => (Ok(()), Sent::OptedOut),
            Err(TextNotSent::NotSent(error)) => (Err(error), Sent::Failed),
        };
        count(Metric::Sends { channel: By::Text, country, outcome });
        note(channel, sent);
    }
    let Some(failed) = failed else { return Ok(()) };
    if told != before {
        let until = now.saturating_add(COMES_AGAIN).unwrap_or(now);
        deps.store.note_told(&event.id, told, until).await.map_err(|error| error.to_string())?;
    }
    Err(failed.to_string())
}

/// The channels' names beside the phones' ids.
const EMAIL: &str = "email";
const GONE: &str = "gone";
