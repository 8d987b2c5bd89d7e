//! `GET /v1/account/recovery-code`: the same code again, as JSON or as a file; this marks it downloaded.
//!
//! Calls: three reads, KMS `Decrypt`, one transaction; and a write once a minute to say that the session
//! is used. No other function may decrypt a code.

use std::sync::Arc;

use http::HeaderValue;
use http::header::CONTENT_DISPOSITION;
use postern_domain::account::Account;
use postern_domain::activity::What;
use postern_domain::policy::Policy;
use postern_domain::recovery_code::RecoveryCode;
use postern_http::{Clock, Problem, Reply, Request, StatusCode};
use postern_keys::{EncryptionContext, KeyName, KeyService, Random};
use postern_store::{RecoveryCodes, Store, StoreError, decide_again, happened};
use serde_json::json;

/// What the role of this function allows, action by action.
pub const CALLS: &[&str] = &[
    "dynamodb:PutItem Accounts",
    "dynamodb:Query Accounts",
    "dynamodb:UpdateItem Accounts",
    "dynamodb:GetItem Attempts",
    "dynamodb:UpdateItem Attempts",
    "dynamodb:GetItem RecoveryCodes",
    "dynamodb:UpdateItem RecoveryCodes",
    "kms:Decrypt RecoveryCodeKey",
];

/// Everything that this step may touch; its role grants exactly this.
pub struct Deps {
    pub clock: Clock,
    pub store: Store,
    pub codes: RecoveryCodes,
    pub keys: Arc<dyn KeyService>,
    pub policy: Policy,
    pub random: Random,
}

pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    decide_again!(decide(deps, &request))
}

async fn decide(deps: &Deps, request: &Request) -> Result<Reply, Problem> {
    let now = deps.clock.now();
    let caller = deps.store.caller(request.session_id(), now).await?;
    let account = &caller.account;
    caller.session.may_enrol(&deps.policy, account, now)?;
    let stored = deps.codes.code(&account.id).await?.ok_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, "no_recovery_code", "No recovery code has been issued yet.")
    })?;

    let context = EncryptionContext::recovery_code(&account.id, stored.issued_at);
    let opened = deps.keys.decrypt(KeyName::RecoveryCode, &context, &stored.sealed).await;
    let opened = opened.map_err(Problem::unavailable)?;
    let code =
        std::str::from_utf8(opened.expose()).ok().and_then(|symbols| RecoveryCode::parse(symbols).ok());
    let code = code.ok_or(StoreError::Corrupt("a recovery code"))?;
    let event = happened(request, &deps.random, &account.id, What::RecoveryCodeDownloaded, now);
    deps.codes.mark_downloaded(account, &stored, &event).await?;

    let shown = code.expose_for_owner();
    if request.prefers_text() {
        let file = Reply::text(StatusCode::OK, "text/plain; charset=utf-8", file(account, &shown));
        return Ok(file.with_header(CONTENT_DISPOSITION, FILE_NAME));
    }
    Ok(Reply::json(StatusCode::OK, &json!({ "code": shown.as_str(), "issued_at": stored.issued_at })))
}

const FILE_NAME: HeaderValue = HeaderValue::from_static("attachment; filename=\"recovery-code.txt\"");

/// For a drawer, years on: it says what it is and for whom.
fn file(account: &Account, code: &str) -> String {
    format!(
        "Recovery code for the provider portal\r\n\
         \r\n\
         Username:      {}\r\n\
         Recovery code: {code}\r\n\
         \r\n\
         Keep this code where only you can find it. It works once, together with your username, and lets\r\n\
         you back in when you have lost your other ways to sign in. Nobody will ever ask you for it by\r\n\
         phone or email.\r\n",
        account.username.as_str()
    )
}
