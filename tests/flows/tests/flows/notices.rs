//! What happened to an account is told on every channel that it has, and goes on being told until it was.

use flows::{HandMade, PASSWORD, Person, Run, landline, mobile, somebody, with_phone};
use serde_json::json;

use crate::faults::{eventually, settled};

async fn letters_to(run: &Run, person: &Person, subject: &str) -> usize {
    let subject = format!("Subject: {subject}\n");
    let letters = run.messages_to(&person.email).await;
    letters.iter().filter(|letter| letter["body"].as_str().unwrap().starts_with(&subject)).count()
}

async fn texts_to(run: &Run, number: &str, what: &str) -> usize {
    run.notices_to(number).await.iter().filter(|text| text.contains(what)).count()
}

/// The address and each phone that takes texts, once each.
async fn told(run: &Run, person: &Person, numbers: &[String], what: &str) {
    for number in numbers {
        eventually(&format!("{number} was told: {what}"), async || {
            (texts_to(run, number, what).await == 1).then_some(())
        })
        .await;
    }
    eventually(&format!("a letter came: {what}"), async || {
        (letters_to(run, person, what).await == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_channel_is_told_of_changes_looks_locks_and_recoveries() {
    let run = Run::unlimited().await;
    let numbers = [mobile(0), mobile(1)];
    let mut person = with_phone(&run, &numbers[0]).await;
    person.add_phone(&numbers[1], "text").await;
    person.add_phone(&landline(0), "call").await;
    settled(&run).await;
    run.delete("/dev/messages").send().await.expect(204);

    person.enrol(HandMade::new(&run.origin)).await;
    told(&run, &person, &numbers, "A passkey was added").await;
    person.set_password("seven slow lanterns / 1 canal").await.expect(200);
    told(&run, &person, &numbers, "Your password was changed").await;
    let code = person.take_code().await;
    told(&run, &person, &numbers, "A new recovery code").await;
    told(&run, &person, &numbers, "Your recovery code was shown").await;
    for _ in 0..5 {
        let body = json!({ "username": person.username, "password": "a wrong guess at it" });
        run.post("/v1/sign-in/password", &body).send().await.expect(401);
        let body = json!({ "username": person.username, "code": "0000-0000-0000-0000" });
        run.post("/v1/recovery/code", &body).send().await.expect(401);
    }
    told(&run, &person, &numbers, "Wrong passwords").await;
    told(&run, &person, &numbers, "Wrong recovery codes").await;
    person.signed_out().sign_in().await.expect(200);
    let body = json!({ "username": person.username, "code": code });
    person.post("/v1/recovery/code", &body).await.expect(200);
    told(&run, &person, &numbers, "Your account was recovered").await;
    // A landline is not called about it; and no notice holds a secret.
    let messages = run.messages().await;
    let calls = messages.iter().filter(|message| message["to"] == landline(0).as_str());
    assert_eq!(calls.count(), 0, "{messages:#?}");
    let digits = code.replace('-', "");
    for message in &messages {
        let body = message["body"].as_str().unwrap();
        for secret in [&code, &digits, &numbers[0][2..].to_owned(), &PASSWORD.to_owned()] {
            assert!(!body.contains(secret.as_str()), "{body}");
        }
    }
}

/// Whoever takes a phone away cannot keep its owner from knowing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_that_is_removed_is_told() {
    let run = Run::unlimited().await;
    let (gone, kept) = (mobile(2), mobile(3));
    let mut person = with_phone(&run, &gone).await;
    let id = person.account().await["methods"]["phones"][0]["id"].as_str().unwrap().to_owned();
    person.add_phone(&kept, "text").await;
    person.delete(&format!("/v1/account/phones/{id}")).await.expect(204);
    told(&run, &person, &[gone, kept], "A phone was removed").await;
    // What is told to it is not shown.
    let activity = person.get("/v1/account/activity").await.expect(200).json();
    assert!(!activity.to_string().contains("55501"), "{activity:#}");
    let events = run.events().await;
    assert!(events.iter().all(|event| !event.to_string().contains("55501")), "{events:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_accounts_language() {
    let run = Run::unlimited().await;
    let mut person = Person { password: PASSWORD.to_owned(), ..somebody(&run) };
    let body = json!({
        "username": person.username, "email": person.email, "password": PASSWORD, "locale": "es-PR"
    });
    person.post("/v1/accounts", &body).await.expect(201);
    let number = mobile(4);
    person.add_phone(&number, "text").await;
    told(&run, &person, &[number], "Hay un tel\u{e9}fono nuevo").await;
}

/// A channel that fails holds up no other, and one that was told is not told again for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_failed_on_one_channel_is_told_there_alone() {
    let run = Run::unlimited().await;
    let number = mobile(5);
    let mut person = with_phone(&run, &number).await;
    for (kind, service, operation, after) in [
        ("error", "sns", "Publish", 1),
        ("throttled", "sns", "Publish", 1),
        ("timeout", "ses", "SendEmail", 0),
        ("error", "ses", "SendEmail", 0),
        ("error", "dynamodb", "GetItem", 2),
    ] {
        settled(&run).await;
        run.delete("/dev/messages").send().await.expect(204);
        // Of `sns` the topic is first; of `dynamodb` the two steps themselves.
        let fault = json!([{
            "service": service, "operation": operation, "after": after, "times": 1, "kind": kind
        }]);
        run.faults(&fault).await;
        person.enrol(HandMade::new(&run.origin)).await;
        told(&run, &person, std::slice::from_ref(&number), "A passkey was added").await;
        settled(&run).await;
        let counts = (
            texts_to(&run, &number, "A passkey was added").await,
            letters_to(&run, &person, "A passkey was added").await,
        );
        assert_eq!(counts, (1, 1), "{service} {operation} {kind}");
        run.faults(&json!([])).await;
    }
}
