//! What a number reaches, of all that is known.

use postern_domain::account::{Channel, LineType};

use crate::{Carrier, LookupFailed, Number, Unfit};

/// What a number reaches, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    pub line_type: LineType,
    pub source: LineSource,
}

/// Who says what a number reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineSource {
    /// The carriers' own records, today.
    Lookup,
    /// The plan alone, which knows nothing of numbers that were taken along to another kind of line.
    NumberPlan,
}

/// Makes a line of what the plan says and what was looked up. A lookup that failed refuses nobody.
#[expect(clippy::needless_pass_by_value, reason = "a lookup's outcome is settled once, as it comes")]
pub fn settle(number: &Number, looked_up: Result<Carrier, LookupFailed>) -> Result<Line, Unfit> {
    let line_type = match looked_up {
        Ok(Carrier::Mobile | Carrier::Prepaid) => LineType::Mobile,
        Ok(Carrier::Landline) => LineType::Landline,
        Ok(Carrier::Other) => LineType::Unknown,
        // NIST SP 800-63B-4 §3.1.3.1 wants a physical line: a VoIP number is whoever's has its password.
        Ok(Carrier::Voip) => return Err(Unfit::LineType),
        Ok(Carrier::Invalid) => return Err(Unfit::NotANumber),
        Err(LookupFailed::NotKnown | LookupFailed::Unavailable(_)) => {
            return Ok(Line { line_type: number.by_plan, source: LineSource::NumberPlan });
        }
    };
    Ok(Line { line_type, source: LineSource::Lookup })
}

impl Line {
    /// Whether a code may go out this way: a landline gets calls, never texts.
    pub fn takes(&self, channel: Channel) -> Result<(), Unfit> {
        if self.line_type.channels().contains(&channel) { Ok(()) } else { Err(Unfit::TextToLandline) }
    }
}
