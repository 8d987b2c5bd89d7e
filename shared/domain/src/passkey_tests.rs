use super::*;

#[test]
fn counters() {
    for (stored, given, accepted) in [
        (0, 0, true),
        (0, 1, true),
        (1, 2, true),
        (1, 1, false),
        (2, 1, false),
        (1, 0, false),
        (u32::MAX, u32::MAX, false),
        (u32::MAX - 1, u32::MAX, true),
    ] {
        assert_eq!(check_counter(stored, given).is_ok(), accepted, "{stored} -> {given}");
    }
}

#[test]
fn client_data() {
    let origins = ["https://id.example".to_owned()];
    let data = |origin: &str| ClientData { origin: origin.to_owned(), cross_origin: false, top_origin: None };
    assert!(data("https://id.example").check(&origins).is_ok());
    for origin in [
        "https://id.example/",
        "https://id.example:443",
        "HTTPS://id.example",
        "https://evil.example",
        "https://a.id.example",
        "",
    ] {
        assert!(data(origin).check(&origins).is_err(), "{origin:?}");
    }
    assert!(ClientData { cross_origin: true, ..data("https://id.example") }.check(&origins).is_err());
    let framed =
        ClientData { top_origin: Some("https://id.example".to_owned()), ..data("https://id.example") };
    assert!(framed.check(&origins).is_err());
}
