use icu_normalizer::ComposingNormalizerBorrowed;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// Bytes that a password may have as it is typed, in UTF-8. What is longer is refused before anything is done with it; no
/// password is ever cut short (NIST SP 800-63B-4 §3.1.1.2). Eight times the 128 characters that must be possible.
pub const LONGEST: usize = 1_024;

/// A password as a person typed it, in NFC: "é" is the same password whether the keyboard sent one code point or two.
///
/// Nothing is trimmed, and every character of Unicode counts, spaces among them. Wiped on drop, redacted in `Debug`, never
/// serialised.
#[derive(Clone, Debug)]
pub struct TypedPassword(SecretString);

/// The text has more than [`LONGEST`] bytes.
#[derive(thiserror::Error, Clone, Copy, Debug, PartialEq, Eq)]
#[error("a password has at most {LONGEST} bytes")]
pub struct TooLong;

impl TypedPassword {
    /// The password itself: for [`judge`](crate::judge) and for the MAC under the pepper.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Its bytes, for a MAC that says whether two requests are the same.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

impl TryFrom<String> for TypedPassword {
    type Error = TooLong;

    /// Takes the text, and wipes it.
    fn try_from(typed: String) -> Result<Self, TooLong> {
        let typed = Zeroizing::new(typed);
        if typed.len() > LONGEST {
            return Err(TooLong);
        }
        let nfc = ComposingNormalizerBorrowed::new_nfc();
        let (done, rest) = nfc.split_normalized(&typed);
        if rest.is_empty() {
            return Ok(Self(SecretString::from(done)));
        }
        // NFC makes UTF-8 at most three times as long (Unicode's FAQ on normalization): room for all of it at once, so that
        // a growing buffer leaves no copy behind.
        let mut normal = Zeroizing::new(String::with_capacity(typed.len().saturating_mul(3)));
        normal.push_str(done);
        // Writing to a `String` does not fail.
        let _ = nfc.normalize_to(rest, &mut *normal);
        Ok(Self(SecretString::from(normal.as_str())))
    }
}

#[cfg(test)]
#[path = "typed_tests.rs"]
mod tests;
