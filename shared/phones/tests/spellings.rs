//! What people type, and what is made of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::LazyLock;

use postern_domain::account::LineType;
use postern_phones::Unfit::{self, Country, Extension, LineType as Kind, NotANumber};
use postern_phones::{InvalidNumbers, Numbers};
use proptest::prelude::*;

static NUMBERS: LazyLock<Numbers> = LazyLock::new(|| Numbers::new("US", "US,CA,PR,VI,GU,AS,MP").unwrap());
static WIDE: LazyLock<Numbers> =
    LazyLock::new(|| Numbers::new("GB", "US,GB,DE,FR,IT,MX,BR,AR,PL,RU,ES,CH").unwrap());

#[track_caller]
fn reads(numbers: &Numbers, typed: &str, wanted: &str) {
    let read = numbers.read(typed).map(|read| read.number.as_str().to_owned());
    assert_eq!(read.as_deref(), Ok(wanted), "{typed:?}");
}

#[track_caller]
fn refuses(numbers: &Numbers, typed: &str, wanted: &[Unfit]) {
    let read = numbers.read(typed).map(|read| read.number.as_str().to_owned());
    assert_eq!(read.as_ref().map_err(Vec::as_slice), Err(wanted), "{typed:?}");
}

#[test]
fn one_number_in_many_spellings() {
    for typed in [
        "2125550123",
        "12125550123",
        "+12125550123",
        "  +1 212 555 0123\t",
        "212-555-0123",
        "(212) 555-0123",
        "(212)5550123",
        "[212] 555 0123",
        "212.555.0123",
        "212/555/0123",
        "1-212-555-0123",
        "1 (212) 555-0123",
        "+1 (212) 555-0123",
        "(+1) 212 555 0123",
        "+1.212.555.0123",
        "+ 1 212 555 0123",
        "+1-212-555-0123-",
        "011 1 212 555 0123",
        // No-break, thin and ideographic spaces; no-break and other hyphens, en dash, minus, soft hyphen.
        "212\u{a0}555\u{a0}0123",
        "212\u{2009}555\u{202f}0123",
        "212\u{3000}555\u{3000}0123",
        "212\u{2011}555\u{2010}0123",
        "212\u{2013}555\u{2212}0123",
        "212\u{ad}555\u{ad}0123",
        // As an address book copies it.
        "\u{202a}+1 (212) 555-0123\u{202c}",
        "\u{200e}2125550123\u{feff}",
        // Full-width, Arabic-Indic and Devanagari digits.
        "２１２５５５０１２３",
        "＋１（２１２）５５５－０１２３",
        "+1 ２１２．５５５．０１２３",
        "٢١٢٥٥٥٠١٢٣",
        "२१२५५५०१२३",
        "212-555-0123\n",
        // RFC 3966.
        "tel:+12125550123",
        "TEL:+1-212-555-0123",
        "tel:+1(212)555.0123",
        "tel:2125550123;phone-context=+1",
        "tel:555-0123;phone-context=+1212",
        "tel:2125550123;phone-context=example.com",
    ] {
        reads(&NUMBERS, typed, "+12125550123");
    }
}

#[test]
fn national_spellings_are_the_default_regions() {
    for (typed, wanted) in [
        ("020 7946 0018", "+442079460018"),
        ("+44 (0)20 7946 0018", "+442079460018"),
        ("0044 20 7946 0018", "+442079460018"),
        ("00 1 212 555 0123", "+12125550123"),
        ("07400 123456", "+447400123456"),
        ("+49 (0) 30 / 123 456-78", "+493012345678"),
        ("+33 1 70 18 99 00", "+33170189900"),
        // A landline of Italy keeps its zero.
        ("+39 06 1234 5678", "+390612345678"),
        ("+52 55 5123 4567", "+525551234567"),
        ("+54 9 11 2345-6789", "+5491123456789"),
        ("tel:7400-123456;phone-context=+44", "+447400123456"),
    ] {
        reads(&WIDE, typed, wanted);
    }
    refuses(&NUMBERS, "020 7946 0018", &[NotANumber]);
}

/// What a switchboard understands: refused, whatever spells it.
#[test]
fn extensions() {
    const AFTER: [&str; 62] = [
        "x12",
        " x12",
        " x 12",
        "X12",
        "x.12",
        "x:12",
        "ext12",
        " ext 12",
        " ext. 12",
        " Ext: 12",
        " EXT#12",
        " ext.12345",
        " extn 12",
        " exten 12",
        " extension 12",
        " Extension: 12",
        ", extension 12",
        " (ext 12)",
        " [x12]",
        ";ext=12",
        ";EXT=12",
        ";isub=12",
        ",,12",
        ",12",
        ", 12",
        ",,,12#",
        ";12",
        ";;12",
        "#12",
        " #12",
        "*12",
        "p12",
        "P12",
        "w12",
        "pp12",
        "ww1234",
        " int 12",
        " int. 12",
        " interno 12",
        " anexo 12",
        " ramal 12",
        " extensión 12",
        " EXTENSIÓN 12",
        " poste 12",
        " доб. 12",
        " доб 12",
        " добавочный 12",
        " Durchwahl 12",
        " DW 12",
        " wew. 12",
        " toestel 12",
        "ｘ12",
        "ｘ１２",
        "ｅｘｔ．１２",
        "＃12",
        "；ext=12",
        " 内線12",
        " 分机 12",
        "&12",
        " then dial 12",
        "-12",
        " 12",
    ];
    for after in AFTER {
        for number in ["212-555-0123", "+1 212 555 0123", "(212) 555-0123", "１２１２５５５０１２３"]
        {
            refuses(&NUMBERS, &format!("{number}{after}"), &[Extension]);
        }
    }
    for before in
        ["x12 ", "ext 12 ", "Ext. 12, ", "extension 12: ", "#12 ", "anexo 12, ", "доб. 12, ", "12x", "12, "]
    {
        for number in ["212-555-0123", "+1 212 555 0123", "(212) 555-0123"] {
            refuses(&NUMBERS, &format!("{before}{number}"), &[Extension]);
        }
    }
    for typed in [
        "tel:+12125550123;ext=12",
        "tel:+1-212-555-0123;ext=12;phone-context=example.com",
        "tel:2125550123;phone-context=+1;ext=12",
        "tel:+12125550123;isub=12",
        "tel:+12125550123;postd=pp12",
        "tel:+12125550123,,12",
        "tel:+12125550123p12",
        "tel:+12125550123#12",
        "212 555 0123 ext",
        "212 555 0123 x",
        "212 555 0123 ext.",
        "212-555-0123 / 12",
        "212 555 0123 1234567",
        // As many digits as one of Canada's numbers, 310-0000.
        "212 555 0123 x 310 0000",
        "+1 212 555 0123,,3100000",
        "3100000 x 212 555 0123",
        "212 555 0123 x 12 or x 13",
        "2125550123+12",
    ] {
        refuses(&NUMBERS, typed, &[Extension]);
    }
}

#[test]
fn an_extension_is_told_beside_what_else_is_wrong() {
    refuses(&NUMBERS, "1-800-555-1234 ext 12", &[Extension, Kind]);
    refuses(&NUMBERS, "+44 20 7946 0018 x12", &[Extension, Country]);
    refuses(&NUMBERS, "+44 909 879 0000 x12", &[Extension, Kind, Country]);
    refuses(&NUMBERS, "tel:+44-20-7946-0018;ext=12", &[Extension, Country]);
    // No number, so nothing that it has an extension of.
    for typed in ["x12", "ext 12", "555 0123 x12", "212 555 x12", "+1 212 555 012 ext 3"] {
        refuses(&NUMBERS, typed, &[NotANumber]);
    }
}

#[test]
fn no_numbers() {
    for typed in [
        "",
        " ",
        "+",
        "++",
        "-",
        "+1",
        "1",
        "12",
        "911",
        "311",
        "555-0123",
        "5550123",
        "212555012",
        "21255501234",
        "+121255501234",
        "+1 212 555 012",
        "+1 012 555 0123",
        "+1 112 555 0123",
        "+1 212 155 0123",
        "+1 999 555 0123",
        "0000000000",
        "++12125550123",
        "+1+2125550123",
        "212+5550123",
        "+0 212 555 0123",
        "+999 2125550123",
        "123456789012345678901234567890",
        // Words, of which some are numbers on a keypad.
        "1-800-FLOWERS",
        "1-800-GO-FEDEX",
        "212-555-HELP",
        "phone",
        "call 2125550123",
        "2125550123 home",
        "me@example.com",
        "2125550123@example.com",
        "sip:2125550123",
        "https://example.com/",
        // Two numbers: which?
        "2125550123 or 2125550199",
        "2125550123, 2125550199",
        "+12125550123 +12125550199",
        "tel:",
        "tel:+",
        "tel:+12125550123;foo=bar",
        "tel:+12125550123;",
        "tel:tel:2125550123",
        "tel:+1%20212%20555%200123",
        "2125550123\u{0}",
        "\u{1F4DE}2125550123",
        "²1255501234",
        "Ⅻ",
        "٢١٢",
        "212\u{0301}5550123",
    ] {
        refuses(&NUMBERS, typed, &[NotANumber]);
    }
}

#[test]
fn the_length_is_bounded() {
    let spelt = |length: usize| format!("{:length$}", "+12125550123");
    reads(&NUMBERS, &spelt(64), "+12125550123");
    refuses(&NUMBERS, &spelt(65), &[NotANumber]);
    refuses(&NUMBERS, &"1".repeat(64), &[NotANumber]);
    refuses(&NUMBERS, &"1".repeat(65_536), &[NotANumber]);
    refuses(&NUMBERS, &"ä".repeat(65), &[NotANumber]);
}

/// Nobody's own line.
#[test]
fn other_kinds_of_number() {
    for typed in [
        // Toll-free: each of the plan's codes.
        "800-555-1234",
        "833-555-1234",
        "844-555-1234",
        "855-555-1234",
        "866-555-1234",
        "877-555-1234",
        "888-555-1234",
        "+1 800 555 0123",
        "1 (888) 555-0123",
        // Premium, and personal.
        "900-555-1234",
        "+1 900 234 5678",
        "500-234-5678",
        "533-234-5678",
    ] {
        refuses(&NUMBERS, typed, &[Kind]);
    }
    for (typed, what) in [
        ("0909 879 0000", "premium, GB"),
        ("0870 123 4567", "shared cost, GB"),
        ("0800 123 4567", "toll-free, GB"),
        ("076 4012 3456", "pager, GB"),
        ("070 1234 5678", "personal, GB"),
        ("0300 123 4567", "company-wide, GB"),
        ("056 1234 5678", "VoIP, GB"),
        ("+49 900 1 234567", "premium, DE"),
        ("+49 800 1234567", "toll-free, DE"),
        ("+49 180 5 123456", "shared cost, DE"),
        ("+49 700 12345678", "personal, DE"),
        ("+33 8 10 12 34 56", "shared cost, FR"),
        ("+41 84 812 34 56", "shared cost, CH"),
        ("+39 892 123", "premium, IT"),
    ] {
        let refused = WIDE.read(typed).unwrap_err();
        assert_eq!(refused, [Kind], "{typed}: {what}");
    }
}

/// One country code, many countries: the area code tells.
#[test]
fn countries() {
    for (typed, country) in [
        ("+1 212 555 0123", "US"),
        ("+1 416 555 0123", "CA"),
        ("+1 604 555 0123", "CA"),
        ("+1 787 234 5678", "PR"),
        ("+1 939 234 5678", "PR"),
        ("+1 340 642 3456", "VI"),
        ("+1 671 300 1234", "GU"),
        ("+1 684 622 1234", "AS"),
        ("+1 670 234 5678", "MP"),
        ("808 555 0123", "US"),
        ("907 555 0123", "US"),
    ] {
        assert_eq!(NUMBERS.read(typed).unwrap().country.as_str(), country, "{typed}");
    }
    for typed in [
        "+1 876 523 0123", // Jamaica
        "+1 658 295 0123", // Jamaica
        "+1 242 345 6789", // Bahamas
        "+1 246 250 1234", // Barbados
        "+1 264 235 1234", // Anguilla
        "+1 268 464 1234", // Antigua and Barbuda
        "+1 284 300 1234", // British Virgin Islands
        "+1 345 323 1234", // Cayman Islands
        "+1 441 370 1234", // Bermuda
        "+1 473 403 1234", // Grenada
        "+1 649 231 1234", // Turks and Caicos Islands
        "+1 664 492 3456", // Montserrat
        "+1 721 520 5678", // Sint Maarten
        "+1 758 284 5678", // Saint Lucia
        "+1 767 225 1234", // Dominica
        "+1 784 430 1234", // Saint Vincent
        "+1 809 234 5678", // Dominican Republic
        "+1 829 234 5678", // Dominican Republic
        "+1 849 234 5678", // Dominican Republic
        "+1 868 291 1234", // Trinidad and Tobago
        "+1 869 765 2917", // Saint Kitts and Nevis
        "876-523-0123",    // Jamaica, as a national number
        "+44 20 7946 0018",
        "011 44 20 7946 0018",
        "+49 30 123456",
        "+52 55 5123 4567",
        "+53 5 1234567",
        "+86 131 2345 6789",
        "+7 912 345 67 89",
    ] {
        refuses(&NUMBERS, typed, &[Country]);
    }
}

/// Where the country is not allowed, it is said even of a number that its plan does not give out.
#[test]
fn numbers_abroad_that_no_plan_gives_out() {
    for typed in [
        "+44 7700 900123", // Ofcom keeps it for drama
        "+44 20 0000 0000",
        "+33 0 00 00 00 00",
        "+1 242 555 0123", // Bahamas
        "+1 441 555 0123", // Bermuda
        "+1 868 555 0123", // Trinidad and Tobago
        "284-555-0123",    // British Virgin Islands, as a national number
    ] {
        refuses(&NUMBERS, typed, &[Country]);
    }
    // Too short or too long for any country; of one that is allowed, or of a code that such a one shares; of no country.
    for typed in
        ["+44 7700", "+44 7700 900 123 456 7", "+1 684 555 0123", "+1 999 555 0123", "+999 7700 900123"]
    {
        refuses(&NUMBERS, typed, &[NotANumber]);
    }
    refuses(&WIDE, "+44 7700 900123", &[NotANumber]);
}

/// Of no country, so of none that is allowed.
#[test]
fn satellites_and_global_networks() {
    for (typed, network) in [
        ("+870 301 234 567", "Inmarsat"),
        ("+881 612 345 678", "Iridium"),
        ("+881 812 345 678", "Globalstar"),
        ("+882 342 1234", "an international network"),
        ("+883 510 012 345", "an international network"),
        ("+800 1234 5678", "freephone"),
        ("+808 1234 5678", "shared cost"),
        ("+979 123 456 789", "premium"),
        ("+878 10 1234567890", "personal"),
        ("+888 123 456 789 01", "disaster relief"),
    ] {
        let refused = NUMBERS.read(typed).unwrap_err();
        assert!(refused.contains(&Country), "{typed}, {network}: {refused:?}");
        assert!(WIDE.read(typed).unwrap_err().contains(&Country), "{typed}, {network}");
    }
}

#[test]
fn the_plans_word_on_the_line() {
    for (numbers, typed, by_plan) in [
        (&*NUMBERS, "+1 212 555 0123", LineType::Unknown),
        (&*NUMBERS, "+1 416 555 0123", LineType::Unknown),
        (&*WIDE, "+44 7400 123456", LineType::Mobile),
        (&*WIDE, "+44 20 7946 0018", LineType::Landline),
        (&*WIDE, "+49 1512 3456789", LineType::Mobile),
        (&*WIDE, "+49 30 123456", LineType::Landline),
        (&*WIDE, "+33 6 12 34 56 78", LineType::Mobile),
    ] {
        assert_eq!(numbers.read(typed).unwrap().by_plan, by_plan, "{typed}");
    }
}

#[test]
fn settings() {
    assert!(Numbers::new("us", " us, ca ,,").is_ok());
    for (region, countries, wanted) in [
        ("US", "", InvalidNumbers::NoCountry),
        ("US", " , ", InvalidNumbers::NoCountry),
        ("US", "US,XX", InvalidNumbers::Country("XX".to_owned())),
        ("US", "US,USA", InvalidNumbers::Country("USA".to_owned())),
        ("US", "US;CA", InvalidNumbers::Country("US;CA".to_owned())),
        ("US", "US,001", InvalidNumbers::Country("001".to_owned())),
        ("US", "US,ÜS", InvalidNumbers::Country("ÜS".to_owned())),
        ("", "US", InvalidNumbers::Country(String::new())),
        ("UK", "US", InvalidNumbers::Country("UK".to_owned())),
    ] {
        assert_eq!(Numbers::new(region, countries).err(), Some(wanted), "{region} {countries}");
    }
}

#[test]
fn reasons_on_the_wire() {
    let every = [NotANumber, Extension, Kind, Country, Unfit::TextToLandline, Unfit::OptedOut];
    assert!(every.is_sorted());
    assert_eq!(
        serde_json::to_value(every).unwrap(),
        serde_json::json!([
            "not_a_number",
            "extension",
            "line_type",
            "country",
            "text_to_landline",
            "opted_out"
        ])
    );
}

#[test]
fn no_number_is_shown() {
    let read = NUMBERS.read("+12125550123").unwrap();
    assert!(!format!("{read:?} {:?}", *NUMBERS).contains("5550"), "{read:?}");
}

/// Pieces of which numbers, and things like them, are made.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[0-9]{1,4}",
        "[ ()./+-]{1,2}",
        prop::sample::select(vec![
            "x",
            "ext",
            ";ext=",
            "tel:",
            ",",
            "#",
            "доб",
            "１２",
            "ｘ",
            "\u{a0}",
            "²",
            ";phone-context=+1"
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// Never a panic; reasons in their order, none twice, never none; and what is read is dialled as it is.
    #[test]
    fn whatever_is_typed(typed in prop_oneof![any::<String>(), pieces(), "\\PC{0,80}"]) {
        match NUMBERS.read(&typed) {
            Ok(read) => {
                prop_assert_eq!(&NUMBERS.read(read.number.as_str()).unwrap(), &read, "read again");
                prop_assert!(["US", "CA", "PR", "VI", "GU", "AS", "MP"].contains(&read.country.as_str()));
                // Digits of another script are read as well.
                let ending = typed.chars().rev().find(|c| c.is_numeric()).filter(char::is_ascii_digit);
                prop_assert!(ending.is_none_or(|digit| read.number.as_str().ends_with(digit)), "{}", typed);
            }
            Err(reasons) => {
                prop_assert!(!reasons.is_empty());
                prop_assert!(reasons.windows(2).all(|two| two[0] < two[1]), "{:?}", reasons);
            }
        }
    }

    /// Digits of another number's worth, marked by anything that is not a separator, never slip through.
    #[test]
    fn no_extension_slips_through(
        mark in "[^0-9 +\\p{N}\\p{Z}\\p{C}\\p{P}]{1,6}|[,;#*:=&@]{1,3}",
        extension in "[0-9]{1,7}",
        before in any::<bool>(),
    ) {
        let typed = if before { format!("{extension}{mark}+12125550123") } else { format!("+12125550123{mark}{extension}") };
        prop_assume!(typed.chars().count() <= 64);
        prop_assert_eq!(NUMBERS.read(&typed), Err(vec![Extension]), "{}", typed);
    }

    /// Separators mean nothing, wherever they stand between the digits.
    #[test]
    fn separators_mean_nothing(parts in prop::collection::vec("[ ()./\u{a0}\u{2011}\u{200b}-]{0,2}", 10)) {
        let typed: String = "2125550123".chars().zip(parts).flat_map(|(digit, part)| [digit.to_string(), part]).collect();
        let read = NUMBERS.read(&typed).map(|read| read.number.as_str().to_owned());
        prop_assert_eq!(read.as_deref(), Ok("+12125550123"), "{}", typed);
    }
}
