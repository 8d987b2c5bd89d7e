//! Every answer is one that `infra/openapi.yaml` documents: clients are written against that.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{LazyLock, Mutex};

use agreement::{OpenApi, Route};
use http::Method;

use crate::Answer;

/// Answers of one kind that are held against the file: to compile its schema for each of thousands would
/// take longer than all the rest.
const LOOKS: u32 = 2;

static FILE: LazyLock<OpenApi> = LazyLock::new(|| {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/openapi.yaml");
    OpenApi::read(&file).unwrap()
});

pub fn check(method: &Method, path: &str, answer: &Answer) {
    static LOOKED: LazyLock<Mutex<HashMap<String, u32>>> = LazyLock::new(Mutex::default);
    let path = path.split('?').next().unwrap_or_default();
    // Neither is the functions': the local run's own calls, and what a gateway does by itself.
    let is_ours = !path.starts_with("/dev/") && *method != Method::OPTIONS && answer.status != 421;
    // What no client meets that is in its right mind is left to the file's general rules: a body that is too
    // large, or a header that is none, where nothing is to be sent.
    let takes_none = matches!(*method, Method::GET | Method::DELETE);
    let is_odd = takes_none && matches!(answer.code().as_str(), "body_too_large" | "bad_request");
    // An answer to HEAD is that to GET without its body.
    if !is_ours || is_odd || *method == Method::HEAD {
        return;
    }
    let route = route(method, path);
    let kind = format!("{route:?} {} {}", answer.status, answer.code());
    let mut looked = LOOKED.lock().unwrap();
    let times = looked.entry(kind).or_default();
    *times += 1;
    if *times > LOOKS {
        return;
    }
    drop(looked);
    let headers: BTreeMap<String, String> = answer
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let body = answer.text();
    let shown = agreement::Answer { status: answer.status, headers: &headers, body: &body };
    let found = FILE.differences(route, &shown);
    assert!(found.is_empty(), "openapi.yaml says otherwise: {}\n{answer:?}", found.join("; "));
}

/// The documented route, literal paths before those with parameters.
fn route(method: &Method, path: &str) -> Option<&'static Route> {
    let fits = |route: &&Route| {
        let (pattern, path) = (route.path.split('/'), path.split('/'));
        route.method == method.as_str()
            && pattern.clone().count() == path.clone().count()
            && pattern
                .zip(path)
                .all(|(part, given)| part == given || (part.starts_with('{') && !given.is_empty()))
    };
    FILE.operations.keys().filter(fits).min_by_key(|route| route.path.matches('{').count())
}
