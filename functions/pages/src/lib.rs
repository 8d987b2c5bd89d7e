//! `GET /`, `/register`, `/recover`, `/help`, `/set-up`, `/recovery-code`, `/manage` and `/assets/{file}`: the portal's
//! pages.
//!
//! Calls: none.

mod site;

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, IF_NONE_MATCH, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue};
use postern_http::{Problem, Reply, Request, StatusCode};

pub use site::Site;

/// What the role of this function allows, action by action.
pub const CALLS: &[&str] = &[];

/// Everything that this step may touch: what was built into it.
#[derive(Debug)]
pub struct Deps {
    pub site: Site,
}

#[cfg_attr(not(test), expect(clippy::unused_async, reason = "every step has the same form"))]
pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let file = deps.site.find(request.path()).ok_or_else(Problem::not_found)?;
    let asked_for = request.query_parameter("v")?;
    let known = request.header(&IF_NONE_MATCH)?.is_some_and(|tags| file.is_among(tags));

    let reply = if known {
        Reply::text(StatusCode::NOT_MODIFIED, file.content_type, String::new())
    } else {
        Reply::text(StatusCode::OK, file.content_type, file.text.clone())
    };
    // An address that names the build holds that build for ever; any other is asked about each time, so
    // that a page never meets another build's script.
    let cached = match asked_for {
        Some(version) if version == deps.site.version() => "public, max-age=31536000, immutable",
        Some(_) | None => "no-cache",
    };
    let reply = reply
        .with_header(ETAG, file.etag.clone())
        .with_header(CACHE_CONTROL, HeaderValue::from_static(cached));
    Ok(SECURITY_HEADERS
        .iter()
        .fold(reply, |reply, (name, value)| reply.with_header(name.clone(), HeaderValue::from_static(value))))
}

/// OWASP ASVS 5.0 §3.4; CSP Level 3; `WebAuthn` Level 3 §5.9 for the permissions.
const SECURITY_HEADERS: [(HeaderName, &str); 7] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    (STRICT_TRANSPORT_SECURITY, "max-age=63072000; includeSubDomains"),
    (REFERRER_POLICY, "no-referrer"),
    (X_FRAME_OPTIONS, "DENY"),
    (
        HeaderName::from_static("permissions-policy"),
        "publickey-credentials-get=(self), publickey-credentials-create=(self), clipboard-write=(self), \
         camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    ),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

#[cfg(test)]
mod tests;
