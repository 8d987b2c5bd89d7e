//! Asking what a number reaches today.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use postern_domain::phone_number::PhoneNumber;
use postern_messages::{Gate, NotSent};

/// Tells what a number reaches.
#[async_trait]
pub trait LineLookup: Send + Sync + fmt::Debug {
    /// `sms-voice:CarrierLookup`.
    async fn look_up(&self, number: &PhoneNumber) -> Result<Carrier, LookupFailed>;
}

/// What the carriers' records say of a number, in AWS's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    Mobile,
    Landline,
    Voip,
    /// A mobile that is paid in advance.
    Prepaid,
    /// Something else, or something that AWS names since.
    Other,
    /// Nobody has it.
    Invalid,
}

/// Nothing was learnt; the number plan decides.
#[derive(thiserror::Error, Debug, Clone, PartialEq, Eq)]
pub enum LookupFailed {
    /// There is nothing to look it up in.
    #[error("nothing is known of the number")]
    NotKnown,
    #[error(transparent)]
    Unavailable(NotSent),
}

/// Looks nothing up: for deployments that leave it to the number plan.
#[derive(Debug, Clone, Copy)]
pub struct NumberPlan;

#[async_trait]
impl LineLookup for NumberPlan {
    async fn look_up(&self, _: &PhoneNumber) -> Result<Carrier, LookupFailed> {
        Err(LookupFailed::NotKnown)
    }
}

/// The local run's table: of `+1 NXX 555 01dd`, which no carrier gives out, the last two digits say what it is. Others
/// are not known.
#[derive(Clone)]
pub struct LocalLookup(Arc<dyn Gate>);

impl LocalLookup {
    #[must_use]
    pub fn new(gate: Arc<dyn Gate>) -> Self {
        Self(gate)
    }
}

#[async_trait]
impl LineLookup for LocalLookup {
    async fn look_up(&self, number: &PhoneNumber) -> Result<Carrier, LookupFailed> {
        self.0.before("smsvoice", "CarrierLookup").map_err(LookupFailed::Unavailable)?;
        let found = local(number);
        self.0.after("smsvoice", "CarrierLookup").map_err(LookupFailed::Unavailable)?;
        found.ok_or(LookupFailed::NotKnown)
    }
}

fn local(number: &PhoneNumber) -> Option<Carrier> {
    let (area, line) = number.as_str().strip_prefix("+1")?.split_at_checked(3)?;
    let last = line.strip_prefix("55501")?;
    if area.starts_with(['0', '1']) || last.len() != 2 {
        return None;
    }
    Some(match last.parse::<u8>().ok()? {
        0..60 => Carrier::Mobile,
        60..80 => Carrier::Landline,
        80..90 => Carrier::Voip,
        _ => Carrier::Invalid,
    })
}

impl fmt::Debug for LocalLookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalLookup")
    }
}
