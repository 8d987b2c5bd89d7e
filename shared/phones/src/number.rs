//! What the number plan says.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use postern_domain::account::LineType;
use postern_domain::phone_number::PhoneNumber;
use rlibphonenumber::{NumberLengthType, PhoneNumberFormat, PhoneNumberType, PhoneNumberUtil, Region};

use crate::Unfit;
use crate::spelling::{self, Spelling};

/// No number is spelt in more characters: E.164's 15 digits, with room for every separator and `tel:`.
const LONGEST: usize = 64;

/// Digits that stand apart before or after a number: more is another number, or a mistake.
const LONGEST_EXTENSION: usize = 7;

/// Reads numbers by the number plan. Clones share it.
#[derive(Clone)]
pub struct Numbers {
    plan: Arc<PhoneNumberUtil>,
    default_region: Region,
    allowed: Arc<HashSet<Region>>,
}

/// A number that may be dialled, as far as the plan can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    pub number: PhoneNumber,
    pub country: Country,
    /// In most of North America the plan does not tell a mobile from a landline: unknown.
    pub by_plan: LineType,
}

/// An ISO 3166-1 alpha-2 code, in upper case.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Country([u8; 2]);

/// The settings name no such country. The function does not start.
#[derive(thiserror::Error, Debug, Clone, PartialEq, Eq)]
pub enum InvalidNumbers {
    #[error("not the ISO 3166 code of a country with a number plan: {0:?}")]
    Country(String),
    #[error("no country is allowed")]
    NoCountry,
    #[error("the number plans cannot be read: {0}")]
    Plans(String),
}

impl Numbers {
    /// `default_region`: where a number without a country code is dialled. `countries`: those allowed, as `US,CA,PR`.
    pub fn new(default_region: &str, countries: &str) -> Result<Self, InvalidNumbers> {
        let plan = PhoneNumberUtil::new().map_err(|error| InvalidNumbers::Plans(error.to_string()))?;
        let known: HashSet<Region> = plan.get_supported_regions().collect();
        let country = |code: &str| {
            let region = Region::from_code(code).ok().filter(|region| known.contains(region));
            region.ok_or_else(|| InvalidNumbers::Country(code.to_owned()))
        };
        let codes = countries.split(',').map(str::trim).filter(|code| !code.is_empty());
        let allowed = codes.map(country).collect::<Result<HashSet<_>, _>>()?;
        if allowed.is_empty() {
            return Err(InvalidNumbers::NoCountry);
        }
        let default_region = country(default_region.trim())?;
        Ok(Self { plan: Arc::new(plan), default_region, allowed: Arc::new(allowed) })
    }

    /// Reads what a person typed, or a number that is kept. The reasons are sorted, and never none.
    ///
    /// Letters are never digits here (`1-800-FLOWERS`): between digits they mark an extension in some language, and
    /// whoever knows a number by its word can look at a keypad.
    pub fn read(&self, typed: &str) -> Result<Number, Vec<Unfit>> {
        let not_a_number = || vec![Unfit::NotANumber];
        if typed.chars().nth(LONGEST).is_some() {
            return Err(not_a_number());
        }
        let spelling = Spelling::of(typed, |digit| self.plan.normalize_digits_only(digit));
        let Some((Found { number, country, by_plan }, extension)) = self.find(&spelling) else {
            return Err(if self.is_abroad(&spelling) { vec![Unfit::Country] } else { not_a_number() });
        };
        let country = country.filter(|(region, _)| self.allowed.contains(region));
        match (extension, by_plan, country) {
            (false, Some(by_plan), Some((_, country))) => Ok(Number { number, country, by_plan }),
            (extension, by_plan, country) => {
                let reasons = [
                    extension.then_some(Unfit::Extension),
                    by_plan.is_none().then_some(Unfit::LineType),
                    country.is_none().then_some(Unfit::Country),
                ];
                Err(reasons.into_iter().flatten().collect())
            }
        }
    }

    /// The one number that was typed, and whether digits or words of an extension stand by it.
    fn find(&self, spelling: &Spelling) -> Option<(Found, bool)> {
        let several = spelling.digits.len() > 1;
        let marked = spelling.alone().is_none();
        let dialled = spelling.digits.iter().filter_map(|digits| Some((digits, self.dial(digits)?)));
        // As few digits as an extension has are one beside a longer number, even where some plan gives them out: `310-0000`.
        let (long, short): (Vec<_>, Vec<_>) =
            dialled.partition(|(digits, _)| spelling::count(digits) > LONGEST_EXTENSION);
        let mut whole = if long.is_empty() { short } else { long };
        match (whole.pop(), whole.is_empty()) {
            (Some((_, found)), true) if !marked => Some((found, false)),
            // Digits elsewhere, whatever marks them; or the word for it without any.
            (Some((_, found)), true) if several || spelling.names_extension => Some((found, true)),
            // Other words, or another number.
            (Some(_), _) => None,
            // `212-555-0123-12`: whole groups after a number are an extension; those before it, as in
            // `ext 12 212 555 0123`, only where something says so.
            (None, _) => {
                let end = |digits: &str| marked.then(|| self.end(digits)).flatten();
                let within = |digits: &String| self.beginning(digits).or_else(|| end(digits));
                spelling.digits.iter().find_map(within).map(|found| (found, true))
            }
        }
    }

    /// Whether what no plan gives out would be of a country that is not allowed: what that one gives out does not matter then.
    fn is_abroad(&self, spelling: &Spelling) -> bool {
        let Some(digits) = spelling.alone() else { return false };
        let Ok(parsed) = self.plan.parse(digits, Some(self.default_region)) else { return false };
        // Nor is what serves within a town alone.
        if self.plan.is_possible_number_with_reason(&parsed) != Ok(NumberLengthType::IsPossible) {
            return false;
        }
        let is_allowed = |region: &Region| self.allowed.contains(region);
        if let Some(region) = self.plan.get_region_for_number(&parsed) {
            return !is_allowed(&region);
        }
        // Several countries share the code, and nothing tells which it is.
        let regions = self.plan.get_regions_for_country_calling_code(parsed.country_code);
        regions.is_some_and(|mut regions| !regions.any(|region| is_allowed(&region)))
    }

    /// A number with more groups of digits after it.
    fn beginning(&self, digits: &str) -> Option<Found> {
        spelling::splits(digits)
            .filter(|(_, after)| spelling::count(after) <= LONGEST_EXTENSION)
            .find_map(|(number, _)| self.dial(number))
    }

    /// A number with more groups of digits before it.
    fn end(&self, digits: &str) -> Option<Found> {
        spelling::splits(digits)
            .filter(|(before, _)| spelling::count(before) <= LONGEST_EXTENSION)
            .find_map(|(_, number)| self.dial(number))
    }

    /// What the plan knows about digits that are a number and nothing else.
    fn dial(&self, digits: &str) -> Option<Found> {
        let parsed = self.plan.parse(digits, Some(self.default_region)).ok()?;
        if !self.plan.is_valid_number(&parsed) {
            return None;
        }
        let by_plan = match self.plan.get_number_type(&parsed) {
            PhoneNumberType::Mobile => Some(LineType::Mobile),
            PhoneNumberType::FixedLine => Some(LineType::Landline),
            PhoneNumberType::FixedLineOrMobile => Some(LineType::Unknown),
            PhoneNumberType::TollFree
            | PhoneNumberType::PremiumRate
            | PhoneNumberType::SharedCost
            | PhoneNumberType::VoIP
            | PhoneNumberType::PersonalNumber
            | PhoneNumberType::Pager
            | PhoneNumberType::UAN
            | PhoneNumberType::VoiceMail
            | PhoneNumberType::Unknown => None,
        };
        // "001", which has three letters, is the region of satellites and global networks.
        let country = self.plan.get_region_for_number(&parsed).and_then(|region| {
            let code = region.as_region_str();
            Some((region, Country(<[u8; 2]>::try_from(code.as_bytes()).ok()?)))
        });
        let number = self.plan.format(&parsed, PhoneNumberFormat::E164).parse().ok()?;
        Some(Found { number, country, by_plan })
    }
}

/// A number of any plan. Without a line type: one that is not called; without a country: of none.
struct Found {
    number: PhoneNumber,
    country: Option<(Region, Country)>,
    by_plan: Option<LineType>,
}

impl Country {
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Numbers")
            .field("default_region", &self.default_region)
            .field("allowed", &self.allowed)
            .finish_non_exhaustive()
    }
}
