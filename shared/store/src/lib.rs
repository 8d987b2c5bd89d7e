//! The records and their conditional writes, on aws-sdk-dynamodb.
//!
//! One partition of `Accounts` holds all of an account, so that one consistent query brings everything
//! that a decision rests on. Each write carries the condition that the decision rested on; a lost race
//! comes back as [`StoreError::Conflict`] and is decided again on fresh state ([`decide_again!`]).
//! TTL only cleans up: every read checks the expiry itself.

mod accounts;
mod activity;
mod authenticators;
mod calls;
mod change;
mod client;
mod emailed;
mod enrolment;
mod error;
mod guessed;
mod idempotency;
mod key_records;
mod opened;
mod password;
mod phones;
mod record;
mod recovery_codes;
mod redeeming;
mod registration;
pub mod schema;
mod sends;
mod sessions;
mod sign_in;
mod survey;
mod telling;
mod transaction;

pub use activity::{Activity, Cursor, InvalidCursor, activity_of, gone_number_of, happened};
pub use authenticators::{AuthenticatorEnrolment, AuthenticatorRemoval, NoneWaits, PendingAuthenticator};
pub use client::client;
pub use emailed::{Addressee, EmailRecovery, EmailedCode, KeptEmails, RecoveryEmail};
pub use enrolment::{Ceremony, PasskeyEnrolment, PasskeyRemoval, Refused};
pub use error::{Races, StoreError};
pub use guessed::{Counted, Guess, KeptAuthenticator, KeptPassword, KeptPhones, SentCode};
pub use idempotency::{IdempotentRequest, UsedKey};
pub use key_records::KeyRecords;
pub use opened::{OpenedKeyring, OpenedTokenSigner};
pub use password::PasswordChange;
pub use phones::{NotPending, PendingPhone, PhoneEnrolment, PhoneRemoval};
pub use record::{READS, WRITES};
pub use recovery_codes::{RecoveryCodes, SealedCode, StoredCode};
pub use redeeming::{CodeCounted, CodeGuess, EmailDigest, Held, HeldCode, Named, Redeemed, Redemption};
pub use registration::{Registered, Registration};
pub use sends::{DeploymentLimits, NotNow, PhonesOf, Sending, SignInCode, resend_at};
pub use sessions::Caller;
pub use sign_in::{Beginning, PasskeySignIn, Proof, Proven, Recovery, Secret, Then};
pub use survey::{Survey, Surveyed};

use aws_sdk_dynamodb::Client;

/// The tables that steps share: `Accounts` and `Attempts`.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    accounts: String,
    attempts: String,
}

impl Store {
    /// `accounts`, `attempts`: the tables' names.
    #[must_use]
    pub fn new(client: Client, accounts: impl Into<String>, attempts: impl Into<String>) -> Self {
        Self { client, accounts: accounts.into(), attempts: attempts.into() }
    }

    /// Writes an item, whatever stands there. One call.
    async fn put(&self, table: &str, item: record::Item) -> Result<(), StoreError> {
        let put = self.client.put_item().table_name(table).set_item(Some(item)).send().await;
        put.map(|_| ()).map_err(|error| StoreError::unavailable("PutItem", &error))
    }
}
