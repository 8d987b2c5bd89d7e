//! The session cookie: `__Host-session`, 256 random bits (RFC 6265bis §4.1.3.2, OWASP ASVS 5.0 §3.3).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cookie::{Cookie, SameSite};
use http::HeaderMap;
use http::header::COOKIE;
use postern_domain::id::SessionId;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::{Digest, Sha256};

/// The prefix binds the cookie to this host, the root path and a secure connection.
pub const SESSION_COOKIE: &str = "__Host-session";

/// The cookie's value: 256 random bits. The server keeps only its SHA-256, the [`SessionId`].
pub struct SessionToken(SecretBox<[u8; 32]>);

impl SessionToken {
    /// From random bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(SecretBox::new(Box::new(bytes)))
    }

    /// What the server knows the session by.
    #[must_use]
    pub fn id(&self) -> SessionId {
        SessionId::from_bytes(Sha256::digest(self.0.expose_secret()).into())
    }

    /// The one that came with the request, if it can be one. Two of them are none: a browser sends one,
    /// and a guess at which is meant would be a way in.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut found = headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(Cookie::split_parse)
            .filter_map(Result::ok)
            .filter(|cookie| cookie.name() == SESSION_COOKIE);
        let (first, second) = (found.next()?, found.next());
        if second.is_some() {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(first.value()).ok()?;
        Some(Self::from_bytes(bytes.try_into().ok()?))
    }

    /// `Set-Cookie` for a new session: the one exit to the wire. It ends with the browser; the server's
    /// own limits end it earlier.
    pub(crate) fn set(&self) -> SecretString {
        let cookie = session_cookie(URL_SAFE_NO_PAD.encode(self.0.expose_secret()));
        SecretString::from(cookie.to_string())
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(redacted)")
    }
}

/// `Set-Cookie` that takes the session away.
pub(crate) fn clear_session() -> String {
    let mut cookie = session_cookie(String::new());
    cookie.make_removal();
    cookie.to_string()
}

fn session_cookie(value: String) -> Cookie<'static> {
    Cookie::build((SESSION_COOKIE, value))
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Lax)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (COOKIE, value.parse().unwrap())).collect()
    }

    #[test]
    fn the_cookie_comes_back() {
        let token = SessionToken::from_bytes([9; 32]);
        let set = token.set();
        let set = set.expose_secret();
        assert!(set.starts_with("__Host-session=CQkJ"), "{set}");
        assert!(set.ends_with("; HttpOnly; SameSite=Lax; Secure; Path=/"), "{set}");
        let (pair, _) = set.split_once(';').unwrap();
        let found = SessionToken::of(&headers(&["theme=dark", &format!("a=b; {pair}; c=d")])).unwrap();
        assert_eq!(found.id(), token.id());
        assert_eq!(format!("{found:?}"), "SessionToken(redacted)");
    }

    #[test]
    fn anything_else_is_no_session() {
        let value = URL_SAFE_NO_PAD.encode([9; 32]);
        for cookies in [
            vec![],
            vec!["__Host-session="],
            vec!["__Host-session=short"],
            vec!["session=CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk"],
        ] {
            assert!(SessionToken::of(&headers(&cookies)).is_none(), "{cookies:?}");
        }
        let pair = format!("__Host-session={value}");
        assert!(SessionToken::of(&headers(&[&pair])).is_some());
        assert!(SessionToken::of(&headers(&[&pair, &pair])).is_none());
        assert!(SessionToken::of(&headers(&[&format!("{pair}; {pair}")])).is_none());
        assert!(SessionToken::of(&headers(&[&format!("{pair}=")])).is_none());
    }
}
