//! What is counted, read back as `CloudWatch` would read it from the log.

use std::collections::BTreeMap;

use flows::{Answer, HandMade, Person, Run, another_code, mobile, set_up, somebody, with_phone};
use postern_metrics::DECLARED;
use serde_json::json;

use crate::faults::settled;

/// What `step` and the telling of it counted; and its answer.
async fn counted(run: &Run, step: impl Future<Output = Answer>) -> (Answer, Vec<String>) {
    settled(run).await;
    let before = run.local().metrics().sums();
    let answer = step.await;
    settled(run).await;
    let after = run.local().metrics().sums();
    assert_declared(&after);
    let more = |(metric, count): (&String, &u64)| {
        let more = count - before.get(metric).copied().unwrap_or_default();
        (more > 0).then(|| format!("{metric} {more}"))
    };
    (answer, after.iter().filter_map(more).collect())
}

fn assert_declared(sums: &BTreeMap<String, u64>) {
    for metric in sums.keys() {
        let (name, dimensions) = metric.strip_suffix('}').unwrap().split_once('{').unwrap();
        let pairs = dimensions.split(',').filter_map(|pair| pair.split_once('='));
        let dimensions: Vec<&str> = pairs.map(|(name, _)| name).collect();
        let declared = DECLARED.iter().find(|declared| declared.name == name).expect(metric);
        assert!(declared.dimensions.contains(&&*dimensions), "{metric}");
    }
}

fn refused(function: &str, code: &str) -> [String; 2] {
    [format!("Refusals{{Function={function},Code={code}}} 1"), "Refusals{} 1".to_owned()]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sign_ins_by_method_and_outcome() {
    let run = Run::unlimited().await;
    let number = mobile(0);
    let mut known = with_phone(&run, &number).await;
    known.enrol(HandMade::new(&run.origin)).await;
    let mut person = Person { password: "a wrong guess at it".to_owned(), ..known.signed_out() };
    let (answer, counts) = counted(&run, person.by_password()).await;
    answer.problem(401, "wrong_credentials");
    let [refusal, refusals] = refused("password-sign-in", "wrong_credentials");
    assert_eq!(
        counts,
        [&refusal, &refusals, "SignIns{Method=password,Outcome=wrong_credentials} 1"].map(str::to_owned)
    );

    run.wait(30).await;
    let mut person = known.signed_out();
    let (answer, counts) = counted(&run, person.by_password()).await;
    let next = answer.expect(200).json();
    assert_eq!(counts, ["SignIns{Method=password,Outcome=next} 1"]);
    let (answer, counts) = counted(&run, person.send_code_in(&next["sign_in"], "text")).await;
    let sent = answer.expect(202).json();
    assert_eq!(counts, ["Sends{Channel=text,Country=US,Outcome=sent} 1", "Sends{} 1"]);
    let code = run.code_to(&number).await;
    let (answer, counts) = counted(&run, person.verify(&sent["sign_in"], &another_code(&code))).await;
    answer.problem(401, "wrong_credentials");
    assert_eq!(counts.last().unwrap(), "SignIns{Method=phone,Outcome=wrong_credentials} 1");
    let (answer, counts) = counted(&run, person.verify(&sent["sign_in"], &code)).await;
    answer.expect(200);
    assert_eq!(counts, ["SignIns{Method=phone,Outcome=signed_in} 1"]);
    let (answer, counts) = counted(&run, person.verify(&sent["sign_in"], &code)).await;
    answer.problem(401, "sign_in_expired");
    assert_eq!(counts.last().unwrap(), "SignIns{Method=phone,Outcome=sign_in_expired} 1");

    let (answer, counts) = counted(&run, known.sign_in()).await;
    answer.expect(200);
    assert_eq!(counts, ["SignIns{Method=passkey,Outcome=signed_in} 1"]);
    // What is neither a proof nor refused counts nothing, and a body that cannot be read is no proof.
    let (answer, counts) = counted(&run, known.get("/v1/account")).await;
    answer.expect(200);
    assert_eq!(counts, Vec::<String>::new());
    let (answer, counts) = counted(&run, run.post("/v1/sign-in/passkey", &json!({})).send()).await;
    answer.problem(400, "bad_request");
    assert_eq!(counts, refused("passkey-sign-in", "bad_request"));
    let (answer, counts) = counted(&run, run.get("/v1/nowhere").send()).await;
    answer.problem(404, "not_found");
    assert_eq!(counts, refused("fallback", "not_found"));
}

/// Whoever has the name, the guess that locks is counted; an owner is told of it, which is counted too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locks() {
    let run = Run::unlimited().await;
    let known = with_phone(&run, &mobile(1)).await;
    for (who, is_told) in [(known.signed_out(), true), (somebody(&run), false)] {
        let mut who = Person { password: "a wrong guess at it".to_owned(), ..who };
        for nth in 1..=6 {
            let (_, counts) = counted(&run, who.by_password()).await;
            let has = |metric: &str| counts.iter().any(|count| count == metric);
            assert_eq!(has("Locks{Method=password} 1"), nth == 5, "{counts:?}");
            assert_eq!(has("SignIns{Method=password,Outcome=locked} 1"), nth == 6, "{counts:?}");
            let told = nth == 5 && is_told;
            assert_eq!(has("Sends{Channel=email,Country=ZZ,Outcome=sent} 1"), told, "{counts:?}");
            assert_eq!(has("Sends{Channel=text,Country=US,Outcome=sent} 1"), told, "{counts:?}");
            assert_eq!(has("Sends{} 2"), told, "{counts:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sends_by_channel_and_outcome() {
    let run = Run::unlimited().await;
    let known = with_phone(&run, &mobile(2)).await;
    run.wait(30).await;
    for (mut who, channel, outcome) in [
        (known.signed_out(), "call", "sent"),
        (somebody(&run), "call", "nobody"),
        (somebody(&run), "text", "nobody"),
    ] {
        let (answer, counts) = counted(&run, who.send_code(channel)).await;
        answer.expect(202);
        let send = format!("Sends{{Channel={channel},Country=US,Outcome={outcome}}} 1");
        assert_eq!(counts, [&*send, "Sends{} 1"]);
    }
    run.wait(30).await;
    run.faults(&json!([{ "service": "sns", "operation": "Publish", "kind": "throttled" }])).await;
    let (answer, counts) = counted(&run, known.signed_out().send_code("text")).await;
    answer.problem(503, "unavailable");
    run.faults(&json!([])).await;
    assert_eq!(
        counts,
        [
            "AwsErrors{Service=sns,Kind=throttled} 1",
            "Sends{Channel=text,Country=US,Outcome=failed} 1",
            "Sends{} 1"
        ]
    );
    run.hold("2025-02-07T12:00:00Z".parse().unwrap()).await;
    let body = json!({ "username": somebody(&run).username });
    let (answer, counts) = counted(&run, run.post("/v1/recovery/email/send", &body).send()).await;
    answer.expect(202);
    assert_eq!(counts, ["Sends{Channel=email,Country=ZZ,Outcome=nobody} 1", "Sends{} 1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_by_service_and_kind() {
    let run = Run::unlimited().await;
    let mut person = set_up(&run).await;
    for (service, operation, kind, counted_as) in [
        ("dynamodb", "TransactWriteItems", "throttled", "Service=dynamodb,Kind=throttled"),
        ("dynamodb", "TransactWriteItems", "timeout", "Service=dynamodb,Kind=timeout"),
        ("dynamodb", "TransactWriteItems", "error", "Service=dynamodb,Kind=other"),
        ("kms", "Encrypt", "timeout", "Service=kms,Kind=timeout"),
    ] {
        let fault = json!([{ "service": service, "operation": operation, "times": 1, "kind": kind }]);
        run.faults(&fault).await;
        let (answer, counts) = counted(&run, person.post("/v1/account/recovery-code", &json!({}))).await;
        answer.problem(503, "unavailable");
        assert_eq!(counts, [format!("AwsErrors{{{counted_as}}} 1")]);
    }
    let body = person.sign_in_body().await;
    run.faults(&json!([{ "service": "dynamodb", "operation": "Query", "times": 1, "kind": "error" }])).await;
    let (answer, counts) = counted(&run, person.post("/v1/sign-in/passkey", &body)).await;
    answer.problem(503, "unavailable");
    assert_eq!(
        counts,
        ["AwsErrors{Service=dynamodb,Kind=other} 1", "SignIns{Method=passkey,Outcome=unavailable} 1"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recoveries_by_way_and_outcome() {
    let run = Run::unlimited().await;
    let mut person = set_up(&run).await;
    let code = person.take_code().await;
    for (code, outcome) in [("0000-0000-0000-0000", "wrong_credentials"), (&*code, "recovered")] {
        let body = json!({ "username": person.username, "code": code });
        let (_, counts) = counted(&run, run.post("/v1/recovery/code", &body).send()).await;
        let recovery = format!("Recoveries{{Way=code,Outcome={outcome}}} 1");
        assert!(counts.contains(&recovery), "{counts:?}");
    }
    run.hold("2025-02-07T12:00:00Z".parse().unwrap()).await;
    let body = json!({ "username": person.username });
    let sent = run.post("/v1/recovery/email/send", &body).send().await.expect(202).json();
    let body = json!({ "recovery": sent["recovery"], "code": run.code_by_email(&person.email).await });
    let (answer, counts) = counted(&run, run.post("/v1/recovery/email/verify", &body).send()).await;
    answer.expect(200);
    assert!(counts.contains(&"Recoveries{Way=email,Outcome=recovered} 1".to_owned()), "{counts:?}");
}
