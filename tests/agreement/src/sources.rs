//! The functions' sources: what they are named, which variables they read and which AWS calls they declare.
//!
//! Read as text: the declaration is a literal list, and a literal is all that it may be.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::{Unreadable, entries, read_text};

/// A function's crate, by what its sources say.
#[derive(Debug, Clone)]
pub struct Source {
    pub package: String,
    /// The binary's name, where the manifest gives one of its own.
    pub binary: Option<String>,
    /// The constant `CALLS`: `"dynamodb:GetItem Attempts"`.
    pub calls: Option<BTreeSet<String>>,
    /// The environment variables that `main` reads.
    pub variables: BTreeSet<String>,
    /// The codes of the problems that the step makes itself.
    pub codes: BTreeSet<String>,
}

/// What `main` reads through others, by the call that does so.
const INDIRECT: &[(&str, &[&str])] = &[
    (".access_tokens()", &["ACCOUNTS_TABLE", "AUDIENCE", "ISSUER", "TOKEN_KEY"]),
    (".attempts()", &["ATTEMPTS_TABLE"]),
    (".frame()", &["EDGE", "ORIGINS", "ORIGIN_SECRET"]),
    (".key_records()", &["ACCOUNTS_TABLE"]),
    (".keyring()", &["ACCOUNTS_TABLE", "KEYRING_KEY"]),
    (".policy()", &["EMAIL_RECOVERY_ENDS_AT", "RECOVERY_CODE_PROMPTED_FROM", "SET_UP_REQUIRED_FROM"]),
    (".store()", &["ACCOUNTS_TABLE", "ATTEMPTS_TABLE"]),
    ("Ceremonies::from_settings(", &["ORIGINS", "RP_ID", "RP_NAME"]),
    (
        "Codes::from_settings(",
        &[
            "DEFAULT_REGION",
            "RP_ID",
            "RP_NAME",
            "SENDS_PER_COUNTRY_HOUR",
            "SENDS_PER_HOUR",
            "SMS_SENDER",
            "VOICE_CODES_TOPIC",
        ],
    ),
    ("Codes::limits_from(", &["SENDS_PER_COUNTRY_HOUR", "SENDS_PER_HOUR"]),
    ("Frame::from_settings(", &["EDGE", "ORIGINS", "ORIGIN_SECRET"]),
];
const DIRECT: [&str; 4] = ["settings.required(", "settings.optional(", "settings.list(", "settings.parsed("];

pub fn read_all(functions: &Path) -> Result<BTreeMap<String, Source>, Unreadable> {
    let mut sources = BTreeMap::new();
    for (name, folder) in entries(functions, None)? {
        let (manifest, main) =
            (read_text(&folder.join("Cargo.toml"))?, read_text(&folder.join("src/main.rs"))?);
        let lib = read_text(&folder.join("src/lib.rs"))?;
        let mut codes = BTreeSet::new();
        for path in entries(&folder.join("src"), Some("rs"))?.values() {
            let codes_here = literals_after(&read_text(path)?, "Problem::new(").into_iter();
            codes.extend(codes_here.filter(|code| code.chars().all(|c| c.is_ascii_lowercase() || c == '_')));
        }
        sources.insert(
            name,
            Source {
                package: manifest_name(&manifest, "[package]").unwrap_or_default(),
                binary: manifest_name(&manifest, "[[bin]]"),
                calls: calls(&lib),
                variables: variables(&main),
                codes,
            },
        );
    }
    Ok(sources)
}

/// What the keys of records begin with: `SESSION` of `format!("SESSION#{id}")`.
pub fn prefixes(store: &Path) -> Result<BTreeSet<String>, Unreadable> {
    let mut prefixes = BTreeSet::new();
    for path in entries(store, Some("rs"))?.values() {
        let formats = literals_after(&read_text(path)?, "format!(").into_iter();
        let before = formats.filter_map(|format| Some(format.split_once("#{")?.0.to_owned()));
        prefixes.extend(before.filter(|prefix| prefix.chars().all(|c| c.is_ascii_uppercase() || c == '-')));
    }
    Ok(prefixes)
}

/// The purposes of encryption contexts: `Self::of("token", …)`.
pub fn purposes(service: &str) -> BTreeSet<String> {
    literals_after(service, "Self::of(").into_iter().collect()
}

fn manifest_name(manifest: &str, section: &str) -> Option<String> {
    let (_, section) = manifest.split_once(section)?;
    let section = section.split("\n[").next()?;
    let line = section.lines().find(|line| line.trim_start().starts_with("name"))?;
    literals(line).next()
}

fn calls(lib: &str) -> Option<BTreeSet<String>> {
    let (_, list) = lib.split_once("pub const CALLS: &[&str] =")?;
    Some(literals(list.split("];").next()?).collect())
}

fn variables(main: &str) -> BTreeSet<String> {
    let direct = DIRECT.iter().flat_map(|call| literals_after(main, call));
    let indirect = INDIRECT.iter().filter(|(call, _)| main.contains(call)).flat_map(|(_, names)| *names);
    direct.chain(indirect.map(|name| (*name).to_owned())).collect()
}

/// The first string literal after each `marker`.
fn literals_after(text: &str, marker: &str) -> Vec<String> {
    text.split(marker).skip(1).filter_map(|rest| literals(rest).next()).collect()
}

/// The string literals of `text`, comments left out.
fn literals(text: &str) -> impl Iterator<Item = String> {
    let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let code = code.join("\n");
    code.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read() {
        let lib = "//! Step.\npub const CALLS: &[&str] = &[\n    \"a:B C\", // why \"not\"\n    \"d:E F\",\n];\nconst X: &str = \"no\";";
        assert_eq!(calls(lib).unwrap(), BTreeSet::from(["a:B C".to_owned(), "d:E F".to_owned()]));
        assert_eq!(calls("pub const CALLS: &[&str] = &[];\n"), Some(BTreeSet::new()));
        assert_eq!(calls("//! Step.\n"), None);
        let main = "let x = settings.required(\"RP_ID\")?; settings.parsed(\n  \"FORMAT\", \"what\")?; Frame::from_settings(&settings)?";
        let read = ["RP_ID", "FORMAT", "EDGE", "ORIGINS", "ORIGIN_SECRET"];
        assert_eq!(variables(main), BTreeSet::from(read.map(str::to_owned)));
        let manifest = "[package]\nname = \"a-b\"\n\n[[bin]]\nname = \"c\"\n";
        assert_eq!(manifest_name(manifest, "[package]").as_deref(), Some("a-b"));
        assert_eq!(manifest_name(manifest, "[[bin]]").as_deref(), Some("c"));
        assert_eq!(manifest_name("[package]\nname = \"a\"\n", "[[bin]]"), None);
    }
}
