//! One-time codes by text and call (NIST SP 800-63B-4 §3.1.3): drawn, bound to what asked for them, sent.
//!
//! Only a MAC of a code is kept. It covers the purpose, the sign-in or session that asked, the account, the
//! phone and the channel, so that a code answers for nothing else.

mod bound;
mod email;
mod send;

pub use bound::{Bound, Purpose, phone_id};
pub use email::{EmailBound, EmailCodes};
pub use send::{BEFORE_PROOF, Codes, Destination, Unsent, too_soon};
