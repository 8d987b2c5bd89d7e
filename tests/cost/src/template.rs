//! What the template says about what is paid for.

use std::collections::BTreeMap;
use std::path::Path;

use agreement::Template;
use serde_json::Value;

use crate::prices::Malformed;

/// The deployed stack, as far as it is paid for.
#[derive(Debug, Clone)]
pub struct Stack {
    /// The memory of each function, in MB, by its binary.
    pub memory: BTreeMap<String, f64>,
    /// The default, which every environment has.
    pub architecture: String,
    pub keys: usize,
    /// Those of them that rotate each year.
    pub rotating_keys: usize,
    /// Metrics that alarms watch, each time that one does.
    pub alarm_metrics: usize,
    /// Metrics that are made of log lines.
    pub filter_metrics: usize,
    /// Rules of the edge's web ACL.
    pub web_acl_rules: usize,
}

impl Stack {
    /// Reads `infra/template.yaml`.
    pub fn read(path: &Path) -> Result<Self, Malformed> {
        let template = Template::read(path).map_err(|error| Malformed::Template(error.to_string()))?;
        let of_type =
            |kind: &'static str| template.resources.values().filter(move |resource| resource["Type"] == kind);
        let missing = |what: &str| Malformed::Template(format!("there is no {what}"));
        let general = template.globals.pointer("/Function/MemorySize").and_then(Value::as_f64);
        let mut memory = BTreeMap::new();
        for (id, function) in &template.functions {
            let own = template.resources.get(id).and_then(|own| own.pointer("/Properties/MemorySize"));
            let size = own.and_then(Value::as_f64).or(general);
            memory.insert(function.binary.clone(), size.ok_or_else(|| missing("MemorySize"))?);
        }
        let architecture = template.parameters.get("Architecture").and_then(|own| own["Default"].as_str());
        let architecture = architecture.ok_or_else(|| missing("Architecture"))?.to_owned();
        let rules = of_type("AWS::WAFv2::WebACL").filter_map(|acl| acl["Properties"]["Rules"].as_array());
        Ok(Self {
            memory,
            architecture,
            keys: of_type("AWS::KMS::Key").count(),
            rotating_keys: of_type("AWS::KMS::Key")
                .filter(|key| key["Properties"]["EnableKeyRotation"] == true)
                .count(),
            alarm_metrics: of_type("AWS::CloudWatch::Alarm").map(watched).sum(),
            filter_metrics: of_type("AWS::Logs::MetricFilter").count(),
            web_acl_rules: rules.map(Vec::len).sum(),
        })
    }
}

/// How many metrics an alarm watches: the one that it names, or each that its expression takes.
fn watched(alarm: &Value) -> usize {
    let list = alarm["Properties"]["Metrics"].as_array();
    list.map_or(1, |list| list.iter().filter(|metric| metric.get("MetricStat").is_some()).count())
}
