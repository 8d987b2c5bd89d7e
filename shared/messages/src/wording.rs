//! How a one-time code is told: in a text, and by a voice.
//!
//! English, and Spanish where the account's language is. Nothing to click, and no digits beside the code's.

use std::fmt;

use postern_domain::name::Locale;
use postern_domain::one_time_code::OneTimeCode;
use secrecy::{ExposeSecret, SecretString};

use crate::Letter;

/// What the texts and calls of a deployment say beside the code.
#[derive(Debug, Clone)]
pub struct CodeWords {
    portal: String,
    host: String,
}

/// The languages that there are words for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    English,
    Spanish,
}

impl Language {
    #[must_use]
    pub fn of(locale: &Locale) -> Self {
        // In canonical form the language comes first, in lower case.
        match locale.as_str().split('-').next() {
            Some("es") => Self::Spanish,
            _ => Self::English,
        }
    }
}

/// What a voice says. It holds the code: its `Debug` is redacted.
#[derive(Clone)]
pub struct Spoken {
    language: Language,
    ssml: SecretString,
    plain: SecretString,
}

impl Spoken {
    #[must_use]
    pub fn language(&self) -> Language {
        self.language
    }

    /// Speech Synthesis Markup Language 1.1, of what Amazon Polly knows of it.
    #[must_use]
    pub fn expose_ssml(&self) -> &str {
        self.ssml.expose_secret()
    }

    /// The words alone, for a person to read.
    #[must_use]
    pub fn expose_plain(&self) -> &str {
        self.plain.expose_secret()
    }
}

impl fmt::Debug for Spoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spoken").field("language", &self.language).finish_non_exhaustive()
    }
}

impl CodeWords {
    /// `portal`: what people call it. `host`: the RP ID, which the code is bound to.
    #[must_use]
    pub fn new(portal: impl Into<String>, host: impl Into<String>) -> Self {
        Self { portal: portal.into(), host: host.into() }
    }

    /// The body of a text.
    ///
    /// The last line binds the code to the portal's origin, so that a browser offers it there and nowhere else ("Origin-bound
    /// one-time codes delivered via SMS", WICG). Everything is in the alphabet of GSM 03.38, which has no `á`, `í` or `ó`:
    /// one character beyond it would more than halve what fits one message.
    #[must_use]
    pub fn text(&self, code: &OneTimeCode, locale: &Locale) -> SecretString {
        let Self { portal, host } = self;
        let code = code.expose_digits();
        let sentence = match Language::of(locale) {
            Language::English => {
                format!(
                    "{code} is your {portal} code; it ends in 10 minutes, and nobody will ever ask you for it."
                )
            }
            Language::Spanish => {
                format!("{code} es su clave de {portal}; vence en 10 minutos y nadie se la va a pedir nunca.")
            }
        };
        SecretString::from(format!("{sentence}\n\n@{host} #{code}"))
    }

    /// The letter with a code that recovers an account. Nothing to click, as in a text.
    #[must_use]
    pub fn letter(&self, code: &OneTimeCode, locale: &Locale) -> Letter {
        let portal = &self.portal;
        let code = code.expose_digits();
        let (subject, body) = match Language::of(locale) {
            Language::English => (
                format!("Your {portal} code"),
                format!(
                    "{code} is your code to get back into {portal}.\n\nIt ends in ten minutes, and nobody will ever ask \
                     you for it.\n\nIf this was not you, somebody knows your username: do not give the code to anybody.\n"
                ),
            ),
            Language::Spanish => (
                format!("Su clave de {portal}"),
                format!(
                    "{code} es su clave para volver a entrar en {portal}.\n\nVence en diez minutos y nadie se la va a \
                     pedir nunca.\n\nSi no fue usted, alguien conoce su nombre de usuario: no le d\u{e9} la clave a nadie.\n"
                ),
            ),
        };
        Letter::new(subject, body.into())
    }

    /// What a call says: the digits one by one, slowly, and all of it twice. A pause comes first, for whoever answers is not
    /// listening yet.
    #[must_use]
    pub fn spoken(&self, code: &OneTimeCode, locale: &Locale) -> Spoken {
        let language = Language::of(locale);
        let Script { hello, code: code_is, again, end } = language.script();
        let hello = hello.replace("{portal}", &self.portal);
        let digits: Vec<String> = code.expose_digits().chars().map(String::from).collect();
        let (slowly, listed) = (digits.join(r#"<break time="700ms"/>"#), digits.join(", "));
        let ssml = format!(
            r#"<speak><break time="1s"/>{hello}<break time="500ms"/>{code_is}<break time="500ms"/><prosody rate="slow">{slowly}</prosody><break time="1s"/>{again}<break time="500ms"/><prosody rate="slow">{slowly}</prosody><break time="1s"/>{end}</speak>"#,
            hello = escaped(&hello),
        );
        let plain = format!("{hello} {code_is} {listed}. {again} {listed}. {end}");
        Spoken { language, ssml: SecretString::from(ssml), plain: SecretString::from(plain) }
    }
}

struct Script {
    hello: &'static str,
    code: &'static str,
    again: &'static str,
    end: &'static str,
}

impl Language {
    fn script(self) -> Script {
        match self {
            Self::English => Script {
                hello: "Hello. This is {portal}.",
                code: "Your code is:",
                again: "Once more, your code is:",
                end: "It ends in ten minutes. Nobody will ever ask you for it. Goodbye.",
            },
            Self::Spanish => Script {
                hello: "Hola. Le llama {portal}.",
                code: "Su código es:",
                again: "Una vez más, su código es:",
                end: "Vence en diez minutos. Nadie se lo va a pedir nunca. Adiós.",
            },
        }
    }
}

/// As character data of XML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
#[path = "wording_tests.rs"]
pub mod tests;
