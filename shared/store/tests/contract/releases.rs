//! A release reads what the one before wrote, and the one before reads what it writes: while a deployment shifts over, and
//! when it is rolled back, both have the same tables.
//!
//! `releases/<n>.json` is what the release n is held to: the records that [`everything`] makes it write, the newest form
//! that it `reads`, and the values that it `knows` where a record holds one of a few. README, "Records", says when which of
//! them changes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use postern_domain::account::{Channel, LineType};
use postern_domain::activity::What;
use postern_domain::admission::Factor;
use postern_domain::id::EventId;
use postern_domain::session::Origin;
use postern_keys::{SealingKeyRecord, TokenKeyRecord, VersionedMac};
use postern_store::{
    CodeGuess, DeploymentLimits, EmailDigest, EmailedCode, IdempotentRequest, Named, READS, RecoveryEmail,
    Registration, Secret, Sending, StoreError, WRITES,
};
use serde_json::{Map, Value, json};

use crate::tables::{
    Item, NOW, Tables, account, add_phone, bytes, event, event_of, guess_app, guess_code, guess_password,
    pending, pending_authenticator, phone, prove, prove_first, remove_phone, sealed, send, sending, sent,
    session, set_password, sign_in_by_passkey, sign_in_id, step_after,
};

/// The release that this one follows.
const BEFORE: &str = include_str!("releases/0.json");

/// This one. Until the next is made, the same.
const NOW_RELEASED: &str = BEFORE;

fn release(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Has every kind of record written, each in every way that it is.
async fn everything() -> Tables {
    let tables = Tables::new().await;
    let (store, codes) = (&tables.store, &tables.codes);
    let (first, session_of_first) = tables.with_everything(1).await;
    let limits = Some(DeploymentLimits { sends: 100, sends_per_country: 100 });
    let widely =
        |username, number| Sending { limits, name: Some(bytes(number)), ..sending(username, number) };

    // A sign-in has proven one thing.
    let password = Secret::Password { rehashed: None };
    prove_first(store, &first, password, &sign_in_id(30), Factor::Password).await.unwrap();

    // A code is under way, guesses are counted, and enrolments wait.
    let code = sent(1, &phone(1), NOW);
    send(store, Some(&first), &widely(&first.username, 1), &sign_in_id(1), &code, NOW)
        .await
        .unwrap()
        .unwrap();
    guess_code(store, &first.username, &sign_in_id(1), NOW).await;
    guess_password(store, &first.username, NOW).await;
    guess_app(store, &first.username, &sign_in_id(1), NOW).await;
    store.keep_pending_authenticator(&session_of_first.id, &pending_authenticator(2)).await.unwrap();
    store.keep_pending_phone(&session_of_first.id, &pending(&phone(2)), NOW).await.unwrap();
    store.count_enrolment(&first.id, &widely(&first.username, 7), NOW + LATER).await.unwrap().unwrap();
    assert!(sign_in_by_passkey(store, &first, 1, 40).await.unwrap());
    for named in [Named::Username(first.username.clone()), Named::Email(EmailDigest::of(&first.email))] {
        let guess = CodeGuess { named: &named, address: bytes(1), limit: Some(100), idempotent: None };
        codes.count_guess(guess, NOW).await.unwrap();
    }

    // Names that nobody has.
    let nobody = account(9);
    guess_password(store, &nobody.username, NOW).await;
    guess_app(store, &nobody.username, &sign_in_id(9), NOW).await;
    guess_code(store, &nobody.username, &sign_in_id(9), NOW).await;
    let to_nobody = sent(9, &phone(9), NOW);
    send(store, None, &sending(&nobody.username, 9), &sign_in_id(9), &to_nobody, NOW).await.unwrap().unwrap();
    store.note_nobody(&nobody.username, NOW).await.unwrap();
    for (username, number) in [(&first.username, 1), (&nobody.username, 9)] {
        let addressee = store.addressee(username, &nobody.id, NOW).await.unwrap();
        let email = RecoveryEmail {
            sending: &sending(username, number + 100),
            recovery: &sign_in_id(number + 100),
            account: addressee.account.as_ref(),
            nobody: &nobody.id,
            code: &EmailedCode {
                mac: VersionedMac { version: 2, tag: bytes(number) },
                expires_at: NOW + LATER,
            },
            over: &addressee.over,
        };
        store.send_for_recovery(email, NOW).await.unwrap().unwrap();
    }

    // Registered with a key, and nothing enrolled.
    let second = account(2);
    let idempotent = IdempotentRequest {
        key: "key".to_owned(),
        request: "mac".to_owned(),
        expires_at: NOW + SignedDuration::from_mins(10),
    };
    let registration = Registration {
        hash: None,
        account: &second,
        session: &session(2),
        event: &event(2, What::AccountRegistered),
        idempotent: Some(idempotent),
        replaced: None,
    };
    store.register(registration, NOW).await.unwrap();

    // Signed in by code and by app, and a phone removed.
    let (third, session_of_third) = tables.with_phone(3).await;
    let code = sent(3, &phone(3), NOW);
    send(store, Some(&third), &sending(&third.username, 3), &sign_in_id(3), &code, NOW)
        .await
        .unwrap()
        .unwrap();
    prove(store, &third, Secret::PhoneCode(&code), &sign_in_id(3), Some(50)).await.unwrap();
    let (fourth, _) = tables.with_authenticator(4).await;
    let step = Secret::AuthenticatorStep { step: step_after(3), sealed: &sealed(4) };
    prove(store, &fourth, step, &sign_in_id(4), Some(51)).await.unwrap();
    set_password(store, &third, &session_of_third, 3).await.unwrap();
    let third = tables.account(&third.id).await;
    assert!(add_phone(store, &third, &session_of_third, &phone(5)).await.unwrap());
    let third = tables.account(&third.id).await;
    remove_phone(store, &third, &session_of_third, &phone(3)).await.unwrap();

    store.claim_call("call", "claimant", NOW + LATER).await.unwrap();
    let told = EventId::from_bytes(bytes(1));
    store.note_told(&told, BTreeSet::from(["email".to_owned()]), NOW + LATER).await.unwrap();
    let sealing = SealingKeyRecord { version: 1, sealed: vec![1, 2], active_from: NOW };
    assert!(tables.keys.add_sealing(&sealing).await.unwrap());
    let token = TokenKeyRecord {
        kid: "kid".to_owned(),
        sealed_private: vec![3],
        public_der: vec![4],
        active_from: NOW,
        active_until: NOW + LATER,
    };
    assert!(tables.keys.add_token(&token).await.unwrap());
    let event = event_of(&first, event(77, What::PasswordLocked));
    store.note(&event).await.unwrap();
    tables
}

const LATER: SignedDuration = SignedDuration::from_hours(1);

/// What each reader of a record makes of the tables.
async fn read(tables: &Tables) -> Vec<Result<String, StoreError>> {
    let (store, mut read) = (&tables.store, Vec::new());
    macro_rules! ask {
        ($asked:expr) => {
            read.push($asked.await.map(|answer| format!("{answer:?}")))
        };
    }
    for number in [1, 2, 3, 4] {
        let id = account(number).id;
        ask!(store.account(&id, NOW));
        ask!(store.activity(&id, None));
        ask!(store.phones_of(&account(number).username, NOW));
        let code = tables.codes.code(&id).await;
        read.push(code.map(|code| format!("{:?}", code.map(|code| (code.sealed, code.issued_at)))));
    }
    ask!(store.sessions(&account(1).id));
    ask!(store.told(&EventId::from_bytes(bytes(1))));
    ask!(store.addressee(&account(1).username, &account(9).id, NOW));
    for named in [Named::Username(account(1).username), Named::Email(EmailDigest::of(&account(1).email))] {
        ask!(tables.codes.held(&bytes(1), &named));
    }
    ask!(tables.keys.sealing());
    ask!(tables.keys.tokens());
    // These count what they read.
    for number in [1, 9] {
        let username = account(number).username;
        ask!(store.guess_password(&username, NOW));
        ask!(store.guess_authenticator(&username, &sign_in_id(number), NOW));
        ask!(store.guess_phone_code(&username, &sign_in_id(number), NOW));
        ask!(store.guess_emailed_code(&username, &sign_in_id(number + 100), NOW));
    }
    if let Ok(Some(first)) = store.account(&account(1).id, NOW).await {
        let password = Secret::Password { rehashed: None };
        ask!(prove_first(store, &first, password, &sign_in_id(30), Factor::Password));
    }
    ask!(store.guess_pending_phone(&session(1).id, &phone(2).id, NOW));
    ask!(store.guess_pending_authenticator(&session(1).id, NOW));
    read
}

/// The same, where nothing fails.
async fn all_read(tables: &Tables) -> Vec<String> {
    let read = read(tables).await.into_iter();
    read.enumerate().map(|(nth, read)| read.unwrap_or_else(|error| panic!("{nth}: {error}"))).collect()
}

/// The tables as they were filled by the release.
async fn filled(release: &Value) -> Tables {
    let tables = Tables::new().await;
    for record in release["records"].as_array().unwrap() {
        tables.put(table(record), item_of(&record["item"])).await;
    }
    tables
}

fn table(record: &Value) -> &str {
    record["table"].as_str().unwrap()
}

#[tokio::test]
async fn what_is_written_is_what_the_release_says() {
    let tables = everything().await;
    let records: Vec<Value> = tables
        .contents()
        .await
        .into_iter()
        .map(|((table, _, _), item)| json!({ "table": table, "item": members(&item) }))
        .collect();
    let written = json!({ "writes": WRITES, "reads": READS, "knows": knows(), "records": records });
    if written != release(NOW_RELEASED) {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("release.json");
        std::fs::write(&path, text(&written)).unwrap();
        panic!(
            "other records are written than the release has: see README, \"Records\", and {}",
            path.display()
        );
    }
}

/// A record a line, so that a change of one is a change of its line.
fn text(release: &Value) -> String {
    let head = ["writes", "reads", "knows"].map(|name| format!("\"{name}\": {},\n", release[name]));
    let records: Vec<String> = release["records"].as_array().unwrap().iter().map(Value::to_string).collect();
    format!("{{\n{}\"records\": [\n{}\n]\n}}\n", head.concat(), records.join(",\n"))
}

#[tokio::test]
async fn what_the_release_before_wrote_is_read() {
    let (before, now) = (filled(&release(BEFORE)).await, everything().await);
    // Where this release makes more of a record than is in it, that is said here.
    for (before, now) in all_read(&before).await.iter().zip(all_read(&now).await) {
        assert_eq!(*before, now);
    }
}

/// By its rules: it needs what each of its records of a kind has, of the same type, looks past what it does not know, and
/// knows so many values of an enumeration.
#[tokio::test]
async fn the_release_before_reads_what_is_written() {
    let before = release(BEFORE);
    assert!(
        u64::from(WRITES) <= before["reads"].as_u64().unwrap(),
        "the release before does not read this form"
    );
    for (name, values) in knows() {
        let known = before["knows"][&name].as_array().unwrap().clone();
        let new = values.as_array().unwrap().iter().find(|value| !known.contains(value));
        assert_eq!(new, None, "{name}: the release before does not know this value");
    }
    let shapes = shapes(&before);
    let mut complaints = Vec::new();
    for ((table, pk, sk), item) in everything().await.contents().await {
        let kind = kind(table, &pk, &sk);
        // One that it has no name for is looked past.
        let Some(shape) = shapes.get(&kind) else { continue };
        shape.judge(&kind, &json!({ "M": members(&item) }), &mut complaints);
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[tokio::test]
async fn every_record_says_the_version_of_its_form() {
    for (key, item) in everything().await.contents().await {
        assert_eq!(item.get("v"), Some(&AttributeValue::N(WRITES.to_string())), "{key:?}");
    }
}

#[tokio::test]
async fn what_a_later_release_adds_is_looked_past() {
    let plain = everything().await;
    let expected = all_read(&plain).await;
    let tables = everything().await;
    for ((table, _, _), mut item) in tables.contents().await {
        item.insert("later".to_owned(), AttributeValue::S("unknown".to_owned()));
        tables.put(table, item).await;
    }
    assert_eq!(all_read(&tables).await, expected);
}

/// Read by nobody: that they are there is all that they say. Or what they limit is open, as if they were not.
const NEVER_READ: [&str; 7] = ["CALL", "CREDENTIAL", "LIMIT", "LOCKED", "SPENT", "IDEMPOTENCY", "EMAIL"];

#[tokio::test]
async fn a_form_of_a_later_release_is_refused() {
    let tables = everything().await;
    let later = AttributeValue::N((READS + 1).to_string());
    let mut refused = BTreeSet::new();
    let before = tables.contents().await;
    let mut kinds: BTreeMap<String, (&str, Item)> = BTreeMap::new();
    for ((table, pk, sk), item) in &before {
        kinds.entry(kind(table, pk, sk)).or_insert((table, item.clone()));
    }
    for (kind, (table, item)) in &kinds {
        let mut newer = item.clone();
        newer.insert("v".to_owned(), later.clone());
        tables.put(table, newer).await;
        for error in read(&tables).await.into_iter().filter_map(Result::err) {
            match error {
                StoreError::Newer { version, .. } => {
                    assert_eq!(version, READS + 1);
                    assert!(!error.retryable());
                    refused.insert(kind.clone());
                }
                other => panic!("{kind}: {other}"),
            }
        }
        tables.put(table, item.clone()).await;
    }
    let unread = kinds.keys().filter(|kind| !refused.contains(*kind));
    for kind in unread {
        assert!(NEVER_READ.iter().any(|never| kind.split(' ').any(|part| part.starts_with(never))), "{kind}");
    }
}

/// The values that this release writes, of each enumeration that a record holds one of.
fn knows() -> Map<String, Value> {
    // A new one is first read, and by the release after written. What is not matched here breaks the build.
    let what_is_written = |what: What| match what {
        What::AccountRegistered
        | What::SignedIn
        | What::PasskeyAdded
        | What::PasskeyRenamed
        | What::PasskeyRemoved
        | What::PasskeyCounterRefused
        | What::RecoveryCodeIssued
        | What::RecoveryCodeDownloaded
        | What::RecoveryCodeLocked
        | What::RecoveryCodeDisabled
        | What::EmailCodeLocked
        | What::EmailCodeDisabled
        | What::Recovered
        | What::SessionEnded
        | What::PasswordSet
        | What::PasswordChanged
        | What::PasswordLocked
        | What::PasswordDisabled
        | What::PhoneAdded
        | What::PhoneRemoved
        | What::PhoneLocked
        | What::PhoneDisabled
        | What::AuthenticatorAdded
        | What::AuthenticatorReplaced
        | What::AuthenticatorRemoved
        | What::AuthenticatorLocked
        | What::AuthenticatorDisabled => json!(what),
    };
    let line = |line: LineType| match line {
        LineType::Mobile | LineType::Landline | LineType::Voip | LineType::Unknown => json!(line),
    };
    let lines = [LineType::Mobile, LineType::Landline, LineType::Voip, LineType::Unknown];
    let channel = |channel: Channel| match channel {
        Channel::Text | Channel::Call => json!(channel),
    };
    let origin = |origin: Origin| match origin {
        Origin::Registration | Origin::SignIn | Origin::Recovery => json!(origin),
    };
    let values: [(&str, Vec<Value>); 4] = [
        ("channel", [Channel::Text, Channel::Call].map(channel).into()),
        ("line_type", lines.map(line).into()),
        ("origin", [Origin::Registration, Origin::SignIn, Origin::Recovery].map(origin).into()),
        ("what", What::ALL.map(what_is_written).into()),
    ];
    values.into_iter().map(|(name, values)| (name.to_owned(), values.into())).collect()
}

/// What records of a kind have in common, and how they differ.
#[derive(Debug, Default)]
struct Shape {
    seen: usize,
    types: BTreeSet<String>,
    members: BTreeMap<String, Shape>,
}

impl Shape {
    fn learn(&mut self, value: &Value) {
        self.seen += 1;
        let (kind, inner) = typed(value);
        self.types.insert(kind.to_owned());
        for (name, member) in inner {
            self.members.entry(name).or_default().learn(member);
        }
    }

    /// What of `value` a reader that learnt this cannot do with.
    fn judge(&self, path: &str, value: &Value, complaints: &mut Vec<String>) {
        let (kind, inner) = typed(value);
        if !self.types.contains(kind) {
            complaints.push(format!("{path}: is {kind}, and was {:?}", self.types));
        }
        let there: BTreeSet<&String> = inner.iter().map(|(name, _)| name).collect();
        if kind == "M" {
            let needed = self.members.iter().filter(|(_, member)| member.seen >= self.seen);
            let missing = needed.filter(|(name, _)| !there.contains(name));
            complaints.extend(missing.map(|(name, _)| format!("{path}: lacks {name}")));
        }
        for (name, member) in &inner {
            if let Some(shape) = self.members.get(name) {
                shape.judge(&format!("{path}.{name}"), member, complaints);
            }
        }
    }
}

/// The type of a value, and what is in it: the members by name, those of a list all by one.
fn typed(value: &Value) -> (&str, Vec<(String, &Value)>) {
    let (kind, inner) = value.as_object().unwrap().iter().next().unwrap();
    let inner = match (kind.as_str(), inner) {
        ("M", Value::Object(members)) => members.iter().map(|(name, it)| (general(name), it)).collect(),
        ("L", Value::Array(items)) => items.iter().map(|it| ("[]".to_owned(), it)).collect(),
        _ => Vec::new(),
    };
    (kind, inner)
}

/// The name of an attribute without the sign-in or the number that it is of.
fn general(name: &str) -> String {
    match name.split_once('_') {
        Some((head @ ("code" | "before"), _)) => format!("{head}_*"),
        _ => name.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned(),
    }
}

fn shapes(release: &Value) -> BTreeMap<String, Shape> {
    let mut shapes: BTreeMap<String, Shape> = BTreeMap::new();
    for record in release["records"].as_array().unwrap() {
        let key = |name: &str| record["item"][name]["S"].as_str().unwrap_or_default();
        let kind = kind(table(record), key("pk"), key("sk"));
        shapes.entry(kind).or_default().learn(&json!({ "M": record["item"] }));
    }
    shapes
}

/// The table and the keys, without what they are of: `Attempts LIMIT#NUMBER`, `Accounts acc PASSKEY`.
fn kind(table: &str, pk: &str, sk: &str) -> String {
    let head = |key: &str| match key.split_once('#') {
        Some(("LIMIT", rest)) => format!("LIMIT#{}", rest.split('#').next().unwrap()),
        Some((head, _)) => head.to_owned(),
        None => key.split('_').next().unwrap().to_owned(),
    };
    format!("{table} {} {}", head(pk), head(sk)).trim_end().to_owned()
}

fn members(item: &Item) -> Value {
    let members: BTreeMap<&String, Value> = item.iter().map(|(name, value)| (name, json_of(value))).collect();
    json!(members)
}

/// As the service's own JSON has it.
fn json_of(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::B(bytes) => json!({ "B": STANDARD.encode(bytes) }),
        AttributeValue::Bool(value) => json!({ "BOOL": value }),
        AttributeValue::Null(value) => json!({ "NULL": value }),
        AttributeValue::L(items) => json!({ "L": items.iter().map(json_of).collect::<Vec<_>>() }),
        AttributeValue::M(item) => json!({ "M": members(item) }),
        other => panic!("{other:?}"),
    }
}

fn item_of(members: &Value) -> Item {
    members.as_object().unwrap().iter().map(|(name, value)| (name.clone(), value_of(value))).collect()
}

fn value_of(value: &Value) -> AttributeValue {
    let (kind, inner) = value.as_object().unwrap().iter().next().unwrap();
    let text = || inner.as_str().unwrap().to_owned();
    match kind.as_str() {
        "S" => AttributeValue::S(text()),
        "N" => AttributeValue::N(text()),
        "B" => AttributeValue::B(STANDARD.decode(text()).unwrap().into()),
        "BOOL" => AttributeValue::Bool(inner.as_bool().unwrap()),
        "NULL" => AttributeValue::Null(inner.as_bool().unwrap()),
        "L" => AttributeValue::L(inner.as_array().unwrap().iter().map(value_of).collect()),
        "M" => AttributeValue::M(item_of(inner)),
        other => panic!("{other}"),
    }
}

#[test]
fn what_a_reader_needs_is_missed() {
    let text = |text: &str| json!({ "S": text });
    let record = |members: Value| json!({ "M": members });
    let mut shape = Shape::default();
    shape.learn(&record(
        json!({ "a": text("x"), "sometimes": text("y"), "code_01": record(json!({ "tag": text("") })) }),
    ));
    shape.learn(&record(json!({ "a": text("x"), "code_02": record(json!({ "tag": text("") })) })));
    let judged = |members: Value| {
        let mut complaints = Vec::new();
        shape.judge("R", &record(members), &mut complaints);
        complaints
    };
    let code = || record(json!({ "tag": text("z"), "more": text("") }));
    assert_eq!(judged(json!({ "a": text("z"), "code_ff": code(), "new": text("") })), Vec::<String>::new());
    assert_eq!(judged(json!({ "code_ff": code() })), ["R: lacks a"]);
    assert_eq!(judged(json!({ "a": { "N": "1" }, "code_ff": code() })), ["R.a: is N, and was {\"S\"}"]);
    assert_eq!(judged(json!({ "a": text(""), "code_ff": record(json!({})) })), ["R.code_*: lacks tag"]);
    assert_eq!(
        judged(json!({ "a": text(""), "code_ff": code(), "sometimes": { "NULL": true } })),
        ["R.sometimes: is NULL, and was {\"S\"}"]
    );
}
