//! What people type.

use std::sync::LazyLock;

use postern_domain::name::{Email, Locale, PasskeyName, Username};
use postern_domain::one_time_code::OneTimeCode;
use postern_domain::recovery_code::{CROCKFORD, LENGTH, RecoveryCode};
use postern_passwords::{LONGEST, Reason, SHORTEST, TypedPassword, judge};
use postern_phones::{Numbers, Unfit};

const ALLOWED: &str = "US,CA,PR,VI,GU,AS,MP";

static NUMBERS: LazyLock<Numbers> = LazyLock::new(|| Numbers::new("US", ALLOWED).unwrap());
static OWNER: LazyLock<(Username, Email)> =
    LazyLock::new(|| ("dr.rivera".parse().unwrap(), "rivera@clinic.example".parse().unwrap()));

/// Usernames, addresses, passkeys' names and locales: what is taken once is taken again, and is the same.
pub fn names(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(name) = text.parse::<Username>() {
        assert_eq!(name.as_str(), text.to_ascii_lowercase());
        assert_eq!(name.as_str().parse(), Ok(name));
    }
    if let Ok(address) = text.parse::<Email>() {
        assert!(address.as_str().len() <= 254 && !address.as_str().contains(['\r', '\n', '\0']));
        assert_eq!(address.as_str().parse(), Ok(address));
    }
    if let Ok(name) = text.parse::<PasskeyName>() {
        assert!(!name.as_str().contains(char::is_control));
        assert_eq!(name.as_str().parse(), Ok(name));
    }
    if let Ok(locale) = text.parse::<Locale>() {
        assert!(locale.as_str().is_ascii());
        assert_eq!(locale.as_str().parse(), Ok(locale));
    }
}

/// Recovery codes and one-time codes.
pub fn codes(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(code) = RecoveryCode::parse(text) {
        let symbols = code.expose_symbols();
        assert_eq!(symbols.len(), LENGTH);
        assert!(symbols.bytes().all(|symbol| CROCKFORD.contains(&symbol)));
        assert_eq!(RecoveryCode::parse(&code.expose_for_owner()), Ok(code.clone()));
        assert_eq!(RecoveryCode::parse(&symbols.to_ascii_lowercase()), Ok(code.clone()));
        let spaced: String = text.chars().flat_map(|c| [c, ' ', '-']).collect();
        assert_eq!(RecoveryCode::parse(&spaced), Ok(code.clone()));
        assert!(RecoveryCode::parse(&format!("{text}0")).is_err());
    }
    let is_code = data.len() == 6 && data.iter().all(u8::is_ascii_digit);
    assert_eq!(text.parse::<OneTimeCode>().is_ok(), is_code);
}

/// Phone numbers: what is taken is one of an allowed country, in E.164, and reads as itself; what is not has its reasons.
pub fn numbers(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match NUMBERS.read(text) {
        Ok(read) => {
            let e164 = String::from(read.number.clone());
            let digits = e164.strip_prefix('+').unwrap();
            assert!((7..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit()));
            assert!(ALLOWED.split(',').any(|country| country == read.country.as_str()));
            assert_eq!(NUMBERS.read(&e164), Ok(read));
        }
        Err(reasons) => {
            assert!(!reasons.is_empty() && reasons.is_sorted());
            let about_channels = [Unfit::TextToLandline, Unfit::OptedOut];
            assert!(!reasons.iter().any(|reason| about_channels.contains(reason)));
        }
    }
}

/// Passwords: normalised once and for all, and refused with a reason or taken.
pub fn passwords(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(typed) = TypedPassword::try_from(text.to_owned()) else {
        assert!(text.len() > LONGEST);
        return;
    };
    let normal = std::str::from_utf8(typed.expose_bytes()).unwrap();
    if let Ok(again) = TypedPassword::try_from(normal.to_owned()) {
        assert_eq!(again.expose_bytes(), typed.expose_bytes());
    }
    let (username, email) = &*OWNER;
    let too_short = normal.chars().count() < SHORTEST;
    let names_owner = normal.to_ascii_lowercase().contains(username.as_str());
    match judge(&typed, username, email) {
        Ok(()) => assert!(!too_short && !names_owner),
        Err(weak) => {
            assert!(!weak.reasons.is_empty());
            assert_eq!(weak.reasons.contains(&Reason::TooShort), too_short);
        }
    }
}
