//! What we make of each of SNS's failures, and what of them may be told.

use std::time::Duration;

use aws_sdk_sns::config::retry::RetryConfig;
use aws_sdk_sns::config::timeout::TimeoutConfig;
use aws_sdk_sns::config::{BehaviorVersion, Credentials, Region};
use postern_domain::activity::{Event, What};
use postern_domain::id::{AccountId, EventId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use jiff::Timestamp;

use super::*;

/// SNS at this port, asked once and for as long as it takes.
fn sns(port: u16) -> Sns {
    with_timeouts(port, TimeoutConfig::disabled())
}

fn with_timeouts(port: u16, timeouts: TimeoutConfig) -> Sns {
    Sns::new(client(port, timeouts), "arn:aws:sns:us-east-1:123456789012:canary-topic")
}

fn client(port: u16, timeouts: TimeoutConfig) -> Client {
    Client::from_conf(config(port).retry_config(RetryConfig::disabled()).timeout_config(timeouts).build())
}

fn config(port: u16) -> Builder {
    aws_sdk_sns::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(format!("http://127.0.0.1:{port}"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
}

fn event() -> CloudEvent {
    let event = Event {
        id: EventId::from_bytes([1; 16]),
        account: AccountId::from_bytes([2; 16]),
        at: Timestamp::UNIX_EPOCH,
        what: What::SignedIn,
        place: "canary-place".to_owned(),
    };
    CloudEvent::new(&event, "https://canary.example")
}

/// What comes of an answer.
async fn published(status: u16, body: &str) -> NotSent {
    let not_sent = sns(answering(status, body).await).publish(&event()).await.unwrap_err();
    let told = format!("{not_sent} {not_sent:?}");
    assert!(!told.contains("canary") && !told.contains("acc_"), "{told}");
    assert_eq!(not_sent.operation, "sns:Publish");
    not_sent
}

/// An endpoint that gives one answer. Its port.
async fn answering(status: u16, body: &str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status} Answer\r\ncontent-type: text/xml\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut received = vec![0; 65536];
        let _ = stream.read(&mut received).await;
        stream.write_all(answer.as_bytes()).await.unwrap();
        // The rest of the request, until the client has read the answer.
        while stream.read(&mut received).await.is_ok_and(|read| read > 0) {}
    });
    port
}

fn refusal(code: &str) -> String {
    refusal_saying(code, "Invalid parameter: canary")
}

fn refusal_saying(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>canary</RequestId></ErrorResponse>"
    )
}

#[tokio::test]
async fn a_refusal_is_told_by_its_code() {
    for (status, code) in [
        (400, "InvalidParameter"),
        (403, "AuthorizationError"),
        (404, "NotFound"),
        (429, "Throttled"),
        (400, "KMSAccessDenied"),
        (500, "InternalError"),
        (400, "NotYetKnown"),
    ] {
        assert_eq!(published(status, &refusal(code)).await.reason, code);
    }
}

#[tokio::test]
async fn an_answer_that_makes_no_sense() {
    for (status, body) in [(500, "canary"), (400, "<canary"), (503, ""), (200, "canary")] {
        let reason = published(status, body).await.reason;
        assert!(
            ["an unnamed service error", "no readable response"].contains(&reason.as_str()),
            "{status} {body}: {reason}"
        );
    }
}

#[tokio::test]
async fn no_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let timeouts = TimeoutConfig::builder().operation_timeout(Duration::from_millis(50)).build();
    let sns = with_timeouts(listener.local_addr().unwrap().port(), timeouts);
    assert_eq!(sns.publish(&event()).await.unwrap_err().reason, "timed out");
}

#[tokio::test]
async fn no_connection() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    assert_eq!(sns(port).publish(&event()).await.unwrap_err().reason, "no connection");
}

async fn texted(status: u16, body: &str) -> TextNotSent {
    let texts = SnsTexts::new(client(answering(status, body).await, TimeoutConfig::disabled()), None);
    let not_sent = texts.text(&"+12125550123".parse().unwrap(), "135790 canary").await.unwrap_err();
    let told = format!("{not_sent} {not_sent:?}");
    assert!(!told.contains("canary") && !told.contains("5550") && !told.contains("135790"), "{told}");
    not_sent
}

#[tokio::test]
async fn a_number_that_is_opted_out() {
    for (code, message) in [
        ("OptedOut", "canary"),
        ("InvalidParameter", "Invalid parameter: PhoneNumber Reason: +12125550123 is opted out"),
        ("InvalidParameter", "Phone number +12125550123 has opted out of receiving messages"),
    ] {
        assert_eq!(
            texted(400, &refusal_saying(code, message)).await,
            TextNotSent::OptedOut,
            "{code} {message}"
        );
    }
}

async fn opted_out(status: u16, body: &str) -> Result<bool, NotSent> {
    let texts = SnsTexts::new(client(answering(status, body).await, TimeoutConfig::disabled()), None);
    texts.is_opted_out(&"+12125550123".parse().unwrap()).await
}

#[tokio::test]
async fn whether_a_number_wants_texts() {
    for answer in [true, false] {
        let body = format!(
            "<CheckIfPhoneNumberIsOptedOutResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">\
             <CheckIfPhoneNumberIsOptedOutResult><isOptedOut>{answer}</isOptedOut>\
             </CheckIfPhoneNumberIsOptedOutResult></CheckIfPhoneNumberIsOptedOutResponse>"
        );
        assert_eq!(opted_out(200, &body).await, Ok(answer));
    }
    let refused = NotSent { operation: "sns:CheckIfPhoneNumberIsOptedOut", reason: "Throttled".to_owned() };
    assert_eq!(opted_out(429, &refusal("Throttled")).await, Err(refused));
}

#[tokio::test]
async fn a_text_that_does_not_go_out() {
    for (status, code) in
        [(400, "InvalidParameter"), (403, "AuthorizationError"), (429, "Throttled"), (500, "InternalError")]
    {
        let wanted = NotSent { operation: "sns:Publish", reason: code.to_owned() };
        assert_eq!(texted(status, &refusal(code)).await, TextNotSent::NotSent(wanted));
    }
}

#[tokio::test]
async fn a_call_that_is_not_handed_on() {
    let sealed = r#"{"id":"call_AQEBAQEBAQEBAQEBAQEBAQ","sealed":"AQ"}"#;
    let sealed: SealedCall = serde_json::from_str(sealed).unwrap();
    let port = answering(400, &refusal("KMSAccessDenied")).await;
    let topic =
        SnsVoiceCodes::new(client(port, TimeoutConfig::disabled()), "arn:aws:sns:us-east-1:1:VoiceCodes");
    assert_eq!(topic.hand_on(&sealed).await.unwrap_err().reason, "KMSAccessDenied");
}

/// Within the step's patience, which is eight seconds.
#[tokio::test]
async fn the_client_has_a_limit_of_its_own() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let texts = SnsTexts::new(sns_client(config(listener.local_addr().unwrap().port())), None);
    let to = "+12125550123".parse().unwrap();
    let texted = tokio::time::timeout(Duration::from_secs(4), texts.text(&to, "x")).await.unwrap();
    assert!(texted.unwrap_err().to_string().ends_with("timed out"));
}
