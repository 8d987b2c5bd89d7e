//! Passwords: typed, judged, hashed, checked.
//!
//! - [`TypedPassword`] is what a person typed, in NFC, of any length up to [`LONGEST`] bytes.
//! - [`judge`] refuses what an attacker would try first. Nothing is asked of a password's composition.
//! - [`Hasher`] turns a password into a [`PasswordHash`] and checks it against one: Argon2id (RFC 9106) at a [`Cost`] of
//!   OWASP's floor or above, over an HMAC under the keyring's pepper.
//!
//! NIST SP 800-63B-4 §3.1.1.2 is carried out here, but for the counting of guesses, which is the store's.
//!
//! # The list of common passwords
//!
//! It is the one of the crate `zxcvbn` (MIT), which is the one of Dropbox's zxcvbn (MIT): 93,855 entries that people's
//! passwords are made of. 30,000 are passwords by how often they stood in breaches (Mark Burnett's ten million, 2015), of
//! which 11,611 have 8 characters or more; OWASP ASVS 5.0 (6.2.4) asks for 3,000 of those. The rest are words of the English
//! Wikipedia (30,000) and of American film and television (19,160), and surnames and given names from the census of the
//! United States (10,000 and 4,695). A longer list would buy nothing: an account takes a hundred wrong guesses in a row and
//! no more, and 63B-4 says that a list need only be as long as the guesses that are let through.
//!
//! The crate does not let its list be read, but says which of its entries a password consists of, which is the same.
//!
//! What it costs, measured at `opt-level = "s"`: 3.2 MB in a binary (0.8 MB are the entries, the rest mostly `regex` with
//! its Unicode tables); 7.7 MB of memory and 17 ms when it is first used, then a millisecond for a password, and 80 ms for
//! the worst that could be found. A function that only checks passwords never touches it, and its linker leaves it out.

mod cost;
mod hash;
mod hasher;
mod judgement;
mod typed;

pub use cost::{Cost, InvalidCost};
pub use hash::{InvalidHash, PasswordHash};
pub use hasher::{AT_ONCE, Checked, Hasher, HashingFailed};
pub use judgement::{Reason, SHORTEST, Weak, judge};
pub use typed::{LONGEST, TooLong, TypedPassword};
