//! The routes of `cargo lambda watch`, in the workspace's manifest.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::{Route, Unreadable, read_text};

/// What it serves on every path that no route has.
const ANY_OTHER: &str = "/{*other}";

#[derive(Deserialize)]
struct Manifest {
    workspace: Workspace,
}

#[derive(Deserialize)]
struct Workspace {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    lambda: Lambda,
}

#[derive(Deserialize)]
struct Lambda {
    watch: Watch,
}

#[derive(Deserialize)]
struct Watch {
    router: BTreeMap<String, Served>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Served {
    ByAny(String),
    ByMethod(Vec<ByMethod>),
}

#[derive(Deserialize)]
struct ByMethod {
    method: String,
    function: String,
}

/// The functions by their routes; by `$default` the one that gets all other paths.
pub fn read(manifest: &Path) -> Result<BTreeMap<Route, String>, Unreadable> {
    let malformed = |reason: String| Unreadable::Malformed { path: manifest.to_owned(), reason };
    let read: Manifest =
        toml::from_str(&read_text(manifest)?).map_err(|error| malformed(error.to_string()))?;
    let mut routes = BTreeMap::new();
    for (path, served) in read.workspace.metadata.lambda.watch.router {
        match served {
            Served::ByAny(function) if path == ANY_OTHER => {
                routes.insert(Route { method: "$default".to_owned(), path: String::new() }, function);
            }
            Served::ByAny(_) => return Err(malformed(format!("{path}: no method"))),
            Served::ByMethod(served) => {
                for ByMethod { method, function } in served {
                    routes.insert(Route { method, path: path.clone() }, function);
                }
            }
        }
    }
    Ok(routes)
}
