//! What goes out through SNS, over HTTP, with ministack in its place: what a subscriber or a phone gets.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

use aws_sdk_sns::Client;
use aws_sdk_sns::config::{BehaviorVersion, Credentials, Region};
use jiff::Timestamp;
use postern_domain::activity::{Event, What};
use postern_domain::id::{AccountId, EventId};
use postern_messages::{
    CloudEvent, SealedCall, SecurityEvents, Sns, SnsTexts, SnsVoiceCodes, Texts, VoiceCodes,
};
use serde_json::{Value, json};

/// 2025-03-01T12:00:00.123Z.
const NOW: Timestamp = Timestamp::constant(1_740_830_400, 123_000_000);

#[tokio::test]
async fn a_subscriber_gets_the_event_as_it_is() {
    let stand_in = StandIn::new("whole").await;
    let queue = stand_in.subscribed("everything", None).await;
    let sns = Sns::new(stand_in.sns.clone(), &stand_in.topic);
    sns.publish(&cloud_event(1, What::PasskeyAdded)).await.unwrap();

    let [message] = &*stand_in.received(&queue).await else { panic!("not one message") };
    let body: Value = serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
    assert_eq!(
        body,
        json!({
            "specversion": "1.0",
            "id": "evt_AQEBAQEBAQEBAQEBAQEBAQ",
            "source": "https://id.example",
            "type": "postern.account.passkey_added",
            "subject": "acc_BwcHBwcHBwcHBwcHBwcHBw",
            "time": "2025-03-01T12:00:00.123Z",
            "datacontenttype": "application/json",
            "data": {
                "version": "1",
                "account": "acc_BwcHBwcHBwcHBwcHBwcHBw",
                "what": "passkey_added",
                "where": "192.0.2.7",
            },
        })
    );
    let attribute = &message["MessageAttributes"]["type"];
    assert_eq!(attribute["DataType"], "String");
    assert_eq!(attribute["StringValue"], "postern.account.passkey_added");
}

/// Without reading the body.
#[tokio::test]
async fn a_subscriber_may_ask_for_some_types_alone() {
    let stand_in = StandIn::new("filtered").await;
    let wanted = json!({ "type": ["postern.account.recovery_code_issued"] });
    let queue = stand_in.subscribed("some", Some(wanted)).await;
    let sns = Sns::new(stand_in.sns.clone(), &stand_in.topic);
    for (number, what) in [(1, What::SignedIn), (2, What::RecoveryCodeIssued), (3, What::PasskeyAdded)] {
        sns.publish(&cloud_event(number, what)).await.unwrap();
    }
    let [message] = &*stand_in.received(&queue).await else { panic!("not one message") };
    assert!(message["Body"].as_str().unwrap().contains("recovery_code_issued"), "{message}");
}

#[tokio::test]
async fn a_topic_that_is_not_there() {
    let stand_in = StandIn::new("there").await;
    let sns = Sns::new(stand_in.sns.clone(), format!("{}-not", stand_in.topic));
    let error = sns.publish(&cloud_event(1, What::SignedIn)).await.unwrap_err();
    assert_eq!(error.operation, "sns:Publish");
    assert!(error.reason.starts_with("NotFound"), "{error}");
    assert!(!error.to_string().contains("acc_"), "{error}");
}

#[tokio::test]
async fn a_phone_gets_the_text_as_it_is() {
    let stand_in = StandIn::new("texts").await;
    let body = "135790 is your Postern code\n\n@id.example #135790";
    for (number, sender) in [("+12125550131", None), ("+12125550132", Some("+12065550100"))] {
        let texts = SnsTexts::new(stand_in.sns.clone(), sender.map(str::to_owned));
        texts.text(&number.parse().unwrap(), body).await.unwrap();
        let [text] = &*stand_in.texts(number).await else { panic!("not one text") };
        assert_eq!((&text["PhoneNumber"], &text["Message"]), (&json!(number), &json!(body)));
        assert!(text["TopicArn"].is_null() && text["Subject"].is_null(), "{text}");
        let attributes = text["MessageAttributes"].as_object().unwrap();
        let value =
            |name: &str| attributes.get(name).map(|attribute| attribute["StringValue"].as_str().unwrap());
        assert_eq!(value("AWS.SNS.SMS.SMSType"), Some("Transactional"));
        assert_eq!(value("AWS.MM.SMS.OriginationNumber"), sender);
        assert_eq!(attributes.len(), 1 + usize::from(sender.is_some()));
    }
}

#[tokio::test]
async fn who_places_calls_gets_them_sealed() {
    let stand_in = StandIn::new("voice").await;
    let queue = stand_in.subscribed("voice-codes", None).await;
    let written = r#"{"id":"call_AQEBAQEBAQEBAQEBAQEBAQ","sealed":"AQID"}"#;
    let sealed: SealedCall = serde_json::from_str(written).unwrap();
    SnsVoiceCodes::new(stand_in.sns.clone(), &stand_in.topic).hand_on(&sealed).await.unwrap();
    let [message] = &*stand_in.received(&queue).await else { panic!("not one message") };
    assert_eq!(message["Body"], written);
    assert!(message["MessageAttributes"].is_null(), "{message}");
}

fn cloud_event(number: u8, what: What) -> CloudEvent {
    let event = Event {
        id: EventId::from_bytes([number; 16]),
        account: AccountId::from_bytes([7; 16]),
        at: NOW,
        what,
        place: "192.0.2.7".to_owned(),
    };
    CloudEvent::new(&event, "https://id.example")
}

/// A topic, and queues that are subscribed to it.
struct StandIn {
    address: String,
    sns: Client,
    topic: String,
    http: reqwest::Client,
}

impl StandIn {
    #[expect(clippy::disallowed_methods, reason = "the test command says where the stand-in is")]
    async fn new(name: &str) -> Self {
        let Ok(address) = std::env::var("POSTERN_STAND_IN") else {
            panic!(
                "POSTERN_STAND_IN is not set: this test speaks to a stand-in of AWS SNS, which tests/stand-ins/start \
                 starts. Run\n    tests/stand-ins/with cargo test -p postern-messages"
            )
        };
        let credentials = Credentials::builder()
            .access_key_id("test")
            .secret_access_key("test")
            .provider_name("test")
            .build();
        let config = aws_sdk_sns::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&address)
            .credentials_provider(credentials)
            .build();
        let sns = Client::from_conf(config);
        let topic = sns.create_topic().name(format!("SecurityEvents-{name}")).send().await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { address, sns, topic: topic.topic_arn.unwrap(), http }
    }

    /// What a phone has got.
    async fn texts(&self, number: &str) -> Vec<Value> {
        let texts = format!("{}/_ministack/sns/sms-messages", self.address);
        let texts = self.http.get(texts).send().await.unwrap().error_for_status().unwrap();
        let texts: Value = texts.json().await.unwrap();
        texts["sms_messages"][number].as_array().cloned().unwrap_or_default()
    }

    /// A new queue that gets what matches `filter`. Its address.
    async fn subscribed(&self, name: &str, filter: Option<Value>) -> String {
        let made = self.sqs("CreateQueue", &json!({ "QueueName": name })).await;
        let queue = made["QueueUrl"].as_str().unwrap().to_owned();
        self.sqs("PurgeQueue", &json!({ "QueueUrl": queue })).await;
        let attributes = self
            .sqs("GetQueueAttributes", &json!({ "QueueUrl": queue, "AttributeNames": ["QueueArn"] }))
            .await;
        let mut subscribe = self
            .sns
            .subscribe()
            .topic_arn(&self.topic)
            .protocol("sqs")
            .endpoint(attributes["Attributes"]["QueueArn"].as_str().unwrap())
            .attributes("RawMessageDelivery", "true");
        if let Some(filter) = filter {
            subscribe = subscribe.attributes("FilterPolicy", filter.to_string());
        }
        subscribe.send().await.unwrap();
        queue
    }

    /// What the queue has got: delivery was before the answer to `Publish`.
    async fn received(&self, queue: &str) -> Vec<Value> {
        let wanted =
            json!({ "QueueUrl": queue, "MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"] });
        let received = self.sqs("ReceiveMessage", &wanted).await;
        received["Messages"].as_array().cloned().unwrap_or_default()
    }

    async fn sqs(&self, operation: &str, request: &Value) -> Value {
        let request = self
            .http
            .post(&self.address)
            .header("x-amz-target", format!("AmazonSQS.{operation}"))
            .header("content-type", "application/x-amz-json-1.0")
            .body(request.to_string());
        let answer = request.send().await.unwrap().error_for_status().unwrap().bytes().await.unwrap();
        if answer.is_empty() { Value::Null } else { serde_json::from_slice(&answer).unwrap() }
    }
}
