//! `POST /v1/accounts`: registers an account, with a password or without, and signs its owner in to set it up.
//!
//! Calls: one transaction. A repetition of a request (`Idempotency-Key`) reads the account and begins
//! another session: two more.

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use postern_domain::account::{Account, Methods, Password};
use postern_domain::activity::What;
use postern_domain::admission::{Factor, Proof};
use postern_domain::id::AccountId;
use postern_domain::name::{Email, InvalidName, Locale, Username};
use postern_domain::policy::Policy;
use postern_domain::session::{Origin, Session};
use postern_http::{Clock, Problem, Reply, Request, SessionToken, view};
use postern_keys::Random;
use postern_passwords::{Hasher, TypedPassword, Weak, judge};
use postern_store::{
    IdempotentRequest, OpenedKeyring, Registered, Registration, Store, StoreError, happened,
};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

/// What the role of this function allows, action by action.
pub const CALLS: &[&str] = &[
    "dynamodb:PutItem Accounts",
    "dynamodb:Query Accounts",
    "dynamodb:DeleteItem Attempts",
    "dynamodb:PutItem Attempts",
    "kms:Decrypt KeyringKey",
];

/// Everything that this step may touch; its role grants exactly this.
pub struct Deps {
    pub clock: Clock,
    pub store: Store,
    pub keyring: OpenedKeyring,
    pub hasher: Hasher,
    pub policy: Policy,
    pub random: Random,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    username: String,
    email: String,
    password: Option<String>,
    locale: Option<String>,
}

/// An account that gains no method in this time is forgotten, and its name free again.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(24);

pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let now = deps.clock.now();
    let body: Body = request.json()?;
    let username: Username = body.username.parse().map_err(invalid)?;
    let email: Email = body.email.parse().map_err(invalid)?;
    let locale = body.locale.as_deref().map_or_else(|| Ok(Locale::english()), str::parse).map_err(invalid)?;
    let password =
        body.password.map(TypedPassword::try_from).transpose().map_err(|error| weak(error.into()))?;
    if let Some(password) = &password {
        judge(password, &username, &email).map_err(weak)?;
    }
    let keyring = deps.keyring.at(now).await?;

    let id = AccountId::from_bytes(deps.random.fill());
    let hash: Option<SecretString> = match &password {
        Some(password) => {
            let hash = deps.hasher.hash(&keyring, &id, password, &deps.random, now).await;
            Some((&hash.map_err(Problem::unavailable)?).into())
        }
        None => None,
    };
    let account = new_account(id, username, email, locale, hash.is_some(), now)?;
    let token = SessionToken::from_bytes(deps.random.fill());
    let session = new_session(&token, &account, &request, now);
    let event = happened(&request, &deps.random, &account.id, What::AccountRegistered, now);
    let content = content(&account, password.as_ref());
    let idempotent = IdempotentRequest::of(&request, "account-register", &keyring, &content, now)?;
    let registration = Registration {
        account: &account,
        session: &session,
        event: &event,
        idempotent,
        hash: hash.as_ref(),
        replaced: request.session_id(),
    };
    match deps.store.register(registration, now).await? {
        Registered::Done => Ok(created(deps, &account, &token, now)),
        Registered::UsernameTaken => Err(Problem::new(
            StatusCode::CONFLICT,
            "username_taken",
            "Somebody has this username. Choose another.",
        )),
        Registered::KeyUsed(first) => {
            if !first.stands_for(&keyring, &content) {
                return Err(Problem::idempotency_key_reused());
            }
            // The first answer was lost: the same outcome, and a cookie of its own.
            let account = deps.store.account(&first.account, now).await?.ok_or(StoreError::Conflict)?;
            let session = new_session(&token, &account, &request, now);
            deps.store.begin_session(&session, request.session_id()).await?;
            Ok(created(deps, &account, &token, now))
        }
    }
}

fn created(deps: &Deps, account: &Account, token: &SessionToken, now: Timestamp) -> Reply {
    let account = view::Account::new(account, &deps.policy, now);
    Reply::json(StatusCode::CREATED, &json!({ "status": "set_up_required", "account": account }))
        .with_session(token)
}

fn new_account(
    id: AccountId,
    username: Username,
    email: Email,
    locale: Locale,
    with_password: bool,
    now: Timestamp,
) -> Result<Account, Problem> {
    let forget_at = now.saturating_add(FORGOTTEN_AFTER).map_err(Problem::unavailable)?;
    Ok(Account {
        id,
        username,
        email,
        locale,
        created_at: now,
        forget_at: (!with_password).then_some(forget_at),
        generation: 0,
        revision: 0,
        methods: Methods {
            password: with_password.then_some(Password { changed_at: now }),
            ..Methods::default()
        },
        recovery_code: None,
    })
}

/// What an enrolment proves counts as a proof of the session: a password. It may enrol, and no more.
fn new_session(token: &SessionToken, account: &Account, request: &Request, now: Timestamp) -> Session {
    Session {
        id: token.id(),
        account: account.id.clone(),
        origin: Origin::Registration,
        // Of a registration that is answered once again: the same instant, while the password is the same.
        proofs: Proof::of(account, Factor::Password, account.created_at)
            .filter(|proof| proof.enrolled_at == account.created_at)
            .into_iter()
            .collect(),
        generation: account.generation,
        created_at: now,
        last_seen_at: now,
        place: request.source_ip(),
        user_agent: request.user_agent(),
    }
}

/// What a registration asks for: what its `Idempotency-Key` stands for.
fn content<'a>(account: &'a Account, password: Option<&'a TypedPassword>) -> Vec<&'a [u8]> {
    let names = [account.username.as_str(), account.email.as_str(), account.locale.as_str()];
    names.into_iter().map(str::as_bytes).chain(password.map(TypedPassword::expose_bytes)).collect()
}

fn weak(weak: Weak) -> Problem {
    Problem::weak_password(json!(weak.reasons), weak.suggestions)
}

fn invalid(name: InvalidName) -> Problem {
    let code = match name {
        InvalidName::Username => "invalid_username",
        InvalidName::Email => "invalid_email",
        InvalidName::PasskeyName | InvalidName::Locale => {
            return Problem::bad_request(format!("The body is refused: {name}."));
        }
    };
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, format!("The request is refused: {name}."))
}
