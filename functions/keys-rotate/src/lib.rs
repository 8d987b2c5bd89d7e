//! Makes the next key of the keyring and the next token key pair when they are due. A schedule starts
//! it once a day, and a rule whenever the stack was created or updated: until the first run nothing can
//! be sealed.
//!
//! Calls: two reads; for each key that is due, KMS `GenerateDataKeyWithoutPlaintext` or
//! `GenerateDataKeyPairWithoutPlaintext`, and a write on the condition that no other run was first. It
//! never sees a key in the clear.

use std::sync::Arc;

use postern_http::Clock;
use postern_keys::rotation::{self, Periods};
use postern_keys::{KeyError, KeyService, Random};
use postern_store::{KeyRecords, StoreError};
use serde::Serialize;
use tracing::info;

/// What the role of this function allows, action by action.
pub const CALLS: &[&str] = &[
    "dynamodb:PutItem Accounts",
    "dynamodb:Query Accounts",
    "kms:GenerateDataKeyWithoutPlaintext KeyringKey",
    "kms:GenerateDataKeyPairWithoutPlaintext TokenKey",
];

/// Everything that this function may touch; its role grants exactly this.
pub struct Deps {
    pub clock: Clock,
    pub records: KeyRecords,
    pub keys: Arc<dyn KeyService>,
    pub random: Random,
}

/// How many keys were made. None, most days.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Rotated {
    pub sealing_keys: u32,
    pub token_keys: u32,
}

/// What was not rotated is rotated by the next run.
#[derive(thiserror::Error, Debug)]
pub enum NotRotated {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Keys(#[from] KeyError),
}

pub async fn handle(deps: &Deps) -> Result<Rotated, NotRotated> {
    let now = deps.clock.now();
    let periods = Periods::default();
    let mut rotated = Rotated::default();
    for due in rotation::due_sealing(&deps.records.sealing().await?, now, periods) {
        let made = due.make(&*deps.keys).await?;
        rotated.sealing_keys += u32::from(deps.records.add_sealing(&made).await?);
    }
    for due in rotation::due_tokens(&deps.records.tokens().await?, now, periods) {
        let made = due.make(&*deps.keys, rotation::kid(deps.random.fill())).await?;
        rotated.token_keys += u32::from(deps.records.add_token(&made).await?);
    }
    info!(sealing_keys = rotated.sealing_keys, token_keys = rotated.token_keys, "rotated");
    Ok(rotated)
}
