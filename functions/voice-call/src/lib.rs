//! Places the calls that tell a one-time code: subscribes to the `VoiceCodes` topic, which stands between because SNS itself
//! cannot call anybody.
//!
//! The topic delivers at least once, and Lambda hands out again what failed, twice, and then to a queue with an alarm. A call
//! is claimed before it is placed, so that it goes out once per code: whoever comes second finds the claim. Only where the
//! service says that it does not ring is the claim given back.
//!
//! Calls: the keyring's at a cold start; for each call one `PutItem` (the claim) and `SendVoiceMessage`; `DeleteItem` where
//! it was refused. None for what concerns nobody, is too late, or was not sealed here.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use postern_http::Clock;
use postern_keys::Random;
use postern_messages::{Call, CallId, CallNotOpened, CallNotPlaced, Calls, CodeWords, Opened, SealedCall};
use postern_store::{OpenedKeyring, Store};
use serde::{Deserialize, Serialize};
use tracing::{error, info, warn};

/// What the role of this function allows, action by action.
pub const CALLS: &[&str] = &[
    "dynamodb:Query Accounts",
    "kms:Decrypt KeyringKey",
    "dynamodb:PutItem Attempts",
    "dynamodb:DeleteItem Attempts",
    "sms-voice:SendVoiceMessage VoiceOriginationIdentity",
];

/// Everything that this function may touch; its role grants exactly this.
pub struct Deps {
    pub clock: Clock,
    pub store: Store,
    pub keyring: OpenedKeyring,
    pub calls: Arc<dyn Calls>,
    pub words: CodeWords,
    pub random: Random,
}

/// What SNS delivers, as Lambda hands it out.
#[derive(Debug, Serialize, Deserialize)]
pub struct Delivery {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    #[serde(rename = "Sns")]
    sns: Published,
}

#[derive(Serialize, Deserialize)]
struct Published {
    #[serde(rename = "Message")]
    message: String,
}

impl std::fmt::Debug for Published {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Published(redacted)")
    }
}

impl Delivery {
    /// What the topic would deliver of `call`: for the local run, which has no topic.
    pub fn of(call: &SealedCall) -> Result<Self, serde_json::Error> {
        let message = serde_json::to_string(call)?;
        Ok(Self { records: vec![Record { sns: Published { message } }] })
    }
}

/// A call was not placed, and may be: Lambda hands the delivery out again.
#[derive(thiserror::Error, Debug, Clone, PartialEq, Eq)]
#[error("{} was not placed: {reason}", call.as_str())]
pub struct NotPlaced {
    pub call: CallId,
    pub reason: String,
}

pub async fn handle(deps: &Deps, delivery: Delivery) -> Result<(), NotPlaced> {
    // SNS delivers one record at a time; were it several, each would have its turn before the first failure is told.
    let mut outcome = Ok(());
    for Record { sns: Published { message } } in delivery.records {
        let placed = place(deps, &message).await;
        if let Err(NotPlaced { call, reason }) = &placed {
            error!(call = call.as_str(), cause = reason, "not placed");
        }
        outcome = outcome.and(placed);
    }
    outcome
}

async fn place(deps: &Deps, message: &str) -> Result<(), NotPlaced> {
    let now = deps.clock.now();
    let Ok(sealed) = serde_json::from_str::<SealedCall>(message) else {
        error!("dropped: not a sealed call");
        return Ok(());
    };
    let id = sealed.id();
    let not_placed =
        |reason: &dyn std::fmt::Display| NotPlaced { call: id.clone(), reason: reason.to_string() };
    let keyring = deps.keyring.at(now).await.map_err(|problem| match problem.cause() {
        Some(cause) => not_placed(cause),
        None => not_placed(&problem.code()),
    })?;
    let Call { to, code, locale, expires_at } = match sealed.open(&keyring) {
        Ok(Opened::Call(call)) => call,
        Ok(Opened::Nobody) => return Ok(()),
        // It never opens, so nothing is asked to hand it out again.
        Err(CallNotOpened::Refused) => {
            error!(call = id.as_str(), "dropped: it was not sealed here, for another call, or was changed");
            return Ok(());
        }
        // Perhaps of a key that is newer than this instance: another one opens it, or the queue of failures gets it.
        Err(cause @ CallNotOpened::UnknownVersion) => return Err(not_placed(&cause)),
    };
    if expires_at <= now {
        warn!(call = id.as_str(), "dropped: its code is over");
        return Ok(());
    }
    let claimant = URL_SAFE_NO_PAD.encode(deps.random.fill::<16>());
    match deps.store.claim_call(id.as_str(), &claimant, expires_at).await {
        Ok(true) => {}
        Ok(false) => {
            info!(call = id.as_str(), "dropped: placed before, or being placed");
            return Ok(());
        }
        Err(cause) => {
            // It may stand there all the same.
            release(deps, id, &claimant).await;
            return Err(not_placed(&cause));
        }
    }
    match deps.calls.call(&to, &deps.words.spoken(&code, &locale)).await {
        Ok(()) => info!(call = id.as_str(), "placed"),
        Err(CallNotPlaced::Refused(cause)) => {
            release(deps, id, &claimant).await;
            return Err(not_placed(&cause));
        }
        // The claim stays: better no call, for which a person can ask again, than two.
        Err(CallNotPlaced::Unclear(cause)) => error!(call = id.as_str(), %cause, "perhaps not placed"),
    }
    Ok(())
}

/// A claim that cannot be given back stays, and nobody is called: the person asks for another call.
async fn release(deps: &Deps, id: &CallId, claimant: &str) {
    if let Err(cause) = deps.store.release_call(id.as_str(), claimant).await {
        error!(call = id.as_str(), %cause, "the claim could not be given back");
    }
}
