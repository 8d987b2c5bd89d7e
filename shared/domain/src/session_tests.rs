use proptest::prelude::*;

use super::*;
use crate::admission::{Acr, Factor, Method};
use crate::fixtures::*;
use crate::sign_in;

const ORIGINS: [Origin; 3] = [Origin::Registration, Origin::SignIn, Origin::Recovery];

fn begin(origin: Origin, proofs: Vec<Proof>, now: Timestamp) -> Session {
    Session {
        id: SessionId::from_bytes([1; 32]),
        account: AccountId::from_bytes([1; 16]),
        origin,
        proofs,
        generation: 3,
        created_at: now,
        last_seen_at: now,
        place: "192.0.2.17".to_owned(),
        user_agent: None,
    }
}

#[test]
fn a_session_is_over_after_an_hour_of_rest_and_twelve_in_all() {
    let began = instant("2025-02-01T12:00:00Z");
    let at = |time: &str| began + time.parse::<SignedDuration>().unwrap();
    for (seen, now, current) in [
        ("PT0S", "PT0S", true),
        ("PT0S", "PT59M59.999S", true),
        ("PT0S", "PT1H", false),
        ("PT0S", "PT1H0.001S", false),
        ("PT30M", "PT1H29M59.999S", true),
        ("PT30M", "PT1H30M", false),
        ("PT11H30M", "PT11H59M59.999S", true),
        ("PT11H30M", "PT12H", false),
        ("PT11H59M59.999S", "PT12H", false),
        ("PT12H", "PT12H", false),
        ("PT20H", "PT20H", false),
    ] {
        let session = Session { last_seen_at: at(seen), ..begin(Origin::SignIn, vec![], began) };
        assert_eq!(session.is_current(at(now)), current, "seen {seen}, now {now}");
    }
}

#[test]
fn a_session_ends_with_its_account_generation_and_methods() {
    let now = instant("2025-02-01T12:00:00Z");
    let all: Kinds = KINDS.into_iter().collect();
    let account = account(&all, Code::Downloaded);
    for kind in KINDS {
        let session = begin(Origin::SignIn, vec![proof(kind, now)], now);
        assert!(session.lives(&account, now), "{kind:?}");
        assert!(session.lives(&account, now + IDLE_AFTER - MILLISECOND), "{kind:?}");
        assert!(!session.lives(&account, now + IDLE_AFTER), "{kind:?}: idle");

        let mut removed = all.clone();
        removed.remove(&kind);
        let without = account_with(methods_of(&removed), Code::Downloaded);
        assert!(!session.lives(&without, now), "{kind:?} removed");

        let mut replaced = account.clone();
        match kind {
            Method::Passkey => replaced.methods.passkeys[0].created_at += MILLISECOND,
            Method::Password => replaced.methods.password.as_mut().unwrap().changed_at += MILLISECOND,
            Method::Authenticator => {
                replaced.methods.authenticator.as_mut().unwrap().confirmed_at += MILLISECOND;
            }
            Method::Phone => replaced.methods.phones[0].verified_at += MILLISECOND,
        }
        assert!(!session.lives(&replaced, now), "{kind:?} replaced");
        for other in KINDS.into_iter().filter(|other| *other != kind) {
            let other = begin(Origin::SignIn, vec![proof(other, now)], now);
            assert!(other.lives(&replaced, now), "another method's session goes on");
        }

        let outlives_method = true;
        let leaver =
            Session { proofs: vec![Proof { outlives_method, ..proof(kind, now) }], ..session.clone() };
        assert!(leaver.lives(&without, now), "{kind:?} removed by this session");

        let foreign = Session { account: AccountId::from_bytes([2; 16]), ..session.clone() };
        assert!(!foreign.lives(&account, now), "another account");
        for generation in [2, 4] {
            assert!(
                !Session { generation, ..session.clone() }.lives(&account, now),
                "generation {generation}"
            );
        }
        let forgotten = Account { forget_at: Some(now), ..account.clone() };
        assert!(!session.lives(&forgotten, now), "the account is forgotten");
        let abandoned = Account { forget_at: Some(now + MILLISECOND), ..account.clone() };
        assert!(session.lives(&abandoned, now), "the account is not forgotten yet");
    }
    let both = begin(Origin::SignIn, proofs(&all, now), now);
    let without = account_with(methods_of(&[Method::Passkey, Method::Password].into()), Code::Downloaded);
    assert!(!both.lives(&without, now), "each method that proved it must be there");
    assert!(begin(Origin::Registration, vec![], now).lives(&account, now), "no proofs, none to end it");
}

/// Exactly five minutes old, and a millisecond older.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    Fresh,
    Stale,
}

/// Everything that the rights of a session follow from.
#[derive(Debug)]
struct Case<'a> {
    origin: Origin,
    has: &'a Kinds,
    code: Code,
    proven: Kinds,
    fresh: Kinds,
    required: bool,
}

impl Case<'_> {
    /// How the proofs admit by the rules of the day: two of three, or a passkey; until the deadline and
    /// without a minimum set-up, the password.
    fn admits(&self, proven: &Kinds) -> Option<Acr> {
        let old_way = !self.required && !has_minimum(self.has) && proven.contains(&Method::Password);
        row(&ADMITS, proven).map(|(acr, _)| acr).or(old_way.then_some(Acr::Aal1))
    }

    /// Signed in, in full. "Proven, but the account lacks a minimum set-up or has not downloaded its
    /// recovery code after the deadline: this session may only enrol, see the account and sign out."
    fn full(&self) -> Option<Acr> {
        let lacking = self.required && !(has_minimum(self.has) && self.code == Code::Downloaded);
        self.admits(&self.proven).filter(|_| !lacking)
    }

    /// "This session may only enrol, replace and remove methods, until what it has proven since admits by
    /// the rules of that day (from the deadline on: a minimum set-up, and the new code downloaded)."
    fn recovering(&self) -> bool {
        self.origin == Origin::Recovery && self.full().is_none()
    }

    /// "No access token"; "403 `set_up_required` for activity and sessions"; and where nothing is left to
    /// set up, a step-up is the way on.
    fn all(&self) -> Result<Acr, Refusal> {
        let ready = has_minimum(self.has) && self.code == Code::Downloaded;
        self.full().ok_or(if ready { Refusal::StepUpRequired } else { Refusal::SetUpRequired })
    }

    /// "Needs proofs that admit and are at most 5 minutes old: else 403 `step_up_required`. An account
    /// without a minimum set-up enrols, and takes its recovery code, with the session that it has."
    fn enrol(&self) -> Result<(), Refusal> {
        if self.recovering() || !has_minimum(self.has) || self.admits(&self.fresh).is_some() {
            Ok(())
        } else {
            Err(Refusal::StepUpRequired)
        }
    }

    /// Enrolling is all that a session may do that is not signed in in full, unless it recovers. Where
    /// the account has its set-up and only this session lacks the proofs, proving them is the way on.
    fn remove(&self) -> Result<(), Refusal> {
        if self.recovering() {
            Ok(())
        } else if self.full().is_some() {
            self.admits(&self.fresh).map(drop).ok_or(Refusal::StepUpRequired)
        } else if has_minimum(self.has) && self.admits(&self.proven).is_none() {
            Err(Refusal::StepUpRequired)
        } else {
            Err(Refusal::SetUpRequired)
        }
    }
}

/// Each kind unproven, proven freshly or proven too long ago. Proofs of methods that the account has no
/// more are among them: the session that removed a method goes on.
fn all_ages() -> impl Iterator<Item = (Kinds, Kinds)> {
    (0_u8..81).map(|number| {
        let mut proven = Kinds::new();
        let mut fresh = Kinds::new();
        for (kind, digit) in KINDS.into_iter().zip([number % 3, number / 3 % 3, number / 9 % 3, number / 27])
        {
            if digit > 0 {
                proven.insert(kind);
            }
            if digit > 1 {
                fresh.insert(kind);
            }
        }
        (proven, fresh)
    })
}

fn aged(kind: Method, age: Age, now: Timestamp) -> Proof {
    let five_minutes = SignedDuration::from_mins(5);
    match age {
        Age::Fresh => proof(kind, now - five_minutes),
        Age::Stale => proof(kind, now - five_minutes - MILLISECOND),
    }
}

#[test]
fn every_session_of_every_account_on_both_sides_of_the_deadline() {
    let policy = policy();
    for has in all_kinds() {
        for code in CODES {
            let account = account(&has, code);
            for (proven, fresh) in all_ages() {
                for (now, required) in around_the_deadline() {
                    let age = |kind| if fresh.contains(kind) { Age::Fresh } else { Age::Stale };
                    let proofs: Vec<_> = proven.iter().map(|kind| aged(*kind, age(kind), now)).collect();
                    for origin in ORIGINS {
                        let case = Case {
                            origin,
                            has: &has,
                            code,
                            proven: proven.clone(),
                            fresh: fresh.clone(),
                            required,
                        };
                        let session = begin(origin, proofs.clone(), now);
                        let standing = match session.standing(&policy, &account, now) {
                            Standing::Full(admission) => Some(admission.acr),
                            Standing::MayOnlyEnrol => None,
                        };
                        assert_eq!(standing, case.full(), "{case:?}");
                        let all = session.may_all(&policy, &account, now).map(|admission| admission.acr);
                        assert_eq!(all, case.all(), "token, activity, sessions: {case:?}");
                        assert_eq!(
                            session.may_enrol(&policy, &account, now),
                            case.enrol(),
                            "enrol: {case:?}"
                        );
                        assert_eq!(
                            session.may_remove(&policy, &account, now),
                            case.remove(),
                            "remove: {case:?}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_recovered_session_is_like_any_other_once_it_admits() {
    let [(before, _), (deadline, _)] = around_the_deadline();
    let stale = |now| aged(Method::Passkey, Age::Stale, now);
    let has: Kinds = [Method::Passkey, Method::Phone].into();
    for (code, proofs, now, removes) in [
        (Code::None, vec![], before, Ok(())),
        (Code::None, vec![], deadline, Ok(())),
        (Code::None, vec![stale(before)], before, Err(Refusal::StepUpRequired)),
        (Code::Issued, vec![stale(deadline)], deadline, Ok(())),
        (Code::Downloaded, vec![stale(deadline)], deadline, Err(Refusal::StepUpRequired)),
        (Code::Downloaded, vec![proof(Method::Passkey, deadline)], deadline, Ok(())),
    ] {
        let account = account(&has, code);
        let session = begin(Origin::Recovery, proofs, now);
        assert_eq!(session.may_remove(&policy(), &account, now), removes, "{code:?}, {now}");
        assert_eq!(session.may_enrol(&policy(), &account, now), removes, "{code:?}, {now}");
    }
}

/// What an enrolment proves counts: from the registration to the first token in one session.
#[test]
fn a_new_user_takes_a_token_once_passkey_and_code_are_there() {
    let now = policy().set_up_required_from;
    let passkey: Kinds = [Method::Passkey].into();
    let mut session = begin(Origin::Registration, vec![], now);
    let token = |session: &Session, account: &Account| session.may_all(&policy(), account, now).map(drop);

    let registered = account(&Kinds::new(), Code::None);
    assert_eq!(session.may_enrol(&policy(), &registered, now), Ok(()));
    assert_eq!(session.may_remove(&policy(), &registered, now), Err(Refusal::SetUpRequired));
    assert_eq!(token(&session, &registered), Err(Refusal::SetUpRequired));

    session.proofs.push(proof(Method::Passkey, now));
    let enrolled = account(&passkey, Code::Issued);
    assert!(session.lives(&enrolled, now));
    assert_eq!(
        session.may_enrol(&policy(), &enrolled, now),
        Ok(()),
        "the code, with the passkey just enrolled"
    );
    assert_eq!(session.may_remove(&policy(), &enrolled, now), Err(Refusal::SetUpRequired));
    assert_eq!(token(&session, &enrolled), Err(Refusal::SetUpRequired));

    let ready = account(&passkey, Code::Downloaded);
    assert_eq!(token(&session, &ready), Ok(()));
    assert_eq!(session.may_remove(&policy(), &ready, now), Ok(()));
}

fn any_origin() -> impl Strategy<Value = Origin> {
    proptest::sample::select(&ORIGINS[..])
}

fn any_now() -> impl Strategy<Value = Timestamp> {
    let deadline = policy().set_up_required_from;
    prop_oneof![-3_i64..=3, -400_000_i64..400_000]
        .prop_map(move |milliseconds| deadline + SignedDuration::from_millis(milliseconds))
}

/// An account and a session of it whose proofs all stand.
fn any_case() -> impl Strategy<Value = (Account, Session, Timestamp)> {
    (any_origin(), any_now()).prop_flat_map(|(origin, now)| {
        any_account_and_proofs(now)
            .prop_map(move |(account, proofs)| (account, begin(origin, proofs, now), now))
    })
}

fn milliseconds(milliseconds: i64) -> SignedDuration {
    SignedDuration::from_millis(milliseconds)
}

/// Up to thirteen hours, often near the bounds of a session.
fn any_wait() -> impl Strategy<Value = i64> {
    let hour = 3_600_000_i64;
    prop_oneof![0..13 * hour, hour - 2..hour + 2, 12 * hour - 2..12 * hour + 2]
}

proptest! {
    #[test]
    fn a_session_that_is_over_stays_over(seen in any_wait(), now in any_wait(), more in any_wait()) {
        let began = policy().set_up_required_from;
        let session = Session { last_seen_at: began + milliseconds(seen), ..begin(Origin::SignIn, vec![], began) };
        let current = |after: i64| session.is_current(began + milliseconds(after));
        prop_assert_eq!(current(now), now - seen < 3_600_000 && now < 12 * 3_600_000);
        prop_assert!(current(now) || !current(now + more));
    }

    #[test]
    fn a_session_lives_by_all_of_its_conditions_alone(
        (account, session, now) in any_case(),
        (other_account, generation, forget_in, wait) in
            (any::<bool>(), 2_u64..5, proptest::option::of(-2_i64..7_200_000), any_wait()),
        foreign in proptest::option::of(any_factor()),
    ) {
        let forget_at = forget_in.map(|forget_in| now + milliseconds(forget_in));
        let account = Account { forget_at, generation, ..account };
        let mut session = session;
        if other_account {
            session.account = AccountId::from_bytes([2; 16]);
        }
        session.proofs.extend(foreign.map(|factor| proof_of(factor, now)));
        let later = now + milliseconds(wait);
        let proven = session.proofs.iter().all(|proof| match &proof.factor {
            Factor::Passkey { id, .. } => account.methods.passkeys.iter().any(|passkey| passkey.id == *id),
            Factor::Password => account.methods.password.is_some(),
            Factor::Authenticator => account.methods.authenticator.is_some(),
            Factor::Phone { id, .. } => account.methods.phones.iter().any(|phone| phone.id == *id),
        });
        let there = forget_at.is_none_or(|forget_at| later < forget_at);
        let lives = wait < 3_600_000 && there && !other_account && generation == 3 && proven;
        prop_assert_eq!(session.lives(&account, later), lives);
    }

    /// What a sign-in was told when it ended is what its session is good for.
    #[test]
    fn a_sign_in_and_its_session_agree((account, session, now) in any_case()) {
        let session = Session { origin: Origin::SignIn, ..session };
        let standing = session.standing(&policy(), &account, now);
        match sign_in::outcome(&policy(), &account, &session.proofs, now) {
            sign_in::Outcome::SignedIn(admission) => prop_assert_eq!(standing, Standing::Full(admission)),
            sign_in::Outcome::SetUpRequired | sign_in::Outcome::Next(_) => {
                prop_assert_eq!(standing, Standing::MayOnlyEnrol);
            }
        }
    }

    #[test]
    fn from_the_deadline_on_a_token_means_ready((account, session, now) in any_case()) {
        if let Ok(admission) = session.may_all(&policy(), &account, now) {
            let ready = has_minimum(&kinds_had(&account))
                && account.recovery_code.is_some_and(|code| code.downloaded_at.is_some());
            prop_assert!(ready || now < policy().set_up_required_from);
            prop_assert!(admission.authenticated_at <= now);
        }
    }

    #[test]
    fn a_session_that_may_only_enrol_takes_nothing_away((account, session, now) in any_case()) {
        let full = session.may_all(&policy(), &account, now).is_ok();
        let removes = session.may_remove(&policy(), &account, now).is_ok();
        prop_assert!(!removes || full || session.origin == Origin::Recovery);
        prop_assert!(!removes || session.may_enrol(&policy(), &account, now).is_ok());
    }

    /// A token that an account's deadline, or another rule of time, took is not given back by waiting.
    #[test]
    fn waiting_never_helps((account, session, now) in any_case(), wait in 0_i64..800_000) {
        let later = now + milliseconds(wait);
        let full = |now| session.standing(&policy(), &account, now);
        if full(later) != Standing::MayOnlyEnrol {
            prop_assert_eq!(full(now), full(later));
        }
        if session.origin != Origin::Recovery {
            let enrols = |now| session.may_enrol(&policy(), &account, now).is_ok();
            let removes = |now| session.may_remove(&policy(), &account, now).is_ok();
            prop_assert!(enrols(now) || !enrols(later));
            prop_assert!(removes(now) || !removes(later));
        }
    }

    /// The step-up: fresh proofs that admit open what only their age kept shut.
    #[test]
    fn a_step_up_is_all_that_a_step_up_takes((account, session, now) in any_case()) {
        let fresh = Session {
            proofs: session.proofs.iter().map(|proof| Proof { at: now, ..proof.clone() }).collect(),
            ..session.clone()
        };
        let admits = session.may_all(&policy(), &account, now).is_ok();
        prop_assert_eq!(fresh.may_all(&policy(), &account, now).is_ok(), admits);
        if admits {
            prop_assert_eq!(fresh.may_enrol(&policy(), &account, now), Ok(()));
            prop_assert_eq!(fresh.may_remove(&policy(), &account, now), Ok(()));
        }
    }
}
