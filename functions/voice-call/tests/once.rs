//! At least one delivery, at most one call.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use dynoxide::Database;
use jiff::{SignedDuration, Timestamp};
use postern_domain::phone_number::PhoneNumber;
use postern_http::Clock;
use postern_keys::rotation::SealingKeyDue;
use postern_keys::{KeyService, LocalKeys, Random};
use postern_messages::{Call, CallId, CallNotPlaced, Calls, CodeWords, NotSent, SealedCall, Spoken};
use postern_store::{KeyRecords, OpenedKeyring, Store};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use voice_call::{Delivery, Deps, handle};

/// 2025-03-01T12:00:00Z.
const NOW: Timestamp = Timestamp::constant(1_740_830_400, 0);

/// A phone that notes what it hears; each call ends as it is told, or else well.
#[derive(Debug, Default)]
struct Phone {
    heard: Mutex<Vec<(String, String)>>,
    outcomes: Mutex<VecDeque<CallNotPlaced>>,
}

#[async_trait]
impl Calls for Phone {
    async fn call(&self, to: &PhoneNumber, words: &Spoken) -> Result<(), CallNotPlaced> {
        // Long enough for every duplicate to arrive meanwhile.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        let outcome = self.outcomes.lock().unwrap().pop_front();
        if !matches!(outcome, Some(CallNotPlaced::Refused(_))) {
            self.heard.lock().unwrap().push((to.as_str().to_owned(), words.expose_plain().to_owned()));
        }
        outcome.map_or(Ok(()), Err)
    }
}

struct Bench {
    deps: Arc<Deps>,
    phone: Arc<Phone>,
    now: Arc<Mutex<Timestamp>>,
    attempts: Client,
    _stop: oneshot::Sender<()>,
}

impl Bench {
    async fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(dynoxide::server::serve_with_shutdown(listener, Database::memory().unwrap(), async {
            let _ = stopped.await;
        }));
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(format!("http://{address}"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"));
        let client = postern_store::client(config);
        postern_store::schema::create_tables(&client, "Accounts", "Attempts", "RecoveryCodes").await.unwrap();
        let keys: Arc<dyn KeyService> = Arc::new(LocalKeys::ephemeral());
        let records = KeyRecords::new(client.clone(), "Accounts");
        let due = SealingKeyDue { version: 1, active_from: Timestamp::UNIX_EPOCH };
        records.add_sealing(&due.make(&*keys).await.unwrap()).await.unwrap();
        let (phone, now) = (Arc::new(Phone::default()), Arc::new(Mutex::new(NOW)));
        let read = Arc::clone(&now);
        let deps = Deps {
            clock: Clock::from_fn(move || *read.lock().unwrap()),
            store: Store::new(client.clone(), "Accounts", "Attempts"),
            keyring: OpenedKeyring::new(keys, records),
            calls: phone.clone(),
            words: CodeWords::new("Postern", "portal.example.com"),
            random: Random::system(),
        };
        Self { deps: Arc::new(deps), phone, now, attempts: client, _stop: stop }
    }

    async fn sealed(&self, id: u8, code: &str) -> SealedCall {
        let keyring = self.deps.keyring.at(NOW).await.unwrap();
        let call = Call {
            to: "+12125550123".parse().unwrap(),
            code: code.parse().unwrap(),
            locale: "en-US".parse().unwrap(),
            expires_at: NOW + SignedDuration::from_mins(10),
        };
        SealedCall::seal(&keyring, CallId::from_bytes([id; 16]), &call, NOW).unwrap()
    }

    fn heard(&self) -> Vec<(String, String)> {
        self.phone.heard.lock().unwrap().clone()
    }

    /// The claims that stand in the table.
    async fn claims(&self) -> Vec<String> {
        let items = self.attempts.scan().table_name("Attempts").send().await.unwrap().items.unwrap();
        items.iter().map(|item| item["pk"].as_s().unwrap().clone()).collect()
    }
}

fn delivery(sealed: &SealedCall) -> Delivery {
    Delivery::of(sealed).unwrap()
}

/// As Lambda hands it out, with all that SNS says beside the message.
fn event(messages: &[&str]) -> Delivery {
    let record = |message: &&str| {
        json!({
            "EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": "arn:aws:sns:us-east-1:123456789012:VoiceCodes:1",
            "Sns": { "Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:us-east-1:123456789012:VoiceCodes",
                     "Subject": null, "Message": message, "Timestamp": "2025-03-01T12:00:00.000Z", "SignatureVersion": "1",
                     "Signature": "x", "SigningCertUrl": "x", "UnsubscribeUrl": "x", "MessageAttributes": {} }
        })
    };
    serde_json::from_value(json!({ "Records": messages.iter().map(record).collect::<Vec<_>>() })).unwrap()
}

fn refused() -> CallNotPlaced {
    CallNotPlaced::Refused(NotSent {
        operation: "sms-voice:SendVoiceMessage",
        reason: "ThrottlingException".to_owned(),
    })
}

fn unclear() -> CallNotPlaced {
    CallNotPlaced::Unclear(NotSent {
        operation: "sms-voice:SendVoiceMessage",
        reason: "timed out".to_owned(),
    })
}

#[tokio::test]
async fn a_call_is_placed_in_the_words_for_it() {
    let bench = Bench::new().await;
    let sealed = serde_json::to_string(&bench.sealed(1, "135790").await).unwrap();
    handle(&bench.deps, event(&[&sealed])).await.unwrap();
    let heard = bench.heard();
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].0, "+12125550123");
    assert!(heard[0].1.contains("1, 3, 5, 7, 9, 0"), "{heard:?}");
    assert_eq!(bench.claims().await, ["CALL#call_AQEBAQEBAQEBAQEBAQEBAQ"]);
    // Two codes, two calls.
    handle(&bench.deps, delivery(&bench.sealed(2, "246801").await)).await.unwrap();
    assert_eq!(bench.heard().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_deliveries_at_once_are_one_call() {
    let bench = Bench::new().await;
    let sealed = bench.sealed(1, "135790").await;
    let handled: Vec<_> = (0..50)
        .map(|_| {
            let (deps, delivery) = (bench.deps.clone(), delivery(&sealed));
            tokio::spawn(async move { handle(&deps, delivery).await })
        })
        .collect();
    for handled in handled {
        handled.await.unwrap().unwrap();
    }
    assert_eq!(bench.heard().len(), 1);
    // And one long after.
    handle(&bench.deps, delivery(&sealed)).await.unwrap();
    assert_eq!(bench.heard().len(), 1);
}

#[tokio::test]
async fn what_was_refused_is_placed_at_the_next_try() {
    let bench = Bench::new().await;
    let sealed = bench.sealed(1, "135790").await;
    bench.phone.outcomes.lock().unwrap().extend([refused(), refused()]);
    for _ in 0..2 {
        let failed = handle(&bench.deps, delivery(&sealed)).await.unwrap_err().to_string();
        assert!(failed.contains("ThrottlingException") && failed.contains("call_"), "{failed}");
        assert!(!failed.contains("5550") && !failed.contains("135790"), "{failed}");
        assert!(bench.heard().is_empty() && bench.claims().await.is_empty());
    }
    handle(&bench.deps, delivery(&sealed)).await.unwrap();
    handle(&bench.deps, delivery(&sealed)).await.unwrap();
    assert_eq!(bench.heard().len(), 1);
}

#[tokio::test]
async fn what_may_ring_is_not_placed_again() {
    let bench = Bench::new().await;
    let sealed = bench.sealed(1, "135790").await;
    bench.phone.outcomes.lock().unwrap().push_back(unclear());
    for _ in 0..3 {
        handle(&bench.deps, delivery(&sealed)).await.unwrap();
    }
    assert_eq!(bench.heard().len(), 1);
}

/// One that fails keeps none of the others from their turn.
#[tokio::test]
async fn several_at_once() {
    let bench = Bench::new().await;
    let [first, second] = [bench.sealed(1, "135790").await, bench.sealed(2, "246801").await]
        .map(|sealed| serde_json::to_string(&sealed).unwrap());
    bench.phone.outcomes.lock().unwrap().push_back(refused());
    handle(&bench.deps, event(&[&first, &second])).await.unwrap_err();
    assert_eq!(bench.heard().len(), 1);
    handle(&bench.deps, event(&[&first, &second])).await.unwrap();
    assert_eq!(bench.heard().len(), 2);
}

#[tokio::test]
async fn whoever_is_nobody_is_not_called() {
    let bench = Bench::new().await;
    let keyring = bench.deps.keyring.at(NOW).await.unwrap();
    let nothing = SealedCall::seal_nothing(&keyring, CallId::from_bytes([1; 16]), NOW).unwrap();
    handle(&bench.deps, delivery(&nothing)).await.unwrap();
    assert!(bench.heard().is_empty() && bench.claims().await.is_empty());
}

/// At the instant itself it is over.
#[tokio::test]
async fn a_code_that_is_over_is_not_told() {
    let bench = Bench::new().await;
    let sealed = bench.sealed(1, "135790").await;
    let expires_at = NOW + SignedDuration::from_mins(10);
    *bench.now.lock().unwrap() = expires_at;
    handle(&bench.deps, delivery(&sealed)).await.unwrap();
    assert!(bench.heard().is_empty() && bench.claims().await.is_empty());
    *bench.now.lock().unwrap() = expires_at - SignedDuration::from_millis(1);
    handle(&bench.deps, delivery(&sealed)).await.unwrap();
    assert_eq!(bench.heard().len(), 1);
}

/// Dropped, and not asked for again: it never becomes a call.
#[tokio::test]
async fn what_was_not_sealed_here_is_dropped() {
    let bench = Bench::new().await;
    let elsewhere = Bench::new().await.sealed(1, "135790").await;
    let own = serde_json::to_value(bench.sealed(1, "135790").await).unwrap();
    let with = |name: &str, value: &str| {
        let mut changed = own.clone();
        changed[name] = json!(value);
        changed.to_string()
    };
    let sealed = own["sealed"].as_str().unwrap();
    let flipped =
        format!("{}{}", &sealed[..sealed.len() - 4], if sealed.ends_with("AAAA") { "BBBA" } else { "AAAA" });
    for message in [
        serde_json::to_string(&elsewhere).unwrap(),
        with("id", "call_AgICAgICAgICAgICAgICAg"),
        with("id", "CALL#x"),
        with("sealed", &flipped),
        with("sealed", ""),
        with("sealed", "AQ"),
        with("sealed", "not base64url"),
        "{}".to_owned(),
        String::new(),
        "135790".to_owned(),
    ] {
        assert_eq!(handle(&bench.deps, event(&[&message])).await, Ok(()), "{message}");
    }
    assert!(bench.heard().is_empty() && bench.claims().await.is_empty());
    handle(&bench.deps, event(&[&own.to_string()])).await.unwrap();
    assert_eq!(bench.heard().len(), 1);
}

/// It may be of a key that is newer than this instance: another instance has its try, as often as Lambda allows.
#[tokio::test]
async fn a_version_that_is_not_known_is_tried_again() {
    let bench = Bench::new().await;
    // The second byte of what is sealed is the version's first.
    let own = serde_json::to_string(&bench.sealed(1, "135790").await).unwrap();
    let newer = own.replace(r#""sealed":"AQ"#, r#""sealed":"Af"#);
    assert_ne!(own, newer);
    assert!(handle(&bench.deps, event(&[&newer])).await.unwrap_err().to_string().contains("version"));
    assert!(bench.heard().is_empty() && bench.claims().await.is_empty());
}

/// The claim's owner alone gives it back, and finds it again as its own.
#[tokio::test]
async fn claims() {
    let bench = Bench::new().await;
    let store = &bench.deps.store;
    assert!(store.claim_call("call_1", "a", NOW).await.unwrap());
    assert!(store.claim_call("call_1", "a", NOW).await.unwrap(), "an answer was lost");
    assert!(!store.claim_call("call_1", "b", NOW).await.unwrap());
    store.release_call("call_1", "b").await.unwrap();
    assert_eq!(bench.claims().await, ["CALL#call_1"]);
    store.release_call("call_1", "a").await.unwrap();
    store.release_call("call_1", "a").await.unwrap();
    assert!(bench.claims().await.is_empty());
    assert!(store.claim_call("call_1", "b", NOW).await.unwrap());
}

/// Without its record the claim is not made, and nobody is called: the delivery comes again.
#[tokio::test]
async fn without_the_tables_nobody_is_called() {
    let bench = Bench::new().await;
    let sealed = bench.sealed(1, "135790").await;
    bench.attempts.delete_table().table_name("Attempts").send().await.unwrap();
    let failed = handle(&bench.deps, delivery(&sealed)).await.unwrap_err().to_string();
    assert!(failed.contains("PutItem") && !failed.contains("5550"), "{failed}");
    assert!(bench.heard().is_empty());
}
