//! What a sign-in of each kind costs, and a month: the calls of the real steps, counted in the local run, times the prices of
//! `infra/prices.json`. Nothing here is measured by time, so that the README's tables can be held against it.

#![expect(
    clippy::indexing_slicing,
    reason = "what JSON lacks is null there; a name that the price file or the template lacks ends the program"
)]

mod bill;
mod count;
mod prices;
mod tables;
mod template;

pub use count::{Counted, Counts, count};
pub use prices::{Book, Malformed};
pub use tables::{BEGIN, END, between, by_operation, section, with_section};
pub use template::Stack;
