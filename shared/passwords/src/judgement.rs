use postern_domain::name::{Email, Username};
use serde::Serialize;
use zeroize::Zeroizing;
use zxcvbn::feedback::Suggestion;
use zxcvbn::matching::patterns::MatchPattern;
use zxcvbn::zxcvbn;

use crate::{TooLong, TypedPassword};

/// Characters (code points in NFC) that a password must have. NIST SP 800-63B-4 §3.1.1.2: 8 where it is one of two factors,
/// which is the only way it is used here.
pub const SHORTEST: usize = 8;

/// Guesses that a password must be estimated to withstand.
///
/// 10^8 is what zxcvbn says of eight characters in which it sees no pattern at all: the shortest password that is allowed
/// passes, unless something in it can be guessed. So do two words with a space between, or any eight characters of a script
/// whose words it does not know. It is also where zxcvbn's score turns from "somewhat guessable" to "safely unguessable". A
/// hundredth of it would withstand the hundred guesses that an account takes, were it not for passwords such as
/// `Summer2026!`, which attackers try among their first hundred and zxcvbn puts at 10^7.
///
/// Of eight random lower-case letters one in ten falls under it, for a word or a year that is in them by chance; of eight
/// random letters and digits one in 25; of nine or more less than one in a hundred.
const FEWEST_GUESSES: u64 = 100_000_000;

/// Characters, from the first on, that the estimate looks at.
///
/// What begins well is good whatever follows, and nothing in the list is longer. It keeps zxcvbn's work small (it grows with
/// the square, and more under look-alike characters) and its factorials and powers within 64 bits.
const ESTIMATED: usize = 20;

/// A name or a part of it counts as contained from this length on.
const SHORTEST_NAME: usize = 4;

/// Why a password is refused, and what would make a better one.
#[derive(thiserror::Error, Clone, Debug, PartialEq, Eq, Serialize)]
#[error("the password is too weak: {reasons:?}")]
pub struct Weak {
    /// At least one.
    pub reasons: Vec<Reason>,
    /// Sentences to show, in English.
    pub suggestions: Vec<String>,
}

/// Why a password is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Fewer than [`SHORTEST`] characters.
    TooShort,
    /// More than [`LONGEST`](crate::LONGEST) bytes. [`TypedPassword`] says so already.
    TooLong,
    /// In the list of common and breached passwords, words and names: in whatever case, backwards, or with signs that look
    /// like its letters.
    Common,
    /// It contains the username, or the username it, forwards or backwards.
    ContainsUsername,
    /// Nothing of the above, and yet among the first that would be tried.
    Guessable,
}

impl From<TooLong> for Weak {
    fn from(_: TooLong) -> Self {
        Self {
            reasons: vec![Reason::TooLong],
            suggestions: vec!["Use a shorter one: 128 characters are always possible.".to_owned()],
        }
    }
}

/// Whether `password` may be chosen by whoever has these names (NIST SP 800-63B-4 §3.1.1.2: a blocklist of commonly used,
/// expected and compromised values, the username and its derivatives among them, and no other rule).
///
/// Takes a millisecond of a processor, 80 at the worst, and 17 more the first time. It leaves copies of parts of the
/// password in memory that zxcvbn does not wipe.
pub fn judge(password: &TypedPassword, username: &Username, email: &Email) -> Result<(), Weak> {
    let password = password.expose();
    let estimated = Zeroizing::new(password.chars().take(ESTIMATED).collect::<String>());
    let by_anybody = zxcvbn(&estimated, &[]);
    let by_acquaintance = zxcvbn(&estimated, &own_words(username, email));

    let mut reasons = Vec::new();
    if password.chars().count() < SHORTEST {
        reasons.push(Reason::TooShort);
    }
    if is_one_entry(by_anybody.sequence()) && estimated.len() == password.len() {
        reasons.push(Reason::Common);
    }
    if is_about(password, username) {
        reasons.push(Reason::ContainsUsername);
    }
    if reasons.is_empty() && by_acquaintance.guesses() < FEWEST_GUESSES {
        reasons.push(Reason::Guessable);
    }
    if reasons.is_empty() {
        return Ok(());
    }

    let mut suggestions = Vec::new();
    if reasons.contains(&Reason::TooShort) {
        suggestions.push("Use at least 8 characters.");
    }
    if reasons.contains(&Reason::ContainsUsername)
        || by_anybody.guesses() >= FEWEST_GUESSES && by_acquaintance.guesses() < FEWEST_GUESSES
    {
        suggestions.push("Leave out your name and your email address.");
    }
    if let Some(feedback) = by_anybody.feedback() {
        suggestions.extend(feedback.suggestions().iter().copied().map(sentence));
    }
    let mut shown: Vec<String> = Vec::new();
    for suggestion in suggestions {
        if !shown.iter().any(|earlier| earlier == suggestion) {
            shown.push(suggestion.to_owned());
        }
    }
    Err(Weak { reasons, suggestions: shown })
}

/// The list itself cannot be read, but what stands in it is explained by one entry alone.
fn is_one_entry(sequence: &[zxcvbn::Match]) -> bool {
    matches!(sequence, [whole] if matches!(whole.pattern, MatchPattern::Dictionary(_)))
}

fn is_about(password: &str, username: &Username) -> bool {
    let username = username.as_str();
    let password = Zeroizing::new(password.to_lowercase());
    // A username is ASCII.
    let backwards: String = username.chars().rev().collect();
    let contains = |whole: &str, part: &str| part.len() >= SHORTEST_NAME && whole.contains(part);
    [username, &backwards].iter().any(|name| contains(&password, name) || contains(name, &password))
}

/// What whoever knows the person would try: the names and what they are made of, as far as the estimate looks.
fn own_words<'a>(username: &'a Username, email: &'a Email) -> Vec<&'a str> {
    let (local, domain) = email.as_str().rsplit_once('@').unwrap_or((email.as_str(), ""));
    // The last label, such as "com", is nobody's own.
    let (domain, _) = domain.rsplit_once('.').unwrap_or((domain, ""));
    let mut words = vec![username.as_str(), email.as_str(), local, domain];
    let parts = [username.as_str(), local, domain];
    words.extend(parts.iter().flat_map(|name| name.split(|c: char| !c.is_alphanumeric())));
    words.retain(|word| word.len() >= SHORTEST_NAME);
    words
        .into_iter()
        .map(|word| word.char_indices().nth(ESTIMATED).map_or(word, |(end, _)| word.split_at(end).0))
        .collect()
}

fn sentence(suggestion: Suggestion) -> &'static str {
    match suggestion {
        Suggestion::UseAFewWordsAvoidCommonPhrases => "Use a few words that do not belong together.",
        Suggestion::NoNeedForSymbolsDigitsOrUppercaseLetters => {
            "Symbols, digits and capital letters are not needed."
        }
        Suggestion::AddAnotherWordOrTwo => "Add another word or two. Uncommon words are better.",
        Suggestion::CapitalizationDoesntHelpVeryMuch => "A capital letter hardly helps.",
        Suggestion::AllUppercaseIsAlmostAsEasyToGuessAsAllLowercase => {
            "Capital letters alone are as easy to guess as small ones."
        }
        Suggestion::ReversedWordsArentMuchHarderToGuess => "A word written backwards is as easy to guess.",
        Suggestion::PredictableSubstitutionsDontHelpVeryMuch => {
            "Signs that look like letters, such as @ for a, hardly help."
        }
        Suggestion::UseALongerKeyboardPatternWithMoreTurns => "Avoid rows and patterns of keys.",
        Suggestion::AvoidRepeatedWordsAndCharacters => "Avoid words and characters that repeat.",
        Suggestion::AvoidSequences => "Avoid sequences such as abc or 6543.",
        Suggestion::AvoidRecentYears
        | Suggestion::AvoidYearsThatAreAssociatedWithYou
        | Suggestion::AvoidDatesAndYearsThatAreAssociatedWithYou => {
            "Avoid years and dates, above all those that have to do with you."
        }
    }
}

#[cfg(test)]
#[path = "judgement_tests.rs"]
mod tests;
