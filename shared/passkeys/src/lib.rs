//! The ceremonies of WebAuthn Level 3 (§7.1, §7.2), on webauthn-rs.
//!
//! A ceremony's state is not stored: it goes out sealed, with its expiry, and is spent by a marker in
//! the transaction that finishes it. This is the only crate that serialises webauthn-rs's state.
//!
//! webauthn-rs 0.6 leaves to its caller, and this crate closes:
//!
//! | what | where |
//! |---|---|
//! | `crossOrigin` of an assertion, `topOrigin` of both | [`postern_domain::passkey::ClientData::check`] |
//! | the origin to the letter (the library compares parsed URLs, and so forgives a path) | the same |
//! | a credential id of at most 1,023 bytes | [`wire`], before anything else |
//! | `type` is `public-key`, `id` is `rawId` | [`wire`] |
//! | the id of the registered credential is the one that the client names | [`Ceremonies::enrol`] |
//! | the user handle's owner is the credential's | the passkey is looked for in the handle's account alone |
//! | a credential of one account only | the marker `CREDENTIAL#…`, by condition |
//! | counters under concurrency | the write's condition on the counter that the decision rested on |

mod ceremonies;
#[cfg(test)]
mod forge;
mod providers;
pub mod wire;

pub use ceremonies::{
    Answer, AnswerRefused, Ceremonies, CeremonyOver, Enrolled, EnrolmentAnswer, EnrolmentRefused,
    InvalidRelyingParty, Options, PendingSignIn,
};
