//! `infra/prices.json`: what is paid for, and what a month is taken to be.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use serde::Deserialize;

/// The file cannot be used.
#[derive(thiserror::Error, Debug)]
pub enum Malformed {
    #[error("{}: {cause}", path.display())]
    Unreadable { path: PathBuf, cause: String },
    #[error("infra/prices.json: {0}")]
    Prices(String),
    #[error("infra/template.yaml: {0}")]
    Template(String),
}

/// The whole of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Book {
    #[serde(rename = "about")]
    _about: String,
    pub region: String,
    pub prices: Prices,
    pub cognito: Cognito,
    pub assumed: Assumptions,
    /// By kind of sign-in.
    pub shares: BTreeMap<String, Assumed>,
    /// The functions that hash a password in each run.
    pub hashing: Vec<String>,
}

/// A price, where it stands, and when it stood there.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    pub dollars: f64,
    pub per: f64,
    pub unit: String,
    pub source: String,
    pub read: Date,
    pub known: Known,
    #[serde(default)]
    pub free: f64,
    #[serde(default)]
    pub note: String,
}

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Known {
    Page,
    PriceList,
    Undated,
    Assumed,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    pub api_request: Price,
    pub lambda_run: Price,
    /// By architecture.
    pub lambda_gigabyte_second: BTreeMap<String, Price>,
    pub dynamodb_write: Price,
    pub dynamodb_read: Price,
    pub kms_request: Price,
    pub kms_key: Price,
    pub sns_publish: Price,
    pub text: Price,
    pub call_minute: Price,
    pub line_lookup: Price,
    pub email: Price,
    pub log_gigabyte: Price,
    pub alarm_metric: Price,
    pub custom_metric: Price,
    pub trace: Price,
    pub web_acl: Price,
    pub web_acl_rule: Price,
}

/// Its plans.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cognito {
    pub lite: Price,
    pub essentials: Price,
    pub plus: Price,
}

/// A value that nobody has measured, and why it is that.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assumed {
    pub value: f64,
    pub reason: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assumptions {
    pub active_users: Assumed,
    pub sign_ins_a_user: Assumed,
    pub tokens_a_sign_in: Assumed,
    pub new_users: Assumed,
    pub recoveries: Assumed,
    pub minutes_a_call: Assumed,
    pub answer_cpu_ms: Assumed,
    pub hash_cpu_ms: Assumed,
    pub call_wait_ms: Assumed,
    pub megabytes_a_cpu: Assumed,
    pub log_bytes_a_run: Assumed,
    pub traced: Assumed,
    pub failure_metrics: Assumed,
}

impl Book {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self, Malformed> {
        let unreadable =
            |cause: std::io::Error| Malformed::Unreadable { path: path.to_owned(), cause: cause.to_string() };
        Self::parse(&std::fs::read_to_string(path).map_err(unreadable)?)
    }

    /// Reads the file's text. A price without its date or source, and an assumption without its reason, are errors.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let whole: serde_json::Value = serde_json::from_str(text).map_err(|error| malformed(&error))?;
        let mut found = Vec::new();
        look("", &whole, &mut found);
        if let Some(first) = found.first() {
            return Err(malformed(first));
        }
        let book: Self = serde_json::from_value(whole).map_err(|error| malformed(&error))?;
        let shared: f64 = book.shares.values().map(|share| share.value).sum();
        if (shared - 1.0).abs() > 1e-9 {
            return Err(malformed(&format_args!("the shares come to {shared}")));
        }
        Ok(book)
    }
}

fn malformed(cause: &dyn Display) -> Malformed {
    Malformed::Prices(cause.to_string())
}

/// What lacks something, by its place in the file.
fn look(place: &str, value: &serde_json::Value, found: &mut Vec<String>) {
    let Some(members) = value.as_object() else { return };
    let text = |name: &str| value[name].as_str().unwrap_or_default().trim();
    let positive = |name: &str| value[name].as_f64().is_some_and(|number| number > 0.0);
    let mut must = |holds: bool, what: &str| {
        if !holds {
            found.push(format!("{place} {what}"));
        }
    };
    if members.contains_key("dollars") {
        must(positive("dollars") && positive("per"), "has no price");
        must(!text("unit").is_empty(), "has no unit");
        must(text("source").starts_with("https://aws.amazon.com/"), "has no source of AWS's own");
        must(text("read").parse::<Date>().is_ok(), "has no date on which it was read");
        return;
    }
    if members.contains_key("value") {
        must(value["value"].as_f64().is_some_and(|number| number >= 0.0), "has no value");
        must(!text("reason").is_empty(), "has no reason");
        return;
    }
    for (name, member) in members {
        look(&format!("{place}/{name}"), member, found);
    }
}

impl Price {
    /// What so many cost.
    pub fn of(&self, units: f64) -> f64 {
        (units - self.free).max(0.0) * self.dollars / self.per
    }
}
