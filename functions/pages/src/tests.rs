use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use http::StatusCode;
use lambda_http::{Body, Response};
use postern_http::Frame;
use serde_json::json;

use crate::site::{ASSETS, PAGES};
use crate::{Deps, Site, handle};

/// The function's own answer to the event that API Gateway would send.
async fn get_with(path: &str, query: &str, headers: &[(&str, &str)]) -> Response<Body> {
    let headers: serde_json::Map<_, _> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let mut event = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query, "headers": headers,
        "requestContext": {
            "accountId": "1", "apiId": "a", "domainName": "id.example", "domainPrefix": "id", "requestId": "r-1",
            "routeKey": "$default", "stage": "$default", "time": "24/Nov/2026:04:00:00 +0000", "timeEpoch": 1,
            "http": {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "t"},
        },
        "isBase64Encoded": false,
    });
    if let Some((name, value)) = query.split_once('=') {
        event["queryStringParameters"] = json!({name: value});
    }
    let request = lambda_http::request::from_str(&event.to_string()).unwrap();
    let frame = Frame::uncounted(["https://id.example".to_owned()]);
    let deps = Deps { site: Site::embedded() };
    frame.answer(&deps, |deps, request| Box::pin(handle(deps, request)), request).await
}

async fn get(path: &str) -> Response<Body> {
    get_with(path, "", &[]).await
}

fn text(response: &Response<Body>) -> &str {
    std::str::from_utf8(response.body()).unwrap()
}

fn header<'r>(response: &'r Response<Body>, name: &str) -> &'r str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn every_page_and_asset_is_served_as_what_it_is() {
    for (path, _) in PAGES {
        let page = get(path).await;
        assert_eq!(page.status(), StatusCode::OK, "{path}");
        assert_eq!(header(&page, "content-type"), "text/html; charset=utf-8", "{path}");
        assert_eq!(header(&page, "cache-control"), "no-cache", "{path}");
        assert!(text(&page).starts_with("<!doctype html>"), "{path}");
    }
    for (name, _) in ASSETS {
        let asset = get(&format!("/assets/{name}")).await;
        assert_eq!(asset.status(), StatusCode::OK, "{name}");
        let wanted = match Path::new(name).extension().unwrap().to_str().unwrap() {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            other => panic!("no content type for .{other}"),
        };
        assert_eq!(header(&asset, "content-type"), wanted, "{name}");
    }
}

#[test]
fn every_file_of_the_directory_is_built_in() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    let files: BTreeSet<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let assets = ASSETS.iter().map(|(name, _)| (*name).to_owned());
    let pages = PAGES.iter().map(|(path, _)| match path.trim_start_matches('/') {
        "" => "index.html".to_owned(),
        name => format!("{name}.html"),
    });
    assert_eq!(files, assets.chain(pages).collect());
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    for path in [
        "/assets/none.js",
        "/assets/../main.rs",
        "/assets/index.html",
        "/assets/API.js",
        "/Register",
        "/manage/",
    ] {
        let answer = get(path).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        assert!(text(&answer).contains(r#""code":"not_found""#), "{path}");
    }
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    for path in ["/", "/recover", "/help", "/recovery-code", "/manage", "/assets/page.js", "/assets/door.svg"]
    {
        let answer = get(path).await;
        for (name, value) in [
            (
                "content-security-policy",
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
            ),
            ("strict-transport-security", "max-age=63072000; includeSubDomains"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(header(&answer, name), value, "{path}: {name}");
        }
        let permissions = header(&answer, "permissions-policy");
        assert!(permissions.contains("publickey-credentials-get=(self)"), "{path}");
        assert!(permissions.contains("publickey-credentials-create=(self)"), "{path}");
    }
}

#[tokio::test]
async fn a_known_file_is_not_sent_again() {
    for path in ["/", "/assets/postern.css"] {
        let first = get(path).await;
        let tag = header(&first, "etag");
        for known in [tag.to_owned(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
            let again = get_with(path, "", &[("if-none-match", &known)]).await;
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path} {known}");
            assert_eq!(text(&again), "");
            assert_eq!(header(&again, "etag"), tag);
            assert_eq!(header(&again, "x-frame-options"), "DENY");
        }
        let changed = get_with(path, "", &[("if-none-match", "\"other\"")]).await;
        assert_eq!(changed.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn only_an_address_of_this_build_is_kept() {
    let site = Site::embedded();
    let kept = get_with("/assets/page.js", &format!("v={}", site.version()), &[]).await;
    assert_eq!(header(&kept, "cache-control"), "public, max-age=31536000, immutable");
    let other = get_with("/assets/page.js", "v=0123456789abcdef", &[]).await;
    assert_eq!(other.status(), StatusCode::OK);
    assert_eq!(header(&other, "cache-control"), "no-cache");
}

/// The addresses by which a file names others of ours: `/assets/…`, `"./…"`, and pages in `href`, less their fragments.
fn named(text: &str) -> Vec<String> {
    let after = |marker: &'static str, prefix: &'static str| {
        text.match_indices(marker).map(move |(at, _)| {
            let rest = &text[at + marker.len()..];
            let end = rest.find(['"', '\'', ')', '`', '#']).unwrap_or(rest.len());
            format!("{prefix}{}", &rest[..end])
        })
    };
    after("\"/assets/", "/assets/")
        .chain(after("\"./", "/assets/"))
        .chain(after("href=\"/", "/"))
        .filter(|name| !name.is_empty())
        .collect()
}

#[tokio::test]
async fn every_file_that_is_named_exists_and_is_of_this_build() {
    let site = Site::embedded();
    let mut seen = 0;
    let addresses = PAGES
        .iter()
        .map(|(path, _)| (*path).to_owned())
        .chain(ASSETS.iter().map(|(name, _)| format!("/assets/{name}")));
    for address in addresses {
        for name in named(text(&get(&address).await)) {
            let (path, query) = name.split_once('?').unwrap_or((&name, ""));
            if path.starts_with("/assets/") {
                assert_eq!(query, format!("v={}", site.version()), "{address} names {name}");
            }
            assert!(site.find(path).is_some(), "{address} names {name}");
            seen += 1;
        }
    }
    assert!(seen > 60, "only {seen} names were found: the search itself is broken");
}

/// A script that is found only once the one before it has arrived is a round trip more.
#[test]
fn every_page_preloads_what_its_script_imports() {
    let scripts: BTreeMap<&str, &str> = ASSETS.iter().copied().collect();
    let within = |text: &'static str, before: &str, after: &str| -> BTreeSet<&'static str> {
        text.split(before).skip(1).map(|rest| rest.split_once(after).unwrap().0).collect()
    };
    for (path, page) in PAGES {
        let [script] = Vec::from_iter(within(page, "<script type=\"module\" src=\"/assets/", "\""))[..]
        else {
            panic!("{path} has one script");
        };
        let mut imported = BTreeSet::new();
        let mut unread = vec![script];
        while let Some(name) = unread.pop() {
            unread.extend(
                within(scripts[name], "from \"./", "\"").into_iter().filter(|name| imported.insert(*name)),
            );
        }
        let preloaded = within(page, "<link rel=\"modulepreload\" href=\"/assets/", "\"");
        assert_eq!(preloaded, imported, "{path}");
    }
}

/// CSP would stop them in the browser: better that they never get there.
#[test]
fn no_page_has_inline_script_or_style() {
    for (path, page) in PAGES {
        for tag in page.split('<').skip(1) {
            let tag = tag.split('>').next().unwrap();
            let name = tag.split_whitespace().next().unwrap_or_default();
            assert_ne!(name, "style", "{path}");
            assert!(name != "script" || tag.contains("src=\"/assets/"), "{path}: <{tag}>");
            for (attribute, _) in tag.split_whitespace().filter_map(|word| word.split_once('=')) {
                let attribute = attribute.to_ascii_lowercase();
                assert_ne!(attribute, "style", "{path}: <{tag}>");
                assert!(!attribute.starts_with("on"), "{path}: <{tag}>");
            }
            assert!(!tag.contains("javascript:"), "{path}: <{tag}>");
        }
        assert_eq!(page.matches("<h1").count(), 1, "{path} has one main heading");
        assert_eq!(page.matches("<main").count(), 1, "{path}");
        assert!(page.contains("<html lang=\"en\">"), "{path}");
        assert!(
            page.contains("role=\"status\" id=\"status\"") && page.contains("role=\"alert\" id=\"alert\""),
            "{path}"
        );
    }
}

/// Sinks that Trusted Types would stop, and places where a secret would outlive the page.
#[test]
fn no_script_parses_markup_or_stores_anything() {
    for (name, script) in ASSETS.iter().filter(|(name, _)| Path::new(name).extension() == Some("js".as_ref()))
    {
        for forbidden in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "localStorage",
            "sessionStorage",
            "indexedDB",
            "document.cookie",
            ".style.",
            "http://",
            "https://",
        ] {
            assert!(!script.contains(forbidden), "{name} has {forbidden}");
        }
    }
}
