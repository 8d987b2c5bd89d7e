//! Recovery codes: each guess counted by what it names, each code spent once.

use jiff::{SignedDuration, Timestamp};
use postern_domain::account::Account;
use postern_domain::activity::What;
use postern_domain::guess::{DISABLED_AT, FREE_GUESSES, Standing};
use postern_domain::id::SessionId;
use postern_domain::session::Origin;
use postern_store::{
    Beginning, Ceremony, CodeCounted, CodeGuess, EmailDigest, Held, HeldCode, IdempotentRequest, Named,
    Recovery, RecoveryCodes, Redeemed, Redemption, StoreError, StoredCode,
};

use crate::racing::{RACERS, all_but_one, at_once, count};
use crate::tables::{
    ATTEMPTS, NOW, RECOVERY_CODES, Tables, bytes, code, event, event_of, guess_password, number, recovering,
    session, sign_in_by_passkey,
};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn by_name(account: &Account) -> Named {
    Named::Username(account.username.clone())
}

fn by_email(account: &Account) -> Named {
    Named::Email(EmailDigest::of(&account.email))
}

fn guess(named: &Named) -> CodeGuess<'_> {
    CodeGuess { named, address: bytes(1), limit: None, idempotent: None }
}

async fn counted(codes: &RecoveryCodes, named: &Named, now: Timestamp) -> CodeCounted {
    codes.count_guess(guess(named), now).await.unwrap()
}

async fn taken(codes: &RecoveryCodes, named: &Named, mac: u32) -> Held {
    assert!(matches!(counted(codes, named, NOW).await, CodeCounted::Taken));
    codes.held(&bytes(mac), named).await.unwrap()
}

/// Spends `code`; the session that begins is `number`'s.
async fn redeem(
    codes: &RecoveryCodes,
    account: &Account,
    code: &HeldCode,
    named: &Named,
    number: u32,
    idempotent: Option<&IdempotentRequest>,
) -> Result<Redeemed, StoreError> {
    let recovered = account.recovered(true);
    let session = recovering(&recovered, number);
    let event = event_of(account, event(number, What::Recovered));
    let redemption = Redemption {
        makes: Recovery {
            account,
            recovered: &recovered,
            begins: Beginning { session: &session, event: &event, replaced: None },
        },
        code,
        named,
        idempotent,
        second: None,
    };
    codes.redeem(redemption, NOW).await
}

fn request(key: &str) -> IdempotentRequest {
    let expires_at = NOW + SignedDuration::from_mins(10);
    IdempotentRequest { key: key.to_owned(), request: format!("mac of {key}"), expires_at }
}

#[tokio::test]
async fn a_code_is_found_by_its_mac_with_the_account_that_has_it() {
    let tables = Tables::new().await;
    let (account, session) = tables.with_code(1).await;
    tables.with_code(2).await;
    for named in [by_name(&account), by_email(&account)] {
        let held = taken(&tables.codes, &named, 1).await;
        assert_eq!(held.guesses.streak, 1);
        let found = held.code.unwrap();
        assert_eq!((&found.account.id, found.account.revision), (&account.id, account.revision));
        assert!(named.names(&found.account));
        assert!(taken(&tables.codes, &named, 99).await.code.is_none(), "no such code");
        let of_another = taken(&tables.codes, &named, 2).await.code.unwrap();
        assert!(!named.names(&of_another.account), "the code of another account");
    }
    // A look at it brings what is known up to date; a change of a method does not.
    let looked = event_of(&account, event(70, What::RecoveryCodeDownloaded));
    tables.codes.mark_downloaded(&account, &StoredCode::from(&code(1)), &looked).await.unwrap();
    let account = tables.account(&account.id).await;
    let known = tables.codes.held(&bytes(1), &by_name(&account)).await.unwrap().code.unwrap().account;
    assert_eq!(known.recovery_code, account.recovery_code);
    assert_eq!(known.revision, account.revision);
    crate::tables::set_password(&tables.store, &account, &session, 1).await.unwrap();
    let known = tables.codes.held(&bytes(1), &by_name(&account)).await.unwrap().code.unwrap();
    let stale = redeem(&tables.codes, &known.account, &known, &by_name(&account), 60, None).await;
    assert!(matches!(stale, Err(StoreError::Conflict)), "{stale:?}");
}

#[tokio::test]
async fn guesses_lock_as_those_at_a_password_do_whoever_has_the_name() {
    let tables = Tables::new().await;
    let (account, _) = tables.with_code(1).await;
    let nobody = Named::Username("nobody-at-all".parse().unwrap());
    let nobodys = Named::Email(EmailDigest([9; 32]));
    for named in [by_name(&account), by_email(&account), nobody, nobodys] {
        for streak in 1..=FREE_GUESSES {
            assert_eq!(taken(&tables.codes, &named, 99).await.guesses.streak, streak);
        }
        let CodeCounted::Refused(standing) = counted(&tables.codes, &named, NOW).await else {
            panic!("the sixth was taken")
        };
        assert_eq!(standing, Standing::LockedUntil(NOW + MINUTE));
        assert!(matches!(counted(&tables.codes, &named, NOW + MINUTE).await, CodeCounted::Taken));
    }
}

#[tokio::test]
async fn a_passkey_lifts_the_lock_and_a_new_code_begins_the_count_anew() {
    let tables = Tables::new().await;
    let (account, _) = tables.with_code(1).await;
    let named = by_name(&account);
    for _ in 0..FREE_GUESSES {
        taken(&tables.codes, &named, 99).await;
    }
    assert!(sign_in_by_passkey(&tables.store, &account, 1, 61).await.unwrap());
    let after = taken(&tables.codes, &named, 99).await.guesses;
    assert_eq!((after.streak, after.failures), (1, 6), "the count towards a hundred goes on");

    let mut record = tables.by_name(&account.username, "RECOVERY-CODE").await;
    let disabled = aws_sdk_dynamodb::types::AttributeValue::N(DISABLED_AT.to_string());
    record.insert("failures".to_owned(), disabled);
    tables.put(crate::tables::ACCOUNTS, record).await;
    assert!(matches!(counted(&tables.codes, &named, NOW).await, CodeCounted::Refused(Standing::Disabled)));
    let old = tables.codes.code(&account.id).await.unwrap();
    let issued = event_of(&account, event(62, What::RecoveryCodeIssued));
    assert!(tables.codes.issue(&account, old.as_ref(), &code(7), &issued).await.unwrap());
    let anew = taken(&tables.codes, &named, 7).await;
    assert_eq!((anew.guesses.streak, anew.guesses.failures), (1, 1));
    assert_eq!(anew.owner, Some(account.id.clone()));
}

#[tokio::test]
async fn a_right_code_ends_everything_that_was_before() {
    let tables = Tables::new().await;
    let (account, before) = tables.with_everything(1).await;
    guess_password(&tables.store, &account.username, NOW).await;
    let named = by_name(&account);
    let found = taken(&tables.codes, &named, 1).await.code.unwrap();
    let done = redeem(&tables.codes, &account, &found, &named, 60, None).await.unwrap();
    assert!(matches!(done, Redeemed::Done));

    let after = tables.account(&account.id).await;
    assert_eq!(after, account.recovered(true));
    assert_eq!((after.generation, after.recovery_code.is_none()), (account.generation + 1, true));
    assert!(tables.contents().await.keys().all(|(table, ..)| *table != RECOVERY_CODES), "it is no more");
    assert!(tables.store.caller(Some(before.id.clone()), NOW).await.is_err(), "its session is over");
    let caller = tables.store.caller(Some(SessionId::from_bytes(bytes(60))), NOW).await.unwrap();
    assert_eq!((caller.session.origin, caller.session.proofs.len()), (Origin::Recovery, 0));
    let kinds = tables.store.activity(&account.id, None).await.unwrap().events;
    assert_eq!(kinds.iter().filter(|event| event.what == What::Recovered).count(), 1);
    assert_eq!(number(&tables.by_name(&account.username, "PASSWORD").await, "streak"), 0, "it lifts locks");
    let own = tables.by_name(&account.username, "RECOVERY-CODE").await;
    assert_eq!((number(&own, "streak"), number(&own, "failures")), (0, 0));
    // Read before: spent is all that can be said of it.
    let again = redeem(&tables.codes, &after, &found, &named, 63, None).await.unwrap();
    assert!(matches!(again, Redeemed::Spent));
}

/// Whoever registers with somebody's address, and redeems a code of his own, gets no more guesses at the other's.
#[tokio::test]
async fn a_right_code_by_an_address_takes_back_its_own_guess_alone() {
    let tables = Tables::new().await;
    let (account, _) = tables.with_code(1).await;
    let named = by_email(&account);
    for _ in 0..3 {
        taken(&tables.codes, &named, 99).await;
    }
    let found = taken(&tables.codes, &named, 1).await.code.unwrap();
    let done = redeem(&tables.codes, &account, &found, &named, 60, None).await.unwrap();
    assert!(matches!(done, Redeemed::Done));
    let next = taken(&tables.codes, &named, 99).await.guesses;
    assert_eq!((next.streak, next.failures), (4, 4));
}

#[tokio::test]
async fn a_code_by_an_address_waits_for_the_accounts_own_lock() {
    let tables = Tables::new().await;
    let (account, _) = tables.with_code(1).await;
    for _ in 0..FREE_GUESSES {
        taken(&tables.codes, &by_name(&account), 99).await;
    }
    let named = by_email(&account);
    let found = taken(&tables.codes, &named, 1).await.code.unwrap();
    let before = tables.contents().await;
    let locked = redeem(&tables.codes, &account, &found, &named, 60, None).await.unwrap();
    assert!(matches!(locked, Redeemed::Locked(Standing::LockedUntil(until)) if until == NOW + MINUTE));
    assert_eq!(tables.contents().await, before);
}

#[tokio::test]
async fn limits_are_per_address_and_for_all() {
    let tables = Tables::new().await;
    let named = |nth: u32| Named::Username(format!("somebody-{nth}").parse().unwrap());
    let guess = async |nth: u32, address: u32, limit: u64| {
        let named = named(nth);
        let guess =
            CodeGuess { named: &named, address: bytes(address), limit: Some(limit), idempotent: None };
        tables.codes.count_guess(guess, NOW).await.unwrap()
    };
    for nth in 0..20 {
        assert!(matches!(guess(nth, 1, 30).await, CodeCounted::Taken), "{nth}");
    }
    let before = tables.contents().await;
    let CodeCounted::Limited(until) = guess(20, 1, 30).await else { panic!("the twenty-first was taken") };
    assert_eq!(until.as_millisecond(), (NOW + SignedDuration::from_hours(1)).as_millisecond());
    assert_eq!(tables.contents().await, before, "and nothing was counted");
    for nth in 20..30 {
        assert!(matches!(guess(nth, 2, 30).await, CodeCounted::Taken), "{nth}");
    }
    assert!(matches!(guess(30, 3, 30).await, CodeCounted::Limited(_)));
}

#[tokio::test]
async fn a_request_that_was_done_is_known_by_its_key_and_counts_nothing() {
    let tables = Tables::new().await;
    let (account, _) = tables.with_code(1).await;
    let (named, key) = (by_name(&account), request("k"));
    let found = taken(&tables.codes, &named, 1).await.code.unwrap();
    let done = redeem(&tables.codes, &account, &found, &named, 60, Some(&key)).await.unwrap();
    assert!(matches!(done, Redeemed::Done));
    let before = tables.contents().await;
    let again = CodeGuess { idempotent: Some(&key), ..guess(&named) };
    let CodeCounted::KeyUsed(used) = tables.codes.count_guess(again, NOW).await.unwrap() else {
        panic!("counted again")
    };
    assert_eq!((used.request.as_str(), &used.account), ("mac of k", &account.id));
    assert_eq!(used.revision, tables.account(&account.id).await.revision);
    assert_eq!(tables.contents().await, before);
    let late = NOW + SignedDuration::from_mins(10);
    let again = CodeGuess { idempotent: Some(&key), ..guess(&named) };
    assert!(matches!(tables.codes.count_guess(again, late).await.unwrap(), CodeCounted::Taken));
}

#[tokio::test]
async fn a_sign_in_beside_it_is_spent_with_it() {
    let tables = Tables::new().await;
    let (account, _) = tables.with_code(1).await;
    let named = by_name(&account);
    let found = taken(&tables.codes, &named, 1).await.code.unwrap();
    let second = Ceremony { id: "si_x".to_owned(), expires_at: NOW + MINUTE };
    let (recovered, event) = (account.recovered(true), event_of(&account, event(60, What::Recovered)));
    let begun = session(60);
    let redeem = || {
        let redemption = Redemption {
            makes: Recovery {
                account: &account,
                recovered: &recovered,
                begins: Beginning { session: &begun, event: &event, replaced: None },
            },
            code: &found,
            named: &named,
            idempotent: None,
            second: Some(&second),
        };
        tables.codes.redeem(redemption, NOW)
    };
    let spent = [("pk".to_owned(), aws_sdk_dynamodb::types::AttributeValue::S("SPENT#si_x".to_owned()))];
    tables.put(ATTEMPTS, spent.into()).await;
    assert!(matches!(redeem().await.unwrap(), Redeemed::SignInOver));
    let key = aws_sdk_dynamodb::types::AttributeValue::S("SPENT#si_x".to_owned());
    tables.client.delete_item().table_name(ATTEMPTS).key("pk", key).send().await.unwrap();
    assert!(matches!(redeem().await.unwrap(), Redeemed::Done));
    assert_eq!(tables.beginning("SPENT#si_x").await.len(), 1);
}

/// All at once, each with the same right code: five are counted, and one of them is the one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_code_many_times() {
    let tables = Tables::new().await;
    let (account, _) = tables.with_code(1).await;
    let outcomes = at_once(|racer| {
        let (codes, account) = (tables.codes.clone(), account.clone());
        async move {
            let named = by_name(&account);
            match counted(&codes, &named, NOW).await {
                CodeCounted::Taken => {}
                _ => return None,
            }
            let Some(found) = codes.held(&bytes(1), &named).await.unwrap().code else {
                return Some(Redeemed::Spent);
            };
            Some(redeem(&codes, &account, &found, &named, racer + 100, None).await.unwrap())
        }
    })
    .await;
    assert_eq!(count(&outcomes, |outcome| matches!(outcome, Some(Redeemed::Done))), 1);
    assert!(count(&outcomes, Option::is_none) > 0, "all of {RACERS} were counted");
    let after = tables.account(&account.id).await;
    assert_eq!(after.generation, account.generation + 1);
}

/// The transaction itself, all at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_right_code_is_spent_by_one() {
    let tables = Tables::new().await;
    let (account, _) = tables.with_code(1).await;
    let outcomes = at_once(|racer| {
        let (codes, account) = (tables.codes.clone(), account.clone());
        async move {
            let named = if racer % 2 == 0 { by_name(&account) } else { by_email(&account) };
            let found = codes.held(&bytes(1), &named).await.unwrap().code;
            let Some(found) = found else { return Redeemed::Spent };
            redeem(&codes, &account, &found, &by_name(&account), racer + 100, None).await.unwrap()
        }
    })
    .await;
    assert!(all_but_one(&outcomes, |outcome| matches!(outcome, Redeemed::Spent)), "{outcomes:?}");
    let recovered = tables.store.activity(&account.id, None).await.unwrap().events;
    assert_eq!(recovered.iter().filter(|event| event.what == What::Recovered).count(), 1);
}
