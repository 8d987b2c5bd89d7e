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

use flows::{Call, Portal};
use postern_local::{LocalRun, Options};
use serde_json::{Value, json};

/// Accounts, and how often each is asked for: fewer than lock, and than a number may be sent in an hour.
const ACCOUNTS: u32 = 150;
const ROUNDS: u32 = 4;

/// Seconds of the clock between two rounds, so that a number may be sent to again.
const BETWEEN: u32 = 31;

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { data: folder.path().to_owned(), unlimited: true, ..Options::default() };
    let local = LocalRun::start(&options).await.unwrap();
    let portal = Portal::at(local.address().port());
    for account in 0..ACCOUNTS {
        set_up(&portal, account).await;
    }
    portal.clock(&json!({ "advance_seconds": 4 * 3600 })).await;
    let wrong_password = |name: &str| {
        portal
            .post("/v1/sign-in/password", &json!({ "username": name, "password": "not the password at all" }))
    };
    compare("wrong password", 401, &portal, wrong_password).await;
    portal.clock(&json!({ "advance_seconds": 4 * 3600 })).await;
    let text =
        |name: &str| portal.post("/v1/sign-in/phone/send", &json!({ "username": name, "channel": "text" }));
    compare("send a text", 202, &portal, text).await;
    portal.clock(&json!({ "advance_seconds": 4 * 3600 })).await;
    codes(&portal).await;
    local.stop().await;
}

/// Asks for each account and for nobody, and prints what the time tells.
async fn compare(what: &str, status: u16, portal: &Portal, call: impl Fn(&str) -> Call) {
    let mut pairs = Vec::new();
    for round in 0..ROUNDS {
        for account in 0..ACCOUNTS {
            let (known, nobody) = (name(account), format!("{}-not", name(account)));
            pairs.push(pair((round + account) % 2 == 0, status, call(&known), call(&nobody)).await);
        }
        portal.clock(&json!({ "advance_seconds": BETWEEN })).await;
    }
    print(what, &pairs);
}

/// Wrong codes: each sign-in asks for one and gets it wrong.
async fn codes(portal: &Portal) {
    let mut pairs = Vec::new();
    for round in 0..ROUNDS {
        for account in 0..ACCOUNTS {
            let (known, nobody) = (name(account), format!("{}-not", name(account)));
            let (known, nobody) = (wrong_code(portal, &known).await, wrong_code(portal, &nobody).await);
            pairs.push(pair((round + account) % 2 == 0, 401, known, nobody).await);
        }
        portal.clock(&json!({ "advance_seconds": BETWEEN })).await;
    }
    print("wrong code", &pairs);
}

async fn wrong_code(portal: &Portal, name: &str) -> Call {
    let body = json!({ "username": name, "channel": "call" });
    let sent: Value = portal.post("/v1/sign-in/phone/send", &body).send().await.expect(202).json();
    // One in a million is right.
    portal.post("/v1/sign-in/phone/verify", &json!({ "sign_in": sent["sign_in"], "code": "271828" }))
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
        "{what:<16} {count:>5} pairs: known − nobody {mean:>+8.1} µs, 95% from {:>+8.1} to {:>+8.1}; medians {:.0} and {:.0} µs, of the differences {:+.1}",
        mean - half,
        mean + half,
        median(pairs.iter().map(|(known, _)| micros(known)).collect()),
        median(pairs.iter().map(|(_, nobody)| micros(nobody)).collect()),
        median(differences),
    );
}

fn name(account: u32) -> String {
    format!("provider-{account:04}")
}

async fn set_up(portal: &Portal, account: u32) {
    let number = format!("+1212555{:04}", 2000 + account);
    let body = json!({
        "username": name(account),
        "email": "somebody@clinic.example",
        "password": "lantern over the river",
    });
    let session = portal.post("/v1/accounts", &body).send().await.expect(201).new_session();
    let body = json!({ "number": number, "channel": "text" });
    let pending = portal.post("/v1/account/phones", &body).session(&session).send().await.expect(202).json();
    let path = format!("/v1/account/phones/{}/confirm", pending["id"].as_str().unwrap());
    let texts = portal.get(&format!("/dev/messages?to={}", number.replace('+', "%2B"))).send().await;
    let code = json!({ "code": texts.expect(200).json()[0]["body"].as_str().unwrap()[..6] });
    portal.post(&path, &code).session(&session).send().await.expect(200);
}
