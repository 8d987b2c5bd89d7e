//! What each step calls, counted: a person waits for every one of them.

use flows::{
    Answer, App, HandMade, PASSWORD, Person, Run, another_code, mobile, set_up, somebody, with_app,
    with_phone,
};
use serde_json::{Value, json};

use crate::faults::{OPERATIONS, calls, settled};

/// The calls beside those of [`OPERATIONS`] that send, or ask about a number.
const MESSAGES: [(&str, &str); 5] = [
    ("sns", "Publish"),
    ("sns", "CheckIfPhoneNumberIsOptedOut"),
    ("ses", "SendEmail"),
    ("smsvoice", "CarrierLookup"),
    ("smsvoice", "SendVoiceMessage"),
];

/// What `step` calls, sorted, each as often as it does; and its answer.
///
/// `tells`: it is told of to the owner, which calls on its own. Then `sns` fails, and that ends before it begins.
async fn made(run: &Run, tells: bool, step: impl Future<Output = Answer>) -> (Answer, Vec<&'static str>) {
    // What could not be told before is told first: each request hands it on again.
    run.get("/v1/policy").send().await.expect(200);
    settled(run).await;
    if tells {
        run.faults(&json!([{ "service": "sns", "operation": "Publish", "kind": "error" }])).await;
    }
    let counted = || -> Vec<(&str, u64)> {
        let all = OPERATIONS.iter().chain(&MESSAGES).filter(|(service, _)| !(tells && *service == "sns"));
        all.map(|(service, operation)| (*operation, calls(run, service, operation))).collect()
    };
    let before = counted();
    let answer = step.await;
    let after = counted();
    run.faults(&json!([])).await;
    let mut made = Vec::new();
    for ((operation, before), (_, after)) in before.into_iter().zip(after) {
        for _ in before..after {
            made.push(operation);
        }
    }
    made.sort_unstable();
    (answer, made)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_by_password_and_phone() {
    let run = Run::unlimited().await;
    let number = mobile(0);
    let mut known = with_phone(&run, &number).await;
    // What is known by the name is brought up to date by the first sign-in after a change.
    known.sign_in_by("text").await.expect(200);
    run.wait(30).await;
    // And `voice-call` opens its keyring.
    somebody(&run).send_code("call").await.expect(202);
    let mut nobody = Person { password: PASSWORD.to_owned(), ..somebody(&run) };
    let mut person = known.signed_out();
    "a wrong guess at it".clone_into(&mut person.password);
    for who in [&mut person, &mut nobody] {
        let (answer, calls) = made(&run, false, who.by_password()).await;
        answer.problem(401, "wrong_credentials");
        assert_eq!(calls, ["UpdateItem"]);
    }
    PASSWORD.clone_into(&mut person.password);
    let (answer, calls) = made(&run, false, person.by_password()).await;
    let next = answer.expect(200).json();
    assert_eq!(calls, ["TransactWriteItems", "UpdateItem"]);

    let (answer, calls) = made(&run, false, person.send_code_in(&next["sign_in"], "text")).await;
    let sent = answer.expect(202).json();
    assert_eq!(calls, ["GetItem", "Publish", "TransactWriteItems"]);
    let (answer, calls) = made(&run, false, nobody.send_code("text")).await;
    let sent_to_nobody = answer.expect(202).json();
    assert_eq!(calls, ["GetItem", "Publish", "TransactWriteItems"]);
    let code = run.code_to(&number).await;
    let wrong = another_code(&code);
    for sign_in in [&sent["sign_in"], &sent_to_nobody["sign_in"]] {
        let (answer, calls) = made(&run, false, person.verify(sign_in, &wrong)).await;
        answer.problem(401, "wrong_credentials");
        assert_eq!(calls, ["UpdateItem"]);
    }
    let (answer, calls) = made(&run, true, person.verify(&sent["sign_in"], &code)).await;
    answer.expect(200);
    assert_eq!(calls, ["TransactWriteItems", "UpdateItem"]);

    // The other way round.
    run.wait(30).await;
    let mut person = known.signed_out();
    let (answer, calls) = made(&run, false, person.send_code("text")).await;
    let sent = answer.expect(202).json();
    assert_eq!(calls, ["GetItem", "Publish", "TransactWriteItems"]);
    let code = run.code_to(&number).await;
    let (answer, calls) = made(&run, false, person.verify(&sent["sign_in"], &code)).await;
    let next = answer.expect(200).json();
    assert_eq!(calls, ["TransactWriteItems", "UpdateItem"]);
    let body = json!({ "sign_in": next["sign_in"], "password": PASSWORD });
    let (answer, calls) = made(&run, true, person.post("/v1/sign-in/password", &body)).await;
    answer.expect(200);
    assert_eq!(calls, ["TransactWriteItems", "UpdateItem"]);

    // A call is the same for whoever asks; that it is placed is another function's.
    run.wait(30).await;
    let (answer, calls) = made(&run, false, known.signed_out().send_code("call")).await;
    answer.expect(202);
    assert_eq!(
        calls,
        ["GetItem", "Publish", "PutItem", "SendVoiceMessage", "TransactWriteItems"],
        "its own three, and two by `voice-call`"
    );
}

/// A wrong code is one call, a right one two, whoever has the name and wherever in a sign-in it comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_by_a_code_of_the_app() {
    let run = Run::unlimited().await;
    let number = mobile(4);
    let mut known = with_app(&run, &number).await;
    known.set_password(PASSWORD).await.expect(200);
    // What is known by the name is brought up to date by the first sign-ins after a change, and the keys are opened.
    let code = known.app_code().await;
    let next = known.signed_out().by_app(&code).await.expect(200).json();
    known.signed_out().prove_phone(&next["sign_in"], "text").await.expect(200);
    known.signed_out().by_password().await.expect(200);
    run.wait(30).await;
    let mut person = known.signed_out();
    let code = known.app_code().await;
    let (answer, calls) = made(&run, false, somebody(&run).by_app(&code)).await;
    answer.problem(401, "wrong_credentials");
    assert_eq!(calls, ["UpdateItem"]);
    let (answer, calls) = made(&run, false, person.by_app(&code)).await;
    let next = answer.expect(200).json();
    assert_eq!(calls, ["TransactWriteItems", "UpdateItem"]);
    // Used: as wrong as any other.
    let (answer, calls) = made(&run, false, person.by_app_in(&next["sign_in"], &code)).await;
    answer.problem(401, "wrong_credentials");
    assert_eq!(calls, ["UpdateItem"]);
    run.wait(30).await;
    let next = person.by_password().await.expect(200).json();
    let code = known.app_code().await;
    let (answer, calls) = made(&run, true, person.by_app_in(&next["sign_in"], &code)).await;
    assert_eq!(answer.expect(200).json()["status"], Value::from("signed_in"));
    assert_eq!(calls, ["TransactWriteItems", "UpdateItem"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_the_app() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    let (answer, calls) = made(&run, false, person.begin_app()).await;
    let begun = answer.expect(201).json();
    assert_eq!(calls, ["GetItem", "PutItem", "Query"]);
    let code = App::scan(begun["uri"].as_str().unwrap()).code_at(run.t0()).await;
    let wrong = another_code(&code);
    let (answer, calls) = made(&run, false, person.confirm_app(&wrong)).await;
    answer.problem(401, "wrong_credentials");
    assert_eq!(calls, ["GetItem", "Query", "UpdateItem"]);
    let (answer, calls) = made(&run, true, person.confirm_app(&code)).await;
    answer.expect(200);
    assert_eq!(calls, ["GetItem", "Query", "TransactWriteItems", "UpdateItem"]);
    let (answer, calls) = made(&run, true, person.delete("/v1/account/authenticator")).await;
    answer.expect(204);
    assert_eq!(calls, ["GetItem", "Query", "TransactWriteItems"]);
}

/// The guess that locks is told of, by one write more, whoever has the name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guess_that_locks() {
    let run = Run::unlimited().await;
    let known = with_phone(&run, &mobile(1)).await;
    for who in [known.signed_out(), somebody(&run)] {
        let mut who = Person { password: "a wrong guess at it".to_owned(), ..who };
        for nth in 1..=6 {
            let (answer, calls) = made(&run, true, who.by_password()).await;
            let expected: (u16, &[&str]) = match nth {
                5 => (401, &["PutItem", "UpdateItem"]),
                6 => (429, &["UpdateItem"]),
                _ => (401, &["UpdateItem"]),
            };
            assert_eq!((answer.status, &*calls), expected, "guess {nth}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_password_and_phones() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    let body = json!({ "username": "counted", "email": "counted@clinic.example", "password": PASSWORD });
    let (answer, calls) = made(&run, true, run.post("/v1/accounts", &body).send()).await;
    answer.expect(201);
    assert_eq!(calls, ["TransactWriteItems"]);

    let (answer, calls) = made(&run, true, person.set_password(PASSWORD)).await;
    answer.expect(200);
    assert_eq!(calls, ["GetItem", "Query", "TransactWriteItems"]);
    let (answer, calls) = made(&run, true, person.set_password("seven slow lanterns / 1 canal")).await;
    answer.expect(200);
    // The guess at the one before is counted, and that it was right.
    assert_eq!(calls, ["GetItem", "Query", "TransactWriteItems", "UpdateItem", "UpdateItem"]);

    let number = mobile(2);
    let (answer, calls) = made(&run, false, person.begin_phone(&number, "text")).await;
    let pending = answer.expect(202).json();
    assert_eq!(
        calls,
        [
            "CarrierLookup",
            "CheckIfPhoneNumberIsOptedOut",
            "GetItem",
            "Publish",
            "Query",
            "TransactWriteItems",
            "UpdateItem"
        ]
    );
    let code = run.code_to(&number).await;
    let wrong = another_code(&code);
    let (answer, calls) = made(&run, false, person.confirm_phone(&pending["id"], &wrong)).await;
    answer.problem(401, "wrong_credentials");
    assert_eq!(calls, ["GetItem", "Query", "UpdateItem"]);
    let (answer, calls) = made(&run, true, person.confirm_phone(&pending["id"], &code)).await;
    answer.expect(200);
    assert_eq!(calls, ["GetItem", "Query", "TransactWriteItems", "UpdateItem"]);
    let path = format!("/v1/account/phones/{}", pending["id"].as_str().unwrap());
    let (answer, calls) = made(&run, true, person.delete(&path)).await;
    answer.expect(204);
    assert_eq!(calls, ["GetItem", "Query", "TransactWriteItems"]);
    // What the plan refuses asks nobody about the number.
    let (answer, calls) = made(&run, false, person.begin_phone("+1 800 555 0100", "call")).await;
    answer.problem(422, "invalid_phone");
    assert_eq!(calls, ["GetItem", "Query"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_by_code() {
    let run = Run::unlimited().await;
    let mut person = set_up(&run).await;
    let code = person.take_code().await;
    let redeem = |by: &str, value: &str, code: &str| {
        run.post("/v1/recovery/code", &json!({ by: value, "code": code }))
    };
    let wrong = "0000-0000-0000-0000";
    let nobody = somebody(&run);
    for (by, value) in [
        ("username", &person.username),
        ("email", &person.email),
        ("username", &nobody.username),
        ("email", &nobody.email),
    ] {
        for nth in 1..=6 {
            let (answer, calls) = made(&run, true, redeem(by, value, wrong).send()).await;
            let expected: (u16, &[&str]) = match nth {
                5 => (401, &["BatchGetItem", "GenerateMac", "PutItem", "TransactWriteItems"]),
                6 => (429, &["TransactWriteItems"]),
                _ => (401, &["BatchGetItem", "GenerateMac", "TransactWriteItems"]),
            };
            assert_eq!((answer.status, &*calls), expected, "{by} {value}, guess {nth}");
        }
    }
    run.wait(60).await;
    let right = || redeem("username", &person.username, &code).header("idempotency-key", "calls");
    let (answer, calls) = made(&run, true, right().send()).await;
    let recovered = answer.expect(200);
    assert_eq!(calls, ["BatchGetItem", "GenerateMac", "TransactWriteItems", "TransactWriteItems"]);
    let (answer, calls) = made(&run, true, right().send()).await;
    answer.expect(200);
    assert_eq!(calls, ["Query", "TransactWriteItems", "TransactWriteItems"]);

    // The account has changed since its code was last looked at.
    person.session = recovered.new_session();
    let code = person.take_code().await;
    person.enrol(HandMade::new(&run.origin)).await;
    let (answer, calls) = made(&run, true, redeem("email", &person.email, &code).send()).await;
    answer.expect(200);
    let expected = ["BatchGetItem", "GenerateMac", "Query"];
    assert_eq!((&calls[..3], &calls[3..]), (&expected[..], &["TransactWriteItems"; 3][..]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_by_email() {
    let run = Run::unlimited().await;
    run.hold("2025-02-07T12:00:00Z".parse().unwrap()).await;
    let (person, nobody) = (set_up(&run).await, somebody(&run));
    for who in [&nobody, &person] {
        let body = json!({ "username": who.username });
        let (answer, calls) = made(&run, true, run.post("/v1/recovery/email/send", &body).send()).await;
        let recovery = answer.expect(202).json()["recovery"].clone();
        assert_eq!(calls, ["BatchGetItem", "Query", "SendEmail", "TransactWriteItems"]);
        let verify = |code: String| {
            let body = json!({ "recovery": recovery, "code": code });
            run.post("/v1/recovery/email/verify", &body).send()
        };
        let (answer, calls) = made(&run, true, verify("000000".to_owned())).await;
        answer.problem(401, "wrong_credentials");
        assert_eq!(calls, ["UpdateItem"]);
        if who.username == person.username {
            let code = run.code_by_email(&person.email).await;
            let (answer, calls) = made(&run, true, verify(code)).await;
            answer.expect(200);
            assert_eq!(calls, ["TransactWriteItems", "UpdateItem"]);
        }
    }
}

/// A passkey's sign-in lifts locks on its way, and calls no more than before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passkey_sign_in() {
    let run = Run::frozen().await;
    let mut person = with_phone(&run, &mobile(3)).await;
    person.enrol(HandMade::new(&run.origin)).await;
    // The first opens the keys of tokens.
    person.sign_in().await.expect(200);
    let body = person.sign_in_body().await;
    let (answer, calls) = made(&run, true, person.post("/v1/sign-in/passkey", &body)).await;
    assert_eq!(answer.expect(200).json()["status"], Value::from("signed_in"));
    assert_eq!(calls, ["Query", "TransactWriteItems"]);
}
