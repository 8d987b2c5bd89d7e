use serde_json::{Value, json};

use super::*;

fn registration() -> Value {
    json!({
        "id": "YQ",
        "rawId": "YQ",
        "type": "public-key",
        "response": { "clientDataJSON": "e30", "attestationObject": "oA" },
    })
}

fn authentication() -> Value {
    json!({
        "id": "YQ",
        "rawId": "YQ",
        "type": "public-key",
        "response": { "clientDataJSON": "e30", "authenticatorData": "AA", "signature": "AA" },
    })
}

fn reads(credential: &Value) -> bool {
    let text = credential.to_string();
    if credential["response"].get("attestationObject").is_some() {
        serde_json::from_str::<Registration>(&text).is_ok()
    } else {
        serde_json::from_str::<Authentication>(&text).is_ok()
    }
}

#[test]
fn what_browsers_add_is_tolerated() {
    for mut credential in [registration(), authentication()] {
        assert!(reads(&credential));
        credential["authenticatorAttachment"] = json!("platform");
        credential["clientExtensionResults"] = json!({ "prf": { "results": { "first": "AA" } } });
        credential["response"]["transports"] = json!(["internal", "hybrid"]);
        credential["response"]["publicKeyAlgorithm"] = json!(-7);
        credential["response"]["userHandle"] = Value::Null;
        assert!(reads(&credential), "{credential}");
    }
}

#[test]
fn what_is_missing_or_of_another_type_is_refused() {
    for credential in [registration(), authentication()] {
        for name in ["id", "rawId", "type", "response"] {
            for wrong in [Value::Null, json!(1), json!(["YQ"])] {
                let mut changed = credential.clone();
                changed[name] = wrong;
                assert!(!reads(&changed), "{changed}");
            }
            let mut changed = credential.clone();
            changed.as_object_mut().unwrap().remove(name);
            assert!(!reads(&changed), "{changed}");
        }
        let members: Vec<_> = credential["response"].as_object().unwrap().keys().cloned().collect();
        for name in members {
            // Not base64url, padded, of the other alphabet, with bits that stand for nothing.
            for wrong in
                [Value::Null, json!(1), json!("*"), json!("YQ=="), json!("+/+/"), json!("YR"), json!("YQ ")]
            {
                let mut changed = credential.clone();
                changed["response"][&name] = wrong;
                assert!(!reads(&changed), "{changed}");
            }
        }
    }
}

#[test]
fn the_parts_belong_together() {
    let check = |change: fn(&mut Value)| {
        let (mut created, mut answered) = (registration(), authentication());
        change(&mut created);
        change(&mut answered);
        let created: Registration = serde_json::from_value(created).unwrap();
        let answered: Authentication = serde_json::from_value(answered).unwrap();
        let (created, answered) = (created.check().is_ok(), answered.check().is_ok());
        assert_eq!(created, answered);
        created
    };
    assert!(check(|_| {}));
    assert!(!check(|credential| credential["type"] = json!("Public-Key")));
    assert!(!check(|credential| credential["id"] = json!("Yg")));
    assert!(!check(|credential| credential["id"] = json!("YR")));
    assert!(!check(|credential| credential["id"] = json!("")));
    assert!(!check(|credential| (credential["id"], credential["rawId"]) = (json!(""), json!(""))));
}

/// The largest that a passkey may have, and one byte more.
#[test]
fn a_credential_id_has_1023_bytes_at_most() {
    for (length, accepted) in [(1023, true), (1024, false)] {
        let id = URL_SAFE_NO_PAD.encode(vec![7; length]);
        let mut credential = authentication();
        (credential["id"], credential["rawId"]) = (json!(id), json!(id));
        let credential: Authentication = serde_json::from_value(credential).unwrap();
        assert_eq!(credential.check().is_ok(), accepted);
    }
}
