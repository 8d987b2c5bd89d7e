//! Configuration: environment variables, read once, in `main`.

use std::collections::HashMap;
use std::str::FromStr;

use postern_domain::policy::Policy;

/// The environment of a function.
#[derive(Debug, Clone, Default)]
pub struct Settings(HashMap<String, String>);

/// A variable is missing or does not hold what it should. The function does not start.
#[derive(thiserror::Error, Debug, Clone, PartialEq, Eq)]
pub enum InvalidSetting {
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    #[error("the environment variable {0} is not {1}")]
    Malformed(&'static str, &'static str),
}

impl Settings {
    #[must_use]
    pub fn from_env() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
        Self(std::env::vars().collect())
    }

    /// A variable that must be there, and not empty.
    pub fn required(&self, name: &'static str) -> Result<String, InvalidSetting> {
        self.optional(name).ok_or(InvalidSetting::Missing(name))
    }

    #[must_use]
    pub fn optional(&self, name: &'static str) -> Option<String> {
        self.0.get(name).filter(|value| !value.is_empty()).cloned()
    }

    /// A comma separated list with at least one entry.
    pub fn list(&self, name: &'static str) -> Result<Vec<String>, InvalidSetting> {
        let list: Vec<String> = self
            .required(name)?
            .split(',')
            .map(|entry| entry.trim().to_owned())
            .filter(|e| !e.is_empty())
            .collect();
        if list.is_empty() { Err(InvalidSetting::Missing(name)) } else { Ok(list) }
    }

    /// A variable that a type can be read from; `what` says what it should be.
    pub fn parsed<T: FromStr>(&self, name: &'static str, what: &'static str) -> Result<T, InvalidSetting> {
        self.required(name)?.parse().map_err(|_| InvalidSetting::Malformed(name, what))
    }

    /// The notice's three instants.
    pub fn policy(&self) -> Result<Policy, InvalidSetting> {
        let instant = |name| self.parsed(name, "an RFC 3339 instant");
        let policy = Policy {
            recovery_code_prompted_from: instant("RECOVERY_CODE_PROMPTED_FROM")?,
            email_recovery_ends_at: instant("EMAIL_RECOVERY_ENDS_AT")?,
            set_up_required_from: instant("SET_UP_REQUIRED_FROM")?,
        };
        // Else a token would be refused for want of a code that nobody is asked to download.
        if policy.recovery_code_prompted_from > policy.set_up_required_from {
            let what = "at or before SET_UP_REQUIRED_FROM";
            return Err(InvalidSetting::Malformed("RECOVERY_CODE_PROMPTED_FROM", what));
        }
        Ok(policy)
    }
}

impl FromIterator<(String, String)> for Settings {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}
