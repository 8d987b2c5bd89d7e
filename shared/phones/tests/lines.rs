//! What a number reaches: the local run's table, AWS's answers, and what is made of either.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use aws_sdk_pinpointsmsvoicev2::config::{BehaviorVersion, Credentials, Region};
use postern_domain::account::{Channel, LineType};
use postern_domain::phone_number::PhoneNumber;
use postern_messages::{Gate, NotSent};
use postern_phones::{
    Carrier, CarrierLookup, Line, LineLookup, LineSource, LocalLookup, LookupFailed, NumberPlan, Numbers,
    Unfit, lookup_client, settle,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn number(text: &str) -> PhoneNumber {
    text.parse().unwrap()
}

#[test]
fn what_was_looked_up_comes_before_the_plan() {
    let numbers = Numbers::new("GB", "GB,US").unwrap();
    let [mobile, landline, either] =
        ["+447400123456", "+442079460018", "+12125550123"].map(|typed| numbers.read(typed).unwrap());
    for number in [&mobile, &landline, &either] {
        for (carrier, wanted) in [
            (Carrier::Mobile, Ok(LineType::Mobile)),
            (Carrier::Prepaid, Ok(LineType::Mobile)),
            (Carrier::Landline, Ok(LineType::Landline)),
            (Carrier::Other, Ok(LineType::Unknown)),
            (Carrier::Voip, Err(Unfit::LineType)),
            (Carrier::Invalid, Err(Unfit::NotANumber)),
        ] {
            let wanted = wanted.map(|line_type| Line { line_type, source: LineSource::Lookup });
            assert_eq!(settle(number, Ok(carrier)), wanted, "{carrier:?}");
        }
    }
    let down =
        LookupFailed::Unavailable(NotSent { operation: "sms-voice:CarrierLookup", reason: String::new() });
    for failed in [down, LookupFailed::NotKnown] {
        for (number, line_type) in
            [(&mobile, LineType::Mobile), (&landline, LineType::Landline), (&either, LineType::Unknown)]
        {
            let wanted = Line { line_type, source: LineSource::NumberPlan };
            assert_eq!(settle(number, Err(failed.clone())), Ok(wanted), "{failed}");
        }
    }
}

#[test]
fn a_landline_gets_calls_never_texts() {
    for (line_type, text) in [
        (LineType::Landline, Err(Unfit::TextToLandline)),
        (LineType::Mobile, Ok(())),
        (LineType::Unknown, Ok(())),
    ] {
        let line = Line { line_type, source: LineSource::Lookup };
        assert_eq!(line.takes(Channel::Text), text, "{line_type:?}");
        assert_eq!(line.takes(Channel::Call), Ok(()), "{line_type:?}");
    }
}

/// Fails calls before or after they take effect, and counts them.
#[derive(Default)]
struct Faults {
    before: bool,
    after: bool,
    calls: Mutex<Vec<(&'static str, &'static str)>>,
}

fn fails(fails: bool, operation: &'static str) -> Result<(), NotSent> {
    let reason = "told to fail".to_owned();
    if fails { Err(NotSent { operation, reason }) } else { Ok(()) }
}

impl Gate for Faults {
    fn before(&self, service: &'static str, operation: &'static str) -> Result<(), NotSent> {
        self.calls.lock().unwrap().push((service, operation));
        fails(self.before, operation)
    }

    fn after(&self, _: &'static str, operation: &'static str) -> Result<(), NotSent> {
        fails(self.after, operation)
    }
}

#[tokio::test]
async fn the_local_table() {
    let gate = Arc::new(Faults::default());
    let local = LocalLookup::new(gate.clone());
    for (text, wanted) in [
        ("+12125550100", Ok(Carrier::Mobile)),
        ("+12125550159", Ok(Carrier::Mobile)),
        ("+14165550160", Ok(Carrier::Landline)),
        ("+17875550179", Ok(Carrier::Landline)),
        ("+12125550180", Ok(Carrier::Voip)),
        ("+12125550189", Ok(Carrier::Voip)),
        ("+12125550190", Ok(Carrier::Invalid)),
        ("+12125550199", Ok(Carrier::Invalid)),
        ("+12125550200", Err(LookupFailed::NotKnown)),
        ("+12125540123", Err(LookupFailed::NotKnown)),
        ("+11125550123", Err(LookupFailed::NotKnown)),
        ("+121255501234", Err(LookupFailed::NotKnown)),
        ("+1212555012", Err(LookupFailed::NotKnown)),
        ("+442125550123", Err(LookupFailed::NotKnown)),
        ("+1212555", Err(LookupFailed::NotKnown)),
    ] {
        assert_eq!(local.look_up(&number(text)).await, wanted, "{text}");
    }
    assert_eq!(gate.calls.lock().unwrap().len(), 15);
    assert_eq!(gate.calls.lock().unwrap().first(), Some(&("smsvoice", "CarrierLookup")));

    for gate in [Faults { before: true, ..Faults::default() }, Faults { after: true, ..Faults::default() }] {
        let failed = LocalLookup::new(Arc::new(gate)).look_up(&number("+12125550123")).await;
        assert!(matches!(failed, Err(LookupFailed::Unavailable(_))), "{failed:?}");
    }
    assert_eq!(NumberPlan.look_up(&number("+12125550123")).await, Err(LookupFailed::NotKnown));
}

/// An endpoint that answers once, after a while; and what it was asked.
async fn answering(
    status: u16,
    body: String,
    after: Duration,
) -> (CarrierLookup, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"}") {
            assert_ne!(stream.read_buf(&mut asked).await.unwrap(), 0, "the request is whole");
        }
        tokio::time::sleep(after).await;
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} Answer\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        String::from_utf8(asked).unwrap()
    });
    let config = aws_sdk_pinpointsmsvoicev2::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(format!("http://{address}"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"));
    (CarrierLookup::new(lookup_client(config)), asked)
}

/// As the service's model has it (`CarrierLookupResult`).
fn found(number: &str, phone_number_type: &str) -> String {
    json!({ "E164PhoneNumber": number, "DialingCountryCode": "1", "IsoCountryCode": "US", "Country": "United States",
            "Carrier": "Example Wireless", "PhoneNumberType": phone_number_type })
    .to_string()
}

#[tokio::test]
async fn aws_is_asked_for_the_number_and_nothing_else() {
    for (said, wanted) in [
        ("MOBILE", Carrier::Mobile),
        ("LANDLINE", Carrier::Landline),
        ("VOIP", Carrier::Voip),
        ("PREPAID", Carrier::Prepaid),
        ("OTHER", Carrier::Other),
        ("INVALID", Carrier::Invalid),
        ("SATELLITE", Carrier::Other),
    ] {
        let (lookup, asked) = answering(200, found("+12125550123", said), Duration::ZERO).await;
        assert_eq!(lookup.look_up(&number("+12125550123")).await, Ok(wanted), "{said}");
        let asked = asked.await.unwrap();
        let (head, body) = asked.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST / HTTP/1.1\r\n"), "{head}");
        assert!(
            head.to_ascii_lowercase().contains("x-amz-target: pinpointsmsvoicev2.carrierlookup\r\n"),
            "{head}"
        );
        assert_eq!(serde_json::from_str::<Value>(body).unwrap(), json!({ "PhoneNumber": "+12125550123" }));
    }
}

#[tokio::test]
async fn what_aws_fails_to_tell() {
    let refusal = |code: &str| json!({ "__type": code, "Message": "canary +12125550123" }).to_string();
    for (status, body, reason) in [
        (400, refusal("ThrottlingException"), "ThrottlingException"),
        (400, refusal("ValidationException"), "ValidationException"),
        (400, refusal("AccessDeniedException"), "AccessDeniedException"),
        (402, refusal("ServiceQuotaExceededException"), "ServiceQuotaExceededException"),
        (500, refusal("InternalServerException"), "InternalServerException"),
        (200, "}".to_owned(), "an unnamed service error"),
        (200, "{}".to_owned(), "another number was looked up"),
        (200, found("+12125550124", "MOBILE"), "another number was looked up"),
    ] {
        let (lookup, _asked) = answering(status, body, Duration::ZERO).await;
        let failed = lookup.look_up(&number("+12125550123")).await.unwrap_err();
        assert!(!format!("{failed} {failed:?}").contains("5550"), "{failed}");
        let LookupFailed::Unavailable(NotSent { operation, reason: given }) = failed else { unreachable!() };
        assert_eq!((operation, given.as_str()), ("sms-voice:CarrierLookup", reason));
    }
    let (lookup, _asked) = answering(200, found("+12125550123", "MOBILE"), Duration::from_secs(4)).await;
    let failed = lookup.look_up(&number("+12125550123")).await.unwrap_err();
    assert!(failed.to_string().ends_with("timed out"), "{failed}");
}
