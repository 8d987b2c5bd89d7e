//! A sign-in between its proofs, and what each right answer makes of it.
//!
//! A sign-in is not stored: what it has proven is sealed into the `sign_in` that the client brings back
//! ([`SignIn`]), for ten minutes. So nobody fills a table by beginning sign-ins, and a step needs no read to
//! know where it stands. The transaction that ends it spends its id, once.
//!
//! Each of its names is the same sign-in. Where the client had one before the first proof, which is after a code was sent by
//! username, the transaction of that proof keeps it; and that of another, by the old name, finds it there.

mod prove;
mod recovered;
mod reply;
mod sign_in;
mod wrong;

pub use prove::{Answered, SignIns};
pub use recovered::{recovered, recovering};
pub use reply::{ended, session_of};
pub use sign_in::SignIn;
pub use wrong::WrongGuess;
