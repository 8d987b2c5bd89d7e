//! The README says what is computed, and every price says where it is from.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};

use cost::{Book, Stack, between, count, section, with_section};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn prices() -> String {
    fs::read_to_string(root().join("infra/prices.json")).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_readme_says_what_is_computed() {
    let (mut book, mut stack) =
        (Book::parse(&prices()).unwrap(), Stack::read(&root().join("infra/template.yaml")).unwrap());
    assert!(book.hashing.iter().all(|function| stack.memory.contains_key(function)));
    let mut counts = count().await;
    let computed = section(&book, &stack, &counts);
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let said = between(&readme).expect("the README has the two comments");
    assert!(
        said == computed,
        "run `cargo run -p cost -- --write`: the README says\n{said}\nand computed is\n{computed}"
    );

    // And it would say otherwise, were any of what it rests on another.
    assert_eq!(between(&with_section(&readme, "anything else").unwrap()), Some("anything else"));
    let counted = counts.ways.get_mut("passkey").unwrap();
    counted.writes += 2.0;
    assert_ne!(section(&book, &stack, &counts), computed);
    counts.ways.get_mut("passkey").unwrap().writes -= 2.0;
    stack.keys += 1;
    assert_ne!(section(&book, &stack, &counts), computed);
    stack.keys -= 1;
    assert_eq!(section(&book, &stack, &counts), computed);
    book.prices.text.dollars += 0.001;
    assert_ne!(section(&book, &stack, &counts), computed);
}

#[test]
fn a_price_without_its_date_or_source_is_none() {
    let whole: Value = serde_json::from_str(&prices()).unwrap();
    let mut places = Vec::new();
    find(&whole, "", &mut places);
    assert!(places.len() > 100, "{places:?}");
    for place in places {
        let (parent, name) = place.rsplit_once('/').unwrap();
        let mut without = whole.clone();
        without.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name);
        let refused = Book::parse(&without.to_string()).unwrap_err().to_string();
        assert!(refused.contains(parent), "{place}: {refused}");
        let mut empty = whole.clone();
        *empty.pointer_mut(&place).unwrap() = "".into();
        assert!(Book::parse(&empty.to_string()).is_err(), "{place}");
    }
    for (place, wrong) in [
        ("/prices/text/source", "https://prices.example/"),
        ("/prices/text/read", "in September"),
        ("/prices/text/known", "by hearsay"),
    ] {
        let mut other = whole.clone();
        *other.pointer_mut(place).unwrap() = wrong.into();
        assert!(Book::parse(&other.to_string()).is_err(), "{place}");
    }
    let mut more = whole.clone();
    *more.pointer_mut("/shares/passkey/value").unwrap() = 0.9.into();
    assert!(Book::parse(&more.to_string()).unwrap_err().to_string().contains("shares"));
}

/// The places of what every price and every assumption must have.
fn find(value: &Value, place: &str, places: &mut Vec<String>) {
    let Some(members) = value.as_object() else { return };
    let wanted: &[&str] = if members.contains_key("dollars") {
        &["per", "unit", "source", "read"]
    } else if members.contains_key("value") {
        &["reason"]
    } else {
        for (name, member) in members {
            find(member, &format!("{place}/{name}"), places);
        }
        return;
    };
    places.extend(wanted.iter().map(|name| format!("{place}/{name}")));
}
