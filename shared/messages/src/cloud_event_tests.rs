use std::collections::HashSet;

use postern_domain::id::{AccountId, EventId};
use serde_json::{Value, json};

use super::*;

const EVERY: [(What, &str); 14] = [
    (What::AccountRegistered, "account_registered"),
    (What::SignedIn, "signed_in"),
    (What::PasskeyAdded, "passkey_added"),
    (What::PasskeyRenamed, "passkey_renamed"),
    (What::PasskeyRemoved, "passkey_removed"),
    (What::PasskeyCounterRefused, "passkey_counter_refused"),
    (What::RecoveryCodeIssued, "recovery_code_issued"),
    (What::RecoveryCodeDownloaded, "recovery_code_downloaded"),
    (What::RecoveryCodeLocked, "recovery_code_locked"),
    (What::RecoveryCodeDisabled, "recovery_code_disabled"),
    (What::EmailCodeLocked, "email_code_locked"),
    (What::EmailCodeDisabled, "email_code_disabled"),
    (What::Recovered, "recovered"),
    (What::SessionEnded, "session_ended"),
];

fn event(what: What) -> Event {
    Event {
        id: EventId::from_bytes([1; 16]),
        account: AccountId::from_bytes([2; 16]),
        at: "2026-03-07T06:00:00.5Z".parse().unwrap(),
        what,
        place: "2001:db8::1".to_owned(),
    }
}

/// Portals switch on them: none is ever renamed.
#[test]
fn types_are_stable() {
    for (what, name) in EVERY {
        let cloud_event = CloudEvent::new(&event(what), "https://id.example");
        assert_eq!(cloud_event.kind(), format!("postern.account.{name}"));
        let written = serde_json::to_value(&cloud_event).unwrap();
        assert_eq!((&written["type"], &written["data"]["what"]), (&json!(cloud_event.kind()), &json!(name)));
    }
}

/// CloudEvents 1.0 §3.1, JSON event format §3: the required attributes, and no other that is not named so there.
#[test]
fn the_form_is_cloudevents() {
    let cloud_event = CloudEvent::new(&event(What::SignedIn), "https://id.example");
    let Value::Object(written) = serde_json::to_value(&cloud_event).unwrap() else { panic!("not an object") };
    let names: HashSet<_> = written.keys().map(String::as_str).collect();
    let wanted = ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data"];
    assert_eq!(names, HashSet::from(wanted));
    assert_eq!(written["specversion"], "1.0");
    assert_eq!(written["source"], "https://id.example");
    assert_eq!(written["id"], event(What::SignedIn).id.as_str());
    assert_eq!(written["subject"], event(What::SignedIn).account.as_str());
    let time: jiff::Timestamp = written["time"].as_str().unwrap().parse().unwrap();
    assert!(time == event(What::SignedIn).at && written["time"].as_str().unwrap().ends_with('Z'));
    assert_eq!(written["data"]["where"], "2001:db8::1");
}

/// Delivery is at least once: whoever gets it twice can tell.
#[test]
fn the_same_event_is_the_same_twice() {
    let written =
        || serde_json::to_string(&CloudEvent::new(&event(What::SignedIn), "https://id.example")).unwrap();
    assert_eq!(written(), written());
}
