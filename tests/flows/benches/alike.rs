//! `cargo bench -p flows --bench alike`: whether the time of an answer tells that an account is there.
//!
//! Pairs of one request that names an account and one that names nobody, interleaved, each first in half of
//! the pairs. Printed is the mean of the pairs' differences with its 95% confidence interval (Student's t for
//! many pairs: 1.96 standard errors), and the medians. An interval that contains zero tells nothing.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "not a part of the product"
)]

use std::time::{Duration, Instant};

use flows::{App, Call, Portal};
use futures_util::{StreamExt, stream};
use postern_local::{LocalRun, Options};
use serde_json::{Value, json};

/// Accounts with a password, an app, a phone and a recovery code, and how often each is asked for: fewer than lock, and than a number may be sent in an hour.
const ACCOUNTS: u32 = 125;
const ROUNDS: u32 = 4;

/// Seconds of the clock between two rounds, so that a number may be sent to again.
const BETWEEN: u32 = 31;

/// Pairs of sends at a time: each is held back for a quarter of a second.
const SENDS_AT_ONCE: usize = 4;

/// A code that is wrong, or nearly always.
const ONE_IN_A_MILLION: &str = "271828";

/// While email still recovers.
const BEGIN: &str = "2025-02-01T12:00:00.000Z";

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { data: folder.path().to_owned(), unlimited: true, ..Options::default() };
    let local = LocalRun::start(&options).await.unwrap();
    let portal = Portal::at(local.address().port());
    portal.clock(&json!({ "set": BEGIN })).await;
    for account in 0..ACCOUNTS {
        set_up(&portal, account).await;
    }
    portal.clock(&json!({ "advance_seconds": 4 * 3600 })).await;
    let wrong_password = |name: &str| {
        portal
            .post("/v1/sign-in/password", &json!({ "username": name, "password": "not the password at all" }))
    };
    compare("wrong password", 401, 1, &portal, wrong_password).await;
    let wrong_code_of_app = |name: &str| {
        portal.post("/v1/sign-in/authenticator", &json!({ "username": name, "code": ONE_IN_A_MILLION }))
    };
    compare("wrong code of the app", 401, 1, &portal, wrong_code_of_app).await;
    let wrong_recovery_code = |name: &str| {
        portal.post("/v1/recovery/code", &json!({ "username": name, "code": "2718-2818-2845-9045" }))
    };
    compare("wrong recovery code", 401, 1, &portal, wrong_recovery_code).await;
    portal.clock(&json!({ "advance_seconds": 4 * 3600 })).await;
    let text =
        |name: &str| portal.post("/v1/sign-in/phone/send", &json!({ "username": name, "channel": "text" }));
    compare("send a text", 202, SENDS_AT_ONCE, &portal, text).await;
    let letter = |name: &str| portal.post("/v1/recovery/email/send", &json!({ "username": name }));
    compare("send a letter", 202, SENDS_AT_ONCE, &portal, letter).await;
    portal.clock(&json!({ "advance_seconds": 4 * 3600 })).await;
    codes(&portal).await;
    local.stop().await;
}

/// Asks for each account and for nobody, `at_once` pairs at a time, and prints what the time tells.
async fn compare(what: &str, status: u16, at_once: usize, portal: &Portal, call: impl Fn(&str) -> Call) {
    let call = &call;
    let mut pairs = Vec::new();
    for round in 0..ROUNDS {
        let asked = (0..ACCOUNTS).map(async |account| {
            let (known, nobody) = names(account);
            pair((round + account) % 2 == 0, status, call(&known), call(&nobody)).await
        });
        pairs.extend(stream::iter(asked).buffered(at_once).collect::<Vec<_>>().await);
        portal.clock(&json!({ "advance_seconds": BETWEEN })).await;
    }
    print(what, &pairs);
}

/// Wrong codes: each sign-in asks for one and gets it wrong.
async fn codes(portal: &Portal) {
    let mut pairs = Vec::new();
    for round in 0..ROUNDS {
        let sent = (0..ACCOUNTS).map(async |account| {
            let (known, nobody) = names(account);
            tokio::join!(wrong_code(portal, &known), wrong_code(portal, &nobody))
        });
        let sent = stream::iter(sent).buffered(SENDS_AT_ONCE).collect::<Vec<_>>().await;
        for (account, (known, nobody)) in (0..ACCOUNTS).zip(sent) {
            pairs.push(pair((round + account) % 2 == 0, 401, known, nobody).await);
        }
        portal.clock(&json!({ "advance_seconds": BETWEEN })).await;
    }
    print("wrong code", &pairs);
}

async fn wrong_code(portal: &Portal, name: &str) -> Call {
    let body = json!({ "username": name, "channel": "call" });
    let sent: Value = portal.post("/v1/sign-in/phone/send", &body).send().await.expect(202).json();
    portal.post("/v1/sign-in/phone/verify", &json!({ "sign_in": sent["sign_in"], "code": ONE_IN_A_MILLION }))
}

async fn pair(known_first: bool, status: u16, known: Call, nobody: Call) -> (Duration, Duration) {
    if known_first {
        let known = timed(status, known).await;
        (known, timed(status, nobody).await)
    } else {
        let nobody = timed(status, nobody).await;
        (timed(status, known).await, nobody)
    }
}

async fn timed(status: u16, call: Call) -> Duration {
    let begin = Instant::now();
    let answer = call.send().await;
    let took = begin.elapsed();
    answer.expect(status);
    took
}

fn print(what: &str, pairs: &[(Duration, Duration)]) {
    let micros = |duration: &Duration| duration.as_secs_f64() * 1e6;
    let differences: Vec<f64> = pairs.iter().map(|(known, nobody)| micros(known) - micros(nobody)).collect();
    let count = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / count;
    let variance =
        differences.iter().map(|difference| (difference - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let half = 1.96 * (variance / count).sqrt();
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    println!(
        "{what:<21} {count:>5} pairs: known − nobody {mean:>+8.1} µs, 95% from {:>+8.1} to {:>+8.1}; medians {:.0} and {:.0} µs, of the differences {:+.1}",
        mean - half,
        mean + half,
        median(pairs.iter().map(|(known, _)| micros(known)).collect()),
        median(pairs.iter().map(|(_, nobody)| micros(nobody)).collect()),
        median(differences),
    );
}

/// A name that somebody has, and one that nobody has.
fn names(account: u32) -> (String, String) {
    (name(account), format!("{}-not", name(account)))
}

fn name(account: u32) -> String {
    format!("provider-{account:04}")
}

async fn set_up(portal: &Portal, account: u32) {
    let number = format!("+1212555{:04}", 2000 + account);
    let body = json!({
        "username": name(account),
        "email": format!("{}@clinic.example", name(account)),
        "password": "lantern over the river",
    });
    let session = portal.post("/v1/accounts", &body).send().await.expect(201).new_session();
    let begun = portal.post("/v1/account/authenticator", &json!({})).session(&session).send().await;
    let app = App::scan(begun.expect(201).json()["uri"].as_str().unwrap());
    let code = json!({ "code": app.code_at(portal.now().await).await });
    portal.post("/v1/account/authenticator/confirm", &code).session(&session).send().await.expect(200);
    portal.post("/v1/account/recovery-code", &json!({})).session(&session).send().await.expect(201);
    let body = json!({ "number": number, "channel": "text" });
    let pending = portal.post("/v1/account/phones", &body).session(&session).send().await.expect(202).json();
    let path = format!("/v1/account/phones/{}/confirm", pending["id"].as_str().unwrap());
    let texts = portal.get(&format!("/dev/messages?to={}", number.replace('+', "%2B"))).send().await;
    let code = json!({ "code": texts.expect(200).json()[0]["body"].as_str().unwrap()[..6] });
    portal.post(&path, &code).session(&session).send().await.expect(200);
}
