//! What is counted of a function's run, and the lines that `CloudWatch` takes the counts from.
//!
//! A step counts by [`count`], wherever it is in its calls, as it logs: the run's [`Tally`] stands around it. When the run
//! is over, one line goes out ([`Metrics`]); none for a run in which nothing was counted.
//!
//! [`Metric`] is all that there is: each of its values names a kind of thing, never a person, an account, an address or a
//! number. `infra/template.yaml` names these metrics in its alarms and its dashboard, and a test holds the two together.

mod aws;
mod lines;
mod metric;
mod tally;

pub use aws::count_aws_error;
pub use lines::{Metrics, NAMESPACE};
pub use metric::{
    Channel, Country, DECLARED, Declared, Kind, Method, Metric, Outcome, Sent, Service, UNIT, Way,
};
pub use tally::{Tally, count, count_wrong};
