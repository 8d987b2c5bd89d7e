//! `POST /v1/recovery/email/send`: sends a code that recovers an account to its address, as long as email recovers anything.
//!
//! A name that nobody has gets the same answer by the same calls: the limits count, a code is kept that nobody knows, and
//! the letter goes to SES's own simulator; and the answer comes in the same time.
//!
//! Calls: none once email recovers nothing any more. Before: two reads, one transaction, one letter. A letter that did not
//! go out is taken back from the limits.

use postern_codes::{BEFORE_PROOF, Codes, EmailBound, EmailCodes, too_soon};
use postern_domain::Timestamp;
use postern_domain::policy::Policy;
use postern_http::{Clock, Problem, Reply, Request, StatusCode};
use postern_keys::{Keyring, Random};
use postern_sign_ins::SignIn;
use postern_store::{
    Addressee, EmailedCode, OpenedKeyring, RecoveryEmail, Sending, Store, decide_again, resend_at,
};
use serde::{Deserialize, Serialize};

/// What the role of this function allows, action by action.
pub const CALLS: &[&str] = &[
    "dynamodb:BatchGetItem Accounts",
    "dynamodb:ConditionCheckItem Accounts",
    "dynamodb:Query Accounts",
    "dynamodb:UpdateItem Accounts",
    "dynamodb:UpdateItem Attempts",
    "kms:Decrypt KeyringKey",
    "ses:SendEmail EmailIdentity",
];

/// Everything that this step may touch; its role grants exactly this.
pub struct Deps {
    pub clock: Clock,
    pub store: Store,
    pub keyring: OpenedKeyring,
    pub policy: Policy,
    /// None: the deployment has nothing to write from.
    pub codes: Option<EmailCodes>,
    pub random: Random,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    username: String,
}

#[derive(Serialize)]
struct Sent {
    recovery: String,
    expires_at: Timestamp,
    resend_at: Timestamp,
}

/// The template lets it be empty: for a deployment whose date is past.
#[derive(thiserror::Error, Debug)]
#[error("EmailIdentity is empty, and email still recovers")]
struct NoIdentity;

pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let now = deps.clock.now();
    if deps.policy.email_recovery_is_over(now) {
        return Err(Problem::email_recovery_retired());
    }
    let Body { username } = request.json()?;
    let codes = deps.codes.as_ref().ok_or_else(|| Problem::unavailable(NoIdentity))?;
    let keyring = deps.keyring.at(now).await?;
    let recovery = SignIn::by_name(&keyring, &deps.random, &username, now);
    let code = codes.draw()?;
    let kept = |addressee: &Addressee| {
        let account = addressee.account.as_ref().map_or(&recovery.account, |account| &account.id);
        let bound = EmailBound { recovery: &recovery.id, account };
        let expires_at = Codes::expiry(now).min(recovery.expires_at);
        EmailedCode { mac: bound.mac(&keyring, &code, now), expires_at }
    };

    let (addressee, sending) = decide_again!(count(deps, &request, &keyring, codes, &recovery, &kept, now))?;
    let to = addressee.account.as_ref().map(|account| (&account.email, &account.locale));
    if let Err(cause) = codes.send(to, &code).await {
        // Nothing went out: another try need not wait.
        deps.store.uncount_email(&sending, now).await?;
        return Err(Problem::unavailable(cause));
    }
    let expires_at = recovery.expires_at;
    let recovery = recovery.seal_recovery(&keyring, now)?;
    let sent = Sent { recovery, expires_at, resend_at: resend_at(now) };
    Ok(Reply::json(StatusCode::ACCEPTED, &sent).no_sooner_than(BEFORE_PROOF))
}

/// Counts the send and keeps the code's MAC, in one transaction.
async fn count(
    deps: &Deps,
    request: &Request,
    keyring: &Keyring,
    codes: &EmailCodes,
    recovery: &SignIn,
    kept: &impl Fn(&Addressee) -> EmailedCode,
    now: Timestamp,
) -> Result<(Addressee, Sending), Problem> {
    let addressee = deps.store.addressee(&recovery.username, &recovery.account, now).await?;
    let to = addressee.account.as_ref().map(|account| &account.email);
    let sending = codes.counted(keyring, &recovery.username, to, &request.source_ip(), now);
    let email = RecoveryEmail {
        sending: &sending,
        recovery: &recovery.id,
        account: addressee.account.as_ref(),
        nobody: &recovery.account,
        code: &kept(&addressee),
        over: &addressee.over,
    };
    match deps.store.send_for_recovery(email, now).await? {
        Ok(()) => Ok((addressee, sending)),
        Err(not_now) => Err(too_soon(not_now, now)),
    }
}
