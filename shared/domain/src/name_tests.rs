use super::*;

#[test]
fn usernames() {
    for (given, kept) in [("abc", "abc"), ("Dr.Rivera", "dr.rivera"), ("a_b-c.9", "a_b-c.9")] {
        assert_eq!(given.parse::<Username>().unwrap().as_str(), kept);
    }
    assert!("a".repeat(64).parse::<Username>().is_ok());
    for bad in ["", "ab", " abc", "abc ", "a b c", "päul", "a/b/c", "abc\n", "ａｂｃ", &"a".repeat(65)] {
        assert_eq!(bad.parse::<Username>(), Err(InvalidName::Username), "{bad:?}");
    }
}

#[test]
fn email_addresses() {
    for good in ["a@example.org", "first.last+tag@clinic.example.com", "müller@example.de"] {
        assert!(good.parse::<Email>().is_ok(), "{good:?}");
    }
    let long = format!("{}@example.org", "a".repeat(250));
    for bad in [
        "",
        "a",
        "a@",
        "@example.org",
        "a@b@example.org",
        "A <a@example.org>",
        "a@localhost",
        "a@[127.0.0.1]",
        "a@example.org\r\nBcc: x@y.z",
        &long,
    ] {
        assert_eq!(bad.parse::<Email>(), Err(InvalidName::Email), "{bad:?}");
    }
    assert_eq!(format!("{:?}", "a@example.org".parse::<Email>().unwrap()), "Email(redacted)");
}

#[test]
fn passkey_names_and_locales() {
    assert_eq!("  Front desk ".parse::<PasskeyName>().unwrap().as_str(), "Front desk");
    for bad in ["", "   ", "a\u{0}b", "a\nb", &"ü".repeat(65)] {
        assert_eq!(bad.parse::<PasskeyName>(), Err(InvalidName::PasskeyName), "{bad:?}");
    }
    assert!("ü".repeat(64).parse::<PasskeyName>().is_ok());
    for (given, kept) in [("en", "en"), ("ES-us", "es-US"), ("en-US", "en-US")] {
        assert_eq!(given.parse::<Locale>().unwrap().as_str(), kept);
    }
    for bad in ["", "e", "english", "english!", "en--US", "en_US_", &"en-".repeat(20)] {
        assert_eq!(bad.parse::<Locale>(), Err(InvalidName::Locale), "{bad:?}");
    }
}

#[test]
fn what_stands_in_for_a_name_is_one_itself() {
    let stands_in = |byte: u8| Username::standing_in(&[byte; 32]);
    assert_eq!(stands_in(1).as_str().parse::<Username>().unwrap(), stands_in(1));
    assert_ne!(stands_in(1), stands_in(2));
}
