//! The stack that `sam deploy --config-env dev` makes of what `sam build` built: people's ways through its gateway, its functions, its
//! tables, keys, topics and stream, with each function under the role that the template gives it.
//!
//! The stand-in of AWS asks a role for the action and the resource of every call. It does not look at `dynamodb:LeadingKeys`, which
//! `emulator.rs` does, and knows no encryption contexts, which `tests/agreement` holds against the code.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that prints what it saw"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use emulator::{Failure, Stack};
use flows::{
    App, HandMade, Person, Portal, SoftwareKey, landline, mobile, registered, somebody, with_password,
};
use http::Method;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

/// Beside what shows by itself.
const BEYOND_THE_STAND_IN: [&str; 4] = [
    "the partitions that a role may touch (dynamodb:LeadingKeys): the walk of tests/emulator holds them",
    "End User Messaging: tests/emulator stands in for it, and asks no role",
    "the API's OpenAPI body: its routes and integrations are laid out as resources",
    "TLS, the access log, alarms that go off, and a release that takes over little by little",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deployed_stack_serves_people() {
    let way = tokio::time::timeout(Duration::from_mins(5), way());
    if let Err(failure) = way.await.expect("within five minutes") {
        panic!("{failure}");
    }
}

/// The deployment, as its people find it.
struct Deployed {
    stack: Stack,
    portal: Portal,
}

async fn way() -> Result<(), Failure> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let built = variable("POSTERN_BUILT").map_or_else(|| root.join(".aws-sam/build"), PathBuf::from);
    let stack = Stack::deploy(&root, &built).await?;
    let (address, origin) = (stack.output("ApiEndpoint")?, stack.output("AuthorisedOrigins")?);
    let portal = Portal::behind(stack.gateway, address, origin);
    let deployed = Deployed { stack, portal };

    deployed.open_to_all().await;
    deployed.without_a_session().await;
    let with_passkeys = deployed.by_passkey().await;
    let with_phones = deployed.by_password_and_phone().await?;
    deployed.by_authenticator().await?;
    deployed.by_email().await?;
    deployed.is_told(&with_passkeys, &with_phones).await?;
    deployed.report().await
}

impl Deployed {
    async fn open_to_all(&self) {
        let policy = self.portal.get("/v1/policy").send().await.expect(200).json();
        assert_eq!(policy["email_recovery_ends_at"], "2999-01-01T00:00:00Z");
        for page in ["/", "/register", "/recover", "/help", "/set-up", "/recovery-code", "/manage"] {
            let page = self.portal.get(page).send().await.expect(200);
            assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{page:?}");
        }
        self.portal.get("/nowhere").send().await.problem(404, "not_found");
        let refused = self.portal.delete("/v1/policy").send().await.problem(405, "method_not_allowed");
        assert_eq!(refused.header("allow"), Some("GET"));

        let asked = |origin: &str| {
            let call = self.portal.call(&Method::OPTIONS, "/v1/account").header("origin", origin);
            call.header("access-control-request-method", "GET")
        };
        let allowed = asked(&self.portal.origin).send().await.expect(204);
        assert_eq!(allowed.header("access-control-allow-origin"), Some(self.portal.origin.as_str()));
        assert_eq!(allowed.header("access-control-allow-credentials"), Some("true"));
        let foreign = asked("https://elsewhere.example").send().await;
        assert_eq!(foreign.header("access-control-allow-origin"), None, "{foreign:?}");
    }

    async fn without_a_session(&self) {
        for (method, path) in [
            (Method::GET, "/v1/account"),
            (Method::GET, "/v1/account/sessions"),
            (Method::GET, "/v1/account/activity"),
            (Method::GET, "/v1/account/recovery-code"),
            (Method::DELETE, "/v1/session"),
        ] {
            let call = || self.portal.call(&method, path);
            call().send().await.problem(401, "not_signed_in");
            let unknown = flows::base64url([7; 32]);
            call().session(&unknown).send().await.problem(401, "not_signed_in");
        }
    }

    /// Passkeys of a device that knows nothing of the code under test; the recovery code; what is lost and found again.
    async fn by_passkey(&self) -> Person {
        let mut person = registered(&self.portal).await;
        person.post("/v1/session/token", &json!({})).await.problem(403, "set_up_required");
        let mut device = SoftwareKey::new(&self.portal.origin);
        let options = person.post("/v1/account/passkeys/options", &json!({})).await.expect(200).json();
        let credential = device.create(&options["publicKey"]).await;
        let body =
            json!({ "enrolment": options["enrolment"], "credential": credential, "name": "Front desk" });
        let passkey = person.post("/v1/account/passkeys", &body).await.expect(201).json();
        let at = format!("/v1/account/passkeys/{}", passkey["id"].as_str().unwrap());
        let code = person.take_code().await;
        person.patch(&at, &json!({ "name": "Reception" })).await.expect(200);
        let token = person.post("/v1/session/token", &json!({})).await.expect(200).json();
        let claims = self.verified(&token["access_token"]).await;
        assert_eq!(claims["sub"], person.account().await["id"]);

        person.delete("/v1/session").await.expect(204);
        person.get("/v1/account").await.problem(401, "not_signed_in");
        let signed_in = self.sign_in(&mut person, &mut device).await;
        let claims = self.verified(&signed_in["access_token"]).await;
        assert_eq!((&claims["acr"], &claims["sub"]), (&json!("phr"), &signed_in["account"]["id"]));

        let mut elsewhere = person.signed_out();
        self.sign_in(&mut elsewhere, &mut device).await;
        let sessions = person.get("/v1/account/sessions").await.expect(200).json();
        let other = sessions["sessions"].as_array().unwrap().iter().find(|it| it["current"] == false);
        let other = other.expect("the other session")["id"].as_str().unwrap();
        person.delete(&format!("/v1/account/sessions/{other}")).await.expect(204);
        elsewhere.get("/v1/account").await.problem(401, "not_signed_in");

        person.enrol(HandMade::new(&self.portal.origin)).await;
        person.delete(&at).await.expect(204);
        let activity = person.get("/v1/account/activity").await.expect(200).json();
        assert_eq!(activity["events"][0]["what"], "passkey_removed");

        let mut lost = person.signed_out();
        let wrong = json!({ "code": "0000-0000-0000-0000", "username": lost.username });
        lost.post("/v1/recovery/code", &wrong).await.problem(401, "wrong_credentials");
        let right = json!({ "code": code, "username": lost.username });
        let recovered = lost.post("/v1/recovery/code", &right).await.expect(200).json();
        assert_eq!(recovered["status"], "recovered");
        person.get("/v1/account").await.problem(401, "not_signed_in");
        lost.enrol(HandMade::new(&self.portal.origin)).await;
        assert_ne!(lost.take_code().await, code);
        lost.post("/v1/session/token", &json!({})).await.expect(200);
        lost
    }

    async fn sign_in(&self, person: &mut Person, device: &mut SoftwareKey) -> Value {
        let options = self.portal.post("/v1/sign-in/passkey/options", &json!({})).send().await;
        let options = options.expect(200).json();
        let credential = device.get(&options["publicKey"]).await;
        let body = json!({ "sign_in": options["sign_in"], "credential": credential });
        let signed_in = person.post("/v1/sign-in/passkey", &body).await.expect(200).json();
        assert_eq!(signed_in["status"], "signed_in");
        signed_in
    }

    /// A password, a mobile by text, and a landline by a call, which SNS hands to `voice-call`.
    async fn by_password_and_phone(&self) -> Result<Person, Failure> {
        let mut person = with_password(&self.portal).await;
        person.number = mobile(0);
        let pending = person.begin_phone(&mobile(0), "text").await.expect(202).json();
        let code = self.code_by_text(&mobile(0)).await?;
        person.confirm_phone(&pending["id"], &flows::another_code(&code)).await.expect(401);
        person.confirm_phone(&pending["id"], &code).await.expect(200);
        let pending = person.begin_phone(&landline(0), "call").await.expect(202).json();
        assert_eq!(pending["channels"], json!(["call"]));
        let code = self.code_by_call(&landline(0)).await?;
        person.confirm_phone(&pending["id"], &code).await.expect(200);
        let at = format!("/v1/account/phones/{}", pending["id"].as_str().unwrap());
        person.take_code().await;
        person.delete(&at).await.expect(204);
        person.set_password("seven slow lanterns / 1 canal").await.expect(200);
        person.delete("/v1/session").await.expect(204);

        let wrong = json!({ "username": person.username, "password": "eight slow lanterns / 1 canal" });
        person.post("/v1/sign-in/password", &wrong).await.problem(401, "wrong_credentials");
        let next = person.by_password().await.expect(200).json();
        assert_eq!(next["status"], "next");
        self.stack.forget_sends().await?;
        let sent = person.send_code_in(&next["sign_in"], "text").await.expect(202).json();
        let code = self.code_by_text(&mobile(0)).await?;
        let signed_in = person.verify(&sent["sign_in"], &code).await.expect(200).json();
        let claims = self.verified(&signed_in["access_token"]).await;
        assert_eq!(claims["acr"], "aal2");
        Ok(person)
    }

    /// An authenticator app and a password; the app is taken off again.
    async fn by_authenticator(&self) -> Result<(), Failure> {
        let mut person = with_password(&self.portal).await;
        let begun = person.begin_app().await.expect(201).json();
        let app = App::scan(begun["uri"].as_str().unwrap());
        person.confirm_app(&app.code_at(now()).await).await.expect(200);
        let pending = person.begin_phone(&mobile(1), "text").await.expect(202).json();
        let code = self.code_by_text(&mobile(1)).await?;
        person.confirm_phone(&pending["id"], &code).await.expect(200);
        person.take_code().await;
        person.delete("/v1/session").await.expect(204);

        self.stack.forget_steps().await?;
        let code = app.code_at(now()).await;
        let next = person.by_app(&code).await.expect(200).json();
        assert_eq!(next["proven"], json!(["authenticator"]));
        person.by_app(&code).await.problem(401, "wrong_credentials");
        let body = json!({ "sign_in": next["sign_in"], "password": person.password });
        let signed_in = person.post("/v1/sign-in/password", &body).await.expect(200).json();
        assert_eq!(signed_in["status"], "signed_in");
        person.delete("/v1/account/authenticator").await.expect(204);
        Ok(())
    }

    /// Somebody comes back by a code to their address, while email still recovers.
    async fn by_email(&self) -> Result<(), Failure> {
        let nobody = json!({ "username": somebody(&self.portal).username });
        let mut person = with_password(&self.portal).await;
        let path = "/v1/recovery/email/send";
        self.portal.post(path, &nobody).send().await.expect(202);
        let body = json!({ "username": person.username });
        let sent = person.post(path, &body).await.expect(202).json();
        let code = soon("a letter with a code", async || {
            let letters = self.stack.letters(&person.email).await?;
            Ok(letters.iter().find_map(|letter| Some(letter.split_once(" is your code")?.0.to_owned())))
        });
        let body = json!({ "recovery": sent["recovery"], "code": code.await? });
        let recovered = person.post("/v1/recovery/email/verify", &body).await.expect(200).json();
        assert_eq!(recovered["status"], "recovered");
        person.account().await;
        Ok(())
    }

    /// What the stream brought to `security-notices`: to the topic, to phones, to addresses.
    async fn is_told(&self, with_passkeys: &Person, with_phones: &Person) -> Result<(), Failure> {
        let accounts = [
            (with_passkeys, vec!["passkey_added", "passkey_renamed", "passkey_removed", "recovered"]),
            (
                with_phones,
                vec!["phone_added", "phone_removed", "password_changed", "recovery_code_downloaded"],
            ),
        ];
        for (person, expected) in accounts {
            let id = person.clone().account().await["id"].clone();
            let told = soon("the security events", async || {
                let events = self.stack.security_events().await?;
                let of_theirs = events.iter().filter(|event| event["data"]["account"] == id);
                let kinds: BTreeSet<String> =
                    of_theirs.filter_map(|event| Some(event["type"].as_str()?.to_owned())).collect();
                let all = expected.iter().all(|what| kinds.contains(&format!("postern.account.{what}")));
                Ok(all.then_some(events))
            });
            for event in told.await? {
                assert_eq!(event["source"], self.stack.output("Issuer")?, "{event}");
            }
        }
        soon("a text of the new password", async || {
            let texts = self.stack.texts(&with_phones.number).await?;
            Ok(texts.into_iter().find(|text| text.contains("password") && !text.contains('#')))
        })
        .await?;
        soon("a letter of the passkey", async || {
            let letters = self.stack.letters(&with_passkeys.email).await?;
            Ok(letters.into_iter().find(|letter| letter.contains("passkey")))
        })
        .await?;
        Ok(())
    }

    /// What a portal's back end does with a token (RFC 9068 §4).
    async fn verified(&self, token: &Value) -> Value {
        let token = token.as_str().expect("a token");
        let header = decode_header(token).unwrap();
        assert_eq!((header.typ.as_deref(), header.alg), (Some("at+jwt"), Algorithm::ES256));
        let keys = self.portal.get("/.well-known/jwks.json").send().await.expect(200).json();
        let keys: JwkSet = serde_json::from_value(keys).unwrap();
        let key = keys.find(&header.kid.unwrap()).expect("the key set has the token's key");
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_issuer(&[self.stack.output("Issuer").unwrap()]);
        validation.set_audience(&[self.stack.output("Audience").unwrap()]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap().claims
    }

    /// The last line of a text with a code binds it to the portal: `@portal.example #123456`.
    async fn code_by_text(&self, number: &str) -> Result<String, Failure> {
        let bound = format!("@{} #", self.stack.output("RelyingParty")?);
        soon("a text with a code", async || {
            let texts = self.stack.texts(number).await?;
            let mut codes = texts.iter().filter_map(|text| text.lines().last()?.strip_prefix(&bound));
            Ok(codes.next_back().map(str::to_owned))
        })
        .await
    }

    async fn code_by_call(&self, number: &str) -> Result<String, Failure> {
        soon("a call", async || {
            let placed = self.stack.calls().into_iter().find(|call| call.to == number);
            let Some(call) = placed else { return Ok(None) };
            let words = call.body.split('<').filter_map(|part| part.split_once('>').map(|(_, text)| text));
            let digits: String = words.flat_map(str::chars).filter(char::is_ascii_digit).collect();
            Ok(digits.get(..6).map(str::to_owned))
        })
        .await
    }

    /// Prints what this was and was not, and fails where a function did not run, or had something to complain of.
    async fn report(&self) -> Result<(), Failure> {
        let idle = self.stack.not_started()?;
        if !idle.is_empty() {
            return Err(format!("never started: {}", idle.join(", ")).into());
        }
        let dead = self.stack.dead_letters().await?;
        if !dead.is_empty() {
            return Err(format!("dead letters: {}", dead.join("\n")).into());
        }
        let log = self.stack.log()?;
        let complaints = log
            .lines()
            .filter(|line| line.contains(r#""level":"ERROR""#) || line.contains(r#""Kind":"denied""#));
        let complaints: Vec<&str> = complaints.collect();
        if !complaints.is_empty() {
            return Err(format!("the functions complain: {}", complaints.join("\n")).into());
        }
        println!(
            "deployed by sam, every function run through the gateway, the stream or a topic, under its own role"
        );
        println!("what AWS has, and its stand-in has not:");
        let known = BEYOND_THE_STAND_IN.map(str::to_owned);
        for what in self.stack.could_not.iter().chain(&known) {
            println!("  {what}");
        }
        Ok(())
    }
}

/// What comes by itself, once it has come.
async fn soon<T>(what: &str, look: impl AsyncFn() -> Result<Option<T>, Failure>) -> Result<T, Failure> {
    for _ in 0..200 {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(format!("{what} did not come").into())
}

#[expect(clippy::disallowed_methods, reason = "the functions look at the machine's clock")]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

#[expect(clippy::disallowed_methods, reason = "the test command says where the functions are")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
