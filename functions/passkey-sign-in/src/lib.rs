//! `POST /v1/sign-in/passkey`: signs in with a passkey (WebAuthn L3 §7.2), or steps up with it.
//!
//! Calls: one read, one transaction. An answer whose counter did not grow: one read, one write.

use postern_domain::account::{Account, Passkey};
use postern_domain::activity::What;
use postern_domain::admission::{Factor, Proof};
use postern_domain::policy::Policy;
use postern_domain::session::Standing;
use postern_http::{Clock, Problem, Reply, Request, SessionToken};
use postern_keys::Random;
use postern_passkeys::wire::Authentication;
use postern_passkeys::{AnswerRefused, Ceremonies};
use postern_sign_ins::{ended, session_of};
use postern_store::{OpenedKeyring, PasskeySignIn, Store, decide_again, happened};
use postern_tokens::AccessTokens;
use serde::Deserialize;

/// What the role of this function allows, action by action.
pub const CALLS: &[&str] = &[
    "dynamodb:ConditionCheckItem Accounts",
    "dynamodb:PutItem Accounts",
    "dynamodb:Query Accounts",
    "dynamodb:UpdateItem Accounts",
    "dynamodb:DeleteItem Attempts",
    "dynamodb:PutItem Attempts",
    "kms:Decrypt KeyringKey",
    "kms:Decrypt TokenKey",
];

/// Everything that this step may touch; its role grants exactly this.
pub struct Deps {
    pub clock: Clock,
    pub store: Store,
    pub keyring: OpenedKeyring,
    pub ceremonies: Ceremonies,
    pub policy: Policy,
    pub tokens: AccessTokens,
    pub random: Random,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    sign_in: String,
    credential: Authentication,
}

pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    decide_again!(decide(deps, &request))
}

async fn decide(deps: &Deps, request: &Request) -> Result<Reply, Problem> {
    let now = deps.clock.now();
    let Body { sign_in, credential } = request.json()?;
    let keyring = deps.keyring.at(now).await?;
    let pending = deps.ceremonies.pending(&keyring, &sign_in, now).map_err(|_| Problem::sign_in_expired())?;
    let ceremony = pending.ceremony.clone();

    // The user handle names the account, and the credential is looked for there alone.
    let (account, passkey) = Ceremonies::claimed(&credential).ok_or_else(Problem::wrong_credentials)?;
    let account = deps.store.account(&account, now).await?.ok_or_else(Problem::wrong_credentials)?;
    let passkey = account.passkey(&passkey).ok_or_else(Problem::wrong_credentials)?;
    let event = |what| happened(request, &deps.random, &account.id, what, now);
    let answer = match deps.ceremonies.answer(pending, credential, passkey) {
        Ok(answer) => answer,
        Err(AnswerRefused::Wrong) => return Err(Problem::wrong_credentials()),
        Err(AnswerRefused::CounterDidNotGrow) => {
            deps.store.note(&event(What::PasskeyCounterRefused)).await?;
            return Err(Problem::wrong_credentials());
        }
    };

    let used = Passkey {
        counter: answer.counter,
        backed_up: answer.backed_up,
        last_used_at: Some(now),
        ..passkey.clone()
    };
    let token = SessionToken::from_bytes(deps.random.fill());
    let factor = Factor::Passkey { id: used.id.clone(), backed_up: used.backed_up };
    let proof = Proof { factor, at: now, enrolled_at: used.created_at, outlives_method: false };
    let session = session_of(&token, &account, vec![proof], request, now);
    let standing = session.standing(&deps.policy, &account, now);
    let access_token = match &standing {
        Standing::Full(admission) => Some(deps.tokens.issue(&session, admission, now).await?),
        Standing::MayOnlyEnrol => None,
    };
    let signed_in = deps
        .store
        .sign_in_by_passkey(PasskeySignIn {
            account: &account,
            used: &used,
            counter_was: passkey.counter,
            ceremony: &ceremony,
            session: &session,
            event: &event(What::SignedIn),
            replaced: request.session_id(),
        })
        .await?;
    if !signed_in {
        return Err(Problem::sign_in_expired());
    }

    let account = with_passkey(&account, used);
    Ok(ended(&token, access_token, &account, &deps.policy, now))
}

fn with_passkey(account: &Account, used: Passkey) -> Account {
    let mut account = account.clone();
    if let Some(passkey) = account.methods.passkeys.iter_mut().find(|passkey| passkey.id == used.id) {
        *passkey = used;
    }
    account
}
