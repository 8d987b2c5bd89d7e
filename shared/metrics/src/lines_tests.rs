use std::sync::Mutex;

use super::*;
use crate::metric::{Channel, Country, Kind, Method, Metric, Outcome, Sent, Service};

fn written(metrics: &[Metric], request_id: Option<&str>) -> Vec<Value> {
    let tally: Tally = metrics.iter().copied().collect();
    let written = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&written);
    let metrics = Metrics::to(move |line| kept.lock().unwrap().push(line));
    metrics.write(&tally, "password-sign-in", request_id, "2026-12-01T12:00:00.250Z".parse().unwrap());
    let written = written.lock().unwrap();
    assert!(written.iter().all(|line| !line.contains('\n')));
    written.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const LOCKED: Metric = Metric::Locks { method: Method::Password };
const WRONG: Metric = Metric::SignIns { method: Method::Password, outcome: Outcome::WrongCredentials };

#[test]
fn a_line_is_as_the_specification_has_it() {
    let written = written(&[LOCKED, WRONG, Metric::Refusals { code: "wrong_credentials" }], Some("r-1"));
    let expected = json!({
        "_aws": {
            "Timestamp": 1_796_126_400_250_i64,
            "CloudWatchMetrics": [
                {
                    "Namespace": "Postern",
                    "Dimensions": [["Method"]],
                    "Metrics": [{ "Name": "Locks", "Unit": "Count" }],
                },
                {
                    "Namespace": "Postern",
                    "Dimensions": [["Method", "Outcome"]],
                    "Metrics": [{ "Name": "SignIns", "Unit": "Count" }],
                },
                {
                    "Namespace": "Postern",
                    "Dimensions": [["Function", "Code"], []],
                    "Metrics": [{ "Name": "Refusals", "Unit": "Count" }],
                },
            ],
        },
        "request_id": "r-1",
        "Method": "password",
        "Outcome": "wrong_credentials",
        "Function": "password-sign-in",
        "Code": "wrong_credentials",
        "Locks": 1,
        "SignIns": 1,
        "Refusals": 1,
    });
    assert_eq!(written, [expected]);
}

#[test]
fn nothing_counted_writes_nothing() {
    assert_eq!(written(&[], Some("r-1")), Vec::<Value>::new());
}

#[test]
fn what_differs_in_a_dimension_takes_a_line_of_its_own() {
    let error = |service, kind| Metric::AwsErrors { service, kind };
    let sent = |country| Metric::Sends {
        channel: Channel::Text,
        country: Country::of(country),
        outcome: Sent::Sent,
    };
    let written = written(
        &[
            error(Service::Kms, Kind::Timeout),
            error(Service::Kms, Kind::Denied),
            error(Service::Kms, Kind::Timeout),
            sent("US"),
            sent("PR"),
        ],
        None,
    );
    let of = |line: &Value, name: &str| line[name].clone();
    let [first, second] = &written[..] else { panic!("{written:#?}") };
    assert_eq!((of(first, "Kind"), of(first, "AwsErrors")), (json!("timeout"), json!(2)));
    assert_eq!((of(first, "Country"), of(first, "Sends")), (json!("US"), json!(1)));
    assert_eq!((of(second, "Kind"), of(second, "AwsErrors")), (json!("denied"), json!(1)));
    assert_eq!((of(second, "Country"), of(second, "Sends")), (json!("PR"), json!(1)));
    for line in &written {
        assert_eq!(line["_aws"]["CloudWatchMetrics"].as_array().unwrap().len(), 2);
        assert_eq!(line.get("request_id"), None);
    }
}
