use std::collections::HashMap;

use postern_keys::Random;
use secrecy::ExposeSecret;
use url::Url;

use super::*;

fn parsed(issuer: &str) -> (Url, String, HashMap<String, String>, AuthenticatorSecret) {
    let secret = AuthenticatorSecret::draw(&Random::system());
    let username = "dr.rivera".parse().unwrap();
    let uri = Label { issuer, username: &username }.uri(&secret).unwrap();
    let url: Url = uri.expose_secret().parse().unwrap();
    let label = percent_encoding::percent_decode_str(url.path()).decode_utf8().unwrap().into_owned();
    let parameters = url.query_pairs().into_owned().collect();
    (url, label, parameters, secret)
}

#[test]
fn an_app_reads_everything_from_it() {
    let (url, label, parameters, secret) = parsed("Provider portal");
    assert_eq!((url.scheme(), url.host_str()), ("otpauth", Some("totp")));
    assert_eq!(label, "/Provider portal:dr.rivera");
    let expected = [
        ("secret", secret.base32().expose_secret().to_owned()),
        ("issuer", "Provider portal".to_owned()),
        ("algorithm", "SHA1".to_owned()),
        ("digits", "6".to_owned()),
        ("period", "30".to_owned()),
    ];
    assert_eq!(parameters, expected.map(|(name, value)| (name.to_owned(), value)).into());
    assert!(!url.as_str().contains('+'), "apps show a plus as it is");
}

#[test]
fn any_name_of_the_deployment_has_a_uri() {
    for (issuer, label) in [
        ("A&B: the #1 portal?", "/A&B  the #1 portal?:dr.rivera"),
        ("Clínica", "/Clínica:dr.rivera"),
        (" : ", "/dr.rivera"),
    ] {
        let (_, read, parameters, _) = parsed(issuer);
        assert_eq!(read, label);
        let named = parameters.get("issuer").map(|issuer| format!("/{issuer}:dr.rivera"));
        assert_eq!(named.unwrap_or("/dr.rivera".to_owned()), label);
    }
}
