//! The local run's half: what would have gone out, for a person to read.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use postern_domain::name::Email;
use postern_domain::phone_number::PhoneNumber;
use serde::Serialize;

use crate::{
    CallNotPlaced, Calls, CloudEvent, Letter, Mail, NotSent, SealedCall, SecurityEvents, Spoken, TextNotSent,
    Texts, VoiceCodes,
};

/// Messages kept; the oldest go first.
const KEPT: usize = 1000;

/// How a message would have gone out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Text,
    Call,
    Email,
}

/// A message that would have gone out.
#[derive(Debug, Clone, Serialize)]
pub struct Message {
    pub id: String,
    pub at: Timestamp,
    pub kind: Kind,
    pub to: String,
    pub body: String,
}

/// Stands before and after each call: faults, and the count of calls. `service` and `operation` in AWS's
/// names.
pub trait Gate: Send + Sync {
    fn before(&self, service: &'static str, operation: &'static str) -> Result<(), NotSent>;
    fn after(&self, service: &'static str, operation: &'static str) -> Result<(), NotSent>;
}

/// Who subscribes to the `VoiceCodes` topic: what it delivers, once each, and done when the subscriber is.
pub type Subscriber = Arc<dyn Fn(SealedCall) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// An outbox in memory.
#[derive(Clone)]
pub struct Outbox {
    kept: Arc<Mutex<Kept>>,
    voice_codes: Arc<OnceLock<Subscriber>>,
    gate: Arc<dyn Gate>,
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

#[derive(Default)]
struct Kept {
    messages: VecDeque<Message>,
    events: VecDeque<CloudEvent>,
    sent: u64,
}

impl Outbox {
    #[must_use]
    pub fn new(gate: Arc<dyn Gate>, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { kept: Arc::default(), voice_codes: Arc::default(), gate, now: Arc::new(now) }
    }

    /// Subscribes to the `VoiceCodes` topic. The first subscriber is the only one. The topic delivers before it answers, so
    /// that a call is there to see as soon as the request that asked for it is answered.
    pub fn on_voice_code(&self, subscriber: Subscriber) {
        let _ = self.voice_codes.set(subscriber);
    }

    /// The messages to `to`, or all, the newest first.
    #[must_use]
    pub fn messages(&self, to: Option<&str>) -> Vec<Message> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.messages.iter().rev().filter(|message| to.is_none_or(|to| message.to == to)).cloned().collect()
    }

    /// What was published to the topic, the newest first.
    #[must_use]
    pub fn events(&self) -> Vec<CloudEvent> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.events.iter().rev().cloned().collect()
    }

    /// Forgets the messages.
    pub fn clear(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).messages.clear();
    }

    fn keep(&self, kind: Kind, to: &str, body: String) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.sent += 1;
        let message =
            Message { id: format!("msg_{}", kept.sent), at: (self.now)(), kind, to: to.to_owned(), body };
        kept.messages.push_back(message);
        if kept.messages.len() > KEPT {
            kept.messages.pop_front();
        }
    }
}

#[async_trait]
impl SecurityEvents for Outbox {
    async fn publish(&self, event: &CloudEvent) -> Result<(), NotSent> {
        self.gate.before("sns", "Publish")?;
        {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.events.push_back(event.clone());
            if kept.events.len() > KEPT {
                kept.events.pop_front();
            }
        }
        self.gate.after("sns", "Publish")
    }
}

#[async_trait]
impl Mail for Outbox {
    async fn send(&self, to: &Email, letter: &Letter) -> Result<(), NotSent> {
        self.gate.before("ses", "SendEmail")?;
        let body = format!("Subject: {}\n\n{}", letter.subject(), letter.expose_body());
        self.keep(Kind::Email, to.as_str(), body);
        self.gate.after("ses", "SendEmail")
    }

    async fn send_to_nobody(&self, _: &Letter) -> Result<(), NotSent> {
        self.gate.before("ses", "SendEmail")?;
        self.gate.after("ses", "SendEmail")
    }
}

#[async_trait]
impl Texts for Outbox {
    async fn text(&self, to: &PhoneNumber, body: &str) -> Result<(), TextNotSent> {
        self.gate.before("sns", "Publish")?;
        self.keep(Kind::Text, to.as_str(), body.to_owned());
        Ok(self.gate.after("sns", "Publish")?)
    }

    /// Nobody opts out of what only this machine shows.
    async fn is_opted_out(&self, _: &PhoneNumber) -> Result<bool, NotSent> {
        self.gate.before("sns", "CheckIfPhoneNumberIsOptedOut")?;
        self.gate.after("sns", "CheckIfPhoneNumberIsOptedOut")?;
        Ok(false)
    }
}

#[async_trait]
impl VoiceCodes for Outbox {
    async fn hand_on(&self, call: &SealedCall) -> Result<(), NotSent> {
        self.gate.before("sns", "Publish")?;
        if let Some(subscriber) = self.voice_codes.get() {
            subscriber(call.clone()).await;
        }
        self.gate.after("sns", "Publish")
    }
}

#[async_trait]
impl Calls for Outbox {
    async fn call(&self, to: &PhoneNumber, words: &Spoken) -> Result<(), CallNotPlaced> {
        self.gate.before("smsvoice", "SendVoiceMessage").map_err(CallNotPlaced::Refused)?;
        self.keep(Kind::Call, to.as_str(), words.expose_plain().to_owned());
        self.gate.after("smsvoice", "SendVoiceMessage").map_err(CallNotPlaced::Unclear)
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outbox")
    }
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
