//! What a sign-in answers.

use jiff::Timestamp;
use postern_domain::account::{Account, Channel};
use postern_domain::admission::{Method, Proof};
use postern_domain::id::PhoneId;
use postern_domain::policy::Policy;
use postern_domain::session::{Origin, Session};
use postern_http::{Reply, Request, SessionToken, StatusCode, view};
use postern_metrics::Outcome;
use postern_tokens::Issued;
use serde::Serialize;
use serde_json::json;

use crate::SignIn;

/// A sign-in that is admitted (RFC 6749 §5.1, with the account).
#[derive(Serialize)]
struct SignedIn<'a> {
    status: &'static str,
    #[serde(flatten)]
    token: Issued,
    account: view::Account<'a>,
}

/// A sign-in that wants another proof.
#[derive(Serialize)]
struct AnotherProof<'a> {
    status: &'static str,
    sign_in: String,
    proven: Vec<Method>,
    next: Vec<Way<'a>>,
    expires_at: Timestamp,
}

/// A way on.
#[derive(Serialize)]
struct Way<'a> {
    method: Method,
    #[serde(skip_serializing_if = "Option::is_none")]
    phones: Option<Vec<Phone<'a>>>,
}

#[derive(Serialize)]
struct Phone<'a> {
    id: &'a PhoneId,
    ending: &'a str,
    channels: &'static [Channel],
}

/// The session that `proofs` begin.
#[must_use]
pub fn session_of(
    token: &SessionToken,
    account: &Account,
    proofs: Vec<Proof>,
    request: &Request,
    now: Timestamp,
) -> Session {
    Session {
        id: token.id(),
        account: account.id.clone(),
        origin: Origin::SignIn,
        proofs,
        generation: account.generation,
        created_at: now,
        last_seen_at: now,
        place: request.source_ip(),
        user_agent: request.user_agent(),
    }
}

/// The sign-in has ended in a session: with an access token, or with the account to be set up.
#[must_use]
pub fn ended(
    session: &SessionToken,
    access_token: Option<Issued>,
    account: &Account,
    policy: &Policy,
    now: Timestamp,
) -> Reply {
    let account = view::Account::new(account, policy, now);
    let reply = match access_token {
        Some(token) => Reply::json(StatusCode::OK, &SignedIn { status: "signed_in", token, account })
            .with_outcome(Outcome::SignedIn),
        None => Reply::json(StatusCode::OK, &json!({ "status": "set_up_required", "account": account }))
            .with_outcome(Outcome::SetUpRequired),
    };
    reply.with_session(session)
}

pub fn next(sign_in: &SignIn, sealed: String, account: &Account, ways: &[Method]) -> Reply {
    // Not what was replaced since it answered.
    let standing = sign_in.proofs.iter().filter(|proof| proof.stands(account));
    let mut proven: Vec<Method> = standing.map(|proof| proof.factor.method()).collect();
    proven.dedup();
    let phones = || {
        let phones = account.methods.phones.iter();
        phones
            .map(|phone| Phone {
                id: &phone.id,
                ending: phone.number.ending(),
                channels: phone.line_type.channels(),
            })
            .collect()
    };
    let way = |method: &Method| Way { method: *method, phones: (*method == Method::Phone).then(phones) };
    let next = AnotherProof {
        status: "next",
        sign_in: sealed,
        proven,
        next: ways.iter().map(way).collect(),
        expires_at: sign_in.expires_at,
    };
    Reply::json(StatusCode::OK, &next).with_outcome(Outcome::Next)
}
