//! `cargo bench -p flows --bench password`: what a sign-in by password and phone costs, and beside it one by password and a
//! code of an authenticator app. The codes are made by `oathtool` (Debian: oathtool), outside of what is measured.
//!
//! Over HTTP against a local run in this process. "Step" is the processor time of the steps' own code, as
//! [`postern_local::Meter`] counts it; the hash is made on a thread of its own, which that does not see, so
//! it is measured apart, bare, in the same run. The share of Argon2id is that of hash and steps together.

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

use argon2::{Algorithm, Argon2, Block, Params, Version};
use cpu_time::ThreadTime;
use flows::{Answer, App, Portal};
use hdrhistogram::Histogram;
use postern_local::{LocalRun, Options};
use serde_json::{Value, json};

/// People with a password and a phone; each signs in as often as an account may have codes sent.
const PEOPLE: u32 = 40;
const ROUNDS: u32 = 5;
const PASSWORD: &str = "lantern over the river";

/// How many sign-ins are in flight when the memory is looked at.
const IN_FLIGHT: usize = 10;

struct Row {
    name: &'static str,
    function: &'static str,
    hashes: u32,
    cpu: Duration,
    calls: u64,
    times: u32,
    latency: Histogram<u64>,
}

impl Row {
    fn new(name: &'static str, function: &'static str, hashes: u32) -> Self {
        let latency = Histogram::new(3).unwrap();
        Self { name, function, hashes, cpu: Duration::ZERO, calls: 0, times: 0, latency }
    }

    async fn run(&mut self, local: &LocalRun, call: flows::Call) -> Answer {
        let cpu = || local.meter().spent(self.function).cpu;
        let (before, calls, begin) = (cpu(), local.toll().calls_of(self.function), Instant::now());
        let answer = call.send().await;
        self.latency.record(u64::try_from(begin.elapsed().as_micros()).unwrap()).unwrap();
        self.cpu += cpu().saturating_sub(before);
        self.calls += local.toll().calls_of(self.function) - calls;
        self.times += 1;
        answer
    }
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { data: folder.path().to_owned(), unlimited: true, ..Options::default() };
    let local = LocalRun::start(&options).await.unwrap();
    let portal = Portal::at(local.address().port());
    let mut people = Vec::new();
    for person in 0..PEOPLE {
        people.push((person, set_up(&portal, person).await));
    }
    let before = bare();
    let mut rows = [
        Row::new("wrong password", "password-sign-in", 1),
        Row::new("right password, first proof", "password-sign-in", 1),
        Row::new("send a text", "phone-code-send", 0),
        Row::new("wrong code", "phone-code-verify", 0),
        Row::new("right code, signs in", "phone-code-verify", 0),
        Row::new("wrong code of the app", "authenticator-sign-in", 0),
        Row::new("right code of it, signs in", "authenticator-sign-in", 0),
    ];
    for _ in 0..ROUNDS {
        // Beyond the limits of a number and an account.
        portal.clock(&json!({ "advance_seconds": 4 * 3600 })).await;
        for (person, app) in &people {
            sign_in(&local, &portal, *person, &mut rows).await;
            sign_in_by_app(&local, &portal, *person, app, &mut rows).await;
        }
    }
    let hash = (before + bare()) / 2;
    println!("bare: one Argon2id hash at m=19456,t=2,p=1, in memory that is used again: {hash:.1?}\n");
    println!(
        "{:<30} {:>10} {:>8} {:>10} {:>10} {:>10} {:>9}",
        "operation", "step CPU", "hashes", "Argon2id", "p50", "p99", "AWS calls"
    );
    for row in &rows {
        let step = row.cpu / row.times;
        let hashed = hash * row.hashes;
        println!(
            "{:<30} {:>10} {:>8} {:>9.0}% {:>10} {:>10} {:>9.2}",
            row.name,
            format!("{step:.1?}"),
            row.hashes,
            share(hashed, step),
            format!("{:.2?}", Duration::from_micros(row.latency.value_at_quantile(0.5))),
            format!("{:.2?}", Duration::from_micros(row.latency.value_at_quantile(0.99))),
            row.calls as f64 / f64::from(row.times),
        );
    }
    println!();
    for (way, places) in [("password and phone", &[1, 2, 4][..]), ("password and app", &[1, 6])] {
        let of_it = || places.iter().map(|place| &rows[*place]);
        let steps: Duration = of_it().map(|row| row.cpu / row.times).sum();
        let hashes: Duration = of_it().map(|row| hash * row.hashes).sum();
        let calls: f64 = of_it().map(|row| row.calls as f64 / f64::from(row.times)).sum();
        println!(
            "a whole sign-in by {way}: {steps:.1?} of steps and {hashes:.1?} of Argon2id, which is {:.0}% of both; {calls:.2} AWS calls",
            share(hashes, steps)
        );
    }
    in_flight(&portal).await;
    local.stop().await;
}

fn share(hash: Duration, step: Duration) -> f64 {
    100.0 * hash.as_secs_f64() / (hash + step).as_secs_f64()
}

fn number(person: u32) -> String {
    format!("+1212555{:04}", 2000 + person)
}

async fn set_up(portal: &Portal, person: u32) -> App {
    let body = json!({ "username": name(person), "email": "somebody@clinic.example", "password": PASSWORD });
    let session = portal.post("/v1/accounts", &body).send().await.expect(201).new_session();
    let body = json!({ "number": number(person), "channel": "text" });
    let pending = portal.post("/v1/account/phones", &body).session(&session).send().await.expect(202).json();
    let path = format!("/v1/account/phones/{}/confirm", pending["id"].as_str().unwrap());
    let code = json!({ "code": code(portal, person).await });
    portal.post(&path, &code).session(&session).send().await.expect(200);
    portal.post("/v1/account/recovery-code", &json!({})).session(&session).send().await.expect(201);
    portal.get("/v1/account/recovery-code").session(&session).send().await.expect(200);
    let app = "/v1/account/authenticator";
    let begun = portal.post(app, &json!({})).session(&session).send().await.expect(201).json();
    let scanned = App::scan(begun["uri"].as_str().unwrap());
    let code = json!({ "code": scanned.code_at(portal.now().await).await });
    portal.post(&format!("{app}/confirm"), &code).session(&session).send().await.expect(200);
    scanned
}

fn name(person: u32) -> String {
    format!("provider-{person}")
}

/// The code of the newest text.
async fn code(portal: &Portal, person: u32) -> String {
    let to = number(person).replace('+', "%2B");
    let texts = portal.get(&format!("/dev/messages?to={to}")).send().await.expect(200).json();
    texts[0]["body"].as_str().unwrap()[..6].to_owned()
}

async fn sign_in(local: &LocalRun, portal: &Portal, person: u32, rows: &mut [Row; 7]) {
    let [wrong, right, send, mistyped, verify, ..] = rows;
    let password = |password: &str| {
        portal.post("/v1/sign-in/password", &json!({ "username": name(person), "password": password }))
    };
    wrong.run(local, password("lantern under the river")).await.expect(401);
    let next = right.run(local, password(PASSWORD)).await.expect(200).json();
    let body = json!({ "sign_in": next["sign_in"], "channel": "text" });
    let kept = send.run(local, portal.post("/v1/sign-in/phone/send", &body)).await.expect(202).json();
    let code = code(portal, person).await;
    let other = flows::another_code(&code);
    let verified = |code: &str| {
        portal.post("/v1/sign-in/phone/verify", &json!({ "sign_in": kept["sign_in"], "code": code }))
    };
    mistyped.run(local, verified(&other)).await.expect(401);
    let signed_in: Value = verify.run(local, verified(&code)).await.expect(200).json();
    assert_eq!(signed_in["status"], "signed_in");
}

/// After the password, which is measured already.
async fn sign_in_by_app(local: &LocalRun, portal: &Portal, person: u32, app: &App, rows: &mut [Row; 7]) {
    let [.., wrong, right] = rows;
    let body = json!({ "username": name(person), "password": PASSWORD });
    let next = portal.post("/v1/sign-in/password", &body).send().await.expect(200).json();
    let code = app.code_at(portal.now().await).await;
    let other = flows::another_code(&code);
    let given = |code: &str| {
        portal.post("/v1/sign-in/authenticator", &json!({ "sign_in": next["sign_in"], "code": code }))
    };
    wrong.run(local, given(&other)).await.expect(401);
    let signed_in: Value = right.run(local, given(&code)).await.expect(200).json();
    assert_eq!(signed_in["status"], "signed_in");
}

/// The peak of this process with several passwords in flight.
async fn in_flight(portal: &Portal) {
    let tasks: Vec<_> = (0..IN_FLIGHT)
        .map(|place| {
            let person = u32::try_from(place).unwrap();
            let body = json!({ "username": name(person), "password": PASSWORD });
            let call = portal.post("/v1/sign-in/password", &body);
            tokio::spawn(async move { call.send().await.expect(200) })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).map_or("unknown", str::trim);
    println!(
        "memory of the local run, this client and all accounts included, at its peak with {IN_FLIGHT} in flight: {peak}"
    );
}

/// One hash as a step makes it, without anything around it.
fn bare() -> Duration {
    const TIMES: u32 = 20;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(19_456, 2, 1, None).unwrap());
    let mut memory = vec![Block::default(); argon2.params().block_count()];
    let mut tag = [0; 32];
    let mut hash =
        || argon2.hash_password_into_with_memory(&[7; 32], &[9; 16], &mut tag, &mut memory).unwrap();
    hash();
    let begin = ThreadTime::now();
    (0..TIMES).for_each(|_| hash());
    begin.elapsed() / TIMES
}
