//! What goes out, after its transition is stored.
//!
//! - [`SecurityEvents`]: the topic that a deployment's own systems subscribe to; CloudEvents 1.0.
//! - [`Mail`]: notices to the owner's address.
//!
//! Each is a trait with an adapter for AWS and a half for the local run, the [`Outbox`], where a person
//! reads what would have gone out.

mod cloud_event;
mod notice;
mod outbox;
mod sns;

pub use cloud_event::CloudEvent;
pub use notice::Notice;
pub use outbox::{Gate, Kind, Message, Outbox};
pub use sns::Sns;

use async_trait::async_trait;
use postern_domain::name::Email;

/// A message did not go out. Asking again is right: delivery is at least once.
#[derive(thiserror::Error, Debug, Clone, PartialEq, Eq)]
#[error("{operation} failed: {reason}")]
pub struct NotSent {
    pub operation: &'static str,
    pub reason: String,
}

/// The `SecurityEvents` topic.
#[async_trait]
pub trait SecurityEvents: Send + Sync + std::fmt::Debug {
    /// `sns:Publish`.
    async fn publish(&self, event: &CloudEvent) -> Result<(), NotSent>;
}

/// Email to an account's own address.
#[async_trait]
pub trait Mail: Send + Sync + std::fmt::Debug {
    /// `ses:SendEmail`.
    async fn send(&self, to: &Email, notice: &Notice) -> Result<(), NotSent>;
}
