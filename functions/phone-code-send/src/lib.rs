//! `POST /v1/sign-in/phone/send`: sends a code for a sign-in, as a text or a call.
//!
//! A name that nobody has, and an account without a phone for the channel, get the same answer by the same
//! calls: the limits count, a code is kept that nobody knows, and the topic of calls gets a message that is
//! dropped there; and the answer in the same time.
//!
//! Calls: one read, one transaction, one message. Where the account has changed since it was last known by
//! its name, one read and one transaction more. Before another text of the same sign-in to a phone of an account that has
//! proven something, one question whether the number wants texts. A message that did not go out is taken back from the limits.

use postern_codes::{BEFORE_PROOF, Bound, Codes, Destination, Purpose, Unsent, too_soon};
use postern_domain::Timestamp;
use postern_domain::account::{Account, Channel, Phone};
use postern_domain::id::PhoneId;
use postern_domain::one_time_code::OneTimeCode;
use postern_http::{Clock, Problem, Reply, Request, StatusCode};
use postern_keys::{Keyring, Random};
use postern_sign_ins::SignIn;
use postern_store::{OpenedKeyring, PhonesOf, Races, Sending, SentCode, SignInCode, Store, resend_at};
use serde::{Deserialize, Serialize};

/// What the role of this function allows, action by action.
pub const CALLS: &[&str] = &[
    "dynamodb:ConditionCheckItem Accounts",
    "dynamodb:GetItem Accounts",
    "dynamodb:Query Accounts",
    "dynamodb:UpdateItem Accounts",
    "dynamodb:ConditionCheckItem Attempts",
    "dynamodb:UpdateItem Attempts",
    "kms:Decrypt KeyringKey",
    "sns:CheckIfPhoneNumberIsOptedOut *",
    "sns:Publish PhoneNumbers",
    "sns:Publish VoiceCodes",
];

/// Everything that this step may touch; its role grants exactly this.
pub struct Deps {
    pub clock: Clock,
    pub store: Store,
    pub keyring: OpenedKeyring,
    pub codes: Codes,
    pub random: Random,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    username: Option<String>,
    sign_in: Option<String>,
    phone: Option<String>,
    channel: Channel,
}

#[derive(Serialize)]
struct Sent<'a> {
    sign_in: String,
    expires_at: Timestamp,
    resend_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    ending: Option<&'a str>,
}

/// Where a code goes: to a phone of an account, or, for all that can be seen, likewise.
struct Target {
    known: PhonesOf,
    phone: Option<Phone>,
}

pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let now = deps.clock.now();
    let Body { username, sign_in, phone, channel } = request.json()?;
    let keyring = deps.keyring.at(now).await?;
    let (sign_in, wanted) = match (username, sign_in, phone) {
        (Some(username), None, None) => (SignIn::by_name(&keyring, &deps.random, &username, now), None),
        (None, Some(sign_in), wanted) => (SignIn::open(&keyring, &sign_in, now)?, wanted),
        _ => {
            return Err(Problem::bad_request(
                "The body names a `username`, or a `sign_in` and perhaps a `phone`.",
            ));
        }
    };
    let code = deps.codes.draw()?;
    let expires_at = Codes::expiry(now).min(sign_in.expires_at);

    let mut known = deps.store.phones_of(&sign_in.username, now).await?;
    let mut races = Races::default();
    let (target, sending) = loop {
        let phone = chosen(&known, &sign_in, wanted.as_deref(), channel)?;
        let target = Target { known, phone };
        let outcome =
            count(deps, &request, &keyring, &sign_in, &target, channel, &code, expires_at, now).await;
        if !races.lost_another(&outcome) {
            break (target, outcome?);
        }
        known = afresh(deps, target.known, now).await?;
    };

    let proven = !sign_in.proofs.is_empty();
    let to = target.destination();
    let sent = match to {
        // The code before did not arrive, or so it seems.
        Some(to) if proven && target.known.has_code_for(&sign_in.id) => {
            deps.codes.ask_and_send(&keyring, to, channel, &code, now).await
        }
        to => deps.codes.send(&keyring, to, channel, &code, now).await,
    };
    match sent {
        Ok(()) => {}
        // Before any proof it would tell that the account is there.
        Err(Unsent::OptedOut) if !proven => {}
        Err(unsent) => {
            // Nothing went out: another try, or the other channel, need not wait.
            deps.store.uncount_send(&sending, now).await?;
            let channels = if proven { target.channels() } else { &[Channel::Text, Channel::Call] };
            return Err(unsent.into_problem(channel, channels));
        }
    }
    let ending = target.phone.as_ref().filter(|_| proven).map(|phone| phone.number.ending());
    let sent = Sent { sign_in: sign_in.seal(&keyring, now)?, expires_at, resend_at: resend_at(now), ending };
    let reply = Reply::json(StatusCode::ACCEPTED, &sent);
    Ok(if proven { reply } else { reply.no_sooner_than(BEFORE_PROOF) })
}

/// The phone that the code goes to. Before any proof: none, whatever the reason.
fn chosen(
    known: &PhonesOf,
    sign_in: &SignIn,
    wanted: Option<&str>,
    channel: Channel,
) -> Result<Option<Phone>, Problem> {
    let phones = known.account.as_ref().map(|account| &*account.methods.phones).unwrap_or_default();
    let takes = |phone: &&Phone| phone.line_type.channels().contains(&channel);
    let wanted = |phone: &&Phone| wanted.is_none_or(|wanted| phone.id.as_str() == wanted);
    let fitting = || phones.iter().filter(takes).filter(wanted);
    let last = known.last.iter().find_map(|id| fitting().find(|phone| phone.id == *id));
    // That one was taken away: then the one that was added last.
    let phone = last.or_else(|| fitting().max_by_key(|phone| phone.verified_at)).cloned();
    if sign_in.proofs.is_empty() || phone.is_some() {
        Ok(phone)
    } else if phones.iter().any(|phone| wanted(&phone)) {
        Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_phone",
            "This is a landline: it gets calls, not texts.",
        )
        .with("reasons", vec!["text_to_landline"]))
    } else {
        Err(Problem::not_found())
    }
}

/// Counts the send and keeps the code's MAC, in one transaction.
#[expect(clippy::too_many_arguments, reason = "what a code is bound to")]
async fn count(
    deps: &Deps,
    request: &Request,
    keyring: &Keyring,
    sign_in: &SignIn,
    target: &Target,
    channel: Channel,
    code: &OneTimeCode,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<Sending, Problem> {
    let account = target.known.account.as_ref();
    let phone = match &target.phone {
        Some(phone) => phone.id.clone(),
        None => PhoneId::from_bytes(deps.random.fill()),
    };
    let bound = Bound {
        purpose: Purpose::SignIn,
        asked_by: sign_in.id.as_str(),
        account: account.map_or(&sign_in.account, |account| &account.id),
        phone: &phone,
        channel,
    };
    let kept = SentCode { mac: bound.mac(keyring, code, now), phone: phone.clone(), channel, expires_at };
    let (username, to, address) = (&sign_in.username, target.destination(), &*request.source_ip());
    let sending = if sign_in.proofs.is_empty() {
        deps.codes.counted_before_proof(keyring, username, to, address, now)
    } else {
        deps.codes.counted(keyring, username, to, address, now)
    };
    let send = SignInCode {
        sending: &sending,
        sign_in: &sign_in.id,
        account,
        nobody: &sign_in.account,
        code: &kept,
        over: &target.known.over,
    };
    match deps.store.send_for_sign_in(send, now).await? {
        Ok(()) => Ok(sending),
        Err(not_now) => Err(too_soon(not_now, now)),
    }
}

/// The account had changed since it was known by its name.
async fn afresh(deps: &Deps, mut known: PhonesOf, now: Timestamp) -> Result<PhonesOf, Problem> {
    if let Some(account) = &known.account {
        known.account = deps.store.account(&account.id, now).await?;
    }
    Ok(known)
}

impl Target {
    fn destination(&self) -> Option<Destination<'_>> {
        let account: &Account = self.known.account.as_ref()?;
        let phone = self.phone.as_ref()?;
        Some(Destination { number: &phone.number, country: &phone.country, locale: &account.locale })
    }

    fn channels(&self) -> &'static [Channel] {
        self.phone.as_ref().map(|phone| phone.line_type.channels()).unwrap_or_default()
    }
}
