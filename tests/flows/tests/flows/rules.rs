//! The general rules, asked of every route.

use std::collections::BTreeSet;

use flows::{Answer, Call, HandMade, Person, Portal, Run, set_up};
use http::Method;
use postern_http::routes::{ROUTES, Route};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

const LARGEST_BODY: usize = 64 * 1024;

fn method(route: &Route) -> Method {
    route.method.parse().unwrap()
}

/// The route's path with parameters that name nothing.
fn path(route: &Route) -> String {
    route.path.replace("{id}", "pk_nothing").replace("{file}", "nothing.js")
}

fn is_api(route: &Route) -> bool {
    route.function != "pages"
}

fn is_open(route: &Route) -> bool {
    matches!(
        route.function,
        "pages"
            | "jwks"
            | "policy"
            | "account-register"
            | "passkey-sign-in-options"
            | "passkey-sign-in"
            | "password-sign-in"
            | "authenticator-sign-in"
            | "phone-code-send"
            | "phone-code-verify"
            | "recovery-code-redeem"
            | "recovery-email-send"
            | "recovery-email-verify"
    )
}

/// Later, recovery by email answers whatever it is asked in one way.
async fn while_email_recovers() -> Run {
    let run = Run::start().await;
    run.hold("2025-02-07T12:00:00Z".parse().unwrap()).await;
    run
}

fn takes_a_body(route: &Route) -> bool {
    matches!(route.method, "POST" | "PATCH" | "PUT")
}

/// A body with each member of the contract, right in type if not in truth; and which of them may be left out.
fn body(route: &Route) -> (Value, &'static [&'static str]) {
    let credential = |response: Value| {
        json!({
            "id": "AQ", "rawId": "AQ", "type": "public-key", "response": response, "clientExtensionResults": {}
        })
    };
    match route.function {
        "account-register" => (
            json!({ "username": "rules", "email": "rules@clinic.example", "locale": "en-US" }),
            &["locale", "password"],
        ),
        "passkey-enrol" => {
            let credential = credential(json!({ "clientDataJSON": "AQ", "attestationObject": "AQ" }));
            (json!({ "enrolment": "en_AQ", "credential": credential, "name": "A name" }), &["name"])
        }
        "passkey-sign-in" => {
            let credential = credential(json!({
                "clientDataJSON": "AQ", "authenticatorData": "AQ", "signature": "AQ", "userHandle": "AQ"
            }));
            (json!({ "sign_in": "si_AQ", "credential": credential }), &[])
        }
        "passkey-rename" => (json!({ "name": "A name" }), &[]),
        "password-set" => {
            (json!({ "password": flows::PASSWORD, "current": "what it was so far" }), &["current"])
        }
        "password-sign-in" => (json!({ "username": "rules", "password": flows::PASSWORD }), &[]),
        "authenticator-sign-in" => (json!({ "username": "rules", "code": "123456" }), &[]),
        "phone-add" => (json!({ "number": flows::mobile(0), "channel": "text" }), &[]),
        "authenticator-confirm" | "phone-confirm" => (json!({ "code": "123456" }), &[]),
        "phone-code-send" => (json!({ "username": "rules", "channel": "text" }), &[]),
        "phone-code-verify" => (json!({ "sign_in": "si_AQ", "code": "123456" }), &[]),
        "authenticator-enrol"
        | "passkey-enrol-options"
        | "passkey-sign-in-options"
        | "recovery-code-issue"
        | "session-token" => (json!({}), &[]),
        "recovery-email-send" => (json!({ "username": "rules" }), &[]),
        "recovery-email-verify" => (json!({ "recovery": "re_AQ", "code": "123456" }), &[]),
        "recovery-code-redeem" => (json!({ "code": "1234-5678-9012-3456", "username": "rules" }), &[]),
        other => panic!("what does {other} take?"),
    }
}

fn call(portal: &Portal, route: &Route) -> Call {
    let call = portal.call(&method(route), &path(route));
    if takes_a_body(route) { call.json(&body(route).0) } else { call }
}

/// A session that nothing takes away: sign-out and the end of sessions are asked of others.
async fn session(portal: &Portal) -> String {
    set_up(portal).await.session
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_cookie_nobody_is_signed_in() {
    let run = Run::frozen().await;
    for route in ROUTES.iter().filter(|route| !is_open(route)) {
        call(&run, route).send().await.problem(401, "not_signed_in");
    }
    // Whoever would have to sign in first learns nothing of what stands behind.
    for (method, path) in
        [(Method::DELETE, "/v1/account/sessions/ses_x"), (Method::PATCH, "/v1/account/passkeys/pk_x")]
    {
        let answer = run.call(&method, path).json(&json!({ "name": "x" })).send().await;
        answer.problem(401, "not_signed_in");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_that_is_not_a_session_is_none() {
    let run = Run::frozen().await;
    let good = session(&run).await;
    let other = session(&run).await;
    let flipped = |place: usize| {
        let mut bytes = flows::from_base64url(&good);
        bytes[place] ^= 1;
        flows::base64url(bytes)
    };
    let named = |value: &str| format!("__Host-session={value}").into_bytes();
    let mut garbage = vec![
        Vec::new(),
        b";;;===;".to_vec(),
        b"__Host-session".to_vec(),
        named(""),
        named("x"),
        named(&"A".repeat(43)),
        named(&"A".repeat(8000)),
        named(&flipped(0)),
        named(&flipped(31)),
        named(&good[..42]),
        named(&format!("{good}A")),
        named(&format!("{good}=")),
        named(&format!("\"{good}\" x")),
        named(&good.to_lowercase()),
        named("../../../etc"),
        named("\u{0}\u{1}".replace(['\u{0}', '\u{1}'], "%00").as_str()),
        [b"__Host-session=".as_slice(), &[0xff, 0xfe, 0x80]].concat(),
        format!("session={good}").into_bytes(),
        format!("__host-session={good}").into_bytes(),
        format!("__Secure-session={good}").into_bytes(),
        // Two of them: which is meant nobody may guess.
        format!("__Host-session={good}; __Host-session={other}").into_bytes(),
        format!("__Host-session={other}; __Host-session={good}").into_bytes(),
    ];
    garbage.push(format!("x={}; __Host-session=", "y".repeat(4000)).into_bytes());
    for cookie in garbage {
        let shown = String::from_utf8_lossy(&cookie).into_owned();
        let answer = run.get("/v1/account").header("cookie", &cookie).send().await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "not_signed_in"), "{shown}: {answer:?}");
    }
    // Others may stand beside it, whatever they are, in one header or in several.
    for cookie in [
        format!("theme=dark; __Host-session={good}; lang=en"),
        format!("a=b=c; __Host-session={good}"),
        format!("broken; __Host-session={good};"),
    ] {
        run.get("/v1/account").header("cookie", &cookie).send().await.expect(200);
    }
    let answer =
        run.get("/v1/account").header("cookie", "theme=dark").session(&good).header("cookie", "x=y").send();
    answer.await.expect(200);
}

/// The methods that the contract's table gives to a path.
fn methods_of(path: &str) -> BTreeSet<&'static str> {
    let fits = |pattern: &str| {
        let (pattern, path) = (pattern.split('/'), path.split('/'));
        pattern.clone().count() == path.clone().count()
            && pattern.zip(path).all(|(part, given)| part == given || part.starts_with('{'))
    };
    ROUTES.iter().filter(|route| fits(route.path)).map(|route| route.method).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_method_is_not_allowed() {
    let run = Run::frozen().await;
    let session = session(&run).await;
    let paths: BTreeSet<String> = ROUTES.iter().map(path).collect();
    for path in paths {
        let allowed = methods_of(&path);
        for other in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "get"] {
            if allowed.contains(other) {
                continue;
            }
            // With and without a session: what a path takes is no secret, and what it does is done by nobody.
            for call in [run.call(&other.parse().unwrap(), &path), {
                let call = run.call(&other.parse().unwrap(), &path);
                call.session(&session).header("origin", &run.origin)
            }] {
                let answer = call.send().await.expect(405);
                let shown: BTreeSet<&str> =
                    answer.header("allow").expect("an Allow header").split(',').map(str::trim).collect();
                let shown: BTreeSet<&str> = shown.into_iter().filter(|method| *method != "OPTIONS").collect();
                assert_eq!(shown, allowed, "{answer:?}");
                assert_headers(&answer, "no-store");
                if other == "HEAD" {
                    assert!(answer.body.is_empty());
                } else {
                    answer.problem(405, "method_not_allowed");
                }
            }
        }
    }
    run.get("/v1/account").session(&session).send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_path_is_not_found() {
    let run = Run::frozen().await;
    let session = session(&run).await;
    let paths = [
        "/v1",
        "/v1/",
        "/v2/account",
        "/V1/account",
        "/v1/Account",
        "/v1/account/",
        "//v1/account",
        "/v1//account",
        "/v1/account/x",
        "/v1/account/passkeys/a/b",
        "/v1/account/sessions/",
        "/v1/accounts/acc_x",
        "/v1/session/tokens",
        "/v1/policy.json",
        "/.well-known/openid-configuration",
        "/.well-known/jwks.json/x",
        "/register/x",
        "/assets",
        "/assets/",
        "/assets/nothing.js",
        "/assets/..%2f..%2fCargo.toml",
        "/assets/index.html%00.js",
        "/favicon.ico",
        "/index.html",
        "/%76%31/account",
        "/v1/account%2f",
        "/v1/account;x=y",
        "/dev",
    ];
    for path in paths {
        for session in [None, Some(&session)] {
            let call = run.get(path);
            let answer = session.iter().fold(call, |call, value| call.session(value)).send().await;
            let answer = answer.problem(404, "not_found");
            assert!(answer.header("x-request-id").is_some_and(|id| !id.is_empty()), "{answer:?}");
        }
        if path != "/assets/nothing.js" && !path.starts_with("/assets/") {
            for method in [Method::POST, Method::DELETE, Method::HEAD] {
                run.call(&method, path).send().await.expect(404);
            }
        }
    }
}

/// Paths that an HTTP client would tidy before it sends them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_untidy_path_leads_nowhere() {
    let run = Run::frozen().await;
    for path in [
        "/assets/..",
        "/assets/../assets/page.js",
        "/assets/%2e%2e",
        "/assets/%2e%2e%2fCargo.toml",
        "/assets/.",
        "/v1/./account",
        "/v1/account/../policy",
        "/v1/policy/.",
    ] {
        let answer = run.raw(&format!("GET {path} HTTP/1.1")).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        assert!(answer.contains("\"not_found\""), "{path}: {answer}");
    }
    for request in ["GET * HTTP/1.1", "GET /v1/policy HTTP/9.9", "NONSENSE", "GET  HTTP/1.1", "\0\0\0"] {
        let answer = run.raw(request).await;
        assert!(!answer.starts_with("HTTP/1.1 5"), "{request}: {answer}");
    }
    run.get("/v1/policy").send().await.expect(200);
}

#[track_caller]
fn assert_headers(answer: &Answer, cache: &str) {
    assert_eq!(answer.header("cache-control"), Some(cache), "{answer:?}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{answer:?}");
    assert!(answer.header("x-request-id").is_some_and(|id| !id.is_empty()), "{answer:?}");
    for name in ["x-content-type-options", "x-request-id", "content-type", "cache-control"] {
        assert!(answer.headers.get_all(name).iter().count() <= 1, "{name} stands twice: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_has_its_headers() {
    let run = Run::frozen().await;
    let mut ids = BTreeSet::new();
    for route in ROUTES.iter().filter(|route| is_api(route)) {
        let session = session(&run).await;
        for call in [
            call(&run, route),
            call(&run, route).session(&session),
            call(&run, route).header("origin", "https://evil.example"),
        ] {
            let answer = call.send().await;
            let is_public = matches!(route.function, "jwks" | "policy") && answer.status == 200;
            assert_headers(&answer, if is_public { "public, max-age=300" } else { "no-store" });
            assert!(ids.insert(answer.header("x-request-id").unwrap().to_owned()), "an id came twice");
            match answer.status {
                200..=202 => assert_eq!(answer.header("content-type"), Some("application/json")),
                204 => assert!(answer.body.is_empty()),
                status => {
                    let code = answer.code();
                    answer.problem(status, &code);
                }
            }
        }
    }
    // A request's id is the gateway's own.
    let answer = run.get("/v1/account").header("x-request-id", "of-the-client").send().await;
    assert_ne!(answer.header("x-request-id"), Some("of-the-client"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_is_json_and_says_so() {
    let run = while_email_recovers().await;
    for route in ROUTES.iter().filter(|route| takes_a_body(route)) {
        let session = session(&run).await;
        let text = body(route).0.to_string().into_bytes();
        for content_type in [
            "text/plain",
            "text/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/jsonx",
            "application/octet-stream",
            "application",
            "*/*",
            "json",
            "application/json, text/plain",
            "application/json; charset=utf-16",
        ] {
            let call = run.call(&method(route), &path(route)).session(&session);
            let answer = call.bytes(content_type, text.clone()).send().await;
            assert_eq!(answer.code(), "unsupported_media_type", "{content_type}: {answer:?}");
            answer.problem(415, "unsupported_media_type");
        }
        let call = run.call(&method(route), &path(route)).session(&session).body(text.clone());
        call.send().await.problem(415, "unsupported_media_type");
        for content_type in ["application/json", "Application/JSON", "application/json; charset=UTF-8"] {
            let call = run.call(&method(route), &path(route)).session(&session);
            let answer = call.bytes(content_type, text.clone()).send().await;
            assert_ne!(answer.code(), "unsupported_media_type", "{answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_has_64_kib_at_most() {
    let run = Run::frozen().await;
    let padded = |value: &Value, length: usize| {
        let mut text = value.to_string().into_bytes();
        text.resize(length, b' ');
        text
    };
    for route in ROUTES.iter().filter(|route| is_api(route)) {
        let session = session(&run).await;
        let value = if takes_a_body(route) { body(route).0 } else { json!({}) };
        for length in [LARGEST_BODY + 1, LARGEST_BODY * 2] {
            let call = run.call(&method(route), &path(route)).session(&session);
            let answer = call.bytes("application/json", padded(&value, length)).send().await;
            answer.problem(413, "body_too_large");
        }
        // Nothing was done by what was refused.
        run.get("/v1/account").session(&session).send().await.expect(200);
        if takes_a_body(route) {
            let call = run.call(&method(route), &path(route)).session(&session);
            let answer = call.bytes("application/json", padded(&value, LARGEST_BODY)).send().await;
            assert!(!matches!(answer.status, 400 | 413), "{answer:?}");
        }
    }
    // Nor does a body of many times that size do harm.
    let huge = run.call(&Method::POST, "/v1/accounts").bytes("application/json", vec![b' '; 4 * 1024 * 1024]);
    huge.send().await.problem(413, "body_too_large");
}

fn deep(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_bodies_are_bad_requests() {
    let run = while_email_recovers().await;
    let session = session(&run).await;
    let mut malformed: Vec<Vec<u8>> = [
        "",
        " ",
        "{",
        "}",
        "{}}",
        "{} {}",
        "{}x",
        "[]",
        "[{}]",
        "null",
        "true",
        "0",
        "\"\"",
        "\"{}\"",
        "{,}",
        "{\"a\"}",
        "{'a':1}",
        "{a:1}",
        "{\"a\":1,}",
        "{\"a\":NaN}",
        "// x\n{}",
        "\u{feff}{}",
        "{\"unknown\":1}",
        "{\"\":1}",
        "{\"__proto__\":{}}",
        "username=x",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    malformed.push(vec![0xff, 0xfe]);
    malformed.push(b"{\"a\":\"\xff\"}".to_vec());
    malformed.push(b"{}\0".to_vec());
    malformed.push(deep(20_000).into_bytes());
    malformed.push(format!("{{\"a\":{}}}", deep(20_000)).into_bytes());
    malformed.push(vec![0x1f, 0x8b, 8, 0]);
    for route in ROUTES.iter().filter(|route| takes_a_body(route)) {
        for text in &malformed {
            let call = run.call(&method(route), &path(route)).session(&session);
            let answer = call.bytes("application/json", text.clone()).send().await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (400, "bad_request"),
                "{}: {answer:?}",
                String::from_utf8_lossy(&text[..text.len().min(60)])
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_duplicate_missing_and_mistyped_members_are_bad_requests() {
    let run = while_email_recovers().await;
    let session = session(&run).await;
    let send = async |route: &Route, text: String| {
        let call = run.call(&method(route), &path(route)).session(&session);
        let answer = call.bytes("application/json", text.clone().into_bytes()).send().await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "bad_request"), "{text}: {answer:?}");
        answer.problem(400, "bad_request")
    };
    for route in ROUTES.iter().filter(|route| takes_a_body(route)) {
        let (good, optional) = body(route);
        let members = good.as_object().unwrap();

        let mut unknown = good.clone();
        unknown["unknown"] = json!(1);
        send(route, unknown.to_string()).await;
        for extra in ["Username", "user_name", "account", "admin", "sub"] {
            let mut unknown = good.clone();
            unknown[extra] = json!("acc_x");
            send(route, unknown.to_string()).await;
        }
        for (name, value) in members {
            // A duplicate, be it the same value or another, near or far, or spelt with an escape.
            let text = good.to_string();
            let open = &text[..text.len() - 1];
            send(route, format!("{open},\"{name}\":{value}}}")).await;
            send(route, format!("{open},\"{name}\":null}}")).await;
            let escaped = format!("\\u{:04x}{}", u32::from(name.as_bytes()[0]), &name[1..]);
            send(route, format!("{open},\"{escaped}\":{value}}}")).await;

            for wrong in [json!(1), json!(true), json!([value]), json!(1.5), json!([]), json!({ "x": value })]
            {
                let mut mistyped = good.clone();
                mistyped[name] = wrong;
                send(route, mistyped.to_string()).await;
            }
            if !optional.contains(&name.as_str()) {
                let mut missing = good.clone();
                missing.as_object_mut().unwrap().remove(name);
                send(route, missing.to_string()).await;
            }
            let mut null = good.clone();
            null[name] = Value::Null;
            send(route, null.to_string()).await;
            if value.is_string() {
                let lone_surrogate = text.replace(&value.to_string(), "\"\\ud800\"");
                send(route, lone_surrogate).await;
            }
        }
        // Inside a credential others are tolerated, and its own may neither lack nor stand twice.
        if let Some(credential) = good.get("credential") {
            for name in ["id", "rawId", "type", "response"] {
                let mut missing = good.clone();
                missing["credential"].as_object_mut().unwrap().remove(name);
                send(route, missing.to_string()).await;
                let mut mistyped = good.clone();
                mistyped["credential"][name] = json!(1);
                send(route, mistyped.to_string()).await;
                let text = credential.to_string();
                let twice = format!("{},\"{name}\":{}}}", &text[..text.len() - 1], credential[name]);
                send(route, good.to_string().replace(&text, &twice)).await;
            }
            for (name, value) in credential["response"].as_object().unwrap() {
                if name != "userHandle" {
                    let mut missing = good.clone();
                    missing["credential"]["response"].as_object_mut().unwrap().remove(name);
                    send(route, missing.to_string()).await;
                }
                for wrong in [json!(1), json!([1, 2]), json!("not base64url!"), json!("AQ=="), json!("+/+/")]
                {
                    let mut mistyped = good.clone();
                    mistyped["credential"]["response"][name] = wrong;
                    send(route, mistyped.to_string()).await;
                }
                let text = credential["response"].to_string();
                let twice = format!("{},\"{name}\":{value}}}", &text[..text.len() - 1]);
                send(route, good.to_string().replace(&text, &twice)).await;
            }
        }
    }
    run.get("/v1/account").session(&session).send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_from_another_origin_is_refused() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    let before = person.account().await;
    let port = run.origin.rsplit(':').next().unwrap().to_owned();
    let foreign = [
        "https://evil.example".to_owned(),
        "null".to_owned(),
        String::new(),
        "http://localhost".to_owned(),
        format!("https://localhost:{port}"),
        format!("http://127.0.0.1:{port}"),
        format!("{}/", run.origin),
        format!("{} https://evil.example", run.origin),
        format!("{},https://evil.example", run.origin),
        format!("http://localhost:{port}0"),
        format!("http://x.localhost:{port}"),
        run.origin.to_uppercase(),
    ];
    for route in ROUTES.iter().filter(|route| route.method != "GET") {
        for origin in &foreign {
            let answer = call(&run, route).session(&person.session).header("origin", origin).send().await;
            assert_eq!(answer.code(), "wrong_origin", "{origin}: {answer:?}");
            let answer = answer.problem(403, "wrong_origin");
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
        let two = call(&run, route).session(&person.session);
        let two = two.header("origin", &run.origin).header("origin", "https://evil.example");
        two.send().await.problem(403, "wrong_origin");
    }
    assert_eq!(person.account().await, before);
    // Reading changes nothing, and the browser keeps the answer from the other site's page.
    let read = run.get("/v1/account").session(&person.session).header("origin", "https://evil.example");
    let read = read.send().await.expect(200);
    assert_eq!(read.header("access-control-allow-origin"), None, "{read:?}");
    for route in ROUTES.iter().filter(|route| is_api(route)) {
        let session = session(&run).await;
        let answer = call(&run, route).session(&session).header("origin", &run.origin).send().await;
        assert_ne!(answer.code(), "wrong_origin", "{answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(&*run.origin), "{answer:?}");
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"), "{answer:?}");
        assert!(answer.header("vary").unwrap().to_lowercase().contains("origin"), "{answer:?}");
    }
}

/// A look at the code marks it downloaded: a change, whatever its method.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_at_the_code_from_another_origin_is_refused() {
    let run = Run::frozen().await;
    let mut person = flows::with_passkey(&run).await;
    person.post("/v1/account/recovery-code", &json!({})).await.expect(201);
    let look = run.get("/v1/account/recovery-code").header("origin", "https://evil.example");
    person.send(look).await.problem(403, "wrong_origin");
    assert_eq!(person.account().await["recovery_code"]["downloaded_at"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_the_local_run_has_refuses_what_it_cannot_take() {
    let run = Run::frozen().await;
    let clock = [
        json!({ "set": "not an instant", "frozen": true }),
        json!({ "set": "2025-02-30T00:00:00Z" }),
        json!({ "set": 1 }),
        json!({ "advance_seconds": "1" }),
        json!({ "advance_seconds": 1.5 }),
        json!({ "advance_seconds": i64::MAX }),
        json!({ "advance_seconds": 1, "set": "2025-03-07T00:00:00Z" }),
        json!({ "unknown": 1 }),
        json!([]),
        json!(null),
    ];
    for body in clock {
        run.post("/dev/clock", &body).send().await.problem(400, "bad_request");
    }
    let faults = [
        json!({}),
        json!([{}]),
        json!([{ "service": "s3", "operation": "GetObject", "kind": "error" }]),
        json!([{ "service": "kms", "operation": "Encrypt", "kind": "unheard of" }]),
        json!([{ "service": "kms", "operation": "Encrypt", "kind": "error", "times": -1 }]),
        json!([{ "service": "kms", "operation": "Encrypt", "kind": "error", "unknown": 1 }]),
    ];
    for body in faults {
        run.post("/dev/faults", &body).send().await.problem(400, "bad_request");
    }
    for (path, body) in [("/dev/clock", json!({ "advance_seconds": 99 })), ("/dev/faults", json!([]))] {
        let foreign = run.post(path, &body).header("origin", "https://evil.example").send().await;
        foreign.problem(403, "wrong_origin");
    }
    run.get("/dev/nothing").send().await.problem(404, "not_found");
    run.delete("/dev/clock").send().await.problem(405, "method_not_allowed");
    // Nothing moved.
    let mut person = set_up(&run).await;
    let created: jiff::Timestamp = person.account().await["created_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(created, run.t0());
    // And back it goes to the machine's time, which runs.
    run.clock(&json!({})).await;
    let mut person = set_up(&run).await;
    let created: jiff::Timestamp = person.account().await["created_at"].as_str().unwrap().parse().unwrap();
    assert_ne!(created, run.t0());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn preflights_are_answered_for_our_own_origins() {
    let run = Run::frozen().await;
    for route in ROUTES.iter().filter(|route| is_api(route)) {
        let ask = |origin: &str| {
            run.call(&Method::OPTIONS, &path(route))
                .header("origin", origin)
                .header("access-control-request-method", route.method)
                .header("access-control-request-headers", "content-type,idempotency-key")
                .send()
        };
        let own = ask(&run.origin).await;
        assert!(matches!(own.status, 200 | 204), "{own:?}");
        assert_eq!(own.header("access-control-allow-origin"), Some(&*run.origin));
        assert_eq!(own.header("access-control-allow-credentials"), Some("true"));
        let listed = |name: &str| own.header(name).unwrap_or_default().to_lowercase().replace(' ', "");
        let methods = listed("access-control-allow-methods");
        assert!(methods.split(',').any(|allowed| allowed == route.method.to_lowercase()), "{own:?}");
        for header in ["content-type", "idempotency-key"] {
            let headers = listed("access-control-allow-headers");
            assert!(headers.split(',').any(|allowed| allowed == header), "{own:?}");
        }
        for foreign in ["https://evil.example", "null", "http://localhost", &format!("{}0", run.origin)] {
            let answer = ask(foreign).await;
            assert!(answer.status < 500);
            assert_eq!(answer.header("access-control-allow-origin"), None, "{answer:?}");
            assert_eq!(answer.header("access-control-allow-credentials"), None, "{answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cookie_is_kept_from_scripts_other_hosts_and_plain_connections() {
    let run = Run::frozen().await;
    let mut person = flows::with_passkey(&run).await;
    let new = json!({ "username": "cookies", "email": "cookies@clinic.example" });
    let registered = run.post("/v1/accounts", &new).send().await.expect(201);
    let body = person.sign_in_body().await;
    let signed_in = run.post("/v1/sign-in/passkey", &body).send().await.expect(200);
    for answer in [&registered, &signed_in] {
        let cookie = answer.header("set-cookie").unwrap();
        let mut parts = cookie.split(';').map(str::trim);
        let value = parts.next().unwrap().strip_prefix("__Host-session=").unwrap();
        assert_eq!(flows::from_base64url(value).len(), 32);
        let mut attributes: Vec<String> = parts.map(str::to_lowercase).collect();
        attributes.sort_unstable();
        assert_eq!(attributes, ["httponly", "path=/", "samesite=lax", "secure"], "{cookie}");
    }
    assert_ne!(registered.new_session(), signed_in.new_session());
    let out = run.delete("/v1/session").session(&signed_in.new_session()).send().await.expect(204);
    let cleared = out.header("set-cookie").unwrap().to_lowercase();
    assert!(cleared.starts_with("__host-session=;") && cleared.contains("max-age=0"), "{cleared}");
    assert!(cleared.contains("secure") && cleared.contains("path=/"), "{cleared}");
    // Neither reading nor what is refused sets one.
    for call in [run.get("/v1/account"), run.get("/v1/account").session(&registered.new_session())] {
        assert_eq!(call.send().await.cookie(), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identifiers_may_be_percent_encoded_and_odd_ones_name_nothing() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    let account = person.account().await;
    let id = account["methods"]["passkeys"][0]["id"].as_str().unwrap();
    let encoded = id.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02x}"));
    let path = format!("/v1/account/passkeys/{encoded}");
    person.patch(&path, &json!({ "name": "Encoded" })).await.expect(200);
    let odd = [
        "x",
        "pk_",
        "ses_",
        "%00",
        "pk_%00",
        "%ff%fe",
        "pk_%ff",
        "%2e%2e",
        "%2f",
        "pk_a%2fb",
        "%25",
        "%252e",
        "%20",
        "%F0%9F%92%A9",
        "acc_x",
        "PASSKEY%23x",
        "%",
        "%zz",
        &"a".repeat(4000),
        &id.to_uppercase(),
        &format!("{id}A"),
        &id[..id.len() - 1],
        &format!("{id}%20"),
        &format!("{id}?x=y"),
    ];
    for odd in odd {
        if odd.ends_with("?x=y") {
            continue;
        }
        let passkey = format!("/v1/account/passkeys/{odd}");
        let session = format!("/v1/account/sessions/{odd}");
        for answer in [
            person.patch(&passkey, &json!({ "name": "Odd" })).await,
            person.delete(&passkey).await,
            person.delete(&session).await,
        ] {
            assert!(matches!(answer.status, 400 | 404), "{odd}: {answer:?}");
        }
    }
    assert_eq!(person.account().await["methods"]["passkeys"][0]["name"], "Encoded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_are_strict() {
    let run = Run::start().await;
    for path in ["/", "/register", "/recover", "/help", "/set-up", "/recovery-code", "/manage"] {
        let page = run.get(path).send().await.expect(200);
        assert!(page.header("content-type").unwrap().starts_with("text/html"), "{path}");
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe-") && !policy.contains("http") && !policy.contains('*'), "{policy}");
        assert!(page.header("strict-transport-security").unwrap().contains("max-age="), "{path}");
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        let text = page.text();
        assert!(
            !text.contains("<style") && !text.contains(" style=") && !text.contains(" onclick="),
            "{path}"
        );
        // What it loads is there, and is ours.
        for part in text.split(['"', '\'']).filter(|part| part.starts_with("/assets/")) {
            let asset = run.get(part).send().await.expect(200);
            assert_eq!(asset.header("x-content-type-options"), Some("nosniff"), "{part}");
        }
        assert!(!text.contains("src=\"http") && !text.contains("href=\"http"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_host_is_not_ours() {
    let run = Run::start().await;
    for host in ["evil.example", "localhost.evil.example", "0.0.0.0"] {
        let answer = run.get("/v1/policy").header("host", host).send().await;
        assert!((400..500).contains(&answer.status), "{host}: {answer:?}");
    }
}

/// A value of any shape, members of the contract among its names.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        proptest::collection::vec(any::<u8>(), 0..64).prop_map(|bytes| Value::from(flows::base64url(bytes))),
        proptest::collection::vec(any::<u8>(), 0..64)
            .prop_map(|bytes| Value::from(format!("si_{}", flows::base64url(bytes)))),
    ];
    let name = prop_oneof![
        proptest::sample::select(vec![
            "username",
            "email",
            "locale",
            "name",
            "sign_in",
            "enrolment",
            "credential",
            "id",
            "rawId",
            "type",
            "response",
            "clientDataJSON",
            "attestationObject",
            "authenticatorData",
            "signature",
            "userHandle",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    leaf.prop_recursive(4, 32, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((name.clone(), inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A good body with one member, at any depth, replaced.
fn nearly_good(route: &Route) -> impl Strategy<Value = Value> + use<> {
    let good = body(route).0;
    let pointers = pointers(&good);
    (proptest::sample::select(pointers), any_json()).prop_map(move |(pointer, value)| {
        let mut body = good.clone();
        if let Some(place) = body.pointer_mut(&pointer) {
            *place = value;
        }
        body
    })
}

fn pointers(value: &Value) -> Vec<String> {
    let mut all = vec![String::new()];
    for (name, inner) in value.as_object().into_iter().flatten() {
        all.extend(pointers(inner).into_iter().map(|rest| format!("/{name}{rest}")));
    }
    all
}

#[derive(Debug, Clone)]
struct Thrown {
    method: Method,
    path: String,
    content_type: Option<String>,
    body: Vec<u8>,
    headers: Vec<(&'static str, Vec<u8>)>,
    signed_in: bool,
}

fn header_value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[ -~]{0,80}".prop_map(String::into_bytes),
        proptest::collection::vec(0x20..=0xffu8, 0..80)
            .prop_map(|bytes| bytes.into_iter().filter(|byte| *byte != 0x7f).collect()),
    ]
}

fn thrown() -> impl Strategy<Value = Thrown> {
    let routes: Vec<&'static Route> = ROUTES.iter().collect();
    let names = vec![
        "accept",
        "cookie",
        "origin",
        "idempotency-key",
        "user-agent",
        "x-forwarded-for",
        "authorization",
        "x-amzn-trace-id",
        "range",
        "if-none-match",
    ];
    let headers = proptest::collection::vec((proptest::sample::select(names), header_value()), 0..4);
    let body_and_type = |route: &'static Route| {
        let text = if takes_a_body(route) {
            prop_oneof![nearly_good(route).boxed(), any_json().boxed()]
                .prop_map(|value| value.to_string().into_bytes())
                .boxed()
        } else {
            any_json().prop_map(|value| value.to_string().into_bytes()).boxed()
        };
        let body = prop_oneof![
            3 => text,
            1 => proptest::collection::vec(any::<u8>(), 0..600).boxed(),
        ];
        let content_type = prop_oneof![
            6 => Just(Some("application/json".to_owned())),
            1 => Just(None),
            1 => "[ -~]{0,40}".prop_map(Some),
        ];
        (Just(route), body, content_type)
    };
    (
        proptest::sample::select(routes).prop_flat_map(body_and_type),
        headers,
        any::<bool>(),
        "(/[a-z0-9%._-]{0,12}){0,2}(\\?[ -~&&[^#]]{0,30})?",
        0..8u8,
    )
        .prop_map(|((route, body, content_type), headers, signed_in, odd, bend)| {
            let path = match bend {
                0 => format!("{}{odd}", path(route)),
                1 => route.path.replace("{id}", odd.trim_start_matches('/')),
                _ => path(route),
            };
            Thrown { method: method(route), path, content_type, body, headers, signed_in }
        })
}

#[test]
fn whatever_is_thrown_at_it_the_answer_is_no_failure() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (run, person): (Run, Person) = runtime.block_on(async {
        let run = Run::frozen().await;
        let mut person = set_up(&run).await;
        person.enrol(HandMade::new(&run.origin)).await;
        (run, person)
    });
    let config = Config { cases: 600, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let result = TestRunner::new(config).run(&thrown(), |thrown| {
        // A session that was thrown away is taken anew only where that is what was asked.
        let answer = runtime.block_on(async {
            let mut call = run.call(&thrown.method, &thrown.path).body(thrown.body.clone());
            if let Some(content_type) = &thrown.content_type {
                call = call.header("content-type", content_type);
            }
            for (name, value) in &thrown.headers {
                call = call.header(name, value);
            }
            if thrown.signed_in {
                call = call.session(&person.session);
            }
            call.try_send().await
        });
        // What the client itself would not send is no answer of ours.
        let Ok(answer) = answer else { return Ok(()) };
        prop_assert!(answer.status < 500, "{answer:?}");
        if answer.status >= 400 {
            prop_assert_eq!(answer.header("content-type"), Some("application/problem+json"));
            prop_assert!(!answer.code().is_empty(), "{:?}", answer);
        }
        prop_assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        prop_assert!(answer.header("x-request-id").is_some(), "{:?}", answer);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    // It still stands.
    runtime.block_on(async {
        run.get("/v1/policy").send().await.expect(200);
        set_up(&run).await;
    });
}
