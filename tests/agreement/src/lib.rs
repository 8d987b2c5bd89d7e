//! What the repository says in several places, read from each and held side by side: the template, the
//! routes, the `OpenAPI` file, the event files and the functions' sources.
//!
//! Reading and judging are apart, so that the tests can break what was read and see the check fail.

mod checks;
mod events;
mod openapi;
mod protection;
mod sources;
mod template;
mod watch;
mod watched;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub use checks::disagreements;
pub use events::Event;
pub use openapi::{Answer, OpenApi, Operation};
pub use sources::Source;
pub use template::{Function, Grant, PHONE_NUMBERS, Statement, Template, Test};
pub use watched::Watched;

/// Everything that must agree.
#[derive(Debug, Clone)]
pub struct Repository {
    pub template: Template,
    /// `postern_http::routes::ROUTES`.
    pub routes: BTreeMap<Route, String>,
    pub openapi: OpenApi,
    /// By file name, without `.json`.
    pub events: BTreeMap<String, Event>,
    /// By directory under `functions/`.
    pub sources: BTreeMap<String, Source>,
    /// What the keys of records begin with, by the store's sources.
    pub prefixes: BTreeSet<String>,
    /// What keys are used for: the purposes of the encryption contexts, by the sources.
    pub purposes: BTreeSet<String>,
    /// The entries of `infra/RUNBOOK.md`, by heading.
    pub runbook: BTreeMap<String, String>,
    /// What `cargo lambda watch` serves where.
    pub watch: BTreeMap<Route, String>,
}

/// A method and a path, as API Gateway writes them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    pub method: String,
    pub path: String,
}

impl std::fmt::Display for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// A file is not there, or not what it should be.
#[derive(thiserror::Error, Debug)]
pub enum Unreadable {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{}: {reason}", path.display())]
    Malformed { path: PathBuf, reason: String },
}

impl Repository {
    /// Reads the repository at `root`.
    pub fn read(root: &Path) -> Result<Self, Unreadable> {
        let routes = postern_http::routes::ROUTES
            .iter()
            .map(|route| {
                let (method, path) = (route.method.to_owned(), route.path.to_owned());
                (Route { method, path }, route.function.to_owned())
            })
            .collect();
        Ok(Self {
            template: Template::read(&root.join("infra/template.yaml"))?,
            routes,
            openapi: OpenApi::read(&root.join("infra/openapi.yaml"))?,
            events: events::read_all(&root.join("events"))?,
            sources: sources::read_all(&root.join("functions"))?,
            prefixes: sources::prefixes(&root.join("shared/store/src"))?,
            purposes: sources::purposes(&read_text(&root.join("shared/keys/src/service.rs"))?),
            runbook: protection::runbook(&read_text(&root.join("infra/RUNBOOK.md"))?),
            watch: watch::read(&root.join("Cargo.toml"))?,
        })
    }
}

fn read_text(path: &Path) -> Result<String, Unreadable> {
    std::fs::read_to_string(path).map_err(|source| Unreadable::Io { path: path.to_owned(), source })
}

/// The entries of a folder that are folders, or have `extension`, by name without it.
fn entries(folder: &Path, extension: Option<&str>) -> Result<BTreeMap<String, PathBuf>, Unreadable> {
    let fail = |source| Unreadable::Io { path: folder.to_owned(), source };
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let wanted = match extension {
            None => path.is_dir(),
            Some(extension) => path.extension().is_some_and(|given| given == extension),
        };
        if let (true, Some(name)) = (wanted, path.file_stem()) {
            found.insert(name.to_string_lossy().into_owned(), path);
        }
    }
    Ok(found)
}
