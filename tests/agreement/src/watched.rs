//! The metrics of our own that the template's alarms and dashboards watch.

use std::collections::BTreeSet;

use postern_metrics::NAMESPACE;
use serde_json::Value;

/// A metric as somebody watches it: the name, and the dimensions that it is asked for by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Watched {
    /// Of the alarm or the dashboard.
    pub by: String,
    pub name: String,
    pub dimensions: BTreeSet<String>,
}

/// Finds them in the properties of the resource `by`.
pub fn watched(by: &str, properties: &Value) -> BTreeSet<Watched> {
    let mut found = BTreeSet::new();
    look(by, properties, &mut found);
    found
}

fn look(by: &str, value: &Value, found: &mut BTreeSet<Watched>) {
    match value {
        Value::Object(members) => {
            found.extend(of_alarm(by, value));
            for member in members.values() {
                look(by, member, found);
            }
        }
        Value::Array(items) => {
            found.extend(of_graph(by, items));
            for item in items {
                look(by, item, found);
            }
        }
        Value::String(text) => match serde_json::from_str(text) {
            // The body of a dashboard.
            Ok(body @ (Value::Object(_) | Value::Array(_))) => look(by, &body, found),
            _ => found.extend(of_search(by, text)),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn new(by: &str, name: &str, dimensions: impl Iterator<Item = String>) -> Watched {
    Watched { by: by.to_owned(), name: name.to_owned(), dimensions: dimensions.collect() }
}

/// `{"Namespace", "MetricName", "Dimensions": [{"Name", "Value"}]}`.
fn of_alarm(by: &str, metric: &Value) -> Option<Watched> {
    let text = |value: &Value, name: &str| Some(value.get(name)?.as_str()?.to_owned());
    if text(metric, "Namespace")? != NAMESPACE {
        return None;
    }
    let dimensions = metric.get("Dimensions").and_then(Value::as_array).cloned().unwrap_or_default();
    Some(new(by, &text(metric, "MetricName")?, dimensions.iter().filter_map(|it| text(it, "Name"))))
}

/// `["Postern", "SignIns", "Method", "passkey", …, {}]` (`CloudWatch`, "Dashboard body structure and syntax").
fn of_graph(by: &str, items: &[Value]) -> Option<Watched> {
    let texts: Vec<&str> = items.iter().map_while(Value::as_str).collect();
    match texts.as_slice() {
        [NAMESPACE, name, dimensions @ ..] => {
            Some(new(by, name, dimensions.iter().step_by(2).map(|name| (*name).to_owned())))
        }
        _ => None,
    }
}

/// `SEARCH('{Postern,Method,Outcome} MetricName="SignIns"', …)`, each of them.
fn of_search(by: &str, text: &str) -> Vec<Watched> {
    let of = |schema: &str| {
        let (dimensions, rest) = schema.split_once('}')?;
        let (_, name) = rest.split_once("MetricName=")?;
        let name: String =
            name.trim_start_matches(['"', '\\']).chars().take_while(char::is_ascii_alphanumeric).collect();
        let dimensions =
            dimensions.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        Some(new(by, &name, dimensions))
    };
    text.split(&format!("{{{NAMESPACE}")).skip(1).filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn named(by: &str, name: &str, dimensions: &[&str]) -> Watched {
        new(by, name, dimensions.iter().map(|name| (*name).to_owned()))
    }

    #[test]
    fn alarms_graphs_and_searches_are_read() {
        let alarm = json!({
            "Namespace": "Postern", "MetricName": "Locks", "Dimensions": [{"Name": "Method", "Value": "password"}],
        });
        assert_eq!(watched("A", &alarm), BTreeSet::from([named("A", "Locks", &["Method"])]));
        let math = json!({ "Metrics": [{ "MetricStat": { "Metric": { "Namespace": "Postern", "MetricName": "Sends" } } }] });
        assert_eq!(watched("A", &math), BTreeSet::from([named("A", "Sends", &[])]));
        let other = json!({ "Namespace": "AWS/Lambda", "MetricName": "Errors" });
        assert_eq!(watched("A", &other), BTreeSet::new());
        let body = json!({ "widgets": [{ "properties": { "metrics": [
            ["Postern", "SignIns", "Method", "phone", "Outcome", "next", { "stat": "Sum" }],
            ["Postern", "Refusals"],
            ["AWS/Lambda", "Errors"],
            [{ "expression": "SEARCH('{Postern,Service,Kind} MetricName=\"AwsErrors\"', 'Sum')" }],
        ] } }] });
        let expected = [
            named("D", "SignIns", &["Method", "Outcome"]),
            named("D", "Refusals", &[]),
            named("D", "AwsErrors", &["Service", "Kind"]),
        ];
        let dashboard = json!({ "DashboardBody": { "Fn::Sub": body.to_string() } });
        assert_eq!(watched("D", &dashboard), BTreeSet::from(expected));
    }
}
