//! The README's section, from the bills.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use postern_local::Service;

use crate::bill::{Bill, KINDS, Kind, Month, cognito_sign_in, metrics, standing, whole};
use crate::count::{Counted, Counts, PAGE, RECOVERY, TOKEN};
use crate::prices::{Book, Known, Price};
use crate::template::Stack;

/// Around what is computed.
pub const BEGIN: &str =
    "<!-- computed by `cargo run -p cost`: change infra/prices.json or the code, not this -->";
pub const END: &str = "<!-- end of what is computed -->";

/// What stands between the two comments of `readme`; None where they do not.
#[must_use]
pub fn between(readme: &str) -> Option<&str> {
    Some(readme.split_once(BEGIN)?.1.split_once(END)?.0.trim_matches('\n'))
}

/// `readme` with `section` between its comments.
#[must_use]
pub fn with_section(readme: &str, section: &str) -> Option<String> {
    let (before, rest) = readme.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{section}\n\n{END}{after}"))
}

/// Both tables, with what is to be known beside them.
#[must_use]
pub fn section(book: &Book, stack: &Stack, counts: &Counts) -> String {
    let mut text = String::new();
    kinds(&mut text, book, stack, counts);
    text.push('\n');
    month(&mut text, book, stack, counts);
    text.push('\n');
    notes(&mut text, book, stack, counts);
    text.trim_end().to_owned()
}

fn kinds(text: &mut String, book: &Book, stack: &Stack, counts: &Counts) {
    text.push_str(
        "| | requests | runs | AWS calls | units written, read | messages | a thousand | of it messages | Cognito |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    let mut row = |name: &str, counted: &Counted, cognito: &str| {
        let bill = Bill::of(counted, book, stack);
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {}, {} | {} | {} | {} | {cognito} |",
            counted.requests(),
            counted.runs(),
            by_service(counted),
            counted.writes,
            counted.reads,
            messages(counted),
            cents(bill.total() * 1000.0),
            cents(bill.messages * 1000.0),
        );
    };
    let way = |name: &str| &counts.ways[name];
    for kind in KINDS {
        let cognito = cognito_sign_in(kind, book, counts);
        let cognito = cognito.map_or("–".to_owned(), |dollars| cents(dollars * 1000.0));
        row(&format!("**{}**", kind.name), way(kind.name), &cognito);
    }
    row("**recovery code**, and a new one", way(RECOVERY), "–");
    row("opening the page", way(PAGE), "–");
    row("another access token", way(TOKEN), "–");
    let enrolments: BTreeSet<&str> = KINDS.iter().map(|kind| kind.enrolment).collect();
    for name in enrolments {
        row(name, way(name), "–");
    }
}

/// `2 DynamoDB, 1 SNS`.
fn by_service(counted: &Counted) -> String {
    let services = [
        (Service::Dynamodb, "DynamoDB"),
        (Service::Kms, "KMS"),
        (Service::Sns, "SNS"),
        (Service::Smsvoice, "End User Messaging"),
        (Service::Ses, "SES"),
    ];
    listed(services.map(|(service, name)| (counted.calls_to(service), name)))
}

/// Every call of every way, for a person to read.
#[must_use]
pub fn by_operation(counts: &Counts) -> String {
    let mut text = String::new();
    for (name, counted) in &counts.ways {
        let calls = counted.calls.iter().map(|((_, operation), times)| (*times, operation.as_str()));
        let _ = writeln!(text, "{name}: {}", listed(calls));
        let runs = counted.functions.iter().map(|(function, (runs, _))| (*runs, function.as_str()));
        let _ = writeln!(text, "    {}", listed(runs));
    }
    text
}

fn listed<'a>(things: impl IntoIterator<Item = (f64, &'a str)>) -> String {
    let some = things.into_iter().filter(|(times, _)| *times > 0.0);
    let some: Vec<String> = some.map(|(times, what)| format!("{times} {what}")).collect();
    if some.is_empty() { "none".to_owned() } else { some.join(", ") }
}

fn messages(counted: &Counted) -> String {
    let is_one_part_each = (counted.texts - counted.parts).abs() < f64::EPSILON;
    let texts = if is_one_part_each { "text".to_owned() } else { format!("text in {} parts", counted.parts) };
    let calls = counted.calls_of(Service::Smsvoice, "SendVoiceMessage");
    let emails = counted.calls_of(Service::Ses, "SendEmail");
    listed([(counted.texts, texts.as_str()), (calls, "call"), (emails, "email")])
}

fn month(text: &mut String, book: &Book, stack: &Stack, counts: &Counts) {
    let users = grouped(book.assumed.active_users.value);
    let _ = writeln!(
        text,
        "| a month of {users} users | Postern | of it messages | Cognito Lite | Essentials | Plus |"
    );
    text.push_str("|---|---|---|---|---|---|\n");
    let mut row = |name: &str, month: Month| {
        let or = |dollars: Option<f64>| dollars.map_or("–".to_owned(), whole_dollars);
        let _ = writeln!(
            text,
            "| {name} | **{}** | {} | {} | {} | {} |",
            whole_dollars(month.postern.total()),
            whole_dollars(month.postern.messages),
            or(month.lite),
            or(month.essentials),
            or(month.plus),
        );
    };
    for kind in KINDS {
        row(&format!("all by {}", kind.name), Month::of(&[(kind, 1.0)], book, stack, counts));
    }
    row(&mixed(book), Month::of(&shares(book), book, stack, counts));
}

fn shares(book: &Book) -> Vec<(Kind, f64)> {
    let share = |kind: Kind| (kind, book.shares[kind.name].value);
    KINDS.into_iter().map(share).collect()
}

fn mixed(book: &Book) -> String {
    let shares = shares(book);
    let parts: Vec<String> =
        shares.iter().map(|(kind, share)| format!("{}% {}", share * 100.0, kind.name)).collect();
    format!("{}, which is assumed", parts.join(", "))
}

fn notes(text: &mut String, book: &Book, stack: &Stack, counts: &Counts) {
    let (assumed, prices) = (&book.assumed, &book.prices);
    let edge = prices.web_acl.of(1.0) + prices.web_acl_rule.of(whole(stack.web_acl_rules));
    let made = metrics(book, stack, counts);
    let _ = writeln!(
        text,
        "In the month each user signs in {} times from the page and takes {} more tokens each time; {}% are new, and {}% recover.\n\
         An idle stack costs {}: {} KMS keys at {}, and {} metrics that alarms watch at {}; {} of the keys rotate yearly, and the first and\n\
         the second time each adds as much again. An edge adds {} (a web ACL of {} rules). In use come {made} metrics of our own at {}.\n",
        assumed.sign_ins_a_user.value,
        assumed.tokens_a_sign_in.value,
        assumed.new_users.value * 100.0,
        assumed.recoveries.value * 100.0,
        cents(standing(book, stack)),
        stack.keys,
        cents(prices.kms_key.dollars),
        stack.alarm_metrics,
        cents(prices.alarm_metric.dollars),
        stack.rotating_keys,
        whole_dollars(edge),
        stack.web_acl_rules,
        cents(prices.custom_metric.dollars),
    );
    let _ = writeln!(text, "The prices are those of {}. {}", book.region, provenance(book));
}

/// From when the prices are, and which are not known well.
fn provenance(book: &Book) -> String {
    let prices = &book.prices;
    let cognito = &book.cognito;
    let mut all: Vec<(&str, &Price)> = vec![
        ("API Gateway", &prices.api_request),
        ("Lambda's runs", &prices.lambda_run),
        ("DynamoDB's writes", &prices.dynamodb_write),
        ("DynamoDB's reads", &prices.dynamodb_read),
        ("KMS", &prices.kms_request),
        ("KMS", &prices.kms_key),
        ("SNS", &prices.sns_publish),
        ("texts", &prices.text),
        ("calls", &prices.call_minute),
        ("the line lookup", &prices.line_lookup),
        ("SES", &prices.email),
        ("CloudWatch", &prices.log_gigabyte),
        ("CloudWatch", &prices.alarm_metric),
        ("CloudWatch", &prices.custom_metric),
        ("X-Ray", &prices.trace),
        ("AWS WAF", &prices.web_acl),
        ("AWS WAF", &prices.web_acl_rule),
        ("Cognito", &cognito.lite),
        ("Cognito", &cognito.essentials),
        ("Cognito", &cognito.plus),
    ];
    all.extend(prices.lambda_gigabyte_second.values().map(|price| ("Lambda's time", price)));
    let of = |known: Known| {
        let mut names: Vec<&str> =
            all.iter().filter(|(_, price)| price.known == known).map(|(name, _)| *name).collect();
        names.dedup();
        match names.split_last() {
            None => "none".to_owned(),
            Some((last, [])) => (*last).to_owned(),
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
        }
    };
    let dated = all.iter().filter(|(_, price)| matches!(price.known, Known::Page | Known::PriceList));
    let (first, last) =
        (dated.clone().map(|(_, price)| price.read).min(), dated.map(|(_, price)| price.read).max());
    let day = |date: Option<jiff::civil::Date>| date.map_or("never".to_owned(), |date| date.to_string());
    format!(
        "Those with a day were read between {} and {}; from copies without one: {}.\n**Assumed**, for no copy has them: {}.",
        day(first),
        day(last),
        of(Known::Undated),
        of(Known::Assumed),
    )
}

fn cents(dollars: f64) -> String {
    format!("${dollars:.2}")
}

fn whole_dollars(dollars: f64) -> String {
    format!("${}", grouped(dollars))
}

/// A whole number below a million, with a comma before its last three digits.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    match digits.split_at_checked(digits.len().saturating_sub(3)) {
        Some((thousands, rest)) if !thousands.is_empty() => format!("{thousands},{rest}"),
        _ => digits,
    }
}
