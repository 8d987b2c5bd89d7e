//! The local run: the whole of Postern in one process.
//!
//! It reads the routes from `infra/template.yaml`, turns each HTTP request into the API Gateway event
//! that the deployed function would get, and calls the same `handle`. `DynamoDB` is embedded, on disk, and
//! spoken to by the same aws-sdk-dynamodb code; keys and messages are the traits' local halves.
//!
//! ```text
//! HTTP → gateway → lambda_http → Frame::answer → handle ─┬─ aws-sdk-dynamodb → Toll → the embedded engine
//!                                                        ├─ LocalKeys, behind the Toll
//!                                                        └─ the stream → security-notices → Outbox
//! ```

mod clock;
mod dev;
mod engine;
mod functions;
mod gateway;
mod meter;
mod metrics;
mod notices;
mod options;
mod readiness;
mod run;
mod seed;
mod template;
mod toll;
mod units;

pub use meter::{Meter, Spent};
pub use metrics::MetricLines;
pub use options::{Command, CommandLine, Options};
pub use readiness::{NoReport, ReadinessOptions, Report};
pub use run::{LocalRun, NotStarted};
pub use seed::{EMAIL as SEEDED_EMAIL, PASSWORD as SEEDED_PASSWORD, USERNAME as SEEDED_USERNAME};
pub use template::{Route, Template};
pub use toll::{Fault, FaultKind, Service, Toll};
pub use units::Units;
