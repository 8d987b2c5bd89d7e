//! Each call of each step fails in each way. What is answered is 503 and nothing is half done; asked again,
//! the step converges.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flows::{
    Answer, App, HandMade, PASSWORD, Person, Run, another_code, mobile, registered, set_up, with_phone,
};
use futures_util::future::join_all;
use http::Method;
use jiff::SignedDuration;
use postern_local::{Fault, LocalRun};
use serde_json::{Value, json};

const KINDS: [&str; 4] = ["throttled", "error", "timeout", "lost_response"];

/// What steps may call. That what happened is told is `sns`'s and `ses`'s, and another function's.
pub const OPERATIONS: &[(&str, &str)] = &[
    ("dynamodb", "BatchGetItem"),
    ("dynamodb", "DeleteItem"),
    ("dynamodb", "GetItem"),
    ("dynamodb", "PutItem"),
    ("dynamodb", "Query"),
    ("dynamodb", "TransactGetItems"),
    ("dynamodb", "TransactWriteItems"),
    ("dynamodb", "UpdateItem"),
    ("kms", "Decrypt"),
    ("kms", "Encrypt"),
    ("kms", "GenerateDataKey"),
    ("kms", "GenerateMac"),
    ("kms", "VerifyMac"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Register,
    RegisterWithKey,
    View,
    /// As [`Self::View`], after more than a minute: when the session was seen is written.
    ViewLater,
    EnrolOptions,
    Enrol,
    Rename,
    Remove,
    SignIn,
    RefusedCounter,
    Issue,
    Download,
    Token,
    SignOut,
    Sessions,
    SessionEnd,
    Activity,
    Keys,
    RegisterWithPassword,
    PasswordSet,
    PasswordChange,
    PasswordFirst,
    PasswordLast,
    PasswordWrong,
    /// The fifth wrong one: the owner is to be told.
    PasswordLocks,
    CodeFirst,
    CodeLater,
    VerifyFirst,
    VerifyLast,
    VerifyWrong,
    PhoneAdd,
    PhoneConfirm,
    PhoneConfirmWrong,
    PhoneRemove,
    AppFirst,
    AppLast,
    AppWrong,
    AppEnrol,
    AppConfirm,
    AppConfirmWrong,
    AppRemove,
    Redeem,
    RedeemWithKey,
    RedeemWrong,
    /// The fifth wrong one.
    RedeemLocks,
    /// These while email recovers.
    EmailSend,
    EmailVerify,
    EmailVerifyWrong,
}

/// What the password is changed to.
const ANOTHER: &str = "seven slow lanterns / 1 canal";

/// A number that no other person of these tests has.
fn next_number() -> String {
    static TAKEN: AtomicUsize = AtomicUsize::new(0);
    mobile(TAKEN.fetch_add(1, Ordering::Relaxed) % 600)
}

/// A person with a passkey, a password and a phone.
async fn equipped(run: &Run) -> Person {
    let mut person = set_up(run).await;
    person.set_password(PASSWORD).await.expect(200);
    person.add_phone(&next_number(), "text").await;
    run.wait(30).await;
    person
}

/// A person about to take a step, and how the step is sent.
struct Ready {
    person: Person,
    /// A session of theirs that the step does not touch.
    witness: Person,
    method: Method,
    path: String,
    body: Option<Value>,
}

impl Step {
    /// The status of its success, or of the refusal that it is made for.
    fn status(self) -> u16 {
        match self {
            Self::Register
            | Self::RegisterWithKey
            | Self::RegisterWithPassword
            | Self::Enrol
            | Self::Issue
            | Self::AppEnrol => 201,
            Self::CodeFirst | Self::CodeLater | Self::PhoneAdd | Self::EmailSend => 202,
            Self::Remove | Self::SignOut | Self::SessionEnd | Self::PhoneRemove | Self::AppRemove => 204,
            Self::RefusedCounter
            | Self::PasswordWrong
            | Self::PasswordLocks
            | Self::VerifyWrong
            | Self::PhoneConfirmWrong
            | Self::AppWrong
            | Self::AppConfirmWrong
            | Self::RedeemWrong
            | Self::RedeemLocks
            | Self::EmailVerifyWrong => 401,
            Self::PasswordSet
            | Self::PasswordChange
            | Self::PasswordFirst
            | Self::PasswordLast
            | Self::VerifyFirst
            | Self::VerifyLast
            | Self::PhoneConfirm
            | Self::AppFirst
            | Self::AppLast
            | Self::AppConfirm
            | Self::View
            | Self::ViewLater
            | Self::EnrolOptions
            | Self::Rename
            | Self::SignIn
            | Self::Download
            | Self::Token
            | Self::Sessions
            | Self::Activity
            | Self::Redeem
            | Self::RedeemWithKey
            | Self::EmailVerify
            | Self::Keys => 200,
        }
    }

    /// What another attempt may answer after a success whose answer was lost.
    fn after_success(self) -> &'static [u16] {
        match self {
            Self::Register => &[409],
            // The passkey is there, or the ceremony spent.
            Self::Enrol => &[409, 422],
            Self::RegisterWithKey | Self::RegisterWithPassword | Self::Issue | Self::AppEnrol => &[201],
            // There is one to know by then.
            Self::PasswordSet => &[400],
            // Used, changed, or wrong as before.
            Self::SignIn
            | Self::SignOut
            | Self::RefusedCounter
            | Self::PasswordChange
            | Self::PasswordLast
            | Self::PasswordWrong
            | Self::VerifyFirst
            | Self::VerifyLast
            | Self::VerifyWrong
            | Self::PhoneConfirmWrong
            | Self::AppFirst
            | Self::AppLast
            | Self::AppWrong
            | Self::AppConfirm
            | Self::AppConfirmWrong
            | Self::Redeem
            | Self::RedeemWrong
            | Self::EmailVerify
            | Self::EmailVerifyWrong => &[401],
            Self::Remove | Self::SessionEnd | Self::PhoneConfirm | Self::PhoneRemove | Self::AppRemove => {
                &[404]
            }
            Self::PasswordLocks
            | Self::RedeemLocks
            | Self::CodeFirst
            | Self::CodeLater
            | Self::EmailSend
            | Self::PhoneAdd => &[429],
            Self::PasswordFirst
            | Self::View
            | Self::ViewLater
            | Self::EnrolOptions
            | Self::Rename
            | Self::Download
            | Self::Token
            | Self::Sessions
            | Self::Activity
            | Self::RedeemWithKey
            | Self::Keys => &[200],
        }
    }

    /// Readies the person of the time before, or another where that one is used up.
    #[expect(clippy::too_many_lines, reason = "an arm a step")]
    async fn ready(self, run: &Run, before: Option<Ready>) -> Ready {
        let again = self.serves_again();
        let (mut person, witness) = if let Some(before) = before.filter(|_| again) {
            (before.person, before.witness)
        } else {
            let mut person = if self.needs_phone() { equipped(run).await } else { set_up(run).await };
            if self.needs_app() {
                person.add_app().await;
                run.wait(30).await;
            }
            if self == Self::PasswordChange {
                person.set_password(PASSWORD).await.expect(200);
            }
            if self == Self::RefusedCounter {
                let mut key = HandMade::new(&run.origin);
                key.counter = 9;
                person.enrol(key).await;
            }
            // A change of the password ends all others.
            let witness =
                if self == Self::PasswordChange { person.clone() } else { person.elsewhere().await };
            (person, witness)
        };
        let passkeys = "/v1/account/passkeys";
        let (method, path, body) = match self {
            Self::Register | Self::RegisterWithKey => {
                let body = json!({ "username": format!("x-{}", person.username), "email": person.email });
                person.session = String::new();
                (Method::POST, "/v1/accounts".to_owned(), Some(body))
            }
            Self::View => (Method::GET, "/v1/account".to_owned(), None),
            Self::ViewLater => {
                run.clock(&json!({ "advance_seconds": 61, "frozen": true })).await;
                witness.clone().account().await;
                (Method::GET, "/v1/account".to_owned(), None)
            }
            Self::EnrolOptions => (Method::POST, format!("{passkeys}/options"), Some(json!({}))),
            Self::Enrol => {
                if witness.clone().account().await["methods"]["passkeys"].as_array().unwrap().len() > 10 {
                    return Box::pin(self.ready(run, None)).await;
                }
                let body = person.enrolment(&mut HandMade::new(&run.origin)).await;
                (Method::POST, passkeys.to_owned(), Some(body))
            }
            Self::Rename => {
                let account = witness.clone().account().await;
                let path =
                    format!("{passkeys}/{}", account["methods"]["passkeys"][0]["id"].as_str().unwrap());
                let name = if account["methods"]["passkeys"][0]["name"] == "One" { "Other" } else { "One" };
                (Method::PATCH, path, Some(json!({ "name": name })))
            }
            Self::Remove => {
                let mut other = person.clone();
                let added = other.enrol(HandMade::new(&run.origin)).await;
                (Method::DELETE, format!("{passkeys}/{}", added["id"].as_str().unwrap()), None)
            }
            Self::SignIn => {
                let body = person.sign_in_body().await;
                (Method::POST, "/v1/sign-in/passkey".to_owned(), Some(body))
            }
            Self::RefusedCounter => {
                person.key.counter = 1;
                let body = person.sign_in_body().await;
                (Method::POST, "/v1/sign-in/passkey".to_owned(), Some(body))
            }
            Self::Issue => (Method::POST, "/v1/account/recovery-code".to_owned(), Some(json!({}))),
            Self::Download => (Method::GET, "/v1/account/recovery-code".to_owned(), None),
            Self::Token => (Method::POST, "/v1/session/token".to_owned(), Some(json!({}))),
            Self::SignOut => (Method::DELETE, "/v1/session".to_owned(), None),
            Self::Sessions => (Method::GET, "/v1/account/sessions".to_owned(), None),
            Self::SessionEnd => {
                let mut other = person.elsewhere().await;
                let sessions = other.get("/v1/account/sessions").await.expect(200).json();
                let current = sessions["sessions"].as_array().unwrap().iter().find(|s| s["current"] == true);
                let id = current.unwrap()["id"].as_str().unwrap().to_owned();
                (Method::DELETE, format!("/v1/account/sessions/{id}"), None)
            }
            Self::Activity => (Method::GET, "/v1/account/activity".to_owned(), None),
            Self::Keys => (Method::GET, "/.well-known/jwks.json".to_owned(), None),
            Self::RegisterWithPassword => {
                let username = format!("x-{}", person.username);
                let body = json!({ "username": username, "email": person.email, "password": PASSWORD });
                person.session = String::new();
                (Method::POST, "/v1/accounts".to_owned(), Some(body))
            }
            Self::PasswordSet => {
                (Method::PUT, "/v1/account/password".to_owned(), Some(json!({ "password": ANOTHER })))
            }
            Self::PasswordChange => {
                let body = json!({ "password": ANOTHER, "current": PASSWORD });
                (Method::PUT, "/v1/account/password".to_owned(), Some(body))
            }
            Self::EmailSend | Self::EmailVerify | Self::EmailVerifyWrong => {
                self.ready_to_recover_by_email(run, &person).await
            }
            Self::Redeem | Self::RedeemWithKey | Self::RedeemWrong | Self::RedeemLocks => {
                self.ready_to_recover(run, &mut person).await
            }
            Self::PhoneAdd | Self::PhoneConfirm | Self::PhoneConfirmWrong | Self::PhoneRemove => {
                self.ready_to_change_phones(run, &mut person).await
            }
            Self::AppEnrol | Self::AppConfirm | Self::AppConfirmWrong | Self::AppRemove => {
                self.ready_to_change_the_app(&mut person).await
            }
            Self::AppFirst | Self::AppLast | Self::AppWrong => {
                self.ready_to_sign_in_by_app(run, &person).await
            }
            Self::PasswordFirst
            | Self::PasswordLast
            | Self::PasswordWrong
            | Self::PasswordLocks
            | Self::CodeFirst
            | Self::CodeLater
            | Self::VerifyFirst
            | Self::VerifyLast
            | Self::VerifyWrong => self.ready_to_sign_in(run, &person).await,
        };
        Ready { person, witness, method, path, body }
    }

    /// Whether the person of the time before may take it again.
    fn serves_again(self) -> bool {
        let uses_up = matches!(
            self,
            Self::Register
                | Self::RegisterWithKey
                | Self::RegisterWithPassword
                | Self::SignOut
                | Self::Remove
                | Self::PasswordSet
                | Self::PasswordChange
                | Self::AppConfirm
                | Self::AppRemove
        ) || self.recovers();
        !uses_up && !self.needs_phone()
    }

    fn needs_phone(self) -> bool {
        let changes_phones =
            matches!(self, Self::PhoneAdd | Self::PhoneConfirm | Self::PhoneConfirmWrong | Self::PhoneRemove);
        changes_phones || self.signs_in()
    }

    fn needs_app(self) -> bool {
        matches!(self, Self::AppFirst | Self::AppLast | Self::AppWrong | Self::AppRemove)
    }

    /// A step of a sign-in by password, app and phone: sent without a session.
    fn signs_in(self) -> bool {
        matches!(
            self,
            Self::PasswordFirst
                | Self::PasswordLast
                | Self::PasswordWrong
                | Self::PasswordLocks
                | Self::CodeFirst
                | Self::CodeLater
                | Self::VerifyFirst
                | Self::VerifyLast
                | Self::VerifyWrong
                | Self::AppFirst
                | Self::AppLast
                | Self::AppWrong
        )
    }

    fn recovers(self) -> bool {
        let by_code =
            matches!(self, Self::Redeem | Self::RedeemWithKey | Self::RedeemWrong | Self::RedeemLocks);
        by_code || self.is_by_email()
    }

    fn is_by_email(self) -> bool {
        matches!(self, Self::EmailSend | Self::EmailVerify | Self::EmailVerifyWrong)
    }

    fn ends_every_session(self) -> bool {
        matches!(self, Self::Redeem | Self::RedeemWithKey | Self::EmailVerify)
    }

    /// Whether it sends itself: then the telling of what happened cannot be kept still by `sns`, and it tells
    /// of nothing.
    fn publishes(self) -> bool {
        matches!(self, Self::CodeFirst | Self::CodeLater | Self::PhoneAdd)
    }

    fn operations(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let sends = self.publishes().then_some(("sns", "Publish"));
        let writes = (self == Self::EmailSend).then_some(("ses", "SendEmail"));
        OPERATIONS.iter().copied().chain(sends).chain(writes)
    }

    async fn ready_to_change_phones(self, run: &Run, person: &mut Person) -> (Method, String, Option<Value>) {
        let phones = "/v1/account/phones";
        if self == Self::PhoneRemove {
            let account = person.account().await;
            let id = account["methods"]["phones"][0]["id"].as_str().unwrap().to_owned();
            return (Method::DELETE, format!("{phones}/{id}"), None);
        }
        let number = next_number();
        if self == Self::PhoneAdd {
            let body = json!({ "number": number, "channel": "text" });
            return (Method::POST, phones.to_owned(), Some(body));
        }
        let pending = person.begin_phone(&number, "text").await.expect(202).json();
        let code = run.code_to(&number).await;
        let code = if self == Self::PhoneConfirm { code } else { another_code(&code) };
        let path = format!("{phones}/{}/confirm", pending["id"].as_str().unwrap());
        (Method::POST, path, Some(json!({ "code": code })))
    }

    async fn ready_to_change_the_app(self, person: &mut Person) -> (Method, String, Option<Value>) {
        let app = "/v1/account/authenticator".to_owned();
        if self == Self::AppRemove {
            return (Method::DELETE, app, None);
        }
        if self == Self::AppEnrol {
            return (Method::POST, app, Some(json!({})));
        }
        let begun = person.begin_app().await.expect(201).json();
        person.app = Some(App::scan(begun["uri"].as_str().unwrap()));
        let code = person.app_code().await;
        let code = if self == Self::AppConfirm { code } else { another_code(&code) };
        (Method::POST, format!("{app}/confirm"), Some(json!({ "code": code })))
    }

    async fn ready_to_sign_in_by_app(self, run: &Run, person: &Person) -> (Method, String, Option<Value>) {
        let mut stranger = person.signed_out();
        // What is known by the name is brought up to date, as in a sign-in by password.
        let code = person.app_code().await;
        stranger.by_app(&code).await.expect(200);
        run.wait(30).await;
        let mut body = json!({ "username": person.username, "code": person.app_code().await });
        if self == Self::AppWrong {
            // Another code may be the one of a step ago; two at once cannot be.
            body["code"] = json!(another_code(body["code"].as_str().unwrap()));
        }
        if self == Self::AppLast {
            let next = stranger.by_password().await.expect(200).json();
            body = json!({ "sign_in": next["sign_in"], "code": body["code"] });
        }
        (Method::POST, "/v1/sign-in/authenticator".to_owned(), Some(body))
    }

    async fn ready_to_recover(self, run: &Run, person: &mut Person) -> (Method, String, Option<Value>) {
        let code = person.take_code().await;
        let path = "/v1/recovery/code";
        let wrong = json!({ "code": "0000-0000-0000-0000", "username": person.username });
        for _ in 0..if self == Self::RedeemLocks { 4 } else { 0 } {
            run.post(path, &wrong).send().await.expect(401);
        }
        let right = json!({ "code": code, "username": person.username });
        let body = if matches!(self, Self::Redeem | Self::RedeemWithKey) { right } else { wrong };
        (Method::POST, path.to_owned(), Some(body))
    }

    async fn ready_to_recover_by_email(self, run: &Run, person: &Person) -> (Method, String, Option<Value>) {
        let path = |step: &str| format!("/v1/recovery/email/{step}");
        let name = json!({ "username": person.username });
        if self == Self::EmailSend {
            return (Method::POST, path("send"), Some(name));
        }
        let sent = run.post(&path("send"), &name).send().await.expect(202).json();
        let code = run.code_by_email(&person.email).await;
        let code = if self == Self::EmailVerify { code } else { flows::another_code(&code) };
        (Method::POST, path("verify"), Some(json!({ "recovery": sent["recovery"], "code": code })))
    }

    async fn ready_to_sign_in(self, run: &Run, person: &Person) -> (Method, String, Option<Value>) {
        let mut stranger = person.signed_out();
        // What is known by the name is brought up to date, so that the step makes the calls that it always makes.
        stranger.by_password().await.expect(200);
        let name = &person.username;
        let password = |body: Value| (Method::POST, "/v1/sign-in/password".to_owned(), Some(body));
        let send = |body: Value| (Method::POST, "/v1/sign-in/phone/send".to_owned(), Some(body));
        let verify = |body: Value| (Method::POST, "/v1/sign-in/phone/verify".to_owned(), Some(body));
        match self {
            Self::PasswordFirst => return password(json!({ "username": name, "password": PASSWORD })),
            Self::PasswordWrong | Self::PasswordLocks => {
                "a wrong guess at it".clone_into(&mut stranger.password);
                for _ in 0..if self == Self::PasswordLocks { 4 } else { 0 } {
                    stranger.by_password().await.expect(401);
                }
                return password(json!({ "username": name, "password": stranger.password }));
            }
            Self::CodeFirst => return send(json!({ "username": name, "channel": "text" })),
            _ => {}
        }
        let begun = if matches!(self, Self::VerifyLast | Self::CodeLater) {
            let next = stranger.by_password().await.expect(200).json();
            if self == Self::CodeLater {
                return send(json!({ "sign_in": next["sign_in"], "channel": "text" }));
            }
            stranger.send_code_in(&next["sign_in"], "text").await.expect(202).json()
        } else {
            stranger.send_code("text").await.expect(202).json()
        };
        let code = run.code_to(&person.number).await;
        match self {
            Self::VerifyWrong => verify(json!({ "sign_in": begun["sign_in"], "code": another_code(&code) })),
            Self::PasswordLast => {
                let next = stranger.verify(&begun["sign_in"], &code).await.expect(200).json();
                password(json!({ "sign_in": next["sign_in"], "password": PASSWORD }))
            }
            _ => verify(json!({ "sign_in": begun["sign_in"], "code": code })),
        }
    }

    async fn send(self, run: &Run, ready: &Ready) -> Answer {
        let mut call = run.call(&ready.method, &ready.path);
        if let Some(body) = &ready.body {
            call = call.json(body);
        }
        // A sign-in at another browser: a session of one's own is replaced by none of these.
        let elsewhere =
            matches!(self, Self::SignIn | Self::RefusedCounter) || self.signs_in() || self.recovers();
        if !elsewhere && !ready.person.session.is_empty() {
            call = call.session(&ready.person.session);
        }
        if matches!(self, Self::RegisterWithKey | Self::RegisterWithPassword | Self::RedeemWithKey) {
            call = call.header("idempotency-key", &ready.person.username);
        }
        call.send().await
    }
}

/// How often the run called an operation so far.
pub fn calls(run: &Run, service: &str, operation: &str) -> u64 {
    let fault = json!({ "service": service, "operation": operation, "kind": "error" });
    let fault: Fault = serde_json::from_value(fault).unwrap();
    run.local().toll().calls(fault.service, operation)
}

/// Sends the step while these calls fail, and the telling of what happened: it makes calls of its own, which
/// would meet the fault in the step's stead, or be counted as the step's.
async fn send_failing(run: &Run, step: Step, ready: &Ready, fault: Option<Value>) -> Answer {
    told(run).await;
    let still = json!({ "service": "sns", "operation": "Publish", "kind": "error" });
    let still = (!step.publishes()).then_some(still);
    let faults: Vec<Value> = still.into_iter().chain(fault).collect();
    run.faults(&json!(faults)).await;
    let answer = step.send(run, ready).await;
    settled(run).await;
    run.faults(&json!([])).await;
    answer
}

/// Waits until what happened has been handed on to be told.
pub async fn settled(run: &Run) {
    until(run, LocalRun::has_handed_on).await;
}

/// Waits until it has been told, and nothing is tried again a little later.
async fn told(run: &Run) {
    until(run, LocalRun::has_told_everything).await;
}

/// Waits until it is so, and no call is under way.
async fn until(run: &Run, is_so: fn(&LocalRun) -> bool) {
    loop {
        let before = run.local().toll().all_calls();
        tokio::time::sleep(Duration::from_millis(10)).await;
        if is_so(run.local()) && run.local().toll().all_calls() == before {
            return;
        }
    }
}

/// What the step calls, each as often as it does.
async fn calls_of(run: &Run, step: Step) -> Vec<(&'static str, &'static str, u64)> {
    let ready = step.ready(run, None).await;
    let count = || step.operations().map(|(service, operation)| calls(run, service, operation));
    told(run).await;
    let before: Vec<u64> = count().collect();
    send_failing(run, step, &ready, None).await.expect(step.status());
    let made = count().zip(before).map(|(after, before)| after - before);
    let made = step.operations().zip(made).filter(|(_, times)| *times > 0);
    made.map(|((service, operation), times)| (service, operation, times)).collect()
}

#[track_caller]
fn assert_unavailable(answer: Answer) {
    let answer = answer.problem(503, "unavailable");
    let seconds: u64 = answer.header("retry-after").expect("Retry-After").parse().unwrap();
    assert!(seconds >= 1, "{answer:?}");
    assert_eq!(answer.json()["retry_after"], seconds, "{answer:?}");
    assert_eq!(answer.cookie(), None, "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
}

/// The account as a session sees it that the step leaves alone, without what a sign-in of ours changes.
async fn seen(step: Step, ready: &Ready) -> Value {
    let mut witness = ready.witness.clone();
    if step.ends_every_session() {
        // A recovery ends every session.
        witness = witness.elsewhere().await;
    }
    let mut account = witness.account().await;
    for passkey in account["methods"]["passkeys"].as_array_mut().unwrap() {
        passkey["last_used_at"] = Value::Null;
    }
    account
}

async fn every_fault_of(step: Step) {
    join_all(KINDS.map(|kind| every_call_fails(step, kind))).await;
}

async fn every_call_fails(step: Step, kind: &str) {
    let run = Run::unlimited().await;
    if step.is_by_email() {
        run.hold("2025-02-07T12:00:00Z".parse().unwrap()).await;
    }
    let made = calls_of(&run, step).await;
    assert!(!made.is_empty(), "{step:?} makes no call");
    let mut last = None;
    for (service, operation, times) in made {
        for nth in 0..times {
            let what = format!("{step:?}: {service} {operation}, call {nth}, {kind}");
            let ready = step.ready(&run, last.take()).await;
            let before = seen(step, &ready).await;
            let fault = json!({
                "service": service, "operation": operation, "after": nth, "times": 1, "kind": kind
            });
            let answer = send_failing(&run, step, &ready, Some(fault)).await;
            assert_eq!(answer.status, 503, "{what}: {answer:?}");
            assert_unavailable(answer);

            // A guess that locks is one, whether or not its owner could be told; and one that could not be looked at.
            let counted = match step {
                Step::PasswordLocks => operation == "PutItem",
                Step::RedeemWrong | Step::RedeemLocks => operation != "TransactWriteItems",
                _ => false,
            };
            let took_effect = kind == "lost_response" || counted;
            if !took_effect {
                assert_eq!(seen(step, &ready).await, before, "{what}: it did something");
            }
            // The same again: as if nothing had been, or as if it had gone well.
            let again = step.send(&run, &ready).await;
            let done = again.status == step.status();
            assert!(
                done || (took_effect && step.after_success().contains(&again.status)),
                "{what}: {again:?}"
            );
            converged(step, &run, &ready, &before, &again, &what).await;
            let is_wrong_guess = matches!(
                step,
                Step::PasswordWrong
                    | Step::VerifyWrong
                    | Step::AppWrong
                    | Step::RedeemWrong
                    | Step::EmailVerifyWrong
            );
            if is_wrong_guess {
                every_guess_was_counted(step, &run, &ready, 1 + u8::from(took_effect), &what).await;
            }
            last = Some(ready);
        }
    }
}

/// `counted` so far, of the five that there are: one whose answer was lost is a guess.
async fn every_guess_was_counted(step: Step, run: &Run, ready: &Ready, counted: u8, what: &str) {
    for _ in counted..5 {
        assert_eq!(step.send(run, ready).await.status, 401, "{what}: counted twice");
    }
    assert_eq!(step.send(run, ready).await.status, 429, "{what}: not counted");
}

/// Whichever attempt it was that took effect, it took effect once.
async fn converged(step: Step, run: &Run, ready: &Ready, before: &Value, again: &Answer, what: &str) {
    let after = seen(step, ready).await;
    let passkeys = |account: &Value| account["methods"]["passkeys"].as_array().unwrap().len();
    match step {
        Step::Enrol => assert_eq!(passkeys(&after), passkeys(before) + 1, "{what}"),
        Step::Remove => assert_eq!(passkeys(&after), passkeys(before) - 1, "{what}"),
        Step::Rename => {
            let name = &ready.body.as_ref().unwrap()["name"];
            assert_eq!(&after["methods"]["passkeys"][0]["name"], name, "{what}");
        }
        Step::SignIn => {
            let mut person = Person { session: String::new(), ..ready.person.clone() };
            person.sign_in().await.expect(200);
            person.get("/v1/account").await.expect(200);
        }
        Step::Issue => {
            assert_eq!(after["ready"], false, "{what}");
            let shown = ready.person.clone().get("/v1/account/recovery-code").await.expect(200);
            assert_eq!(shown.json(), again.json(), "{what}");
        }
        Step::Download => assert_eq!(after["ready"], true, "{what}"),
        Step::SignOut => {
            ready.person.clone().get("/v1/account").await.problem(401, "not_signed_in");
        }
        Step::PasswordSet | Step::PasswordChange => {
            let guess = async |password: &str| {
                let mut person = Person { password: password.to_owned(), ..ready.person.signed_out() };
                person.by_password().await.status
            };
            assert_eq!((guess(ANOTHER).await, guess(PASSWORD).await), (200, 401), "{what}");
            assert!(!after["methods"]["password"].is_null(), "{what}");
        }
        Step::PasswordLast | Step::VerifyFirst | Step::VerifyLast => {
            let mut person = ready.person.signed_out();
            run.wait(30).await;
            person.sign_in_by("text").await.expect(200);
            person.get("/v1/account").await.expect(200);
        }
        Step::PhoneConfirm => {
            let phones = |account: &Value| account["methods"]["phones"].as_array().unwrap().len();
            assert_eq!(phones(&after), phones(before) + 1, "{what}");
        }
        Step::AppFirst | Step::AppLast => {
            run.wait(30).await;
            let mut person = ready.person.signed_out();
            let next = person.by_password().await.expect(200).json();
            let code = person.app_code().await;
            person.by_app_in(&next["sign_in"], &code).await.expect(200);
            person.get("/v1/account").await.expect(200);
        }
        Step::AppConfirm => {
            assert!(!after["methods"]["authenticator"].is_null(), "{what}");
            run.wait(30).await;
            let code = ready.person.app_code().await;
            ready.person.signed_out().by_app(&code).await.expect(200);
        }
        Step::AppRemove => assert_eq!(after["methods"]["authenticator"], Value::Null, "{what}"),
        Step::PhoneRemove => assert_eq!(after["methods"]["phones"], json!([]), "{what}"),
        Step::Redeem | Step::RedeemWithKey | Step::EmailVerify => {
            // By email it stays.
            assert_eq!(after["recovery_code"].is_null(), step != Step::EmailVerify, "{what}");
            ready.witness.clone().get("/v1/account").await.problem(401, "not_signed_in");
            if again.status == 200 {
                run.get("/v1/account").session(&again.new_session()).send().await.expect(200);
            }
        }
        Step::Register | Step::RegisterWithKey | Step::RegisterWithPassword => {
            let call = run.post("/v1/accounts", ready.body.as_ref().unwrap());
            call.send().await.problem(409, "username_taken");
            if again.status == 201 {
                run.get("/v1/account").session(&again.new_session()).send().await.expect(200);
            }
        }
        Step::View
        | Step::ViewLater
        | Step::EnrolOptions
        | Step::RefusedCounter
        | Step::Token
        | Step::Sessions
        | Step::SessionEnd
        | Step::Activity
        | Step::PasswordFirst
        | Step::PasswordWrong
        | Step::PasswordLocks
        | Step::CodeFirst
        | Step::CodeLater
        | Step::VerifyWrong
        | Step::PhoneAdd
        | Step::PhoneConfirmWrong
        | Step::AppWrong
        | Step::AppEnrol
        | Step::AppConfirmWrong
        | Step::RedeemWrong
        | Step::RedeemLocks
        | Step::EmailSend
        | Step::EmailVerifyWrong
        | Step::Keys => assert_eq!(after, *before, "{what}"),
    }
}

macro_rules! every_fault {
    ($($name:ident: $step:ident),+ $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            every_fault_of(Step::$step).await;
        }
    )+};
}

every_fault! {
    registering: Register,
    registering_with_a_key: RegisterWithKey,
    seeing_the_account: View,
    seeing_the_account_a_minute_later: ViewLater,
    beginning_an_enrolment: EnrolOptions,
    enrolling: Enrol,
    renaming: Rename,
    removing: Remove,
    signing_in: SignIn,
    noting_a_refused_counter: RefusedCounter,
    issuing_a_code: Issue,
    downloading_the_code: Download,
    taking_a_token: Token,
    signing_out: SignOut,
    listing_sessions: Sessions,
    ending_a_session: SessionEnd,
    listing_activity: Activity,
    serving_the_keys: Keys,
    registering_with_a_password: RegisterWithPassword,
    setting_a_password: PasswordSet,
    changing_the_password: PasswordChange,
    beginning_with_a_password: PasswordFirst,
    ending_with_a_password: PasswordLast,
    guessing_a_password: PasswordWrong,
    guessing_until_it_locks: PasswordLocks,
    sending_a_first_code: CodeFirst,
    sending_a_later_code: CodeLater,
    beginning_with_a_code: VerifyFirst,
    ending_with_a_code: VerifyLast,
    guessing_a_code: VerifyWrong,
    adding_a_phone: PhoneAdd,
    confirming_a_phone: PhoneConfirm,
    guessing_at_a_confirmation: PhoneConfirmWrong,
    removing_a_phone: PhoneRemove,
    beginning_with_an_app: AppFirst,
    ending_with_an_app: AppLast,
    guessing_a_code_of_an_app: AppWrong,
    beginning_an_app: AppEnrol,
    confirming_an_app: AppConfirm,
    guessing_at_an_app: AppConfirmWrong,
    removing_an_app: AppRemove,
    redeeming_a_code: Redeem,
    redeeming_a_code_with_a_key: RedeemWithKey,
    guessing_a_recovery_code: RedeemWrong,
    guessing_recovery_codes_until_it_locks: RedeemLocks,
    sending_a_code_by_email: EmailSend,
    bringing_a_code_by_email: EmailVerify,
    guessing_a_code_by_email: EmailVerifyWrong,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_requests_meet_closed_keys() {
    for (service, operation) in [("kms", "Decrypt"), ("dynamodb", "Query")] {
        for kind in KINDS {
            let run = Run::start().await;
            let fault = json!([{ "service": service, "operation": operation, "times": 1, "kind": kind }]);
            run.faults(&fault).await;
            let begin = || run.post("/v1/sign-in/passkey/options", &json!({})).send();
            let first = begin().await;
            if first.status != 200 {
                assert_unavailable(first);
            }
            begin().await.expect(200);
            let mut person = registered(&run).await;
            person.enrol(HandMade::new(&run.origin)).await;
        }
    }
}

/// A message that does not go out: the person is offered the other channel, and need not wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_cannot_be_sent_is_sent_the_other_way() {
    let run = Run::unlimited().await;
    for kind in ["throttled", "error", "timeout"] {
        for (failing, other) in [("text", "call"), ("call", "text")] {
            let mut person = with_phone(&run, &next_number()).await;
            settled(&run).await;
            let fails = json!([{ "service": "sns", "operation": "Publish", "times": 1, "kind": kind }]);
            let not_sent = |answer: Answer| {
                let body = answer.json();
                assert_unavailable(answer);
                assert_eq!((&body["channel"], &body["channels"]), (&json!(failing), &json!([other])));
            };
            // The first step, a later one, and an enrolment.
            run.faults(&fails).await;
            not_sent(person.signed_out().send_code(failing).await);
            person.signed_out().send_code(other).await.expect(202);
            run.wait(30).await;
            let next = person.signed_out().by_password().await.expect(200).json();
            run.faults(&fails).await;
            not_sent(person.signed_out().send_code_in(&next["sign_in"], failing).await);
            let signed_in = person.signed_out().prove_phone(&next["sign_in"], other).await.expect(200);
            assert_eq!(signed_in.json()["status"], "signed_in");
            settled(&run).await;
            let new = next_number();
            run.faults(&fails).await;
            not_sent(person.begin_phone(&new, failing).await);
            person.add_phone(&new, other).await;
        }
    }
    // Nobody gets the same answer.
    let body = json!({ "username": "nobody-at-all", "channel": "text" });
    settled(&run).await;
    run.faults(&json!([{ "service": "sns", "operation": "Publish", "times": 1, "kind": "error" }])).await;
    let refused = run.post("/v1/sign-in/phone/send", &body).send().await;
    assert_eq!((&refused.json()["channel"], &refused.json()["channels"]), (&json!("text"), &json!(["call"])));
    assert_unavailable(refused);
}

/// Without the carriers' answer the number plan decides.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lookup_that_fails_refuses_nobody() {
    let run = Run::unlimited().await;
    for kind in KINDS {
        let fails =
            json!([{ "service": "smsvoice", "operation": "CarrierLookup", "times": 1, "kind": kind }]);
        let mut person = set_up(&run).await;
        run.faults(&fails).await;
        let number = next_number();
        let pending = person.begin_phone(&number, "text").await.expect(202).json();
        assert_eq!(pending["line_type"], "unknown", "{kind}");
        let code = run.code_to(&number).await;
        person.confirm_phone(&pending["id"], &code).await.expect(200);
        // What the plan knows stays refused.
        run.faults(&fails).await;
        person.begin_phone("+1 900 555 0100", "call").await.problem(422, "invalid_phone");
        run.faults(&json!([])).await;
    }
}

/// Whether a number refuses texts is asked before one is sent to it, and before it is sent again: where nobody can tell, the
/// text goes out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_fails_keeps_no_text_back() {
    let run = Run::unlimited().await;
    for kind in KINDS {
        let fails = json!([
            { "service": "sns", "operation": "CheckIfPhoneNumberIsOptedOut", "times": 1, "kind": kind }
        ]);
        let number = next_number();
        let mut person = set_up(&run).await;
        person.set_password(PASSWORD).await.expect(200);
        run.faults(&fails).await;
        person.add_phone(&number, "text").await;
        run.wait(30).await;
        let next = person.signed_out().by_password().await.expect(200).json();
        // The first of a sign-in is sent unasked, and so does not meet the fault.
        run.faults(&fails).await;
        let mut texts = run.messages_to(&number).await.len();
        for _ in 0..2 {
            person.signed_out().send_code_in(&next["sign_in"], "text").await.expect(202);
            texts += 1;
            assert_eq!(run.messages_to(&number).await.len(), texts, "{kind}");
            run.wait(30).await;
        }
        run.faults(&json!([])).await;
    }
}

/// A call that was refused is placed by another delivery; one that perhaps rang is not placed again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_placed_once_at_most() {
    let run = Run::unlimited().await;
    let deliveries =
        [("error", 1, 1), ("throttled", 2, 1), ("timeout", 2, 1), ("error", 3, 0), ("lost_response", 1, 1)];
    for (kind, times, placed) in deliveries {
        let number = next_number();
        let person = with_phone(&run, &number).await;
        settled(&run).await;
        let before = run.messages_to(&number).await.len();
        let fails = json!([{
            "service": "smsvoice", "operation": "SendVoiceMessage", "times": times, "kind": kind
        }]);
        run.faults(&fails).await;
        // It was handed on; more is not known here.
        let sent = person.signed_out().send_code("call").await.expect(202).json();
        run.faults(&json!([])).await;
        assert_eq!(run.messages_to(&number).await.len(), before + placed, "{kind}, {times} times");
        if placed > 0 {
            let code = run.code_to(&number).await;
            person.signed_out().verify(&sent["sign_in"], &code).await.expect(200);
        }
    }
    // So it is where the claim fails, that it be placed once.
    for kind in KINDS {
        let number = next_number();
        let person = with_phone(&run, &number).await;
        settled(&run).await;
        let before = run.messages_to(&number).await.len();
        let fails = json!([{ "service": "dynamodb", "operation": "PutItem", "times": 1, "kind": kind }]);
        run.faults(&fails).await;
        person.signed_out().send_code("call").await.expect(202);
        run.faults(&json!([])).await;
        assert_eq!(run.messages_to(&number).await.len(), before + 1, "{kind}");
    }
}

/// An outage of everything is told as one, and over when it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_told_as_one() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    let sign_in = person.sign_in_body().await;
    for kind in KINDS {
        let faults: Vec<Value> = OPERATIONS
            .iter()
            .map(|(service, operation)| json!({ "service": service, "operation": operation, "kind": kind }))
            .collect();
        run.faults(&json!(faults)).await;
        for call in [
            run.get("/v1/account"),
            run.get("/v1/account/recovery-code"),
            run.get("/v1/account/sessions"),
            run.post("/v1/session/token", &json!({})),
            run.post("/v1/account/recovery-code", &json!({})),
            run.delete("/v1/session"),
        ] {
            assert_unavailable(call.session(&person.session).send().await);
        }
        // What needs no one goes on: the dates and the beginning of a sign-in.
        run.get("/v1/policy").send().await.expect(200);
        run.post("/v1/sign-in/passkey/options", &json!({})).send().await.expect(200);
        // Without a cookie there is nothing to ask of anyone.
        run.get("/v1/account").send().await.problem(401, "not_signed_in");
        run.faults(&json!([])).await;
        if kind == "lost_response" {
            // Signed out it may be, half signed out not.
            let status = run.get("/v1/account").session(&person.session).send().await.status;
            assert!(matches!(status, 200 | 401), "{status}");
        } else {
            run.get("/v1/account").session(&person.session).send().await.expect(200);
        }
    }
    run.post("/v1/sign-in/passkey", &sign_in).send().await.expect(200);
}

/// Asks until it is so.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..1000 {
        if let Some(found) = ask().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came to be that {what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_told_is_told_later() {
    let run = Run::frozen().await;
    for kind in KINDS {
        for (service, operation) in [("sns", "Publish"), ("ses", "SendEmail"), ("dynamodb", "Query")] {
            let mut person = set_up(&run).await;
            let body = person.enrolment(&mut HandMade::new(&run.origin)).await;
            settled(&run).await;
            // The last to be called before the telling; the change itself must go well.
            let after = u8::from(service == "dynamodb");
            let fault = json!([{
                "service": service, "operation": operation, "after": after, "times": 3, "kind": kind
            }]);
            run.faults(&fault).await;
            person.post("/v1/account/passkeys", &body).await.expect(201);
            run.faults(&json!([])).await;
            let activity = person.get("/v1/account/activity").await.expect(200).json();
            let added =
                activity["events"].as_array().unwrap().iter().filter(|e| e["what"] == "passkey_added");
            let ids: Vec<String> = added.map(|e| e["id"].as_str().unwrap().to_owned()).collect();
            assert_eq!(ids.len(), 2);
            for id in ids {
                eventually("the topic has every event", async || {
                    run.events().await.into_iter().find(|event| event["id"] == id.as_str())
                })
                .await;
            }
            eventually("the owner was written to", async || {
                let mails = run.messages().await;
                let added = mails.iter().filter(|mail| {
                    mail["to"] == person.email.as_str()
                        && mail["body"].as_str().unwrap().contains("was added")
                });
                (added.count() >= 2).then_some(())
            })
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_change_of_a_method_and_each_look_at_the_code_is_told_to_the_owner() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    let id = person.account().await["methods"]["passkeys"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/account/passkeys/{id}");
    person.patch(&path, &json!({ "name": "Renamed" })).await.expect(200);
    person.enrol(HandMade::new(&run.origin)).await;
    person.delete(&path).await.expect(204);
    let file = run.get("/v1/account/recovery-code").header("accept", "text/plain");
    person.send(file).await.expect(200);
    let code = person.get("/v1/account/recovery-code").await.expect(200).json();
    // Added twice, renamed, removed; issued, and looked at three times.
    let letters = eventually("eight letters came", async || {
        let mails = run.messages().await;
        (mails.len() >= 8).then_some(mails)
    })
    .await;
    assert_eq!(letters.len(), 8, "{letters:#?}");
    let bodies: Vec<&str> = letters.iter().map(|letter| letter["body"].as_str().unwrap()).collect();
    for letter in &letters {
        assert_eq!((&letter["kind"], &letter["to"]), (&json!("email"), &json!(person.email)));
    }
    for body in &bodies {
        assert!(body.contains("If this was not you"), "{body}");
        assert!(!body.contains(code["code"].as_str().unwrap()) && !body.contains("http"), "{body}");
    }
    for (what, times) in [("added", 2), ("renamed", 1), ("removed", 1), ("issued", 1), ("shown", 3)] {
        let subjects = bodies.iter().filter(|body| {
            let (subject, _) = body.split_once('\n').unwrap();
            let subject = subject.to_lowercase();
            subject.contains(what) || (what == "issued" && subject.contains("new recovery code"))
        });
        assert_eq!(subjects.count(), times, "{what}: {bodies:#?}");
    }
    // What stands in the activity went to the topic, each once, and names no person.
    let activity = person.get("/v1/account/activity").await.expect(200).json();
    let mut listed: Vec<&str> =
        activity["events"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap()).collect();
    let events = run.events().await;
    let mut told: Vec<&str> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    listed.sort_unstable();
    told.sort_unstable();
    assert_eq!(told, listed);
    for event in &events {
        assert_eq!(event["specversion"], "1.0");
        assert!(!event.to_string().contains(&person.email), "{event}");
        assert!(!event.to_string().contains(&person.username), "{event}");
    }
    // By address, and emptied.
    let to = person.email.replace('@', "%40");
    let theirs = run.get(&format!("/dev/messages?to={to}")).send().await.expect(200).json();
    assert_eq!(theirs.as_array().unwrap().len(), 8);
    let nobody = run.get("/dev/messages?to=nobody%40clinic.example").send().await.expect(200).json();
    assert_eq!(nobody, json!([]));
    run.delete("/dev/messages").send().await;
    assert!(run.messages().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registration_whose_answer_was_lost_converges() {
    let run = Run::frozen().await;
    let body = json!({ "username": "lost-answer", "email": "lost@clinic.example" });
    let register = || run.post("/v1/accounts", &body).header("idempotency-key", "lost").send();
    run.faults(&json!([{
        "service": "dynamodb", "operation": "TransactWriteItems", "times": 1, "kind": "lost_response"
    }]))
    .await;
    assert_unavailable(register().await);
    run.faults(&json!([])).await;
    // The account is there: the name is taken for everyone else.
    run.post("/v1/accounts", &body).send().await.problem(409, "username_taken");
    let second = register().await.expect(201);
    let third = register().await.expect(201);
    assert_eq!(second.json()["account"]["id"], third.json()["account"]["id"]);
    let mut person = Person { session: second.new_session(), ..registered(&run).await };
    person.enrol(HandMade::new(&run.origin)).await;
    person.take_code().await;
    assert_eq!(person.sign_in().await.expect(200).json()["account"]["username"], "lost-answer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_changed_by_age_and_everything_goes_on() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    let served = async || {
        let keys = run.get("/.well-known/jwks.json").send().await.expect(200).json();
        let keys = keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned());
        keys.collect::<BTreeSet<String>>()
    };
    let mut used = BTreeSet::new();
    let mut yesterday = served().await;
    for day in 0..120 {
        run.hold(run.t0() + SignedDuration::from_hours(24) * day).await;
        let today = served().await;
        if day % 4 == 0 {
            let before = person.sign_in_body().await;
            let signed_in = person.sign_in().await.expect(200).json();
            let header = jsonwebtoken::decode_header(signed_in["access_token"].as_str().unwrap()).unwrap();
            let kid = header.kid.unwrap();
            // Whoever fetched the key set a day ago, and kept it too long, knows the key as well.
            assert!(today.contains(&kid) && yesterday.contains(&kid), "{kid} on day {day}");
            // A quarter of an hour later the token lives, and its key is served.
            run.clock(&json!({ "advance_seconds": 14 * 60, "frozen": true })).await;
            assert!(served().await.contains(&kid), "{kid} on day {day}");
            run.post("/v1/sign-in/passkey", &before).send().await.problem(401, "sign_in_expired");
            used.insert(kid);
        }
        yesterday = today;
    }
    assert!(used.len() > 1, "four months and no other key");
}

/// A ceremony that began under one key is finished under the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_keys_ends_no_ceremony() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    for hours in (0..24 * 100).step_by(23 * 5) {
        let at = run.t0() + SignedDuration::from_hours(hours);
        // Just before a new day, and just after.
        run.hold(at).await;
        let begun = person.sign_in_body().await;
        run.hold(at + SignedDuration::from_mins(4)).await;
        run.post("/v1/sign-in/passkey", &begun).send().await.expect(200);
    }
}
