use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::admission::{Acr, Amr};
use crate::fixtures::*;

/// What `api.md` ("Sign in") makes of an account and the proofs of a sign-in.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Next(Kinds),
    SignedIn(Acr, Vec<Amr>),
    SetUpRequired,
}

fn verdict(outcome: Outcome) -> Verdict {
    match outcome {
        Outcome::Next(methods) => {
            let kinds: Kinds = methods.iter().copied().collect();
            assert_eq!(kinds.len(), methods.len(), "each once: {methods:?}");
            Verdict::Next(kinds)
        }
        Outcome::SignedIn(Admission { acr, amr, .. }) => Verdict::SignedIn(acr, amr),
        Outcome::SetUpRequired => Verdict::SetUpRequired,
    }
}

fn contract(has: &Kinds, code: Code, proven: &Kinds, required: bool) -> Verdict {
    let minimum = has_minimum(has);
    let admitted = row(&ADMITS, proven);
    // "Until `set_up_required_from`, an account that has no minimum set-up is admitted by its password
    // alone; an account that has one is never admitted by less."
    let old_way = !required && !minimum && proven.contains(&Method::Password);
    let admitted = admitted.or(old_way.then_some((Acr::Aal1, &[Amr::Pwd])));
    match admitted {
        // "Proven, but the account lacks a minimum set-up or has not downloaded its recovery code after
        // the deadline."
        Some(_) if required && (!minimum || code != Code::Downloaded) => Verdict::SetUpRequired,
        Some((acr, amr)) => Verdict::SignedIn(acr, amr.to_vec()),
        // "A sign-in that has proven every method that the account has, and is not admitted by that, ends
        // in `set_up_required`."
        None if proven == has => Verdict::SetUpRequired,
        None => Verdict::Next(has.difference(proven).copied().collect()),
    }
}

/// A sign-in begins with its first proof, of a method that the account has.
#[test]
fn every_account_and_every_set_of_its_proofs_on_both_sides_of_the_deadline() {
    let mut rows = 0;
    for has in all_kinds() {
        for code in CODES {
            let account = account(&has, code);
            for proven in all_kinds().filter(|proven| !proven.is_empty() && proven.is_subset(&has)) {
                for (now, required) in around_the_deadline() {
                    let outcome = outcome(&policy(), &account, &proofs(&proven, now), now);
                    let expected = contract(&has, code, &proven, required);
                    assert_eq!(
                        verdict(outcome),
                        expected,
                        "{has:?}, {code:?}, {proven:?}, required: {required}"
                    );
                    rows += 1;
                }
            }
        }
    }
    assert_eq!(rows, (81 - 16) * 3 * 2);
}

/// Also proofs of methods that the account has no more, and none at all.
#[test]
fn next_is_never_empty_and_names_what_is_there_and_unproven() {
    for has in all_kinds() {
        for code in CODES {
            let account = account(&has, code);
            for proven in all_kinds() {
                for (now, _) in around_the_deadline() {
                    let Outcome::Next(next) = outcome(&policy(), &account, &proofs(&proven, now), now) else {
                        continue;
                    };
                    assert!(!next.is_empty(), "{has:?}, {proven:?}");
                    assert!(next.iter().all(|method| has.contains(method) && !proven.contains(method)));
                }
            }
        }
    }
}

/// The notice's people, each on the last millisecond before the deadline and at it.
#[test]
fn the_people_of_the_notice() {
    use Code::{Downloaded, Issued};
    use Method::{Authenticator, Passkey, Password, Phone};
    let signed_in = |acr, amr: &[Amr]| Verdict::SignedIn(acr, amr.to_vec());
    let next = |methods: &[Method]| Verdict::Next(methods.iter().copied().collect());
    let old_way = || signed_in(Acr::Aal1, &[Amr::Pwd]);
    let phr = || signed_in(Acr::Phr, &[Amr::Hwk, Amr::User, Amr::Mfa]);
    let password_and_text = || signed_in(Acr::Aal2, &[Amr::Pwd, Amr::Sms, Amr::Mfa]);
    for (has, code, proven, before, after) in [
        (&[Password][..], Code::None, &[Password][..], old_way(), Verdict::SetUpRequired),
        (&[Password, Authenticator], Downloaded, &[Password], old_way(), next(&[Authenticator])),
        (&[Password, Authenticator], Downloaded, &[Authenticator], next(&[Password]), next(&[Password])),
        (
            &[Password, Authenticator],
            Downloaded,
            &[Password, Authenticator],
            signed_in(Acr::Aal2, &[Amr::Pwd, Amr::Otp, Amr::Mfa]),
            Verdict::SetUpRequired,
        ),
        (&[Password, Phone], Downloaded, &[Password], next(&[Phone]), next(&[Phone])),
        (&[Password, Phone], Downloaded, &[Phone], next(&[Password]), next(&[Password])),
        (&[Password, Phone], Downloaded, &[Password, Phone], password_and_text(), password_and_text()),
        (&[Password, Phone], Issued, &[Password, Phone], password_and_text(), Verdict::SetUpRequired),
        (
            &[Authenticator, Phone],
            Downloaded,
            &[Authenticator, Phone],
            signed_in(Acr::Aal1, &[Amr::Otp, Amr::Sms]),
            signed_in(Acr::Aal1, &[Amr::Otp, Amr::Sms]),
        ),
        (&[Passkey], Downloaded, &[Passkey], phr(), phr()),
        (&[Passkey], Code::None, &[Passkey], phr(), Verdict::SetUpRequired),
        (&[Passkey, Password], Downloaded, &[Password], next(&[Passkey]), next(&[Passkey])),
        (&[Phone], Downloaded, &[Phone], Verdict::SetUpRequired, Verdict::SetUpRequired),
        (&[Authenticator], Code::None, &[Authenticator], Verdict::SetUpRequired, Verdict::SetUpRequired),
    ] {
        let account = account(&has.iter().copied().collect(), code);
        let proven: Kinds = proven.iter().copied().collect();
        let at = |now| verdict(outcome(&policy(), &account, &proofs(&proven, now), now));
        let [(last, _), (deadline, _)] = around_the_deadline();
        assert_eq!(at(last), before, "{has:?}, {code:?}, {proven:?}, before");
        assert_eq!(at(deadline), after, "{has:?}, {code:?}, {proven:?}, after");
    }
}

#[test]
fn the_strongest_is_offered_first() {
    let (now, _) = around_the_deadline()[1];
    let account = account(&KINDS.into_iter().collect(), Code::Downloaded);
    let next = |method| outcome(&policy(), &account, &[proof(method, now)], now);
    let after_password = vec![Method::Passkey, Method::Authenticator, Method::Phone];
    assert_eq!(next(Method::Password), Outcome::Next(after_password));
    assert_eq!(
        next(Method::Phone),
        Outcome::Next(vec![Method::Passkey, Method::Password, Method::Authenticator])
    );
}

/// A sign-in that began under the old rules is decided by those of its last answer.
#[test]
fn the_rules_of_now_hold_whatever_began_before() {
    let [(last, _), (deadline, _)] = around_the_deadline();
    let proofs = [proof(Method::Password, last)];
    let account = account(&[Method::Password].into(), Code::Downloaded);
    assert!(matches!(outcome(&policy(), &account, &proofs, last), Outcome::SignedIn(_)));
    assert_eq!(outcome(&policy(), &account, &proofs, deadline), Outcome::SetUpRequired);
}

/// How far a sign-in came: another proof is wanted, it may only enrol, or it is in and how strongly.
fn progress(outcome: &Outcome) -> (u8, Option<Acr>) {
    match outcome {
        Outcome::Next(_) => (0, None),
        Outcome::SetUpRequired => (1, None),
        Outcome::SignedIn(admission) => (2, Some(admission.acr)),
    }
}

fn any_now() -> impl Strategy<Value = Timestamp> {
    let deadline = policy().set_up_required_from;
    (-3_i64..=3).prop_map(move |milliseconds| deadline + SignedDuration::from_millis(milliseconds))
}

fn any_case() -> impl Strategy<Value = (Account, Vec<Proof>, Timestamp)> {
    any_now().prop_flat_map(|now| {
        any_account_and_proofs(now).prop_map(move |(account, proofs)| (account, proofs, now))
    })
}

proptest! {
    /// Several passkeys and phones, the same method twice, calls and texts: what the table says of the kinds.
    #[test]
    fn the_verdict_follows_from_the_kinds((account, proofs, now) in any_case()) {
        prop_assume!(!proofs.is_empty());
        let code = match &account.recovery_code {
            None => Code::None,
            Some(code) if code.downloaded_at.is_none() => Code::Issued,
            Some(_) => Code::Downloaded,
        };
        let required = now >= policy().set_up_required_from;
        let expected = contract(&kinds_had(&account), code, &kinds_of(&proofs), required);
        let given = verdict(outcome(&policy(), &account, &proofs, now));
        match (given, expected) {
            (Verdict::SignedIn(given, _), Verdict::SignedIn(expected, _)) => prop_assert_eq!(given, expected),
            (given, expected) => prop_assert_eq!(given, expected),
        }
    }

    #[test]
    fn an_account_with_a_set_up_takes_a_passkey_or_two_proofs(
        account in any_account(), now in any_now(), proofs in any_proofs(policy().set_up_required_from)
    ) {
        prop_assume!(has_minimum(&kinds_had(&account)));
        if let Outcome::SignedIn(_) = outcome(&policy(), &account, &proofs, now) {
            let proven = kinds_of(&proofs);
            prop_assert!(proven.contains(&Method::Passkey) || proven.len() >= 2);
        }
    }

    /// From the deadline on, nobody comes in who could not for good.
    #[test]
    fn from_the_deadline_on_only_ready_accounts_come_in(
        account in any_account(), later in 0_i64..100_000, proofs in any_proofs(policy().set_up_required_from)
    ) {
        let now = policy().set_up_required_from + SignedDuration::from_millis(later);
        if let Outcome::SignedIn(_) = outcome(&policy(), &account, &proofs, now) {
            prop_assert!(has_minimum(&kinds_had(&account)));
            prop_assert!(account.recovery_code.is_some_and(|code| code.downloaded_at.is_some()));
        }
    }

    #[test]
    fn the_order_of_proofs_does_not_matter(
        (account, proofs, shuffled, now) in any_case().prop_flat_map(|(account, proofs, now)| {
            (Just(account), Just(proofs.clone()), Just(proofs).prop_shuffle(), Just(now))
        })
    ) {
        prop_assert_eq!(outcome(&policy(), &account, &proofs, now), outcome(&policy(), &account, &shuffled, now));
    }

    /// Otherwise a right answer could lock its owner out.
    #[test]
    fn one_more_proof_never_sets_back((account, proofs, now) in any_case(), factor in any_factor()) {
        let one = proof_of(factor, now);
        prop_assume!(one.stands(&account));
        let more = [proofs.clone(), vec![one]].concat();
        let before = progress(&outcome(&policy(), &account, &proofs, now));
        let after = progress(&outcome(&policy(), &account, &more, now));
        prop_assert!(proofs.is_empty() || after >= before, "{before:?} to {after:?}");
    }

    /// Time alone only asks for more.
    #[test]
    fn waiting_never_helps((account, proofs, now) in any_case(), wait in 0_i64..10) {
        let later = now + SignedDuration::from_millis(wait);
        if let Outcome::SignedIn(admission) = outcome(&policy(), &account, &proofs, later) {
            prop_assert_eq!(outcome(&policy(), &account, &proofs, now), Outcome::SignedIn(admission));
        }
    }
}
