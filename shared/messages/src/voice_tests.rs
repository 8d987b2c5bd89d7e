//! What End User Messaging is asked, and what we make of each of its answers.

use aws_sdk_pinpointsmsvoicev2::config::{BehaviorVersion, Credentials, Region};
use postern_domain::name::Locale;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::*;
use crate::CodeWords;

fn words(locale: &str) -> Spoken {
    let locale: Locale = locale.parse().unwrap();
    CodeWords::new("Postern", "portal.example.com").spoken(&"135790".parse().unwrap(), &locale)
}

fn to() -> PhoneNumber {
    "+12125550123".parse().unwrap()
}

fn at(port: u16) -> VoiceMessages {
    let config = aws_sdk_pinpointsmsvoicev2::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(format!("http://127.0.0.1:{port}"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"));
    VoiceMessages::new(voice_client(config), Some("+12065550100".to_owned()))
}

/// Answers the first request, or only listens; fails the test at a second one. Hands back what was asked.
async fn answering(answer: Option<(u16, String)>) -> (u16, oneshot::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, asked) = oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"}") {
            assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0, "the request is whole");
        }
        if let Some((status, body)) = answer {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} Answer\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {length}\r\n\r\n"
            );
            stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        } else {
            drop(stream);
        }
        let second = tokio::time::timeout(Duration::from_millis(300), listener.accept()).await;
        let told =
            if second.is_ok() { "asked twice".to_owned() } else { String::from_utf8(request).unwrap() };
        let _ = tell.send(told);
    });
    (port, asked)
}

#[tokio::test]
async fn a_call_as_it_is_asked_for() {
    for (locale, voice) in [("en-US", "JOANNA"), ("es-US", "LUPE")] {
        let (port, asked) = answering(Some((200, json!({ "MessageId": "1" }).to_string()))).await;
        at(port).call(&to(), &words(locale)).await.unwrap();
        let asked = asked.await.unwrap();
        let (head, body) = asked.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST / HTTP/1.1\r\n"), "{head}");
        let head = head.to_ascii_lowercase();
        assert!(head.contains("x-amz-target: pinpointsmsvoicev2.sendvoicemessage\r\n"), "{head}");
        assert_eq!(
            serde_json::from_str::<Value>(body).unwrap(),
            json!({
                "DestinationPhoneNumber": "+12125550123",
                "OriginationIdentity": "+12065550100",
                "MessageBody": words(locale).expose_ssml(),
                "MessageBodyTextType": "SSML",
                "VoiceId": voice,
                "TimeToLive": 60,
            })
        );
    }
}

/// What comes of an answer. The service is asked once, whatever it says.
async fn failed(answer: Option<(u16, String)>) -> CallNotPlaced {
    let (port, asked) = answering(answer).await;
    let failed = at(port).call(&to(), &words("en-US")).await.unwrap_err();
    assert!(asked.await.unwrap().starts_with("POST / "), "one request");
    let told = format!("{failed} {failed:?}");
    assert!(!told.contains("canary") && !told.contains("5550") && !told.contains("135790"), "{told}");
    failed
}

fn refusal(code: &str, reason: &str) -> String {
    json!({ "__type": format!("com.amazonaws.pinpointsmsvoicev2#{code}"), "Message": "canary +12125550123", "Reason": reason })
        .to_string()
}

#[tokio::test]
async fn a_refusal_is_a_call_that_does_not_ring() {
    for (status, code, reason) in [
        (400, "ThrottlingException", ""),
        (400, "ConflictException", "DESTINATION_PHONE_NUMBER_OPTED_OUT"),
        (400, "ConflictException", "DESTINATION_PHONE_NUMBER_NOT_VERIFIED"),
        (400, "ValidationException", "INVALID_PARAMETER"),
        (400, "ValidationException", "DESTINATION_COUNTRY_BLOCKED"),
        (400, "AccessDeniedException", "INSUFFICIENT_ACCOUNT_REPUTATION"),
        (400, "ResourceNotFoundException", ""),
        (402, "ServiceQuotaExceededException", "DAILY_DESTINATION_CALL_LIMIT"),
    ] {
        let failed = failed(Some((status, refusal(code, reason)))).await;
        let wanted = NotSent { operation: "sms-voice:SendVoiceMessage", reason: code.to_owned() };
        assert_eq!(failed, CallNotPlaced::Refused(wanted), "{code} {reason}");
    }
}

#[tokio::test]
async fn what_is_no_refusal_may_ring() {
    for (answer, reason) in [
        (Some((500, refusal("InternalServerException", ""))), "InternalServerException"),
        (Some((400, refusal("NotYetKnownException", ""))), "NotYetKnownException"),
        (Some((500, "canary".to_owned())), "an unnamed service error"),
        (Some((200, "{".to_owned())), "an unnamed service error"),
        (None, "no connection"),
    ] {
        let failed = failed(answer).await;
        let CallNotPlaced::Unclear(NotSent { operation: "sms-voice:SendVoiceMessage", reason: given }) =
            failed
        else {
            panic!("{failed}")
        };
        assert_eq!(given, reason);
    }
}

#[tokio::test]
async fn silence_may_ring() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let voice = at(listener.local_addr().unwrap().port());
    let call = async { voice.call(&to(), &words("en-US")).await.unwrap_err() };
    let failed = tokio::time::timeout(Duration::from_secs(8), call).await.unwrap();
    assert!(
        matches!(&failed, CallNotPlaced::Unclear(not_sent) if not_sent.reason == "timed out"),
        "{failed}"
    );
}

#[tokio::test]
async fn without_a_number_to_call_from_nobody_is_called() {
    let voice = VoiceMessages { origination: None, ..at(9) };
    let failed = voice.call(&to(), &words("en-US")).await.unwrap_err();
    assert!(matches!(failed, CallNotPlaced::Refused(_)), "{failed}");
}
