//! The judgement: every place where two of the sources say different things, in words.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use postern_metrics::DECLARED;

use crate::protection::{is_fenced, protection};
use crate::{Event, Function, Grant, Repository, Route, Source, Statement, Template, Watched};

/// The actions for which AWS defines no resource (Service Authorization Reference): they can be allowed for all or not at all.
const WITHOUT_RESOURCE: [&str; 2] = ["sms-voice:CarrierLookup *", "sns:CheckIfPhoneNumberIsOptedOut *"];

/// What disagrees, a line each. Empty: everything agrees.
#[must_use]
pub fn disagreements(repository: &Repository) -> Vec<String> {
    let mut found = Vec::new();
    names(repository, &mut found);
    routes(repository, &mut found);
    operations(repository, &mut found);
    events(repository, &mut found);
    protection(repository, &mut found);
    metrics(&repository.template, &mut found);
    for (id, function) in &repository.template.functions {
        failures(id, function, &repository.template, &mut found);
        if let Some(source) = repository.sources.get(&function.binary) {
            variables(id, function, source, &mut found);
            role(id, function, source, repository, &mut found);
        }
    }
    found
}

/// Directory = package = binary; in `PascalCase` the logical id.
fn names(repository: &Repository, found: &mut Vec<String>) {
    for (directory, source) in &repository.sources {
        if source.package != *directory {
            found.push(format!("functions/{directory}: the package is named {}", source.package));
        }
        if source.binary.as_ref().is_some_and(|binary| binary != directory) {
            found.push(format!("functions/{directory}: the binary has another name"));
        }
    }
    for (id, function) in &repository.template.functions {
        if pascal_case(&function.binary) != *id {
            found.push(format!("{id}: builds {}", function.binary));
        }
        if function.code.as_ref() != Some(&format!("../functions/{}", function.binary)) {
            found.push(format!("{id}: is built in another folder than functions/{}", function.binary));
        }
    }
    let built = repository.template.functions.values().map(|function| function.binary.as_str());
    let built: BTreeSet<&str> = built.collect();
    let there = repository.sources.keys().map(String::as_str).collect();
    compare("functions/", &there, "the template", &built, found);
}

/// The template, the routes table and the `OpenAPI` file have the same routes, served by the same functions.
fn routes(repository: &Repository, found: &mut Vec<String>) {
    let mut deployed = BTreeMap::new();
    for function in repository.template.functions.values() {
        for route in &function.routes {
            if let Some(other) = deployed.insert(route.clone(), function.binary.clone()) {
                found.push(format!("{route}: taken by {other} and {}", function.binary));
            }
        }
    }
    let line = |(route, function): (&Route, &String)| format!("{route} -> {function}");
    let table: BTreeSet<String> = repository.routes.iter().map(line).collect();
    compare("the template", &deployed.iter().map(line).collect(), "the routes table", &table, found);
    let documented = repository.openapi.operations.keys().map(Route::to_string).collect();
    compare(
        "the template",
        &deployed.keys().map(Route::to_string).collect(),
        "openapi.yaml",
        &documented,
        found,
    );

    let defaults: Vec<&Function> =
        repository.template.functions.values().filter(|function| function.default_route).collect();
    let any_other = Route { method: "$default".to_owned(), path: String::new() };
    let any_other = defaults.iter().map(|function| (any_other.clone(), function.binary.clone()));
    deployed.extend(any_other.collect::<BTreeMap<_, _>>());
    let watched = repository.watch.iter().map(line).collect();
    compare(
        "the template",
        &deployed.iter().map(line).collect(),
        "the router of cargo lambda watch",
        &watched,
        found,
    );
    if defaults.len() != 1 {
        found.push(format!("{} functions take $default instead of one", defaults.len()));
    }
}

/// What the `OpenAPI` file says of each operation holds together, with itself and with the functions.
fn operations(repository: &Repository, found: &mut Vec<String>) {
    let openapi = &repository.openapi;
    found.extend(openapi.dangling.iter().map(|target| format!("openapi.yaml: {target} points nowhere")));
    found.extend(openapi.misleading.iter().map(|example| format!("openapi.yaml:{example}")));
    let mut ids = BTreeSet::new();
    let mut answered: BTreeSet<&str> = BTreeSet::new();
    for (route, operation) in &openapi.operations {
        let has = |status: &str, code: &str| {
            operation.answers.get(status).is_some_and(|codes| codes.contains(code))
        };
        let mut expect = |wanted: bool, what: &str| {
            if !wanted {
                found.push(format!("openapi.yaml: {route}: {what}"));
            }
        };
        let function = repository.routes.get(route).map(String::as_str).unwrap_or_default();
        let named = operation.id == function || operation.id.starts_with(&format!("{function}-"));
        expect(named, "the operationId is not the function's name");
        expect(ids.insert(&operation.id), "the operationId stands twice");
        expect(
            operation.needs_session == has("401", "not_signed_in"),
            "session and 401 not_signed_in disagree",
        );
        expect(changes(route) == has("403", "wrong_origin"), "a change and 403 wrong_origin disagree");
        for (status, code) in [("413", "body_too_large"), ("415", "unsupported_media_type")] {
            expect(operation.has_body == has(status, code), "a body and its refusals disagree");
        }
        expect(!operation.has_body || has("400", "bad_request"), "a body without 400 bad_request");
        answered.extend(operation.answers.values().flatten().map(String::as_str));
        let own = repository.sources.get(function).map(|source| &source.codes);
        for code in own.into_iter().flatten() {
            let documented = operation.answers.values().any(|codes| codes.contains(code));
            expect(documented, &format!("its function answers {code} too"));
        }
    }
    // What `$default` answers stands apart from the operations.
    answered.extend(["method_not_allowed", "not_found"]);
    let known = openapi.codes.iter().map(String::as_str).collect();
    compare("the schema Problem", &known, "the operations", &answered, found);
}

/// Whether the call changes something. The one `GET` that does marks the recovery code downloaded.
fn changes(route: &Route) -> bool {
    route.method != "GET" || route.path == "/v1/account/recovery-code"
}

/// A real event for each function, one without a session for each that needs one, and none for nobody.
fn events(repository: &Repository, found: &mut Vec<String>) {
    let by_binary: BTreeMap<&str, &Function> =
        repository.template.functions.values().map(|function| (function.binary.as_str(), function)).collect();
    for (binary, function) in &by_binary {
        if !repository.events.contains_key(*binary) {
            found.push(format!("{binary}: no events/{binary}.json"));
        }
        let needs_session =
            |route| repository.openapi.operations.get(route).is_some_and(|it| it.needs_session);
        if function.routes.iter().any(needs_session) {
            let name = format!("{binary}.unauthenticated");
            match repository.events.get(&name) {
                None => found.push(format!("{binary}: no events/{name}.json")),
                Some(event) if event.has_cookies() => {
                    found.push(format!("events/{name}.json: brings cookies"));
                }
                Some(_) => {}
            }
            if !repository.events.get(*binary).is_some_and(Event::has_cookies) {
                found.push(format!("events/{binary}.json: brings no cookie"));
            }
        }
    }
    for (name, event) in &repository.events {
        let binary = name.split('.').next().unwrap_or_default();
        let Some(function) = by_binary.get(binary) else {
            found.push(format!("events/{name}.json: of no function"));
            continue;
        };
        let Some(key) = event.route_key() else {
            if !function.has_other_trigger {
                found.push(format!("events/{name}.json: of no route"));
            }
            continue;
        };
        let its_own = match key {
            "$default" => function.default_route,
            key => function.routes.iter().any(|route| route.to_string() == key),
        };
        if !its_own {
            found.push(format!("events/{name}.json: {key} is not a route of {binary}"));
        }
        found.extend(event.inconsistencies().into_iter().map(|what| format!("events/{name}.json: {what}")));
    }
}

/// The metrics that the template watches are counted, and by the dimensions that it watches them by: an alarm on any other
/// would be silent for ever.
fn metrics(template: &Template, found: &mut Vec<String>) {
    for Watched { by, name, dimensions } in &template.watched {
        let declared = DECLARED.iter().find(|declared| declared.name == name);
        let sets = declared.map(|declared| declared.dimensions).unwrap_or_default();
        if !sets
            .iter()
            .any(|set| set.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>() == *dimensions)
        {
            let dimensions: Vec<&str> = dimensions.iter().map(String::as_str).collect();
            found.push(format!("{by}: watches {name} by [{}], which nobody counts", dimensions.join(", ")));
        }
    }
}

/// What a stream or a topic hands to a function is lost nowhere: what the function cannot do, and what the topic cannot
/// hand over, goes to a queue of the function's own.
fn failures(id: &str, function: &Function, template: &Template, found: &mut Vec<String>) {
    let queue = format!("{id}Failed");
    if (function.stream.is_some() || function.topic.is_some()) && function.failed.as_ref() != Some(&queue) {
        found.push(format!("{id}: what fails does not go to {queue}"));
    }
    if let Some(topic) = &function.topic {
        let may_send = template.queues_of_topics.contains(&(queue.clone(), topic.clone()));
        if function.undelivered.as_ref() != Some(&queue) || !may_send {
            found.push(format!("{id}: what {topic} cannot hand over does not get to {queue}"));
        }
    }
}

/// The variables that a function gets are those that its `main` reads, from the template's own resources.
fn variables(id: &str, function: &Function, source: &Source, found: &mut Vec<String>) {
    let given = function.variables.keys().map(String::as_str).collect();
    let read = source.variables.iter().map(String::as_str).collect();
    compare(&format!("{id}'s environment"), &given, "its main", &read, found);
    for (name, value) in &function.variables {
        if value.get("Ref").is_none() {
            found.push(format!("{id}: {name} is written out instead of referred to"));
        }
    }
}

/// A role of the function's own, which allows what the code declares, under conditions, and nothing else.
fn role(id: &str, function: &Function, source: &Source, repository: &Repository, found: &mut Vec<String>) {
    let template = &repository.template;
    let role = format!("{id}Role");
    if function.role.as_ref() != Some(&role) || function.log.as_ref() != Some(&format!("{id}Log")) {
        found.push(format!("{id}: its role is not {role} or its log not {id}Log"));
    }
    let statements = template.roles.get(&role).map(Vec::as_slice).unwrap_or_default();
    let (platform, calls): (Vec<&Statement>, _) = statements.iter().partition(|it| it.policy == "platform");

    let allowed: BTreeSet<String> = grants(calls.iter().copied());
    match &source.calls {
        Some(declared) => compare(&role, &allowed, "CALLS", declared, found),
        None => found.push(format!("functions/{}: declares no CALLS", function.binary)),
    }
    compare(
        &format!("{role}, platform"),
        &grants(platform),
        "what Lambda needs",
        &of_lambda(id, function),
        found,
    );

    for statement in calls {
        for grant in &statement.grants {
            let fenced = is_fenced(statement, grant, repository);
            let is_named =
                !grant.resource.contains('*') || WITHOUT_RESOURCE.contains(&grant.to_string().as_str());
            if !fenced || !is_named || grant.action.contains('*') {
                found.push(format!("{role}: {}: {grant} is wider than it need be", statement.sid));
            }
        }
    }
    // SNS encrypts for whoever publishes, and in their name: the topic's key must let them.
    for grant in statements.iter().flat_map(|statement| &statement.grants) {
        let Some(key) = template.topics.get(&grant.resource) else { continue };
        let lets = |action: &str| {
            key.as_ref().is_some_and(|key| {
                let grant = Grant { action: action.to_owned(), resource: key.clone() };
                template.key_grants_through.contains(&("sns".to_owned(), grant))
            })
        };
        if !lets("kms:GenerateDataKey*") || !lets("kms:Decrypt") {
            found.push(format!("{}: has no key that lets {role} publish", grant.resource));
        }
    }
    // A key whose policy names a role names it for what the role's own policy allows too.
    for (named, grant) in template.key_grants.iter().filter(|(named, _)| *named == role) {
        if !allowed.contains(&grant.to_string()) {
            found.push(format!("{}: lets {named} {} without need", grant.resource, grant.action));
        }
    }
    let guarded: BTreeSet<&str> =
        template.key_grants.iter().map(|(_, grant)| grant.resource.as_str()).collect();
    for grant in statements.iter().flat_map(|statement| &statement.grants) {
        let named = template.key_grants.contains(&(role.clone(), grant.clone()));
        if guarded.contains(grant.resource.as_str()) && !named {
            found.push(format!("{}: does not let {role} {}", grant.resource, grant.action));
        }
    }
}

/// What Lambda itself does in a function's name: its log, its stream, and the queue for what failed.
fn of_lambda(id: &str, function: &Function) -> BTreeSet<String> {
    let mut grants: BTreeSet<String> = ["logs:CreateLogStream", "logs:PutLogEvents"]
        .iter()
        .map(|action| format!("{action} {id}Log"))
        .collect();
    // Its trace; AWS defines no resource for either.
    grants.extend(["xray:PutTelemetryRecords *", "xray:PutTraceSegments *"].map(str::to_owned));
    if let Some(stream) = &function.stream {
        let actions = ["DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"];
        grants.extend(actions.iter().map(|action| format!("dynamodb:{action} {stream}")));
    }
    grants.extend(function.failed.iter().map(|queue| format!("sqs:SendMessage {queue}")));
    grants
}

fn grants<'s>(statements: impl IntoIterator<Item = &'s Statement>) -> BTreeSet<String> {
    statements.into_iter().flat_map(|statement| &statement.grants).map(ToString::to_string).collect()
}

pub(crate) fn compare<T: Ord + Display>(
    here: &str,
    left: &BTreeSet<T>,
    there: &str,
    right: &BTreeSet<T>,
    found: &mut Vec<String>,
) {
    found.extend(left.difference(right).map(|only| format!("{only}: in {here}, not in {there}")));
    found.extend(right.difference(left).map(|only| format!("{only}: in {there}, not in {here}")));
}

fn pascal_case(name: &str) -> String {
    name.split('-')
        .flat_map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters)
        })
        .collect()
}
