//! What goes to SES, and what we make of its answers.

use aws_sdk_sesv2::config::retry::RetryConfig;
use aws_sdk_sesv2::config::timeout::TimeoutConfig;
use aws_sdk_sesv2::config::{BehaviorVersion, Credentials, Region};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::*;

/// An endpoint that gives one answer. Its port, and the request that it got.
async fn answering(status: u16, kind: &'static str, body: &'static str) -> (u16, oneshot::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = format!(
        "HTTP/1.1 {status} Answer\r\ncontent-type: application/json\r\nx-amzn-errortype: {kind}\r\ncontent-length: \
         {}\r\n\r\n{body}",
        body.len()
    );
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut received, mut buffer) = (Vec::new(), vec![0; 65536]);
        loop {
            let read = stream.read(&mut buffer).await.unwrap();
            received.extend_from_slice(&buffer[..read]);
            let text = String::from_utf8_lossy(&received);
            let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                let length = head.lines().find_map(|line| {
                    line.to_lowercase().strip_prefix("content-length:")?.trim().parse::<usize>().ok()
                });
                length.is_some_and(|length| body.len() >= length)
            });
            if whole || read == 0 {
                break;
            }
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        let _ = tell.send(String::from_utf8(received).unwrap());
        while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
    });
    (port, told)
}

fn mail(port: u16, identity: &str) -> SesMail {
    let config = aws_sdk_sesv2::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(format!("http://127.0.0.1:{port}"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"));
    let config = config.retry_config(RetryConfig::disabled()).timeout_config(TimeoutConfig::disabled());
    SesMail::new(Client::from_conf(config.build()), identity)
}

fn letter() -> Letter {
    Letter::new("Su clave", "042137 es su clave.\nNadie se la va a pedir. \u{d1}and\u{fa}".to_owned().into())
}

fn to() -> Email {
    "canary@clinic.example".parse().unwrap()
}

#[tokio::test]
async fn a_letter_is_plain_text_to_one_address_from_the_identity() {
    for (identity, from) in
        [("portal.example", "no-reply@portal.example"), ("id@portal.example", "id@portal.example")]
    {
        for nobody in [false, true] {
            let (port, told) = answering(200, "", r#"{"MessageId":"m"}"#).await;
            let mail = mail(port, identity);
            if nobody {
                mail.send_to_nobody(&letter()).await.unwrap();
            } else {
                mail.send(&to(), &letter()).await.unwrap();
            }
            let request = told.await.unwrap();
            assert!(request.starts_with("POST /v2/email/outbound-emails "), "{request}");
            let (_, body) = request.split_once("\r\n\r\n").unwrap();
            let body: Value = serde_json::from_str(body).unwrap();
            let addressee = if nobody { NOBODY } else { "canary@clinic.example" };
            assert_eq!(body["Destination"], serde_json::json!({ "ToAddresses": [addressee] }));
            assert_eq!(body["FromEmailAddress"], from);
            let simple = &body["Content"]["Simple"];
            assert_eq!(simple["Subject"]["Data"], "Su clave");
            assert_eq!(simple["Body"]["Text"]["Data"], letter().expose_body());
            assert_eq!(simple["Body"].as_object().unwrap().len(), 1, "no HTML");
        }
    }
}

#[tokio::test]
async fn a_refusal_tells_its_code_alone() {
    for (status, kind) in [
        (400, "MessageRejected"),
        (400, "MailFromDomainNotVerifiedException"),
        (429, "TooManyRequestsException"),
        (500, "InternalFailure"),
    ] {
        let (port, _told) =
            answering(status, kind, r#"{"message":"canary@clinic.example is suppressed"}"#).await;
        let not_sent = mail(port, "portal.example").send(&to(), &letter()).await.unwrap_err();
        assert_eq!((not_sent.operation, not_sent.reason.as_str()), ("ses:SendEmail", kind));
        assert!(!format!("{not_sent} {not_sent:?}").contains("canary"));
    }
}

#[tokio::test]
async fn nobody_there_is_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let not_sent = mail(port, "portal.example").send(&to(), &letter()).await.unwrap_err();
    assert_eq!(not_sent.reason, "no connection");
}

#[test]
fn a_letter_does_not_show_its_body() {
    assert!(!format!("{:?}", letter()).contains("042137"));
}
