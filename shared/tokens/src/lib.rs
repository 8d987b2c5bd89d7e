//! Access tokens: JWT, ES256, `typ: at+jwt` (RFC 9068), signed in the process.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use postern_domain::admission::{Acr, Admission, Amr};
use postern_domain::id::{AccountId, SessionId};
use postern_domain::session::Session;
use postern_http::Problem;
use postern_keys::Random;
use postern_store::OpenedTokenSigner;
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};

/// How long a token is good for.
pub const LIFE: SignedDuration = SignedDuration::from_mins(15);

/// Issues access tokens.
#[derive(Debug, Clone)]
pub struct AccessTokens {
    pub signer: OpenedTokenSigner,
    /// `iss`: the deployment's base address.
    pub issuer: String,
    /// `aud`: whom the token is for.
    pub audience: String,
    pub random: Random,
}

/// A token as the API hands it out: the members of RFC 6749 §5.1.
#[derive(Debug, Serialize)]
pub struct Issued {
    #[serde(serialize_with = "expose")]
    pub access_token: SecretString,
    pub token_type: &'static str,
    /// Seconds.
    pub expires_in: i64,
}

/// RFC 9068 §2.2, and `sid`, the session that the token comes from.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a AccountId,
    /// The portal calls for its own users: it is its own client (RFC 9068 §2.2).
    client_id: &'a str,
    sid: &'a SessionId,
    iat: i64,
    exp: i64,
    jti: String,
    auth_time: i64,
    amr: &'a [Amr],
    acr: Acr,
}

impl AccessTokens {
    /// Issues a token that says how `session` was admitted.
    pub async fn issue(
        &self,
        session: &Session,
        admission: &Admission,
        now: Timestamp,
    ) -> Result<Issued, Problem> {
        let signer = self.signer.at(now).await?;
        let expires_at = now.saturating_add(LIFE).map_err(Problem::unavailable)?;
        let claims = Claims {
            iss: &self.issuer,
            aud: &self.audience,
            sub: &session.account,
            client_id: &self.audience,
            sid: &session.id,
            iat: now.as_second(),
            exp: expires_at.as_second(),
            jti: URL_SAFE_NO_PAD.encode(self.random.fill::<16>()),
            auth_time: admission.authenticated_at.as_second(),
            amr: &admission.amr,
            acr: admission.acr,
        };
        let access_token = signer.sign(&claims, now).map_err(Problem::unavailable)?;
        Ok(Issued { access_token, token_type: "Bearer", expires_in: LIFE.as_secs() })
    }
}

/// The token's one exit to the wire.
fn expose<S: Serializer>(token: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(token.expose_secret())
}
