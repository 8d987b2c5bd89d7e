//! What strangers send, given to the code that reads it first.
//!
//! Each function of [`TARGETS`] takes any bytes, and panics where the code does or where what must hold of its answer does not. cargo-fuzz
//! runs them in `fuzz/`, with the corpus that is kept there; the tests go over that corpus.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a target that cannot go on has found something"
)]

mod passkeys;
mod requests;
mod texts;

pub use passkeys::{passkey_answers, passkey_enrolments, passkey_sign_ins, sealed};
pub use requests::requests;
pub use texts::{codes, names, numbers, passwords};

/// What reads any bytes.
pub type Target = fn(&[u8]);

/// Every target, by the name of its program and of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("codes", codes),
    ("names", names),
    ("numbers", numbers),
    ("passkey_answers", passkey_answers),
    ("passkey_enrolments", passkey_enrolments),
    ("passkey_sign_ins", passkey_sign_ins),
    ("passwords", passwords),
    ("requests", requests),
    ("sealed", sealed),
];
