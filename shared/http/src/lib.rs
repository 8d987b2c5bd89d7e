//! Event in, answer out.
//!
//! A step sees a [`Request`] and gives a [`Reply`] or a [`Problem`]; [`serve`] is the loop between it
//! and Lambda, and [`Frame::answer`] what both Lambda and the local run call.

mod clock;
mod cookies;
mod counts;
mod edge;
mod json;
mod problem;
mod reply;
mod request;
pub mod routes;
mod serve;
mod settings;
pub mod view;

pub use clock::Clock;
pub use cookies::{SESSION_COOKIE, SessionToken};
pub use edge::Edge;
pub use problem::{Cause, Problem};
pub use reply::Reply;
pub use request::{LARGEST_BODY, Request};
pub use serve::{BoxFuture, Frame, Runs, init_logging, serve};
pub use settings::{InvalidSetting, Settings};

pub use http::{HeaderName, StatusCode};
pub use lambda_http::Error;
