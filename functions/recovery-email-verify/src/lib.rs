//! `POST /v1/recovery/email/verify`: spends one guess at the code that was sent to an account's address, as long as email
//! recovers anything.
//!
//! Calls: none once email recovers nothing any more, also for codes under way. Before: one write that counts the guess and
//! brings the code; for a right one, one transaction. A guess that locks writes one line more. Where the account has changed
//! since the code was sent, one read and one transaction more.

use postern_codes::{Codes, EmailBound};
use postern_domain::Timestamp;
use postern_domain::account::Account;
use postern_domain::activity::What;
use postern_domain::policy::Policy;
use postern_http::{Clock, Problem, Reply, Request, SessionToken};
use postern_keys::Random;
use postern_metrics::Method;
use postern_sign_ins::{SignIn, WrongGuess, recovered, recovering};
use postern_store::{
    Beginning, Counted, EmailRecovery, EmailedCode, Guess, KeptEmails, OpenedKeyring, Races, Recovery, Store,
    happened,
};
use serde::Deserialize;

/// What the role of this function allows, action by action.
pub const CALLS: &[&str] = &[
    "dynamodb:PutItem Accounts",
    "dynamodb:Query Accounts",
    "dynamodb:UpdateItem Accounts",
    "dynamodb:DeleteItem Attempts",
    "dynamodb:PutItem Attempts",
    "kms:Decrypt KeyringKey",
];

/// Everything that this step may touch; its role grants exactly this.
pub struct Deps {
    pub clock: Clock,
    pub store: Store,
    pub keyring: OpenedKeyring,
    pub policy: Policy,
    pub random: Random,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    recovery: String,
    code: String,
}

pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let now = deps.clock.now();
    if deps.policy.email_recovery_is_over(now) {
        return Err(Problem::email_recovery_retired());
    }
    let Body { recovery, code } = request.json()?;
    let code = Codes::typed(&code)?;
    let keyring = deps.keyring.at(now).await?;
    let recovery = SignIn::open_recovery(&keyring, &recovery, now)?;

    // Counted before it is looked at, by the account and not by the recovery.
    let Guess { guesses, kept } =
        match deps.store.guess_emailed_code(&recovery.username, &recovery.id, now).await? {
            Counted::Taken(guess) => guess,
            Counted::Refused(standing) => return Err(Problem::locked(standing, now)),
            Counted::SignInOver => return Err(Problem::sign_in_expired()),
        };
    let right = kept.as_ref().and_then(|KeptEmails { account, code: sent }| {
        let sent = sent.as_ref()?;
        let bound = EmailBound { recovery: &recovery.id, account: &account.id };
        bound.verify(&keyring, &code, &sent.mac).then_some((account, sent))
    });
    let Some((account, sent)) = right else {
        let wrong = WrongGuess {
            method: Method::Email,
            guesses,
            username: &recovery.username,
            account: kept.as_ref().map(|kept| &kept.account),
            told: [What::EmailCodeLocked, What::EmailCodeDisabled],
        };
        wrong.note(&deps.store, &deps.random, &request, now).await?;
        return Err(Problem::wrong_credentials());
    };
    let mut account = account.clone();
    let mut races = Races::default();
    loop {
        let outcome = recover(deps, &request, &recovery, &account, sent, now).await;
        if !races.lost_another(&outcome) {
            return outcome;
        }
        account = deps.store.account(&account.id, now).await?.ok_or_else(Problem::wrong_credentials)?;
    }
}

async fn recover(
    deps: &Deps,
    request: &Request,
    recovery: &SignIn,
    account: &Account,
    sent: &EmailedCode,
    now: Timestamp,
) -> Result<Reply, Problem> {
    let as_it_is_to_be = account.recovered(false);
    let token = SessionToken::from_bytes(deps.random.fill());
    let session = recovering(&token, &as_it_is_to_be, request, now);
    let done = deps
        .store
        .recover_by_email(EmailRecovery {
            makes: Recovery {
                account,
                recovered: &as_it_is_to_be,
                begins: Beginning {
                    session: &session,
                    event: &happened(request, &deps.random, &account.id, What::Recovered, now),
                    replaced: request.session_id(),
                },
            },
            recovery: &recovery.id,
            code: sent,
        })
        .await?;
    if done {
        Ok(recovered(&token, &as_it_is_to_be, &deps.policy, now))
    } else {
        Err(Problem::sign_in_expired())
    }
}
