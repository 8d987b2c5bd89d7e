//! A letter to an account's address.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// An email: plain text, and nothing to click. It may hold a code: its `Debug` is redacted.
#[derive(Clone)]
pub struct Letter {
    subject: String,
    body: SecretString,
}

impl Letter {
    #[must_use]
    pub fn new(subject: impl Into<String>, body: SecretString) -> Self {
        Self { subject: subject.into(), body }
    }

    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    #[must_use]
    pub fn expose_body(&self) -> &str {
        self.body.expose_secret()
    }
}

impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Letter").field("subject", &self.subject).finish_non_exhaustive()
    }
}
