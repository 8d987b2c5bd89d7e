//! `POST /v1/account/authenticator/confirm`: adds an authenticator app, once a code of it comes back; the one before goes.
//!
//! Calls: two reads, one write that counts the guess and brings the secret; for a right one, one transaction;
//! and a write once a minute to say that the session is used.

use postern_authenticators::{AuthenticatorSecret, Place};
use postern_codes::Codes;
use postern_domain::activity::What;
use postern_domain::admission::Factor;
use postern_domain::policy::Policy;
use postern_domain::time_step::TimeStep;
use postern_http::{Clock, Problem, Reply, Request, StatusCode, view};
use postern_keys::{Keyring, Random};
use postern_store::{
    AuthenticatorEnrolment, Caller, NoneWaits, OpenedKeyring, PendingAuthenticator, Races, Store, StoreError,
    happened,
};
use serde::Deserialize;

/// What the role of this function allows, action by action.
pub const CALLS: &[&str] = &[
    "dynamodb:PutItem Accounts",
    "dynamodb:Query Accounts",
    "dynamodb:UpdateItem Accounts",
    "dynamodb:DeleteItem Attempts",
    "dynamodb:GetItem Attempts",
    "dynamodb:UpdateItem Attempts",
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
    code: String,
}

/// What waited, and answered rightly.
struct Confirmed {
    pending: PendingAuthenticator,
    secret: AuthenticatorSecret,
    step: TimeStep,
}

pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let now = deps.clock.now();
    // The session that began the enrolment is enough: it was fresh then, and what waits stands by it.
    let mut caller = deps.store.caller(request.session_id(), now).await?;
    let Body { code } = request.json()?;
    let code = Codes::typed(&code)?;
    let keyring = deps.keyring.at(now).await?;

    let counted = deps.store.guess_pending_authenticator(&caller.session.id, now).await?;
    let pending = counted.map_err(none_waits)?;
    let place = Place::Enrolment { session: &caller.session.id, account: &caller.account.id };
    let secret = AuthenticatorSecret::open(&keyring, place, &pending.sealed).map_err(Problem::unavailable)?;
    let step = secret.step_of(&code, now).ok_or_else(Problem::wrong_credentials)?;
    let confirmed = Confirmed { pending, secret, step };
    let mut races = Races::default();
    loop {
        let outcome = enrol(deps, &request, &keyring, &caller, &confirmed).await;
        if !races.lost_another(&outcome) {
            return outcome;
        }
        caller = deps.store.caller(request.session_id(), now).await?;
    }
}

async fn enrol(
    deps: &Deps,
    request: &Request,
    keyring: &Keyring,
    caller: &Caller,
    confirmed: &Confirmed,
) -> Result<Reply, Problem> {
    let now = deps.clock.now();
    let (session, account) = (&caller.session, &caller.account);
    let Confirmed { pending, secret, step } = confirmed;
    let changed = account.with_authenticator(now);
    let proven = session.proving(&changed, Factor::Authenticator, now).ok_or(StoreError::Conflict)?;
    let replaces = account.methods.authenticator.is_some();
    let event = happened(
        request,
        &deps.random,
        &account.id,
        if replaces { What::AuthenticatorReplaced } else { What::AuthenticatorAdded },
        now,
    );
    let sealed = secret.seal(keyring, Place::Account(&account.id), now).map_err(Problem::unavailable)?;
    let enrolled = deps
        .store
        .enrol_authenticator(AuthenticatorEnrolment {
            account,
            changed: &changed,
            pending,
            sealed,
            step: *step,
            proven: &proven,
            event: &event,
        })
        .await?;
    if enrolled {
        Ok(Reply::json(StatusCode::OK, &view::Account::new(&changed, &deps.policy, now)))
    } else {
        Err(Problem::wrong_credentials())
    }
}

/// No code is right where none waits: so it is one answer, whether none was asked for, another session asked, or its time
/// is over.
fn none_waits(none: NoneWaits) -> Problem {
    match none {
        NoneWaits::None => Problem::wrong_credentials(),
        // The enrolment is over. Another one may begin at once.
        NoneWaits::OutOfGuesses => Problem::too_many_requests(1),
    }
}
