//! The SAM template: functions with their routes and variables, and what each role may do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::watched::{Watched, watched};
use crate::{Route, Unreadable, read_text, yaml};

/// What the template says, as far as the code must agree with it.
#[derive(Debug, Clone)]
pub struct Template {
    /// By logical id.
    pub functions: BTreeMap<String, Function>,
    /// The statements of each role, by the role's logical id.
    pub roles: BTreeMap<String, Vec<Statement>>,
    /// The properties of each table, by logical id.
    pub tables: BTreeMap<String, Value>,
    /// What a key's own policy lets roles do.
    pub key_grants: BTreeSet<(String, Grant)>,
    /// What a key's own policy lets whoever may use a service do through it, by the service's prefix.
    pub key_grants_through: BTreeSet<(String, Grant)>,
    /// The key of each topic, by logical ids.
    pub topics: BTreeMap<String, Option<String>>,
    /// The queues that a topic may send to, each with the topic.
    pub queues_of_topics: BTreeSet<(String, String)>,
    /// Every resource as it stands, by logical id.
    pub resources: BTreeMap<String, Value>,
    /// What all functions have in common.
    pub globals: Value,
    /// The parameters, by name.
    pub parameters: BTreeMap<String, Value>,
    /// The metrics of our own that it watches.
    pub watched: BTreeSet<Watched>,
}

/// A function of the template.
#[derive(Debug, Clone)]
pub struct Function {
    /// The binary that `sam build` builds for it.
    pub binary: String,
    /// The folder that it is built in, seen from the template.
    pub code: Option<String>,
    pub role: Option<String>,
    pub log: Option<String>,
    pub routes: BTreeSet<Route>,
    /// Whether it takes what no route does.
    pub default_route: bool,
    /// Whether something other than a request starts it.
    pub has_other_trigger: bool,
    /// The resource whose stream it reads.
    pub stream: Option<String>,
    /// The topic that hands it messages.
    pub topic: Option<String>,
    /// Where Lambda puts what it could not do.
    pub failed: Option<String>,
    /// Where the topic puts what it could not hand over.
    pub undelivered: Option<String>,
    /// The environment, with the reference or literal that each variable gets.
    pub variables: BTreeMap<String, Value>,
}

/// One statement of a role's policy.
#[derive(Debug, Clone)]
pub struct Statement {
    /// The policy that it stands in: `calls` is what the function's code does, `platform` what Lambda does for it.
    pub policy: String,
    pub sid: String,
    pub grants: BTreeSet<Grant>,
    /// What its conditions test, by the condition key.
    pub conditions: BTreeMap<String, Test>,
}

/// One condition of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// IAM's operator: `StringEquals`.
    pub operator: String,
    pub values: BTreeSet<String>,
}

impl Statement {
    /// The partition keys that it is limited to: a `*` at the end stands for the rest.
    #[must_use]
    pub fn leading_keys(&self) -> BTreeSet<&str> {
        let tested = self.conditions.get("dynamodb:LeadingKeys").map(|test| &test.values);
        tested.into_iter().flatten().map(String::as_str).collect()
    }

    /// Whether it allows a call, as `CALLS` writes it, on the partition of `key`.
    #[must_use]
    pub fn allows(&self, call: &str, key: &str) -> bool {
        let fits = |pattern: &str| match pattern.strip_suffix('*') {
            Some(prefix) => key.starts_with(prefix),
            None => key == pattern,
        };
        self.grants.iter().any(|grant| grant.to_string() == call) && self.leading_keys().into_iter().any(fits)
    }
}

/// An action on a resource of the template.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    pub action: String,
    /// The logical id; for an index `Table/index`, for a stream `Table/stream`. [`PHONE_NUMBERS`] and
    /// [`ORIGINATION`] stand for what is no resource of the template.
    pub resource: String,
}

/// Any phone number: of all that SNS publishes to, what has no ARN.
pub const PHONE_NUMBERS: &str = "PhoneNumbers";

/// What calls come from: of the account's phone numbers and pools the one that this parameter names.
pub const ORIGINATION: &str = "VoiceOriginationIdentity";

impl std::fmt::Display for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.action, self.resource)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    resources: BTreeMap<String, Resource>,
    #[serde(default)]
    globals: Value,
    #[serde(default)]
    parameters: BTreeMap<String, Value>,
}

#[derive(Deserialize, Clone)]
#[serde(rename_all = "PascalCase")]
struct Resource {
    r#type: String,
    #[serde(default)]
    properties: Value,
    #[serde(default)]
    metadata: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FunctionProperties {
    code_uri: Option<String>,
    role: Option<Value>,
    #[serde(default)]
    logging_config: Value,
    #[serde(default)]
    environment: Environment,
    #[serde(default)]
    events: BTreeMap<String, EventSource>,
    #[serde(default)]
    event_invoke_config: Value,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct Environment {
    variables: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EventSource {
    r#type: String,
    #[serde(default)]
    properties: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RoleProperties {
    #[serde(default)]
    assume_role_policy_document: Value,
    #[serde(default)]
    policies: Vec<Policy>,
    #[serde(default)]
    managed_policy_arns: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    #[serde(rename = "PolicyName")]
    name: String,
    #[serde(rename = "PolicyDocument")]
    document: PolicyDocument,
    /// Of a policy that stands apart from its role.
    role_name: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyProperties {
    key_policy: PolicyDocument,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct QueuePolicyProperties {
    queues: Vec<Value>,
    policy_document: PolicyDocument,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyDocument {
    statement: Vec<RawStatement>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawStatement {
    sid: String,
    effect: String,
    #[serde(default)]
    principal: Value,
    action: OneOrMore,
    #[serde(default)]
    resource: Value,
    #[serde(default)]
    not_resource: Value,
    #[serde(default)]
    condition: BTreeMap<String, BTreeMap<String, Value>>,
}

#[derive(Deserialize, Clone)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::More(more) => more,
        }
    }
}

impl Template {
    /// Reads `infra/template.yaml`.
    pub fn read(path: &Path) -> Result<Self, Unreadable> {
        Self::parse(&read_text(path)?)
            .map_err(|reason| Unreadable::Malformed { path: path.to_owned(), reason })
    }

    /// Reads a template's text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let whole = yaml::parse(text)?;
        let resources = whole.get("Resources").cloned().unwrap_or_default();
        let resources: BTreeMap<String, Value> = from_value(resources)?;
        let document: Document = from_value(whole)?;
        let (mut functions, mut roles) = (BTreeMap::new(), BTreeMap::new());
        let (mut tables, mut key_grants) = (BTreeMap::new(), BTreeSet::new());
        let mut key_grants_through = BTreeSet::new();
        let (mut topics, mut queues_of_topics) = (BTreeMap::new(), BTreeSet::new());
        let (mut apart, mut metrics) = (Vec::new(), BTreeSet::new());
        for (id, resource) in document.resources {
            let at = |reason: String| format!("{id}: {reason}");
            metrics.extend(watched(&id, &resource.properties));
            match resource.r#type.as_str() {
                "AWS::Serverless::Function" => {
                    functions.insert(id.clone(), function(resource).map_err(at)?);
                }
                "AWS::IAM::Role" => {
                    let role: RoleProperties = from_value(resource.properties).map_err(at)?;
                    // CodeDeploy's role is no function's.
                    let of_lambda =
                        role.assume_role_policy_document.to_string().contains("lambda.amazonaws.com");
                    if of_lambda && !role.managed_policy_arns.is_empty() {
                        return Err(at("a managed policy, which no list in the code can match".to_owned()));
                    }
                    let statements = role.policies.into_iter().map(statements).collect::<Result<Vec<_>, _>>();
                    roles.insert(id.clone(), statements.map_err(at)?.concat());
                }
                "AWS::IAM::RolePolicy" => {
                    let policy: Policy = from_value(resource.properties).map_err(at)?;
                    let role = policy.role_name.as_ref().map(reference).unwrap_or_default();
                    apart.push((role, statements(policy).map_err(at)?));
                }
                "AWS::DynamoDB::Table" => {
                    tables.insert(id.clone(), resource.properties);
                }
                "AWS::KMS::Key" => {
                    let key: KeyProperties = from_value(resource.properties).map_err(at)?;
                    key_grants_through.extend(grants_through_services(&id, &key.key_policy));
                    key_grants.extend(grants_to_roles(&id, key.key_policy));
                }
                "AWS::SNS::Topic" => {
                    topics.insert(id.clone(), resource.properties.get("KmsMasterKeyId").map(reference));
                }
                "AWS::SQS::QueuePolicy" => {
                    let policy: QueuePolicyProperties = from_value(resource.properties).map_err(at)?;
                    queues_of_topics.extend(sent_to_by_topics(&policy));
                }
                _ => {}
            }
        }
        for (role, statements) in apart {
            roles.entry(role).or_default().extend(statements);
        }
        Ok(Self {
            functions,
            roles,
            tables,
            key_grants,
            key_grants_through,
            topics,
            queues_of_topics,
            resources,
            globals: document.globals,
            parameters: document.parameters,
            watched: metrics,
        })
    }
}

fn function(resource: Resource) -> Result<Function, String> {
    let binary = match resource.metadata.pointer("/BuildProperties/Binary") {
        Some(Value::String(binary)) => binary.clone(),
        _ => return Err("no Metadata.BuildProperties.Binary".to_owned()),
    };
    let properties: FunctionProperties = from_value(resource.properties)?;
    let mut function = Function {
        binary,
        code: properties.code_uri,
        role: properties.role.as_ref().map(reference),
        log: properties.logging_config.get("LogGroup").map(reference),
        routes: BTreeSet::new(),
        default_route: false,
        has_other_trigger: false,
        stream: None,
        topic: None,
        failed: properties
            .event_invoke_config
            .pointer("/DestinationConfig/OnFailure/Destination")
            .map(reference),
        undelivered: None,
        variables: properties.environment.variables,
    };
    for (name, event) in properties.events {
        let text = |key: &str| event.properties.get(key).and_then(Value::as_str).map(str::to_owned);
        match (event.r#type.as_str(), text("Method"), text("Path")) {
            ("HttpApi", Some(method), Some(path)) => {
                function.routes.insert(Route { method, path });
            }
            ("HttpApi", None, None) => function.default_route = true,
            ("HttpApi", ..) => return Err(format!("the event {name} has half a route")),
            ("DynamoDB", ..) => {
                function.has_other_trigger = true;
                function.stream = event.properties.get("Stream").map(reference);
                let failed = event.properties.pointer("/DestinationConfig/OnFailure/Destination");
                function.failed = failed.map(reference);
            }
            ("SNS", ..) => {
                function.has_other_trigger = true;
                function.topic = event.properties.get("Topic").map(reference);
                let undelivered = event.properties.pointer("/RedrivePolicy/deadLetterTargetArn");
                function.undelivered = undelivered.map(reference);
            }
            _ => function.has_other_trigger = true,
        }
    }
    Ok(function)
}

fn statements(policy: Policy) -> Result<Vec<Statement>, String> {
    let name = policy.name;
    policy.document.statement.into_iter().map(|raw| statement(&name, raw)).collect()
}

fn statement(policy: &str, raw: RawStatement) -> Result<Statement, String> {
    if raw.effect != "Allow" {
        return Err(format!("{}: only Allow is read", raw.sid));
    }
    let resources = match (raw.resource, raw.not_resource) {
        (Value::Array(resources), Value::Null) => resources.iter().map(reference).collect(),
        (one, Value::Null) => vec![reference(&one)],
        (Value::Null, all_but) if sub(&all_but) == Some("arn:${AWS::Partition}:sns:*:*:*") => {
            vec![PHONE_NUMBERS.to_owned()]
        }
        (_, all_but) => return Err(format!("{}: all but {all_but}", raw.sid)),
    };
    let grants = raw
        .action
        .into_vec()
        .iter()
        .flat_map(|action| {
            let grant = |resource: &String| Grant { action: action.clone(), resource: resource.clone() };
            resources.iter().map(grant).collect::<Vec<_>>()
        })
        .collect();
    let conditions = conditions(&raw.condition);
    Ok(Statement { policy: policy.to_owned(), sid: raw.sid, grants, conditions })
}

/// What a policy's `Condition` tests, by the condition key.
pub(crate) fn conditions(raw: &BTreeMap<String, BTreeMap<String, Value>>) -> BTreeMap<String, Test> {
    let mut tests = BTreeMap::new();
    for (operator, tested) in raw {
        for (key, value) in tested {
            let values = match value {
                Value::Array(values) => values.iter().map(reference).collect(),
                one => [reference(one)].into(),
            };
            tests.insert(key.clone(), Test { operator: operator.clone(), values });
        }
    }
    tests
}

fn grants_to_roles(key: &str, policy: PolicyDocument) -> Vec<(String, Grant)> {
    let mut grants = Vec::new();
    for raw in policy.statement {
        let role = match raw.principal.get("AWS") {
            Some(principal) if principal.get("Fn::GetAtt").is_some() => reference(principal),
            _ => continue,
        };
        for action in raw.action.into_vec() {
            grants.push((role.clone(), Grant { action, resource: key.to_owned() }));
        }
    }
    grants
}

/// What a key's policy allows to every caller of the account who comes through a service: `sns` of
/// `!Sub sns.${AWS::Region}.amazonaws.com`.
fn grants_through_services(key: &str, policy: &PolicyDocument) -> Vec<(String, Grant)> {
    let mut grants = Vec::new();
    for raw in &policy.statement {
        let tested = raw.condition.get("StringEquals");
        let of_the_account = tested
            .and_then(|tested| tested.get("kms:CallerAccount"))
            .is_some_and(|account| reference(account) == "AWS::AccountId");
        let via = tested.and_then(|tested| {
            sub(tested.get("kms:ViaService")?)?.strip_suffix(".${AWS::Region}.amazonaws.com")
        });
        let (Some(service), true) = (via, of_the_account) else { continue };
        for action in raw.action.clone().into_vec() {
            grants.push((service.to_owned(), Grant { action, resource: key.to_owned() }));
        }
    }
    grants
}

/// The queues of a policy, each with the topic that it lets send there.
fn sent_to_by_topics(policy: &QueuePolicyProperties) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for raw in &policy.policy_document.statement {
        let source = raw.condition.get("ArnEquals").and_then(|tested| tested.get("aws:SourceArn"));
        let by_sns = raw.principal.get("Service").and_then(Value::as_str) == Some("sns.amazonaws.com");
        let sends = raw.action.clone().into_vec() == ["sqs:SendMessage"];
        if let (Some(topic), true, true) = (source, by_sns, sends) {
            found.extend(policy.queues.iter().map(|queue| (reference(queue), reference(topic))));
        }
    }
    found
}

fn sub(value: &Value) -> Option<&str> {
    value.get("Fn::Sub")?.as_str()
}

/// What a reference names: `!Ref X` and `!GetAtt X.Arn` are `X`, `!GetAtt X.StreamArn` is `X/stream`,
/// `!Sub "${X.Arn}/index/y"` is `X/y`, `!Sub "arn:…:identity/${X}"` is `X`; the account's phone numbers and pools are [`ORIGINATION`]. Anything
/// else stands as it is, and so matches nothing.
pub(crate) fn reference(value: &Value) -> String {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    if let Some(id) = text("Ref") {
        return id.to_owned();
    }
    if let Some(attribute) = text("Fn::GetAtt") {
        return match attribute.split_once('.') {
            Some((id, "Arn")) => id.to_owned(),
            Some((id, "StreamArn")) => format!("{id}/stream"),
            _ => attribute.to_owned(),
        };
    }
    let of_the_account = sub(value).and_then(|text| {
        text.strip_prefix("arn:${AWS::Partition}:sms-voice:${AWS::Region}:${AWS::AccountId}:")
    });
    if let Some("phone-number/*" | "pool/*") = of_the_account {
        return ORIGINATION.to_owned();
    }
    let identity = sub(value).and_then(|text| {
        let text =
            text.strip_prefix("arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/${")?;
        text.strip_suffix('}')
    });
    if let Some(parameter) = identity {
        return parameter.to_owned();
    }
    let index = sub(value)
        .and_then(|text| text.strip_prefix("${")?.split_once(".Arn}/index/"))
        .map(|(id, index)| format!("{id}/{index}"));
    index.unwrap_or_else(|| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

fn from_value<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}
