//! The `OpenAPI` file: operations, who may call them, what they answer, and whether an answer is one of these.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::{Route, Unreadable, read_text, yaml};

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// What the `OpenAPI` file says, as far as the rest must agree with it.
#[derive(Debug, Clone)]
pub struct OpenApi {
    pub operations: BTreeMap<Route, Operation>,
    /// The values that a problem's `code` may have.
    pub codes: BTreeSet<String>,
    /// References to what is not there.
    pub dangling: BTreeSet<String>,
    /// Examples that are missing, or not as their schema says.
    pub misleading: BTreeSet<String>,
    document: Value,
}

/// One operation.
#[derive(Debug, Clone)]
pub struct Operation {
    pub id: String,
    /// Whether it cannot be called without a session.
    pub needs_session: bool,
    pub has_body: bool,
    /// Each status with the codes of its problems.
    pub answers: BTreeMap<String, BTreeSet<String>>,
}

/// An answer as it came over the wire.
#[derive(Debug)]
pub struct Answer<'a> {
    pub status: u16,
    /// Names in lower case.
    pub headers: &'a BTreeMap<String, String>,
    pub body: &'a str,
}

impl OpenApi {
    /// Reads `infra/openapi.yaml`.
    pub fn read(path: &Path) -> Result<Self, Unreadable> {
        Self::parse(&read_text(path)?)
            .map_err(|reason| Unreadable::Malformed { path: path.to_owned(), reason })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let document = yaml::parse(text)?;
        let mut operations = BTreeMap::new();
        for (path, item) in members(&document, "/paths") {
            for (method, operation) in item.as_object().into_iter().flatten() {
                if METHODS.contains(&method.as_str()) {
                    let route = Route { method: method.to_uppercase(), path: path.clone() };
                    let operation = read_operation(&document, operation)
                        .ok_or_else(|| format!("{route} has no operationId"))?;
                    operations.insert(route, operation);
                }
            }
        }
        let codes = document.pointer("/components/schemas/Problem/properties/code/enum");
        let codes = codes.and_then(Value::as_array).ok_or("no enum of codes in the schema Problem")?;
        let codes = codes.iter().filter_map(string).collect();
        let mut dangling = BTreeSet::new();
        find_dangling(&document, &document, &mut dangling);
        let mut misleading = BTreeSet::new();
        find_misleading(&document, &document, "", &mut misleading);
        Ok(Self { operations, codes, dangling, misleading, document })
    }

    /// How `answer` differs from what the file says of `route`: status, headers, the code of a problem, the
    /// body's schema. `None` stands for `$default`.
    #[must_use]
    pub fn differences(&self, route: Option<&Route>, answer: &Answer<'_>) -> Vec<String> {
        let responses = match route {
            Some(Route { method, path }) => self
                .document
                .pointer("/paths")
                .and_then(|paths| paths.get(path)?.get(method.to_lowercase())?.get("responses")),
            None => self.document.pointer("/x-any-other-request/responses"),
        };
        let Some(response) = responses.and_then(|responses| responses.get(answer.status.to_string())) else {
            return vec![format!("the status {} is not documented", answer.status)];
        };
        let response = resolve(&self.document, response);
        let mut found = Vec::new();
        for (name, header) in members(response, "/headers") {
            let required = resolve(&self.document, header).get("required");
            // Documented only for the form that has it.
            let optional = required == Some(&Value::Bool(false))
                || name == "Content-Disposition"
                || (name == "Set-Cookie" && answer.status == 204);
            if !optional && !answer.headers.contains_key(&name.to_lowercase()) {
                found.push(format!("the header {name} is missing"));
            }
        }
        let content_type = answer.headers.get("content-type").map(String::as_str).unwrap_or_default();
        let content_type = content_type.split(';').next().unwrap_or_default();
        let contents = members(response, "/content");
        match (contents.get(content_type), contents.is_empty()) {
            (Some(content), _) if content_type.ends_with("json") => {
                found.extend(self.body_differences(content, answer.body));
            }
            (Some(_), _) => {}
            (None, true) if answer.body.is_empty() => {}
            (None, _) => found.push(format!("the content type {content_type:?} is not documented")),
        }
        found
    }

    fn body_differences(&self, content: &Value, body: &str) -> Vec<String> {
        let Ok(body) = serde_json::from_str::<Value>(body) else {
            return vec!["the body is not JSON".to_owned()];
        };
        let mut found = Vec::new();
        let examples = members(content, "/examples");
        let mut codes = examples.values().filter_map(|example| example.pointer("/value/code"));
        if let Some(code) = body.get("code").filter(|_| body.get("detail").is_some())
            && codes.all(|documented| documented != code)
        {
            found.push(format!("the code {code} is not documented for this status"));
        }
        found.extend(schema_differences(&self.document, content, &body));
        found
    }
}

/// How `value` differs from the `schema` of a content or a parameter.
fn schema_differences(document: &Value, content: &Value, value: &Value) -> Vec<String> {
    let mut schema = content.get("schema").cloned().unwrap_or_default();
    if let Value::Object(schema) = &mut schema {
        schema.insert("components".to_owned(), document.get("components").cloned().unwrap_or_default());
    }
    match jsonschema::draft202012::new(&schema) {
        Ok(validator) => {
            let errors = validator.iter_errors(value);
            errors.map(|error| format!("{}: {error}", error.instance_path())).collect()
        }
        Err(error) => vec![format!("the schema does not hold: {error}")],
    }
}

/// Each body in JSON has an example, and each example is what the schema beside it says.
fn find_misleading(document: &Value, value: &Value, at: &str, misleading: &mut BTreeSet<String>) {
    match value {
        Value::Object(inner) => {
            if inner.contains_key("schema") {
                let named = members(value, "/examples").into_values();
                let named = named.filter_map(|example| resolve(document, example).get("value"));
                let examples: Vec<&Value> = inner.get("example").into_iter().chain(named).collect();
                if examples.is_empty() && at.ends_with("json") {
                    misleading.insert(format!("{at}: no example"));
                }
                for example in examples {
                    let differences = schema_differences(document, value, example).into_iter();
                    misleading
                        .extend(differences.map(|difference| format!("{at}: an example: {difference}")));
                }
            }
            for (name, value) in inner.iter().filter(|(name, _)| *name != "schemas" && *name != "schema") {
                find_misleading(document, value, &format!("{at} {name}"), misleading);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| find_misleading(document, item, at, misleading)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn read_operation(document: &Value, operation: &Value) -> Option<Operation> {
    let security = operation.get("security").or_else(|| document.get("security"));
    let alternatives = security.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let answers = members(operation, "/responses")
        .into_iter()
        .map(|(status, answer)| {
            let answer = resolve(document, answer);
            let examples = members(answer, "/content/application~1problem+json/examples");
            let codes =
                examples.values().filter_map(|example| example.pointer("/value/code")).filter_map(string);
            (status, codes.collect())
        })
        .collect();
    Some(Operation {
        id: operation.get("operationId")?.as_str()?.to_owned(),
        needs_session: !alternatives.is_empty()
            && alternatives.iter().all(|alternative| alternative.get("session").is_some()),
        has_body: operation.get("requestBody").is_some(),
        answers,
    })
}

fn members<'v>(value: &'v Value, pointer: &str) -> BTreeMap<String, &'v Value> {
    let object = value.pointer(pointer).and_then(Value::as_object);
    object.into_iter().flatten().map(|(name, member)| (name.clone(), member)).collect()
}

/// What a `$ref` of the same document points to, or the value itself.
fn resolve<'v>(document: &'v Value, value: &'v Value) -> &'v Value {
    target(value).and_then(|target| document.pointer(target)).unwrap_or(value)
}

fn target(value: &Value) -> Option<&str> {
    value.get("$ref")?.as_str()?.strip_prefix('#')
}

fn find_dangling(document: &Value, value: &Value, dangling: &mut BTreeSet<String>) {
    if value.get("$ref").is_some_and(Value::is_string) {
        match target(value) {
            Some(target) if document.pointer(target).is_some() => {}
            _ => {
                dangling.insert(value.to_string());
            }
        }
    }
    let inner: Box<dyn Iterator<Item = &Value>> = match value {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(members) => Box::new(members.values()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Box::new(std::iter::empty()),
    };
    for value in inner {
        find_dangling(document, value, dangling);
    }
}

fn string(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TEXT: &str = r##"
paths:
  /x:
    get:
      operationId: x
      responses:
        "200":
          headers: {X-Request-Id: {}, Set-Cookie: {$ref: "#/components/headers/Sometimes"}}
          content: {application/json: {schema: {$ref: "#/components/schemas/X"}}}
        "400":
          content:
            application/problem+json:
              schema: {type: object}
              examples: {bad: {value: {code: bad}}}
components:
  headers: {Sometimes: {required: false}}
  schemas:
    X: {type: object, required: [a], properties: {a: {$ref: "#/components/schemas/Y"}}}
    Y: {type: integer}
    Problem: {properties: {code: {enum: [bad]}}}
"##;

    #[test]
    fn examples_are_held_against_their_schemas() {
        let text = TEXT.replace(
            "{schema: {$ref: \"#/components/schemas/X\"}}",
            "{schema: {$ref: \"#/components/schemas/X\"}, example: {a: one}}",
        );
        let openapi = OpenApi::parse(&text).unwrap();
        let of_text = r#" paths /x get responses 200 content application/json: an example: /a: "one" is not of type "integer""#;
        assert_eq!(openapi.misleading, BTreeSet::from([of_text.to_owned()]));
        let missing = OpenApi::parse(TEXT).unwrap().misleading;
        assert_eq!(
            missing,
            BTreeSet::from([" paths /x get responses 200 content application/json: no example".to_owned()])
        );
    }

    #[test]
    fn answers_are_held_against_the_file() {
        let openapi = OpenApi::parse(TEXT).unwrap();
        let route = Route { method: "GET".to_owned(), path: "/x".to_owned() };
        let differences = |status, headers: &[(&str, &str)], body: serde_json::Value| {
            let headers =
                headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let answer = Answer { status, headers: &headers, body: &body.to_string() };
            openapi.differences(Some(&route), &answer)
        };
        let json = ("content-type", "application/json; charset=utf-8");
        let id = ("x-request-id", "1");
        let problem = ("content-type", "application/problem+json");
        assert_eq!(differences(200, &[json, id], json!({"a": 1})), Vec::<String>::new());
        assert_eq!(differences(200, &[json], json!({"a": 1})), ["the header X-Request-Id is missing"]);
        assert_eq!(differences(200, &[json, id], json!({"a": "1"})), [r#"/a: "1" is not of type "integer""#]);
        assert_eq!(differences(200, &[json, id], json!({})), [r#": "a" is a required property"#]);
        assert_eq!(differences(201, &[json, id], json!({})), ["the status 201 is not documented"]);
        assert_eq!(differences(400, &[problem], json!({"code": "bad", "detail": ""})), Vec::<String>::new());
        assert_eq!(
            differences(400, &[problem], json!({"code": "other", "detail": ""})),
            [r#"the code "other" is not documented for this status"#]
        );
        assert_eq!(
            differences(400, &[json], json!({})),
            [r#"the content type "application/json" is not documented"#]
        );
    }
}
