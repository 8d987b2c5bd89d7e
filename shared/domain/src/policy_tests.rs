use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::admission::Method;
use crate::fixtures::*;

fn wire<T: Serialize>(value: T) -> String {
    serde_json::to_value(value).unwrap().as_str().unwrap().to_owned()
}

/// The method that an action brings.
fn brings(action: Action) -> Option<Method> {
    match action {
        Action::AddPasskey => Some(Method::Passkey),
        Action::GetAuthenticator => Some(Method::Authenticator),
        Action::VerifyPhone => Some(Method::Phone),
        Action::SetPassword => Some(Method::Password),
        Action::DownloadRecoveryCode => None,
    }
}

#[test]
fn every_set_of_methods() {
    for has in all_kinds() {
        let set_ups = methods_of(&has).set_ups();
        let complete = [set_ups.passkey, set_ups.authenticator_and_phone, set_ups.password_and_phone];
        assert_eq!(complete, row(&SET_UPS, &has), "{has:?}");
        assert_eq!(set_ups.any(), complete.contains(&true), "{has:?}");
        assert_eq!(methods_of(&has).is_empty(), has.is_empty(), "{has:?}");
    }
}

#[test]
fn each_instant_takes_effect_at_itself_and_alone() {
    let policy = policy();
    let rules = |now| {
        (
            policy.recovery_code_is_prompted(now),
            policy.email_recovery_is_over(now),
            policy.set_up_is_required(now),
        )
    };
    for (instant, before, after) in [
        (policy.recovery_code_prompted_from, (false, false, false), (true, false, false)),
        (policy.email_recovery_ends_at, (true, false, false), (true, true, false)),
        (policy.set_up_required_from, (true, true, false), (true, true, true)),
    ] {
        assert_eq!(rules(instant - SignedDuration::from_nanos(1)), before, "{instant} - 1 ns");
        assert_eq!(rules(instant - MILLISECOND), before, "{instant} - 1 ms");
        assert_eq!(rules(instant), after, "{instant}");
        assert_eq!(rules(instant + MILLISECOND), after, "{instant} + 1 ms");
    }
    assert_eq!(rules(Timestamp::MIN), (false, false, false));
    assert_eq!(rules(Timestamp::MAX), (true, true, true));
}

#[test]
fn what_an_account_without_a_set_up_is_asked() {
    const APP_AND_PHONE: &[&str] = &["authenticator_and_phone"];
    const PASSWORD_AND_PHONE: &[&str] = &["password_and_phone"];
    const BOTH: &[&str] = &["authenticator_and_phone", "password_and_phone"];
    let add_passkey: (&str, &[&str]) = ("add_passkey", &["passkey"]);
    let get_authenticator = ("get_authenticator", APP_AND_PHONE);
    let verify_phone = ("verify_phone", BOTH);
    let set_password = ("set_password", PASSWORD_AND_PHONE);
    let policy = policy();
    let now = policy.recovery_code_prompted_from - MILLISECOND;
    for (has, asked) in [
        (&[][..], vec![add_passkey, get_authenticator, verify_phone, set_password]),
        (&[Method::Password], vec![add_passkey, get_authenticator, verify_phone]),
        (&[Method::Authenticator], vec![add_passkey, verify_phone, set_password]),
        (&[Method::Phone], vec![add_passkey, get_authenticator, set_password]),
        (&[Method::Password, Method::Authenticator], vec![add_passkey, verify_phone]),
    ] {
        let account = account(&has.iter().copied().collect(), Code::None);
        let needed = policy.action_needed(&account, now);
        let needed: Vec<(String, Vec<String>)> = needed
            .into_iter()
            .map(|needed| (wire(needed.action), needed.completes.into_iter().map(wire).collect()))
            .collect();
        let asked: Vec<(String, Vec<String>)> = asked
            .into_iter()
            .map(|(action, completes)| {
                (action.to_owned(), completes.iter().map(ToString::to_string).collect())
            })
            .collect();
        assert_eq!(needed, asked, "{has:?}");
    }
}

#[test]
fn the_recovery_code_is_asked_for_last_from_its_instant_on() {
    let policy = policy();
    let prompted = policy.recovery_code_prompted_from;
    for has in all_kinds() {
        for code in CODES {
            let account = account(&has, code);
            let before = policy.action_needed(&account, prompted - MILLISECOND);
            let after = policy.action_needed(&account, prompted);
            assert!(before.iter().all(|needed| needed.action != Action::DownloadRecoveryCode));
            let mut expected = before;
            if code != Code::Downloaded {
                expected.push(ActionNeeded {
                    action: Action::DownloadRecoveryCode,
                    deadline: policy.set_up_required_from,
                    completes: vec![],
                });
            }
            assert_eq!(after, expected, "{has:?}, {code:?}");
        }
    }
}

#[test]
fn names_are_those_of_the_contract() {
    assert_eq!(SetUp::ALL.map(wire), ["passkey", "authenticator_and_phone", "password_and_phone"]);
    assert_eq!(wire(Action::DownloadRecoveryCode), "download_recovery_code");
    let set_ups = methods_of(&[Method::Passkey].into()).set_ups();
    assert_eq!(
        serde_json::to_value(set_ups).unwrap(),
        serde_json::json!({"passkey": true, "authenticator_and_phone": false, "password_and_phone": false}),
    );
    let needed = policy().action_needed(&account(&[Method::Passkey].into(), Code::Issued), Timestamp::MAX);
    assert_eq!(
        serde_json::to_value(needed).unwrap(),
        serde_json::json!([{"action": "download_recovery_code", "deadline": "2025-03-21T04:00:00Z", "completes": []}]),
    );
}

/// Every way of taking methods away, on both sides of the deadline.
#[test]
fn once_a_set_up_is_required_the_last_one_stays_and_the_last_method_always() {
    let policy = policy();
    for has in all_kinds() {
        let account = account(&has, Code::Downloaded);
        for left in all_kinds().filter(|left| left.is_subset(&has)) {
            for (now, required) in around_the_deadline() {
                let broken = required && has_minimum(&has) && !has_minimum(&left);
                let broken = broken || (left.is_empty() && !has.is_empty());
                let refused = policy.would_break_set_up(&account, &methods_of(&left), now);
                assert_eq!(refused, broken, "{has:?} to {left:?}, required: {required}");
            }
        }
    }
}

/// All 2^5 sets of a passkey, a password, an authenticator, a phone and a code in hand, with every set of proofs of them, in
/// each way that a session begins, one millisecond before, at and after each of the instants, in each order of them.
#[test]
fn every_combination_at_every_instant() {
    let [first, second, third] =
        ["2025-01-06T06:00:00Z", "2025-03-07T06:00:00Z", "2025-03-21T05:00:00Z"].map(instant);
    let orders =
        [[first, second, third], [first, third, second], [first, first, second], [second, first, second]];
    let mut asked = 0_u32;
    for [prompted, email_ends, required] in orders {
        let policy = Policy {
            recovery_code_prompted_from: prompted,
            email_recovery_ends_at: email_ends,
            set_up_required_from: required,
        };
        let instants = [prompted, email_ends, required];
        let around = instants.into_iter().flat_map(|at| [at - MILLISECOND, at, at + MILLISECOND]);
        for now in around {
            for (has, code) in
                all_kinds().flat_map(|has| [Code::None, Code::Downloaded].map(|c| (has.clone(), c)))
            {
                let account = account(&has, code);
                for proven in all_kinds().filter(|proven| proven.is_subset(&has)) {
                    holds_for(&policy, &account, &has, &proven, now);
                    asked += 1;
                }
            }
        }
    }
    // 81 pairs of a set and a subset, with a code and without, at nine instants, in four orders.
    assert_eq!(asked, 81 * 2 * 9 * 4);
}

fn holds_for(policy: &Policy, account: &Account, has: &Kinds, proven: &Kinds, now: Timestamp) {
    use crate::session::{Origin, Session, Standing};
    use crate::sign_in::{Outcome, outcome};

    let what = format!("{has:?} with {proven:?}, at {now}");
    let required = now >= policy.set_up_required_from;
    let two = proven.iter().filter(|kind| **kind != Method::Passkey).count() >= 2;
    let enough = proven.contains(&Method::Passkey) || two;
    let old_way = !required && !has_minimum(has) && proven.contains(&Method::Password);
    let ready = has_minimum(has) && account.holds_recovery_code();
    let admits = (enough || old_way) && (!required || ready);
    let proofs = proofs(proven, now);
    for origin in [Origin::Registration, Origin::SignIn, Origin::Recovery] {
        let session = Session {
            id: crate::id::SessionId::from_bytes([1; 32]),
            account: account.id.clone(),
            origin,
            proofs: proofs.clone(),
            generation: account.generation,
            created_at: now,
            last_seen_at: now,
            place: String::new(),
            user_agent: None,
        };
        let full = matches!(session.standing(policy, account, now), Standing::Full(_));
        assert_eq!(full, admits, "{what}, {origin:?}");
        // A token, the activity and the sessions are for who is admitted by the rules of this instant, and for nobody else.
        assert_eq!(session.may_all(policy, account, now).is_ok(), admits, "{what}, {origin:?}");
        // One that recovers changes methods until then; any other has to have shown what the account asks.
        let recovers = origin == Origin::Recovery && !admits;
        assert_eq!(session.recovers(policy, account, now), recovers, "{what}");
        assert_eq!(
            session.may_remove(policy, account, now).is_ok(),
            admits || recovers,
            "{what}, {origin:?}"
        );
        let may_enrol = !has_minimum(has) || recovers || enough;
        assert_eq!(session.may_enrol(policy, account, now).is_ok(), may_enrol, "{what}, {origin:?}");
    }
    if !proven.is_empty() {
        let signed_in = matches!(outcome(policy, account, &proofs, now), Outcome::SignedIn(_));
        assert_eq!(signed_in, admits, "{what}");
    }
    // Whoever is let in the old way is told what is needed, and by when.
    let needed = policy.action_needed(account, now);
    assert_eq!(
        needed.iter().any(|it| it.action != Action::DownloadRecoveryCode),
        !has_minimum(has),
        "{what}"
    );
    let prompted = now >= policy.recovery_code_prompted_from && !account.holds_recovery_code();
    assert_eq!(needed.iter().any(|it| it.action == Action::DownloadRecoveryCode), prompted, "{what}");
    assert!(needed.iter().all(|it| it.deadline == policy.set_up_required_from), "{what}");
    // Taking any one method away never leaves less than the rules of this instant ask.
    for gone in has {
        let mut left = has.clone();
        left.remove(gone);
        let refused = policy.would_break_set_up(account, &methods_of(&left), now);
        let breaks = has_minimum(has) && !has_minimum(&left) && required;
        assert_eq!(refused, breaks || left.is_empty(), "{what}, without {gone:?}");
    }
    assert_eq!(policy.email_recovery_is_over(now), now >= policy.email_recovery_ends_at, "{what}");
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let around = policy().set_up_required_from;
    let instant = move || (0_i64..20).prop_map(move |hours| around + SignedDuration::from_hours(hours));
    (instant(), instant(), instant()).prop_map(|(prompted, email, required)| Policy {
        recovery_code_prompted_from: prompted,
        email_recovery_ends_at: email,
        set_up_required_from: required,
    })
}

fn any_now() -> impl Strategy<Value = Timestamp> {
    let around = policy().set_up_required_from;
    (0_i64..20, -1_i64..=1).prop_map(move |(hours, milliseconds)| {
        around + SignedDuration::from_hours(hours) + SignedDuration::from_millis(milliseconds)
    })
}

proptest! {
    /// In whatever order a deployment sets them.
    #[test]
    fn the_instants_do_not_touch_each_other(policy in any_policy(), now in any_now()) {
        let begun = |instant: Timestamp| now.as_nanosecond() >= instant.as_nanosecond();
        prop_assert_eq!(policy.recovery_code_is_prompted(now), begun(policy.recovery_code_prompted_from));
        prop_assert_eq!(policy.email_recovery_is_over(now), begun(policy.email_recovery_ends_at));
        prop_assert_eq!(policy.set_up_is_required(now), begun(policy.set_up_required_from));
    }

    #[test]
    fn nothing_is_asked_when_nothing_is_missing_and_only_then(
        policy in any_policy(), account in any_account(), now in any_now()
    ) {
        let needed = policy.action_needed(&account, now);
        let code_missing = now >= policy.recovery_code_prompted_from
            && account.recovery_code.as_ref().is_none_or(|code| code.downloaded_at.is_none());
        let nothing_missing = has_minimum(&kinds_had(&account)) && !code_missing;
        prop_assert_eq!(needed.is_empty(), nothing_missing);
        prop_assert!(needed.iter().all(|needed| needed.deadline == policy.set_up_required_from));
    }

    /// Each action asked for brings what the account lacks; doing it brings exactly the named set-ups
    /// nearer, and is not asked again.
    #[test]
    fn what_is_asked_helps(policy in any_policy(), account in any_account(), now in any_now()) {
        let has = kinds_had(&account);
        for needed in policy.action_needed(&account, now) {
            let Some(brought) = brings(needed.action) else { continue };
            prop_assert!(!has.contains(&brought));
            let parts = [
                (SetUp::Passkey, vec![Method::Passkey]),
                (SetUp::AuthenticatorAndPhone, vec![Method::Authenticator, Method::Phone]),
                (SetUp::PasswordAndPhone, vec![Method::Password, Method::Phone]),
            ];
            let helped: Vec<SetUp> =
                parts.into_iter().filter_map(|(set_up, parts)| parts.contains(&brought).then_some(set_up)).collect();
            prop_assert_eq!(needed.completes, helped);
            let mut then = has.clone();
            then.insert(brought);
            let then = policy.action_needed(&account_with(methods_of(&then), Code::None), now);
            prop_assert!(then.iter().all(|again| again.action != needed.action));
        }
    }

    /// Whoever does the first thing that is asked, again and again, is soon asked nothing.
    #[test]
    fn the_most_secure_way_is_the_first(policy in any_policy(), account in any_account(), now in any_now()) {
        let mut account = account;
        for _ in 0..2 {
            let Some(first) = policy.action_needed(&account, now).into_iter().next() else { break };
            match brings(first.action) {
                Some(method) => {
                    prop_assert_eq!(method, Method::Passkey);
                    account.methods.passkeys.push(passkey(1));
                }
                None => account.recovery_code = account_with(methods_of(&Kinds::new()), Code::Downloaded).recovery_code,
            }
        }
        prop_assert_eq!(policy.action_needed(&account, now), vec![]);
    }
}
