//! Adding phones, taking them away, and what their codes are good for.

use flows::{
    HandMade, PASSWORD, Person, Run, another_code, landline, mobile, registered, set_up, somebody,
    with_password, with_phone,
};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);

fn at(instant: &Value) -> Timestamp {
    instant.as_str().unwrap().parse().unwrap()
}

fn phones(account: &Value) -> Vec<&str> {
    account["methods"]["phones"].as_array().unwrap().iter().map(|p| p["id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_are_read_in_every_spelling() {
    let run = Run::unlimited().await;
    let spellings = [
        "+12125550120",
        "+1 212 555 0120",
        "1-212-555-0120",
        "2125550120",
        "(212) 555-0120",
        "212.555.0120",
        " +1 (212) 555 – 0120 ",
        "tel:+1-212-555-0120",
        "011 1 212 555 0120",
        "＋１２１２５５５０１２０",
    ];
    for spelling in spellings {
        // Sixteen texts to one number: one every three hours.
        run.wait(3 * 3600).await;
        let mut person = registered(&run).await;
        let pending = person.begin_phone(spelling, "text").await;
        assert_eq!(pending.status, 202, "{spelling}: {pending:?}");
        assert_eq!(pending.json()["ending"], "20");
        let code = run.code_to("+12125550120").await;
        let account = person.confirm_phone(&pending.json()["id"], &code).await.expect(200).json();
        assert!(!account.to_string().contains("5550120"), "{account}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_number_that_does_not_serve_has_its_reason() {
    let run = Run::frozen().await;
    let mut person = with_password(&run).await;
    let good = "+1 212 555 0121";
    let extensions = [
        "x12",
        " x 12",
        " X12",
        "ext12",
        " ext. 12",
        " ext 12",
        " Ext:12",
        " extension 12",
        ";ext=12",
        ",12",
        ",,12",
        ", 12",
        "#12",
        " # 12",
        "p12",
        "w12",
        ";12",
        " extensión 12",
        " anexo 12",
        " int. 12",
        " доб. 12",
        " 内線 12",
        " x1234567",
        "*12",
        " ext",
        " x",
    ];
    let extensions = extensions.map(|extension| (format!("{good}{extension}"), json!(["extension"])));
    let others = [
        ("tel:+1-212-555-0121;ext=12", json!(["extension"])),
        ("tel:+12125550121;postd=12", json!(["extension"])),
        ("ext. 12, 212 555 0121", json!(["extension"])),
        ("", json!(["not_a_number"])),
        (" ", json!(["not_a_number"])),
        ("+", json!(["not_a_number"])),
        ("x12", json!(["not_a_number"])),
        ("nonsense", json!(["not_a_number"])),
        ("911", json!(["not_a_number"])),
        ("0", json!(["not_a_number"])),
        ("555 0121", json!(["not_a_number"])),
        ("212 555 012", json!(["not_a_number"])),
        ("+1 212 555 01211", json!(["not_a_number"])),
        ("+1 112 555 0121", json!(["not_a_number"])),
        ("+999 1234 5678", json!(["not_a_number"])),
        ("1-800-FLOWERS", json!(["not_a_number"])),
        ("me@clinic.example", json!(["not_a_number"])),
        ("+1 212 555 0121 or +1 212 555 0122", json!(["not_a_number"])),
        ("212\u{0}5550121", json!(["not_a_number"])),
        // Nobody has it, says the carriers' table.
        ("+1 212 555 0190", json!(["not_a_number"])),
        // VoIP by the table, and by the plans of other countries.
        ("+1 212 555 0180", json!(["line_type"])),
        ("+1 800 555 0121", json!(["line_type"])),
        ("+1 888 555 0121", json!(["line_type"])),
        ("+1 900 555 0121", json!(["line_type"])),
        ("+1 500 555 0121", json!(["line_type"])),
        ("+44 7400 123456", json!(["country"])),
        ("+44 20 7946 0958", json!(["country"])),
        ("+52 55 1234 5678", json!(["country"])),
        ("+1 876 555 0121", json!(["country"])),
        ("+1 868 291 1234", json!(["country"])),
        ("+44 56 1234 5678", json!(["line_type", "country"])),
        ("+44 909 879 0000", json!(["line_type", "country"])),
        ("+44 845 464 0000", json!(["line_type", "country"])),
        ("+44 76 6612 3456", json!(["line_type", "country"])),
        // Satellites and global networks are of no country.
        ("+870 773 111 632", json!(["country"])),
        ("+881 612 345 678", json!(["country"])),
        ("+883 5100 0000 0000", json!(["line_type", "country"])),
        ("+800 1234 5678", json!(["line_type", "country"])),
        ("+44 7400 123456 x12", json!(["extension", "country"])),
        ("+1 800 555 0121 ext 3", json!(["extension", "line_type"])),
    ];
    let others = others.map(|(number, reasons)| (number.to_owned(), reasons));
    let mut wrong = Vec::new();
    for (number, reasons) in extensions.into_iter().chain(others) {
        let answer = person.begin_phone(&number, "call").await;
        if answer.status != 422 || answer.json()["reasons"] != reasons {
            wrong.push(format!("{number:?}: {reasons} is answered {} {}", answer.status, answer.text()));
        } else {
            let refused = answer.problem(422, "invalid_phone");
            let digits: String = number.chars().filter(char::is_ascii_digit).collect();
            assert!(digits.len() < 4 || !refused.text().contains(&digits), "{refused:?}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let refused = person.begin_phone(&landline(3), "text").await.problem(422, "invalid_phone").json();
    assert_eq!(refused["reasons"], json!(["text_to_landline"]));
    let long = person.begin_phone(&"1".repeat(5000), "text").await.problem(422, "invalid_phone").json();
    assert_eq!(long["reasons"], json!(["not_a_number"]));
    // Nothing went out, nothing was kept, and nothing was counted.
    let texts: Vec<Value> = run.messages().await.into_iter().filter(|m| m["kind"] != "email").collect();
    assert_eq!(texts, Vec::<Value>::new());
    person.add_phone(&landline(3), "call").await;
    assert_eq!(phones(&person.account().await).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_of_the_allowed_countries_are_taken() {
    let run = Run::unlimited().await;
    for (number, line_type) in [
        ("+1 416 555 0121", "mobile"),
        ("+1 787 555 0122", "mobile"),
        ("+1 340 555 0123", "mobile"),
        ("+1 671 555 0124", "mobile"),
        ("+1 684 733 1234", "mobile"),
        ("+1 670 234 5678", "unknown"),
        // Of the number plan alone: in North America it does not tell a mobile from a landline.
        ("+1 212 736 5000", "unknown"),
    ] {
        let mut person = registered(&run).await;
        let pending = person.begin_phone(number, "text").await;
        assert_eq!(pending.status, 202, "{number}: {pending:?}");
        assert_eq!(pending.json()["line_type"], line_type, "{number}");
        assert_eq!(pending.json()["channels"], json!(["text", "call"]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_keeps_five_phones() {
    let run = Run::unlimited().await;
    let mut person = with_password(&run).await;
    let mut ids = Vec::new();
    for nth in 20..25 {
        ids.push(person.add_phone(&mobile(nth), "text").await);
    }
    let account = person.account().await;
    let mut listed = phones(&account);
    listed.sort_unstable();
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    assert_eq!(listed, sorted);
    person.begin_phone(&mobile(25), "text").await.problem(409, "too_many_phones");
    // One of the five may be verified anew.
    run.wait(30).await;
    let again = person.add_phone(&mobile(24), "call").await;
    assert_eq!(again, ids[4]);
    person.take_code().await;
    person.delete(&format!("/v1/account/phones/{}", ids[0])).await.expect(204);
    person.add_phone(&mobile(25), "text").await;
    assert_eq!(phones(&person.account().await).len(), 5);
}

/// However many are confirmed at the same instant, five are kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_last_phones_at_the_same_instant_one_is_kept() {
    let run = Run::unlimited().await;
    let mut person = with_phone(&run, &mobile(30)).await;
    for nth in 31..34 {
        person.add_phone(&mobile(nth), "text").await;
    }
    let mut confirmations = Vec::new();
    for (nth, channel) in [(34, "text"), (35, "call"), (36, "text")] {
        let mut elsewhere = person.signed_out();
        mobile(30).clone_into(&mut elsewhere.number);
        run.wait(30).await;
        let next = elsewhere.by_password().await.expect(200).json();
        let phone = next["next"][0]["phones"].as_array().unwrap();
        let phone = phone.iter().find(|phone| phone["ending"] == "30").unwrap()["id"].clone();
        let body = json!({ "sign_in": next["sign_in"], "phone": phone, "channel": "text" });
        let sent = elsewhere.post("/v1/sign-in/phone/send", &body).await.expect(202).json();
        let code = run.code_to(&mobile(30)).await;
        elsewhere.verify(&sent["sign_in"], &code).await.expect(200);
        let pending = elsewhere.begin_phone(&mobile(nth), channel).await.expect(202).json();
        let code = run.code_to(&mobile(nth)).await;
        confirmations.push((elsewhere, pending["id"].clone(), code));
    }
    let calls = confirmations
        .into_iter()
        .map(|(mut person, id, code)| async move { person.confirm_phone(&id, &code).await });
    let answers = join_all(calls).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "{answers:?}");
    for answer in answers.into_iter().filter(|answer| answer.status != 200) {
        answer.problem(409, "too_many_phones");
    }
    assert_eq!(phones(&person.account().await).len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_accounts_share_a_line_and_no_code() {
    let run = Run::frozen().await;
    let line = landline(4);
    let mut one = with_phone(&run, &line).await.signed_out();
    let mut other = with_phone(&run, &line).await.signed_out();
    let of_one = one.by_password().await.expect(200).json();
    let of_other = other.by_password().await.expect(200).json();
    let sent_to_one = one.send_code_in(&of_one["sign_in"], "call").await.expect(202).json();
    let one_code = run.code_to(&line).await;
    // The limit is the number's, whoever asks.
    other.send_code_in(&of_other["sign_in"], "call").await.problem(429, "too_many_requests");
    run.wait(30).await;
    let sent_to_other = other.send_code_in(&of_other["sign_in"], "call").await.expect(202).json();
    let other_code = run.code_to(&line).await;
    assert_ne!(one_code, other_code);
    one.verify(&sent_to_one["sign_in"], &other_code).await.problem(401, "wrong_credentials");
    other.verify(&sent_to_other["sign_in"], &one_code).await.problem(401, "wrong_credentials");
    let signed_in = one.verify(&sent_to_one["sign_in"], &one_code).await.expect(200).json();
    assert_eq!(signed_in["account"]["username"], json!(one.username));
    let signed_in = other.verify(&sent_to_other["sign_in"], &other_code).await.expect(200).json();
    assert_eq!(signed_in["account"]["username"], json!(other.username));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_code_goes_out_after_thirty_seconds_and_ends_the_one_before() {
    let run = Run::frozen().await;
    let mut person = with_password(&run).await;
    let number = mobile(37);
    let first = person.begin_phone(&number, "text").await.expect(202).json();
    let first_code = run.code_to(&number).await;
    let resend = at(&first["resend_at"]);
    assert_eq!(resend, run.t0() + SignedDuration::from_secs(30));
    run.hold(resend - MILLISECOND).await;
    let refused = person.begin_phone(&number, "call").await.problem(429, "too_many_requests");
    assert_eq!((refused.header("retry-after"), &refused.json()["retry_after"]), (Some("1"), &json!(1)));
    assert_eq!(run.messages_to(&number).await.len(), 1);
    run.hold(resend).await;
    let second = person.begin_phone(&number, "call").await.expect(202).json();
    let second_code = run.code_to(&number).await;
    assert_eq!(run.messages_to(&number).await.len(), 2);
    if first_code != second_code {
        let refused = person.confirm_phone(&first["id"], &first_code).await;
        assert!(matches!(refused.status, 401 | 404), "{refused:?}");
    }
    person.confirm_phone(&second["id"], &second_code).await.expect(200);

    // So it is in a sign-in; the answer to the first send serves as well as that to the second.
    let mut person = with_phone(&run, &mobile(38)).await.signed_out();
    let first = person.send_code("text").await.expect(202).json();
    let first_code = run.code_to(&mobile(38)).await;
    let resend = at(&first["resend_at"]);
    run.hold(resend - MILLISECOND).await;
    person.send_code_in(&first["sign_in"], "call").await.problem(429, "too_many_requests");
    run.hold(resend).await;
    let second = person.send_code_in(&first["sign_in"], "call").await.expect(202).json();
    assert_eq!(second.get("ending"), None);
    let second_code = run.code_to(&mobile(38)).await;
    if first_code != second_code {
        person.verify(&second["sign_in"], &first_code).await.problem(401, "wrong_credentials");
    }
    let next = person.verify(&first["sign_in"], &second_code).await.expect(200).json();
    assert_eq!(next["proven"], json!(["phone"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_answers_for_what_asked_for_it_alone() {
    let run = Run::unlimited().await;
    let number = mobile(39);
    let mut person = with_phone(&run, &number).await;
    // One code for each of two sign-ins, and one to verify the phone anew.
    let mut sign_ins = Vec::new();
    for _ in 0..2 {
        let next = person.signed_out().by_password().await.expect(200).json();
        person.signed_out().send_code_in(&next["sign_in"], "text").await.expect(202);
        sign_ins.push((next["sign_in"].clone(), run.code_to(&number).await));
        run.wait(30).await;
    }
    let pending = person.begin_phone(&number, "text").await.expect(202).json();
    let enrolment_code = run.code_to(&number).await;
    let [(first, first_code), (second, second_code)] = sign_ins.try_into().unwrap();
    let mut stranger = person.signed_out();
    for (sign_in, code) in [(&first, &second_code), (&second, &first_code), (&first, &enrolment_code)] {
        stranger.verify(sign_in, code).await.problem(401, "wrong_credentials");
    }
    for code in [&first_code, &second_code] {
        person.confirm_phone(&pending["id"], code).await.problem(401, "wrong_credentials");
    }
    assert_eq!(stranger.verify(&second, &second_code).await.expect(200).json()["status"], "signed_in");
    assert_eq!(stranger.verify(&first, &first_code).await.expect(200).json()["status"], "signed_in");
    person.confirm_phone(&pending["id"], &enrolment_code).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_good_for_ten_minutes_exactly() {
    let run = Run::frozen().await;
    let life = SignedDuration::from_mins(10);
    for (left, status) in [(MILLISECOND, 200), (SignedDuration::ZERO, 401)] {
        let number = mobile(if status == 200 { 40 } else { 41 });
        let mut person = with_password(&run).await;
        let pending = person.begin_phone(&number, "text").await.expect(202).json();
        let code = run.code_to(&number).await;
        run.hold(at(&pending["expires_at"]) - left).await;
        let answer = person.confirm_phone(&pending["id"], &code).await.expect(status);
        if status == 401 {
            answer.problem(401, "wrong_credentials");
        }
    }
    // In a sign-in that begins with it, the code and the sign-in end together.
    let mut person = with_phone(&run, &mobile(42)).await.signed_out();
    let sent = person.send_code("text").await.expect(202).json();
    let over = at(&sent["expires_at"]);
    let code = run.code_to(&mobile(42)).await;
    run.hold(over).await;
    person.verify(&sent["sign_in"], &code).await.problem(401, "sign_in_expired");
    run.hold(over - MILLISECOND).await;
    person.verify(&sent["sign_in"], &code).await.expect(200);
    assert_eq!(over.duration_since(at(&sent["resend_at"])), life - SignedDuration::from_secs(30));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_wrong_codes_end_an_enrolment() {
    let run = Run::frozen().await;
    let mut person = with_password(&run).await;
    let number = mobile(43);
    let pending = person.begin_phone(&number, "text").await.expect(202).json();
    let code = run.code_to(&number).await;
    for shape in ["", "12345", "1234567", "12345a", "１２３４５６", " 12345"] {
        person.confirm_phone(&pending["id"], shape).await.problem(400, "bad_request");
    }
    for _ in 0..5 {
        person.confirm_phone(&pending["id"], &another_code(&code)).await.problem(401, "wrong_credentials");
    }
    for guess in [&code, &another_code(&code)] {
        let over = person.confirm_phone(&pending["id"], guess).await.problem(429, "too_many_requests");
        assert!(over.header("retry-after").is_some());
    }
    assert_eq!(phones(&person.account().await), Vec::<&str>::new());
    // Another code is another enrolment.
    run.wait(30).await;
    let pending = person.begin_phone(&number, "text").await.expect(202).json();
    let code = run.code_to(&number).await;
    for _ in 0..4 {
        person.confirm_phone(&pending["id"], &another_code(&code)).await.problem(401, "wrong_credentials");
    }
    person.confirm_phone(&pending["id"], &code).await.expect(200);
    // And spent.
    person.confirm_phone(&pending["id"], &code).await.problem(404, "not_found");
    // What was guessed here does not count against signing in.
    run.wait(30).await;
    let next = person.signed_out().by_password().await.expect(200).json();
    let sent = person.signed_out().send_code_in(&next["sign_in"], "text").await.expect(202).json();
    let code = run.code_to(&number).await;
    for _ in 0..4 {
        let answer = person.signed_out().verify(&sent["sign_in"], &another_code(&code)).await;
        answer.problem(401, "wrong_credentials");
    }
    person.signed_out().verify(&sent["sign_in"], &code).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_phones_wait_each_for_its_own_code() {
    let run = Run::frozen().await;
    let mut person = with_password(&run).await;
    let mut waiting = Vec::new();
    for number in [mobile(58), mobile(59)] {
        let pending = person.begin_phone(&number, "text").await.expect(202).json();
        waiting.push((pending["id"].clone(), run.code_to(&number).await));
    }
    let [(first, code_of_first), (second, code_of_second)] = waiting.try_into().unwrap();
    person.confirm_phone(&first, &code_of_second).await.problem(401, "wrong_credentials");
    person.confirm_phone(&second, &code_of_first).await.problem(401, "wrong_credentials");
    person.confirm_phone(&first, &code_of_first).await.expect(200);
    let account = person.confirm_phone(&second, &code_of_second).await.expect(200).json();
    assert_eq!(phones(&account), [first.as_str().unwrap(), second.as_str().unwrap()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_code_of_an_enrolment_ends_the_older_one_and_not_its_count() {
    let run = Run::frozen().await;
    let mut person = with_password(&run).await;
    let number = mobile(47);
    let pending = person.begin_phone(&number, "text").await.expect(202).json();
    let older = run.code_to(&number).await;
    for _ in 0..3 {
        person.confirm_phone(&pending["id"], &another_code(&older)).await.problem(401, "wrong_credentials");
    }
    run.wait(30).await;
    // By another spelling and the other channel, too.
    let spelling = format!("1 {}", &number[2..]);
    let again = person.begin_phone(&spelling, "call").await.expect(202).json();
    assert_eq!(again["id"], pending["id"]);
    let newer = run.code_to(&number).await;
    for code in [&older, &another_code(&newer)] {
        person.confirm_phone(&pending["id"], code).await.problem(401, "wrong_credentials");
    }
    person.confirm_phone(&pending["id"], &newer).await.problem(429, "too_many_requests");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_guesses_at_an_enrolment_at_once_five_are_looked_at() {
    let run = Run::start().await;
    let mut person = with_password(&run).await;
    let pending = person.begin_phone(&mobile(44), "text").await.expect(202).json();
    let code = run.code_to(&mobile(44)).await;
    let path = format!("/v1/account/phones/{}/confirm", pending["id"].as_str().unwrap());
    let body = json!({ "code": another_code(&code) });
    let answers = join_all((0..50).map(|_| run.post(&path, &body).session(&person.session).send())).await;
    let looked_at = answers.iter().filter(|answer| answer.status == 401).count();
    assert_eq!(looked_at, 5, "{answers:?}");
    for answer in answers.into_iter().filter(|answer| answer.status != 401) {
        answer.problem(429, "too_many_requests");
    }
    person.confirm_phone(&pending["id"], &code).await.problem(429, "too_many_requests");
    // And of many right answers one enrols.
    let pending = person.begin_phone(&mobile(45), "text").await.expect(202).json();
    let code = run.code_to(&mobile(45)).await;
    let path = format!("/v1/account/phones/{}/confirm", pending["id"].as_str().unwrap());
    let body = json!({ "code": code });
    let answers = join_all((0..50).map(|_| run.post(&path, &body).session(&person.session).send())).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert!(matches!(answer.status, 401 | 404 | 429), "{answer:?}");
    }
    assert_eq!(phones(&person.account().await).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_session_that_began_it_confirms() {
    let run = Run::frozen().await;
    let mut person = set_up(&run).await;
    let mut elsewhere = person.elsewhere().await;
    let mut stranger = with_password(&run).await;
    let number = mobile(46);
    let pending = person.begin_phone(&number, "text").await.expect(202).json();
    let code = run.code_to(&number).await;
    for other in [&mut elsewhere, &mut stranger] {
        other.confirm_phone(&pending["id"], &code).await.problem(404, "not_found");
    }
    for id in ["ph_nothing", "ph_", "x", "%00", "pk_AAAAAAAAAAAAAAAAAAAAAA"] {
        person.confirm_phone(&json!(id), &code).await.problem(404, "not_found");
        person.delete(&format!("/v1/account/phones/{id}")).await.problem(404, "not_found");
    }
    // It needs no step-up: the session was fresh when it began.
    run.wait(9 * 60).await;
    person.confirm_phone(&pending["id"], &code).await.expect(200);
    assert_eq!(phones(&stranger.account().await), Vec::<&str>::new());
    // Nor does a stranger take it away.
    let path = format!("/v1/account/phones/{}", pending["id"].as_str().unwrap());
    stranger.delete(&path).await.problem(403, "set_up_required");
    let mut stranger = set_up(&run).await;
    stranger.delete(&path).await.problem(404, "not_found");
    assert_eq!(phones(&person.account().await).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_phone_ends_the_sessions_that_it_proved_and_no_others() {
    let run = Run::unlimited().await;
    let mut person = set_up(&run).await;
    person.set_password(PASSWORD).await.expect(200);
    let second = person.add_phone(&mobile(48), "text").await;
    let first = person.add_phone(&mobile(47), "text").await;
    run.wait(30).await;
    let mut by_first = person.signed_out();
    by_first.sign_in_by("text").await.expect(200);
    let mut by_second = person.signed_out();
    let next = by_second.by_password().await.expect(200).json();
    let body = json!({ "sign_in": next["sign_in"], "phone": second, "channel": "call" });
    let sent = by_second.post("/v1/sign-in/phone/send", &body).await.expect(202).json();
    let code = run.code_to(&mobile(48)).await;
    by_second.verify(&sent["sign_in"], &code).await.expect(200);
    let mut by_passkey = person.elsewhere().await;
    let mut under_way = person.signed_out();
    run.wait(30).await;
    let next = under_way.by_password().await.expect(200).json();
    let body = json!({ "sign_in": next["sign_in"], "phone": first, "channel": "text" });
    let sent = under_way.post("/v1/sign-in/phone/send", &body).await.expect(202).json();
    let code = run.code_to(&mobile(47)).await;

    by_passkey.delete(&format!("/v1/account/phones/{first}")).await.expect(204);
    by_first.get("/v1/account").await.problem(401, "not_signed_in");
    by_second.get("/v1/account").await.expect(200);
    by_passkey.get("/v1/account").await.expect(200);
    assert_eq!(phones(&by_passkey.account().await), [second.as_str()]);
    by_passkey.delete(&format!("/v1/account/phones/{first}")).await.problem(404, "not_found");
    // Its codes are over with it, and none goes there any more.
    under_way.verify(&sent["sign_in"], &code).await.problem(401, "wrong_credentials");
    run.wait(30).await;
    under_way.post("/v1/sign-in/phone/send", &body).await.problem(404, "not_found");
    let before = run.messages_to(&mobile(47)).await.len();
    under_way.send_code_in(&next["sign_in"], "text").await.expect(202);
    assert_eq!(run.messages_to(&mobile(47)).await.len(), before);
    let activity = by_passkey.get("/v1/account/activity").await.expect(200).json();
    assert_eq!(activity["events"][0]["what"], "phone_removed");
}

/// The session that removes a phone goes on, although the phone proved it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_session_that_removes_its_own_phone_goes_on() {
    let run = Run::frozen().await;
    let mut person = with_phone(&run, &mobile(49)).await;
    person.sign_in_by("text").await.expect(200);
    person.enrol(HandMade::new(&run.origin)).await;
    let id = phones(&person.account().await)[0].to_owned();
    person.delete(&format!("/v1/account/phones/{id}")).await.expect(204);
    person.get("/v1/account").await.expect(200);
    assert_eq!(person.account().await["set_ups"]["password_and_phone"], false);
    // By phone nothing begins any more; the answer is the same.
    let sent = person.signed_out().send_code("text").await.expect(202).json();
    person.signed_out().verify(&sent["sign_in"], "123456").await.problem(401, "wrong_credentials");
    let next = person.signed_out().by_password().await.expect(200).json();
    assert_eq!(next["next"], json!([{ "method": "passkey" }]));
    let refused = json!({ "sign_in": next["sign_in"], "channel": "text" });
    run.post("/v1/sign-in/phone/send", &refused).send().await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_deadline_on_the_last_phone_of_a_set_up_stays() {
    let run = Run::frozen().await;
    let deadline: Timestamp = "2025-03-07T06:00:00Z".parse().unwrap();
    run.hold(deadline - SignedDuration::from_mins(3)).await;
    let mut person = with_phone(&run, &mobile(50)).await;
    let account = person.account().await;
    let path = format!("/v1/account/phones/{}", phones(&account)[0]);
    run.hold(deadline).await;
    person.delete(&path).await.problem(409, "would_break_set_up");
    let second = person.add_phone(&mobile(51), "text").await;
    person.delete(&path).await.expect(204);
    let path = format!("/v1/account/phones/{second}");
    person.delete(&path).await.problem(409, "would_break_set_up");
    run.hold(deadline - MILLISECOND).await;
    person.delete(&path).await.expect(204);
    let account = person.account().await;
    assert_eq!((phones(&account), &account["ready"]), (Vec::new(), &json!(false)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_landline_gets_calls_and_no_texts() {
    let run = Run::frozen().await;
    let number = landline(5);
    let mut person = with_phone(&run, &number).await;
    let phone = person.account().await["methods"]["phones"][0].clone();
    assert_eq!((&phone["line_type"], &phone["channels"]), (&json!("landline"), &json!(["call"])));
    let before = run.messages_to(&number).await.len();
    let mut stranger = person.signed_out();
    let next = stranger.by_password().await.expect(200).json();
    for body in [
        json!({ "sign_in": next["sign_in"], "phone": phone["id"], "channel": "text" }),
        json!({ "sign_in": next["sign_in"], "channel": "text" }),
    ] {
        let refused = stranger.post("/v1/sign-in/phone/send", &body).await.problem(422, "invalid_phone");
        assert_eq!(refused.json()["reasons"], json!(["text_to_landline"]));
    }
    // Nobody learns that before a proof, and nothing is sent.
    let sent = stranger.send_code("text").await.expect(202).json();
    assert_eq!(sent.get("ending"), None);
    assert_eq!(run.messages_to(&number).await.len(), before);
    stranger.verify(&sent["sign_in"], "123456").await.problem(401, "wrong_credentials");
    run.wait(30).await;
    stranger.send_code_in(&next["sign_in"], "call").await.expect(202);
    assert_eq!(run.messages_to(&number).await.len(), before + 1);
}

/// What was proven stays with the sign-in, also for a client that goes on with the `sign_in` from before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_is_the_same_by_each_of_its_names() {
    let run = Run::unlimited().await;
    let mut person = with_phone(&run, &mobile(55)).await;
    person.add_app().await;
    for second in ["password", "authenticator"] {
        for phone_first in [true, false] {
            run.wait(30).await;
            let mut person = person.signed_out();
            let first = person.send_code("text").await.expect(202).json()["sign_in"].clone();
            let code = run.code_to(&person.number).await;
            let other = match second {
                "password" => json!({ "sign_in": first, "password": PASSWORD }),
                _ => json!({ "sign_in": first, "code": person.app_code().await }),
            };
            let other = (format!("/v1/sign-in/{second}"), other);
            let phone = ("/v1/sign-in/phone/verify".to_owned(), json!({ "sign_in": first, "code": code }));
            let (begins, ends) = if phone_first { (phone, other) } else { (other, phone) };
            let next = person.post(&begins.0, &begins.1).await.expect(200).json();
            assert_eq!(next["status"], "next", "{next}");
            let ended = person.post(&ends.0, &ends.1).await.expect(200).json();
            assert_eq!(ended["status"], "signed_in", "{second} {phone_first}: {ended}");
            // By none of its names again.
            for sign_in in [&first, &next["sign_in"]] {
                let body = json!({ "sign_in": sign_in, "password": PASSWORD });
                person.post("/v1/sign-in/password", &body).await.problem(401, "sign_in_expired");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_proofs_at_once_are_two() {
    let run = Run::unlimited().await;
    let person = with_phone(&run, &mobile(56)).await;
    for _ in 0..8 {
        // A number gets ten texts in a day.
        run.wait(3 * 3600).await;
        let (mut by_phone, mut by_password) = (person.signed_out(), person.signed_out());
        let sign_in = by_phone.send_code("text").await.expect(202).json()["sign_in"].clone();
        let code = run.code_to(&person.number).await;
        let body = json!({ "sign_in": sign_in, "password": PASSWORD });
        let (phone, password) =
            tokio::join!(by_phone.verify(&sign_in, &code), by_password.post("/v1/sign-in/password", &body));
        let mut outcomes = [phone, password].map(|answer| answer.expect(200).json()["status"].clone());
        outcomes.sort_by_key(Value::to_string);
        assert_eq!(outcomes, [json!("next"), json!("signed_in")]);
    }
}

/// A proof twice is one proof, and of another sign-in it is none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_proof_twice_is_no_second_one() {
    let run = Run::unlimited().await;
    let mut person = with_phone(&run, &mobile(57)).await.signed_out();
    let first = person.send_code("text").await.expect(202).json()["sign_in"].clone();
    let code = run.code_to(&person.number).await;
    for _ in 0..3 {
        let body = json!({ "sign_in": first, "password": PASSWORD });
        let next = person.post("/v1/sign-in/password", &body).await.expect(200).json();
        assert_eq!((&next["status"], &next["proven"]), (&json!("next"), &json!(["password"])));
    }
    run.wait(30).await;
    let another = person.send_code("text").await.expect(202).json()["sign_in"].clone();
    let newer = run.code_to(&person.number).await;
    let next = person.verify(&another, &newer).await.expect(200).json();
    assert_eq!((&next["status"], &next["proven"]), (&json!("next"), &json!(["phone"])));
    assert_eq!(person.verify(&first, &code).await.expect(200).json()["status"], "signed_in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_goes_to_the_phone_used_last_that_takes_the_channel() {
    let run = Run::unlimited().await;
    let mut person = with_password(&run).await;
    let mut ids = Vec::new();
    let numbers = [mobile(52), mobile(53), mobile(54), landline(6)];
    for number in &numbers {
        let channel = if *number == landline(6) { "call" } else { "text" };
        ids.push(person.add_phone(number, channel).await);
        run.wait(1).await;
    }
    person.take_code().await;
    let sent_to = async |channel: &str| {
        run.wait(30).await;
        let mut counts = Vec::new();
        for number in &numbers {
            counts.push(run.messages_to(number).await.len());
        }
        person.signed_out().send_code(channel).await.expect(202);
        for (place, number) in numbers.iter().enumerate() {
            if run.messages_to(number).await.len() > counts[place] {
                return Some(place);
            }
        }
        None
    };
    // Adding one is using it.
    assert_eq!((sent_to("text").await, sent_to("call").await), (Some(2), Some(3)));
    for (used, by_text) in [(0, 0), (1, 1), (3, 1), (0, 0), (3, 0)] {
        run.wait(86_400).await;
        let mut stranger = person.signed_out();
        let next = stranger.by_password().await.expect(200).json();
        let body = json!({ "sign_in": next["sign_in"], "phone": ids[used], "channel": "call" });
        let sent = stranger.post("/v1/sign-in/phone/send", &body).await.expect(202).json();
        let code = run.code_to(&numbers[used]).await;
        stranger.verify(&sent["sign_in"], &code).await.expect(200);
        run.wait(86_400).await;
        assert_eq!((sent_to("text").await, sent_to("call").await), (Some(by_text), Some(used)), "{used}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_texts_and_calls_say() {
    let run = Run::frozen().await;
    for (locale, text_says, call_says) in [
        ("en-US", "is your Provider portal code", "Your code is:"),
        ("es", "es su clave de Provider portal", "Su código es:"),
        ("es-MX", "es su clave de Provider portal", "Su código es:"),
        ("fr", "is your Provider portal code", "Your code is:"),
    ] {
        let mut person = Person { password: PASSWORD.to_owned(), ..somebody(&run) };
        let body = json!({
            "username": person.username, "email": person.email, "password": PASSWORD, "locale": locale
        });
        person.post("/v1/accounts", &body).await.expect(201);
        let number = mobile(55);
        let pending = person.begin_phone(&number, "text").await.expect(202).json();
        let message = run.messages_to(&number).await[0].clone();
        let text = message["body"].as_str().unwrap();
        let code = run.code_to(&number).await;
        assert_eq!(message["kind"], "text");
        // A browser offers it on the portal's page alone.
        assert_eq!(text.lines().last(), Some(&*format!("@localhost #{code}")), "{text}");
        assert!(text.starts_with(&format!("{code} {text_says}")), "{text}");
        assert!(!text.contains("http") && text.len() <= 160, "{text}");
        person.confirm_phone(&pending["id"], &code).await.expect(200);
        run.wait(30).await;
        person.signed_out().send_code("call").await.expect(202);
        let message = run.messages_to(&number).await[0].clone();
        let call = message["body"].as_str().unwrap();
        let code = run.code_to(&number).await;
        let apart: Vec<String> = code.chars().map(String::from).collect();
        assert_eq!(message["kind"], "call");
        assert!(call.contains(call_says), "{call}");
        assert_eq!(call.matches(&apart.join(", ")).count(), 2, "said twice, digits apart: {call}");
        assert!(!call.contains('<'), "{call}");
        run.wait(3600).await;
    }
}

/// By `to=`, as a person looks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_phones_and_password_are_told_by_mail_without_them() {
    let run = Run::frozen().await;
    let mut person = with_phone(&run, &mobile(56)).await;
    person.enrol(HandMade::new(&run.origin)).await;
    person.set_password("seven slow lanterns / 1 canal").await.expect(200);
    let id = phones(&person.account().await)[0].to_owned();
    person.delete(&format!("/v1/account/phones/{id}")).await.expect(204);
    let wanted = ["phone_added", "password_changed", "phone_removed"];
    for _ in 0..500 {
        let events = run.events().await;
        if wanted.iter().all(|what| events.iter().any(|event| event.to_string().contains(what))) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let events: String = run.events().await.iter().map(Value::to_string).collect();
    for what in wanted {
        assert!(events.contains(what), "{what}: {events}");
    }
    let mails: Vec<Value> = run.messages().await.into_iter().filter(|m| m["kind"] == "email").collect();
    for mail in &mails {
        let body = mail["body"].as_str().unwrap();
        assert!(body.contains("If this was not you"), "{body}");
        for secret in ["5550156", "555-0156", PASSWORD, "lanterns"] {
            assert!(!body.contains(secret) && !events.contains(secret), "{body}");
        }
    }
    assert!(mails.len() >= 3, "{mails:#?}");
}
