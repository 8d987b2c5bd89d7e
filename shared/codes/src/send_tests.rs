use std::sync::Mutex;

use async_trait::async_trait;
use postern_keys::LocalKeys;
use postern_keys::rotation::SealingKeyDue;

use super::*;

/// Texts of a service that is told of opting out, and keeps what it sent.
#[derive(Debug)]
struct Service {
    opted_out: Result<bool, ()>,
    texts: Mutex<Vec<String>>,
    calls: Mutex<usize>,
}

#[async_trait]
impl Texts for Service {
    async fn text(&self, to: &PhoneNumber, _: &str) -> Result<(), TextNotSent> {
        self.texts.lock().unwrap().push(to.as_str().to_owned());
        Ok(())
    }

    async fn is_opted_out(&self, _: &PhoneNumber) -> Result<bool, NotSent> {
        self.opted_out.map_err(|()| NotSent { operation: "ask", reason: "throttled".to_owned() })
    }
}

#[async_trait]
impl VoiceCodes for Service {
    async fn hand_on(&self, _: &SealedCall) -> Result<(), NotSent> {
        *self.calls.lock().unwrap() += 1;
        Ok(())
    }
}

async fn sent(opted_out: Result<bool, ()>, channel: Channel) -> (Result<(), Unsent>, usize, usize) {
    let keys = LocalKeys::ephemeral();
    let due = SealingKeyDue { version: 1, active_from: Timestamp::UNIX_EPOCH };
    let keyring = Keyring::open(&keys, &[due.make(&keys).await.unwrap()]).await.unwrap();
    let service = Arc::new(Service { opted_out, texts: Mutex::default(), calls: Mutex::default() });
    let codes = Codes {
        texts: service.clone(),
        voice: service.clone(),
        words: CodeWords::new("Postern", "portal.example.com"),
        limits: None,
        region: "US".to_owned(),
        random: Random::system(),
    };
    let (number, locale) = ("+12125550123".parse().unwrap(), Locale::english());
    let to = Destination { number: &number, country: "US", locale: &locale };
    let now = Timestamp::constant(1_772_863_200, 0);
    let code = codes.draw().unwrap();
    let outcome = codes.ask_and_send(&keyring, to, channel, &code, now).await;
    let (texts, calls) = (service.texts.lock().unwrap().len(), *service.calls.lock().unwrap());
    (outcome, texts, calls)
}

#[tokio::test]
async fn who_wants_no_texts_is_told_and_gets_calls() {
    assert_eq!(sent(Ok(true), Channel::Text).await, (Err(Unsent::OptedOut), 0, 0));
    assert_eq!(sent(Ok(true), Channel::Call).await, (Ok(()), 0, 1));
    let problem = Unsent::OptedOut.into_problem(Channel::Text, &[Channel::Text, Channel::Call]);
    assert_eq!((problem.status().as_u16(), problem.code()), (422, "invalid_phone"));
}

#[tokio::test]
async fn who_wants_texts_or_perhaps_does_gets_them() {
    assert_eq!(sent(Ok(false), Channel::Text).await, (Ok(()), 1, 0));
    assert_eq!(sent(Err(()), Channel::Text).await, (Ok(()), 1, 0));
}
