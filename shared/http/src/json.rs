//! JSON bodies, read strictly: a name that comes twice is refused at any depth, because two readers
//! could take two different values from it (RFC 8259 §4). What a member may leave out, it leaves out: `null` is no value of any.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Why a body is refused. It says where, never what: a body may hold a secret.
#[derive(thiserror::Error, Debug, PartialEq, Eq)]
#[error("{reason} at line {line}, column {column}")]
pub struct InvalidJson {
    reason: &'static str,
    line: usize,
    column: usize,
}

/// Reads `body` as a `T`, whole: nothing may follow it.
pub fn from_slice<T: DeserializeOwned>(body: &[u8]) -> Result<T, InvalidJson> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    Checked { depth: 0 }
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end())
        .map_err(|error| describe(&error))?;
    // serde would fill a structure from an array, too.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(InvalidJson { reason: WRONG_TYPE, line: 1, column: 1 });
    }
    serde_json::from_slice(body).map_err(|error| describe(&error))
}

/// serde's own messages may quote the value that was found.
fn describe(error: &serde_json::Error) -> InvalidJson {
    let text = error.to_string();
    let reason = if text.starts_with(TWICE) {
        "a member that stands twice"
    } else if text.starts_with("unknown field") {
        "a member that is not known here"
    } else if text.starts_with("missing field") {
        "a member is missing from the object that ends"
    } else if error.is_data() {
        WRONG_TYPE
    } else {
        "not JSON"
    };
    InvalidJson { reason, line: error.line(), column: error.column() }
}

const TWICE: &str = "member twice";
const WRONG_TYPE: &str = "a value of the wrong type";

/// Walks a JSON value and keeps nothing but the names of the objects that are open.
struct Checked {
    /// How many of them.
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Checked {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Checked {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        // Deeper is what browsers wrote, who may add to it.
        if self.depth <= 1 { Err(E::custom(WRONG_TYPE)) } else { Ok(()) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let depth = self.depth.saturating_add(1);
        while items.next_element_seed(Self { depth })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let depth = self.depth.saturating_add(1);
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if !names.insert(name) {
                return Err(A::Error::custom(TWICE));
            }
            members.next_value_seed(Self { depth })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, Debug, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Body {
        name: String,
        #[serde(default)]
        more: Option<serde_json::Value>,
    }

    #[test]
    fn refusals_say_where_and_never_what() {
        for (body, reason) in [
            (r#"{"name":"a","name":"secret"}"#, "a member that stands twice at line 1, column "),
            (r#"{"name":"a","more":{"x":[{"y":1,"y":2}]}}"#, "a member that stands twice at line 1, column "),
            (r#"{"n\u0061me":"a","name":"b"}"#, "a member that stands twice at line 1, column "),
            (r#"{"name":"a","secret":1}"#, "a member that is not known here at line 1, column "),
            ("{}", "a member is missing from the object that ends at line 1, column "),
            (r#"{"name":424242}"#, "a value of the wrong type at line 1, column "),
            (r#"["name"]"#, "a value of the wrong type at line 1, column "),
            (r#"{"name":"a","more":null}"#, "a value of the wrong type at line 1, column "),
            ("null", "a value of the wrong type at line 1, column "),
            (r#"{"name":"a"} x"#, "not JSON at line 1, column "),
            ("", "not JSON at line 1, column "),
        ] {
            let refusal = from_slice::<Body>(body.as_bytes()).unwrap_err().to_string();
            assert!(refusal.starts_with(reason), "{body}: {refusal}");
            assert!(!refusal.contains("secret") && !refusal.contains("424242"), "{refusal}");
        }
        assert!(from_slice::<Body>(b"{\"name\":\"\xff\"}").is_err());
        assert!(
            from_slice::<Body>(format!("{{\"name\":\"a\",\"more\":{}", "[".repeat(60_000)).as_bytes())
                .is_err()
        );
        assert_eq!(from_slice::<Body>(br#"{"name":"a"}"#), Ok(Body { name: "a".to_owned(), more: None }));
        let more = Some(serde_json::json!({ "browser": null }));
        assert_eq!(
            from_slice::<Body>(br#"{"name":"a","more":{"browser":null}}"#),
            Ok(Body { name: "a".to_owned(), more })
        );
    }
}
