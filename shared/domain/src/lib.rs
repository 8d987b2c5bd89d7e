//! What Postern decides, and nothing else.
//!
//! Every function here is pure and total over plain types: no I/O, no clock, no randomness, no
//! environment, no AWS crate. Time and random values come in as arguments, so that each decision can
//! be tested by table and by property.
//!
//! - [`account`]: an account and its methods, as decisions see it.
//! - [`admission`]: which proofs admit, and how strongly.
//! - [`policy`]: the notice's instants, the three set-ups, the action needed.
//! - [`session`]: what a session may do, and until when it lives.
//! - [`sign_in`]: what an answer makes of a sign-in.
//! - [`guess`], [`send_limit`]: how often an authenticator is asked, and how often a code goes out.
//! - [`passkey`]: the checks of `WebAuthn` that the ceremony's library leaves to its caller.
//! - [`recovery_code`]: the code's form.
//! - [`phone_number`], [`one_time_code`]: what is dialled, and what is sent there.
//! - [`time_step`]: which codes of an authenticator app are taken when.
//! - [`activity`]: what an account's owner is told.
//! - [`id`], [`name`]: identifiers, and text that people choose.

pub mod account;
pub mod activity;
pub mod admission;
pub mod guess;
pub mod id;
pub mod name;
pub mod one_time_code;
pub mod passkey;
pub mod phone_number;
pub mod policy;
pub mod readiness;
pub mod recovery_code;
pub mod send_limit;
pub mod session;
pub mod sign_in;
pub mod time_step;

#[cfg(test)]
mod fixtures;

pub use jiff::{SignedDuration, Timestamp};
