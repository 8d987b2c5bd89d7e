//! The recovery code's form: 16 symbols, shown in groups of four.
//!
//! 16 decimal digits carry 53 bits. NIST SP 800-63B-4 §3.1.2.1 asks 64 of a saved code, so a deployment may
//! choose 16 symbols of Crockford's base 32 (80 bits). With either, the account must be named too.

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Symbols in a code, dashes aside.
pub const LENGTH: usize = 16;

/// Crockford's base 32: no I, L, O, U.
pub const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The alphabet that a deployment issues codes in. Codes of either are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Decimal,
    Crockford,
}

impl std::str::FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        match text {
            "decimal" => Ok(Self::Decimal),
            "crockford" => Ok(Self::Crockford),
            _ => Err(UnknownFormat),
        }
    }
}

/// The text names no format.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq)]
#[error("neither `decimal` nor `crockford`")]
pub struct UnknownFormat;

/// A recovery code: 16 symbols in canonical form. Its `Debug` is redacted.
#[derive(Debug, Clone)]
pub struct RecoveryCode(SecretString);

/// The text is no recovery code.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq)]
#[error("a recovery code has 16 symbols")]
pub struct InvalidRecoveryCode;

impl RecoveryCode {
    /// Reads what a person typed: dashes and spaces are ignored, and lookalikes are what they look like
    /// (Crockford: `I`, `L` are 1, `O` is 0).
    pub fn parse(text: &str) -> Result<Self, InvalidRecoveryCode> {
        let mut symbols = Zeroizing::new(String::with_capacity(LENGTH));
        for c in text.chars().filter(|c| !c.is_whitespace() && !is_dash(*c)) {
            let symbol = match c.to_ascii_uppercase() {
                'I' | 'L' => '1',
                'O' => '0',
                other => other,
            };
            let known = u8::try_from(symbol).is_ok_and(|byte| CROCKFORD.contains(&byte));
            if !known || symbols.len() == LENGTH {
                return Err(InvalidRecoveryCode);
            }
            symbols.push(symbol);
        }
        if symbols.len() == LENGTH {
            Ok(Self(SecretString::from(symbols.as_str())))
        } else {
            Err(InvalidRecoveryCode)
        }
    }

    /// The canonical 16 symbols, for sealing and for the MAC.
    #[must_use]
    pub fn expose_symbols(&self) -> &str {
        self.0.expose_secret()
    }

    /// As it is shown: `1234-5678-9012-3456`. The one exit to the wire.
    #[must_use]
    pub fn expose_for_owner(&self) -> Zeroizing<String> {
        let symbols = self.0.expose_secret();
        let mut shown = Zeroizing::new(String::with_capacity(LENGTH + 3));
        for (place, symbol) in symbols.chars().enumerate() {
            if place > 0 && place % 4 == 0 {
                shown.push('-');
            }
            shown.push(symbol);
        }
        shown
    }
}

impl PartialEq for RecoveryCode {
    /// In constant time.
    fn eq(&self, other: &Self) -> bool {
        self.expose_symbols().as_bytes().ct_eq(other.expose_symbols().as_bytes()).into()
    }
}

impl Eq for RecoveryCode {}

/// Word processors and phones write other dashes than the one we show.
fn is_dash(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}')
}

#[cfg(test)]
#[path = "recovery_code_tests.rs"]
mod tests;
