//! Sending a code, or nothing that looks like it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use postern_domain::account::Channel;
use postern_domain::guess::whole_seconds;
use postern_domain::name::{Locale, Username};
use postern_domain::one_time_code::{self, OneTimeCode, SENT_CODE_LIVES};
use postern_domain::phone_number::PhoneNumber;
use postern_http::{InvalidSetting, Problem, Settings, StatusCode};
use postern_keys::{Keyring, Purpose, Random};
use postern_messages::{
    Call, CallId, CodeWords, NotSent, SealedCall, SnsTexts, SnsVoiceCodes, TextNotSent, Texts, VoiceCodes,
};
use postern_metrics::{Country, Metric, Sent, count};
use postern_store::{DeploymentLimits, NotNow, Sending};
use secrecy::ExposeSecret;
use tracing::warn;

/// What sending takes at the least where nothing is proven: more than either way of it does. To somebody goes a message to a number or a
/// letter, to nobody one that is dropped, and the services take their time with each.
pub const BEFORE_PROOF: Duration = Duration::from_millis(250);

/// What drawing and sending codes takes.
#[derive(Clone)]
pub struct Codes {
    pub texts: Arc<dyn Texts>,
    pub voice: Arc<dyn VoiceCodes>,
    pub words: CodeWords,
    /// None: limits per address and for the whole deployment are lifted.
    pub limits: Option<DeploymentLimits>,
    /// Country of numbers that are nobody's.
    pub region: String,
    pub random: Random,
}

/// Whom a code goes to. None of it: somebody who is not there, and to whom nothing goes.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    pub number: &'a PhoneNumber,
    pub country: &'a str,
    pub locale: &'a Locale,
}

/// Nothing went out.
#[derive(Debug, PartialEq, Eq)]
pub enum Unsent {
    /// The number's owner wants no texts.
    OptedOut,
    Failed(NotSent),
}

impl Codes {
    /// By SNS, as the deployment wants it. Reads `DEFAULT_REGION`, `RP_ID`, `RP_NAME`, `SMS_SENDER` where there is one,
    /// `VOICE_CODES_TOPIC` and what [`Self::limits_from`] does.
    pub fn from_settings(settings: &Settings, sns: aws_sdk_sns::Client) -> Result<Self, InvalidSetting> {
        Ok(Self {
            texts: Arc::new(SnsTexts::new(sns.clone(), settings.optional("SMS_SENDER"))),
            voice: Arc::new(SnsVoiceCodes::new(sns, settings.required("VOICE_CODES_TOPIC")?)),
            words: CodeWords::new(settings.required("RP_NAME")?, settings.required("RP_ID")?),
            limits: Some(Self::limits_from(settings)?),
            region: settings.required("DEFAULT_REGION")?,
            random: Random::system(),
        })
    }

    /// Reads `SENDS_PER_HOUR` and `SENDS_PER_COUNTRY_HOUR`.
    pub fn limits_from(settings: &Settings) -> Result<DeploymentLimits, InvalidSetting> {
        Ok(DeploymentLimits {
            sends: settings.parsed("SENDS_PER_HOUR", "a number")?,
            sends_per_country: settings.parsed("SENDS_PER_COUNTRY_HOUR", "a number")?,
        })
    }

    /// A code as it was typed: 400 for what can be none, which costs no guess.
    pub fn typed(code: &str) -> Result<OneTimeCode, Problem> {
        code.parse().map_err(|error| Problem::bad_request(format!("The code is refused: {error}.")))
    }

    /// A new code, each equally likely.
    pub fn draw(&self) -> Result<OneTimeCode, Problem> {
        drawn(&self.random)
    }

    /// When a code that goes out at `now` is over.
    #[must_use]
    pub fn expiry(now: Timestamp) -> Timestamp {
        now.saturating_add(SENT_CODE_LIVES).unwrap_or(Timestamp::MAX)
    }

    /// What a send is counted by: MACs, so that the limits' records name nobody.
    #[must_use]
    pub fn counted(
        &self,
        keyring: &Keyring,
        username: &Username,
        to: Option<Destination<'_>>,
        address: &str,
        now: Timestamp,
    ) -> Sending {
        let mac =
            |what: &[u8], value: &str| limit_mac(keyring, Purpose::PhoneCode, what, value.as_bytes(), now);
        let number = match to {
            Some(to) => mac(b"number", to.number.as_str()),
            // As if it were a number of its own: it, too, gets one in thirty seconds.
            None => mac(b"nobody", username.as_str()),
        };
        Sending {
            username: username.clone(),
            number,
            name: None,
            address: mac(b"address", address),
            country: to.map_or(&*self.region, |to| to.country).to_owned(),
            limits: self.limits,
        }
    }

    /// As [`Self::counted`], for a sign-in that has proven nothing: by its name as well.
    #[must_use]
    pub fn counted_before_proof(
        &self,
        keyring: &Keyring,
        username: &Username,
        to: Option<Destination<'_>>,
        address: &str,
        now: Timestamp,
    ) -> Sending {
        let name = limit_mac(keyring, Purpose::PhoneCode, b"name", username.as_str().as_bytes(), now);
        Sending { name: Some(name), ..self.counted(keyring, username, to, address, now) }
    }

    /// Sends `code`; to nobody, the topic gets what it drops. One call to SNS in each case.
    pub async fn send(
        &self,
        keyring: &Keyring,
        to: Option<Destination<'_>>,
        channel: Channel,
        code: &OneTimeCode,
        now: Timestamp,
    ) -> Result<(), Unsent> {
        let sent = self.hand_over(keyring, to, channel, code, now).await;
        let country = to.map_or(&*self.region, |to| to.country);
        count_send(channel, country, to.is_some(), &sent);
        sent
    }

    async fn hand_over(
        &self,
        keyring: &Keyring,
        to: Option<Destination<'_>>,
        channel: Channel,
        code: &OneTimeCode,
        now: Timestamp,
    ) -> Result<(), Unsent> {
        let sealing =
            |_| Unsent::Failed(NotSent { operation: "seal", reason: "the keyring did not seal".to_owned() });
        let id = CallId::from_bytes(self.random.fill());
        match (to, channel) {
            (Some(to), Channel::Text) => {
                let body = self.words.text(code, to.locale);
                self.texts.text(to.number, body.expose_secret()).await.map_err(|error| match error {
                    TextNotSent::OptedOut => Unsent::OptedOut,
                    TextNotSent::NotSent(error) => Unsent::Failed(error),
                })
            }
            (Some(to), Channel::Call) => {
                let call = Call {
                    to: to.number.clone(),
                    code: code.clone(),
                    locale: to.locale.clone(),
                    expires_at: Self::expiry(now),
                };
                let call = SealedCall::seal(keyring, id, &call, now).map_err(sealing)?;
                self.voice.hand_on(&call).await.map_err(Unsent::Failed)
            }
            (None, Channel::Text | Channel::Call) => {
                let nothing = SealedCall::seal_nothing(keyring, id, now).map_err(sealing)?;
                self.voice.hand_on(&nothing).await.map_err(Unsent::Failed)
            }
        }
    }
}

impl Codes {
    /// As [`Self::send`], once it is asked whether the number wants texts: a service that drops them does not say so. Where
    /// nobody can tell, the text goes out. One call more for a text.
    pub async fn ask_and_send(
        &self,
        keyring: &Keyring,
        to: Destination<'_>,
        channel: Channel,
        code: &OneTimeCode,
        now: Timestamp,
    ) -> Result<(), Unsent> {
        if channel == Channel::Text {
            match self.texts.is_opted_out(to.number).await {
                Ok(true) => {
                    let sent = Err(Unsent::OptedOut);
                    count_send(channel, to.country, true, &sent);
                    return sent;
                }
                Ok(false) => {}
                Err(error) => warn!(%error, "whether a number is opted out is not known"),
            }
        }
        self.send(keyring, Some(to), channel, code, now).await
    }
}

impl std::fmt::Debug for Codes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Codes")
    }
}

impl Unsent {
    /// An honest 503, with the way that is left; a number that wants no texts is told so.
    #[must_use]
    pub fn into_problem(self, channel: Channel, channels: &[Channel]) -> Problem {
        let others = channels.iter().filter(|other| **other != channel);
        let others: Vec<&str> = others.map(|other| other.as_str()).collect();
        match self {
            Self::OptedOut => Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid_phone",
                "This number refuses texts. Text START to the sender, or let us call.",
            )
            .with("reasons", vec!["opted_out"]),
            Self::Failed(cause) => {
                Problem::unavailable(cause).with("channel", channel.as_str()).with("channels", others)
            }
        }
    }
}

pub(crate) fn drawn(random: &Random) -> Result<OneTimeCode, Problem> {
    let digits = random.digits(one_time_code::LENGTH);
    digits.expose_secret().parse().map_err(Problem::unavailable)
}

/// What a limit's record is named by: it says nothing of the value.
pub(crate) fn limit_mac(
    keyring: &Keyring,
    purpose: Purpose,
    what: &[u8],
    value: &[u8],
    now: Timestamp,
) -> [u8; 32] {
    keyring.mac(purpose, &[b"limit", what, value], now).tag
}

fn count_send(channel: Channel, country: &str, to_somebody: bool, sent: &Result<(), Unsent>) {
    let outcome = match sent {
        Ok(()) if to_somebody => Sent::Sent,
        Ok(()) => Sent::Nobody,
        Err(Unsent::OptedOut) => Sent::OptedOut,
        Err(Unsent::Failed(_)) => Sent::Failed,
    };
    count(Metric::Sends { channel: channel.into(), country: Country::of(country), outcome });
}

/// Why nothing may be sent now, as the client sees it.
#[must_use]
pub fn too_soon(not_now: NotNow, now: Timestamp) -> Problem {
    match not_now {
        NotNow::Limited(until) => Problem::too_many_requests(whole_seconds(until.duration_since(now))),
        NotNow::Locked(standing) => Problem::locked(standing, now),
        NotNow::SignInOver => Problem::sign_in_expired(),
    }
}

#[cfg(test)]
#[path = "send_tests.rs"]
mod tests;
