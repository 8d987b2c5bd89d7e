use proptest::prelude::*;

use super::*;

fn typed(text: &str) -> TypedPassword {
    TypedPassword::try_from(text.to_owned()).unwrap()
}

fn judged_for(username: &str, email: &str, password: &str) -> Result<(), Weak> {
    judge(&typed(password), &username.parse().unwrap(), &email.parse().unwrap())
}

fn judged(password: &str) -> Result<(), Weak> {
    judged_for("margaret.h", "hamilton@draper.example.org", password)
}

fn reasons(judged: Result<(), Weak>) -> Vec<Reason> {
    judged.err().map_or_else(Vec::new, |weak| weak.reasons)
}

#[test]
fn weak_passwords_are_refused_for_what_they_are() {
    use Reason::{Common, Guessable, TooShort};
    for (password, why) in [
        ("", vec![TooShort]),
        ("K7#mPq2", vec![TooShort]),
        ("猫喜欢晒太阳", vec![TooShort]),
        ("e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}", vec![TooShort]),
        ("1234567", vec![TooShort, Common]),
        ("monkey", vec![TooShort, Common]),
        ("12345678", vec![Common]),
        ("password", vec![Common]),
        ("PASSWORD", vec![Common]),
        ("pAsSwOrD", vec![Common]),
        ("Password1", vec![Common]),
        ("qwertyuiop", vec![Common]),
        ("QwertyUiop", vec![Common]),
        ("1qaz2wsx3edc", vec![Common]),
        ("trustno1", vec![Common]),
        ("computer", vec![Common]),
        ("passw0rd", vec![Common]),
        ("q1w2e3r4t5y6u7i8o9p0", vec![Common]),
        ("Chartreuse", vec![Common]),
        ("aaaaaaaa", vec![Guessable]),
        ("Password1!", vec![Guessable]),
        ("P@ssw0rd", vec![Common]),
        ("P@ssw0rd2026!", vec![Guessable]),
        ("drowssap", vec![Common]),
        ("Summer2026", vec![Guessable]),
        ("Summer2026!", vec![Guessable]),
        ("letmein2026!", vec![Guessable]),
        ("abcdefgh", vec![Guessable]),
        ("zyxwvutsr", vec![Guessable]),
        ("abcabcabcabc", vec![Guessable]),
        ("passwordpassword", vec![Guessable]),
        ("monkeydragon", vec![Guessable]),
        ("12/03/1985", vec![Guessable]),
        ("19850312", vec![Guessable]),
        // The longest in the list, and a bit more than the estimate looks at.
        ("q1w2e3r4t5y6u7i8o9p0-", vec![Guessable]),
        ("        ", vec![Guessable]),
        ("мммммммм", vec![Guessable]),
        ("абвгдежз", vec![Guessable]),
    ] {
        assert_eq!(reasons(judged(password)), why, "{password}");
    }
    // However long.
    for password in ["aaaaaaaa".repeat(128), "password".repeat(16), "0123456789".repeat(100)] {
        assert_eq!(reasons(judged(&password)), [Guessable], "{password}");
    }
}

#[test]
fn ordinary_passphrases_pass_in_any_script_and_of_any_composition() {
    for password in [
        "correct horse battery staple",
        "purple elephant",
        "rainy tuesday",
        "tea with lemon",
        "my dog is loud",
        "coffee please",
        "zebra-lamp",
        "no more secrets",
        "ich mag kaffee",
        "katze auf dem dach",
        "el perro verde",
        "le chat gris dort",
        "jag dricker kaffe",
        "smörgåsbord på fredag",
        "cafe\u{301} cre\u{300}me",
        "дождь на крыше",
        "η γάτα στη στέγη",
        "أحب القهوة بالحليب",
        "חתול ישן על הגג",
        "雨の日はお茶を飲む",
        "我喜欢在雨天喝茶",
        "비 오는 날의 커피",
        "मुझे चाय पसंद है",
        "ฉันชอบดื่มชา",
        "\u{1f427}\u{1f4e6}\u{1f319}\u{1f9ca}\u{1f3b8}\u{1f955}\u{1f680}\u{1f44d}",
        // Of one kind alone, and as short as may be.
        "xkqzvbwp",
        "K7#mPq2x",
        "h8vK2pQz",
        "HFXQVNTZ",
        "84729105638",
    ] {
        assert_eq!(judged(password), Ok(()), "{password}");
    }
    for password in ["tea with lemon, ".repeat(8), "我喜欢在雨天喝茶".repeat(16), "é".repeat(100) + "x9#kT"]
    {
        assert!(password.chars().count() >= 105);
        // The last one's beginning says nothing good of it; the first two are fine at 128 characters.
        assert_eq!(judged(&password).is_ok(), !password.starts_with('é'), "{password}");
    }
    assert_eq!(judged(&("tea with lemon".to_owned() + &" ".repeat(1_010))), Ok(()));
}

#[test]
fn a_username_makes_no_password() {
    for (username, password) in [
        ("margaret.h", "margaret.h"),
        ("margaret.h", "MARGARET.H-moon-lander"),
        ("margaret.h", "to the moon with Margaret.H"),
        ("margaret.h", "h.teragram and a lander"),
        ("margaret.hamilton", "margaret"),
        ("margaret.hamilton", "Hamilton"),
        ("margaret.hamilton", "notlimah"),
        ("margaret.hamilton", "ret.hami"),
        ("ada_l", "correct ada_l battery staple"),
        ("1234", "x9#kTq1234bw"),
    ] {
        let weak = judged_for(username, "hamilton@example.org", password).unwrap_err();
        assert!(
            weak.reasons.contains(&Reason::ContainsUsername),
            "{username} {password}: {:?}",
            weak.reasons
        );
        assert!(weak.suggestions.iter().any(|sentence| sentence.contains("your name")), "{password}");
    }
    for (username, password) in [
        // Three characters are in too many words.
        ("ada", "canada in the rain"),
        ("margaret.h", "correct horse battery staple"),
        ("margaret.h", "margarine on a bagel"),
        ("margaret.h", "tea with margaret"),
    ] {
        assert_eq!(judged_for(username, "hamilton@example.org", password), Ok(()), "{username} {password}");
    }
    // A password of three characters is in many a username.
    let short = judged_for("margaret.h", "hamilton@example.org", "gar").unwrap_err();
    assert!(!short.reasons.contains(&Reason::ContainsUsername));
}

#[test]
fn an_address_and_what_names_are_made_of_are_the_first_to_be_tried() {
    let strangers = |password| judged_for("ada_lovelace", "countess@example.org", password);
    let own = |password| judged_for("xqzv.kwjb", "pfgh.vbnq@drqtz.example.org", password);
    for password in
        ["xqzv7831", "kwjb7831", "pfgh.vbnq", "vbnq40817", "Drqtz2026!", "pfgh.vbnq@drqtz.example.org"]
    {
        assert_eq!(strangers(password), Ok(()), "{password}");
        let weak = own(password).expect_err(password);
        assert_eq!(weak.reasons, [Reason::Guessable], "{password}");
        assert!(
            weak.suggestions.iter().any(|sentence| sentence.contains("your email address")),
            "{password}"
        );
    }
    assert_eq!(own("vbnq on a boat with drqtz"), Ok(()));
}

#[test]
fn whoever_is_refused_is_told_how_to_do_better_and_nothing_twice() {
    for password in
        ["", "short", "12345678", "Password1!", "Summer2026", "asdfghjkl;'", "p4ssw0rd", "DRAGONFLY"]
    {
        let weak = judged(password).unwrap_err();
        assert!(!weak.suggestions.is_empty(), "{password}");
        for (index, sentence) in weak.suggestions.iter().enumerate() {
            assert!(sentence.ends_with('.') && sentence.len() <= 80, "{sentence}");
            assert!(!weak.suggestions[..index].contains(sentence), "{password}: {sentence} twice");
        }
    }
    assert_eq!(
        judged("Summer2026").unwrap_err().suggestions,
        ["Add another word or two. Uncommon words are better.", "A capital letter hardly helps.",]
    );
}

#[test]
fn a_refusal_is_what_the_answer_says() {
    let weak = judged("1234567").unwrap_err();
    assert_eq!(serde_json::to_value(&weak).unwrap()["reasons"], serde_json::json!(["too_short", "common"]));
    let all = [Reason::TooLong, Reason::ContainsUsername, Reason::Guessable];
    assert_eq!(
        serde_json::to_value(all).unwrap(),
        serde_json::json!(["too_long", "contains_username", "guessable"])
    );
    assert_eq!(Weak::from(TooLong).reasons, [Reason::TooLong]);
}

#[test]
fn no_refusal_shows_the_password() {
    for password in ["monkeydragon", "margaret.h"] {
        let weak = judged(password).unwrap_err();
        assert!(!format!("{weak} {weak:?} {}", serde_json::to_string(&weak).unwrap()).contains(password));
    }
}

/// What zxcvbn sees patterns in: short repeats, rows of keys, look-alikes, dates, letters whose case changes their number.
fn patterned() -> impl Strategy<Value = String> {
    let parts = [
        "password",
        "1",
        "a",
        "A",
        "4@8({[<36",
        "!|17|0$5+7%2",
        "19",
        "12/03/1985",
        "qwerty",
        "/*-",
        "963",
        "abab",
        "İ",
        "ß",
        "ǅ",
        "e\u{301}",
        "中",
        "\u{1f600}",
        "\u{200d}",
        "\u{0}",
        " ",
        "{[(<c",
        "aA4@",
        "i",
        "margaret",
        "MARGARET.H",
    ];
    prop::collection::vec(prop::sample::select(parts.to_vec()), 0..20).prop_map(|parts| parts.concat())
}

proptest! {
    /// zxcvbn's arithmetic overflows on longer texts, which the debug profile turns into a panic.
    #[test]
    fn whatever_is_typed_is_judged(password in prop_oneof![patterned(), any::<String>()]) {
        prop_assume!(password.len() <= crate::LONGEST);
        let judged = judged(&password);
        let short = typed(&password).expose().chars().count() < SHORTEST;
        prop_assert_eq!(reasons(judged).contains(&Reason::TooShort), short);
    }

    #[test]
    fn sixteen_random_letters_pass(password in "[a-z]{16}") {
        prop_assert_eq!(judged(&password), Ok(()));
    }
}
