//! `POST /v1/sign-in/password`: spends one guess at the password.
//!
//! A name that nobody has, and an account without a password, cost the same hash and the same write.
//!
//! Calls: one write that counts the guess and brings the hash; for a right one, one transaction. A guess
//! that locks writes one line more. Where the account has changed since it was last known by its name, one
//! read and one transaction more; where the client brought back the `sign_in` from before another proof, one transaction.

use postern_domain::activity::What;
use postern_domain::admission::Factor;
use postern_http::{Clock, Problem, Reply, Request};
use postern_metrics::Method;
use postern_passwords::{Checked, Hasher, PasswordHash, TypedPassword};
use postern_sign_ins::{Answered, SignIn, SignIns, WrongGuess};
use postern_store::{Guess, OpenedKeyring, Secret, StoreError};
use secrecy::{ExposeSecret, SecretString};
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
    pub hasher: Hasher,
    pub sign_ins: SignIns,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    username: Option<String>,
    sign_in: Option<String>,
    password: String,
}

pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let now = deps.clock.now();
    let Body { username, sign_in, password } = request.json()?;
    let typed = TypedPassword::try_from(password)
        .map_err(|error| Problem::bad_request(format!("The body is refused: {error}.")))?;
    let keyring = deps.keyring.at(now).await?;
    let random = &deps.sign_ins.random;
    let sign_in = SignIn::of(&keyring, random, username.as_deref(), sign_in.as_deref(), now)?;

    // Counted before it is looked at, by the account and not by the sign-in.
    let counted = deps.sign_ins.store.guess_password(&sign_in.username, now).await?;
    let Guess { guesses, kept } = counted.taken(now)?;
    let stored: Option<PasswordHash> =
        kept.as_ref().map(|kept| kept.hash.expose_secret().parse()).transpose().map_err(corrupt)?;
    let account = kept.as_ref().map_or(&sign_in.account, |kept| &kept.account.id);
    let checked = deps.hasher.check(&keyring, account, &typed, stored.as_ref(), now).await;
    let checked = checked.map_err(Problem::unavailable)?;
    let (Some(kept), Checked::Right | Checked::RightButOutdated) = (&kept, checked) else {
        let wrong = WrongGuess {
            method: Method::Password,
            guesses,
            username: &sign_in.username,
            account: kept.as_ref().map(|kept| &kept.account),
            told: [What::PasswordLocked, What::PasswordDisabled],
        };
        wrong.note(&deps.sign_ins.store, &deps.sign_ins.random, &request, now).await?;
        return Err(Problem::wrong_credentials());
    };

    let rehashed: Option<SecretString> = if checked == Checked::RightButOutdated {
        let hash = deps.hasher.hash(&keyring, &kept.account.id, &typed, random, now).await;
        Some((&hash.map_err(Problem::unavailable)?).into())
    } else {
        None
    };
    let answered = Answered {
        sign_in,
        account: kept.account.clone(),
        factor: Factor::Password,
        secret: Secret::Password { rehashed: rehashed.as_ref() },
    };
    deps.sign_ins.prove(&request, &keyring, answered, now).await
}

fn corrupt(_: postern_passwords::InvalidHash) -> Problem {
    StoreError::Corrupt("PASSWORD").into()
}
