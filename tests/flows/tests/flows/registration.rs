//! Registering: names, repetitions, races, and accounts that are forgotten.

use std::collections::BTreeSet;

use flows::{Answer, Call, HandMade, Person, Portal, Run, registered};
use futures_util::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};

const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);

fn register(portal: &Portal, username: &str) -> Call {
    portal.post("/v1/accounts", &json!({ "username": username, "email": "someone@clinic.example" }))
}

fn with_email(portal: &Portal, username: &str, email: &str) -> Call {
    portal.post("/v1/accounts", &json!({ "username": username, "email": email }))
}

#[track_caller]
fn id(answer: &Answer) -> String {
    answer.json()["account"]["id"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usernames() {
    let run = Run::frozen().await;
    let bad: &[&str] = &[
        "",
        "ab",
        &"a".repeat(65),
        " abc",
        "abc ",
        "a b",
        "abc\n",
        "abc\0",
        "abc!",
        "a/b",
        "dr@clinic",
        "dr%20x",
        "über",
        "ａｂｃ",
        // KELVIN SIGN and LONG S become ASCII letters when their case is folded.
        "\u{212a}elvin",
        "mi\u{17f}s",
        "abc\u{200b}",
        "а-cyrillic",
    ];
    for username in bad {
        let answer = register(&run, username).send().await.problem(422, "invalid_username");
        assert_eq!(answer.cookie(), None, "{username:?}");
    }
    for (username, kept) in [
        ("abc", "abc"),
        ("A.b_c-9", "a.b_c-9"),
        (&*"z".repeat(64), &*"z".repeat(64)),
        ("...", "..."),
        ("DR.RIVERA", "dr.rivera"),
    ] {
        let answer = register(&run, username).send().await.expect(201);
        assert_eq!(answer.json()["account"]["username"], kept);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn emails() {
    let run = Run::frozen().await;
    let bad: &[&str] = &[
        "",
        "a",
        "a@",
        "@b.example",
        "a b@c.example",
        "a@b..example",
        "a@-b.example",
        "a@b.example\n",
        "a@b.example\r\nBcc: c@d.example",
        "a@b.example,c@d.example",
        "Name <a@b.example>",
        "a@@b.example",
        " a@b.example",
        "a@b.example ",
        "a\0@b.example",
        &format!("{}@b.example", "a".repeat(65)),
        &format!("a@{}.example", "b.".repeat(130)),
    ];
    for email in bad {
        with_email(&run, "somebody", email).send().await.problem(422, "invalid_email");
    }
    let good = ["a@b.example", "first.last+tag@sub.clinic.example", "o'neil@clinic.example", "A@B.example"];
    for (nth, email) in good.into_iter().enumerate() {
        let answer = with_email(&run, &format!("good-{nth}"), email).send().await.expect(201);
        assert_eq!(answer.json()["account"]["email"], email);
    }
    // Emails need not be unique.
    with_email(&run, "second", "a@b.example").send().await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locales() {
    let run = Run::frozen().await;
    for (nth, locale) in ["en-US", "es"].into_iter().enumerate() {
        let body = json!({ "username": format!("speaks-{nth}"), "email": "a@b.example", "locale": locale });
        run.post("/v1/accounts", &body).send().await.expect(201);
    }
    for locale in
        [json!("not a locale"), json!(""), json!(null), json!(1), json!(["en"]), json!("x".repeat(100))]
    {
        let body = json!({ "username": "speaks-none", "email": "a@b.example", "locale": locale });
        let answer = run.post("/v1/accounts", &body).send().await;
        assert!(matches!(answer.status, 400 | 422), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_taken_in_every_spelling() {
    let run = Run::frozen().await;
    register(&run, "dr.rivera").send().await.expect(201);
    for spelling in ["dr.rivera", "DR.RIVERA", "Dr.Rivera", "dr.riverA"] {
        let answer = register(&run, spelling).send().await.problem(409, "username_taken");
        assert_eq!(answer.cookie(), None);
    }
    register(&run, "dr-rivera").send().await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_request_is_one_request() {
    let run = Run::frozen().await;
    let key = "k".repeat(64);
    let first = register(&run, "repeated").header("idempotency-key", &key).send().await.expect(201);
    run.hold(run.t0() + SignedDuration::from_mins(10) - MILLISECOND).await;
    let second = register(&run, "repeated").header("idempotency-key", &key).send().await.expect(201);
    assert_eq!(id(&first), id(&second));
    assert_eq!(first.json()["status"], second.json()["status"]);
    assert_ne!(first.new_session(), second.new_session());
    for answer in [&first, &second] {
        let account = run.get("/v1/account").session(&answer.new_session()).send().await.expect(200).json();
        assert_eq!(account["id"], id(&first));
    }
    let others = [
        json!({ "username": "another", "email": "someone@clinic.example" }),
        json!({ "username": "repeated", "email": "another@clinic.example" }),
        json!({ "username": "repeated", "email": "someone@clinic.example", "locale": "es" }),
    ];
    for other in others {
        let answer = run.post("/v1/accounts", &other).header("idempotency-key", &key).send().await;
        let answer = answer.problem(422, "idempotency_key_reused");
        assert_eq!(answer.cookie(), None);
    }
    // Neither request made an account.
    register(&run, "another").send().await.expect(201);

    // Ten minutes after the first it is a new request.
    run.hold(run.t0() + SignedDuration::from_mins(10)).await;
    register(&run, "repeated").header("idempotency-key", &key).send().await.problem(409, "username_taken");
    let third = register(&run, "a-third").header("idempotency-key", &key).send().await.expect(201);
    let fourth = register(&run, "a-third").header("idempotency-key", &key).send().await.expect(201);
    assert_eq!(id(&third), id(&fourth));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_has_up_to_64_characters() {
    let run = Run::frozen().await;
    for (nth, key) in ["k".repeat(65), "k".repeat(4000), "é".to_owned()].into_iter().enumerate() {
        let call = register(&run, &format!("key-{nth}")).header("idempotency-key", &key);
        call.send().await.problem(400, "bad_request");
        register(&run, &format!("key-{nth}")).send().await.expect(201);
    }
    register(&run, "short-key").header("idempotency-key", "k").send().await.expect(201);
}

/// What was refused is not remembered under the key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_request_spends_no_key() {
    let run = Run::frozen().await;
    register(&run, "taken").send().await.expect(201);
    let keyed = |username: &str| register(&run, username).header("idempotency-key", "again").send();
    keyed("x").await.problem(422, "invalid_username");
    keyed("taken").await.problem(409, "username_taken");
    keyed("taken").await.problem(409, "username_taken");
    keyed("not-taken").await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_at_once_under_one_key_are_one_account() {
    let run = Run::start().await;
    let calls = (0..50).map(|_| register(&run, "at-once").header("idempotency-key", "one").send());
    let answers = join_all(calls).await;
    for answer in &answers {
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    assert_eq!(answers.iter().map(id).collect::<BTreeSet<_>>().len(), 1);
    let sessions: BTreeSet<String> = answers.iter().map(Answer::new_session).collect();
    assert_eq!(sessions.len(), 50);
    for session in &sessions {
        run.get("/v1/account").session(session).send().await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_at_once_for_one_name_one_gets_it() {
    let run = Run::start().await;
    let spell = |nth: usize| if nth.is_multiple_of(2) { "wanted" } else { "WANTED" };
    let answers = join_all((0..50).map(|nth| register(&run, spell(nth)).send())).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1, "{answers:?}");
    for answer in answers.into_iter().filter(|answer| answer.status != 201) {
        answer.problem(409, "username_taken");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_different_requests_at_once_under_one_key_one_is_the_request() {
    let run = Run::start().await;
    let calls =
        (0..50).map(|nth| register(&run, &format!("one-of-{nth}")).header("idempotency-key", "one").send());
    let answers = join_all(calls).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1, "{answers:?}");
    for answer in answers.into_iter().filter(|answer| answer.status != 201) {
        answer.problem(422, "idempotency_key_reused");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_name_goes_to_one_of_those_who_ask_for_it() {
    let run = Run::frozen().await;
    register(&run, "wanted-again").send().await.expect(201);
    run.hold(run.t0() + SignedDuration::from_hours(24)).await;
    let answers = join_all((0..20).map(|_| register(&run, "wanted-again").send())).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1, "{answers:?}");
    for answer in answers.into_iter().filter(|answer| answer.status != 201) {
        answer.problem(409, "username_taken");
    }
}

/// At the last moment the first owner enrols and keeps the account, or the name goes on; never both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_kept_or_forgotten_and_never_both() {
    let run = Run::frozen().await;
    let body = json!({ "username": "last-moment", "email": "first@clinic.example" });
    run.post("/v1/accounts", &body).send().await.expect(201);
    // Its first session idles out; the way back is none. So the name goes on.
    run.hold(run.t0() + SignedDuration::from_hours(24)).await;
    let mut second = Person { session: String::new(), ..registered(&run).await };
    second.post("/v1/accounts", &body).await.expect(201);
    second.enrol(HandMade::new(&run.origin)).await;
    run.hold(run.t0() + SignedDuration::from_hours(48)).await;
    register(&run, "last-moment").send().await.problem(409, "username_taken");
    second.sign_in().await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_without_a_method_is_forgotten_after_a_day() {
    let run = Run::frozen().await;
    let day = SignedDuration::from_hours(24);
    let first = register(&run, "forgotten").send().await.expect(201);
    // A recovery code is no method.
    let mut with_code = registered(&run).await;
    with_code.take_code().await;
    let mut kept = registered(&run).await;
    kept.enrol(HandMade::new(&run.origin)).await;

    run.hold(run.t0() + day - MILLISECOND).await;
    register(&run, "forgotten").send().await.problem(409, "username_taken");
    register(&run, &with_code.username).send().await.problem(409, "username_taken");

    run.hold(run.t0() + day).await;
    let second = register(&run, "forgotten").send().await.expect(201);
    assert_ne!(id(&first), id(&second));
    let again = register(&run, &with_code.username).send().await.expect(201);
    assert_eq!(again.json()["account"]["recovery_code"], Value::Null);
    register(&run, &kept.username).send().await.problem(409, "username_taken");
    kept.sign_in().await.expect(200);
    run.hold(run.t0() + day * 400).await;
    register(&run, &kept.username).send().await.problem(409, "username_taken");
    kept.sign_in().await.expect(200);
}

/// The first owner's session begun late does not see the second owner's account, and cannot enrol.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_account_is_over_for_its_sessions() {
    let run = Run::frozen().await;
    let body = json!({ "username": "given-up", "email": "first@clinic.example" });
    let day = SignedDuration::from_hours(24);
    run.post("/v1/accounts", &body).send().await.expect(201);
    // The only way to a session near the end of the day is the registration itself, used on.
    let mut first = registered(&run).await;
    let mut key = HandMade::new(&run.origin);
    run.hold(run.t0() + day).await;
    first.get("/v1/account").await.problem(401, "not_signed_in");
    let mut second = Person { session: String::new(), ..first.clone() };
    let again = json!({ "username": first.username, "email": "second@clinic.example" });
    second.post("/v1/accounts", &again).await.expect(201);
    let enrolment = second.enrolment(&mut key).await;
    first.post("/v1/account/passkeys", &enrolment).await.problem(401, "not_signed_in");
    second.post("/v1/account/passkeys", &enrolment).await.expect(201);
}
