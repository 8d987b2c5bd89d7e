//! What `sam build` built, run as Lambda runs it: each `bootstrap` under AWS's runtime interface emulator,
//! with the environment that the template gives it and nothing else, against stand-ins of `DynamoDB`, KMS,
//! SNS and End User Messaging on the loopback interface; and as `sam deploy` deploys it, on a stand-in of AWS as a whole.

mod deployment;
mod end_user_messaging;
mod function;
mod recorder;
mod stack;
mod stand_in;

pub use deployment::Deployment;
pub use end_user_messaging::PlacedCall;
pub use function::{Measured, Reply};
pub use stack::Stack;

/// Why a function could not be run at all.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
