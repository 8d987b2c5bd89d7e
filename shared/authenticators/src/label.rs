//! What an app calls the account.

use postern_domain::name::Username;
use secrecy::SecretString;

use crate::AuthenticatorSecret;

/// Under which names an app lists the secret.
#[derive(Debug, Clone, Copy)]
pub struct Label<'a> {
    /// The deployment, as people call it.
    pub issuer: &'a str,
    pub username: &'a Username,
}

/// No URI can be made of it. It says nothing more: the cause may hold the names.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq)]
#[error("no otpauth URI can be made")]
pub struct NoUri;

impl Label<'_> {
    /// The `otpauth` URI (Key URI Format of Google Authenticator), which an app reads from a QR code. It holds the secret.
    ///
    /// A colon parts issuer and account there, and so cannot be in the issuer. The parameters are all written out, although
    /// they are the defaults: not every app knows those.
    pub fn uri(&self, secret: &AuthenticatorSecret) -> Result<SecretString, NoUri> {
        let issuer = self.issuer.replace(':', " ");
        let issuer = Some(issuer.trim()).filter(|issuer| !issuer.is_empty());
        let totp = secret.builder().with_issuer(issuer).with_account_name(self.username.as_str());
        let uri = totp.build_noncompliant().to_url().map_err(|_| NoUri)?;
        Ok(format!("{uri}&algorithm=SHA1&digits=6&period=30").into())
    }
}

#[cfg(test)]
#[path = "label_tests.rs"]
mod tests;
