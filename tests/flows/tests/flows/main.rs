//! The contract and what it must withstand, asked of the local run over HTTP.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod authenticator;
mod binary;
mod calls;
mod canaries;
mod ceremonies;
mod dates;
mod email_recovery;
mod faults;
mod guesses;
mod happy;
mod limits;
mod metrics;
mod notices;
mod password;
mod phone;
mod policy;

mod readiness;
mod recovery;
mod registration;
mod rules;
mod sessions;
