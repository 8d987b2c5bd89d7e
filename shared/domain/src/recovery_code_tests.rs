use proptest::prelude::*;

use super::*;

#[test]
fn a_code_is_read_forgivingly_and_shown_in_one_way() {
    for text in [
        "1234-5678-9012-3456",
        "1234567890123456",
        " 1234 5678\u{2013}9012\u{a0}3456 ",
        "l234-5678-9O12-3456",
    ] {
        let code = RecoveryCode::parse(text).unwrap();
        assert_eq!(&*code.expose_for_owner(), "1234-5678-9012-3456", "{text:?}");
    }
    assert_eq!(
        &*RecoveryCode::parse("abcd-efgh-jkmn-pqrs").unwrap().expose_for_owner(),
        "ABCD-EFGH-JKMN-PQRS"
    );
}

#[test]
fn another_length_or_symbol_is_no_code() {
    for text in [
        "",
        "1234",
        "1234-5678-9012-345",
        "1234-5678-9012-34567",
        "1234-5678-9012-345U",
        "1234-5678-9012-345ü",
        "1234_5678_9012_3456",
        "１234-5678-9012-3456",
    ] {
        assert_eq!(RecoveryCode::parse(text), Err(InvalidRecoveryCode), "{text:?}");
    }
}

#[test]
fn debug_is_redacted() {
    assert!(!format!("{:?}", RecoveryCode::parse("1234567890123456").unwrap()).contains("1234"));
}

#[test]
fn lookalikes_are_what_they_look_like() {
    for (typed, read) in [
        ("IiLl-IiLl-IiLl-IiLl", "1111-1111-1111-1111"),
        ("OoOo-OoOo-OoOo-OoOo", "0000-0000-0000-0000"),
        ("9ab0-hjkm-nPqr-vWxy", "9AB0-HJKM-NPQR-VWXY"),
    ] {
        assert_eq!(&*RecoveryCode::parse(typed).unwrap().expose_for_owner(), read, "{typed:?}");
    }
    // U looks like V and is neither: Crockford leaves it out.
    for no_symbol in ['u', 'U', '\u{131}', '\u{212a}', '\u{ff10}', '\u{660}', '!', '.', '\0'] {
        let typed = format!("123456789012345{no_symbol}");
        assert_eq!(RecoveryCode::parse(&typed), Err(InvalidRecoveryCode), "{no_symbol:?}");
    }
}

/// The symbols of a code, as they are issued.
fn any_symbols(format: Format) -> impl Strategy<Value = String> {
    let alphabet = match format {
        Format::Decimal => &CROCKFORD[..10],
        Format::Crockford => &CROCKFORD[..],
    };
    let symbol = proptest::sample::select(alphabet).prop_map(char::from);
    proptest::collection::vec(symbol, LENGTH).prop_map(String::from_iter)
}

fn any_code() -> impl Strategy<Value = String> {
    prop_oneof![any_symbols(Format::Decimal), any_symbols(Format::Crockford)]
}

/// One symbol as a person may write it, with what may stand around it.
fn typed(symbol: char) -> impl Strategy<Value = String> {
    let spellings = match symbol {
        '0' => vec!['0', 'O', 'o'],
        '1' => vec!['1', 'I', 'i', 'L', 'l'],
        other => vec![other, other.to_ascii_lowercase()],
    };
    let around =
        || proptest::sample::select(vec!["", "", "", " ", "-", "\u{2013}", " \u{2014} ", "\u{a0}", "\t\n"]);
    (around(), proptest::sample::select(spellings), around())
        .prop_map(|(before, symbol, after)| format!("{before}{symbol}{after}"))
}

proptest! {
    #[test]
    fn what_is_shown_is_read_back(symbols in any_code()) {
        let code = RecoveryCode::parse(&symbols).unwrap();
        prop_assert_eq!(code.expose_symbols(), &symbols);
        let shown = code.expose_for_owner();
        let groups: Vec<&str> = shown.split('-').collect();
        prop_assert_eq!(groups.iter().map(|group| group.len()).collect::<Vec<_>>(), [4; 4]);
        prop_assert_eq!(groups.concat(), symbols);
        prop_assert_eq!(RecoveryCode::parse(&shown).unwrap(), code);
    }

    #[test]
    fn however_a_person_writes_it(
        (symbols, typed) in any_code().prop_flat_map(|symbols| {
            let typed: Vec<_> = symbols.chars().map(typed).collect();
            (Just(symbols), typed.prop_map(|typed| typed.concat()))
        })
    ) {
        let code = RecoveryCode::parse(&typed).unwrap();
        prop_assert_eq!(code.expose_symbols(), symbols);
    }

    /// One symbol more or less, or another one, is not the same code.
    #[test]
    fn another_code_is_another(symbols in any_code(), place in 0..LENGTH, other in proptest::sample::select(&CROCKFORD[..])) {
        let code = RecoveryCode::parse(&symbols).unwrap();
        let other = char::from(other);
        let changed: String =
            symbols.chars().enumerate().map(|(at, symbol)| if at == place { other } else { symbol }).collect();
        prop_assert_eq!(RecoveryCode::parse(&changed).unwrap() == code, changed == symbols);
        prop_assert_eq!(RecoveryCode::parse(&format!("{symbols}{other}")), Err(InvalidRecoveryCode));
        prop_assert_eq!(RecoveryCode::parse(&symbols[1..]), Err(InvalidRecoveryCode));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,24}") {
        if let Ok(code) = RecoveryCode::parse(&text) {
            prop_assert_eq!(code.expose_symbols().len(), LENGTH);
            prop_assert!(code.expose_symbols().bytes().all(|byte| CROCKFORD.contains(&byte)));
            prop_assert_eq!(RecoveryCode::parse(code.expose_symbols()), Ok(code));
        }
    }
}
