//! Authenticator apps (NIST SP 800-63B-4 §3.1.4, single-factor OTP): the secret that an app shares with us, the codes that
//! come of it, and how it gets into the app.
//!
//! SHA-1, six digits and thirty seconds: what every app takes; several show wrong codes for anything else. HMAC-SHA-1 is not
//! touched by what is known against SHA-1 (RFC 4226 Appendix B.2). The secret has the 160 bits of RFC 4226 §4 (R6).
//!
//! Which steps are taken is [`postern_domain::time_step`]'s to say; that none is taken twice, the store's.

mod label;
mod qr;
mod secret;

pub use label::{Label, NoUri};
pub use qr::{TooLong, qr_svg};
pub use secret::{AuthenticatorSecret, Place};
