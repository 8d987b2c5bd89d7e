//! `POST /v1/recovery/code`: spends a recovery code, and signs its owner in to set up anew.
//!
//! The code is found and checked by its MAC; nothing here can open one. A name or an address that nobody has, and an
//! account without a code, cost the same calls.
//!
//! Calls: one transaction that counts the guess, KMS `GenerateMac`, one read; for a right code, one transaction. A
//! guess that locks writes one line more. Where the account has changed since its code was last looked at, one read and
//! one transaction more. A repetition of a request (`Idempotency-Key`) is one transaction, one read and one more
//! transaction.

use std::sync::Arc;

use jiff::Timestamp;
use postern_domain::account::Account;
use postern_domain::activity::{Event, What};
use postern_domain::id::{AccountId, EventId};
use postern_domain::name::{Email, Username};
use postern_domain::policy::Policy;
use postern_domain::recovery_code::RecoveryCode;
use postern_http::{Clock, Problem, Reply, Request, SessionToken, StatusCode};
use postern_keys::{KeyName, KeyService, Keyring, Purpose, Random};
use postern_metrics::{Method, count_wrong};
use postern_sign_ins::{SignIn, recovered, recovering};
use postern_store::{
    Beginning, Ceremony, CodeCounted, CodeGuess, EmailDigest, Held, HeldCode, IdempotentRequest, Named,
    OpenedKeyring, Races, Recovery, RecoveryCodes, Redeemed, Redemption, Store, UsedKey, happened,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// What the role of this function allows, action by action.
pub const CALLS: &[&str] = &[
    "dynamodb:BatchGetItem Accounts",
    "dynamodb:PutItem Accounts",
    "dynamodb:Query Accounts",
    "dynamodb:UpdateItem Accounts",
    "dynamodb:ConditionCheckItem Attempts",
    "dynamodb:DeleteItem Attempts",
    "dynamodb:PutItem Attempts",
    "dynamodb:UpdateItem Attempts",
    "dynamodb:BatchGetItem RecoveryCodes",
    "dynamodb:DeleteItem RecoveryCodes",
    "kms:Decrypt KeyringKey",
    "kms:GenerateMac RecoveryCodeMacKey",
];

/// Everything that this step may touch; its role grants exactly this.
pub struct Deps {
    pub clock: Clock,
    pub store: Store,
    pub codes: RecoveryCodes,
    pub keyring: OpenedKeyring,
    pub keys: Arc<dyn KeyService>,
    pub policy: Policy,
    /// Guesses of the whole deployment in an hour. None: limits per address and for the deployment are lifted.
    pub limit: Option<u64>,
    /// Whether the code alone is not enough (NIST SP 800-63B-4 §4.2.2.2, for AAL2): a sign-in must have proven
    /// something that the account still has.
    pub second_proof: bool,
    pub random: Random,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    code: String,
    username: Option<String>,
    email: Option<String>,
    sign_in: Option<String>,
}

pub async fn handle(deps: &Deps, request: Request) -> Result<Reply, Problem> {
    let now = deps.clock.now();
    let Body { code, username, email, sign_in } = request.json()?;
    let code = RecoveryCode::parse(&code)
        .map_err(|error| Problem::bad_request(format!("The code is refused: {error}.")))?;
    let keyring = deps.keyring.at(now).await?;
    let named = match (&username, &email) {
        (Some(username), None) => Named::Username(by_name(&keyring, username, now)),
        (None, Some(email)) => Named::Email(by_email(&keyring, email, now)),
        _ => return Err(Problem::bad_request("The body names a `username` or an `email`.")),
    };
    if deps.second_proof && sign_in.is_none() {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "second_proof_required",
            "The recovery code alone is not enough here. Begin a sign-in with another of your methods, and send its \
             `sign_in` with the code.",
        ));
    }
    let second = sign_in.as_deref().map(|text| SignIn::open(&keyring, text, now)).transpose()?;
    let given = [&username, &email, &sign_in].map(|given| given.as_deref().unwrap_or_default().as_bytes());
    let content = [given[0], given[1], given[2], code.expose_symbols().as_bytes()];
    let idempotent = IdempotentRequest::of(&request, "recovery-code-redeem", &keyring, &content, now)?;

    // Counted before it is looked at.
    let guess = |idempotent| CodeGuess {
        named: &named,
        address: address(&keyring, &request, now),
        limit: deps.limit,
        idempotent,
    };
    let mut counted = deps.codes.count_guess(guess(idempotent.as_ref()), now).await?;
    if let CodeCounted::KeyUsed(used) = counted {
        if used.stands_for(&keyring, &content) {
            return once_more(deps, &request, &used, now).await;
        }
        // That it is another request says something of the first one's code: it, too, is a guess.
        counted = deps.codes.count_guess(guess(None), now).await?;
        if let CodeCounted::Taken = counted {
            return Err(Problem::idempotency_key_reused());
        }
    }
    match counted {
        CodeCounted::Taken => {}
        CodeCounted::Refused(standing) => return Err(Problem::locked(standing, now)),
        CodeCounted::Limited(until) => return Err(Problem::too_many_until(until, now)),
        CodeCounted::KeyUsed(_) => return Err(Problem::idempotency_key_reused()),
    }
    let mac = deps.keys.mac(KeyName::RecoveryCodeMac, code.expose_symbols().as_bytes()).await;
    let held = deps.codes.held(&mac.map_err(Problem::unavailable)?, &named).await?;
    let is_whole = |found: &&HeldCode| {
        let same = |sign_in: &SignIn| sign_in.account == found.account.id && !sign_in.proofs.is_empty();
        named.names(&found.account) && second.as_ref().is_none_or(same)
    };
    let Some(found) = held.code.as_ref().filter(is_whole) else {
        note_wrong(deps, &request, &held, &named, now).await?;
        return Err(Problem::wrong_credentials());
    };
    let right = Right { named: &named, found, second: second.as_ref(), idempotent: idempotent.as_ref() };

    let mut account = if found.account.forget_at.is_none() {
        found.account.clone()
    } else {
        // It may have gained a method since, and so be kept for good.
        current(deps, found, now).await?
    };
    let mut races = Races::default();
    loop {
        let outcome = redeem(deps, &request, &keyring, &content, &right, &account, now).await;
        if !races.lost_another(&outcome) {
            return outcome;
        }
        account = current(deps, found, now).await?;
    }
}

/// A code that was found, and what came with it.
struct Right<'a> {
    named: &'a Named,
    found: &'a HeldCode,
    second: Option<&'a SignIn>,
    idempotent: Option<&'a IdempotentRequest>,
}

async fn redeem(
    deps: &Deps,
    request: &Request,
    keyring: &Keyring,
    content: &[&[u8]],
    right: &Right<'_>,
    account: &Account,
    now: Timestamp,
) -> Result<Reply, Problem> {
    // A method that was replaced since it answered has proven nothing any more.
    let proves = |sign_in: &SignIn| sign_in.proofs.iter().any(|proof| proof.stands(account));
    if right.second.is_some_and(|sign_in| !proves(sign_in)) {
        return Err(Problem::wrong_credentials());
    }
    let as_it_is_to_be = account.recovered(true);
    let token = SessionToken::from_bytes(deps.random.fill());
    let session = recovering(&token, &as_it_is_to_be, request, now);
    let event = happened(request, &deps.random, &account.id, What::Recovered, now);
    let second = right
        .second
        .map(|sign_in| Ceremony { id: sign_in.id.as_str().to_owned(), expires_at: sign_in.expires_at });
    let redemption = Redemption {
        makes: Recovery {
            account,
            recovered: &as_it_is_to_be,
            begins: Beginning { session: &session, event: &event, replaced: request.session_id() },
        },
        code: right.found,
        named: right.named,
        idempotent: right.idempotent,
        second: second.as_ref(),
    };
    match deps.codes.redeem(redemption, now).await? {
        Redeemed::Done => Ok(recovered(&token, &as_it_is_to_be, &deps.policy, now)),
        Redeemed::Spent => Err(Problem::wrong_credentials()),
        Redeemed::Locked(standing) => Err(Problem::locked(standing, now)),
        Redeemed::SignInOver => Err(Problem::sign_in_expired()),
        Redeemed::KeyUsed(used) if used.stands_for(keyring, content) => {
            once_more(deps, request, &used, now).await
        }
        Redeemed::KeyUsed(_) => Err(Problem::idempotency_key_reused()),
    }
}

/// The first answer was lost: the same outcome, and a cookie of its own, as long as nothing has come of the first.
async fn once_more(deps: &Deps, request: &Request, used: &UsedKey, now: Timestamp) -> Result<Reply, Problem> {
    let account = deps.store.account(&used.account, now).await?;
    let account = account.filter(|account| account.revision == used.revision);
    let account = account.ok_or_else(Problem::wrong_credentials)?;
    let token = SessionToken::from_bytes(deps.random.fill());
    let session = recovering(&token, &account, request, now);
    deps.store.begin_session(&session, request.session_id()).await?;
    Ok(recovered(&token, &account, &deps.policy, now))
}

/// The account as it is now, which is not as it was known by its code.
async fn current(deps: &Deps, found: &HeldCode, now: Timestamp) -> Result<Account, Problem> {
    deps.store.account(&found.account.id, now).await?.ok_or_else(Problem::wrong_credentials)
}

/// Tells the owner of a wrong guess that locked, or disabled; writes as much where there is no owner.
async fn note_wrong(
    deps: &Deps,
    request: &Request,
    held: &Held,
    named: &Named,
    now: Timestamp,
) -> Result<(), Problem> {
    let guesses = held.guesses;
    count_wrong(Method::RecoveryCode, guesses);
    let told = guesses.told([What::RecoveryCodeLocked, What::RecoveryCodeDisabled]);
    let Some((what, at)) = told.zip(guesses.last_at) else { return Ok(()) };
    match (&held.owner, named) {
        (Some(owner), _) => {
            // Guesses that came together read one count: they tell of it as one event.
            let id = event_of_lock(owner, guesses.failures, at);
            let event = Event { id, account: owner.clone(), at, what, place: request.source_ip() };
            deps.store.note(&event).await?;
        }
        (None, Named::Username(username)) => deps.store.note_nobody(username, now).await?,
        (None, Named::Email(digest)) => {
            deps.store.note_nobody(&Username::standing_in(&digest.0), now).await?;
        }
    }
    Ok(())
}

fn event_of_lock(owner: &AccountId, failures: u64, at: Timestamp) -> EventId {
    let digest = Sha256::new()
        .chain_update(owner.as_str())
        .chain_update(failures.to_be_bytes())
        .chain_update(at.as_millisecond().to_be_bytes())
        .finalize();
    let mut id = [0; 16];
    id.iter_mut().zip(digest).for_each(|(byte, from)| *byte = from);
    EventId::from_bytes(id)
}

/// What can be no name is counted under our key: people type their password in the wrong field.
fn by_name(keyring: &Keyring, given: &str, now: Timestamp) -> Username {
    given.parse().unwrap_or_else(|_| {
        let mac = keyring.mac(Purpose::Recovery, &[b"username", given.as_bytes()], now);
        Username::standing_in(&mac.tag)
    })
}

fn by_email(keyring: &Keyring, given: &str, now: Timestamp) -> EmailDigest {
    given.parse::<Email>().map_or_else(
        |_| EmailDigest(keyring.mac(Purpose::Recovery, &[b"email", given.as_bytes()], now).tag),
        |email| EmailDigest::of(&email),
    )
}

fn address(keyring: &Keyring, request: &Request, now: Timestamp) -> [u8; 32] {
    keyring.mac(Purpose::Recovery, &[b"address", request.source_ip().as_bytes()], now).tag
}
