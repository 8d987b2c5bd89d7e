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
    router: BTreeMap<String, Vec<Served>>,
}

#[derive(Deserialize)]
struct Served {
    /// Any, where it is not said.
    method: Option<String>,
    function: String,
}

/// The functions by their routes; by `$default` the one that gets all other paths.
pub fn read(manifest: &Path) -> Result<BTreeMap<Route, String>, Unreadable> {
    let malformed = |reason: String| Unreadable::Malformed { path: manifest.to_owned(), reason };
    let read: Manifest =
        toml::from_str(&read_text(manifest)?).map_err(|error| malformed(error.to_string()))?;
    let mut routes = BTreeMap::new();
    for (path, served) in read.workspace.metadata.lambda.watch.router {
        for Served { method, function } in served {
            let (method, path) = match method {
                Some(method) => (method, path.clone()),
                None if path == ANY_OTHER => ("$default".to_owned(), String::new()),
                None => return Err(malformed(format!("{path}: no method"))),
            };
            routes.insert(Route { method, path }, function);
        }
    }
    Ok(routes)
}
