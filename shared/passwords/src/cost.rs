use std::fmt;
use std::str::FromStr;

use argon2::Params;

/// What a hash costs: Argon2id's memory and passes, in one lane.
///
/// As text in the form of the PHC string format, `m=19456,t=2,p=1`: KiB, passes, lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    memory_kib: u32,
    passes: u32,
}

/// Why a text is no cost.
#[derive(thiserror::Error, Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidCost {
    #[error("a cost is written m=19456,t=2,p=1, with one lane")]
    Malformed,
    #[error("below OWASP's floor: m=47104,t=1 or m=19456,t=2 or m=12288,t=3 or m=9216,t=4 or m=7168,t=5")]
    TooLow,
    #[error("above m={MOST_MEMORY_KIB} or t={MOST_PASSES}: no function is given that much")]
    TooHigh,
}

/// OWASP's Password Storage Cheat Sheet: pairs of KiB and passes that cost an attacker about the same.
const FLOOR: [(u32, u32); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];

/// Two hashes at once take half of a function of 512 MB.
const MOST_MEMORY_KIB: u32 = 131_072;

/// With the most memory about a second of a whole processor.
const MOST_PASSES: u32 = 10;

impl Cost {
    /// Whether it asks at least as much memory and as many passes as `other`.
    pub(crate) fn covers(self, other: Self) -> bool {
        self.memory_kib >= other.memory_kib && self.passes >= other.passes
    }

    /// A cost that some hash was made at: within what can be afforded, but under the floor if that was raised since.
    pub(crate) fn of(params: &Params) -> Result<Self, InvalidCost> {
        if params.p_cost() != 1 || !params.keyid().is_empty() || !params.data().is_empty() {
            return Err(InvalidCost::Malformed);
        }
        let cost = Self { memory_kib: params.m_cost(), passes: params.t_cost() };
        if cost.memory_kib > MOST_MEMORY_KIB || cost.passes > MOST_PASSES {
            return Err(InvalidCost::TooHigh);
        }
        Ok(cost)
    }

    pub(crate) fn params(self) -> Result<Params, argon2::Error> {
        Params::new(self.memory_kib, self.passes, 1, None)
    }

    #[cfg(test)]
    pub(crate) const fn for_tests(memory_kib: u32, passes: u32) -> Self {
        Self { memory_kib, passes }
    }
}

impl Default for Cost {
    /// The second of OWASP's pairs, and the crate `argon2`'s own default.
    fn default() -> Self {
        Self { memory_kib: 19_456, passes: 2 }
    }
}

impl FromStr for Cost {
    type Err = InvalidCost;

    /// Accepts the one canonical spelling only.
    fn from_str(text: &str) -> Result<Self, InvalidCost> {
        let params: Params = text.parse().map_err(|_| InvalidCost::Malformed)?;
        let cost = Self::of(&params)?;
        if cost.to_string() != text {
            return Err(InvalidCost::Malformed);
        }
        if FLOOR.iter().any(|&(memory_kib, passes)| cost.covers(Self { memory_kib, passes })) {
            Ok(cost)
        } else {
            Err(InvalidCost::TooLow)
        }
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m={},t={},p=1", self.memory_kib, self.passes)
    }
}

#[cfg(test)]
#[path = "cost_tests.rs"]
mod tests;
