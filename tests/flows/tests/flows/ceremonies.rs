//! Passkey ceremonies (WebAuthn L3 §7.1, §7.2): each serves once, in time, to whom it was given; and every
//! answer that is not as it should be is refused.

use flows::{
    Answer, Assertion, Attestation, BE, BS, HandMade, Person, Portal, Run, UP, UV, registered, set_up,
    with_passkey,
};
use futures_util::future::join_all;
use http::HeaderMap;
use jiff::SignedDuration;
use serde_json::{Value, json};

const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);
const LIFE: SignedDuration = SignedDuration::from_mins(5);

async fn sign_in_options(portal: &Portal) -> Value {
    portal.post("/v1/sign-in/passkey/options", &json!({})).send().await.expect(200).json()
}

async fn finish_sign_in(portal: &Portal, sign_in: &Value, credential: &Value) -> Answer {
    portal.post("/v1/sign-in/passkey", &json!({ "sign_in": sign_in, "credential": credential })).send().await
}

fn passkeys(account: &Value) -> usize {
    account["methods"]["passkeys"].as_array().unwrap().len()
}

/// The code of the account's newest event.
async fn newest_event(person: &Person) -> String {
    let activity = person.clone().get("/v1/account/activity").await.expect(200).json();
    activity["events"][0]["what"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn honest_answers_of_our_own_making_are_accepted() {
    let run = Run::frozen().await;
    for (backup, counter, id_length) in [
        (0, 0, 32),
        (BE, 0, 16),
        (BE | BS, 0, 64),
        (0, 1, 32),
        (BE, u32::MAX - 5, 32),
        (0, 0, 1),
        (0, 0, 1023),
    ] {
        let mut person = registered(&run).await;
        let mut key = HandMade::new(&run.origin);
        (key.backup, key.counter) = (backup, counter);
        key.credential_id.resize(id_length, 7);
        key.credential_id.rotate_right(id_length / 2);
        if id_length == 1 {
            key.credential_id = vec![9];
        }
        let passkey = person.enrol(key).await;
        assert_eq!(passkey["backed_up"], backup & BS != 0);
        person.take_code().await;
        for _ in 0..2 {
            assert_eq!(person.sign_in().await.expect(200).json()["status"], "signed_in");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_that_browsers_add_are_tolerated() {
    let run = Run::frozen().await;
    let mut person = registered(&run).await;
    let mut key = HandMade::new(&run.origin);
    let mut body = person.enrolment(&mut key).await;
    body["credential"]["response"]["publicKeyAlgorithm"] = json!(-7);
    body["credential"]["response"]["future"] = json!({ "x": [1] });
    body["credential"]["future"] = json!(null);
    person.post("/v1/account/passkeys", &body).await.expect(201);
    person.key = key;
    let mut body = person.sign_in_body().await;
    body["credential"]["future"] = json!([{}]);
    body["credential"]["response"]["future"] = json!(true);
    body["credential"]["clientExtensionResults"] = json!({ "unheard": { "of": 1 } });
    person.post("/v1/sign-in/passkey", &body).await.expect(200);
}

type Lie<T> = (&'static str, fn(&mut T));

/// Where an answer to `get()` can lie. Each alone makes it void.
const ASSERTION_LIES: &[Lie<Assertion>] = &[
    ("no user verification", |a| a.flags &= !UV),
    ("nobody present", |a| a.flags &= !UP),
    ("backed up without being eligible", |a| a.flags |= BS),
    ("eligibility changed", |a| a.flags |= BE),
    ("eligibility changed, and backed up", |a| a.flags |= BE | BS),
    ("another site's origin", |a| a.client_data.set("origin", "https://evil.example")),
    ("another port", |a| a.client_data.set("origin", "http://localhost:1")),
    ("no port", |a| a.client_data.set("origin", "http://localhost")),
    ("another scheme", |a| {
        let origin = a.client_data.0["origin"].as_str().unwrap().replace("http:", "https:");
        a.client_data.set("origin", origin);
    }),
    ("an origin with a path", |a| {
        let origin = format!("{}/", a.client_data.0["origin"].as_str().unwrap());
        a.client_data.set("origin", origin);
    }),
    ("an origin below ours", |a| {
        let origin = a.client_data.0["origin"].as_str().unwrap().replace("localhost", "x.localhost");
        a.client_data.set("origin", origin);
    }),
    ("an origin in capitals", |a| {
        let origin = a.client_data.0["origin"].as_str().unwrap().replace("localhost", "LOCALHOST");
        a.client_data.set("origin", origin);
    }),
    ("an empty origin", |a| a.client_data.set("origin", "")),
    ("an opaque origin", |a| a.client_data.set("origin", "null")),
    ("another RP id", |a| "evil.example".clone_into(&mut a.rp_id)),
    ("a longer RP id", |a| "x.localhost".clone_into(&mut a.rp_id)),
    ("inside another site's frame", |a| a.client_data.set("crossOrigin", true)),
    ("inside a frame, said by topOrigin", |a| a.client_data.set("topOrigin", "https://evil.example")),
    ("inside a frame of our own, said by topOrigin", |a| {
        let origin = a.client_data.0["origin"].clone();
        a.client_data.set("topOrigin", origin);
    }),
    ("an answer to create()", |a| a.client_data.set("type", "webauthn.create")),
    ("an answer to a payment", |a| a.client_data.set("type", "payment.get")),
    ("another challenge", |a| a.client_data.set("challenge", flows::base64url([7; 32]))),
    ("no challenge", |a| a.client_data.set("challenge", "")),
    ("half a challenge", |a| {
        let challenge = a.client_data.0["challenge"].as_str().unwrap()[..20].to_owned();
        a.client_data.set("challenge", challenge);
    }),
    ("another key's signature", |a| a.key = HandMade::another_key()),
    ("a credential id that nobody has", |a| {
        a.raw_id = vec![1; 32];
        a.id = flows::base64url(&a.raw_id);
    }),
    ("a credential id of 1,024 bytes", |a| {
        a.raw_id.resize(1024, 0);
        a.id = flows::base64url(&a.raw_id);
    }),
    ("an empty credential id", |a| {
        a.raw_id.clear();
        a.id.clear();
    }),
    ("an id that is not rawId", |a| a.id = flows::base64url([1; 32])),
    ("a rawId that is not the id", |a| a.raw_id = vec![1; 32]),
    ("another type", |a| a.kind = "password"),
    ("a user handle that nobody has", |a| a.user_handle = Some(vec![1; 16])),
    ("a user handle of another length", |a| a.user_handle.as_mut().unwrap().push(0)),
    ("a user handle of 64 bytes", |a| a.user_handle.as_mut().unwrap().resize(64, 0)),
    ("a user handle of 65 bytes", |a| a.user_handle.as_mut().unwrap().resize(65, 0)),
    ("an empty user handle", |a| a.user_handle.as_mut().unwrap().clear()),
    ("no user handle", |a| a.user_handle = None),
    ("attested credential data without any", |a| a.flags |= 1 << 6),
    ("extension data without any", |a| a.flags |= 1 << 7),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_lie_at_sign_in_is_refused_alike() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    let mut session = None;
    for (lie, tell) in ASSERTION_LIES {
        let options = sign_in_options(&run).await;
        let mut assertion = person.key.assertion(&options["publicKey"]);
        tell(&mut assertion);
        let answer = finish_sign_in(&run, &options["sign_in"], &assertion.json()).await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "wrong_credentials"), "{lie}: {answer:?}");
        let shown = outside(&answer);
        assert_eq!(*session.get_or_insert(shown.clone()), shown, "{lie} looks different");

        // The lie spent nothing: the truth, told after it, is still heard.
        let truth = person.key.assertion(&options["publicKey"]).json();
        finish_sign_in(&run, &options["sign_in"], &truth).await.expect(200);
    }
    let account = person.account().await;
    assert_eq!(passkeys(&account), 1);
    assert_eq!(account["methods"]["passkeys"][0]["backed_up"], false);
}

/// What can be seen of an answer, but the request's id and the date.
fn outside(answer: &Answer) -> (u16, HeaderMap, Vec<u8>) {
    let mut headers = answer.headers.clone();
    assert!(headers.remove("x-request-id").is_some(), "{answer:?}");
    headers.remove("date");
    (answer.status, headers, answer.body.clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_eligible_passkey_may_not_stop_being_so_and_may_be_backed_up() {
    let run = Run::frozen().await;
    let mut person = registered(&run).await;
    let mut key = HandMade::new(&run.origin);
    key.backup = BE;
    person.enrol(key).await;
    person.take_code().await;
    for (backup, status) in [(0, 401), (BS, 401), (BE | BS, 200), (BE, 200), (BE | BS, 200)] {
        person.key.backup = backup;
        let answer = person.sign_in().await.expect(status);
        if status == 200 {
            let shown = &answer.json()["account"]["methods"]["passkeys"][0]["backed_up"];
            assert_eq!(*shown, json!(backup & BS != 0));
            assert_eq!(person.account().await["methods"]["passkeys"][0]["backed_up"], *shown);
        }
    }
}

/// Where an answer to `create()` can lie. Each alone makes it void.
const ATTESTATION_LIES: &[Lie<Attestation>] = &[
    ("no user verification", |a| a.flags &= !UV),
    ("nobody present", |a| a.flags &= !UP),
    ("backed up without being eligible", |a| a.flags |= BS),
    ("no attested credential data", |a| a.flags &= !(1 << 6)),
    ("extension data without any", |a| a.flags |= 1 << 7),
    ("another site's origin", |a| a.client_data.set("origin", "https://evil.example")),
    ("another port", |a| a.client_data.set("origin", "http://localhost:1")),
    ("an origin with a path", |a| {
        let origin = format!("{}/", a.client_data.0["origin"].as_str().unwrap());
        a.client_data.set("origin", origin);
    }),
    ("another RP id", |a| "evil.example".clone_into(&mut a.rp_id)),
    ("inside another site's frame", |a| a.client_data.set("crossOrigin", true)),
    ("inside a frame, said by topOrigin", |a| a.client_data.set("topOrigin", "https://evil.example")),
    ("an answer to get()", |a| a.client_data.set("type", "webauthn.get")),
    ("another challenge", |a| a.client_data.set("challenge", flows::base64url([7; 32]))),
    ("a credential id of 1,024 bytes", |a| {
        a.raw_id.resize(1024, 0);
        a.attested_id.clone_from(&a.raw_id);
        a.id = flows::base64url(&a.raw_id);
    }),
    ("an attested credential id of 1,024 bytes, named shorter", |a| a.attested_id.resize(1024, 0)),
    ("an empty credential id", |a| {
        a.raw_id.clear();
        a.attested_id.clear();
        a.id.clear();
    }),
    ("an id that is not rawId", |a| a.id = flows::base64url([1; 32])),
    ("a rawId that is not the id", |a| a.raw_id = vec![1; 32]),
    ("an attested id that is neither", |a| a.attested_id = vec![1; 32]),
    ("a length that is too long", |a| a.attested_length = Some(60_000)),
    ("a length that is too short", |a| a.attested_length = Some(31)),
    ("another type", |a| a.kind = "password"),
    ("an algorithm that was not asked for", |a| a.algorithm = -8),
    ("an algorithm of another curve", |a| a.algorithm = -36),
    ("an attestation format that is not its own", |a| a.format = "packed"),
    ("an attestation format that does not exist", |a| a.format = "nonsense"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_lie_at_enrolment_is_refused() {
    let run = Run::frozen().await;
    let mut person = registered(&run).await;
    for (lie, tell) in ATTESTATION_LIES {
        let options = person.post("/v1/account/passkeys/options", &json!({})).await.expect(200).json();
        let mut attestation = HandMade::new(&run.origin).attestation(&options["publicKey"]);
        tell(&mut attestation);
        let body = json!({ "enrolment": options["enrolment"], "credential": attestation.json() });
        let answer = person.post("/v1/account/passkeys", &body).await;
        assert_eq!((answer.status, answer.code().as_str()), (422, "passkey_refused"), "{lie}: {answer:?}");
        assert_eq!(passkeys(&person.account().await), 0, "{lie}");
    }
    person.enrol(HandMade::new(&run.origin)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_wrong_and_missing_look_alike() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    let mut stranger = set_up(&run).await;
    let mut answers = Vec::new();
    let mut ask = async |credential: &dyn Fn(&Value) -> Value| {
        let options = sign_in_options(&run).await;
        let credential = credential(&options["publicKey"]);
        answers.push(finish_sign_in(&run, &options["sign_in"], &credential).await);
    };
    let key = std::cell::RefCell::new(person.key.clone());
    let told = |tell: fn(&mut Assertion)| {
        let key = &key;
        move |options: &Value| {
            let mut assertion = key.borrow_mut().assertion(options);
            tell(&mut assertion);
            assertion.json()
        }
    };
    ask(&told(|a| a.user_handle = Some(vec![3; 16]))).await;
    ask(&told(|a| {
        a.raw_id = vec![3; 32];
        a.id = flows::base64url(&a.raw_id);
    }))
    .await;
    ask(&told(|a| a.key = HandMade::another_key())).await;
    ask(&told(|a| a.user_handle = None)).await;
    // An account that exists and lacks every method.
    let mut bare = registered(&run).await;
    let bare_handle = {
        let options = bare.post("/v1/account/passkeys/options", &json!({})).await.expect(200).json();
        flows::from_base64url(options["publicKey"]["user"]["id"].as_str().unwrap())
    };
    let as_whom = |handle: Vec<u8>| {
        let key = &key;
        move |options: &Value| {
            let mut assertion = key.borrow_mut().assertion(options);
            assertion.user_handle = Some(handle.clone());
            assertion.json()
        }
    };
    ask(&as_whom(bare_handle)).await;
    // The credential is one account's, the handle another's.
    ask(&as_whom(stranger.key.user_handle.clone())).await;

    let first = outside(&answers[0]);
    for answer in &answers {
        assert_eq!((answer.status, answer.code().as_str()), (401, "wrong_credentials"), "{answer:?}");
        assert_eq!(outside(answer), first);
    }
    stranger.sign_in().await.expect(200);
    person.sign_in().await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_counter_that_does_not_grow_is_refused_and_told() {
    let run = Run::frozen().await;
    let mut person = registered(&run).await;
    let mut key = HandMade::new(&run.origin);
    key.counter = 5;
    person.enrol(key).await;
    person.take_code().await;
    for (counter, status) in [
        (6, 200),
        (6, 401),
        (5, 401),
        (1, 401),
        (0, 401),
        (7, 200),
        (1000, 200),
        (1000, 401),
        (u32::MAX, 200),
    ] {
        run.clock(&json!({ "advance_seconds": 1, "frozen": true })).await;
        let options = sign_in_options(&run).await;
        let mut assertion = person.key.assertion(&options["publicKey"]);
        assertion.counter = counter;
        let answer = finish_sign_in(&run, &options["sign_in"], &assertion.json()).await;
        assert_eq!(answer.status, status, "{counter}: {answer:?}");
        if status == 401 {
            answer.problem(401, "wrong_credentials");
            let what = newest_event(&person).await;
            assert!(what.contains("counter"), "the newest event is {what}");
        }
    }
    // A key that never counted may begin to.
    let mut other = set_up(&run).await;
    other.sign_in().await.expect(200);
    other.key.counter = 1;
    other.sign_in().await.expect(200);
    other.key.counter = 0;
    other.sign_in().await.problem(401, "wrong_credentials");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_answers_with_one_counter_at_the_same_instant_one_counts() {
    let run = Run::start().await;
    let mut person = registered(&run).await;
    let mut key = HandMade::new(&run.origin);
    key.counter = 1;
    person.enrol(key).await;
    person.take_code().await;
    let mut bodies = Vec::new();
    for _ in 0..50 {
        let options = sign_in_options(&run).await;
        let mut assertion = person.key.clone().assertion(&options["publicKey"]);
        assertion.counter = 2;
        bodies.push(json!({ "sign_in": options["sign_in"], "credential": assertion.json() }));
    }
    let answers = join_all(bodies.iter().map(|body| run.post("/v1/sign-in/passkey", body).send())).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    for answer in answers.into_iter().filter(|answer| answer.status != 200) {
        answer.problem(401, "wrong_credentials");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_finished_ceremony_is_spent() {
    let run = Run::frozen().await;
    let mut person = registered(&run).await;
    let mut key = HandMade::new(&run.origin);
    let enrolment = person.enrolment(&mut key).await;
    person.post("/v1/account/passkeys", &enrolment).await.expect(201);
    let replayed = person.post("/v1/account/passkeys", &enrolment).await;
    assert!(matches!(replayed.status, 409 | 422), "{replayed:?}");
    assert_eq!(passkeys(&person.account().await), 1);
    person.key = key;
    person.take_code().await;

    let body = person.sign_in_body().await;
    person.post("/v1/sign-in/passkey", &body).await.expect(200);
    let session = person.session.clone();
    let replayed = run.post("/v1/sign-in/passkey", &body).send().await.problem(401, "sign_in_expired");
    assert_eq!(replayed.cookie(), None);
    person.get("/v1/account").await.expect(200);
    assert_eq!(person.session, session);

    // Nor does the spent sign-in take another answer to its challenge.
    let options = sign_in_options(&run).await;
    let first = person.key.assertion(&options["publicKey"]).json();
    let second = person.key.assertion(&options["publicKey"]).json();
    finish_sign_in(&run, &options["sign_in"], &first).await.expect(200);
    finish_sign_in(&run, &options["sign_in"], &second).await.problem(401, "sign_in_expired");
}

/// A spent enrolment does not come back once its passkey is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_passkey_is_not_brought_back_by_a_replay() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    let mut key = HandMade::new(&run.origin);
    let enrolment = person.enrolment(&mut key).await;
    let passkey = person.post("/v1/account/passkeys", &enrolment).await.expect(201).json();
    person.delete(&format!("/v1/account/passkeys/{}", passkey["id"].as_str().unwrap())).await.expect(204);
    person.post("/v1/account/passkeys", &enrolment).await.problem(422, "passkey_refused");
    assert_eq!(passkeys(&person.account().await), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_identical_sign_ins_at_the_same_instant_one_succeeds() {
    let run = Run::start().await;
    let mut person = set_up(&run).await;
    let body = person.sign_in_body().await;
    let answers = join_all((0..50).map(|_| run.post("/v1/sign-in/passkey", &body).send())).await;
    let good: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(good.len(), 1);
    run.get("/v1/account").session(&good[0].new_session()).send().await.expect(200);
    let sessions = person.get("/v1/account/sessions").await.expect(200).json();
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 2);
    for answer in answers.into_iter().filter(|answer| answer.status != 200) {
        answer.problem(401, "sign_in_expired");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_identical_enrolments_at_the_same_instant_one_succeeds() {
    let run = Run::start().await;
    let mut person = registered(&run).await;
    let mut key = HandMade::new(&run.origin);
    let body = person.enrolment(&mut key).await;
    let calls = (0..50).map(|_| run.post("/v1/account/passkeys", &body).session(&person.session).send());
    let answers = join_all(calls).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        assert!(matches!(answer.code().as_str(), "passkey_exists" | "passkey_refused"), "{answer:?}");
    }
    assert_eq!(passkeys(&person.account().await), 1);
    person.key = key;
    person.sign_in().await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn different_sign_ins_of_one_person_at_the_same_instant_all_succeed() {
    let run = Run::start().await;
    let mut person = set_up(&run).await;
    let mut bodies = Vec::new();
    for _ in 0..20 {
        bodies.push(person.sign_in_body().await);
    }
    let answers = join_all(bodies.iter().map(|body| run.post("/v1/sign-in/passkey", body).send())).await;
    for answer in answers {
        let session = answer.expect(200).new_session();
        run.get("/v1/account").session(&session).send().await.expect(200);
    }
}

/// A counter is never written back by what else changes the passkey.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rename_that_crosses_sign_ins_loses_neither_name_nor_counter() {
    let run = Run::start().await;
    let mut person = registered(&run).await;
    let mut key = HandMade::new(&run.origin);
    key.counter = 1;
    let id = person.enrol(key).await["id"].as_str().unwrap().to_owned();
    person.take_code().await;
    for round in 0..6_u32 {
        let mut body = Value::Null;
        for _ in 0..2 {
            body = person.sign_in_body().await;
        }
        let name = format!("Round {round}");
        let rename = run.patch(&format!("/v1/account/passkeys/{id}"), &json!({ "name": name }));
        let rename = rename.session(&person.session).send();
        let sign_in = run.post("/v1/sign-in/passkey", &body).send();
        let (renamed, signed_in) = futures_util::future::join(rename, sign_in).await;
        renamed.expect(200);
        signed_in.expect(200);
        let passkey = person.account().await["methods"]["passkeys"][0].clone();
        assert_eq!(passkey["name"], json!(name));
        let mut older = person.clone();
        older.key.counter -= 1;
        older.sign_in().await.problem(401, "wrong_credentials");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn different_enrolments_of_one_session_at_the_same_instant_all_succeed() {
    let run = Run::start().await;
    let mut person = registered(&run).await;
    let mut bodies = Vec::new();
    for _ in 0..8 {
        bodies.push(person.enrolment(&mut HandMade::new(&run.origin)).await);
    }
    let calls =
        bodies.iter().map(|body| run.post("/v1/account/passkeys", body).session(&person.session).send());
    for answer in join_all(calls).await {
        answer.expect(201);
    }
    assert_eq!(passkeys(&person.account().await), 8);
}

/// However a sign-in and the removal of its passkey cross, no session of the removed one lives on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_that_crosses_the_removal_of_its_passkey_is_over_with_it() {
    let run = Run::start().await;
    let mut person = set_up(&run).await;
    for _ in 0..10 {
        let mut holder = person.clone();
        let id = holder.enrol(HandMade::new(&run.origin)).await["id"].as_str().unwrap().to_owned();
        let mut bodies = Vec::new();
        for _ in 0..4 {
            bodies.push(holder.sign_in_body().await);
        }
        let sign_ins = join_all(bodies.iter().map(|body| run.post("/v1/sign-in/passkey", body).send()));
        let removal = run.delete(&format!("/v1/account/passkeys/{id}")).session(&person.session).send();
        let (answers, removed) = futures_util::future::join(sign_ins, removal).await;
        removed.expect(204);
        for answer in answers {
            if answer.status == 200 {
                let session = answer.new_session();
                let over = run.get("/v1/account").session(&session).send().await;
                over.problem(401, "not_signed_in");
            } else {
                answer.problem(401, "wrong_credentials");
            }
        }
        person.get("/v1/account").await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_enrolments_of_one_passkey_by_several_people_one_succeeds() {
    let run = Run::start().await;
    let mut people = Vec::new();
    let shared = HandMade::new(&run.origin);
    for _ in 0..10 {
        let mut person = registered(&run).await;
        let mut key = shared.clone();
        let body = person.enrolment(&mut key).await;
        people.push((person, body));
    }
    let calls = people
        .iter()
        .map(|(person, body)| run.post("/v1/account/passkeys", body).session(&person.session).send());
    let answers = join_all(calls).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1, "{answers:?}");
    for answer in answers.into_iter().filter(|answer| answer.status != 201) {
        answer.problem(409, "passkey_exists");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ceremony_lasts_five_minutes() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    let mut key = HandMade::new(&run.origin);
    let (sign_in, late_sign_in) = (person.sign_in_body().await, person.sign_in_body().await);
    let mut early = registered(&run).await;
    let mut late = registered(&run).await;
    let (enrolment, late_enrolment) =
        (early.enrolment(&mut key).await, late.enrolment(&mut HandMade::new(&run.origin)).await);

    run.hold(run.t0() + LIFE - MILLISECOND).await;
    run.post("/v1/sign-in/passkey", &sign_in).send().await.expect(200);
    early.post("/v1/account/passkeys", &enrolment).await.expect(201);

    run.hold(run.t0() + LIFE).await;
    run.post("/v1/sign-in/passkey", &late_sign_in).send().await.problem(401, "sign_in_expired");
    late.post("/v1/account/passkeys", &late_enrolment).await.problem(422, "passkey_refused");
    // And the spent one stays spent.
    run.post("/v1/sign-in/passkey", &sign_in).send().await.problem(401, "sign_in_expired");
}

/// The sealed state with one thing about it changed: in every region of its bytes, and of its text.
fn tampered(sealed: &str) -> Vec<String> {
    let (prefix, text) = sealed.split_at(3);
    let bytes = flows::from_base64url(text);
    let mut all: Vec<String> = (0..bytes.len())
        .map(|place| {
            let mut bytes = bytes.clone();
            bytes[place] ^= if place.is_multiple_of(2) { 0x01 } else { 0x80 };
            format!("{prefix}{}", flows::base64url(bytes))
        })
        .collect();
    for cut in [0, 1, 4, 16, bytes.len() / 2, bytes.len() - 16, bytes.len() - 1] {
        all.push(format!("{prefix}{}", flows::base64url(&bytes[..cut])));
        all.push(format!("{prefix}{}", flows::base64url(&bytes[bytes.len() - cut..])));
    }
    all.push(format!("{prefix}{}", flows::base64url([bytes.as_slice(), &[0]].concat())));
    all.push(format!("{prefix}{}", flows::base64url([&[0], bytes.as_slice()].concat())));
    all.push(format!("{prefix}{}", flows::base64url([bytes.as_slice(), &bytes].concat())));
    for text in [
        text.to_owned(),
        format!("{prefix} {text}"),
        format!("{prefix}{text}="),
        format!("{prefix}{text}=="),
        format!("{prefix}{text}\n"),
        format!("{}{text}", prefix.to_uppercase()),
        format!("xx_{text}"),
        format!("{prefix}{prefix}{text}"),
        String::new(),
        prefix.to_owned(),
        "si_".repeat(1000),
        format!("{prefix}\u{0}"),
    ] {
        all.push(text);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sealed_state_that_was_touched_is_none() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    let body = person.sign_in_body().await;
    for sealed in tampered(body["sign_in"].as_str().unwrap()) {
        let body = json!({ "sign_in": sealed, "credential": body["credential"] });
        run.post("/v1/sign-in/passkey", &body).send().await.problem(401, "sign_in_expired");
    }
    run.post("/v1/sign-in/passkey", &body).send().await.expect(200);

    let mut newcomer = registered(&run).await;
    let body = newcomer.enrolment(&mut HandMade::new(&run.origin)).await;
    let sealed = body["enrolment"].as_str().unwrap();
    for sealed in tampered(sealed).into_iter().step_by(3) {
        let body = json!({ "enrolment": sealed, "credential": body["credential"] });
        newcomer.post("/v1/account/passkeys", &body).await.problem(422, "passkey_refused");
    }
    newcomer.post("/v1/account/passkeys", &body).await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ceremony_serves_its_own_purpose_alone() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    let enrolment = person.post("/v1/account/passkeys/options", &json!({})).await.expect(200).json();
    let sign_in = sign_in_options(&run).await;
    let (en, si) = (enrolment["enrolment"].as_str().unwrap(), sign_in["sign_in"].as_str().unwrap());
    for sealed in [en.to_owned(), format!("si_{}", &en[3..])] {
        let mut options = sign_in["publicKey"].clone();
        options["challenge"] = enrolment["publicKey"]["challenge"].clone();
        let credential = person.key.assertion(&options).json();
        finish_sign_in(&run, &json!(sealed), &credential).await.problem(401, "sign_in_expired");
    }
    for sealed in [si.to_owned(), format!("en_{}", &si[3..])] {
        let mut options = enrolment["publicKey"].clone();
        options["challenge"] = sign_in["publicKey"]["challenge"].clone();
        let credential = HandMade::new(&run.origin).attestation(&options).json();
        let body = json!({ "enrolment": sealed, "credential": credential });
        person.post("/v1/account/passkeys", &body).await.problem(422, "passkey_refused");
    }
    // An answer to one sign-in's challenge is none to another's.
    let (first, second) = (person.sign_in_body().await, person.sign_in_body().await);
    finish_sign_in(&run, &first["sign_in"], &second["credential"]).await.problem(401, "wrong_credentials");
    let crossed = person.enrolment(&mut HandMade::new(&run.origin)).await;
    let body = json!({ "enrolment": en, "credential": crossed["credential"] });
    person.post("/v1/account/passkeys", &body).await.problem(422, "passkey_refused");
    assert_eq!(passkeys(&person.account().await), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_enrolment_is_of_the_session_and_account_that_began_it() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    let mut elsewhere = person.elsewhere().await;
    let mut stranger = registered(&run).await;
    let mut key = HandMade::new(&run.origin);
    let body = person.enrolment(&mut key).await;
    elsewhere.post("/v1/account/passkeys", &body).await.problem(422, "passkey_refused");
    stranger.post("/v1/account/passkeys", &body).await.problem(422, "passkey_refused");
    run.post("/v1/account/passkeys", &body).send().await.problem(401, "not_signed_in");
    assert_eq!(passkeys(&stranger.account().await), 0);
    person.post("/v1/account/passkeys", &body).await.expect(201);
    assert_eq!(passkeys(&person.account().await), 2);

    // A step-up in between begins another session, for which the enrolment was not.
    let begun = person.enrolment(&mut HandMade::new(&run.origin)).await;
    person.sign_in().await.expect(200);
    person.post("/v1/account/passkeys", &begun).await.problem(422, "passkey_refused");
    // After sign-out nothing is finished.
    let begun = person.enrolment(&mut HandMade::new(&run.origin)).await;
    person.delete("/v1/session").await.expect(204);
    person.post("/v1/account/passkeys", &begun).await.problem(401, "not_signed_in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_is_of_one_account() {
    let run = Run::frozen().await;
    let owner = with_passkey(&run).await;
    let mut other = registered(&run).await;
    for mut person in [owner.clone(), other.clone()] {
        if person.username == owner.username {
            // Its own passkey once more.
            person.take_code().await;
        }
        let mut key = owner.key.clone();
        let body = person.enrolment(&mut key).await;
        person.post("/v1/account/passkeys", &body).await.problem(409, "passkey_exists");
        // Nor with a key pair of one's own under the owner's id.
        let mut key = HandMade::new(&run.origin);
        key.credential_id.clone_from(&owner.key.credential_id);
        let body = person.enrolment(&mut key).await;
        person.post("/v1/account/passkeys", &body).await.problem(409, "passkey_exists");
    }
    assert_eq!(passkeys(&other.account().await), 0);
    assert_eq!(passkeys(&owner.clone().account().await), 1);
    owner.clone().sign_in().await.expect(200);
}

/// Signing in with one's own passkey while naming somebody else opens neither account.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passkey_opens_its_owner_alone() {
    let run = Run::frozen().await;
    let (mut one, other) = (set_up(&run).await, set_up(&run).await);
    let options = sign_in_options(&run).await;
    let mut assertion = one.key.assertion(&options["publicKey"]);
    assertion.user_handle = Some(other.key.user_handle.clone());
    finish_sign_in(&run, &options["sign_in"], &assertion.json()).await.problem(401, "wrong_credentials");
    // The other's credential id and handle under one's own key.
    assertion.raw_id.clone_from(&other.key.credential_id);
    assertion.id = flows::base64url(&assertion.raw_id);
    finish_sign_in(&run, &options["sign_in"], &assertion.json()).await.problem(401, "wrong_credentials");
    // Both browsers at one sign-in: whoever answers it is who signs in.
    let truth = one.key.assertion(&options["publicKey"]).json();
    let signed_in = finish_sign_in(&run, &options["sign_in"], &truth).await;
    assert_eq!(signed_in.expect(200).json()["account"]["username"], json!(one.username));
}

/// The deployment keeps at most so many passkeys for an account that a portal can show; whatever the
/// number, going over it is an answer and no failure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_with_very_many_passkeys_is_told_so() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    for _ in 0..60 {
        let options = person.post("/v1/account/passkeys/options", &json!({})).await;
        if options.status != 200 {
            options.problem(422, "passkey_refused");
            break;
        }
        let options = options.json();
        let mut key = HandMade::new(&run.origin);
        let credential = key.attestation(&options["publicKey"]).json();
        let body = json!({ "enrolment": options["enrolment"], "credential": credential });
        let answer = person.post("/v1/account/passkeys", &body).await;
        if answer.status != 201 {
            answer.problem(422, "passkey_refused");
            break;
        }
    }
    person.sign_in().await.expect(200);
}
