//! The real steps in the local run, and what they called.

use std::collections::BTreeMap;
use std::time::Duration;

use flows::{
    Answer, App, HandMade, PASSWORD, Person, Run, landline, mobile, set_up, somebody, with_app, with_phone,
};
use postern_local::{Service, Units};
use serde_json::{Value, json};

/// What a way through the steps made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counted {
    /// By service and operation.
    pub calls: BTreeMap<(Service, String), f64>,
    /// By function: runs, and calls in them.
    pub functions: BTreeMap<String, (f64, f64)>,
    pub reads: f64,
    pub writes: f64,
    /// Texts, and the parts that they are paid by.
    pub texts: f64,
    pub parts: f64,
    /// Of the texts, those with a code; the others are notices.
    pub codes: f64,
}

/// Each way by its name, and the metrics that all of them made.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    pub ways: BTreeMap<&'static str, Counted>,
    pub metrics: usize,
}

/// What is open to all before a sign-in begins.
pub const PAGE: &str = "the page";
pub const RECOVERY: &str = "recovery code";
pub const TOKEN: &str = "token";

/// The functions that no request starts.
pub const NOT_HTTP: [&str; 3] = ["keys-rotate", "security-notices", "voice-call"];

/// Goes each way once, after it has been gone once before: what the first sign-in after a change does beside, and an
/// instance's first run, are not what a sign-in costs.
pub async fn count() -> Counts {
    let run = Run::unlimited().await;
    run.local().toll().count_units();
    let mut ways = BTreeMap::new();
    for measured in [false, true] {
        let nth = usize::from(measured) * 10;
        for (name, counted) in sign_ins(&run, nth).await.into_iter().chain(enrolments(&run, nth).await) {
            ways.insert(name, counted);
        }
    }
    Counts { ways, metrics: run.local().metrics().sums().len() }
}

async fn sign_ins(run: &Run, nth: usize) -> Vec<(&'static str, Counted)> {
    let mut by_key = set_up(run).await;
    let mut by_text = with_phone(run, &mobile(nth)).await;
    let mut by_call = with_phone(run, &landline(nth)).await;
    let mut by_app = with_app(run, &mobile(nth + 1)).await;
    by_app.set_password(PASSWORD).await.expect(200);
    let page = counted(run, async || {
        done(run, run.get("/").send(), 200).await;
        done(run, run.get("/v1/policy").send(), 200).await;
        done(run, run.post("/v1/sign-in/passkey/options", &json!({})).send(), 200).await;
    });
    let mut ways = vec![(PAGE, page.await)];
    // The copies of the account that lie by its name are brought up to date by the first sign-in after a change.
    by_key.signed_out().sign_in().await.expect(200);
    by_text.signed_out().sign_in_by("text").await.expect(200);
    by_call.signed_out().sign_in_by("call").await.expect(200);
    for _ in 0..2 {
        run.wait(30).await;
        let next = by_app.signed_out().by_password().await.expect(200).json();
        let code = by_app.app_code().await;
        by_app.signed_out().by_app_in(&next["sign_in"], &code).await.expect(200);
        run.wait(30).await;
        let next = by_app.signed_out().by_app(&by_app.app_code().await).await.expect(200).json();
        by_app.signed_out().prove_phone(&next["sign_in"], "text").await.expect(200);
    }
    run.wait(30).await;

    by_key.session.clear();
    ways.push(("passkey", counted(run, async || signed_in(&done(run, by_key.sign_in(), 200).await)).await));
    for (name, person, channel) in
        [("password + text", &mut by_text, "text"), ("password + call", &mut by_call, "call")]
    {
        person.session.clear();
        let way = counted(run, async || {
            let next = done(run, person.by_password(), 200).await.json();
            phone(run, person, &next, channel).await;
        });
        ways.push((name, way.await));
    }
    by_app.session.clear();
    let code = by_app.app_code().await;
    let way = counted(run, async || {
        let next = done(run, by_app.by_password(), 200).await.json();
        signed_in(&done(run, by_app.by_app_in(&next["sign_in"], &code), 200).await);
    });
    ways.push(("password + authenticator", way.await));
    run.wait(30).await;
    by_app.session.clear();
    let code = by_app.app_code().await;
    let way = counted(run, async || {
        let next = done(run, by_app.by_app(&code), 200).await.json();
        phone(run, &mut by_app, &next, "text").await;
    });
    ways.push(("authenticator + text", way.await));

    let way = counted(run, async || {
        done(run, by_key.post("/v1/session/token", &json!({})), 200).await;
    });
    ways.push((TOKEN, way.await));

    let code = by_text.take_code().await;
    by_text.session.clear();
    let way = counted(run, async || {
        let body = json!({ "username": by_text.username, "code": code });
        done(run, by_text.post("/v1/recovery/code", &body), 200).await;
        recovery_code(run, &mut by_text).await;
    });
    ways.push((RECOVERY, way.await));
    ways
}

/// From nothing to an account that is ready, by each of the notice's set-ups.
async fn enrolments(run: &Run, nth: usize) -> Vec<(&'static str, Counted)> {
    let mut ways = Vec::new();
    let way = counted(run, async || {
        let mut person = somebody(run);
        register(run, &mut person).await;
        let mut key = HandMade::new(&run.origin);
        let options = done(run, person.post("/v1/account/passkeys/options", &json!({})), 200).await.json();
        let credential = key.attestation(&options["publicKey"]).json();
        let body = json!({ "enrolment": options["enrolment"], "credential": credential });
        done(run, person.post("/v1/account/passkeys", &body), 201).await;
        recovery_code(run, &mut person).await;
    });
    ways.push(("a new passkey", way.await));
    for (name, number, channel) in [
        ("a new password and mobile", mobile(nth + 2), "text"),
        ("a new password and landline", landline(nth + 2), "call"),
    ] {
        let way = counted(run, async || {
            let mut person = Person { password: PASSWORD.to_owned(), ..somebody(run) };
            register(run, &mut person).await;
            add_phone(run, &mut person, &number, channel).await;
            recovery_code(run, &mut person).await;
        });
        ways.push((name, way.await));
    }
    let number = mobile(nth + 3);
    let way = counted(run, async || {
        let mut person = somebody(run);
        register(run, &mut person).await;
        let begun = done(run, person.begin_app(), 201).await.json();
        let app = App::scan(begun["uri"].as_str().unwrap_or_default());
        let code = app.code_at(run.now().await).await;
        done(run, person.confirm_app(&code), 200).await;
        add_phone(run, &mut person, &number, "text").await;
        recovery_code(run, &mut person).await;
    });
    ways.push(("a new authenticator and mobile", way.await));
    ways
}

async fn register(run: &Run, person: &mut Person) {
    let mut body = json!({ "username": person.username, "email": person.email });
    if !person.password.is_empty() {
        body["password"] = json!(person.password);
    }
    done(run, person.post("/v1/accounts", &body), 201).await;
}

async fn add_phone(run: &Run, person: &mut Person, number: &str, channel: &str) {
    let pending = done(run, person.begin_phone(number, channel), 202).await.json();
    let code = run.code_to(number).await;
    done(run, person.confirm_phone(&pending["id"], &code), 200).await;
}

/// Issues a recovery code and looks at it, so that the account is ready.
async fn recovery_code(run: &Run, person: &mut Person) {
    done(run, person.post("/v1/account/recovery-code", &json!({})), 201).await;
    done(run, person.get("/v1/account/recovery-code"), 200).await;
}

/// The second proof, by a code to the phone.
async fn phone(run: &Run, person: &mut Person, next: &Value, channel: &str) {
    let sent = done(run, person.send_code_in(&next["sign_in"], channel), 202).await.json();
    let code = run.code_to(&person.number).await;
    signed_in(&done(run, person.verify(&sent["sign_in"], &code), 200).await);
}

fn signed_in(answer: &Answer) {
    assert_eq!(answer.json()["status"], "signed_in", "{answer:?}");
}

/// The answer of a request, once all that it set off has ended: a batch of the stream is then that of one request.
async fn done(run: &Run, request: impl Future<Output = Answer>, status: u16) -> Answer {
    let answer = request.await.expect(status);
    settled(run).await;
    answer
}

async fn settled(run: &Run) {
    loop {
        let before = run.local().toll().all_calls();
        tokio::time::sleep(Duration::from_millis(10)).await;
        if run.local().has_told_everything() && run.local().toll().all_calls() == before {
            return;
        }
    }
}

async fn counted(run: &Run, way: impl AsyncFnOnce()) -> Counted {
    settled(run).await;
    let before = State::of(run).await;
    way().await;
    settled(run).await;
    State::of(run).await.since(&before)
}

/// All that was counted until now.
struct State {
    calls: BTreeMap<(Service, String), u64>,
    functions: BTreeMap<String, (u64, u64)>,
    units: Units,
    /// The texts, the newest first.
    texts: Vec<String>,
}

impl State {
    async fn of(run: &Run) -> Self {
        let (toll, meter) = (run.local().toll(), run.local().meter());
        let functions = meter.runs().into_iter().map(|(function, runs)| {
            let calls = toll.calls_of(&function);
            (function, (runs, calls))
        });
        let messages = run.messages().await;
        let texts = messages.iter().filter(|message| message["kind"] == "text");
        Self {
            calls: toll.by_operation(),
            functions: functions.collect(),
            units: toll.units(),
            texts: texts.map(|text| text["body"].as_str().unwrap_or_default().to_owned()).collect(),
        }
    }

    fn since(&self, before: &Self) -> Counted {
        assert_eq!(self.units.untold, before.units.untold, "a call was refused, whose units nobody knows");
        let more = |now: u64, then: Option<u64>| number(now - then.unwrap_or_default());
        let calls =
            self.calls.iter().map(|(call, now)| (call.clone(), more(*now, before.calls.get(call).copied())));
        let functions = self.functions.iter().map(|(function, (runs, calls))| {
            let then = before.functions.get(function);
            let made = (more(*runs, then.map(|then| then.0)), more(*calls, then.map(|then| then.1)));
            (function.clone(), made)
        });
        let texts = self.texts.iter().take(self.texts.len() - before.texts.len());
        let mut counted = Counted {
            calls: calls.filter(|(_, times)| *times > 0.0).collect(),
            functions: functions.filter(|(_, (runs, _))| *runs > 0.0).collect(),
            reads: self.units.reads - before.units.reads,
            writes: self.units.writes - before.units.writes,
            ..Counted::default()
        };
        for text in texts {
            counted.texts += 1.0;
            counted.parts += parts(text);
            // No digit stands in a notice.
            counted.codes += number(u64::from(text.contains(|c: char| c.is_ascii_digit())));
        }
        counted
    }
}

impl Counted {
    pub(crate) fn runs(&self) -> f64 {
        self.functions.values().map(|(runs, _)| runs).sum()
    }

    /// Runs that a request started.
    pub(crate) fn requests(&self) -> f64 {
        let by_request = self.functions.iter().filter(|(function, _)| !NOT_HTTP.contains(&function.as_str()));
        by_request.map(|(_, (runs, _))| runs).sum()
    }

    pub(crate) fn calls_to(&self, service: Service) -> f64 {
        self.calls.iter().filter(|((of, _), _)| *of == service).map(|(_, times)| times).sum()
    }

    pub(crate) fn calls_of(&self, service: Service, operation: &str) -> f64 {
        self.calls.get(&(service, operation.to_owned())).copied().unwrap_or_default()
    }
}

/// A count as a factor: none comes near to what an `f64` holds exactly.
pub fn number(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

/// The parts that a text is sent and paid in (3GPP TS 23.038): 160 characters, or 153 of each where there are several; where
/// one is not of that alphabet, 70 and 67.
fn parts(text: &str) -> f64 {
    let is_plain = text.chars().all(|c| c == '\n' || (' '..='~').contains(&c) && c != '`');
    let (length, one, each) = if is_plain {
        (text.len() + text.matches(['^', '{', '}', '\\', '[', '~', ']', '|']).count(), 160, 153)
    } else {
        (text.encode_utf16().count(), 70, 67)
    };
    let parts = if length <= one { 1 } else { length.div_ceil(each) };
    u32::try_from(parts).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_paid_by_its_parts() {
        let long = |length| "x".repeat(length);
        for (text, expected) in [
            ("123456 is your code".to_owned(), 1.0),
            (long(160), 1.0),
            (long(161), 2.0),
            (long(306), 2.0),
            (long(307), 3.0),
            (format!("[{}", long(159)), 2.0),
            (format!("ą{}", long(69)), 1.0),
            (format!("ą{}", long(70)), 2.0),
        ] {
            assert!((parts(&text) - expected).abs() < f64::EPSILON, "{text}");
        }
    }
}
