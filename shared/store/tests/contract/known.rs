//! The copy of an account that stands beside what is found by its name: complete, and never trusted when it is old.

use aws_sdk_dynamodb::types::AttributeValue;
use postern_domain::account::{Account, Passkey};
use postern_domain::activity::What;
use postern_store::{Proven, Secret, StoreError};

use crate::tables::{
    NOW, Tables, account, add_phone, event, guess_code, guess_password, hash, passkey, phone, prove,
    registration, remove_phone, send, sending, sent, session, set_password, sign_in_by_passkey, sign_in_id,
};

/// As a copy has it: nothing is verified with one.
fn without_keys(account: &Account) -> Account {
    let mut copy = account.clone();
    for passkey in &mut copy.methods.passkeys {
        passkey.credential = String::new();
    }
    copy
}

const PASSWORD: Secret<'_> = Secret::Password { rehashed: None };

#[tokio::test]
async fn an_account_with_everything_comes_back() {
    let tables = Tables::new().await;
    let (account, session) = tables.with_everything(1).await;
    let store = &tables.store;
    // Two of what there may be more of.
    let second = postern_store::PasskeyEnrolment {
        account: &account,
        passkey: &Passkey { provider: None, backup_eligible: false, ..passkey(2) },
        ceremony: &crate::tables::ceremony(2),
        proven: &session,
        event: &event(2, What::PasskeyAdded),
    };
    store.enrol_passkey(second).await.unwrap().unwrap();
    let account = tables.account(&account.id).await;
    assert!(add_phone(store, &account, &session, &phone(2)).await.unwrap());
    let account = tables.account(&account.id).await;
    let methods = &account.methods;
    assert_eq!((methods.passkeys.len(), methods.phones.len(), methods.password.is_some()), (2, 2, true));
    assert!(methods.authenticator.is_some());
    assert!(account.holds_recovery_code() && account.forget_at.is_none());

    let of_phones = guess_code(store, &account.username, &sign_in_id(1), NOW).await.kept.unwrap();
    assert_eq!(of_phones.account, without_keys(&account));
    assert_eq!(store.phones_of(&account.username, NOW).await.unwrap().account, Some(without_keys(&account)));
    // The password's is of before the second passkey, until it is proven with a fresh read.
    let kept = guess_password(store, &account.username, NOW).await.kept.unwrap();
    assert_eq!(kept.account.revision, account.revision - 3);
    assert_eq!(prove(store, &account, PASSWORD, &sign_in_id(1), None).await.unwrap(), Proven::Done);
    let kept = guess_password(store, &account.username, NOW).await.kept.unwrap();
    assert_eq!(kept.account, without_keys(&account));
    let copied = tables.by_name(&account.username, "PASSWORD").await["known"].as_l().unwrap().clone();
    let keys: Vec<_> = copied.iter().filter_map(|item| item.as_m().unwrap().get("credential")).collect();
    assert_eq!(keys, [&AttributeValue::S(String::new()); 2], "no passkey's key stands beside a password");
}

#[tokio::test]
async fn a_copy_is_of_the_write_that_it_came_with() {
    let tables = Tables::new().await;
    let (session, event) = (session(1), event(1, What::AccountRegistered));
    let registered = Account { forget_at: None, ..account(1) }.with_password(NOW);
    let new =
        postern_store::Registration { hash: Some(&hash(1)), ..registration(&registered, &session, &event) };
    tables.store.register(new, NOW).await.unwrap();
    let copy = async || guess_password(&tables.store, &registered.username, NOW).await.kept.unwrap().account;
    let account = tables.account(&registered.id).await;
    assert_eq!(copy().await, account);
    set_password(&tables.store, &account, &session, 2).await.unwrap();
    let account = tables.account(&registered.id).await;
    assert_eq!(copy().await, account);
    let of_phones = async || guess_code(&tables.store, &registered.username, &sign_in_id(1), NOW).await.kept;
    assert!(of_phones().await.is_none());
    for number in [1, 2] {
        let account = tables.account(&registered.id).await;
        assert!(add_phone(&tables.store, &account, &session, &phone(number)).await.unwrap());
        assert_eq!(of_phones().await.unwrap().account, tables.account(&registered.id).await);
    }
    let account = tables.account(&registered.id).await;
    remove_phone(&tables.store, &account, &session, &phone(1)).await.unwrap();
    assert_eq!(of_phones().await.unwrap().account, tables.account(&registered.id).await);
}

/// Whatever moves the account makes every copy old; and a proof on a fresh read renews it.
#[tokio::test]
async fn an_old_copy_proves_nothing_and_a_fresh_one_renews_it() {
    let tables = Tables::new().await;
    let (account, session) = tables.with_everything(1).await;
    let (store, username) = (&tables.store, &account.username);
    let mut round = 0;
    let mut moved = async |of: &str| {
        round += 1;
        let fresh = tables.account(&account.id).await;
        let copy = guess_password(store, username, NOW).await.kept.unwrap().account;
        assert!(copy.revision < fresh.revision, "{of} moves the account");
        let before = tables.contents().await;
        for begins in [None, Some(5000)] {
            let outcome = prove(store, &copy, PASSWORD, &sign_in_id(round), begins).await;
            assert!(matches!(outcome, Err(StoreError::Conflict)), "{of}: {outcome:?}");
        }
        assert_eq!(tables.contents().await, before, "{of}");
        assert_eq!(prove(store, &fresh, PASSWORD, &sign_in_id(round), None).await.unwrap(), Proven::Done);
        let renewed = guess_password(store, username, NOW).await.kept.unwrap().account;
        assert_eq!(renewed, without_keys(&fresh), "{of}");
        // And the renewed copy proves.
        assert_eq!(
            prove(store, &renewed, PASSWORD, &sign_in_id(round), Some(5000 + round)).await.unwrap(),
            Proven::Done
        );
        fresh
    };
    let account = moved("a phone").await;
    assert!(add_phone(store, &account, &session, &phone(2)).await.unwrap());
    let account = moved("another phone").await;
    remove_phone(store, &account, &session, &phone(2)).await.unwrap();
    let account = moved("a phone's removal").await;
    let old = tables.codes.code(&account.id).await.unwrap();
    let issued = event(900, What::RecoveryCodeIssued);
    assert!(tables.codes.issue(&account, old.as_ref(), &crate::tables::code(2), &issued).await.unwrap());
    let account = moved("a recovery code").await;
    let removal = postern_store::PasskeyRemoval {
        account: &account,
        passkey: &passkey(1),
        proven: &session,
        event: &event(901, What::PasskeyRemoved),
    };
    store.remove_passkey(removal).await.unwrap();
    moved("a passkey's removal").await;
}

/// Of the copy beside the phones, likewise; a code that is sent on an old copy does not go.
#[tokio::test]
async fn an_old_copy_sends_no_code() {
    let tables = Tables::new().await;
    let (account, session) = tables.with_phone(1).await;
    let (store, username) = (&tables.store, &account.username);
    set_password(store, &account, &session, 1).await.unwrap();
    let copy = store.phones_of(username, NOW).await.unwrap().account.unwrap();
    let code = sent(1, &phone(1), NOW);
    let to = sending(username, 1);
    let outcome = send(store, Some(&copy), &to, &sign_in_id(1), &code, NOW).await;
    assert!(matches!(outcome, Err(StoreError::Conflict)));
    let fresh = tables.account(&account.id).await;
    send(store, Some(&fresh), &to, &sign_in_id(1), &code, NOW).await.unwrap().unwrap();
    let outcome = prove(store, &copy, Secret::PhoneCode(&code), &sign_in_id(1), None).await;
    assert!(matches!(outcome, Err(StoreError::Conflict)));
    assert_eq!(
        prove(store, &fresh, Secret::PhoneCode(&code), &sign_in_id(1), None).await.unwrap(),
        Proven::Done
    );
    assert_eq!(store.phones_of(username, NOW).await.unwrap().account, Some(fresh));
}

/// A sign-in moves nothing that decisions rest on: a copy stays good.
#[tokio::test]
async fn a_sign_in_leaves_the_copies_good() {
    let tables = Tables::new().await;
    let (account, _) = tables.with_everything(1).await;
    assert_eq!(prove(&tables.store, &account, PASSWORD, &sign_in_id(1), None).await.unwrap(), Proven::Done);
    let copy = guess_password(&tables.store, &account.username, NOW).await.kept.unwrap().account;
    assert!(sign_in_by_passkey(&tables.store, &account, 1, 4000).await.unwrap());
    assert_eq!(
        prove(&tables.store, &copy, PASSWORD, &sign_in_id(2), Some(5000)).await.unwrap(),
        Proven::Done
    );
}
