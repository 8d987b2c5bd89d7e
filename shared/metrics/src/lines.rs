//! The lines: `CloudWatch`'s embedded metric format, in the log beside the other lines.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::fmt;
use std::io::Write;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::metric::UNIT;
use crate::tally::Tally;

/// The metrics' namespace.
pub const NAMESPACE: &str = "Postern";

/// Where the lines go.
#[derive(Clone)]
pub struct Metrics(Arc<dyn Fn(String) + Send + Sync>);

impl Metrics {
    /// Standard output, where Lambda's log is: `CloudWatch` takes them from there.
    #[must_use]
    pub fn stdout() -> Self {
        Self::to(|line| {
            // In one write, so that no other line comes between. Without a log there is nobody to tell.
            let _ = std::io::stdout().lock().write_all(format!("{line}\n").as_bytes());
        })
    }

    /// Hands each line to `take`.
    #[must_use]
    pub fn to(take: impl Fn(String) + Send + Sync + 'static) -> Self {
        Self(Arc::new(take))
    }

    /// Writes what was counted in a run of `function` that was over at `now`. `request_id`, where it has one, leads to
    /// the run's other lines.
    pub fn write(&self, tally: &Tally, function: &str, request_id: Option<&str>, now: Timestamp) {
        for line in lines(tally, function, request_id, now) {
            (self.0)(line.to_string());
        }
    }
}

/// Nearly always one. A dimension has one value in a line, so that what differs in one takes a line more.
fn lines(tally: &Tally, function: &str, request_id: Option<&str>, now: Timestamp) -> Vec<Value> {
    let mut lines: Vec<Line> = Vec::new();
    for (metric, count) in tally.counts() {
        let (declared, values) = (metric.declared(), metric.values(function));
        let place = lines.iter().position(|line| line.takes(declared.name, &values));
        let place = place.unwrap_or_else(|| {
            lines.push(Line::default());
            lines.len() - 1
        });
        if let Some(line) = lines.get_mut(place) {
            line.directives.push(json!({
                "Namespace": NAMESPACE,
                "Dimensions": declared.dimensions,
                "Metrics": [{ "Name": declared.name, "Unit": UNIT }],
            }));
            line.members.extend(values.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())));
            line.members.insert(declared.name.to_owned(), (*count).into());
        }
    }
    let finished = lines.into_iter().map(|Line { directives, mut members }| {
        let aws = json!({ "Timestamp": now.as_millisecond(), "CloudWatchMetrics": directives });
        members.insert("_aws".to_owned(), aws);
        if let Some(id) = request_id {
            members.insert("request_id".to_owned(), id.into());
        }
        Value::Object(members)
    });
    finished.collect()
}

#[derive(Default)]
struct Line {
    directives: Vec<Value>,
    members: Map<String, Value>,
}

impl Line {
    /// Whether a metric fits in: it is not there yet, and its dimensions have no other values here.
    fn takes(&self, name: &str, values: &[(&str, &str)]) -> bool {
        let same = |(name, value): &(&str, &str)| self.members.get(*name).is_none_or(|here| here == value);
        !self.members.contains_key(name) && values.iter().all(same)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
