use proptest::prelude::*;

use super::*;

/// What one septet of GSM 03.38 §6.2.1 stands for; and what takes two, by way of its extension table.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿\
                     abcdefghijklmnopqrstuvwxyzäöñüà";
const EXTENDED: &str = "\u{c}^{}\\[~]|€";

/// A message's length in septets, or none where its alphabet does not do.
pub fn septets(text: &str) -> Option<usize> {
    text.chars()
        .map(|c| match c {
            c if BASIC.contains(c) => Some(1),
            c if EXTENDED.contains(c) => Some(2),
            _ => None,
        })
        .sum()
}

fn code(text: &str) -> OneTimeCode {
    text.parse().unwrap()
}

fn locale(text: &str) -> Locale {
    text.parse().unwrap()
}

fn words() -> CodeWords {
    CodeWords::new("Postern", "portal.example.com")
}

#[test]
fn septets_are_counted_as_the_standard_does() {
    assert_eq!((BASIC.chars().count(), EXTENDED.chars().count()), (127, 10));
    for (text, wanted) in
        [("", Some(0)), ("abc", Some(3)), ("€5", Some(3)), ("ñ¿Ç", Some(3)), ("ó", None), ("ç", None)]
    {
        assert_eq!(septets(text), wanted, "{text}");
    }
}

#[test]
fn texts() {
    for (language, wanted) in [
        (
            "en-US",
            "135790 is your Postern code; it ends in 10 minutes, and nobody will ever ask you for it.\n\n@portal.example.com #135790",
        ),
        (
            "es",
            "135790 es su clave de Postern; vence en 10 minutos y nadie se la va a pedir nunca.\n\n@portal.example.com #135790",
        ),
    ] {
        assert_eq!(words().text(&code("135790"), &locale(language)).expose_secret(), wanted);
    }
}

/// One message: 160 septets (GSM 03.38 §6.1.2). A name and a host of 24 each leave room.
#[test]
fn a_text_fits_one_message() {
    let longest = CodeWords::new("Example Provider Portal.", "portal.clinic.example.co");
    for words in [words(), longest] {
        for language in ["en-US", "es-US", "es-MX", "fr"] {
            let text = words.text(&code("135790"), &locale(language));
            let septets = septets(text.expose_secret()).unwrap();
            assert!(septets <= 160, "{septets}: {}", text.expose_secret());
        }
    }
}

#[test]
fn the_language_is_the_accounts() {
    for (tag, wanted) in [
        ("es", Language::Spanish),
        ("es-US", Language::Spanish),
        ("es-419", Language::Spanish),
        ("ES-mx", Language::Spanish),
        ("en", Language::English),
        ("en-GB", Language::English),
        ("fr-CA", Language::English),
        ("est", Language::English),
    ] {
        assert_eq!(Language::of(&locale(tag)), wanted, "{tag}");
    }
}

#[test]
fn calls() {
    let english = words().spoken(&code("135790"), &locale("en-US"));
    assert_eq!(
        english.expose_plain(),
        "Hello. This is Postern. Your code is: 1, 3, 5, 7, 9, 0. Once more, your code is: 1, 3, 5, 7, 9, 0. \
         It ends in ten minutes. Nobody will ever ask you for it. Goodbye."
    );
    let spanish = words().spoken(&code("135790"), &locale("es-US"));
    assert_eq!(
        spanish.expose_plain(),
        "Hola. Le llama Postern. Su código es: 1, 3, 5, 7, 9, 0. Una vez más, su código es: 1, 3, 5, 7, 9, 0. \
         Vence en diez minutos. Nadie se lo va a pedir nunca. Adiós."
    );
    assert_eq!((english.language(), spanish.language()), (Language::English, Language::Spanish));
}

#[test]
fn no_digit_of_the_code_is_shown() {
    let spoken = words().spoken(&code("135790"), &locale("en-US"));
    let text = words().text(&code("135790"), &locale("en-US"));
    let shown = format!("{spoken:?} {text:?} {:?}", words());
    assert!(!shown.contains(|c: char| c.is_ascii_digit()), "{shown}");
}

/// The elements of well-formed SSML, and the text between them. Of Polly's, these alone are used.
fn spoken_text(ssml: &str) -> String {
    let (mut open, mut text, mut rest) = (Vec::new(), String::new(), ssml);
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        let (tag, after) = tag.split_once('>').unwrap();
        rest = after;
        match tag {
            r#"break time="500ms"/"# | r#"break time="700ms"/"# | r#"break time="1s"/"# => text.push(' '),
            "speak" | r#"prosody rate="slow""# => open.push(tag.split(' ').next().unwrap()),
            _ => assert_eq!(tag.strip_prefix('/'), open.pop(), "{ssml}"),
        }
        assert!(!open.is_empty() || rest.is_empty(), "one root, and nothing after it: {ssml}");
    }
    assert!(rest.is_empty() && open.is_empty() && ssml.starts_with("<speak>"), "{ssml}");
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

proptest! {
    /// Whatever the portal is called: the last line is the code's, bound to the host; no other run of six digits stands in
    /// it; the voice says the digits one by one, and twice; and its markup is whole.
    #[test]
    fn whatever_the_code(digits in "[0-9]{6}", portal in "[ -/:-_a-~]{0,40}", language in prop::sample::select(vec!["en", "es-US", "ja"])) {
        let words = CodeWords::new(&portal, "id.example");
        let (code, locale) = (code(&digits), locale(language));

        let text = words.text(&code, &locale);
        prop_assert_eq!(text.expose_secret().lines().last().unwrap(), format!("@id.example #{digits}"));
        let runs: Vec<_> = text.expose_secret().split(|c: char| !c.is_ascii_digit()).filter(|run| run.len() > 2).collect();
        prop_assert_eq!(runs, [&digits, &digits]);
        prop_assert!(septets(text.expose_secret()).is_some());

        let spoken = words.spoken(&code, &locale);
        let twice = digits.repeat(2);
        for said in [spoken.expose_plain(), &spoken_text(spoken.expose_ssml())] {
            prop_assert_eq!(&said.chars().filter(char::is_ascii_digit).collect::<String>(), &twice);
            prop_assert!(said.split(|c: char| !c.is_ascii_digit()).all(|run| run.len() < 2), "{}", said);
            prop_assert!(said.contains(&portal));
        }
        // `SendVoiceMessage` takes 6,000 characters of SSML.
        prop_assert!(spoken.expose_ssml().chars().count() < 6000);
    }
}
