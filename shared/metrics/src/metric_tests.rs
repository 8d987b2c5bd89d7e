use std::collections::BTreeSet;

use super::*;

#[test]
fn each_metric_has_the_dimensions_that_it_declares() {
    let (method, outcome) = (Method::Phone, Outcome::Next);
    let metrics = [
        Metric::SignIns { method, outcome },
        Metric::Locks { method },
        Metric::Disablings { method },
        Metric::Sends { channel: Channel::Text, country: Country::of("US"), outcome: Sent::Sent },
        Metric::Recoveries { way: Way::Code, outcome },
        Metric::Refusals { code: "bad_request" },
        Metric::AwsErrors { service: Service::Kms, kind: Kind::Denied },
        Metric::ColdStarts,
    ];
    let declared: Vec<Declared> = metrics.iter().map(Metric::declared).collect();
    assert_eq!(declared, DECLARED);
    for metric in metrics {
        let names: Vec<&str> = metric.values("sign-out").into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, metric.declared().dimensions[0], "{metric:?}");
    }
}

/// A dimension's value costs what a metric costs, each.
#[test]
fn values_are_few() {
    let names = |all: &[&'static str]| all.iter().collect::<BTreeSet<_>>().len();
    let methods: Vec<_> = Method::ALL.iter().map(|method| method.as_str()).collect();
    let outcomes: Vec<_> = Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect();
    assert_eq!((names(&methods), names(&outcomes)), (methods.len(), outcomes.len()));
    assert!(methods.len() <= 6 && outcomes.len() <= 10);
}

#[test]
fn countries_are_countries() {
    for (given, expected) in [
        ("US", "US"),
        ("us", "ZZ"),
        ("USA", "ZZ"),
        ("", "ZZ"),
        ("+12125550100", "ZZ"),
        ("É", "ZZ"),
        ("EMAIL", "ZZ"),
    ] {
        assert_eq!(Country::of(given).as_str(), expected, "{given}");
    }
}

#[test]
fn a_refusal_of_the_request_says_nothing_of_the_proof() {
    assert_eq!(Outcome::of_code("locked"), Some(Outcome::Locked));
    for code in ["bad_request", "wrong_origin", "signed_in", "next", ""] {
        assert_eq!(Outcome::of_code(code), None, "{code}");
    }
}
