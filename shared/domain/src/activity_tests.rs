use std::collections::BTreeSet;

use super::*;

#[test]
fn the_owner_is_told_of_changes_and_of_theft_and_not_of_every_day() {
    for (what, name, told) in [
        (What::AccountRegistered, "account_registered", false),
        (What::SignedIn, "signed_in", false),
        (What::PasskeyAdded, "passkey_added", true),
        (What::PasskeyRenamed, "passkey_renamed", true),
        (What::PasskeyRemoved, "passkey_removed", true),
        (What::PasskeyCounterRefused, "passkey_counter_refused", true),
        (What::RecoveryCodeIssued, "recovery_code_issued", true),
        (What::RecoveryCodeDownloaded, "recovery_code_downloaded", true),
        (What::RecoveryCodeLocked, "recovery_code_locked", true),
        (What::RecoveryCodeDisabled, "recovery_code_disabled", true),
        (What::EmailCodeLocked, "email_code_locked", true),
        (What::EmailCodeDisabled, "email_code_disabled", true),
        (What::Recovered, "recovered", true),
        (What::SessionEnded, "session_ended", false),
        (What::AuthenticatorAdded, "authenticator_added", true),
        (What::AuthenticatorReplaced, "authenticator_replaced", true),
        (What::AuthenticatorRemoved, "authenticator_removed", true),
        (What::AuthenticatorLocked, "authenticator_locked", true),
        (What::AuthenticatorDisabled, "authenticator_disabled", true),
    ] {
        assert_eq!(what.is_told(), told, "{what:?}");
        assert_eq!(serde_json::to_string(&what).unwrap(), format!("{name:?}"));
    }
}

#[test]
fn each_is_listed_once() {
    let names: BTreeSet<String> = What::ALL.iter().map(|what| serde_json::to_string(what).unwrap()).collect();
    assert_eq!(names.len(), What::ALL.len());
}
