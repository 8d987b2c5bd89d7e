//! `POST /v1/sign-in/phone/verify`: spends one guess at the code that was sent for a sign-in.
//!
//! Calls: one write that counts the guess and brings the code; for a right one, one transaction. A guess
//! that locks writes one line more. Where the account has changed since it was last known by its name, one
//! read and one transaction more; where the client brought back the `sign_in` from before another proof, one transaction.

use postern_codes::{Bound, Codes, Purpose};
use postern_domain::activity::What;
use postern_domain::admission::Factor;
use postern_http::{Clock, Problem, Reply, Request};
use postern_metrics::Method;
use postern_sign_ins::{Answered, SignIn, SignIns, WrongGuess};
use postern_store::{Guess, KeptPhones, OpenedKeyring, Secret};
use serde::Deserialize;

/// What the role of this function allows, action by action.
pub const CALLS: &[&str] = &[
    "dynamodb:ConditionCheckItem Accounts",
    "dynamodb:PutItem Accounts",
    "dynamodb:Query Accounts",
    "dynamodb:UpdateItem Accounts",
    "dynamodb:ConditionCheckItem Attempts",
    "dynamodb:DeleteItem Attempts",
    "dynamodb:PutItem Attempts",
    "kms:Decrypt KeyringKey",
    "kms:Decrypt TokenKey",
];

/// Everything that this step may touch; its role grants exactly this.
pub struct Deps {
    pub clock: Clock,
    pub keyring: OpenedKeyring,
    pub sign_ins: SignIns,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    sign_in: String,
    code: String,
}

pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let now = deps.clock.now();
    let Body { sign_in, code } = request.json()?;
    let code = Codes::typed(&code)?;
    let keyring = deps.keyring.at(now).await?;
    let sign_in = SignIn::open(&keyring, &sign_in, now)?;

    // Counted before it is looked at, by the account and not by the sign-in.
    let counted = deps.sign_ins.store.guess_phone_code(&sign_in.username, &sign_in.id, now).await?;
    let Guess { guesses, kept } = counted.taken(now)?;
    let right = kept.as_ref().and_then(|KeptPhones { account, code: sent }| {
        let sent = sent.as_ref().filter(|sent| account.phone(&sent.phone).is_some())?;
        let bound = Bound {
            purpose: Purpose::SignIn,
            asked_by: sign_in.id.as_str(),
            account: &account.id,
            phone: &sent.phone,
            channel: sent.channel,
        };
        bound.verify(&keyring, &code, &sent.mac).then_some((account, sent))
    });
    let Some((account, sent)) = right else {
        let wrong = WrongGuess {
            method: Method::Phone,
            guesses,
            username: &sign_in.username,
            account: kept.as_ref().map(|kept| &kept.account),
            told: [What::PhoneLocked, What::PhoneDisabled],
        };
        wrong.note(&deps.sign_ins.store, &deps.sign_ins.random, &request, now).await?;
        return Err(Problem::wrong_credentials());
    };
    let answered = Answered {
        account: account.clone(),
        factor: Factor::Phone { id: sent.phone.clone(), channel: sent.channel },
        secret: Secret::PhoneCode(sent),
        sign_in,
    };
    deps.sign_ins.prove(&request, &keyring, answered, now).await
}
