//! `POST /v1/account/authenticator`: draws the secret of an authenticator app. Nothing changes until a code confirms it.
//!
//! Calls: two reads, one write; and a write once a minute to say that the session is used.

use postern_authenticators::{AuthenticatorSecret, Label, Place, qr_svg};
use postern_domain::policy::Policy;
use postern_domain::{SignedDuration, Timestamp};
use postern_http::{Clock, Problem, Reply, Request, StatusCode};
use postern_keys::Random;
use postern_store::{OpenedKeyring, PendingAuthenticator, Store};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

/// What the role of this function allows, action by action.
pub const CALLS: &[&str] = &[
    "dynamodb:Query Accounts",
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
    pub policy: Policy,
    /// What apps call the deployment.
    pub issuer: String,
    pub random: Random,
}

/// How long an app that was not confirmed is waited for.
const WAITS: SignedDuration = SignedDuration::from_mins(10);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {}

#[derive(Serialize)]
struct Begun<'a> {
    secret: &'a str,
    uri: &'a str,
    qr_svg: &'a str,
    expires_at: Timestamp,
}

pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let now = deps.clock.now();
    let caller = deps.store.caller(request.session_id(), now).await?;
    let Body {} = request.json()?;
    let (session, account) = (&caller.session, &caller.account);
    session.may_enrol(&deps.policy, account, now)?;
    let keyring = deps.keyring.at(now).await?;

    let secret = AuthenticatorSecret::draw(&deps.random);
    let label = Label { issuer: &deps.issuer, username: &account.username };
    let uri = label.uri(&secret).map_err(Problem::unavailable)?;
    let qr_svg = qr_svg(&uri, "QR code for an authenticator app").map_err(Problem::unavailable)?;
    let place = Place::Enrolment { session: &session.id, account: &account.id };
    let pending = PendingAuthenticator {
        sealed: secret.seal(&keyring, place, now).map_err(Problem::unavailable)?,
        expires_at: now.saturating_add(WAITS).unwrap_or(Timestamp::MAX),
    };
    deps.store.keep_pending_authenticator(&session.id, &pending).await?;
    // Shown to the session that asked for it, and never again.
    let secret = secret.base32();
    let begun = Begun {
        secret: secret.expose_secret(),
        uri: uri.expose_secret(),
        qr_svg: qr_svg.expose_secret(),
        expires_at: pending.expires_at,
    };
    Ok(Reply::json(StatusCode::CREATED, &begun))
}
