//! What protects and what watches: the conditions of every grant, the keys' own policies, the limits of the routes, the alarms and
//! the runbook.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::checks::compare;
use crate::template::{conditions, reference};
use crate::{Grant, PHONE_NUMBERS, Repository, Source, Statement, Test};

/// The actions of `DynamoDB` that name the partition, so that `dynamodb:LeadingKeys` is there to be tested (Service Authorization
/// Reference). Without it `ForAllValues` would hold of nothing, and so allow.
const BY_PARTITION: [&str; 7] =
    ["BatchGetItem", "ConditionCheckItem", "DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem"];

/// The keys that sign or seal for the functions, with what they are used for: the purpose in the encryption context. The key of MACs
/// has none; KMS takes no context there.
const PURPOSES: [(&str, Option<&str>); 4] = [
    ("KeyringKey", Some("keyring")),
    ("TokenKey", Some("token")),
    ("RecoveryCodeKey", Some("recovery-code")),
    ("RecoveryCodeMacKey", None),
];

/// What an entry of the runbook must say.
const PARTS: [&str; 3] = ["**Means.**", "**Look.**", "**Do.**"];

/// Everything of this module.
pub fn protection(repository: &Repository, found: &mut Vec<String>) {
    keys(repository, found);
    transactions(repository, found);
    routes(repository, found);
    concurrency(repository, found);
    releases(repository, found);
    logs(repository, found);
    alarms(repository, found);
}

/// Whether a grant is held to the partitions that the store writes, or to the one use of its key. What is neither a table nor a key
/// is held by its resource alone.
pub fn is_fenced(statement: &Statement, grant: &Grant, repository: &Repository) -> bool {
    match grant.action.split_once(':') {
        Some(("dynamodb", action)) => {
            let is_known = |pattern: &&str| match pattern.strip_suffix("#*") {
                Some(prefix) => repository.prefixes.contains(prefix),
                None => *pattern == "acc_*" || *pattern == "KEYS",
            };
            let keys = statement.leading_keys();
            let operator =
                statement.conditions.get("dynamodb:LeadingKeys").map(|test| test.operator.as_str());
            BY_PARTITION.contains(&action)
                && matches!(operator, Some("ForAllValues:StringLike" | "ForAllValues:StringEquals"))
                && !keys.is_empty()
                && keys.iter().all(is_known)
        }
        Some(("kms", _)) => PURPOSES.iter().any(|(key, purpose)| {
            *key == grant.resource && uses_for(&statement.conditions, *purpose, repository)
        }),
        _ => true,
    }
}

/// Whether the conditions let a key be used for `purpose` alone.
fn uses_for(tests: &BTreeMap<String, Test>, purpose: Option<&str>, repository: &Repository) -> bool {
    let (key, value) = match purpose {
        Some(purpose) => ("kms:EncryptionContext:purpose", purpose),
        None => ("kms:MacAlgorithm", "HMAC_SHA_256"),
    };
    let known = purpose.is_none_or(|purpose| repository.purposes.contains(purpose));
    known && is_exactly(tests, key, value)
}

fn is_exactly(tests: &BTreeMap<String, Test>, key: &str, value: &str) -> bool {
    let exactly = Test { operator: "StringEquals".to_owned(), values: [value.to_owned()].into() };
    tests.get(key) == Some(&exactly)
}

/// A key's own policy lets the account administer it, and use it as its grants are: for its purpose, or through the one service that
/// it is for.
fn keys(repository: &Repository, found: &mut Vec<String>) {
    for (id, key) in of_type(repository, "AWS::KMS::Key") {
        let statements = key.pointer("/Properties/KeyPolicy/Statement").and_then(Value::as_array);
        for statement in statements.into_iter().flatten() {
            let sid = statement.get("Sid").and_then(Value::as_str).unwrap_or_default();
            let actions = texts(statement.get("Action"));
            let raw = statement.get("Condition").cloned().unwrap_or_default();
            let tests = serde_json::from_value(raw).map(|raw| conditions(&raw)).unwrap_or_default();
            let purpose = PURPOSES.iter().find(|(purposeful, _)| purposeful == id);
            let fenced = if let Some((_, purpose)) = purpose {
                uses_for(&tests, *purpose, repository)
            } else {
                let through = is_exactly(&tests, "kms:CallerAccount", "AWS::AccountId")
                    && tests.contains_key("kms:ViaService");
                through
                    || is_exactly(&tests, "aws:SourceAccount", "AWS::AccountId")
                    || tests.contains_key("kms:EncryptionContext:aws:logs:arn")
            };
            let uses =
                ["Decrypt", "Encrypt", "GenerateDataKey", "GenerateMac", "ReEncrypt", "Sign", "CreateGrant"];
            let administers = !actions.iter().any(|action| {
                let action = action.trim_start_matches("kms:");
                action == "*" || uses.iter().any(|of_use| action.starts_with(of_use))
            });
            if !fenced && !administers {
                found.push(format!("{id}: {sid} lets the key be used for anything"));
            }
        }
        let symmetric = key.pointer("/Properties/KeySpec").is_none();
        if symmetric && key.pointer("/Properties/EnableKeyRotation") != Some(&Value::Bool(true)) {
            found.push(format!("{id}: does not rotate"));
        }
    }
}

/// One statement allows an action of a table for all the partitions that a role may use it on. A transaction names several, and
/// `ForAllValues` holds of each only where one statement lists them all, however IAM puts the keys of a transaction together.
fn transactions(repository: &Repository, found: &mut Vec<String>) {
    for (role, statements) in &repository.template.roles {
        let mut allowed = BTreeSet::new();
        let keyed = statements.iter().filter(|statement| !statement.leading_keys().is_empty());
        for grant in keyed.flat_map(|statement| &statement.grants) {
            // A query names one partition.
            if grant.action != "dynamodb:Query" && !allowed.insert(grant) {
                found.push(format!("{role}: {grant} stands in two statements"));
            }
        }
    }
}

/// The routes that guess, send or hash have limits of their own, over all callers.
fn routes(repository: &Repository, found: &mut Vec<String>) {
    let limited = |codes: &BTreeMap<String, BTreeSet<String>>| codes.contains_key("429");
    let mut wanted: BTreeSet<String> = repository
        .openapi
        .operations
        .iter()
        .filter(|(_, operation)| limited(&operation.answers))
        .map(|(route, _)| route.to_string())
        .collect();
    let settings =
        repository.template.resources.get("Api").and_then(|api| api.pointer("/Properties/RouteSettings"));
    for function in repository.template.functions.values() {
        let routes = || function.routes.iter().map(ToString::to_string);
        if function.variables.contains_key("ARGON2ID") {
            wanted.extend(routes());
        }
        if repository.sources.get(&function.binary).is_some_and(sends) {
            for route in routes() {
                let rate = settings.and_then(|settings| settings.get(&route)?.get("ThrottlingRateLimit"));
                if rate.map(reference).as_deref() != Some("SendRequestsPerSecond") {
                    found.push(format!("{route}: sends, and is not limited by SendRequestsPerSecond"));
                }
            }
        }
    }
    let settings =
        settings.and_then(Value::as_object).into_iter().flatten().map(|(route, _)| route.clone()).collect();
    compare("RouteSettings", &settings, "the routes that guess, send or hash", &wanted, found);
}

fn sends(source: &Source) -> bool {
    let sends = |call: &String| {
        call.strip_prefix("sns:Publish ").is_some_and(|to| to == PHONE_NUMBERS || to == "VoiceCodes")
            || call.starts_with("ses:")
            || call.starts_with("sms-voice:Send")
    };
    source.calls.iter().flatten().any(sends)
}

/// What sends and what hashes runs so often at once and no more, where the account has room for it.
fn concurrency(repository: &Repository, found: &mut Vec<String>) {
    for (id, function) in &repository.template.functions {
        let hashes = function.variables.contains_key("ARGON2ID");
        let wanted = match repository.sources.get(&function.binary).is_some_and(sends) {
            _ if hashes => Some("HashingConcurrency"),
            true => Some("SenderConcurrency"),
            false => None,
        };
        let reserved = repository.template.resources.get(id);
        let reserved =
            reserved.and_then(|it| it.pointer("/Properties/ReservedConcurrentExecutions/Fn::If/1"));
        if reserved.map(reference).as_deref() != wanted {
            found.push(format!("{id}: ReservedConcurrentExecutions is not that of {wanted:?}"));
        }
    }
}

/// Everything goes to a function's alias, a new version comes with whatever is changed, and alarms undo it. SAM publishes one for what
/// changes in the template, and not for the value of a parameter: that must change the description of the version.
fn releases(repository: &Repository, found: &mut Vec<String>) {
    let template = &repository.template;
    if template.globals.pointer("/Function/AutoPublishAlias").and_then(Value::as_str) != Some("live") {
        found.push("the functions have no alias".to_owned());
    }
    // Lambda publishes no version of what has not changed.
    if template.globals.pointer("/Function/Environment/Variables/SETTINGS").map(reference).as_deref()
        != Some("Settings")
    {
        found.push("the functions do not change with the settings".to_owned());
    }
    let content = template.resources.get("Settings").and_then(|it| it.pointer("/Properties/Content/Fn::Sub"));
    let content = content.and_then(Value::as_str).unwrap_or_default();
    for (id, function) in &template.functions {
        let property = |name: &str| template.resources.get(id)?.pointer(&format!("/Properties/{name}"));
        let described = property("VersionDescription").map(reference);
        if described.as_deref() != Some("Settings")
            || property("AutoPublishAliasAllProperties") != Some(&Value::Bool(true))
        {
            found.push(format!("{id}: no new version with other settings"));
        }
        let given = function.variables.values().map(reference);
        // A secret does not stand among the settings: `Release` goes with it.
        for parameter in given.filter(|name| template.parameters.contains_key(name) && name != "OriginSecret")
        {
            if !content.contains(&format!("${{{parameter}}}")) {
                found
                    .push(format!("{id}: another {parameter} would not be published: it is not in Settings"));
            }
        }
    }
    let alarms =
        template.globals.pointer("/Function/DeploymentPreference/Alarms/Fn::If/1").and_then(Value::as_array);
    let alarms: Vec<String> = alarms.into_iter().flatten().map(reference).collect();
    if alarms.is_empty() {
        found.push("no alarm undoes a deployment".to_owned());
    }
    for alarm in alarms {
        if !template.resources.contains_key(&alarm) {
            found.push(format!("{alarm}: undoes deployments, and is no alarm"));
        }
    }
}

/// Every log has an end and a key.
fn logs(repository: &Repository, found: &mut Vec<String>) {
    for (id, log) in of_type(repository, "AWS::Logs::LogGroup") {
        let property = |name: &str| log.pointer(&format!("/Properties/{name}")).map(reference);
        if property("RetentionInDays").as_deref() != Some("LogRetentionDays")
            || property("KmsKeyId").as_deref() != Some("OperationsKey")
        {
            found.push(format!("{id}: is kept for ever or without a key"));
        }
    }
}

/// Each alarm tells somebody, and says where in the runbook it stands; each entry there is of an alarm.
fn alarms(repository: &Repository, found: &mut Vec<String>) {
    let mut there = BTreeSet::new();
    for (id, alarm) in of_type(repository, "AWS::CloudWatch::Alarm") {
        there.insert(id.clone());
        for actions in ["AlarmActions", "OKActions"] {
            let told = alarm.pointer(&format!("/Properties/{actions}/0")).map(reference);
            if told.as_deref() != Some("Alarms") {
                found.push(format!("{id}: {actions} tells nobody"));
            }
        }
        let description =
            alarm.pointer("/Properties/AlarmDescription").and_then(Value::as_str).unwrap_or_default();
        if !description.ends_with(&format!("See RUNBOOK.md#{}.", id.to_lowercase())) {
            found.push(format!("{id}: does not say where in the runbook it stands"));
        }
        let entry = repository.runbook.get(id).map(String::as_str).unwrap_or_default();
        for part in PARTS {
            if !entry.contains(part) {
                found.push(format!("RUNBOOK.md: {id}: no {part}"));
            }
        }
    }
    let entries = repository.runbook.keys().filter(|heading| heading.ends_with("Alarm")).cloned().collect();
    compare("RUNBOOK.md", &entries, "the alarms", &there, found);
}

/// The text under each heading of the third level.
pub fn runbook(text: &str) -> BTreeMap<String, String> {
    let sections = text.split("\n### ").skip(1);
    let entries = sections.filter_map(|section| section.split_once('\n'));
    entries.map(|(heading, text)| (heading.trim().to_owned(), text.to_owned())).collect()
}

fn of_type<'r>(repository: &'r Repository, wanted: &'r str) -> impl Iterator<Item = (&'r String, &'r Value)> {
    let of_type =
        move |(_, resource): &(_, &Value)| resource.get("Type").and_then(Value::as_str) == Some(wanted);
    repository.template.resources.iter().filter(of_type)
}

fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
        Some(one) => one.as_str().into_iter().collect(),
        None => Vec::new(),
    }
}
