//! The files of `assets/`, built in, under the addresses that they are served at.

use std::collections::HashMap;

use http::HeaderValue;

macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../assets/", $name)))),*]
    };
}

/// What is served at `/assets/{file}`.
pub(crate) const ASSETS: &[(&str, &str)] = embedded![
    "api.js",
    "authenticator-form.js",
    "code-step.js",
    "door.svg",
    "fields.js",
    "help.js",
    "locked.js",
    "manage.js",
    "mark.svg",
    "notice.js",
    "page.js",
    "passkeys.js",
    "password-form.js",
    "phone-form.js",
    "postern.css",
    "recover.js",
    "recovery-code-card.js",
    "recovery-code.js",
    "register.js",
    "sentences.js",
    "set-up.js",
    "sign-in-steps.js",
    "sign-in.js",
    "step-up.js",
];

/// What is served at an address of its own.
pub(crate) const PAGES: &[(&str, &str)] = &[
    ("/", include_str!("../assets/index.html")),
    ("/register", include_str!("../assets/register.html")),
    ("/recover", include_str!("../assets/recover.html")),
    ("/help", include_str!("../assets/help.html")),
    ("/set-up", include_str!("../assets/set-up.html")),
    ("/recovery-code", include_str!("../assets/recovery-code.html")),
    ("/manage", include_str!("../assets/manage.html")),
];

/// Every page and asset, ready to go out.
#[derive(Debug)]
pub struct Site {
    version: String,
    files: HashMap<String, File>,
}

#[derive(Debug)]
pub(crate) struct File {
    pub content_type: &'static str,
    pub text: String,
    pub etag: HeaderValue,
}

impl Site {
    /// The site of this build. Its version is a digest of everything in it, and stands in every address
    /// by which one file names another.
    #[must_use]
    pub fn embedded() -> Self {
        let everything = PAGES.iter().chain(ASSETS).flat_map(|(name, text)| [*name, *text]);
        let version = digest(everything);
        let pages = PAGES.iter().map(|(path, text)| {
            ((*path).to_owned(), File::new("text/html; charset=utf-8", versioned(text, &version)))
        });
        let assets = ASSETS.iter().map(|(name, text)| {
            (format!("/assets/{name}"), File::new(content_type(name), versioned(text, &version)))
        });
        let files = pages.chain(assets).collect();
        Self { version, files }
    }

    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    pub(crate) fn find(&self, path: &str) -> Option<&File> {
        self.files.get(path)
    }
}

impl File {
    fn new(content_type: &'static str, text: String) -> Self {
        let etag = HeaderValue::try_from(format!("\"{}\"", digest([text.as_str()])));
        Self { content_type, text, etag: etag.unwrap_or(HeaderValue::from_static("\"\"")) }
    }

    /// RFC 9110 §13.1.2, with the weak comparison that it asks for.
    pub(crate) fn is_among(&self, tags: &str) -> bool {
        tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == self.etag)
    }
}

/// Scripts name each other as `"./<file>"`, all else as `/assets/<file>`.
fn versioned(text: &str, version: &str) -> String {
    ASSETS.iter().fold(text.to_owned(), |text, (name, _)| {
        text.replace(&format!("/assets/{name}\""), &format!("/assets/{name}?v={version}\""))
            .replace(&format!("\"./{name}\""), &format!("\"./{name}?v={version}\""))
    })
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.') {
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

/// FNV-1a, 64 bits: it tells builds apart and protects nothing.
fn digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let hash = parts.into_iter().flat_map(str::bytes).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}
