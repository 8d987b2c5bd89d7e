//! What the tests of every module share: accounts, proofs and instants, and the contract's own tables,
//! written out row by row so that no test repeats the code's reasoning.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::account::{
    Account, Authenticator, Channel, IssuedRecoveryCode, LineType, Methods, Passkey, Password, Phone,
};
use crate::admission::{Acr, Amr, Factor, Method, Proof};
use crate::id::{AccountId, PasskeyId, PhoneId};
use crate::policy::Policy;

pub const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);

/// A set of kinds of method: those that an account has, or those that were proven.
pub type Kinds = BTreeSet<Method>;

pub const KINDS: [Method; 4] = [Method::Passkey, Method::Password, Method::Authenticator, Method::Phone];

/// All sixteen.
pub fn all_kinds() -> impl Iterator<Item = Kinds> {
    (0_u8..16).map(|bits| {
        let chosen = |(place, kind): (usize, Method)| (bits >> place & 1 == 1).then_some(kind);
        KINDS.into_iter().enumerate().filter_map(chosen).collect()
    })
}

/// By any set of proofs, one of a kind and all of the same instant, the phone by a text, the passkey not
/// backed up: what `api.md` says that they admit to.
type Admits = Option<(Acr, &'static [Amr])>;

const PHR: Admits = Some((Acr::Phr, &[Amr::Hwk, Amr::User, Amr::Mfa]));

pub const ADMITS: [(&[Method], Admits); 16] = [
    (&[], None),
    (&[Method::Password], None),
    (&[Method::Authenticator], None),
    (&[Method::Phone], None),
    (&[Method::Password, Method::Authenticator], Some((Acr::Aal2, &[Amr::Pwd, Amr::Otp, Amr::Mfa]))),
    (&[Method::Password, Method::Phone], Some((Acr::Aal2, &[Amr::Pwd, Amr::Sms, Amr::Mfa]))),
    (&[Method::Authenticator, Method::Phone], Some((Acr::Aal1, &[Amr::Otp, Amr::Sms]))),
    (
        &[Method::Password, Method::Authenticator, Method::Phone],
        Some((Acr::Aal2, &[Amr::Pwd, Amr::Otp, Amr::Mfa])),
    ),
    (&[Method::Passkey], PHR),
    (&[Method::Passkey, Method::Password], PHR),
    (&[Method::Passkey, Method::Authenticator], PHR),
    (&[Method::Passkey, Method::Phone], PHR),
    (&[Method::Passkey, Method::Password, Method::Authenticator], PHR),
    (&[Method::Passkey, Method::Password, Method::Phone], PHR),
    (&[Method::Passkey, Method::Authenticator, Method::Phone], PHR),
    (&[Method::Passkey, Method::Password, Method::Authenticator, Method::Phone], PHR),
];

/// By any set of methods: which set-ups the notice calls complete, in its order (passkey; authenticator
/// and phone; password and phone).
pub const SET_UPS: [(&[Method], [bool; 3]); 16] = [
    (&[], [false, false, false]),
    (&[Method::Password], [false, false, false]),
    (&[Method::Authenticator], [false, false, false]),
    (&[Method::Phone], [false, false, false]),
    (&[Method::Password, Method::Authenticator], [false, false, false]),
    (&[Method::Password, Method::Phone], [false, false, true]),
    (&[Method::Authenticator, Method::Phone], [false, true, false]),
    (&[Method::Password, Method::Authenticator, Method::Phone], [false, true, true]),
    (&[Method::Passkey], [true, false, false]),
    (&[Method::Passkey, Method::Password], [true, false, false]),
    (&[Method::Passkey, Method::Authenticator], [true, false, false]),
    (&[Method::Passkey, Method::Phone], [true, false, false]),
    (&[Method::Passkey, Method::Password, Method::Authenticator], [true, false, false]),
    (&[Method::Passkey, Method::Password, Method::Phone], [true, false, true]),
    (&[Method::Passkey, Method::Authenticator, Method::Phone], [true, true, false]),
    (&[Method::Passkey, Method::Password, Method::Authenticator, Method::Phone], [true, true, true]),
];

/// The row of a table for `kinds`.
pub fn row<T: Copy>(table: &[(&[Method], T)], kinds: &Kinds) -> T {
    let of = |names: &[Method]| names.iter().copied().collect::<Kinds>() == *kinds;
    table.iter().find_map(|(names, value)| of(names).then_some(*value)).unwrap()
}

/// Whether an account with these has one of the three set-ups.
pub fn has_minimum(kinds: &Kinds) -> bool {
    row(&SET_UPS, kinds).contains(&true)
}

/// How far an account is with its recovery code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    None,
    Issued,
    Downloaded,
}

pub const CODES: [Code; 3] = [Code::None, Code::Issued, Code::Downloaded];

pub fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Three different instants, so that no rule can pass by another's.
pub fn policy() -> Policy {
    Policy {
        recovery_code_prompted_from: instant("2025-01-15T05:00:00Z"),
        email_recovery_ends_at: instant("2025-03-07T05:00:00Z"),
        set_up_required_from: instant("2025-03-21T04:00:00Z"),
    }
}

/// The last millisecond of the old rules, and the first instant of the new.
pub fn around_the_deadline() -> [(Timestamp, bool); 2] {
    let deadline = policy().set_up_required_from;
    [(deadline - MILLISECOND, false), (deadline, true)]
}

/// When each kind of method was enrolled: another instant for each.
pub fn enrolled_at(method: Method) -> Timestamp {
    instant(match method {
        Method::Passkey => "2024-10-01T00:00:00Z",
        Method::Password => "2024-10-02T00:00:00Z",
        Method::Authenticator => "2024-10-03T00:00:00Z",
        Method::Phone => "2024-10-04T00:00:00Z",
    })
}

pub fn passkey(number: u8) -> Passkey {
    Passkey {
        id: PasskeyId::from_bytes([number; 32]),
        name: "Front desk".parse().unwrap(),
        created_at: enrolled_at(Method::Passkey),
        last_used_at: None,
        backup_eligible: false,
        backed_up: false,
        counter: 0,
        provider: None,
        credential: String::new(),
    }
}

pub fn phone(number: u8) -> Phone {
    Phone {
        id: PhoneId::from_bytes([number; 16]),
        number: format!("+1212555{number:04}").parse().unwrap(),
        country: "US".to_owned(),
        line_type: LineType::Mobile,
        verified_at: enrolled_at(Method::Phone),
    }
}

pub fn methods_of(kinds: &Kinds) -> Methods {
    let has = |kind: Method| kinds.contains(&kind);
    Methods {
        passkeys: if has(Method::Passkey) { vec![passkey(1)] } else { Vec::new() },
        authenticator: has(Method::Authenticator)
            .then(|| Authenticator { confirmed_at: enrolled_at(Method::Authenticator) }),
        phones: if has(Method::Phone) { vec![phone(1)] } else { Vec::new() },
        password: has(Method::Password).then(|| Password { changed_at: enrolled_at(Method::Password) }),
    }
}

pub fn account(kinds: &Kinds, code: Code) -> Account {
    account_with(methods_of(kinds), code)
}

pub fn account_with(methods: Methods, code: Code) -> Account {
    let issued_at = instant("2025-01-20T00:00:00Z");
    let downloaded_at = (code == Code::Downloaded).then_some(issued_at + MILLISECOND);
    Account {
        id: AccountId::from_bytes([1; 16]),
        username: "dr.rivera".parse().unwrap(),
        email: "rivera@clinic.example".parse().unwrap(),
        locale: "en-US".parse().unwrap(),
        created_at: instant("2024-09-30T00:00:00Z"),
        forget_at: None,
        generation: 3,
        revision: 8,
        methods,
        recovery_code: (code != Code::None).then_some(IssuedRecoveryCode { issued_at, downloaded_at }),
    }
}

pub fn proof_of(factor: Factor, at: Timestamp) -> Proof {
    let enrolled_at = enrolled_at(factor.method());
    Proof { factor, at, enrolled_at, outlives_method: false }
}

/// A proof of the kind's first enrolment; a phone's by a text, a passkey's not backed up.
pub fn proof(method: Method, at: Timestamp) -> Proof {
    let factor = match method {
        Method::Passkey => Factor::Passkey { id: passkey(1).id, backed_up: false },
        Method::Password => Factor::Password,
        Method::Authenticator => Factor::Authenticator,
        Method::Phone => Factor::Phone { id: phone(1).id, channel: Channel::Text },
    };
    proof_of(factor, at)
}

pub fn proofs(kinds: &Kinds, at: Timestamp) -> Vec<Proof> {
    kinds.iter().map(|kind| proof(*kind, at)).collect()
}

pub fn kinds_of(proofs: &[Proof]) -> Kinds {
    proofs.iter().map(|proof| proof.factor.method()).collect()
}

pub fn any_factor() -> impl Strategy<Value = Factor> {
    let channel = prop_oneof![Just(Channel::Text), Just(Channel::Call)];
    prop_oneof![
        (1_u8..4, any::<bool>())
            .prop_map(|(number, backed_up)| Factor::Passkey { id: passkey(number).id, backed_up }),
        Just(Factor::Password),
        Just(Factor::Authenticator),
        (1_u8..3, channel).prop_map(|(number, channel)| Factor::Phone { id: phone(number).id, channel }),
    ]
}

/// Instants up to ten minutes before `now`, few enough that equal ones and exactly five minutes occur.
pub fn any_instant_before(now: Timestamp) -> impl Strategy<Value = Timestamp> {
    (0_i64..=12, 0_i64..=1)
        .prop_map(move |(steps, more)| now - SignedDuration::from_millis(steps * 50_000 + more))
}

pub fn any_proofs(now: Timestamp) -> impl Strategy<Value = Vec<Proof>> {
    let one = (any_factor(), any_instant_before(now)).prop_map(|(factor, at)| proof_of(factor, at));
    proptest::collection::vec(one, 0..6)
}

pub fn any_methods() -> impl Strategy<Value = Methods> {
    (0_u8..3, any::<bool>(), 0_u8..3, any::<bool>()).prop_map(|(passkeys, app, phones, password)| Methods {
        passkeys: (1..=passkeys).map(passkey).collect(),
        authenticator: app.then(|| Authenticator { confirmed_at: enrolled_at(Method::Authenticator) }),
        phones: (1..=phones).map(phone).collect(),
        password: password.then(|| Password { changed_at: enrolled_at(Method::Password) }),
    })
}

pub fn any_account() -> impl Strategy<Value = Account> {
    let code = prop_oneof![Just(Code::None), Just(Code::Issued), Just(Code::Downloaded)];
    (any_methods(), code).prop_map(|(methods, code)| account_with(methods, code))
}

/// An account, and proofs of the methods that it has.
pub fn any_account_and_proofs(now: Timestamp) -> impl Strategy<Value = (Account, Vec<Proof>)> {
    (any_account(), any_proofs(now)).prop_map(|(account, mut proofs)| {
        proofs.retain(|proof| proof.stands(&account));
        (account, proofs)
    })
}

/// The kinds of method that `account` has.
pub fn kinds_had(account: &Account) -> Kinds {
    let methods = &account.methods;
    let there = [
        (Method::Passkey, !methods.passkeys.is_empty()),
        (Method::Password, methods.password.is_some()),
        (Method::Authenticator, methods.authenticator.is_some()),
        (Method::Phone, !methods.phones.is_empty()),
    ];
    there.into_iter().filter_map(|(kind, there)| there.then_some(kind)).collect()
}
