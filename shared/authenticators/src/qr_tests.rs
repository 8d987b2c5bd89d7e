use super::*;

const TEXT: &str = "otpauth://totp/Portal:dr.rivera?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Portal";

/// The modules that an image paints dark, and how many a side it has.
fn painted(svg: &str) -> (usize, Vec<(usize, usize)>) {
    let between = |start: &str, end: &str| {
        let rest = svg.split_once(start).unwrap().1;
        rest.split_once(end).unwrap().0.to_owned()
    };
    let side = between("viewBox=\"0 0 ", " ").parse().unwrap();
    let path = between(" d=\"", "\"");
    let mut modules = Vec::new();
    for run in path.split('z').filter(|run| !run.is_empty()) {
        let (from, length) = run.strip_prefix('M').unwrap().split_once('h').unwrap();
        let (x, y) = from.split_once(' ').unwrap();
        let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
        let length: usize = length.split_once('v').unwrap().0.parse().unwrap();
        modules.extend((x..x + length).map(|x| (x, y)));
    }
    (side, modules)
}

#[test]
fn every_dark_module_is_painted_and_no_other() {
    let svg = qr_svg(&TEXT.into(), "A code").unwrap();
    let (side, modules) = painted(svg.expose_secret());
    let code = QrCode::with_error_correction_level(TEXT, EcLevel::M).unwrap();
    assert_eq!(side, code.width() + 8);
    for y in 0..side {
        for x in 0..side {
            let inside = (4..side - 4).contains(&x) && (4..side - 4).contains(&y);
            let dark = inside && code[(x - 4, y - 4)] == Color::Dark;
            assert_eq!(modules.contains(&(x, y)), dark, "{x}, {y}");
        }
    }
}

#[test]
fn it_says_what_it_is_and_runs_and_styles_nothing() {
    let svg = qr_svg(&TEXT.into(), r#"<script>"A&B"</script>"#).unwrap();
    let svg = svg.expose_secret();
    let title = "&lt;script&gt;&quot;A&amp;B&quot;&lt;/script&gt;";
    assert!(svg.contains(&format!("<title>{title}</title>")), "{svg}");
    assert!(svg.contains(&format!("role=\"img\" aria-label=\"{title}\"")), "{svg}");
    for refused in ["style", "<script", "onload", "href", "secret="] {
        assert!(!svg.contains(refused), "{refused}");
    }
}

#[test]
fn what_is_too_long_is_refused() {
    assert_eq!(qr_svg(&"x".repeat(2332).into(), "").unwrap_err(), TooLong);
    assert!(qr_svg(&"x".repeat(2331).into(), "").is_ok());
}
