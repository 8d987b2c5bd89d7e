//! The checks of `WebAuthn` Level 3 that the ceremony's library leaves to its caller.

/// The longest credential id (`WebAuthn` L3 §6.5.1, §7.1 step 25), in bytes.
pub const LONGEST_CREDENTIAL_ID: usize = 1023;

/// Most passkeys that one account keeps.
pub const MOST_PASSKEYS: usize = 20;

/// The counter did not grow: the authenticator may have been cloned (`WebAuthn` L3 §6.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CounterDidNotGrow;

/// `WebAuthn` L3 §7.2 step 22: unless both are zero, the counter must be greater than the stored one.
pub fn check_counter(stored: u32, given: u32) -> Result<(), CounterDidNotGrow> {
    if (stored == 0 && given == 0) || given > stored { Ok(()) } else { Err(CounterDidNotGrow) }
}

/// The parts of the collected client data (`WebAuthn` L3 §5.8.1) that decide where a ceremony took place.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientData {
    pub origin: String,
    #[serde(default)]
    pub cross_origin: bool,
    pub top_origin: Option<String>,
}

/// Where a ceremony took place is not where it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForeignCeremony;

impl ClientData {
    /// `WebAuthn` L3 §7.1 steps 9 to 11 and §7.2 steps 12 to 14: one of our origins, to the letter, and
    /// never inside another site's frame.
    pub fn check(&self, origins: &[String]) -> Result<(), ForeignCeremony> {
        let ours = origins.contains(&self.origin);
        if ours && !self.cross_origin && self.top_origin.is_none() { Ok(()) } else { Err(ForeignCeremony) }
    }
}

#[cfg(test)]
#[path = "passkey_tests.rs"]
mod tests;
