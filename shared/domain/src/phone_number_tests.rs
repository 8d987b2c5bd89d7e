use super::*;

#[test]
fn only_e164_is_a_number() {
    for good in ["+12125550123", "+1234567", "+123456789012345"] {
        assert_eq!(good.parse::<PhoneNumber>().unwrap().as_str(), good);
    }
    for bad in [
        "",
        "+",
        "12125550123",
        "+0123456789",
        "+123456",
        "+1234567890123456",
        "+1 212 555 0123",
        "+1212555012x",
        "+１２３４５６７８",
        "+12125550123;ext=5",
        " +12125550123",
    ] {
        assert_eq!(bad.parse::<PhoneNumber>(), Err(InvalidPhoneNumber), "{bad}");
    }
}

#[test]
fn only_the_ending_is_shown() {
    let number: PhoneNumber = "+12125550123".parse().unwrap();
    assert_eq!(number.ending(), "23");
    assert_eq!(format!("{number:?}"), "PhoneNumber(redacted)");
}
