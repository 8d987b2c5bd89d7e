//! Text that people choose, parsed once into types that cannot hold anything else.

use std::fmt;
use std::str::FromStr;

use email_address::EmailAddress;
use icu_locale_core::LanguageIdentifier;
use serde::{Deserialize, Serialize};

/// Why a text is refused. The boundary turns each into its own code.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidName {
    #[error("a username has 3 to 64 of the characters a-z, 0-9, '.', '_' and '-'")]
    Username,
    #[error("not an email address")]
    Email,
    #[error("a passkey's name has 1 to 64 characters and no control characters")]
    PasskeyName,
    #[error("not a language tag")]
    Locale,
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    };
}

text!(
    /// The name that an account is known by: 3 to 64 of `a-z 0-9 . _ -`, case ignored, kept in lower case.
    Username
);
text!(
    /// Where notices go. Never a way in, and never in a log: its `Debug` is redacted.
    Email
);
text!(
    /// What the owner calls a passkey: 1 to 64 characters, trimmed.
    PasskeyName
);
text!(
    /// The language of texts and calls: a Unicode language identifier (BCP 47), in canonical form.
    Locale
);

impl fmt::Debug for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(redacted)")
    }
}

impl fmt::Debug for PasskeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Username {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if (3..=64).contains(&text.len()) && text.chars().all(allowed) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(InvalidName::Username)
        }
    }
}

impl FromStr for Email {
    type Err = InvalidName;

    /// RFC 5321 addr-spec, at most 254 octets (RFC 3696, erratum 1690), with a domain that has a dot:
    /// a notice to `root@localhost` reaches nobody.
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let options = email_address::Options::default()
            .without_display_text()
            .without_domain_literal()
            .with_required_tld();
        if text.len() > 254 || text.chars().any(char::is_control) {
            return Err(InvalidName::Email);
        }
        EmailAddress::parse_with_options(text, options).map_err(|_| InvalidName::Email)?;
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for PasskeyName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let name = text.trim();
        if (1..=64).contains(&name.chars().count()) && !name.chars().any(char::is_control) {
            Ok(Self(name.to_owned()))
        } else {
            Err(InvalidName::PasskeyName)
        }
    }
}

impl FromStr for Locale {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text.len() > 35 {
            return Err(InvalidName::Locale);
        }
        let language = LanguageIdentifier::try_from_str(text).map_err(|_| InvalidName::Locale)?;
        Ok(Self(language.to_string()))
    }
}

impl Username {
    /// The name that stands for what somebody gave as theirs and can be nobody's, so that a sign-in with it counts, locks and
    /// answers like any other. `mac`: keyed, for people type their password in the wrong field.
    #[must_use]
    pub fn standing_in(mac: &[u8; 32]) -> Self {
        let digits = hex::encode(mac);
        Self(format!("-.{}", digits.get(..60).unwrap_or_default()))
    }
}

impl Locale {
    /// English as spoken in the United States, the deployment's own language.
    #[must_use]
    pub fn english() -> Self {
        Self("en-US".to_owned())
    }
}

#[cfg(test)]
#[path = "name_tests.rs"]
mod tests;
