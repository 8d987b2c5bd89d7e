//! `PUT /v1/account/password`: sets the password, or changes it.
//!
//! Calls: two reads, one transaction; with a password before, one write that counts the guess at it, and for a
//! right one another that starts its count anew; and a write once a minute to say that the session is used.

use postern_domain::Timestamp;
use postern_domain::activity::What;
use postern_domain::admission::Factor;
use postern_domain::guess::Standing;
use postern_domain::policy::Policy;
use postern_http::{Clock, Problem, Reply, Request, StatusCode, view};
use postern_keys::{Keyring, Random};
use postern_metrics::{Method, count_wrong};
use postern_passwords::{Checked, Hasher, PasswordHash, TypedPassword, Weak, judge};
use postern_store::{Caller, Counted, OpenedKeyring, PasswordChange, Races, Store, StoreError, happened};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

/// What the role of this function allows, action by action.
pub const CALLS: &[&str] = &[
    "dynamodb:PutItem Accounts",
    "dynamodb:Query Accounts",
    "dynamodb:UpdateItem Accounts",
    "dynamodb:GetItem Attempts",
    "dynamodb:UpdateItem Attempts",
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
    password: String,
    current: Option<String>,
}

pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let now = deps.clock.now();
    let mut caller = deps.store.caller(request.session_id(), now).await?;
    caller.session.may_enrol(&deps.policy, &caller.account, now)?;
    let Body { password, current } = request.json()?;
    let password = TypedPassword::try_from(password).map_err(|error| weak(error.into()));
    let keyring = deps.keyring.at(now).await?;
    let asked = caller.account.methods.password.is_some()
        && !caller.session.recovers(&deps.policy, &caller.account, now);
    if asked {
        // A wrong one is counted, and told before anything is said of the new one.
        knows_current(deps, &request, &keyring, &caller, current, now).await?;
    }
    let password = password?;
    judge(&password, &caller.account.username, &caller.account.email).map_err(weak)?;
    let hash = deps.hasher.hash(&keyring, &caller.account.id, &password, &deps.random, now).await;
    let hash: SecretString = (&hash.map_err(Problem::unavailable)?).into();

    let before = caller.account.methods.password.clone();
    let mut races = Races::default();
    loop {
        let outcome = set(deps, &request, &caller, &hash, now).await;
        if !races.lost_another(&outcome) {
            return outcome;
        }
        caller = deps.store.caller(request.session_id(), now).await?;
        // Another password than the one that was shown to be known.
        if caller.account.methods.password != before {
            return Err(Problem::wrong_credentials());
        }
    }
}

/// Whether `current` is the account's password: 401 where it is not.
async fn knows_current(
    deps: &Deps,
    request: &Request,
    keyring: &Keyring,
    caller: &Caller,
    current: Option<String>,
    now: Timestamp,
) -> Result<(), Problem> {
    let account = &caller.account;
    let Some(current) = current else {
        // A guess that is none is not counted.
        return if deps.store.password_is_disabled(&account.username).await? {
            Ok(())
        } else {
            Err(Problem::bad_request("The body lacks `current`, the password so far."))
        };
    };
    let current = TypedPassword::try_from(current)
        .map_err(|error| Problem::bad_request(format!("The body is refused: {error}.")))?;
    let guess = match deps.store.guess_password(&account.username, now).await? {
        // Nobody can show that he knows it any more; the session's other proofs are what is left.
        Counted::Refused(Standing::Disabled) => return Ok(()),
        counted => counted.taken(now)?,
    };
    let kept = guess.kept.ok_or(StoreError::Conflict)?;
    let stored: PasswordHash =
        kept.hash.expose_secret().parse().map_err(|_| StoreError::Corrupt("PASSWORD"))?;
    let checked = deps.hasher.check(keyring, &account.id, &current, Some(&stored), now).await;
    match checked.map_err(Problem::unavailable)? {
        Checked::Right | Checked::RightButOutdated => {
            deps.store.password_was_right(&account.username).await?;
            Ok(())
        }
        Checked::Wrong => {
            count_wrong(Method::Password, guess.guesses);
            if let Some(what) = guess.guesses.told([What::PasswordLocked, What::PasswordDisabled]) {
                deps.store.note(&happened(request, &deps.random, &caller.account.id, what, now)).await?;
            }
            Err(Problem::wrong_credentials())
        }
    }
}

async fn set(
    deps: &Deps,
    request: &Request,
    caller: &Caller,
    hash: &SecretString,
    now: Timestamp,
) -> Result<Reply, Problem> {
    let (session, account) = (&caller.session, &caller.account);
    session.may_enrol(&deps.policy, account, now)?;
    let changed = account.with_password(now);
    let what = if account.methods.password.is_some() { What::PasswordChanged } else { What::PasswordSet };
    let proven = session.proving(&changed, Factor::Password, now).ok_or(StoreError::Conflict)?;
    deps.store
        .set_password(PasswordChange {
            account,
            changed: &changed,
            hash,
            proven: &proven,
            event: &happened(request, &deps.random, &caller.account.id, what, now),
        })
        .await?;
    Ok(Reply::json(StatusCode::OK, &view::Account::new(&changed, &deps.policy, now)))
}

fn weak(weak: Weak) -> Problem {
    Problem::weak_password(json!(weak.reasons), weak.suggestions)
}
