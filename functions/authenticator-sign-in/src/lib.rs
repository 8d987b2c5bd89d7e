//! `POST /v1/sign-in/authenticator`: spends one guess at the code of the authenticator app.
//!
//! Taken are the code of the time step that is on and of the one before it, by the server's clock, and none ahead of it;
//! and each once: the step is remembered, and neither it nor an older one is taken again (RFC 6238 §5.2).
//!
//! A name that nobody has, and an account without an authenticator, cost the same work and the same write.
//!
//! Calls: one write that counts the guess and brings the secret; for a right one, one transaction. A guess
//! that locks writes one line more. Where the account has changed since it was last known by its name, one
//! read and one transaction more; where the client brought back the `sign_in` from before another proof, one transaction.

use postern_authenticators::{AuthenticatorSecret, Place};
use postern_codes::Codes;
use postern_domain::activity::What;
use postern_domain::admission::Factor;
use postern_http::{Clock, Problem, Reply, Request};
use postern_metrics::Method;
use postern_sign_ins::{Answered, SignIn, SignIns, WrongGuess};
use postern_store::{Guess, OpenedKeyring, Secret};
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
    username: Option<String>,
    sign_in: Option<String>,
    code: String,
}

pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let now = deps.clock.now();
    let Body { username, sign_in, code } = request.json()?;
    let code = Codes::typed(&code)?;
    let keyring = deps.keyring.at(now).await?;
    let random = &deps.sign_ins.random;
    let sign_in = SignIn::of(&keyring, random, username.as_deref(), sign_in.as_deref(), now)?;

    // Counted before it is looked at, by the account and not by the sign-in.
    let store = &deps.sign_ins.store;
    let counted = store.guess_authenticator(&sign_in.username, &sign_in.id, now).await?;
    let Guess { guesses, kept } = counted.taken(now)?;
    let secret = if let Some(kept) = &kept {
        AuthenticatorSecret::open(&keyring, Place::Account(&kept.account.id), &kept.sealed)
            .map_err(Problem::unavailable)?
    } else {
        // Nobody's: sealing takes what opening would have, and no code of it is right.
        let nobodys = AuthenticatorSecret::draw(random);
        nobodys.seal(&keyring, Place::Account(&sign_in.account), now).map_err(Problem::unavailable)?;
        nobodys
    };
    let step = secret.step_of(&code, now);
    let right = kept.as_ref().zip(step).filter(|(kept, step)| *step > kept.last_step);
    let Some((kept, step)) = right else {
        let wrong = WrongGuess {
            method: Method::Authenticator,
            guesses,
            username: &sign_in.username,
            account: kept.as_ref().map(|kept| &kept.account),
            told: [What::AuthenticatorLocked, What::AuthenticatorDisabled],
        };
        wrong.note(&deps.sign_ins.store, &deps.sign_ins.random, &request, now).await?;
        return Err(Problem::wrong_credentials());
    };
    let answered = Answered {
        sign_in,
        account: kept.account.clone(),
        factor: Factor::Authenticator,
        secret: Secret::AuthenticatorStep { step, sealed: &kept.sealed },
    };
    deps.sign_ins.prove(&request, &keyring, answered, now).await
}
