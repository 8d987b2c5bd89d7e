use std::sync::atomic::{AtomicBool, Ordering};

use postern_domain::activity::{Event, What};
use postern_domain::id::{AccountId, EventId};

use super::*;

/// Fails calls before or after they take effect.
#[derive(Default)]
struct Faults {
    before: AtomicBool,
    after: AtomicBool,
}

impl Faults {
    fn check(fails: &AtomicBool, operation: &'static str) -> Result<(), NotSent> {
        let reason = "told to fail".to_owned();
        if fails.load(Ordering::SeqCst) { Err(NotSent { operation, reason }) } else { Ok(()) }
    }
}

impl Gate for Faults {
    fn before(&self, service: &'static str, operation: &'static str) -> Result<(), NotSent> {
        let known = [("sns", "Publish"), ("ses", "SendEmail"), ("smsvoice", "SendVoiceMessage")];
        assert!(known.contains(&(service, operation)));
        Self::check(&self.before, operation)
    }

    fn after(&self, _: &'static str, operation: &'static str) -> Result<(), NotSent> {
        Self::check(&self.after, operation)
    }
}

fn outbox() -> (Outbox, Arc<Faults>) {
    let faults = Arc::new(Faults::default());
    (Outbox::new(faults.clone(), || Timestamp::UNIX_EPOCH), faults)
}

fn event() -> CloudEvent {
    let event = Event {
        id: EventId::from_bytes([1; 16]),
        account: AccountId::from_bytes([2; 16]),
        at: Timestamp::UNIX_EPOCH,
        what: What::SignedIn,
        place: "192.0.2.7".to_owned(),
    };
    CloudEvent::new(&event, "https://id.example")
}

async fn send(outbox: &Outbox, to: &str, subject: &'static str) -> Result<(), NotSent> {
    let notice = Letter::new(subject, "Hello".to_owned().into());
    outbox.send(&to.parse().unwrap(), &notice).await
}

#[tokio::test]
async fn messages_are_kept_the_newest_first() {
    let (outbox, _) = outbox();
    for (to, subject) in [("a@clinic.example", "1"), ("b@clinic.example", "2"), ("a@clinic.example", "3")] {
        send(&outbox, to, subject).await.unwrap();
    }
    let bodies = |to| outbox.messages(to).into_iter().map(|message| message.body).collect::<Vec<_>>();
    let [first, second, third] = ["1", "2", "3"].map(|subject| format!("Subject: {subject}\n\nHello"));
    assert_eq!(bodies(None), [third.clone(), second, first.clone()]);
    assert_eq!(bodies(Some("a@clinic.example")), [third, first]);
    assert!(bodies(Some("c@clinic.example")).is_empty());
    let written = serde_json::to_value(outbox.messages(None)).unwrap();
    assert_eq!(
        written[0],
        serde_json::json!({ "id": "msg_3", "at": "1970-01-01T00:00:00Z", "kind": "email",
                            "to": "a@clinic.example", "body": "Subject: 3\n\nHello" })
    );
}

#[tokio::test]
async fn forgetting_the_messages_begins_no_new_count() {
    let (outbox, _) = outbox();
    send(&outbox, "a@clinic.example", "1").await.unwrap();
    outbox.publish(&event()).await.unwrap();
    outbox.clear();
    assert!(outbox.messages(None).is_empty());
    assert_eq!(outbox.events().len(), 1, "the topic is another matter");
    send(&outbox, "a@clinic.example", "2").await.unwrap();
    assert_eq!(outbox.messages(None).first().map(|message| message.id.clone()).as_deref(), Some("msg_2"));
}

#[tokio::test]
async fn the_oldest_go_first() {
    let (outbox, _) = outbox();
    for _ in 0..KEPT + 5 {
        send(&outbox, "a@clinic.example", "x").await.unwrap();
        outbox.publish(&event()).await.unwrap();
    }
    let kept = outbox.messages(None);
    assert_eq!((kept.len(), outbox.events().len()), (KEPT, KEPT));
    assert_eq!(kept.last().map(|message| message.id.as_str()), Some("msg_6"));
}

#[tokio::test]
async fn a_call_that_fails_sends_nothing_and_a_lost_answer_does() {
    let (outbox, faults) = outbox();
    faults.before.store(true, Ordering::SeqCst);
    assert!(send(&outbox, "a@clinic.example", "x").await.is_err() && outbox.publish(&event()).await.is_err());
    assert!(outbox.messages(None).is_empty() && outbox.events().is_empty());

    faults.before.store(false, Ordering::SeqCst);
    faults.after.store(true, Ordering::SeqCst);
    assert!(send(&outbox, "a@clinic.example", "x").await.is_err() && outbox.publish(&event()).await.is_err());
    assert_eq!((outbox.messages(None).len(), outbox.events().len()), (1, 1));
}

#[tokio::test]
async fn what_lies_in_it_is_not_told_by_debug() {
    let (outbox, _) = outbox();
    send(&outbox, "canary@clinic.example", "canary").await.unwrap();
    assert_eq!(format!("{outbox:?}"), "Outbox");
}

fn phone() -> PhoneNumber {
    "+12125550123".parse().unwrap()
}

fn spoken() -> Spoken {
    let words = crate::CodeWords::new("Postern", "id.example");
    words.spoken(&"135790".parse().unwrap(), &"en-US".parse().unwrap())
}

#[tokio::test]
async fn texts_and_calls_are_kept_as_a_person_reads_or_hears_them() {
    let (outbox, _) = outbox();
    outbox.text(&phone(), "135790 is your code").await.unwrap();
    outbox.call(&phone(), &spoken()).await.unwrap();
    let written = serde_json::to_value(outbox.messages(Some("+12125550123"))).unwrap();
    assert_eq!(
        written,
        serde_json::json!([
            { "id": "msg_2", "at": "1970-01-01T00:00:00Z", "kind": "call", "to": "+12125550123", "body": spoken().expose_plain() },
            { "id": "msg_1", "at": "1970-01-01T00:00:00Z", "kind": "text", "to": "+12125550123", "body": "135790 is your code" },
        ])
    );
}

/// A call that fails ahead does not ring; one whose answer is lost does, and may not be placed again.
#[tokio::test]
async fn texts_and_calls_fail_as_the_services_do() {
    let (outbox, faults) = outbox();
    faults.before.store(true, Ordering::SeqCst);
    assert!(matches!(outbox.text(&phone(), "x").await, Err(TextNotSent::NotSent(_))));
    assert!(matches!(outbox.call(&phone(), &spoken()).await, Err(CallNotPlaced::Refused(_))));
    assert!(outbox.messages(None).is_empty());

    faults.before.store(false, Ordering::SeqCst);
    faults.after.store(true, Ordering::SeqCst);
    assert!(matches!(outbox.text(&phone(), "x").await, Err(TextNotSent::NotSent(_))));
    assert!(matches!(outbox.call(&phone(), &spoken()).await, Err(CallNotPlaced::Unclear(_))));
    assert_eq!(outbox.messages(None).len(), 2);
}

fn sealed() -> SealedCall {
    serde_json::from_str(r#"{"id":"call_AQEBAQEBAQEBAQEBAQEBAQ","sealed":"AQ"}"#).unwrap()
}

#[tokio::test]
async fn the_topic_delivers_before_it_answers() {
    let (outbox, faults) = outbox();
    // Nobody subscribes: it is published all the same.
    outbox.hand_on(&sealed()).await.unwrap();

    let delivered = Arc::new(Mutex::new(Vec::new()));
    let log = delivered.clone();
    let subscribe = outbox.clone();
    subscribe.on_voice_code(Arc::new(move |call| {
        let log = log.clone();
        Box::pin(async move {
            tokio::task::yield_now().await;
            log.lock().unwrap().push(call);
        })
    }));
    subscribe.on_voice_code(Arc::new(|_| panic!("the first subscriber is the only one")));
    outbox.hand_on(&sealed()).await.unwrap();
    assert_eq!(*delivered.lock().unwrap(), [sealed()]);

    faults.before.store(true, Ordering::SeqCst);
    assert!(outbox.hand_on(&sealed()).await.is_err());
    assert_eq!(delivered.lock().unwrap().len(), 1);

    faults.before.store(false, Ordering::SeqCst);
    faults.after.store(true, Ordering::SeqCst);
    assert!(outbox.hand_on(&sealed()).await.is_err());
    assert_eq!(delivered.lock().unwrap().len(), 2);
}
