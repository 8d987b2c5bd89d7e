//! An account's activity, newest first.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use postern_domain::activity::{Event, What};
use postern_domain::id::{AccountId, EventId};
use postern_domain::phone_number::PhoneNumber;
use postern_http::Request;
use postern_keys::Random;

use crate::Store;
use crate::change::GONE_NUMBER;
use crate::error::StoreError;
use crate::record::{self, ACTIVITY, ActivityRecord, key, string};

/// Entries a page.
const PAGE: usize = 50;

/// A page of an account's activity.
#[derive(Debug)]
pub struct Activity {
    pub events: Vec<Event>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

/// The place after an entry. It names nothing but an instant and an event, and only ever in the
/// caller's own partition, so a forged one shows nothing that is not the caller's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    at: Timestamp,
    id: EventId,
}

/// The text is no cursor.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq)]
#[error("not a cursor")]
pub struct InvalidCursor;

impl std::str::FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidCursor)?;
        let plain = String::from_utf8(bytes).map_err(|_| InvalidCursor)?;
        let (at, id) = plain.split_once('#').ok_or(InvalidCursor)?;
        Ok(Self { at: at.parse().map_err(|_| InvalidCursor)?, id: id.parse().map_err(|_| InvalidCursor)? })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.plain()))
    }
}

impl Cursor {
    fn plain(&self) -> String {
        format!("{}#{}", record::instant(self.at), self.id)
    }
}

impl Store {
    /// The page after `from`, or the first. One call.
    pub async fn activity(&self, account: &AccountId, from: Option<&Cursor>) -> Result<Activity, StoreError> {
        // One more than a page says whether there is another.
        let limit = i32::try_from(PAGE + 1).unwrap_or(i32::MAX);
        let start = from.map(|cursor| key(account.as_str(), format!("{ACTIVITY}{}", cursor.plain())));
        let page = self
            .client
            .query()
            .table_name(&self.accounts)
            .key_condition_expression("pk = :account AND begins_with(sk, :activity)")
            .expression_attribute_values(":account", string(account.as_str()))
            .expression_attribute_values(":activity", string(ACTIVITY))
            .scan_index_forward(false)
            .consistent_read(true)
            .limit(limit)
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|error| StoreError::unavailable("Query", &error))?;
        let read = |item| record::read::<ActivityRecord>(item, "ACTIVITY").map(record::event);
        let mut events =
            page.items.unwrap_or_default().into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let more = events.len() > PAGE;
        events.truncate(PAGE);
        let last = events.last().filter(|_| more);
        let next = last.map(|event| Cursor { at: event.at, id: event.id.clone() });
        Ok(Activity { events, next })
    }
}

/// What `request` does to an account at `now`, as an entry of its activity.
#[must_use]
pub fn happened(
    request: &Request,
    random: &Random,
    account: &AccountId,
    what: What,
    now: Timestamp,
) -> Event {
    let id = EventId::from_bytes(random.fill());
    Event { id, account: account.clone(), at: now, what, place: request.source_ip() }
}

/// The number that an entry is told to beside those of the account: one that it has no more.
#[must_use]
pub fn gone_number_of(image: &serde_dynamo::Item) -> Option<PhoneNumber> {
    match image.inner().get(GONE_NUMBER)? {
        serde_dynamo::AttributeValue::S(number) => number.parse().ok(),
        _ => None,
    }
}

/// Reads an entry from the new image of a stream's record (`security-notices`). None: the image is of
/// another kind of record.
pub fn activity_of(image: serde_dynamo::Item) -> Result<Option<Event>, StoreError> {
    let sk = image.inner().get("sk");
    if !matches!(sk, Some(serde_dynamo::AttributeValue::S(sk)) if sk.starts_with(ACTIVITY)) {
        return Ok(None);
    }
    if let Some(serde_dynamo::AttributeValue::N(version)) = image.inner().get(record::VERSION) {
        record::refuse_newer_version(version, "ACTIVITY")?;
    }
    let record: ActivityRecord =
        serde_dynamo::from_item(image).map_err(|_| StoreError::Corrupt("ACTIVITY"))?;
    Ok(Some(record::event(record)))
}
