//! Dollars, from what was counted.

use postern_local::Service;

use crate::count::{Counted, Counts, PAGE, RECOVERY, TOKEN};
use crate::prices::{Book, Price};
use crate::template::Stack;

/// A kind of sign-in.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    pub name: &'static str,
    /// How who signs in so came to it.
    pub enrolment: &'static str,
    /// Whether Cognito has it: in Lite, and in the plans above.
    pub lite: bool,
    pub above: bool,
}

/// All of them. Cognito has passkeys from Essentials on, and a code by text or of an app after a password in each plan; it
/// places no calls, and takes no app's code without a password.
pub const KINDS: [Kind; 5] = [
    Kind { name: "passkey", enrolment: "a new passkey", lite: false, above: true },
    Kind { name: "password + text", enrolment: "a new password and mobile", lite: true, above: true },
    Kind { name: "password + call", enrolment: "a new password and landline", lite: false, above: false },
    Kind {
        name: "password + authenticator",
        enrolment: "a new authenticator and mobile",
        lite: true,
        above: true,
    },
    Kind {
        name: "authenticator + text",
        enrolment: "a new authenticator and mobile",
        lite: false,
        above: false,
    },
];

/// What is paid for messages (texts, calls, emails, and what carriers are asked), and for all else.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bill {
    pub messages: f64,
    pub rest: f64,
}

impl Bill {
    pub fn total(self) -> f64 {
        self.messages + self.rest
    }

    fn times(self, factor: f64) -> Self {
        Self { messages: self.messages * factor, rest: self.rest * factor }
    }

    fn and(self, other: Self) -> Self {
        Self { messages: self.messages + other.messages, rest: self.rest + other.rest }
    }

    /// Of one way through the steps.
    pub fn of(counted: &Counted, book: &Book, stack: &Stack) -> Self {
        let (prices, assumed) = (&book.prices, &book.assumed);
        let calls = counted.calls_of(Service::Smsvoice, "SendVoiceMessage");
        let messages = prices.text.of(counted.parts)
            + prices.call_minute.of(calls * assumed.minutes_a_call.value)
            + prices.line_lookup.of(counted.calls_of(Service::Smsvoice, "CarrierLookup"))
            + prices.email.of(counted.calls_of(Service::Ses, "SendEmail"));
        let runs = counted.runs();
        let rest = prices.api_request.of(counted.requests())
            + prices.lambda_run.of(runs)
            + prices.lambda_gigabyte_second[&stack.architecture].of(gigabyte_seconds(counted, book, stack))
            + prices.dynamodb_write.of(counted.writes)
            + prices.dynamodb_read.of(counted.reads)
            + prices.kms_request.of(counted.calls_to(Service::Kms))
            // A text is paid as a text.
            + prices.sns_publish.of(counted.calls_to(Service::Sns) - counted.texts)
            + prices.log_gigabyte.of(runs * assumed.log_bytes_a_run.value / 1e9)
            + prices.trace.of(runs * assumed.traced.value);
        Self { messages, rest }
    }
}

/// How long the functions ran, times their memory: a run takes as much longer as its share of a processor is smaller, and
/// waits for its calls.
fn gigabyte_seconds(counted: &Counted, book: &Book, stack: &Stack) -> f64 {
    let assumed = &book.assumed;
    let of = |(function, (runs, calls)): (&String, &(f64, f64))| {
        let memory = stack.memory[function];
        let hash = if book.hashing.contains(function) { assumed.hash_cpu_ms.value } else { 0.0 };
        let share = (memory / assumed.megabytes_a_cpu.value).min(1.0);
        let ms = runs * (assumed.answer_cpu_ms.value + hash) / share + calls * assumed.call_wait_ms.value;
        ms / 1000.0 * memory / 1024.0
    };
    counted.functions.iter().map(of).sum()
}

/// A month of the assumed users.
#[derive(Debug, Clone, Copy)]
pub struct Month {
    pub postern: Bill,
    /// Cognito's, of each plan that has all of its ways.
    pub lite: Option<f64>,
    pub essentials: Option<f64>,
    pub plus: Option<f64>,
}

/// What keys and alarms cost in a month, whether anybody signs in or not.
pub fn standing(book: &Book, stack: &Stack) -> f64 {
    book.prices.kms_key.of(whole(stack.keys)) + book.prices.alarm_metric.of(whole(stack.alarm_metrics))
}

/// The metrics of a month: each that was made here, a first run of each function, what is made of log lines, and failures.
pub fn metrics(book: &Book, stack: &Stack, counts: &Counts) -> f64 {
    whole(counts.metrics + stack.memory.len() + stack.filter_metrics) + book.assumed.failure_metrics.value
}

impl Month {
    /// Of users that sign in by `kinds`, each with its share.
    pub fn of(kinds: &[(Kind, f64)], book: &Book, stack: &Stack, counts: &Counts) -> Self {
        let assumed = &book.assumed;
        let users = assumed.active_users.value;
        let sign_ins = users * assumed.sign_ins_a_user.value;
        let enrolments = users * assumed.new_users.value;
        let bill = |name: &str| Bill::of(&counts.ways[name], book, stack);
        let fixed = standing(book, stack) + book.prices.custom_metric.of(metrics(book, stack, counts));
        let mut postern = Bill { messages: 0.0, rest: fixed }
            .and(bill(PAGE).times(sign_ins))
            .and(bill(TOKEN).times(sign_ins * assumed.tokens_a_sign_in.value))
            .and(bill(RECOVERY).times(users * assumed.recoveries.value));
        let mut texts = 0.0;
        for (kind, share) in kinds {
            postern = postern.and(bill(kind.name).times(sign_ins * share));
            postern = postern.and(bill(kind.enrolment).times(enrolments * share));
            texts += sign_ins * share * cognito_texts(kind.name, counts);
            texts += enrolments * share * cognito_texts(kind.enrolment, counts);
        }
        // Of several kinds, those that the plans above Lite lack have passed to a password and a text.
        let lite = kinds.iter().all(|(kind, _)| kind.lite);
        let above = kinds.len() > 1 || kinds.iter().all(|(kind, _)| kind.above);
        let plan = |price: &Price| price.of(users) + book.prices.text.of(texts);
        Self {
            postern,
            lite: lite.then(|| plan(&book.cognito.lite)),
            essentials: above.then(|| plan(&book.cognito.essentials)),
            plus: above.then(|| plan(&book.cognito.plus)),
        }
    }
}

/// The texts that Cognito sends on such a way: a code each, also where Postern calls, and no notices.
fn cognito_texts(way: &str, counts: &Counts) -> f64 {
    let counted = &counts.ways[way];
    counted.codes + counted.calls_of(Service::Smsvoice, "SendVoiceMessage")
}

/// What Cognito Essentials asks for a sign-in: the texts, and the user's share of the month.
pub fn cognito_sign_in(kind: Kind, book: &Book, counts: &Counts) -> Option<f64> {
    let users = book.assumed.active_users.value;
    let share = book.cognito.essentials.of(users) / users / book.assumed.sign_ins_a_user.value;
    kind.above.then(|| share + book.prices.text.of(cognito_texts(kind.name, counts)))
}

pub fn whole(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}
