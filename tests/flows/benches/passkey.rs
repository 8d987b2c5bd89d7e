//! `cargo bench -p flows --bench passkey`: what a passkey sign-in and a session check cost.
//!
//! Over HTTP against a local run in this process. "Step" is the processor time of the steps' own code,
//! the SDK's part in it included, as [`postern_local::Meter`] counts it; "bare" the processor time of the
//! same cryptography alone, measured in the same run before and after: one P-256 verification by the
//! crate that webauthn-rs uses, and one ES256 signature by the one that signs tokens. "The SDK's part" is
//! the same calls through the same client with nothing around them; "own" is the step without it, the cryptography
//! included. Compare the ratios; the figures themselves are this machine's.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "not a part of the product"
)]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem, Update};
use cpu_time::ThreadTime;
use flows::{Person, Run, from_base64url, set_up};
use hdrhistogram::Histogram;
use p256::ecdsa::signature::{Signer, Verifier};
use p256::ecdsa::{Signature, SigningKey};
use postern_http::SessionToken;
use postern_local::Meter;

/// Operations measured at each concurrency.
const OPERATIONS: u32 = 400;
const WARM_UP: u32 = 40;

/// What a bare operation of cryptography takes.
struct Bare {
    verification: Duration,
    signature: Duration,
}

/// What `OPERATIONS` of a kind took.
struct Measured {
    step: Duration,
    calls: f64,
    wall: Duration,
    latency: Histogram<u64>,
}

#[derive(Clone, Copy)]
enum Operation {
    SignIn,
    Account,
    Token,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::SignIn => "passkey sign-in (options + finish)",
            Self::Account => "session check (GET /v1/account)",
            Self::Token => "access token (POST /v1/session/token)",
        }
    }

    fn functions(self) -> &'static [&'static str] {
        match self {
            Self::SignIn => &["passkey-sign-in-options", "passkey-sign-in"],
            Self::Account => &["account-view"],
            Self::Token => &["session-token"],
        }
    }

    fn sdk_part(self, sdk: &SdkPart) -> Duration {
        match self {
            Self::SignIn => sdk.sign_in,
            Self::Account | Self::Token => sdk.session_check,
        }
    }

    async fn run(self, person: &mut Person) {
        match self {
            Self::SignIn => {
                person.sign_in().await.expect(200);
            }
            Self::Account => {
                person.get("/v1/account").await.expect(200);
            }
            Self::Token => {
                person.post("/v1/session/token", &serde_json::json!({})).await.expect(200);
            }
        }
    }
}

#[tokio::main]
async fn main() {
    let run = Run::start().await;
    let before = bare();
    let mut rows = Vec::new();
    for operation in [Operation::SignIn, Operation::Account, Operation::Token] {
        for concurrency in [1, 8] {
            rows.push((operation, concurrency, measure(&run, operation, concurrency).await));
        }
    }
    let sdk = sdk_part(&run).await;
    let after = bare();
    let verification = (before.verification + after.verification) / 2;
    let signature = (before.signature + after.signature) / 2;
    let both = verification + signature;
    println!("bare: P-256 verification {verification:.1?}, ES256 signature {signature:.1?}, both {both:.1?}");
    println!(
        "the SDK's part: {:.1?} of a sign-in, {:.1?} of a session check\n",
        sdk.sign_in, sdk.session_check
    );
    println!(
        "{:<40} {:>3} {:>10} {:>8} {:>10} {:>8} {:>9} {:>10} {:>10} {:>9}",
        "operation", "at", "step CPU", "to bare", "own", "to bare", "per s", "p50", "p99", "AWS calls"
    );
    for (operation, concurrency, measured) in rows {
        let step = measured.step / OPERATIONS;
        let own = step.saturating_sub(operation.sdk_part(&sdk));
        let to_bare = |of: Duration| of.as_secs_f64() / both.as_secs_f64();
        println!(
            "{:<40} {:>3} {:>10} {:>8.2} {:>10} {:>8.2} {:>9.0} {:>10} {:>10} {:>9.2}",
            operation.name(),
            concurrency,
            format!("{step:.1?}"),
            to_bare(step),
            format!("{own:.1?}"),
            to_bare(own),
            f64::from(OPERATIONS) / measured.wall.as_secs_f64(),
            format!("{:.2?}", Duration::from_micros(measured.latency.value_at_quantile(0.5))),
            format!("{:.2?}", Duration::from_micros(measured.latency.value_at_quantile(0.99))),
            measured.calls,
        );
    }
}

async fn measure(run: &Run, operation: Operation, concurrency: u32) -> Measured {
    let mut people = Vec::new();
    for _ in 0..concurrency {
        let mut person = set_up(run).await;
        for _ in 0..WARM_UP / concurrency {
            operation.run(&mut person).await;
        }
        people.push(person);
    }
    let made = || -> u64 {
        operation.functions().iter().map(|function| run.local().toll().calls_of(function)).sum()
    };
    let spent = || -> Duration {
        operation.functions().iter().map(|function| run.local().meter().spent(function).cpu).sum()
    };
    let (step, calls, begin) = (spent(), made(), Instant::now());
    let tasks: Vec<_> = people
        .into_iter()
        .map(|mut person| {
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                for _ in 0..OPERATIONS / concurrency {
                    let begin = Instant::now();
                    operation.run(&mut person).await;
                    latencies.push(begin.elapsed());
                }
                latencies
            })
        })
        .collect();
    let mut latency = Histogram::new(3).unwrap();
    for task in tasks {
        for took in task.await.unwrap() {
            latency.record(u64::try_from(took.as_micros()).unwrap()).unwrap();
        }
    }
    Measured {
        step: spent().saturating_sub(step),
        calls: (made() - calls) as f64 / f64::from(OPERATIONS),
        wall: begin.elapsed(),
        latency,
    }
}

/// What the SDK alone takes for the calls of the steps.
struct SdkPart {
    session_check: Duration,
    sign_in: Duration,
}

/// The same calls through the same client, with nothing around them.
async fn sdk_part(run: &Run) -> SdkPart {
    let mut person = set_up(run).await;
    let account = person.account().await;
    let (id, passkey) = (text(&account["id"]), text(&account["methods"]["passkeys"][0]["id"]));
    let session =
        SessionToken::from_bytes(from_base64url(&person.session).try_into().unwrap()).id().to_string();
    let client = run.local().dynamodb();
    let session_item = item(client, "Attempts", &format!("SESSION#{session}"), None).await;
    let meter = Meter::default();
    for round in 0..OPERATIONS {
        let check = async {
            item(client, "Attempts", &format!("SESSION#{session}"), None).await;
            partition(client, &id).await;
        };
        meter.measure("session check", check).await;
        let sign_in = async {
            partition(client, &id).await;
            transact(client, &id, &passkey, &session_item, round).await;
        };
        meter.measure("sign-in", sign_in).await;
    }
    SdkPart {
        session_check: meter.spent("session check").cpu / OPERATIONS,
        sign_in: meter.spent("sign-in").cpu / OPERATIONS,
    }
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn string(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn key(pk: impl Into<String>, sk: Option<String>) -> HashMap<String, AttributeValue> {
    let sk = sk.map(|sk| ("sk".to_owned(), string(sk)));
    [("pk".to_owned(), string(pk))].into_iter().chain(sk).collect()
}

async fn item(client: &Client, table: &str, pk: &str, sk: Option<String>) -> HashMap<String, AttributeValue> {
    let found =
        client.get_item().table_name(table).set_key(Some(key(pk, sk))).consistent_read(true).send().await;
    found.unwrap().item.unwrap()
}

async fn partition(client: &Client, account: &str) {
    let found = client
        .query()
        .table_name("Accounts")
        .key_condition_expression("pk = :account AND sk >= :first")
        .expression_attribute_values(":account", string(account))
        .expression_attribute_values(":first", string("AUTHENTICATOR"))
        .consistent_read(true)
        .send()
        .await;
    assert_eq!(found.unwrap().count, 2);
}

/// The six writes of a sign-in.
async fn transact(
    client: &Client,
    account: &str,
    passkey: &str,
    session: &HashMap<String, AttributeValue>,
    round: u32,
) {
    let put =
        |table: &str, mut item: HashMap<String, AttributeValue>, at: HashMap<String, AttributeValue>| {
            item.extend(at);
            TransactWriteItem::builder()
                .put(Put::builder().table_name(table).set_item(Some(item)).build().unwrap())
                .build()
        };
    let update = Update::builder()
        .table_name("Accounts")
        .set_key(Some(key(account, Some(format!("PASSKEY#{passkey}")))))
        .update_expression("SET sign_count = :count, backed_up = :backed_up, last_used_at = :now")
        .condition_expression("sign_count = :count")
        .expression_attribute_values(":count", AttributeValue::N("0".to_owned()))
        .expression_attribute_values(":backed_up", AttributeValue::Bool(false))
        .expression_attribute_values(":now", string("2026-12-01T12:00:00Z"));
    let check = ConditionCheck::builder()
        .table_name("Accounts")
        .set_key(Some(key(account, Some("PROFILE".to_owned()))))
        .condition_expression("attribute_exists(pk)");
    let delete = Delete::builder().table_name("Attempts").set_key(Some(key("SESSION#none", None)));
    let delete = delete.build().unwrap();
    let writes = [
        put("Attempts", HashMap::new(), key(format!("SPENT#bench-{round}"), None)),
        TransactWriteItem::builder().update(update.build().unwrap()).build(),
        TransactWriteItem::builder().condition_check(check.build().unwrap()).build(),
        put("Accounts", session.clone(), key(account, Some(format!("ACTIVITY#bench-{round}")))),
        put("Attempts", session.clone(), key(format!("SESSION#bench-{round}"), None)),
        TransactWriteItem::builder().delete(delete).build(),
    ];
    client.transact_write_items().set_transact_items(Some(writes.into())).send().await.unwrap();
}

fn bare() -> Bare {
    let key = SigningKey::from_slice(&[7; 32]).unwrap();
    // As long as authenticator data and a hash are.
    let message = [9_u8; 37 + 32];
    let signature: Signature = key.sign(&message);
    let verifying = key.verifying_key();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
    let random = SystemRandom::new();
    Bare {
        verification: each(|| verifying.verify(&message, &signature).unwrap()),
        // As long as a token's header and claims are.
        signature: each(|| {
            pair.sign(&random, &[1; 512]).unwrap();
        }),
    }
}

fn each(mut operation: impl FnMut()) -> Duration {
    const TIMES: u32 = 1000;
    (0..TIMES / 10).for_each(|_| operation());
    let begin = ThreadTime::now();
    (0..TIMES).for_each(|_| operation());
    begin.elapsed() / TIMES
}
