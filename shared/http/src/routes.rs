//! The routes of the API. `infra/template.yaml` is what is deployed; a test holds the two together.

use http::Method;

/// A route and the function that serves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    pub method: &'static str,
    /// With parameters as API Gateway writes them: `{id}`.
    pub path: &'static str,
    pub function: &'static str,
}

const fn route(method: &'static str, path: &'static str, function: &'static str) -> Route {
    Route { method, path, function }
}

/// Every route, but `$default`.
pub const ROUTES: &[Route] = &[
    route("GET", "/", "pages"),
    route("GET", "/register", "pages"),
    route("GET", "/recover", "pages"),
    route("GET", "/help", "pages"),
    route("GET", "/set-up", "pages"),
    route("GET", "/recovery-code", "pages"),
    route("GET", "/manage", "pages"),
    route("GET", "/assets/{file}", "pages"),
    route("GET", "/.well-known/jwks.json", "jwks"),
    route("GET", "/v1/policy", "policy"),
    route("POST", "/v1/accounts", "account-register"),
    route("GET", "/v1/account", "account-view"),
    route("POST", "/v1/account/passkeys/options", "passkey-enrol-options"),
    route("POST", "/v1/account/passkeys", "passkey-enrol"),
    route("PATCH", "/v1/account/passkeys/{id}", "passkey-rename"),
    route("DELETE", "/v1/account/passkeys/{id}", "passkey-remove"),
    route("PUT", "/v1/account/password", "password-set"),
    route("POST", "/v1/account/authenticator", "authenticator-enrol"),
    route("POST", "/v1/account/authenticator/confirm", "authenticator-confirm"),
    route("DELETE", "/v1/account/authenticator", "authenticator-remove"),
    route("POST", "/v1/account/phones", "phone-add"),
    route("POST", "/v1/account/phones/{id}/confirm", "phone-confirm"),
    route("DELETE", "/v1/account/phones/{id}", "phone-remove"),
    route("POST", "/v1/account/recovery-code", "recovery-code-issue"),
    route("GET", "/v1/account/recovery-code", "recovery-code-download"),
    route("POST", "/v1/recovery/code", "recovery-code-redeem"),
    route("POST", "/v1/recovery/email/send", "recovery-email-send"),
    route("POST", "/v1/recovery/email/verify", "recovery-email-verify"),
    route("GET", "/v1/account/activity", "activity-list"),
    route("GET", "/v1/account/sessions", "sessions-list"),
    route("DELETE", "/v1/account/sessions/{id}", "session-end"),
    route("POST", "/v1/session/token", "session-token"),
    route("DELETE", "/v1/session", "sign-out"),
    route("POST", "/v1/sign-in/passkey/options", "passkey-sign-in-options"),
    route("POST", "/v1/sign-in/passkey", "passkey-sign-in"),
    route("POST", "/v1/sign-in/password", "password-sign-in"),
    route("POST", "/v1/sign-in/authenticator", "authenticator-sign-in"),
    route("POST", "/v1/sign-in/phone/send", "phone-code-send"),
    route("POST", "/v1/sign-in/phone/verify", "phone-code-verify"),
];

/// The methods that a path has, in the order of [`ROUTES`]; none for a path that does not exist.
#[must_use]
pub fn methods_of(path: &str) -> Vec<&'static str> {
    ROUTES.iter().filter(|route| matches(route.path, path)).map(|route| route.method).collect()
}

/// The route that serves a request, literal paths before those with parameters, as API Gateway prefers.
#[must_use]
pub fn find(method: &Method, path: &str) -> Option<&'static Route> {
    ROUTES
        .iter()
        .filter(|route| route.method == method.as_str() && matches(route.path, path))
        .min_by_key(|route| route.path.matches('{').count())
}

fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, path) = (pattern.split('/'), path.split('/'));
    pattern.clone().count() == path.clone().count()
        && pattern.zip(path).all(|(wanted, given)| {
            wanted == given || (wanted.starts_with('{') && wanted.ends_with('}') && !given.is_empty())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_by_method() {
        assert_eq!(methods_of("/v1/account/passkeys/pk_x"), ["PATCH", "DELETE"]);
        assert_eq!(methods_of("/v1/account/passkeys/options"), ["POST", "PATCH", "DELETE"]);
        assert_eq!(methods_of("/v1/account/"), Vec::<&str>::new());
        assert_eq!(
            find(&Method::POST, "/v1/account/passkeys/options").unwrap().function,
            "passkey-enrol-options"
        );
        assert_eq!(find(&Method::DELETE, "/v1/account/passkeys/pk_x").unwrap().function, "passkey-remove");
        assert_eq!(find(&Method::HEAD, "/v1/account"), None);
        assert_eq!(find(&Method::GET, "/assets/"), None);
    }
}
