//! A QR code (ISO/IEC 18004) as SVG.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};
use secrecy::{ExposeSecret, SecretString};

/// The blank margin that readers need, in modules (ISO/IEC 18004 §5.3.8).
const QUIET: usize = 4;

/// More than one QR code holds.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq)]
#[error("too long for a QR code")]
pub struct TooLong;

/// A QR code of `text`, dark on light in any theme. `title`: what it is, for who cannot see it.
///
/// Neither style nor script, so that any content security policy lets it stand in a page.
pub fn qr_svg(text: &SecretString, title: &str) -> Result<SecretString, TooLong> {
    let code = QrCode::with_error_correction_level(text.expose_secret(), EcLevel::M).map_err(|_| TooLong)?;
    let side = code.width() + 2 * QUIET;
    let mut dark = String::new();
    for (y, row) in code.to_colors().chunks(code.width()).enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|one, next| one == next) {
            if run.first() == Some(&Color::Dark) {
                // Writing to a `String` does not fail.
                let _ = write!(dark, "M{} {}h{}v1h-{}z", x + QUIET, y + QUIET, run.len(), run.len());
            }
            x += run.len();
        }
    }
    let title = escaped(title);
    let svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" width="{pixels}" height="{pixels}" role="img" aria-label="{title}" shape-rendering="crispEdges"><title>{title}</title><rect width="{side}" height="{side}" fill="#fff"/><path d="{dark}" fill="#000"/></svg>"##,
        pixels = side * PIXELS,
    );
    Ok(svg.into())
}

/// How large a module is drawn where nothing else is asked for: a whole number, so that edges are sharp.
const PIXELS: usize = 5;

/// As character data or an attribute of XML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
#[path = "qr_tests.rs"]
mod tests;
