//! YAML with `CloudFormation`'s short tags, as JSON in their long form: `!Ref X` is `{"Ref": "X"}`.

use saphyr::{LoadableYamlNode, ScalarOwned, YamlOwned};
use serde_json::{Map, Value, json};

/// Reads the one document of `text`. A key that stands twice is an error.
pub fn parse(text: &str) -> Result<Value, String> {
    let documents = YamlOwned::load_from_str(text).map_err(|error| error.to_string())?;
    match documents.as_slice() {
        [document] => long_form(document),
        _ => Err(format!("{} documents instead of one", documents.len())),
    }
}

fn long_form(node: &YamlOwned) -> Result<Value, String> {
    match node {
        YamlOwned::Value(scalar) => Ok(match scalar {
            ScalarOwned::Null => Value::Null,
            ScalarOwned::Boolean(value) => (*value).into(),
            ScalarOwned::Integer(value) => (*value).into(),
            ScalarOwned::FloatingPoint(value) => value.into_inner().into(),
            ScalarOwned::String(value) => value.as_str().into(),
        }),
        YamlOwned::Sequence(items) => items.iter().map(long_form).collect(),
        YamlOwned::Mapping(members) => {
            let mut object = Map::new();
            for (key, value) in members {
                let key = match long_form(key)? {
                    Value::String(key) => key,
                    other => return Err(format!("{other} as a key")),
                };
                object.insert(key, long_form(value)?);
            }
            Ok(Value::Object(object))
        }
        YamlOwned::Tagged(tag, inner) => {
            let name = match tag.suffix.as_str() {
                name @ ("Ref" | "Condition") => name.to_owned(),
                name => format!("Fn::{name}"),
            };
            Ok(json!({ name: long_form(inner)? }))
        }
        YamlOwned::Representation(..) | YamlOwned::Alias(_) | YamlOwned::BadValue => {
            Err("an alias or a value that does not fit its tag".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_tags_become_long() {
        let text = "a: !Ref X\nb: !GetAtt X.Arn\nc: {d: !Sub \"${X}/y\", e: [1, true]}\nf: !If [Z, a, !Ref AWS::NoValue]";
        let long = json!({
            "a": {"Ref": "X"},
            "b": {"Fn::GetAtt": "X.Arn"},
            "c": {"d": {"Fn::Sub": "${X}/y"}, "e": [1, true]},
            "f": {"Fn::If": ["Z", "a", {"Ref": "AWS::NoValue"}]},
        });
        assert_eq!(parse(text), Ok(long));
        assert!(parse("a: 1\na: 2").is_err());
    }
}
