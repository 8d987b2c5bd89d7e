//! What was typed, taken apart: digits that belong together, and what stands between them.
//!
//! The library would read a number out of almost anything, and drop or keep an extension by a list of words. Here it is
//! the other way round: digits, their separators and one `+` are a number; anything else beside it makes it something
//! else, in whatever language.

/// The words and signs of an extension that say so even without digits.
const EXTENSION: [&str; 26] = [
    "x",
    "ext",
    "exts",
    "extn",
    "exten",
    "extension",
    "extensión",
    "xtn",
    "int",
    "interno",
    "anexo",
    "ramal",
    "poste",
    "wew",
    "доб",
    "добавочный",
    "durchwahl",
    "dw",
    "nebenstelle",
    "apparaat",
    "toestel",
    "linka",
    "klapka",
    "내선",
    "内線",
    "分机",
];

/// The parameters of a `tel:` URI that lead on from the number: an extension, an ISDN subaddress (RFC 3966 §3), digits
/// dialled once connected (3GPP TS 24.229 §7.2A).
const LEADS_ON: [&str; 3] = ["ext", "isub", "postd"];

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Spelling {
    /// ASCII digits, a `+` before them where there is one, and one space wherever there were separators.
    pub digits: Vec<String>,
    /// An extension was named, or is a parameter.
    pub names_extension: bool,
    /// Something stands there that neither is nor names an extension.
    pub has_marks: bool,
}

impl Spelling {
    /// `digits_of`: the ASCII digits of a text in any script.
    pub fn of(typed: &str, digits_of: impl Fn(&str) -> String) -> Self {
        let typed = typed.trim_matches(is_separator);
        match typed.split_at_checked(4) {
            Some((scheme, number)) if scheme.eq_ignore_ascii_case("tel:") => Self::of_uri(number, digits_of),
            _ => Self::of_text(typed, &digits_of),
        }
    }

    /// The digits, where nothing else stands there.
    pub fn alone(&self) -> Option<&str> {
        match self.digits.as_slice() {
            [digits] if !self.names_extension && !self.has_marks => Some(digits),
            _ => None,
        }
    }

    /// RFC 3966 §3.
    fn of_uri(number: &str, digits_of: impl Fn(&str) -> String) -> Self {
        let mut parts = number.split(';');
        let mut number = parts.next().unwrap_or_default().to_owned();
        let (mut leads_on, mut marks) = (false, false);
        for parameter in parts {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if name.eq_ignore_ascii_case("phone-context") {
                // §5.1.5: either the number's beginning, or the domain within which it is dialled.
                if value.starts_with('+') && !number.starts_with('+') {
                    number = format!("{value}{number}");
                }
            } else if LEADS_ON.iter().any(|known| name.eq_ignore_ascii_case(known)) {
                leads_on = true;
            } else {
                marks = true;
            }
        }
        let mut spelling = Self::of_text(&number, &digits_of);
        spelling.names_extension |= leads_on;
        spelling.has_marks |= marks;
        spelling
    }

    fn of_text(typed: &str, digits_of: &impl Fn(&str) -> String) -> Self {
        let mut spelling = Self::default();
        let (mut digits, mut word) = (String::new(), String::new());
        for typed in typed.chars() {
            let c = narrow(typed);
            let digit =
                if c.is_numeric() { digits_of(c.encode_utf8(&mut [0; 4])).chars().next() } else { None };
            if let Some(digit) = digit {
                spelling.end_word(&mut word);
                digits.push(digit);
            } else if c == '+' {
                spelling.end_word(&mut word);
                spelling.end_digits(&mut digits);
                digits.push('+');
            } else if is_separator(c) {
                spelling.end_word(&mut word);
                if digits.ends_with(|last: char| last.is_ascii_digit()) {
                    digits.push(' ');
                }
            } else {
                spelling.end_digits(&mut digits);
                word.push(c);
            }
        }
        spelling.end_word(&mut word);
        spelling.end_digits(&mut digits);
        spelling
    }

    fn end_word(&mut self, word: &mut String) {
        let word = std::mem::take(word).to_lowercase();
        if EXTENSION.contains(&word.trim_matches(|c: char| !c.is_alphanumeric())) {
            self.names_extension = true;
        } else if !word.is_empty() {
            self.has_marks = true;
        }
    }

    fn end_digits(&mut self, digits: &mut String) {
        let digits = std::mem::take(digits);
        if digits == "+" {
            self.has_marks = true;
        } else if !digits.is_empty() {
            self.digits.push(digits.trim_end().to_owned());
        }
    }
}

/// Each way to part digits where there were separators.
pub fn splits(digits: &str) -> impl Iterator<Item = (&str, &str)> {
    digits.match_indices(' ').filter_map(|(at, _)| Some((digits.get(..at)?, digits.get(at..)?.trim_start())))
}

/// How many digits there are.
pub fn count(digits: &str) -> usize {
    digits.chars().filter(char::is_ascii_digit).count()
}

/// The ordinary form of a full-width one (Unicode block FF00, but for its space).
fn narrow(c: char) -> char {
    match c {
        '\u{FF01}'..='\u{FF5E}' => u32::from(c).checked_sub(0xFEE0).and_then(char::from_u32).unwrap_or(c),
        _ => c,
    }
}

/// What parts the groups of a number and means nothing: blanks, dashes, dots, slashes, brackets, and the invisible marks
/// that come along when a number is copied from an address book.
fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            narrow(c),
            '-' | '.' | '/' | '(' | ')' | '[' | ']' | '~'
                | '\u{00AD}' | '\u{00B7}'
                | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}'
                | '\u{2010}'..='\u{2015}' | '\u{2053}' | '\u{2212}' | '\u{223C}' | '\u{30FC}'
        )
}
