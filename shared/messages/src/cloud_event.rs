//! Security events as CloudEvents 1.0, in JSON.

use postern_domain::activity::{Event, What};
use serde::Serialize;

/// The version of `data`'s form. A member may be added within it; none is taken away or means another thing.
const DATA_VERSION: &str = "1";

/// CloudEvents 1.0 §3, JSON event format. It names an account by its id alone.
#[derive(Debug, Clone, Serialize)]
pub struct CloudEvent {
    specversion: &'static str,
    /// The activity entry's id: the same event twice has the same one.
    id: String,
    source: String,
    r#type: String,
    subject: String,
    time: String,
    datacontenttype: &'static str,
    data: Data,
}

#[derive(Debug, Clone, Serialize)]
struct Data {
    version: &'static str,
    account: String,
    what: What,
    r#where: String,
}

impl CloudEvent {
    /// `issuer`: the deployment's base address, the `source` of its events.
    #[must_use]
    pub fn new(event: &Event, issuer: &str) -> Self {
        let what = serde_json::to_value(event.what).ok();
        let what = what.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
        Self {
            specversion: "1.0",
            id: event.id.to_string(),
            source: issuer.to_owned(),
            r#type: format!("postern.account.{what}"),
            subject: event.account.to_string(),
            time: event.at.to_string(),
            datacontenttype: "application/json",
            data: Data {
                version: DATA_VERSION,
                account: event.account.to_string(),
                what: event.what,
                r#where: event.place.clone(),
            },
        }
    }

    #[must_use]
    pub fn kind(&self) -> &str {
        &self.r#type
    }
}

#[cfg(test)]
#[path = "cloud_event_tests.rs"]
mod tests;
