//! The notice's instants: T−1 ms and T differ, whatever began before.

use flows::{HandMade, Person, Portal, Run, registered, with_passkey};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

async fn instant(portal: &Portal, member: &str) -> Timestamp {
    let policy = portal.get("/v1/policy").send().await.expect(200).json();
    policy[member].as_str().unwrap().parse().unwrap()
}

const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);

fn actions(account: &Value) -> Vec<&str> {
    let needed = account["action_needed"].as_array().unwrap();
    needed.iter().map(|action| action["action"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_code_is_asked_for_from_its_instant_on() {
    let run = Run::start().await;
    let prompted = instant(&run, "recovery_code_prompted_from").await;
    let required = instant(&run, "set_up_required_from").await;
    run.hold(prompted - MILLISECOND).await;
    let mut person = with_passkey(&run).await;
    let mut bare = registered(&run).await;
    assert_eq!(actions(&person.account().await), Vec::<&str>::new());
    assert!(!actions(&bare.account().await).contains(&"download_recovery_code"));
    // The rest is asked for before and after.
    assert!(actions(&bare.account().await).contains(&"add_passkey"));

    run.hold(prompted).await;
    let account = person.account().await;
    assert_eq!(actions(&account), ["download_recovery_code"]);
    let deadline: Timestamp = account["action_needed"][0]["deadline"].as_str().unwrap().parse().unwrap();
    assert_eq!(deadline, required);
    assert!(actions(&bare.account().await).contains(&"download_recovery_code"));
    for action in bare.account().await["action_needed"].as_array().unwrap() {
        assert_eq!(action["deadline"].as_str().unwrap().parse::<Timestamp>().unwrap(), required);
    }

    // It is asked for, and not yet required.
    person.post("/v1/session/token", &json!({})).await.expect(200);
    person.take_code().await;
    assert_eq!(actions(&person.account().await), Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_deadline_on_the_code_must_be_in_hand() {
    let run = Run::start().await;
    let required = instant(&run, "set_up_required_from").await;
    run.hold(required - MILLISECOND).await;
    let mut person = with_passkey(&run).await;
    let begun_before = person.sign_in_body().await;
    assert_eq!(person.sign_in().await.expect(200).json()["status"], "signed_in");
    person.post("/v1/session/token", &json!({})).await.expect(200);
    person.get("/v1/account/activity").await.expect(200);
    person.get("/v1/account/sessions").await.expect(200);

    run.hold(required).await;
    let refused = person.post("/v1/session/token", &json!({})).await.problem(403, "set_up_required").json();
    assert_eq!(refused["action_needed"][0]["action"], "download_recovery_code");
    person.get("/v1/account/activity").await.problem(403, "set_up_required");
    person.get("/v1/account/sessions").await.problem(403, "set_up_required");
    let mut elsewhere = Person { session: String::new(), ..person.clone() };
    let signed_in = elsewhere.post("/v1/sign-in/passkey", &begun_before).await.expect(200).json();
    assert_eq!((&signed_in["status"], signed_in.get("access_token")), (&json!("set_up_required"), None));

    // The session that could not take a token sets itself up, and can.
    person.take_code().await;
    person.post("/v1/session/token", &json!({})).await.expect(200);
    elsewhere.post("/v1/session/token", &json!({})).await.expect(200);

    // Server time only: back before the deadline the old rule holds again.
    run.hold(required - MILLISECOND).await;
    let mut other = with_passkey(&run).await;
    other.post("/v1/session/token", &json!({})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_set_up_and_a_proof_there_is_no_token_on_either_side() {
    let run = Run::start().await;
    let required = instant(&run, "set_up_required_from").await;
    for at in [required - MILLISECOND, required] {
        run.hold(at).await;
        let mut person = registered(&run).await;
        person.post("/v1/session/token", &json!({})).await.problem(403, "set_up_required");
        person.take_code().await;
        person.post("/v1/session/token", &json!({})).await.problem(403, "set_up_required");
        person.enrol(HandMade::new(&run.origin)).await;
        person.post("/v1/session/token", &json!({})).await.expect(200);
        let id = person.account().await["methods"]["passkeys"][0]["id"].as_str().unwrap().to_owned();
        person.delete(&format!("/v1/account/passkeys/{id}")).await.problem(409, "would_break_set_up");
    }
}
