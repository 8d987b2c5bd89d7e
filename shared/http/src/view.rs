//! What the API shows of an account: exactly the contract's members, in its words.

use jiff::Timestamp;
use postern_domain::account::{self, Channel, LineType};
use postern_domain::admission::{self, Amr};
use postern_domain::id::{AccountId, PasskeyId, PhoneId, SessionId};
use postern_domain::policy::{ActionNeeded, Policy, SetUps};
use postern_domain::session::Session;
use serde::Serialize;

/// `Account` of the contract.
#[derive(Debug, Serialize)]
pub struct Account<'a> {
    id: &'a AccountId,
    username: &'a str,
    email: &'a str,
    created_at: Timestamp,
    methods: Methods<'a>,
    recovery_code: Option<RecoveryCode>,
    set_ups: SetUps,
    ready: bool,
    action_needed: Vec<ActionNeeded>,
}

#[derive(Debug, Serialize)]
struct Methods<'a> {
    passkeys: Vec<Passkey<'a>>,
    authenticator: Option<Authenticator>,
    phones: Vec<Phone<'a>>,
    password: Option<Password>,
}

/// `Passkey` of the contract.
#[derive(Debug, Serialize)]
pub struct Passkey<'a> {
    id: &'a PasskeyId,
    name: &'a str,
    created_at: Timestamp,
    last_used_at: Option<Timestamp>,
    backed_up: bool,
    provider: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Authenticator {
    confirmed_at: Timestamp,
}

#[derive(Debug, Serialize)]
struct Phone<'a> {
    id: &'a PhoneId,
    ending: &'a str,
    line_type: LineType,
    channels: &'static [Channel],
    verified_at: Timestamp,
}

#[derive(Debug, Serialize)]
struct Password {
    changed_at: Timestamp,
}

#[derive(Debug, Serialize)]
struct RecoveryCode {
    issued_at: Timestamp,
    downloaded_at: Option<Timestamp>,
}

/// An entry of `GET /v1/account/sessions`.
#[derive(Debug, Serialize)]
pub struct SessionEntry<'a> {
    id: &'a SessionId,
    created_at: Timestamp,
    last_seen_at: Timestamp,
    current: bool,
    amr: Vec<Amr>,
    r#where: &'a str,
    user_agent: Option<&'a str>,
}

impl<'a> Account<'a> {
    #[must_use]
    pub fn new(account: &'a account::Account, policy: &Policy, now: Timestamp) -> Self {
        let methods = &account.methods;
        Self {
            id: &account.id,
            username: account.username.as_str(),
            email: account.email.as_str(),
            created_at: account.created_at,
            methods: Methods {
                passkeys: methods.passkeys.iter().map(Passkey::new).collect(),
                authenticator: methods
                    .authenticator
                    .as_ref()
                    .map(|app| Authenticator { confirmed_at: app.confirmed_at }),
                phones: methods.phones.iter().map(Phone::new).collect(),
                password: methods
                    .password
                    .as_ref()
                    .map(|password| Password { changed_at: password.changed_at }),
            },
            recovery_code: account
                .recovery_code
                .as_ref()
                .map(|code| RecoveryCode { issued_at: code.issued_at, downloaded_at: code.downloaded_at }),
            set_ups: methods.set_ups(),
            ready: account.is_ready(),
            action_needed: policy.action_needed(account, now),
        }
    }
}

impl<'a> Passkey<'a> {
    #[must_use]
    pub fn new(passkey: &'a account::Passkey) -> Self {
        Self {
            id: &passkey.id,
            name: passkey.name.as_str(),
            created_at: passkey.created_at,
            last_used_at: passkey.last_used_at,
            backed_up: passkey.backed_up,
            provider: passkey.provider.as_deref(),
        }
    }
}

impl<'a> Phone<'a> {
    fn new(phone: &'a account::Phone) -> Self {
        Self {
            id: &phone.id,
            ending: phone.number.ending(),
            line_type: phone.line_type,
            channels: phone.line_type.channels(),
            verified_at: phone.verified_at,
        }
    }
}

impl<'a> SessionEntry<'a> {
    #[must_use]
    pub fn new(session: &'a Session, current: &SessionId) -> Self {
        let admission =
            admission::admission(&session.proofs).or_else(|| admission::password_admission(&session.proofs));
        Self {
            id: &session.id,
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            current: session.id == *current,
            amr: admission.map(|admission| admission.amr).unwrap_or_default(),
            r#where: &session.place,
            user_agent: session.user_agent.as_deref(),
        }
    }
}
