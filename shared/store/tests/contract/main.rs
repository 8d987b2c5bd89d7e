//! The contract of the records, asked of the embedded engine through the SDK: what comes back, what each write holds to,
//! and what becomes of many at the same instant.
//!
//! The engine runs one transaction after the other and never answers with `TransactionConflict`; what depends on that is
//! asked of canned answers in `conflicts.rs`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod authenticators;
mod calls;
mod canned;
mod codes;
mod conditions;
mod conflicts;
mod emailed;
mod errors;
mod guesses;
mod known;
mod opened;
mod passwords;
mod phones;
mod races;
mod racing;
mod records;
mod redeeming;
mod releases;
mod sends;
mod service;
mod sessions;
mod survey;
mod tables;
