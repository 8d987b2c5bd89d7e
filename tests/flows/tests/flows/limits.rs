//! How often a code goes out: per number, account and address, whoever asks and however many ask at once.

use flows::{Answer, Person, Portal, Run, landline, mobile, set_up, somebody, with_password, with_phone};
use futures_util::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};

const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);
const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

/// How long to wait, as the header and the body say alike.
#[track_caller]
fn retry_after(answer: Answer) -> u64 {
    let answer = answer.problem(429, "too_many_requests");
    let seconds: u64 = answer.header("retry-after").expect("Retry-After").parse().unwrap();
    assert_eq!(answer.json()["retry_after"], seconds, "{answer:?}");
    seconds
}

async fn sent_to(portal: &Portal, number: &str) -> usize {
    portal.messages_to(number).await.len()
}

async fn texts_and_calls(portal: &Portal) -> usize {
    // Notices by text hold no digit.
    let has_code = |body: &Value| body.as_str().unwrap().contains(|c: char| c.is_ascii_digit());
    let messages = portal.messages().await;
    messages.iter().filter(|message| message["kind"] != "email" && has_code(&message["body"])).count()
}

/// It is refused a second before its time, and works when it said.
async fn tells_the_truth(portal: &Portal, seconds: u64, mut send: impl AsyncFnMut() -> Answer) {
    portal.wait(seconds - 1).await;
    assert_eq!(retry_after(send().await), 1);
    portal.wait(1).await;
    send().await.expect(202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_gets_one_in_thirty_seconds_five_in_an_hour_and_ten_in_a_day() {
    let run = Run::frozen().await;
    let number = mobile(0);
    let person = with_phone(&run, &number).await;
    // A day later its enrolment does not count any more.
    run.wait(DAY).await;
    let send = async |channel: &str| person.signed_out().send_code(channel).await;
    let already = sent_to(&run, &number).await;
    for nth in 0..5 {
        send(if nth % 2 == 0 { "text" } else { "call" }).await.expect(202);
        assert_eq!(retry_after(send("text").await), if nth < 4 { 30 } else { HOUR - 120 });
        if nth < 4 {
            run.wait(30).await;
        }
    }
    assert_eq!(sent_to(&run, &number).await, already + 5);
    tells_the_truth(&run, HOUR - 120, async || send("call").await).await;
    for _ in 0..4 {
        run.wait(HOUR).await;
        send("text").await.expect(202);
    }
    assert_eq!(sent_to(&run, &number).await, already + 10);
    run.wait(HOUR).await;
    let seconds = retry_after(send("text").await);
    assert_eq!(seconds, DAY - 6 * HOUR);
    assert_eq!(sent_to(&run, &number).await, already + 10);
    tells_the_truth(&run, seconds, async || send("text").await).await;
}

/// The window is the number's, whichever accounts have it, and whatever the code is for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_is_spared_whoever_asks() {
    let run = Run::frozen().await;
    let number = landline(0);
    let one = with_phone(&run, &number).await;
    let mut other = with_password(&run).await;
    other.begin_phone(&number, "call").await.expect(202);
    assert_eq!(retry_after(one.signed_out().send_code("call").await), 30);
    run.wait(30).await;
    one.signed_out().send_code("call").await.expect(202);
    assert_eq!(retry_after(other.begin_phone(&number, "call").await), 30);
    // In other spellings, too.
    assert_eq!(retry_after(other.begin_phone("1 (212) 555-0160", "call").await), 30);
    run.wait(30).await;
    let mut third = with_password(&run).await;
    third.begin_phone(&number, "call").await.expect(202);
    run.wait(30).await;
    third.begin_phone(&number, "call").await.expect(202);
    assert_eq!(sent_to(&run, &number).await, 5);
    run.wait(30).await;
    let seconds = retry_after(third.begin_phone(&number, "call").await);
    assert_eq!(seconds, HOUR - 150);
    assert_eq!(retry_after(one.signed_out().send_code("call").await), seconds);
}

/// Waits, and has a session afterwards: by the password, which is all that the account has.
async fn later(person: Person, run: &Run, seconds: u64) -> Person {
    run.wait(seconds).await;
    let mut person = person.signed_out();
    person.by_password().await.expect(200);
    person
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_gets_ten_in_an_hour_and_twenty_in_a_day() {
    let run = Run::unlimited().await;
    let mut person = with_password(&run).await;
    for nth in 0..10 {
        person.begin_phone(&mobile(nth), "text").await.expect(202);
        run.wait(1).await;
    }
    assert_eq!(retry_after(person.begin_phone(&mobile(10), "text").await), HOUR - 10);
    assert_eq!(sent_to(&run, &mobile(10)).await, 0);
    let mut person = later(person, &run, HOUR - 10).await;
    person.begin_phone(&mobile(10), "text").await.expect(202);
    for nth in 11..20 {
        run.wait(1).await;
        person.begin_phone(&mobile(nth), "text").await.expect(202);
    }
    let mut person = later(person, &run, 2 * HOUR).await;
    let seconds = retry_after(person.begin_phone(&mobile(20), "text").await);
    assert_eq!(seconds, DAY - 3 * HOUR - 9);
    assert_eq!(texts_and_calls(&run).await, 20);
    let mut person = later(person, &run, seconds - 1).await;
    assert_eq!(retry_after(person.begin_phone(&mobile(20), "text").await), 1);
    run.wait(1).await;
    person.begin_phone(&mobile(20), "text").await.expect(202);
}

/// Sends for signing in and for enrolling are of one account.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn enrolments_and_sign_ins_count_together() {
    let run = Run::unlimited().await;
    let mut person = set_up(&run).await;
    person.set_password(flows::PASSWORD).await.expect(200);
    let mut ids = Vec::new();
    for nth in 20..24 {
        ids.push(person.add_phone(&mobile(nth), "text").await);
    }
    run.wait(30).await;
    let next = person.signed_out().by_password().await.expect(200).json();
    let send = async |phone: &str| {
        let body = json!({ "sign_in": next["sign_in"], "phone": phone, "channel": "call" });
        run.post("/v1/sign-in/phone/send", &body).send().await
    };
    for id in &ids {
        send(id).await.expect(202);
    }
    run.wait(30).await;
    for id in &ids[..2] {
        send(id).await.expect(202);
    }
    assert_eq!(texts_and_calls(&run).await, 10);
    assert_eq!(retry_after(send(&ids[3]).await), HOUR - 60);
    assert_eq!(retry_after(person.begin_phone(&mobile(25), "text").await), HOUR - 60);
    // Another account is free.
    with_password(&run).await.begin_phone(&mobile(25), "text").await.expect(202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_gets_twenty_in_an_hour() {
    let run = Run::frozen().await;
    // By enrolling, and for names that are somebody's or nobody's: each counts.
    let mut enrolling = with_password(&run).await;
    for nth in 0..5 {
        enrolling.begin_phone(&mobile(nth), "text").await.expect(202);
    }
    with_password(&run).await.signed_out().send_code("text").await.expect(202);
    for _ in 0..14 {
        somebody(&run).send_code("text").await.expect(202);
        run.wait(1).await;
    }
    let mut stranger = somebody(&run);
    let body = json!({ "username": stranger.username, "channel": "text" });
    let forwarded = run.post("/v1/sign-in/phone/send", &body).header("x-forwarded-for", "203.0.113.9");
    let seconds = retry_after(forwarded.send().await);
    assert_eq!(seconds, HOUR - 14);
    assert_eq!(retry_after(enrolling.begin_phone(&mobile(5), "text").await), seconds);
    assert_eq!(sent_to(&run, &mobile(5)).await, 0);
    tells_the_truth(&run, seconds, async || stranger.send_code("text").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unlimited_lifts_the_limit_per_address_and_no_other() {
    let run = Run::unlimited().await;
    for _ in 0..40 {
        somebody(&run).send_code("text").await.expect(202);
    }
    let nobody = somebody(&run);
    for _ in 0..5 {
        nobody.signed_out().send_code("text").await.expect(202);
        retry_after(nobody.signed_out().send_code("call").await);
        run.wait(30).await;
    }
    assert_eq!(retry_after(nobody.signed_out().send_code("text").await), HOUR - 150);
    let mut person = with_password(&run).await;
    for nth in 0..10 {
        person.begin_phone(&mobile(nth), "text").await.expect(202);
    }
    retry_after(person.begin_phone(&mobile(10), "text").await);
}

async fn one_of(calls: impl Iterator<Item = impl Future<Output = Answer>>) {
    let answers = join_all(calls).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 202).count(), 1, "{statuses:?}");
    for answer in answers.into_iter().filter(|answer| answer.status != 202) {
        assert_eq!(retry_after(answer), 30);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_at_once_send_one() {
    let run = Run::frozen().await;
    let number = mobile(1);
    let person = with_phone(&run, &number).await;
    let before = sent_to(&run, &number).await;
    // For signing in, by its name.
    let body = json!({ "username": person.username, "channel": "text" });
    one_of((0..100).map(|_| run.post("/v1/sign-in/phone/send", &body).send())).await;
    assert_eq!(sent_to(&run, &number).await, before + 1);
    // For one sign-in under way, by either channel.
    run.wait(30).await;
    let next = person.signed_out().by_password().await.expect(200).json();
    let calls = (0..100).map(|nth| {
        let channel = if nth % 2 == 0 { "text" } else { "call" };
        let body = json!({ "sign_in": next["sign_in"], "channel": channel });
        run.post("/v1/sign-in/phone/send", &body).send()
    });
    one_of(calls).await;
    assert_eq!(sent_to(&run, &number).await, before + 2);
    // To enrol.
    run.wait(30).await;
    let new = with_password(&run).await;
    let body = json!({ "number": number, "channel": "call" });
    one_of((0..100).map(|_| run.post("/v1/account/phones", &body).session(&new.session).send())).await;
    assert_eq!(sent_to(&run, &number).await, before + 3);
    // And for nobody: as many answers of each kind.
    let body = json!({ "username": somebody(&run).username, "channel": "text" });
    one_of((0..100).map(|_| run.post("/v1/sign-in/phone/send", &body).send())).await;
}

/// Many at once for as many numbers of one account: ten, as one after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_at_once_to_many_numbers_ten_go_out() {
    let run = Run::unlimited().await;
    let person = with_password(&run).await;
    let calls = (0..50).map(|nth| {
        let body = json!({ "number": mobile(nth), "channel": "text" });
        run.post("/v1/account/phones", &body).session(&person.session).send()
    });
    let answers = join_all(calls).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 202).count(), 10, "{statuses:?}");
    assert_eq!(texts_and_calls(&run).await, 10);
    for answer in answers.into_iter().filter(|answer| answer.status != 202) {
        retry_after(answer);
    }
}

/// What is refused costs nothing: neither a bad number, nor a refused send, nor a wrong body. But for the
/// address, which does not try one number after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_is_not_counted() {
    let run = Run::unlimited().await;
    let mut person = set_up(&run).await;
    for _ in 0..12 {
        person.begin_phone("+1 212 555 0180", "text").await.problem(422, "invalid_phone");
        person.begin_phone("+1 800 555 0100", "text").await.problem(422, "invalid_phone");
        person.begin_phone(&landline(1), "text").await.problem(422, "invalid_phone");
        person.begin_phone(&mobile(2), "pigeon").await.problem(400, "bad_request");
    }
    person.begin_phone(&landline(1), "call").await.expect(202);
    for _ in 0..20 {
        retry_after(person.begin_phone(&landline(1), "call").await);
    }
    run.hold(run.t0() + SignedDuration::from_secs(30) - MILLISECOND).await;
    retry_after(person.begin_phone(&landline(1), "call").await);
    run.hold(run.t0() + SignedDuration::from_secs(30)).await;
    person.begin_phone(&landline(1), "call").await.expect(202);
}

/// Looking a number up costs money as well: so many in an hour, whatever comes of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lookups_end_too() {
    let run = Run::unlimited().await;
    let mut person = set_up(&run).await;
    let mut looked_up = 0;
    let seconds = loop {
        let answer = person.begin_phone("+1 212 555 0180", "text").await;
        if answer.status == 429 {
            break retry_after(answer);
        }
        answer.problem(422, "invalid_phone");
        looked_up += 1;
        assert!(looked_up <= 100, "a number is looked up for ever");
    };
    assert!(looked_up >= 10, "{looked_up}");
    assert!(seconds <= HOUR, "{seconds}");
    assert_eq!(run.messages_to("+12125550180").await, Vec::<Value>::new());
}
