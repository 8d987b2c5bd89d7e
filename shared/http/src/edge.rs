//! `CloudFront` before the API: whether a request came through it, and who made it.
//!
//! An HTTP API takes neither AWS WAF nor a policy that lets `CloudFront` alone call it. So `CloudFront` adds a secret to what it hands on,
//! as AWS advises for such origins ("Restricting access to custom origins"), and the functions answer nobody else. It
//! also writes `CloudFront-Viewer-Address` itself, over whatever a viewer sends: for the sake of the secret, and only then, that
//! header is the caller's address. Without an edge the gateway's own word is, and no header.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use lambda_http::request::RequestContext;
use secrecy::{ExposeSecret, SecretString};
use subtle::{Choice, ConstantTimeEq};

use crate::problem::Problem;
use crate::settings::{InvalidSetting, Settings};

const ORIGIN_SECRET: HeaderName = HeaderName::from_static("x-origin-secret");
const VIEWER_ADDRESS: HeaderName = HeaderName::from_static("cloudfront-viewer-address");

/// Of a secret, in characters: letters and digits have almost six bits each.
const SHORTEST_SECRET: usize = 32;

/// What stands before the API.
#[derive(Debug, Clone)]
pub enum Edge {
    /// Nothing does.
    Off,
    /// `CloudFront` does, and what does not come through it is answered too: while names are being moved.
    Beside(Arc<[SecretString]>),
    /// `CloudFront` does, and nothing else is answered.
    Front(Arc<[SecretString]>),
}

/// What came through `CloudFront` does not say for whom: its origin request policy leaves the header out.
#[derive(thiserror::Error, Debug)]
#[error("CloudFront does not say who calls")]
struct NoViewerAddress;

impl Edge {
    /// Reads `EDGE`, which is off where it is not set, and `ORIGIN_SECRET`: comma separated, each of them good.
    pub fn from_settings(settings: &Settings) -> Result<Self, InvalidSetting> {
        match settings.optional("EDGE").as_deref() {
            None | Some("off") => Ok(Self::Off),
            Some("beside") => Ok(Self::Beside(secrets(settings)?)),
            Some("front") => Ok(Self::Front(secrets(settings)?)),
            Some(_) => Err(InvalidSetting::Malformed("EDGE", "off, beside or front")),
        }
    }

    /// Makes the viewer the caller of what came through `CloudFront`. What has to and did not: 404, as if there were nothing here.
    pub(crate) fn admit(&self, request: &mut lambda_http::Request) -> Result<(), Problem> {
        // A step has no use for it.
        let given = request.headers_mut().remove(ORIGIN_SECRET);
        let (secrets, alone) = match self {
            Self::Off => return Ok(()),
            Self::Beside(secrets) => (secrets, false),
            Self::Front(secrets) => (secrets, true),
        };
        let is_ours = given.is_some_and(|given| {
            let matches =
                secrets.iter().map(|secret| secret.expose_secret().as_bytes().ct_eq(given.as_bytes()));
            matches.fold(Choice::from(0), |one, another| one | another).into()
        });
        match (is_ours, alone) {
            (false, true) => return Err(Problem::not_found()),
            (false, false) => return Ok(()),
            (true, _) => {}
        }
        let viewer =
            viewer_address(request.headers()).ok_or_else(|| Problem::unavailable(NoViewerAddress))?;
        if let Some(RequestContext::ApiGatewayV2(context)) = request.extensions_mut().get_mut() {
            context.http.source_ip = Some(viewer.to_string());
        }
        Ok(())
    }
}

fn secrets(settings: &Settings) -> Result<Arc<[SecretString]>, InvalidSetting> {
    let secrets = settings.list("ORIGIN_SECRET")?;
    if secrets.iter().any(|secret| secret.len() < SHORTEST_SECRET) {
        return Err(InvalidSetting::Malformed("ORIGIN_SECRET", "at least 32 characters"));
    }
    Ok(secrets.into_iter().map(SecretString::from).collect())
}

/// The one value of the header: the address and, after a colon, the port. An IPv6 address stands with brackets or without.
fn viewer_address(headers: &HeaderMap) -> Option<IpAddr> {
    let mut values = headers.get_all(VIEWER_ADDRESS).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (address, port) = value.to_str().ok()?.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    let bare = address.strip_prefix('[').and_then(|address| address.strip_suffix(']'));
    bare.unwrap_or(address).parse().ok()
}

#[cfg(test)]
#[path = "edge_tests.rs"]
mod tests;
