use proptest::prelude::*;

use super::*;
use crate::fixtures::*;

fn noon() -> Timestamp {
    instant("2025-02-01T12:00:00Z")
}

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

/// What the fresh proofs among `proofs` admit to.
fn fresh_admission(proofs: &[Proof], now: Timestamp) -> Option<Admission> {
    admission(&fresh(proofs, now))
}

fn by_phone(channel: Channel, at: Timestamp) -> Proof {
    proof_of(Factor::Phone { id: phone(1).id, channel }, at)
}

fn by_passkey(backed_up: bool, at: Timestamp) -> Proof {
    proof_of(Factor::Passkey { id: passkey(1).id, backed_up }, at)
}

#[test]
fn every_set_of_proofs() {
    for proven in all_kinds() {
        let expected = row(&ADMITS, &proven).map(|(acr, amr)| Admission {
            acr,
            amr: amr.to_vec(),
            authenticated_at: noon(),
        });
        assert_eq!(admission(&proofs(&proven, noon())), expected, "{proven:?}");
    }
}

#[test]
fn what_answered_is_named() {
    let password = proof(Method::Password, noon());
    let app = proof(Method::Authenticator, noon());
    let amr = |proofs: &[Proof]| admission(proofs).unwrap().amr;
    assert_eq!(amr(&[by_passkey(false, noon())]), [Amr::Hwk, Amr::User, Amr::Mfa]);
    assert_eq!(amr(&[by_passkey(true, noon())]), [Amr::Swk, Amr::User, Amr::Mfa]);
    assert_eq!(amr(&[password.clone(), by_phone(Channel::Text, noon())]), [Amr::Pwd, Amr::Sms, Amr::Mfa]);
    assert_eq!(amr(&[password, by_phone(Channel::Call, noon())]), [Amr::Pwd, Amr::Tel, Amr::Mfa]);
    assert_eq!(amr(&[app, by_phone(Channel::Call, noon())]), [Amr::Otp, Amr::Tel]);
}

#[test]
fn two_of_a_kind_are_one() {
    for kind in [Method::Password, Method::Authenticator, Method::Phone] {
        let twice = [proof(kind, noon()), proof(kind, noon() - minutes(1))];
        assert_eq!(admission(&twice), None, "{kind:?}");
    }
    let other = proof_of(Factor::Phone { id: phone(2).id, channel: Channel::Call }, noon());
    assert_eq!(admission(&[by_phone(Channel::Text, noon()), other]), None);
}

#[test]
fn an_admission_is_as_old_as_the_oldest_proof_that_it_rests_on() {
    let password = proof(Method::Password, noon() - minutes(9));
    let app = proof(Method::Authenticator, noon() - minutes(4));
    let phone = proof(Method::Phone, noon());
    let at = |proofs: &[Proof]| admission(proofs).unwrap().authenticated_at;
    assert_eq!(at(&[password.clone(), app.clone()]), noon() - minutes(9));
    assert_eq!(at(&[app.clone(), phone.clone()]), noon() - minutes(4));
    assert_eq!(at(&[password.clone(), proof(Method::Password, noon()), app.clone()]), noon() - minutes(4));
    assert_eq!(at(&[password, app, phone, by_passkey(true, noon() - minutes(8))]), noon() - minutes(8));
}

#[test]
fn proofs_are_fresh_for_five_minutes_to_the_millisecond() {
    let now = noon();
    let last = now - minutes(5);
    let late = last - MILLISECOND;
    for (name, proofs, fresh) in [
        ("passkey, at five minutes", vec![proof(Method::Passkey, last)], true),
        ("passkey, after", vec![proof(Method::Passkey, late)], false),
        ("pair, at five minutes", vec![proof(Method::Password, last), proof(Method::Phone, now)], true),
        ("pair, one after", vec![proof(Method::Password, late), proof(Method::Phone, now)], false),
        ("pair, both after", vec![proof(Method::Password, late), proof(Method::Phone, late)], false),
        (
            "an older passkey does not help a fresh password",
            vec![proof(Method::Passkey, late), proof(Method::Password, now)],
            false,
        ),
        (
            "an older proof does no harm",
            vec![proof(Method::Passkey, now), proof(Method::Password, late)],
            true,
        ),
        ("password alone", vec![proof(Method::Password, now)], false),
    ] {
        assert_eq!(fresh_admission(&proofs, now).is_some(), fresh, "{name}");
    }
}

/// The old passkey is the stronger, and is left out: what is fresh stands for itself.
#[test]
fn a_fresh_admission_rests_on_fresh_proofs_alone() {
    let old = proof(Method::Passkey, noon() - minutes(6));
    let pair = [proof(Method::Password, noon()), proof(Method::Authenticator, noon() - minutes(1))];
    let admission = fresh_admission(&[vec![old], pair.to_vec()].concat(), noon()).unwrap();
    assert_eq!((admission.acr, admission.authenticated_at), (Acr::Aal2, noon() - minutes(1)));
}

#[test]
fn the_old_way_is_the_password_at_its_latest() {
    for proven in all_kinds() {
        let expected = proven.contains(&Method::Password).then(|| Admission {
            acr: Acr::Aal1,
            amr: vec![Amr::Pwd],
            authenticated_at: noon(),
        });
        assert_eq!(password_admission(&proofs(&proven, noon())), expected, "{proven:?}");
    }
    let twice = [proof(Method::Password, noon()), proof(Method::Password, noon() - minutes(3))];
    assert_eq!(password_admission(&twice).unwrap().authenticated_at, noon());
}

#[test]
fn a_proof_stands_as_long_as_its_enrolment() {
    let all: Kinds = KINDS.into_iter().collect();
    let account = account(&all, Code::Downloaded);
    for kind in KINDS {
        let sound = proof(kind, noon());
        assert!(sound.stands(&account), "{kind:?}");

        let mut removed = all.clone();
        removed.remove(&kind);
        let without = account_with(methods_of(&removed), Code::Downloaded);
        assert!(!sound.stands(&without), "{kind:?} removed");
        assert!(Proof { outlives_method: true, ..sound.clone() }.stands(&without), "{kind:?} removed by it");

        for enrolled_at in [sound.enrolled_at - MILLISECOND, sound.enrolled_at + MILLISECOND] {
            assert!(!Proof { enrolled_at, ..sound.clone() }.stands(&account), "{kind:?} replaced");
        }
    }
    let factor = Factor::Passkey { id: passkey(2).id, backed_up: false };
    assert!(!proof_of(factor, noon()).stands(&account), "another passkey");
    let factor = Factor::Phone { id: phone(2).id, channel: Channel::Text };
    assert!(!proof_of(factor, noon()).stands(&account), "another phone");
}

/// A passkey that is synchronised, or a phone that is called next time, is still the same enrolment.
#[test]
fn how_a_method_answered_does_not_matter_to_its_standing() {
    let account = account(&KINDS.into_iter().collect(), Code::Downloaded);
    assert!(by_passkey(true, noon()).stands(&account));
    assert!(by_phone(Channel::Call, noon()).stands(&account));
}

#[test]
fn names_are_those_of_the_contract() {
    let json = |value: &dyn Fn() -> serde_json::Result<String>| value().unwrap();
    for (method, name) in KINDS.into_iter().zip(["passkey", "password", "authenticator", "phone"]) {
        assert_eq!(json(&|| serde_json::to_string(&method)), format!("{name:?}"));
    }
    for (acr, name) in [(Acr::Aal1, "aal1"), (Acr::Aal2, "aal2"), (Acr::Phr, "phr")] {
        assert_eq!(json(&|| serde_json::to_string(&acr)), format!("{name:?}"));
    }
    for (amr, name) in [
        (Amr::Pwd, "pwd"),
        (Amr::Otp, "otp"),
        (Amr::Sms, "sms"),
        (Amr::Tel, "tel"),
        (Amr::Hwk, "hwk"),
        (Amr::Swk, "swk"),
        (Amr::User, "user"),
        (Amr::Mfa, "mfa"),
    ] {
        assert_eq!(json(&|| serde_json::to_string(&amr)), format!("{name:?}"));
    }
    assert!(Acr::Aal1 < Acr::Aal2 && Acr::Aal2 < Acr::Phr);
}

proptest! {
    /// Whatever answered, how often and when: the level follows from the kinds alone.
    #[test]
    fn the_level_follows_from_the_kinds(proofs in any_proofs(noon())) {
        let expected = row(&ADMITS, &kinds_of(&proofs)).map(|(acr, _)| acr);
        prop_assert_eq!(admission(&proofs).map(|admission| admission.acr), expected);
    }

    #[test]
    fn the_order_of_proofs_does_not_matter(
        (proofs, shuffled) in any_proofs(noon()).prop_flat_map(|proofs| (Just(proofs.clone()), Just(proofs).prop_shuffle()))
    ) {
        prop_assert_eq!(admission(&proofs), admission(&shuffled));
        prop_assert_eq!(fresh_admission(&proofs, noon()), fresh_admission(&shuffled, noon()));
        prop_assert_eq!(password_admission(&proofs), password_admission(&shuffled));
    }

    #[test]
    fn one_more_proof_never_weakens(
        proofs in any_proofs(noon()), factor in any_factor(), at in any_instant_before(noon())
    ) {
        let rank = |proofs: &[Proof]| admission(proofs).map(|admission| (admission.acr, admission.authenticated_at));
        let more = [proofs.clone(), vec![proof_of(factor, at)]].concat();
        prop_assert!(rank(&more) >= rank(&proofs));
    }

    /// Each method is named by its own reference; what rests on it is no younger than its latest proof.
    #[test]
    fn an_admission_claims_what_was_proven_and_no_more(proofs in any_proofs(noon())) {
        let Some(admission) = admission(&proofs) else { return Ok(()) };
        let latest = |relied: fn(&Factor) -> bool| {
            proofs.iter().filter(|proof| relied(&proof.factor)).map(|proof| proof.at).max()
        };
        let mut oldest = Timestamp::MAX;
        let mut factors = 0;
        for amr in &admission.amr {
            let at = match amr {
                Amr::Pwd => latest(|factor| matches!(factor, Factor::Password)),
                Amr::Otp => latest(|factor| matches!(factor, Factor::Authenticator)),
                Amr::Sms => latest(|factor| matches!(factor, Factor::Phone { channel: Channel::Text, .. })),
                Amr::Tel => latest(|factor| matches!(factor, Factor::Phone { channel: Channel::Call, .. })),
                Amr::Hwk => latest(|factor| matches!(factor, Factor::Passkey { backed_up: false, .. })),
                Amr::Swk => latest(|factor| matches!(factor, Factor::Passkey { backed_up: true, .. })),
                Amr::User | Amr::Mfa => continue,
            };
            prop_assert!(at.is_some(), "{amr:?} was not proven");
            oldest = oldest.min(at.unwrap());
            factors += 1;
        }
        prop_assert_eq!(admission.authenticated_at, oldest);
        let passkey = admission.acr == Acr::Phr;
        prop_assert_eq!(factors, if passkey { 1 } else { 2 });
        prop_assert_eq!(admission.amr.contains(&Amr::User), passkey);
        prop_assert_eq!(admission.amr.contains(&Amr::Mfa), admission.acr >= Acr::Aal2);
    }

    #[test]
    fn a_fresh_admission_is_fresh_and_fades_for_good(
        proofs in any_proofs(noon()), first in 0_i64..900_000, more in 0_i64..900_000
    ) {
        let now = noon() + SignedDuration::from_millis(first);
        let later = now + SignedDuration::from_millis(more);
        if let Some(fresh) = fresh_admission(&proofs, now) {
            prop_assert!(now.duration_since(fresh.authenticated_at) <= minutes(5));
            prop_assert!(admission(&proofs).is_some_and(|any| any.acr >= fresh.acr));
        } else {
            prop_assert_eq!(fresh_admission(&proofs, later), None);
        }
    }

    #[test]
    fn a_stored_proof_is_read_back_as_it_was(proofs in any_proofs(noon()), outlives_method in any::<bool>()) {
        for proof in proofs {
            let proof = Proof { outlives_method, ..proof };
            let stored = serde_json::to_string(&proof).unwrap();
            prop_assert_eq!(serde_json::from_str::<Proof>(&stored).unwrap(), proof);
        }
    }
}
