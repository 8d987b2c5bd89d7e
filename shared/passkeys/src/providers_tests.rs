use std::collections::{BTreeMap, HashSet};

use postern_domain::name::PasskeyName;
use serde_cbor_2::Value;

use super::*;

fn attestation_object(auth_data: Value) -> Vec<u8> {
    let entries = [
        ("fmt", Value::Text("none".to_owned())),
        ("attStmt", Value::Map(BTreeMap::new())),
        ("authData", auth_data),
    ];
    let entries = entries.into_iter().map(|(name, value)| (Value::Text(name.to_owned()), value));
    serde_cbor_2::to_vec(&Value::Map(entries.collect())).unwrap()
}

fn with_aaguid(aaguid: Uuid) -> Vec<u8> {
    let auth_data = [&[0; 37][..], aaguid.as_bytes(), &[0, 1, 5]].concat();
    attestation_object(Value::Bytes(auth_data))
}

#[test]
fn the_known_ones_are_told() {
    for (aaguid, name) in PROVIDERS {
        assert_eq!(provider(&with_aaguid(*aaguid)), Some(*name));
    }
    assert_eq!(
        provider(&with_aaguid(uuid!("fbfc3007-154e-4ecc-8c0b-6e020557d7bd"))),
        Some("iCloud Keychain")
    );
}

#[test]
fn anything_else_is_not() {
    let short = attestation_object(Value::Bytes(vec![0; 52]));
    let not_bytes = attestation_object(Value::Text("authData".to_owned()));
    let missing = serde_cbor_2::to_vec(&Value::Map(BTreeMap::new())).unwrap();
    let unknown =
        [with_aaguid(Uuid::nil()), with_aaguid(Uuid::max()), short, not_bytes, missing, vec![], vec![255]];
    for object in unknown {
        assert_eq!(provider(&object), None, "{object:?}");
    }
}

/// A provider's name is what a passkey is called until its owner says otherwise.
#[test]
fn each_is_known_once_and_its_name_may_be_a_passkeys() {
    let aaguids: HashSet<_> = PROVIDERS.iter().map(|(aaguid, _)| aaguid).collect();
    assert_eq!(aaguids.len(), PROVIDERS.len());
    for (_, name) in PROVIDERS {
        assert_eq!(name.parse::<PasskeyName>().unwrap().as_str(), *name);
    }
}
