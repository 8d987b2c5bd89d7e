//! Phone numbers: from what a person types to what is dialled, or the reasons why not.
//!
//! - [`Numbers`] reads: the number plan says whether it is a number at all, of which country, of what kind. It makes no
//!   call, so what it refuses costs nothing.
//! - [`LineLookup`] asks what the number reaches today: AWS End User Messaging ([`CarrierLookup`]), the local run's table
//!   ([`LocalLookup`]), or nobody ([`NumberPlan`]).
//! - [`settle`] makes one [`Line`] of both, or refuses.
//!
//! The number plan is Google's libphonenumber metadata, in the port `rlibphonenumber`: its releases follow Google's within
//! days, its own tests are Google's, and it is compared with the C++ original by differential fuzzing. The older port,
//! `phonenumber`, lags behind, has panicked on what people type more than once, and rests on a regex cache that is no
//! longer maintained.

mod carrier_lookup;
mod line;
mod lookup;
mod number;
mod spelling;

pub use carrier_lookup::{CarrierLookup, lookup_client};
pub use line::{Line, LineSource, settle};
pub use lookup::{Carrier, LineLookup, LocalLookup, LookupFailed, NumberPlan};
pub use number::{Country, InvalidNumbers, Number, Numbers};

use serde::Serialize;

/// Why a number does not serve: the `reasons` of 422 `invalid_phone`, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unfit {
    /// No number of any plan, or not a number alone.
    NotANumber,
    /// Nobody can be reached by what only a switchboard understands.
    Extension,
    /// Premium, shared-cost, toll-free, pager, personal, company-wide, voicemail or `VoIP`.
    LineType,
    /// Of a country that is not allowed, or of none: satellites and global networks.
    Country,
    /// A landline gets calls, never texts.
    TextToLandline,
    /// Its owner asked the carrier for no more texts.
    OptedOut,
}
