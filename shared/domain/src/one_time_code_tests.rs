use super::*;

#[test]
fn a_code_is_exactly_six_ascii_digits() {
    for good in ["000000", "123456", "999999"] {
        assert_eq!(good.parse::<OneTimeCode>().unwrap().expose_digits(), good);
    }
    for bad in
        ["", "12345", "1234567", "12345a", " 12345", "123 456", "-12345", "１２３４５６", "١٢٣٤٥٦", "12345\n"]
    {
        assert!(bad.parse::<OneTimeCode>().is_err(), "{bad}");
    }
}

#[test]
fn no_digit_is_shown() {
    assert!(!format!("{:?}", "135790".parse::<OneTimeCode>().unwrap()).contains("135"));
}
