//! An account of the old style lives through the notice's dates: each exact to the millisecond, whatever began before.

use flows::{HandMade, Person, Run, mobile, somebody, with_password, with_phone};
use jiff::{SignedDuration, Timestamp};
use postern_local::{Options, SEEDED_EMAIL, SEEDED_PASSWORD, SEEDED_USERNAME};
use serde_json::{Value, json};

const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn actions(account: &Value) -> Vec<&str> {
    let needed = account["action_needed"].as_array().unwrap();
    needed.iter().map(|action| action["action"].as_str().unwrap()).collect()
}

/// The notice, lived through: prompted, recovered by email, refused, set up, and back by the recovery code.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_december_to_march() {
    let run = Run::unlimited_with(Options { seed: true, ..Options::default() }).await;
    let person = Person {
        username: SEEDED_USERNAME.to_owned(),
        email: SEEDED_EMAIL.to_owned(),
        password: SEEDED_PASSWORD.to_owned(),
        ..somebody(&run)
    };
    run.hold(at("2024-12-10T15:00:00Z")).await;
    let mut december = person.signed_out();
    let signed_in = december.by_password().await.expect(200).json();
    assert_eq!(signed_in["status"], "signed_in");
    assert_eq!(signed_in["account"]["created_at"], "2024-01-15T15:00:00Z");
    // Told at every sign-in what is needed, and by when; the code not yet.
    for _ in 0..2 {
        let signed_in = december.by_password().await.expect(200).json();
        assert_eq!(actions(&signed_in["account"]), ["add_passkey", "get_authenticator", "verify_phone"]);
        assert_eq!(signed_in["account"]["action_needed"][0]["deadline"], "2025-03-07T06:00:00Z");
    }
    run.hold(at("2025-01-06T06:00:00Z") - MILLISECOND).await;
    let before = person.signed_out().by_password().await.expect(200).json();
    assert!(!actions(&before["account"]).contains(&"download_recovery_code"));
    run.hold(at("2025-01-06T06:00:00Z")).await;
    let after = person.signed_out().by_password().await.expect(200).json();
    assert!(actions(&after["account"]).contains(&"download_recovery_code"));

    run.hold(at("2025-02-10T15:00:00Z")).await;
    let sent = run.post("/v1/recovery/email/send", &json!({ "username": person.username })).send().await;
    let body = json!({
        "recovery": sent.expect(202).json()["recovery"], "code": run.code_by_email(&person.email).await
    });
    let mut february = person.signed_out();
    february.post("/v1/recovery/email/verify", &body).await.expect(200);
    february.password.clear();
    february.set_password("seven slow lanterns / 1 canal").await.expect(200);
    february.post("/v1/session/token", &json!({})).await.expect(200);

    run.hold(at("2025-03-07T06:00:00Z")).await;
    let mut march = february.signed_out();
    let refused = march.by_password().await.expect(200).json();
    assert_eq!((&refused["status"], refused.get("access_token")), (&json!("set_up_required"), None));
    march.post("/v1/session/token", &json!({})).await.problem(403, "set_up_required");
    march.enrol(HandMade::new(&run.origin)).await;
    let code = march.take_code().await;
    march.post("/v1/session/token", &json!({})).await.expect(200);

    let mut back = march.signed_out();
    let body = json!({ "code": code, "username": person.username });
    back.post("/v1/recovery/code", &body).await.expect(200);
    back.enrol(HandMade::new(&run.origin)).await;
    back.take_code().await;
    back.post("/v1/session/token", &json!({})).await.expect(200);
    run.post("/v1/recovery/code", &body).send().await.problem(401, "wrong_credentials");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_alone_admits_until_the_deadline_and_no_longer() {
    let run = Run::unlimited().await;
    let deadline = at("2025-03-07T06:00:00Z");
    run.hold(deadline - SignedDuration::from_mins(5)).await;
    let mut person = with_password(&run).await;
    person.take_code().await;
    let (mut early, begun) = (person.signed_out(), person.signed_out());
    let begun = begun.clone().send_code("text").await.expect(202).json();

    run.hold(deadline - MILLISECOND).await;
    assert_eq!(early.by_password().await.expect(200).json()["status"], "signed_in");
    early.post("/v1/session/token", &json!({})).await.expect(200);
    early.get("/v1/account/activity").await.expect(200);

    run.hold(deadline).await;
    // The session from before, a sign-in that began before, and a new one.
    early.post("/v1/session/token", &json!({})).await.problem(403, "set_up_required");
    early.get("/v1/account/activity").await.problem(403, "set_up_required");
    let body = json!({ "sign_in": begun["sign_in"], "password": person.password });
    let late = person.signed_out().post("/v1/sign-in/password", &body).await.expect(200).json();
    assert_eq!((&late["status"], late.get("access_token")), (&json!("set_up_required"), None));
    let late = person.signed_out().by_password().await.expect(200).json();
    assert_eq!(late["status"], "set_up_required");
    // Which may enrol, and goes on to a token with what it enrols.
    early.add_phone(&mobile(0), "text").await;
    early.post("/v1/session/token", &json!({})).await.expect(200);
}

/// An account with a set-up is never admitted by less, on either side.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_up_is_asked_of_who_has_one_at_any_time() {
    let run = Run::unlimited().await;
    let deadline = at("2025-03-07T06:00:00Z");
    run.hold(deadline - SignedDuration::from_mins(5)).await;
    let person = with_phone(&run, &mobile(1)).await;
    for now in [deadline - MILLISECOND, deadline] {
        run.hold(now).await;
        assert_eq!(person.signed_out().by_password().await.expect(200).json()["status"], "next");
        run.hold(now).await;
    }
}

/// What would leave the account without a set-up is refused from the deadline on, and the answer says what to add first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_is_replaced_before_it_is_removed() {
    let run = Run::unlimited().await;
    let deadline = at("2025-03-07T06:00:00Z");
    run.hold(deadline - SignedDuration::from_mins(2)).await;
    let mut person = with_phone(&run, &mobile(2)).await;
    let id = person.account().await["methods"]["phones"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/account/phones/{id}");
    run.hold(deadline).await;
    let refused = person.delete(&path).await.problem(409, "would_break_set_up").json();
    assert_eq!(actions(&refused), ["add_passkey", "get_authenticator", "verify_phone"]);
    person.add_phone(&mobile(3), "text").await;
    person.delete(&path).await.expect(204);
    // Until then it was the owner's own affair.
    run.hold(deadline - SignedDuration::from_mins(1)).await;
    let mut other = with_phone(&run, &mobile(4)).await;
    let id = other.account().await["methods"]["phones"][0]["id"].as_str().unwrap().to_owned();
    run.hold(deadline - MILLISECOND).await;
    other.delete(&format!("/v1/account/phones/{id}")).await.expect(204);
}

/// Neither the name nor anything else of an account that is locked out goes to whoever registers anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locked_out_for_good_a_new_account_has_another_name() {
    let run = Run::unlimited().await;
    let mut lost = with_password(&run).await;
    let old = lost.account().await;
    let body = json!({ "username": lost.username, "email": lost.email });
    run.post("/v1/accounts", &body).send().await.problem(409, "username_taken");
    let retired = run.post("/v1/recovery/email/send", &json!({ "username": lost.username })).send().await;
    let detail = retired.problem(410, "email_recovery_retired").json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("register a new account"), "{detail}");
    let mut new = Person { session: String::new(), email: lost.email.clone(), ..somebody(&run) };
    let body = json!({ "username": new.username, "email": new.email });
    new.post("/v1/accounts", &body).await.expect(201);
    let account = new.account().await;
    assert_ne!(account["id"], old["id"]);
    assert_eq!(
        account["methods"],
        json!({ "passkeys": [], "authenticator": null, "phones": [], "password": null })
    );
    assert_eq!(account["recovery_code"], Value::Null);
}
