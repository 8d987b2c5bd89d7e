//! What the flows need: a local run of one's own, an HTTP client that keeps its cookie by hand, and two
//! authenticators. `SoftwareKey` is a library's, independent of the one under test; `HandMade` is ours, and can
//! lie in every way that a passkey's answer can.
//!
//! The tests know the contract and nothing of the code behind it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::return_self_not_must_use,
    reason = "a test that cannot go on fails"
)]

mod app;
mod authenticator;
mod binary;
mod client;
mod documented;
mod person;
mod run;
mod software_key;

pub use app::App;
pub use authenticator::{Assertion, Attestation, BE, BS, HandMade, UP, UV};
pub use binary::{Binary, Exit};
pub use client::{Answer, Call, Portal, cookie_of};
pub use person::{
    PASSWORD, Person, landline, mobile, registered, set_up, somebody, with_app, with_passkey, with_password,
    with_phone,
};
pub use run::{Run, T0};
pub use software_key::SoftwareKey;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// base64url without padding, as everything in the API is written.
/// Another one-time code of the right shape.
pub fn another_code(code: &str) -> String {
    let last = if code.ends_with('0') { '1' } else { '0' };
    format!("{}{last}", &code[..5])
}

pub fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn from_base64url(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

pub fn sha256(bytes: impl AsRef<[u8]>) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
