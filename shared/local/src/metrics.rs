//! `CloudWatch`'s part: what the lines count, added up.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use postern_metrics::Metrics;
use serde_json::Value;

/// Lines kept; the oldest go first.
const KEPT: usize = 10_000;

/// The lines of every run so far, as they stand in the log. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct MetricLines(Arc<Mutex<VecDeque<String>>>);

impl MetricLines {
    /// Where the functions write to.
    pub(crate) fn sink(&self) -> Metrics {
        let lines = self.clone();
        Metrics::to(move |line| {
            tracing::info!("{line}");
            let mut lines = lines.0.lock().unwrap_or_else(PoisonError::into_inner);
            lines.push_back(line);
            if lines.len() > KEPT {
                lines.pop_front();
            }
        })
    }

    /// What `CloudWatch` would have: each metric by its name and dimensions, `SignIns{Method=passkey,Outcome=signed_in}`,
    /// once for every set of dimensions that its lines name.
    #[must_use]
    pub fn sums(&self) -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        for line in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            for (metric, count) in serde_json::from_str(line).ok().as_ref().map(counted).unwrap_or_default() {
                *sums.entry(metric).or_default() += count;
            }
        }
        sums
    }
}

/// What `CloudWatch` takes from a line, by the specification of the embedded metric format.
fn counted(line: &Value) -> Vec<(String, u64)> {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let mut counted = Vec::new();
    for directive in list(line.pointer("/_aws/CloudWatchMetrics")) {
        for metric in list(directive.get("Metrics")) {
            let Some(name) = text(&metric, "Name") else { continue };
            let Some(count) = line.get(&name).and_then(Value::as_u64) else { continue };
            for set in list(directive.get("Dimensions")) {
                let of = |dimension: &Value| {
                    let name = dimension.as_str()?;
                    Some(format!("{name}={}", text(line, name)?))
                };
                let dimensions: Option<Vec<String>> = list(Some(&set)).iter().map(of).collect();
                // One that has no value makes the set invalid.
                let Some(dimensions) = dimensions else { continue };
                counted.push((format!("{name}{{{}}}", dimensions.join(",")), count));
            }
        }
    }
    counted
}
