//! `POST /v1/account/passkeys`: finishes the enrolment of a passkey (WebAuthn L3 §7.1).
//!
//! Calls: two reads, one transaction; and a write once a minute to say that the session is used.

use postern_domain::activity::What;
use postern_domain::admission::Factor;
use postern_domain::name::PasskeyName;
use postern_domain::passkey::MOST_PASSKEYS;
use postern_http::{Clock, Problem, Reply, Request, StatusCode, view};
use postern_keys::Random;
use postern_passkeys::wire::Registration;
use postern_passkeys::{Ceremonies, EnrolmentAnswer, EnrolmentRefused};
use postern_store::{OpenedKeyring, PasskeyEnrolment, Refused, Store, StoreError, decide_again, happened};
use serde::Deserialize;

/// What the role of this function allows, action by action.
pub const CALLS: &[&str] = &[
    "dynamodb:PutItem Accounts",
    "dynamodb:Query Accounts",
    "dynamodb:UpdateItem Accounts",
    "dynamodb:GetItem Attempts",
    "dynamodb:PutItem Attempts",
    "dynamodb:UpdateItem Attempts",
    "kms:Decrypt KeyringKey",
];

/// Everything that this step may touch; its role grants exactly this.
pub struct Deps {
    pub clock: Clock,
    pub store: Store,
    pub keyring: OpenedKeyring,
    pub ceremonies: Ceremonies,
    pub random: Random,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    enrolment: String,
    credential: Registration,
    name: Option<String>,
}

pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    decide_again!(decide(deps, &request))
}

async fn decide(deps: &Deps, request: &Request) -> Result<Reply, Problem> {
    let now = deps.clock.now();
    // The session that began the enrolment is enough: it was fresh then, and the sealed state names it.
    let caller = deps.store.caller(request.session_id(), now).await?;
    let (session, account) = (&caller.session, &caller.account);
    let Body { enrolment, credential, name } = request.json()?;
    let name: Option<PasskeyName> = name
        .as_deref()
        .map(str::parse)
        .transpose()
        .map_err(|error| Problem::bad_request(format!("The body is refused: {error}.")))?;
    if account.methods.passkeys.len() >= MOST_PASSKEYS {
        return Err(refused("An account keeps no more passkeys than this. Remove one first."));
    }
    let keyring = deps.keyring.at(now).await?;
    let answer = EnrolmentAnswer { sealed: enrolment, credential, name };
    let enrolled = deps.ceremonies.enrol(&keyring, account, &session.id, answer, now).map_err(refusal)?;
    let passkey = &enrolled.passkey;

    let factor = Factor::Passkey { id: passkey.id.clone(), backed_up: passkey.backed_up };
    let changed = account.with_passkey(passkey.clone());
    let proven = session.proving(&changed, factor, now).ok_or(StoreError::Conflict)?;
    let event = happened(request, &deps.random, &account.id, What::PasskeyAdded, now);
    let stored = deps
        .store
        .enrol_passkey(PasskeyEnrolment {
            account,
            passkey,
            ceremony: &enrolled.ceremony,
            proven: &proven,
            event: &event,
        })
        .await?;
    match stored {
        Ok(()) => Ok(Reply::json(StatusCode::CREATED, &view::Passkey::new(passkey))),
        Err(Refused::Exists) => Err(exists()),
        Err(Refused::Spent) => Err(over()),
    }
}

fn refusal(refusal: EnrolmentRefused) -> Problem {
    match refusal {
        EnrolmentRefused::CeremonyOver => over(),
        EnrolmentRefused::Exists => exists(),
        EnrolmentRefused::Credential => refused("The browser's answer does not hold. Add the passkey again."),
    }
}

fn over() -> Problem {
    refused("This enrolment is over: it lasts five minutes and serves once. Add the passkey again.")
}

fn exists() -> Problem {
    Problem::new(StatusCode::CONFLICT, "passkey_exists", "This passkey is enrolled already.")
}

fn refused(detail: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "passkey_refused", detail)
}
