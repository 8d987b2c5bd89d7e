//! `POST /v1/accounts`: registers an account, and signs its owner in to set it up.
//!
//! Calls: one transaction. A repetition of a request (`Idempotency-Key`) reads the account and begins
//! another session: two more.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderName, StatusCode};
use jiff::{SignedDuration, Timestamp};
use postern_domain::account::{Account, Methods};
use postern_domain::activity::{Event, What};
use postern_domain::id::{AccountId, EventId};
use postern_domain::name::{Email, InvalidName, Locale, Username};
use postern_domain::policy::Policy;
use postern_domain::session::{Origin, Session};
use postern_http::{Clock, Problem, Reply, Request, SessionToken, view};
use postern_keys::{Keyring, Purpose, Random, VersionedMac};
use postern_store::{IdempotentRequest, OpenedKeyring, Registered, Registration, Store, StoreError};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

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
    pub policy: Policy,
    pub random: Random,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    username: String,
    email: String,
    locale: Option<String>,
}

/// An account that gains no method in this time is forgotten, and its name free again.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// A repeated request is the same one this long.
const REPEATABLE_FOR: SignedDuration = SignedDuration::from_mins(10);

/// Longest `Idempotency-Key`, in characters.
const LONGEST_KEY: usize = 64;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let now = deps.clock.now();
    let key = idempotency_key(&request)?;
    let body: Body = request.json()?;
    let username: Username = body.username.parse().map_err(invalid)?;
    let email: Email = body.email.parse().map_err(invalid)?;
    let locale = body.locale.as_deref().map_or_else(|| Ok(Locale::english()), str::parse).map_err(invalid)?;
    let keyring = deps.keyring.at(now).await?;

    let account = new_account(AccountId::from_bytes(deps.random.fill()), username, email, locale, now)?;
    let token = SessionToken::from_bytes(deps.random.fill());
    let session = new_session(&token, &account, &request, now);
    let event = Event {
        id: EventId::from_bytes(deps.random.fill()),
        account: account.id.clone(),
        at: now,
        what: What::AccountRegistered,
        place: request.source_ip(),
    };
    let idempotent = key.map(|key| idempotent_request(&keyring, &key, &account, now)).transpose()?;
    let registration = Registration {
        account: &account,
        session: &session,
        event: &event,
        idempotent,
        replaced: request.session_id(),
    };
    match deps.store.register(registration, now).await? {
        Registered::Done => Ok(created(deps, &account, &token, now)),
        Registered::UsernameTaken => Err(Problem::new(
            StatusCode::CONFLICT,
            "username_taken",
            "Somebody has this username. Choose another.",
        )),
        Registered::KeyUsed { request: first, account: registered } => {
            if !is_same_request(&keyring, &first, &account) {
                return Err(Problem::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "idempotency_key_reused",
                    "This Idempotency-Key stands for another request. Use a new one.",
                ));
            }
            // The first answer was lost: the same outcome, and a cookie of its own.
            let account = deps.store.account(&registered, now).await?.ok_or(StoreError::Conflict)?;
            let session = new_session(&token, &account, &request, now);
            deps.store.begin_session(&session).await?;
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
    now: Timestamp,
) -> Result<Account, Problem> {
    Ok(Account {
        id,
        username,
        email,
        locale,
        created_at: now,
        forget_at: Some(now.saturating_add(FORGOTTEN_AFTER).map_err(Problem::unavailable)?),
        generation: 0,
        revision: 0,
        methods: Methods::default(),
        recovery_code: None,
    })
}

/// Nothing is proven by registering: the session may enrol, and no more.
fn new_session(token: &SessionToken, account: &Account, request: &Request, now: Timestamp) -> Session {
    Session {
        id: token.id(),
        account: account.id.clone(),
        origin: Origin::Registration,
        proofs: Vec::new(),
        generation: account.generation,
        created_at: now,
        last_seen_at: now,
        place: request.source_ip(),
        user_agent: request.user_agent(),
    }
}

fn idempotency_key(request: &Request) -> Result<Option<String>, Problem> {
    let Some(key) = request.header(&IDEMPOTENCY_KEY)? else { return Ok(None) };
    if (1..=LONGEST_KEY).contains(&key.len()) {
        Ok(Some(key.to_owned()))
    } else {
        Err(Problem::bad_request("The Idempotency-Key has 1 to 64 characters."))
    }
}

fn idempotent_request(
    keyring: &Keyring,
    key: &str,
    account: &Account,
    now: Timestamp,
) -> Result<IdempotentRequest, Problem> {
    let mac = keyring.mac(Purpose::IdempotentRequest, &content(account), now);
    Ok(IdempotentRequest {
        key: URL_SAFE_NO_PAD.encode(Sha256::digest(key.as_bytes())),
        request: serde_json::to_string(&mac).map_err(Problem::unavailable)?,
        expires_at: now.saturating_add(REPEATABLE_FOR).map_err(Problem::unavailable)?,
    })
}

/// A MAC and not a hash: an address is guessed too easily from its hash.
fn is_same_request(keyring: &Keyring, first: &str, account: &Account) -> bool {
    serde_json::from_str::<VersionedMac>(first)
        .is_ok_and(|mac| keyring.verify(Purpose::IdempotentRequest, &content(account), &mac))
}

fn content(account: &Account) -> [&[u8]; 3] {
    [
        account.username.as_str().as_bytes(),
        account.email.as_str().as_bytes(),
        account.locale.as_str().as_bytes(),
    ]
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
