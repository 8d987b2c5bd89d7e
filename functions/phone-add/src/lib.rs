//! `POST /v1/account/phones`: sends a code to a phone that is to be added.
//!
//! Calls: two reads, one transaction that counts, one lookup of the number, one write, one message, and before a
//! text one question whether the number wants any; and a write once a minute to say that the session is used.
//! What was refused or not sent is taken back from the limits by one transaction more. Where too many guesses ended an
//! enrolment of the same number, one write more begins another.

use std::sync::Arc;

use postern_codes::{Bound, Codes, Destination, Purpose, phone_id, too_soon};
use postern_domain::Timestamp;
use postern_domain::account::{Channel, LineType, MOST_PHONES};
use postern_domain::id::PhoneId;
use postern_domain::policy::Policy;
use postern_http::{Clock, Problem, Reply, Request, StatusCode};
use postern_phones::{LineLookup, LineSource, Numbers, Unfit, settle};
use postern_store::{OpenedKeyring, PendingPhone, Store, resend_at};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tracing::info;

/// What the role of this function allows, action by action.
pub const CALLS: &[&str] = &[
    "dynamodb:Query Accounts",
    "dynamodb:UpdateItem Accounts",
    "dynamodb:GetItem Attempts",
    "dynamodb:UpdateItem Attempts",
    "kms:Decrypt KeyringKey",
    "sms-voice:CarrierLookup *",
    "sns:CheckIfPhoneNumberIsOptedOut *",
    "sns:Publish PhoneNumbers",
    "sns:Publish VoiceCodes",
];

/// Everything that this step may touch; its role grants exactly this.
pub struct Deps {
    pub clock: Clock,
    pub store: Store,
    pub keyring: OpenedKeyring,
    pub policy: Policy,
    pub numbers: Numbers,
    pub lines: Arc<dyn LineLookup>,
    pub codes: Codes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    number: String,
    channel: Channel,
}

#[derive(Serialize)]
struct Pending<'a> {
    id: &'a PhoneId,
    ending: &'a str,
    line_type: LineType,
    channels: &'static [Channel],
    expires_at: Timestamp,
    resend_at: Timestamp,
}

pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let now = deps.clock.now();
    let caller = deps.store.caller(request.session_id(), now).await?;
    let (session, account) = (&caller.session, &caller.account);
    session.may_enrol(&deps.policy, account, now)?;
    let Body { number, channel } = request.json()?;
    // What is no number, or of a kind or country that is refused, costs nothing.
    let number = deps.numbers.read(&number).map_err(|reasons| unfit(&reasons))?;
    let phones = &account.methods.phones;
    let same = phones.iter().find(|phone| phone.number == number.number);
    if same.is_none() && phones.len() >= MOST_PHONES {
        return Err(Problem::too_many_phones());
    }
    let keyring = deps.keyring.at(now).await?;
    let country = number.country.as_str().to_owned();
    let to = Destination { number: &number.number, country: &country, locale: &account.locale };
    let sending = deps.codes.counted(&keyring, &account.username, Some(to), &request.source_ip(), now);
    let counted = deps.store.count_enrolment(&account.id, &sending, now).await?;
    counted.map_err(|not_now| too_soon(not_now, now))?;

    let line = settle(&number, deps.lines.look_up(&number.number).await);
    let line = match line.and_then(|line| line.takes(channel).map(|()| line)) {
        Ok(line) => line,
        Err(reason) => {
            deps.store.uncount_send(&sending, now).await?;
            return Err(unfit(&[reason]));
        }
    };
    let by_lookup = line.source == LineSource::Lookup;
    info!(line_type = ?line.line_type, by_lookup, "the line of a phone");

    let code = deps.codes.draw()?;
    let id =
        same.map_or_else(|| phone_id(&keyring, &account.id, &number.number, now), |phone| phone.id.clone());
    let bound = Bound {
        purpose: Purpose::Enrolment,
        asked_by: session.id.as_str(),
        account: &account.id,
        phone: &id,
        channel,
    };
    let pending = PendingPhone {
        mac: bound.mac(&keyring, &code, now),
        number: number.number.clone(),
        country: country.clone(),
        line_type: line.line_type,
        channel,
        expires_at: Codes::expiry(now),
        id,
    };
    if let Err(error) = deps.store.keep_pending_phone(&session.id, &pending, now).await {
        // Nothing goes out: another try need not wait.
        deps.store.uncount_send(&sending, now).await?;
        return Err(error.into());
    }
    if let Err(unsent) = deps.codes.ask_and_send(&keyring, to, channel, &code, now).await {
        deps.store.uncount_send(&sending, now).await?;
        return Err(unsent.into_problem(channel, line.line_type.channels()));
    }
    let pending = Pending {
        id: &pending.id,
        ending: pending.number.ending(),
        line_type: pending.line_type,
        channels: pending.line_type.channels(),
        expires_at: pending.expires_at,
        resend_at: resend_at(now),
    };
    Ok(Reply::json(StatusCode::ACCEPTED, &pending))
}

fn unfit(reasons: &[Unfit]) -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "invalid_phone",
        "Codes cannot go to this number. Use a mobile or a direct landline, without an extension.",
    )
    .with("reasons", json!(reasons))
}
