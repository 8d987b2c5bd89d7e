//! The routes, read from `infra/template.yaml`: what is deployed is what runs here.

use saphyr::{LoadableYamlNode, YamlOwned};

/// The deployed template, as it was when this was built.
const TEMPLATE: &str = include_str!("../../../infra/template.yaml");

/// A route of the HTTP API and the function that serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// None: the route `$default`.
    pub method: Option<String>,
    pub path: String,
    pub function: String,
}

/// What the local run takes from the template.
#[derive(Debug, Clone)]
pub struct Template {
    pub routes: Vec<Route>,
    /// Every function, with a route or without.
    pub functions: Vec<String>,
}

/// The template does not have the form that is read here.
#[derive(thiserror::Error, Debug)]
#[error("infra/template.yaml: {0}")]
pub struct InvalidTemplate(String);

impl Template {
    pub fn read() -> Result<Self, InvalidTemplate> {
        Self::parse(TEMPLATE)
    }

    fn parse(text: &str) -> Result<Self, InvalidTemplate> {
        let documents = YamlOwned::load_from_str(text).map_err(|error| InvalidTemplate(error.to_string()))?;
        let resources = documents.first().and_then(|document| entry(document, "Resources"));
        let resources = resources.and_then(|resources| resources.as_mapping());
        let resources = resources.ok_or_else(|| InvalidTemplate("there are no Resources".to_owned()))?;
        let (mut routes, mut functions) = (Vec::new(), Vec::new());
        for (name, resource) in resources {
            if text_at(resource, &["Type"]) != Some("AWS::Serverless::Function") {
                continue;
            }
            let name = name.as_str().unwrap_or_default();
            let function = text_at(resource, &["Metadata", "BuildProperties", "Binary"]);
            let function = function.ok_or_else(|| InvalidTemplate(format!("{name} names no Binary")))?;
            functions.push(function.to_owned());
            let events = at(resource, &["Properties", "Events"]).and_then(|events| events.as_mapping());
            for (_, event) in events.into_iter().flatten() {
                if text_at(event, &["Type"]) == Some("HttpApi") {
                    routes.push(route(event, function));
                }
            }
        }
        if routes.is_empty() {
            return Err(InvalidTemplate("there are no routes".to_owned()));
        }
        Ok(Self { routes, functions })
    }

    /// The route that takes a request, as API Gateway chooses: a literal path before one with
    /// parameters, and `$default` last. With the path's parameters.
    #[must_use]
    pub fn route(&self, method: &str, path: &str) -> Option<(&Route, Vec<(String, String)>)> {
        let own = |route: &&Route| route.method.as_deref() == Some(method);
        let matching =
            self.routes.iter().filter(own).filter_map(|route| Some((route, parameters(&route.path, path)?)));
        matching.min_by_key(|(_, parameters)| parameters.len()).or_else(|| {
            self.routes.iter().find(|route| route.method.is_none()).map(|route| (route, Vec::new()))
        })
    }
}

fn route(event: &YamlOwned, function: &str) -> Route {
    let method = text_at(event, &["Properties", "Method"]).map(str::to_uppercase);
    let path = text_at(event, &["Properties", "Path"]).unwrap_or("$default").to_owned();
    let method = method.filter(|_| path != "$default");
    Route { method, path, function: function.to_owned() }
}

fn parameters(pattern: &str, path: &str) -> Option<Vec<(String, String)>> {
    let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    if pattern.len() != path.len() {
        return None;
    }
    let mut found = Vec::new();
    for (wanted, given) in pattern.into_iter().zip(path) {
        match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) if !given.is_empty() => found.push((name.to_owned(), given.to_owned())),
            None if wanted == given => {}
            Some(_) | None => return None,
        }
    }
    Some(found)
}

fn at<'a>(node: &'a YamlOwned, path: &[&str]) -> Option<&'a YamlOwned> {
    path.iter().try_fold(node, |node, name| entry(node, name))
}

fn text_at<'a>(node: &'a YamlOwned, path: &[&str]) -> Option<&'a str> {
    at(node, path)?.as_str()
}

fn entry<'a>(node: &'a YamlOwned, name: &str) -> Option<&'a YamlOwned> {
    node.as_mapping()?.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_find_their_routes() {
        let template = Template::read().unwrap();
        let function = |method, path| template.route(method, path).unwrap().0.function.clone();
        assert_eq!(function("POST", "/v1/account/passkeys/options"), "passkey-enrol-options");
        assert_eq!(function("DELETE", "/v1/account/passkeys/pk_x"), "passkey-remove");
        assert_eq!(function("HEAD", "/v1/account"), "fallback");
        assert_eq!(function("GET", "/nowhere"), "fallback");
        let (_, parameters) = template.route("PATCH", "/v1/account/passkeys/pk_x").unwrap();
        assert_eq!(parameters, [("id".to_owned(), "pk_x".to_owned())]);
        assert!(template.functions.contains(&"keys-rotate".to_owned()));
    }
}
