//! The event files: what API Gateway, `EventBridge` and `DynamoDB` send.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::{Unreadable, entries, read_text};

/// One event file.
#[derive(Debug, Clone)]
pub struct Event(pub Value);

impl Event {
    /// Of an HTTP API's event: the route that it came by.
    #[must_use]
    pub fn route_key(&self) -> Option<&str> {
        self.0.get("routeKey")?.as_str()
    }

    /// Whether it brings a cookie of any kind.
    #[must_use]
    pub fn has_cookies(&self) -> bool {
        self.0.get("cookies").is_some() || self.0.pointer("/headers/cookie").is_some()
    }

    /// What API Gateway always says, and twice, must be the same both times.
    pub(crate) fn inconsistencies(&self) -> Vec<String> {
        let at = |pointer: &str| self.0.pointer(pointer).cloned().unwrap_or_default();
        let mut found = Vec::new();
        let same = [
            ("/routeKey", "/requestContext/routeKey"),
            ("/rawPath", "/requestContext/http/path"),
            ("/headers/user-agent", "/requestContext/http/userAgent"),
            ("/headers/x-forwarded-for", "/requestContext/http/sourceIp"),
            ("/headers/host", "/requestContext/domainName"),
        ];
        for (one, other) in same {
            if at(one).is_null() || at(one) != at(other) {
                found.push(format!("{one} and {other} differ"));
            }
        }
        if at("/version") != "2.0" {
            found.push("not of payload format 2.0".to_owned());
        }
        if !at("/requestContext/requestId").is_string() || !at("/requestContext/timeEpoch").is_number() {
            found.push("no request id or time".to_owned());
        }
        if let Some((method, path)) = self.route_key().and_then(|key| key.split_once(' ')) {
            if at("/requestContext/http/method") != method {
                found.push("the method is not the route's".to_owned());
            }
            let wanted = parameters(path, at("/rawPath").as_str().unwrap_or_default());
            if wanted.as_ref() != Some(&at("/pathParameters")) {
                found.push("path or parameters are not the route's".to_owned());
            }
        }
        found
    }
}

/// The parameters by which `path` fits `pattern`: null for none, nothing if it does not fit.
fn parameters(pattern: &str, path: &str) -> Option<Value> {
    let mut found = serde_json::Map::new();
    if pattern.split('/').count() != path.split('/').count() {
        return None;
    }
    for (wanted, given) in pattern.split('/').zip(path.split('/')) {
        match wanted.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => {
                found.insert(name.to_owned(), given.into());
            }
            None if wanted == given => {}
            None => return None,
        }
    }
    Some(if found.is_empty() { Value::Null } else { Value::Object(found) })
}

pub fn read_all(folder: &Path) -> Result<BTreeMap<String, Event>, Unreadable> {
    let mut events = BTreeMap::new();
    for (name, path) in entries(folder, Some("json"))? {
        let value = serde_json::from_str(&read_text(&path)?)
            .map_err(|error| Unreadable::Malformed { path, reason: error.to_string() })?;
        events.insert(name, Event(value));
    }
    Ok(events)
}
