//! `POST /v1/account/phones/{id}/confirm`: adds a phone, once its code comes back.
//!
//! Calls: two reads, one write that counts the guess and brings the code; for a right one, one transaction;
//! and a write once a minute to say that the session is used.

use postern_codes::{Bound, Codes, Purpose};
use postern_domain::account::{Account, MOST_PHONES, Phone};
use postern_domain::activity::What;
use postern_domain::admission::Factor;
use postern_domain::id::PhoneId;
use postern_domain::policy::Policy;
use postern_domain::send_limit::RESEND_AFTER;
use postern_domain::session::Session;
use postern_http::{Clock, Problem, Reply, Request, StatusCode, view};
use postern_keys::Random;
use postern_store::{
    NotPending, OpenedKeyring, PendingPhone, PhoneEnrolment, Races, Store, StoreError, happened,
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

pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let now = deps.clock.now();
    // The session that began the enrolment is enough: it was fresh then, and what waits stands by it.
    let mut caller = deps.store.caller(request.session_id(), now).await?;
    let Body { code } = request.json()?;
    let code = Codes::typed(&code)?;
    let id: Option<PhoneId> = request.path_parameter("id").and_then(|id| id.parse().ok());
    let id = id.ok_or_else(Problem::not_found)?;
    let keyring = deps.keyring.at(now).await?;

    let counted = deps.store.guess_pending_phone(&caller.session.id, &id, now).await?;
    let pending = counted.map_err(not_pending)?;
    let bound = Bound {
        purpose: Purpose::Enrolment,
        asked_by: caller.session.id.as_str(),
        account: &caller.account.id,
        phone: &pending.id,
        channel: pending.channel,
    };
    if !bound.verify(&keyring, &code, &pending.mac) {
        return Err(Problem::wrong_credentials());
    }
    let mut races = Races::default();
    loop {
        let outcome = enrol(deps, &request, &caller.session, &caller.account, &pending).await;
        if !races.lost_another(&outcome) {
            return outcome;
        }
        caller = deps.store.caller(request.session_id(), now).await?;
    }
}

async fn enrol(
    deps: &Deps,
    request: &Request,
    session: &Session,
    account: &Account,
    pending: &PendingPhone,
) -> Result<Reply, Problem> {
    let now = deps.clock.now();
    let PendingPhone { id, number, country, line_type, channel, .. } = pending.clone();
    let phone = Phone { id, number, country, line_type, verified_at: now };
    if account.phone(&phone.id).is_none() && account.methods.phones.len() >= MOST_PHONES {
        return Err(Problem::too_many_phones());
    }
    let changed = account.with_phone(phone.clone());
    let factor = Factor::Phone { id: phone.id.clone(), channel };
    let proven = session.proving(&changed, factor, now).ok_or(StoreError::Conflict)?;
    let event = happened(request, &deps.random, &account.id, What::PhoneAdded, now);
    let enrolled = deps
        .store
        .enrol_phone(PhoneEnrolment { account, phone: &phone, pending, proven: &proven, event: &event })
        .await?;
    if enrolled {
        Ok(Reply::json(StatusCode::OK, &view::Account::new(&changed, &deps.policy, now)))
    } else {
        Err(Problem::wrong_credentials())
    }
}

fn not_pending(not: NotPending) -> Problem {
    match not {
        NotPending::Unknown => Problem::not_found(),
        NotPending::Expired => Problem::wrong_credentials(),
        // The enrolment is over: another code has to be asked for.
        NotPending::OutOfGuesses => {
            Problem::too_many_requests(u64::try_from(RESEND_AFTER.as_secs()).unwrap_or(1))
        }
    }
}
