use proptest::prelude::*;

use super::*;

fn typed(text: &str) -> TypedPassword {
    TypedPassword::try_from(text.to_owned()).unwrap()
}

#[test]
fn one_text_is_one_password_however_it_was_composed() {
    for (one, other) in [
        ("caf\u{e9}", "cafe\u{301}"),
        ("\u{212b}ngstr\u{f6}m", "A\u{30a}ngstro\u{308}m"),
        ("\u{d55c}\u{ae00}", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}"),
        // Two marks in either order.
        ("q\u{307}\u{323}", "q\u{323}\u{307}"),
    ] {
        assert_ne!(one, other);
        assert_eq!(typed(one).expose(), typed(other).expose());
    }
    assert_eq!(typed("cafe\u{301}").expose(), "caf\u{e9}");
}

/// NFKC would make one password of each pair.
#[test]
fn what_only_looks_alike_stays_apart() {
    for (one, other) in [("\u{fb01}sh", "fish"), ("x\u{b2}", "x2"), ("\u{ff41}", "a"), ("\u{430}", "a")] {
        assert_ne!(typed(one).expose(), typed(other).expose());
    }
}

#[test]
fn nothing_is_trimmed_and_everything_counts() {
    for text in
        ["", " ", "  two words ", "\ttab\n", "\u{0}", "\u{200d}", "\u{feff}", "\u{1f469}\u{200d}\u{1f680}"]
    {
        assert_eq!(typed(text).expose(), text);
    }
}

#[test]
fn up_to_1024_bytes_as_typed_are_taken_and_no_more() {
    for fits in ["a".repeat(128), "\u{1f511}".repeat(128), "a".repeat(1_024), "\u{e9}".repeat(512)] {
        assert_eq!(TypedPassword::try_from(fits.clone()).unwrap().expose(), fits);
    }
    for exceeds in ["a".repeat(1_025), "\u{1f511}".repeat(257), "\u{e9}".repeat(513), "a".repeat(1_000_000)] {
        assert_eq!(TypedPassword::try_from(exceeds).unwrap_err(), TooLong);
    }
    // What is counted is what was typed: composed it would have 684 bytes, decomposed it has 1,026.
    assert_eq!(TypedPassword::try_from("e\u{301}".repeat(342)).unwrap_err(), TooLong);
    // The longest that NFC makes of it: U+1D160 in three code points of 4 bytes.
    assert_eq!(typed(&"\u{1d160}".repeat(256)).expose().len(), 3_072);
}

#[test]
fn nothing_of_it_is_shown() {
    let shown = format!("{:?}", typed("correct horse"));
    assert!(!shown.contains("correct"), "{shown}");
}

proptest! {
    #[test]
    fn any_text_is_taken_whole(text in any::<String>()) {
        prop_assume!(text.len() <= LONGEST);
        let once = typed(&text);
        let twice = typed(once.expose());
        prop_assert_eq!(twice.expose(), once.expose());
        prop_assert!(ComposingNormalizerBorrowed::new_nfc().is_normalized(once.expose()));
        if text.is_ascii() {
            prop_assert_eq!(once.expose(), text);
        }
    }
}
