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
    let config = aws_sdk_sns::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(format!("http://127.0.0.1:{port}"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts);
    Sns::new(Client::from_conf(config.build()), "arn:aws:sns:us-east-1:123456789012:canary-topic")
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
    let not_sent = sns(port).publish(&event()).await.unwrap_err();
    let told = format!("{not_sent} {not_sent:?}");
    assert!(!told.contains("canary") && !told.contains("acc_"), "{told}");
    assert_eq!(not_sent.operation, "sns:Publish");
    not_sent
}

fn refusal(code: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>Invalid parameter: canary</Message></Error><RequestId>canary</RequestId></ErrorResponse>"
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
