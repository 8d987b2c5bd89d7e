//! What each write holds to, and that one that does not hold leaves nothing behind.

use jiff::{SignedDuration, Timestamp};
use postern_domain::account::{Account, Passkey};
use postern_domain::activity::{Event, What};
use postern_domain::id::SessionId;
use postern_domain::session::Session;
use postern_keys::{SealingKeyRecord, TokenKeyRecord};
use postern_store::{
    IdempotentRequest, PasskeyRemoval, PasskeySignIn, Refused, Registered, Registration, SealedCode,
    StoreError, StoredCode,
};

use crate::tables::{
    ACCOUNTS, ATTEMPTS, NOW, Tables, account, ceremony, code, enrol, event, event_of, passkey, proven,
    register, session, signed_in,
};

const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// Asserts that what it runs changes nothing in any table.
macro_rules! writes_nothing {
    ($tables:expr, $run:expr) => {{
        let before = $tables.contents().await;
        let outcome = $run;
        assert_eq!($tables.contents().await, before, "{}", stringify!($run));
        outcome
    }};
}

macro_rules! conflicts {
    ($tables:expr, $run:expr) => {
        assert!(matches!(writes_nothing!($tables, $run), Err(StoreError::Conflict)), "{}", stringify!($run))
    };
}

fn stale(account: &Account) -> Account {
    Account { revision: account.revision + 1, ..account.clone() }
}

async fn ended(tables: &Tables, session: &Session) {
    assert!(tables.store.sign_out(&session.id, NOW).await.unwrap());
}

mod registering {
    use super::*;

    /// Registers `account`, whose number is `number`, under the idempotency key `key`.
    async fn register_under(
        tables: &Tables,
        key: &str,
        account: &Account,
        number: u32,
        now: Timestamp,
    ) -> Result<Registered, StoreError> {
        let event = event_of(account, event(number, What::AccountRegistered));
        let session = Session { account: account.id.clone(), ..session(number) };
        let idempotent = Some(IdempotentRequest {
            key: key.to_owned(),
            request: format!("mac of {key}"),
            expires_at: NOW + SignedDuration::from_mins(10),
        });
        let new = Registration {
            hash: None,
            account,
            session: &session,
            event: &event,
            idempotent,
            replaced: None,
        };
        tables.store.register(new, now).await
    }

    #[tokio::test]
    async fn a_taken_name_is_refused() {
        let tables = Tables::new().await;
        let (first, _) = tables.registered(1).await;
        let second = Account { username: first.username.clone(), ..account(2) };
        let registered = writes_nothing!(
            tables,
            register(&tables.store, &second, &session(2), &event(2, What::AccountRegistered)).await.unwrap()
        );
        assert!(matches!(registered, Registered::UsernameTaken));
    }

    #[tokio::test]
    async fn an_account_is_never_overwritten() {
        let tables = Tables::new().await;
        let (first, _) = tables.registered(1).await;
        let same_id = Account { id: first.id, ..account(2) };
        conflicts!(
            tables,
            register(&tables.store, &same_id, &session(2), &event(1, What::AccountRegistered)).await
        );
    }

    #[tokio::test]
    async fn a_used_key_brings_back_what_it_stands_for() {
        let tables = Tables::new().await;
        assert!(matches!(register_under(&tables, "k", &account(1), 1, NOW).await.unwrap(), Registered::Done));
        // The same request again, and another one under the same key.
        let again = Account { username: account(1).username, ..account(2) };
        for other in [again, account(3)] {
            let registered =
                writes_nothing!(tables, register_under(&tables, "k", &other, 2, NOW).await.unwrap());
            let Registered::KeyUsed(used) = registered else { panic!("not the key") };
            let (request, account) = (used.request, used.account);
            assert_eq!((request.as_str(), account), ("mac of k", self::account(1).id));
        }
    }

    /// TTL takes it up to two days late.
    #[tokio::test]
    async fn an_expired_key_counts_no_more() {
        let tables = Tables::new().await;
        register_under(&tables, "k", &account(1), 1, NOW).await.unwrap();
        let expires_at = NOW + SignedDuration::from_mins(10);
        let registered = register_under(&tables, "k", &account(2), 2, expires_at - SECOND).await.unwrap();
        assert!(matches!(registered, Registered::KeyUsed(_)));
        let registered = register_under(&tables, "k", &account(2), 2, expires_at).await.unwrap();
        assert!(matches!(registered, Registered::Done));
    }

    #[tokio::test]
    async fn a_key_that_was_not_accepted_is_not_used() {
        let tables = Tables::new().await;
        tables.registered(1).await;
        let taken = Account { username: account(1).username, ..account(2) };
        let registered = writes_nothing!(tables, register_under(&tables, "k", &taken, 2, NOW).await.unwrap());
        assert!(matches!(registered, Registered::UsernameTaken));
        let registered = register_under(&tables, "k", &account(2), 2, NOW).await.unwrap();
        assert!(matches!(registered, Registered::Done));
    }

    #[tokio::test]
    async fn a_forgotten_name_is_free_to_the_second() {
        let tables = Tables::new().await;
        let (first, old_session) = tables.registered(1).await;
        let forget_at = first.forget_at.unwrap();
        let second = Account {
            username: first.username.clone(),
            forget_at: Some(forget_at + SignedDuration::from_hours(24)),
            ..account(2)
        };
        let (new_session, registered_event) = (session(2), event(2, What::AccountRegistered));
        let registration = || Registration {
            hash: None,
            account: &second,
            session: &new_session,
            event: &registered_event,
            idempotent: None,
            replaced: None,
        };
        let just_before = forget_at - SignedDuration::from_millis(1);
        assert!(tables.store.account(&first.id, just_before).await.unwrap().is_some());
        let registered =
            writes_nothing!(tables, tables.store.register(registration(), just_before).await.unwrap());
        assert!(matches!(registered, Registered::UsernameTaken));

        assert!(tables.store.account(&first.id, forget_at).await.unwrap().is_none());
        let registered = tables.store.register(registration(), forget_at).await.unwrap();
        assert!(matches!(registered, Registered::Done));
        let read = tables.store.account(&second.id, forget_at).await.unwrap().unwrap();
        assert_eq!(read.username, first.username);

        // A passkey that was on its way to the forgotten account finds the name gone, and saves nothing.
        conflicts!(tables, enrol(&tables.store, &first, &old_session, 1).await);
    }

    #[tokio::test]
    async fn an_account_with_a_method_is_not_forgotten() {
        let tables = Tables::new().await;
        let (first, _) = tables.enrolled(1).await;
        let in_years = NOW + SignedDuration::from_hours(24 * 365 * 5);
        assert!(tables.store.account(&first.id, in_years).await.unwrap().is_some());
        let second = Account { username: first.username, ..account(2) };
        let registration = Registration {
            hash: None,
            account: &second,
            session: &session(2),
            event: &event(2, What::AccountRegistered),
            idempotent: None,
            replaced: None,
        };
        let registered =
            writes_nothing!(tables, tables.store.register(registration, in_years).await.unwrap());
        assert!(matches!(registered, Registered::UsernameTaken));
    }

    #[tokio::test]
    async fn the_session_that_came_with_it_ends() {
        let tables = Tables::new().await;
        let (_, old) = tables.registered(1).await;
        let registration = Registration {
            hash: None,
            account: &account(2),
            session: &session(2),
            event: &event(2, What::AccountRegistered),
            idempotent: None,
            replaced: Some(old.id.clone()),
        };
        assert!(matches!(tables.store.register(registration, NOW).await.unwrap(), Registered::Done));
        assert!(tables.store.caller(Some(old.id), NOW).await.is_err());
        assert!(tables.store.caller(Some(session(2).id), NOW).await.is_ok());
    }
}

mod enrolling {
    use super::*;

    #[tokio::test]
    async fn all_of_it_or_nothing() {
        let tables = Tables::new().await;
        let (before, session) = tables.registered(1).await;
        let session = proven(&session, &passkey(1));
        enrol(&tables.store, &before, &session, 1).await.unwrap().unwrap();
        let caller = tables.store.caller(Some(session.id.clone()), NOW).await.unwrap();
        assert_eq!(caller.session, session, "what an enrolment proves counts");

        let account = caller.account;
        // By a fresh challenge, but the credential is the account's already.
        let again = postern_store::PasskeyEnrolment {
            account: &account,
            passkey: &passkey(1),
            ceremony: &ceremony(2),
            proven: &session,
            event: &event(3, What::PasskeyAdded),
        };
        assert_eq!(
            writes_nothing!(tables, tables.store.enrol_passkey(again).await.unwrap()),
            Err(Refused::Exists)
        );
        // Another credential, but the challenge is spent.
        let spent = postern_store::PasskeyEnrolment {
            account: &account,
            passkey: &passkey(2),
            ceremony: &ceremony(1),
            proven: &session,
            event: &event(3, What::PasskeyAdded),
        };
        assert_eq!(
            writes_nothing!(tables, tables.store.enrol_passkey(spent).await.unwrap()),
            Err(Refused::Spent)
        );
        // The account is not as it was read.
        conflicts!(tables, enrol(&tables.store, &stale(&account), &session, 2).await);
        conflicts!(tables, enrol(&tables.store, &before, &session, 2).await);
        // The session ended meanwhile: a passkey is not left behind by a session that is over.
        ended(&tables, &session).await;
        conflicts!(tables, enrol(&tables.store, &account, &session, 2).await);
    }

    #[tokio::test]
    async fn a_credential_of_another_account_is_refused() {
        let tables = Tables::new().await;
        tables.enrolled(1).await;
        let (other, session) = tables.registered(2).await;
        let enrolment = postern_store::PasskeyEnrolment {
            account: &other,
            passkey: &passkey(1),
            ceremony: &ceremony(2),
            proven: &session,
            event: &event(2, What::PasskeyAdded),
        };
        let refused = writes_nothing!(tables, tables.store.enrol_passkey(enrolment).await.unwrap());
        assert_eq!(refused, Err(Refused::Exists));
    }

    #[tokio::test]
    async fn an_account_that_was_never_registered_gains_nothing() {
        let tables = Tables::new().await;
        tables.store.begin_session(&session(1), None).await.unwrap();
        conflicts!(tables, enrol(&tables.store, &account(1), &session(1), 1).await);
        let kept = Account { forget_at: None, ..account(1) };
        conflicts!(tables, enrol(&tables.store, &kept, &session(1), 1).await);
    }
}

mod signing_in {
    use super::*;

    async fn sign_in(
        tables: &Tables,
        account: &Account,
        used: &Passkey,
        counter_was: u32,
        number: u32,
        replaced: Option<SessionId>,
    ) -> Result<bool, StoreError> {
        let new = PasskeySignIn {
            account,
            used,
            counter_was,
            ceremony: &ceremony(number),
            session: &signed_in(number, 1),
            event: &event(number, What::SignedIn),
            replaced,
        };
        tables.store.sign_in_by_passkey(new).await
    }

    fn counted(counter: u32) -> Passkey {
        Passkey { counter, last_used_at: Some(NOW), ..passkey(1) }
    }

    #[tokio::test]
    async fn all_of_it_or_nothing() {
        let tables = Tables::new().await;
        let (account, _) = tables.enrolled(1).await;
        assert!(sign_in(&tables, &account, &counted(5), 0, 10, None).await.unwrap());

        let spent =
            writes_nothing!(tables, sign_in(&tables, &account, &counted(6), 5, 10, None).await.unwrap());
        assert!(!spent, "the challenge was spent before");
        let spent =
            writes_nothing!(tables, sign_in(&tables, &account, &counted(6), 0, 1, None).await.unwrap());
        assert!(!spent, "an enrolment's challenge is one as well");
        conflicts!(tables, sign_in(&tables, &account, &counted(6), 0, 11, None).await);
        conflicts!(tables, sign_in(&tables, &account, &counted(6), 4, 11, None).await);
        conflicts!(tables, sign_in(&tables, &account, &counted(6), 6, 11, None).await);
        conflicts!(tables, sign_in(&tables, &stale(&account), &counted(6), 5, 11, None).await);
        // A passkey that is not there is not made by being used.
        let gone = Passkey { counter: 1, ..passkey(9) };
        conflicts!(tables, sign_in(&tables, &account, &gone, 0, 11, None).await);
        assert!(sign_in(&tables, &account, &counted(6), 5, 11, None).await.unwrap());
    }

    /// Most passkeys that sync keep no counter (WebAuthn L3 §6.1.1).
    #[tokio::test]
    async fn a_counter_of_zero_stays() {
        let tables = Tables::new().await;
        let (account, _) = tables.enrolled(1).await;
        for number in 10..13 {
            assert!(sign_in(&tables, &account, &counted(0), 0, number, None).await.unwrap());
        }
    }

    #[tokio::test]
    async fn the_session_that_came_with_it_ends() {
        let tables = Tables::new().await;
        let (account, old) = tables.enrolled(1).await;
        assert!(sign_in(&tables, &account, &counted(0), 0, 10, Some(old.id.clone())).await.unwrap());
        assert!(tables.store.caller(Some(old.id.clone()), NOW).await.is_err());
        assert!(tables.store.caller(Some(signed_in(10, 1).id), NOW).await.is_ok());
        // One that had ended before does not stand in the way, and one that fails ends none.
        assert!(sign_in(&tables, &account, &counted(0), 0, 11, Some(old.id)).await.unwrap());
        let living = signed_in(10, 1).id;
        let spent = sign_in(&tables, &account, &counted(0), 0, 11, Some(living.clone())).await.unwrap();
        assert!(!spent && tables.store.caller(Some(living), NOW).await.is_ok());
    }
}

mod removing_and_renaming {
    use super::*;

    async fn remove(
        tables: &Tables,
        account: &Account,
        passkey: &Passkey,
        proven: &Session,
    ) -> Result<(), StoreError> {
        let event = event(90, What::PasskeyRemoved);
        let event = event_of(account, event);
        tables.store.remove_passkey(PasskeyRemoval { account, passkey, proven, event: &event }).await
    }

    #[tokio::test]
    async fn all_of_it_or_nothing() {
        let tables = Tables::new().await;
        let (account, session) = tables.enrolled(1).await;
        conflicts!(tables, remove(&tables, &stale(&account), &passkey(1), &session).await);
        conflicts!(tables, remove(&tables, &account, &passkey(2), &session).await);
        conflicts!(tables, remove(&tables, &account, &passkey(1), &signed_in(9, 1)).await);

        let mut outliving = session.clone();
        outliving.proofs[0].outlives_method = true;
        remove(&tables, &account, &passkey(1), &outliving).await.unwrap();
        let after = tables.account(&account.id).await;
        assert_eq!((after.methods.passkeys.len(), after.revision), (0, account.revision + 1));
        assert!(
            tables.beginning("PASSKEY#").await.is_empty() && tables.beginning("CREDENTIAL#").await.is_empty()
        );
        let caller = tables.store.caller(Some(session.id.clone()), NOW).await.unwrap();
        assert_eq!(caller.session, outliving, "the session that removed it goes on");
        conflicts!(tables, remove(&tables, &account, &passkey(1), &session).await);
    }

    #[tokio::test]
    async fn the_other_sessions_that_it_proved_end() {
        let tables = Tables::new().await;
        let (account, session) = tables.enrolled(1).await;
        let other = signed_in(9, 1);
        tables.store.begin_session(&other, None).await.unwrap();
        let mut outliving = session.clone();
        outliving.proofs[0].outlives_method = true;
        remove(&tables, &account, &passkey(1), &outliving).await.unwrap();
        assert!(tables.store.caller(Some(other.id), NOW).await.is_err());
        assert!(tables.store.caller(Some(session.id), NOW).await.is_ok());
    }

    /// Of the credential's next owner, too: nothing of its last one stands in the way.
    #[tokio::test]
    async fn a_removed_credential_may_be_enrolled_again() {
        let tables = Tables::new().await;
        let (account, session) = tables.enrolled(1).await;
        remove(&tables, &account, &passkey(1), &session).await.unwrap();
        let (other, session) = tables.registered(2).await;
        let enrolment = postern_store::PasskeyEnrolment {
            account: &other,
            passkey: &passkey(1),
            ceremony: &ceremony(2),
            proven: &session,
            event: &event(2, What::PasskeyAdded),
        };
        tables.store.enrol_passkey(enrolment).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_passkey_is_renamed_only_where_it_is() {
        let tables = Tables::new().await;
        let (account, _) = tables.enrolled(1).await;
        let name = "Front desk".parse().unwrap();
        let event = event(5, What::PasskeyRenamed);
        let rename = async |id| tables.store.rename_passkey(&account.id, &id, &name, &event).await.unwrap();
        assert!(!writes_nothing!(tables, rename(passkey(2).id).await));
        assert!(rename(passkey(1).id).await);
        let renamed = Passkey { name: name.clone(), ..passkey(1) };
        let after = tables.account(&account.id).await;
        assert_eq!((after.methods.passkeys, after.revision), (vec![renamed], account.revision));
    }
}

mod issuing_codes {
    use super::*;

    async fn issue(
        tables: &Tables,
        account: &Account,
        old: Option<&StoredCode>,
        new: &SealedCode,
    ) -> Result<bool, StoreError> {
        let event = event_of(account, event(77, What::RecoveryCodeIssued));
        tables.codes.issue(account, old, new, &event).await
    }

    async fn mark(tables: &Tables, account: &Account, code: &SealedCode) -> Result<(), StoreError> {
        let event = event_of(account, event(78, What::RecoveryCodeDownloaded));
        tables.codes.mark_downloaded(account, &StoredCode::from(code), &event).await
    }

    #[tokio::test]
    async fn the_old_code_dies_in_the_same_write() {
        let tables = Tables::new().await;
        let (account, _) = tables.with_code(1).await;
        mark(&tables, &account, &code(1)).await.unwrap();
        let account = tables.account(&account.id).await;
        assert!(account.holds_recovery_code());

        let old = tables.codes.code(&account.id).await.unwrap().unwrap();
        assert!(issue(&tables, &account, Some(&old), &code(2)).await.unwrap());
        let after = tables.account(&account.id).await;
        assert_eq!(after.recovery_code.clone().unwrap().issued_at, code(2).issued_at);
        assert!(!after.holds_recovery_code(), "the new one is not downloaded yet");
        assert_eq!(after.revision, account.revision + 1);
        assert_eq!(tables.codes.code(&account.id).await.unwrap().unwrap().sealed, code(2).sealed);
        assert_eq!(tables.beginning("CODE#").await.len(), 1);

        // Whoever read the old one has lost.
        conflicts!(tables, issue(&tables, &after, Some(&old), &code(3)).await);
        conflicts!(tables, issue(&tables, &after, None, &code(3)).await);
        let present = tables.codes.code(&account.id).await.unwrap().unwrap();
        conflicts!(tables, issue(&tables, &account, Some(&present), &code(3)).await);
        assert!(issue(&tables, &after, Some(&present), &code(3)).await.unwrap());
    }

    #[tokio::test]
    async fn no_two_accounts_hold_the_same_code() {
        let tables = Tables::new().await;
        tables.with_code(1).await;
        let (other, _) = tables.enrolled(2).await;
        let same = SealedCode { issued_at: NOW, ..code(1) };
        assert!(!writes_nothing!(tables, issue(&tables, &other, None, &same).await.unwrap()));
        assert!(issue(&tables, &other, None, &code(2)).await.unwrap());
        let old = tables.codes.code(&other.id).await.unwrap().unwrap();
        let other = tables.account(&other.id).await;
        assert!(!writes_nothing!(tables, issue(&tables, &other, Some(&old), &same).await.unwrap()));
    }

    /// The same sixteen symbols drawn twice for one account are no new code.
    #[tokio::test]
    async fn a_code_does_not_replace_itself() {
        let tables = Tables::new().await;
        let (account, _) = tables.with_code(1).await;
        let old = tables.codes.code(&account.id).await.unwrap().unwrap();
        let same = SealedCode { issued_at: NOW + SECOND, ..code(1) };
        assert!(!writes_nothing!(tables, issue(&tables, &account, Some(&old), &same).await.unwrap()));
    }

    #[tokio::test]
    async fn the_first_look_is_the_one_that_counts_and_each_is_written_down() {
        let tables = Tables::new().await;
        let (account, _) = tables.with_code(1).await;
        let look = async |number: u32, account: &Account| {
            let at = NOW + SignedDuration::from_secs(i64::from(number));
            let event = Event { at, ..event_of(account, event(number, What::RecoveryCodeDownloaded)) };
            tables.codes.mark_downloaded(account, &StoredCode::from(&code(1)), &event).await
        };
        look(1, &account).await.unwrap();
        let after = tables.account(&account.id).await;
        look(2, &after).await.unwrap();
        let twice = tables.account(&account.id).await;
        assert_eq!(twice, after, "the second changes nothing that decisions rest on");
        assert_eq!(twice.recovery_code.unwrap().downloaded_at, Some(NOW + SECOND));
        let looks = tables.store.activity(&account.id, None).await.unwrap().events;
        assert_eq!(looks.iter().filter(|event| event.what == What::RecoveryCodeDownloaded).count(), 2);
    }

    #[tokio::test]
    async fn a_look_at_another_code_marks_nothing() {
        let tables = Tables::new().await;
        let (account, _) = tables.with_code(1).await;
        conflicts!(tables, mark(&tables, &account, &code(2)).await);
        let old = tables.codes.code(&account.id).await.unwrap().unwrap();
        assert!(issue(&tables, &account, Some(&old), &code(2)).await.unwrap());
        // Read before the code was replaced.
        conflicts!(tables, mark(&tables, &account, &code(1)).await);
        conflicts!(tables, mark(&tables, &account, &code(2)).await);
        let (without, _) = tables.enrolled(3).await;
        conflicts!(tables, mark(&tables, &without, &code(3)).await);
    }

    /// The decision to show it rested on the account's methods: without the one that proved the session, no look.
    #[tokio::test]
    async fn a_look_holds_to_the_account_that_it_was_decided_on() {
        let tables = Tables::new().await;
        let (account, session) = tables.with_code(1).await;
        let removal = PasskeyRemoval {
            account: &account,
            passkey: &passkey(1),
            proven: &session,
            event: &event(91, What::PasskeyRemoved),
        };
        tables.store.remove_passkey(removal).await.unwrap();
        conflicts!(tables, mark(&tables, &account, &code(1)).await);
    }
}

#[tokio::test]
async fn a_key_is_added_once() {
    let tables = Tables::new().await;
    let sealing = |sealed: u8| SealingKeyRecord { version: 1, sealed: vec![sealed], active_from: NOW };
    assert!(tables.keys.add_sealing(&sealing(1)).await.unwrap());
    assert!(!writes_nothing!(tables, tables.keys.add_sealing(&sealing(2)).await.unwrap()));
    let token = |kid: &str| TokenKeyRecord {
        kid: kid.to_owned(),
        sealed_private: vec![1],
        public_der: vec![2],
        active_from: NOW,
        active_until: NOW + SECOND,
    };
    assert!(tables.keys.add_token(&token("first")).await.unwrap());
    assert!(!writes_nothing!(tables, tables.keys.add_token(&token("second")).await.unwrap()));
}

#[tokio::test]
async fn each_record_stands_in_its_own_table() {
    let tables = Tables::new().await;
    tables.with_code(1).await;
    let mut places = Vec::new();
    for ((table, pk, sk), _) in tables.contents().await {
        let kind = |key: &str| key.split(['#', '_']).next().unwrap().to_owned();
        places.push((table, kind(&pk), kind(&sk)));
    }
    places.dedup();
    let place = |table, pk: &str, sk: &str| (table, pk.to_owned(), sk.to_owned());
    assert_eq!(
        places,
        [
            place(ACCOUNTS, "CREDENTIAL", "CREDENTIAL"),
            place(ACCOUNTS, "NAME", "NAME"),
            place(ACCOUNTS, "NAME", "RECOVERY-CODE"),
            place(ACCOUNTS, "acc", "ACTIVITY"),
            place(ACCOUNTS, "acc", "PASSKEY"),
            place(ACCOUNTS, "acc", "PROFILE"),
            place(ATTEMPTS, "SESSION", ""),
            place(ATTEMPTS, "SPENT", ""),
            place(crate::tables::RECOVERY_CODES, "CODE", ""),
            place(crate::tables::RECOVERY_CODES, "acc", ""),
        ]
    );
}
