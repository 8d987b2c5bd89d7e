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
    for bad in ["", "e", "english!", "en--US", "en_US_", &"en-".repeat(20)] {
        assert_eq!(bad.parse::<Locale>(), Err(InvalidName::Locale), "{bad:?}");
    }
}

#[test]
fn what_can_be_no_username_stands_for_itself_alone() {
    assert_eq!(Username::claimed("Dr.Rivera").as_str(), "dr.rivera");
    let stands_for = |text: &str| Username::claimed(text);
    for text in ["", "ab", "rivera@clinic.example", "dr rivera", &"x".repeat(65), "\u{1F511}"] {
        assert_eq!(stands_for(text).as_str().parse::<Username>().unwrap(), stands_for(text), "{text}");
        assert_ne!(stands_for(text), stands_for(&format!("{text} ")));
    }
}
