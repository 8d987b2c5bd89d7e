use super::*;
use crate::fixtures::*;

#[test]
fn an_abandoned_registration_is_gone_at_its_instant() {
    let forget_at = instant("2025-02-02T12:00:00Z");
    let mut account = account(&Kinds::new(), Code::None);
    assert!(account.exists_at(Timestamp::MAX), "an account with a method is never forgotten");
    account.forget_at = Some(forget_at);
    assert!(account.exists_at(forget_at - MILLISECOND));
    assert!(!account.exists_at(forget_at));
    assert!(!account.exists_at(forget_at + MILLISECOND));
}

#[test]
fn an_account_is_ready_with_a_set_up_and_the_present_code_downloaded() {
    for has in all_kinds() {
        for code in CODES {
            let account = account(&has, code);
            let downloaded = code == Code::Downloaded;
            assert_eq!(account.holds_recovery_code(), downloaded, "{code:?}");
            assert_eq!(account.is_ready(), has_minimum(&has) && downloaded, "{has:?}, {code:?}");
        }
    }
}

#[test]
fn a_passkey_is_found_by_its_own_id_only() {
    let account = account(&[crate::admission::Method::Passkey].into(), Code::None);
    assert_eq!(account.passkey(&passkey(1).id), Some(&passkey(1)));
    assert_eq!(account.passkey(&passkey(2).id), None);
}

#[test]
fn a_landline_is_called_and_never_texted() {
    for (line_type, name, channels) in [
        (LineType::Mobile, "mobile", vec![Channel::Text, Channel::Call]),
        (LineType::Landline, "landline", vec![Channel::Call]),
        (LineType::Voip, "voip", vec![Channel::Text, Channel::Call]),
        (LineType::Unknown, "unknown", vec![Channel::Text, Channel::Call]),
    ] {
        assert_eq!(line_type.channels(), channels, "{line_type:?}");
        assert_eq!(serde_json::to_string(&line_type).unwrap(), format!("{name:?}"));
    }
    assert_eq!(serde_json::to_string(&[Channel::Text, Channel::Call]).unwrap(), r#"["text","call"]"#);
}

#[test]
fn an_authenticator_takes_the_place_of_the_one_before_and_leaves_the_rest() {
    use crate::admission::{Factor, Method, Proof};
    let both: Kinds = [Method::Authenticator, Method::Phone].into();
    let before = account(&both, Code::Downloaded);
    let now = enrolled_at(Method::Authenticator) + MILLISECOND;
    let after = before.with_authenticator(now);
    assert_eq!(after.methods.authenticator, Some(Authenticator { confirmed_at: now }));
    assert_eq!(after.methods.phones, before.methods.phones);
    // Other sessions end by the proof that stands no more, not by the generation.
    assert_eq!((after.revision, after.generation), (before.revision + 1, before.generation));
    let proof = Proof::of(&before, Factor::Authenticator, now).unwrap();
    assert!(proof.stands(&before) && !proof.stands(&after));
    let without = after.without_authenticator();
    assert_eq!((&without.methods.authenticator, without.revision), (&None, before.revision + 2));
    assert!(!without.methods.set_ups().any() && after.methods.set_ups().authenticator_and_phone);
}
