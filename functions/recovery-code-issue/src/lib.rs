//! `POST /v1/account/recovery-code`: issues a recovery code; the old one dies in the same write.
//!
//! Calls: three reads, KMS `GenerateMac` and `Encrypt`, one transaction; and a write once a minute to
//! say that the session is used.

use std::sync::Arc;

use postern_domain::activity::What;
use postern_domain::policy::Policy;
use postern_domain::recovery_code::{Format, LENGTH, RecoveryCode};
use postern_http::{Clock, Problem, Reply, Request, StatusCode};
use postern_keys::{EncryptionContext, KeyName, KeyService, Random};
use postern_store::{RecoveryCodes, SealedCode, Store, StoreError, decide_again, happened};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::json;

/// What the role of this function allows, action by action.
pub const CALLS: &[&str] = &[
    "dynamodb:PutItem Accounts",
    "dynamodb:Query Accounts",
    "dynamodb:UpdateItem Accounts",
    "dynamodb:GetItem Attempts",
    "dynamodb:UpdateItem Attempts",
    "dynamodb:DeleteItem RecoveryCodes",
    "dynamodb:GetItem RecoveryCodes",
    "dynamodb:PutItem RecoveryCodes",
    "kms:Encrypt RecoveryCodeKey",
    "kms:GenerateMac RecoveryCodeMacKey",
];

/// Everything that this step may touch; its role grants exactly this.
pub struct Deps {
    pub clock: Clock,
    pub store: Store,
    pub codes: RecoveryCodes,
    pub keys: Arc<dyn KeyService>,
    pub format: Format,
    pub policy: Policy,
    pub random: Random,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {}

pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    decide_again!(decide(deps, &request))
}

async fn decide(deps: &Deps, request: &Request) -> Result<Reply, Problem> {
    let now = deps.clock.now();
    let caller = deps.store.caller(request.session_id(), now).await?;
    let Body {} = request.json()?;
    let account = &caller.account;
    caller.session.may_enrol(&deps.policy, account, now)?;

    let old = deps.codes.code(&account.id).await?;
    let code = draw(deps)?;
    let symbols = code.expose_symbols().as_bytes();
    let context = EncryptionContext::recovery_code(&account.id, now);
    let mac = deps.keys.mac(KeyName::RecoveryCodeMac, symbols).await.map_err(Problem::unavailable)?;
    let sealed = deps.keys.encrypt(KeyName::RecoveryCode, &context, symbols).await;
    let new = SealedCode { sealed: sealed.map_err(Problem::unavailable)?, mac, issued_at: now };
    let event = happened(request, &deps.random, &account.id, What::RecoveryCodeIssued, now);
    if !deps.codes.issue(account, old.as_ref(), &new, &event).await? {
        // Another account holds the same code: one in 10^16 draws again.
        return Err(StoreError::Conflict.into());
    }
    let shown = code.expose_for_owner();
    Ok(Reply::json(StatusCode::CREATED, &json!({ "code": shown.as_str(), "issued_at": now })))
}

fn draw(deps: &Deps) -> Result<RecoveryCode, Problem> {
    let symbols = match deps.format {
        Format::Decimal => deps.random.digits(LENGTH),
        Format::Crockford => deps.random.crockford(LENGTH),
    };
    RecoveryCode::parse(symbols.expose_secret()).map_err(Problem::unavailable)
}
