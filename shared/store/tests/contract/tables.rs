//! The tables, empty, in an engine of their own; and what stands in them.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_sdk_dynamodb::types::AttributeValue;
use dynoxide::Database;
use jiff::{SignedDuration, Timestamp};
use postern_domain::account::{Account, Channel, LineType, Methods, Passkey, Phone};
use postern_domain::activity::{Event, What};
use postern_domain::admission::{Factor, Proof};
use postern_domain::id::{AccountId, EventId, PasskeyId, PhoneId, SessionId, SignInId};
use postern_domain::name::Username;
use postern_domain::one_time_code::SENT_CODE_LIVES;
use postern_domain::session::{Origin, Session};
use postern_domain::time_step::TimeStep;
use postern_keys::VersionedMac;
use postern_store::{
    AuthenticatorEnrolment, AuthenticatorRemoval, Beginning, Ceremony, Counted, Guess, KeptAuthenticator,
    KeptPassword, KeptPhones, KeyRecords, NotNow, PasskeyEnrolment, PasskeySignIn, PasswordChange,
    PendingAuthenticator, PendingPhone, PhoneEnrolment, PhoneRemoval, Proof as Answer, Proven, RecoveryCodes,
    Registered, Registration, SealedCode, Secret, Sending, SentCode, SignInCode, Store, StoreError,
    StoredCode, Then,
};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub const ACCOUNTS: &str = "Accounts";
pub const ATTEMPTS: &str = "Attempts";
pub const RECOVERY_CODES: &str = "RecoveryCodes";

/// 2025-03-01T12:00:00.123Z.
pub const NOW: Timestamp = Timestamp::constant(1_740_830_400, 123_000_000);

pub type Item = HashMap<String, AttributeValue>;

/// All that stands in the three tables, by table, partition key and sort key.
pub type Contents = BTreeMap<(&'static str, String, String), Item>;

pub struct Tables {
    pub client: Client,
    pub store: Store,
    pub codes: RecoveryCodes,
    pub keys: KeyRecords,
    _stop: oneshot::Sender<()>,
}

impl Tables {
    pub async fn new() -> Self {
        let database = Database::memory().unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(dynoxide::server::serve_with_shutdown(listener, database, async {
            let _ = stopped.await;
        }));
        let client = client(&format!("http://{address}"));
        postern_store::schema::create_tables(&client, ACCOUNTS, ATTEMPTS, RECOVERY_CODES).await.unwrap();
        let store = Store::new(client.clone(), ACCOUNTS, ATTEMPTS);
        let codes = RecoveryCodes::new(store.clone(), RECOVERY_CODES);
        let keys = KeyRecords::new(client.clone(), ACCOUNTS);
        Self { client, store, codes, keys, _stop: stop }
    }

    /// Everything that stands in the tables.
    pub async fn contents(&self) -> Contents {
        let mut contents = Contents::new();
        for table in [ACCOUNTS, ATTEMPTS, RECOVERY_CODES] {
            let items =
                self.client.scan().table_name(table).consistent_read(true).into_paginator().items().send();
            for item in items.collect::<Result<Vec<_>, _>>().await.unwrap() {
                let text =
                    |name: &str| item.get(name).map(|key| key.as_s().unwrap().clone()).unwrap_or_default();
                contents.insert((table, text("pk"), text("sk")), item);
            }
        }
        contents
    }

    /// The items whose partition or sort key begins so.
    pub async fn beginning(&self, prefix: &str) -> Vec<Item> {
        let contents = self.contents().await.into_iter();
        contents
            .filter(|((_, pk, sk), _)| pk.starts_with(prefix) || sk.starts_with(prefix))
            .map(|(_, item)| item)
            .collect()
    }

    pub async fn put(&self, table: &str, item: Item) {
        self.client.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
    }

    /// The account as a step would read it.
    pub async fn account(&self, id: &AccountId) -> Account {
        self.store.account(id, NOW).await.unwrap().unwrap()
    }

    /// Registers `account(number)` with `session(number)`.
    pub async fn registered(&self, number: u32) -> (Account, Session) {
        let (account, session) = (account(number), session(number));
        let event = event(number, What::AccountRegistered);
        assert!(matches!(register(&self.store, &account, &session, &event).await.unwrap(), Registered::Done));
        (self.account(&account.id).await, session)
    }

    /// Registers, and adds `passkey(number)` by `ceremony(number)`.
    pub async fn enrolled(&self, number: u32) -> (Account, Session) {
        let (account, session) = self.registered(number).await;
        let session = proven(&session, &passkey(number));
        enrol(&self.store, &account, &session, number).await.unwrap().unwrap();
        (self.account(&account.id).await, session)
    }

    /// Registers, and sets `hash(number)` as the password.
    pub async fn with_password(&self, number: u32) -> (Account, Session) {
        let (account, session) = self.registered(number).await;
        set_password(&self.store, &account, &session, number).await.unwrap();
        (self.account(&account.id).await, session)
    }

    /// Registers, and adds `phone(number)`.
    pub async fn with_phone(&self, number: u32) -> (Account, Session) {
        let (account, session) = self.registered(number).await;
        assert!(add_phone(&self.store, &account, &session, &phone(number)).await.unwrap());
        (self.account(&account.id).await, session)
    }

    /// Registers, and adds an authenticator: `sealed(number)`, confirmed in [`STEP`].
    pub async fn with_authenticator(&self, number: u32) -> (Account, Session) {
        let (account, session) = self.registered(number).await;
        assert!(add_authenticator(&self.store, &account, &session, number).await.unwrap());
        (self.account(&account.id).await, session)
    }

    /// Registers, and adds a passkey, an authenticator, a password and a phone, each of this number, and a code that was
    /// looked at.
    pub async fn with_everything(&self, number: u32) -> (Account, Session) {
        let (account, session) = self.with_code(number).await;
        let looked = event_of(&account, event(number + 1200, What::RecoveryCodeDownloaded));
        self.codes.mark_downloaded(&account, &StoredCode::from(&code(number)), &looked).await.unwrap();
        let account = self.account(&account.id).await;
        assert!(add_authenticator(&self.store, &account, &session, number).await.unwrap());
        let account = self.account(&account.id).await;
        set_password(&self.store, &account, &session, number).await.unwrap();
        let account = self.account(&account.id).await;
        assert!(add_phone(&self.store, &account, &session, &phone(number)).await.unwrap());
        (self.account(&account.id).await, session)
    }

    /// What stands by a name for its password (`PASSWORD`), its codes by phone (`PHONE`) or its app (`AUTHENTICATOR`).
    pub async fn by_name(&self, username: &Username, which: &str) -> Item {
        let found = self.client.get_item().table_name(ACCOUNTS).consistent_read(true);
        let found = found
            .key("pk", AttributeValue::S(format!("NAME#{}", username.as_str())))
            .key("sk", AttributeValue::S(which.to_owned()));
        found.send().await.unwrap().item.unwrap_or_default()
    }

    /// Registers, adds a passkey, and issues `code(number)`.
    pub async fn with_code(&self, number: u32) -> (Account, Session) {
        let (account, session) = self.enrolled(number).await;
        let event = event(number + 1000, What::RecoveryCodeIssued);
        assert!(self.codes.issue(&account, None, &code(number), &event_of(&account, event)).await.unwrap());
        (self.account(&account.id).await, session)
    }
}

/// The project's client, without its time limits: no test fails for the machine being slow.
pub fn client(endpoint: &str) -> Client {
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(endpoint);
    let client = postern_store::client(config);
    Client::from_conf(client.config().to_builder().timeout_config(TimeoutConfig::disabled()).build())
}

pub async fn register(
    store: &Store,
    account: &Account,
    session: &Session,
    event: &Event,
) -> Result<Registered, StoreError> {
    store.register(registration(account, session, event), NOW).await
}

/// Without a password, a key or a session before.
pub fn registration<'a>(account: &'a Account, session: &'a Session, event: &'a Event) -> Registration<'a> {
    Registration { account, session, event, idempotent: None, hash: None, replaced: None }
}

/// Adds `passkey(number)` by `ceremony(number)`. `proven`: the session as it is to be.
pub async fn enrol(
    store: &Store,
    account: &Account,
    proven: &Session,
    number: u32,
) -> Result<Result<(), postern_store::Refused>, StoreError> {
    let event = event_of(account, event(number + 500, What::PasskeyAdded));
    store
        .enrol_passkey(PasskeyEnrolment {
            account,
            passkey: &passkey(number),
            ceremony: &ceremony(number),
            proven,
            event: &event,
        })
        .await
}

pub fn bytes<const N: usize>(number: u32) -> [u8; N] {
    let mut bytes = [0; N];
    bytes[N - 4..].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// As `account-register` makes it.
pub fn account(number: u32) -> Account {
    Account {
        id: AccountId::from_bytes(bytes(number)),
        username: format!("provider.{number}").parse().unwrap(),
        email: format!("provider.{number}@clinic.example").parse().unwrap(),
        locale: "es-PR".parse().unwrap(),
        created_at: NOW,
        forget_at: Some(NOW + SignedDuration::from_hours(24)),
        generation: 0,
        revision: 0,
        methods: Methods::default(),
        recovery_code: None,
    }
}

/// A session of `account(number)`, just begun, with nothing proven.
pub fn session(number: u32) -> Session {
    Session {
        id: SessionId::from_bytes(bytes(number)),
        account: account(number).id,
        origin: Origin::Registration,
        proofs: Vec::new(),
        generation: 0,
        created_at: NOW,
        last_seen_at: NOW,
        place: "192.0.2.7".to_owned(),
        user_agent: Some("Mozilla/5.0".to_owned()),
    }
}

/// The session of `account(of)` that a sign-in with `passkey(of)` begins.
pub fn signed_in(number: u32, of: u32) -> Session {
    let session = Session { id: SessionId::from_bytes(bytes(number)), origin: Origin::SignIn, ..session(of) };
    proven(&session, &passkey(of))
}

/// The session that a recovery begins. `recovered`: the account as it is to be.
pub fn recovering(recovered: &Account, number: u32) -> Session {
    Session {
        account: recovered.id.clone(),
        origin: Origin::Recovery,
        generation: recovered.generation,
        ..session(number)
    }
}

/// The session, with `passkey` proven beside what it had.
pub fn proven(session: &Session, passkey: &Passkey) -> Session {
    let factor = Factor::Passkey { id: passkey.id.clone(), backed_up: passkey.backed_up };
    let proof = Proof { factor, at: NOW, enrolled_at: passkey.created_at, outlives_method: false };
    Session { proofs: session.proofs.iter().cloned().chain([proof]).collect(), ..session.clone() }
}

/// An event of `account(number)`.
pub fn event(number: u32, what: What) -> Event {
    Event {
        id: EventId::from_bytes(bytes(number)),
        account: account(number).id,
        at: NOW,
        what,
        place: "192.0.2.7".to_owned(),
    }
}

pub fn event_of(account: &Account, event: Event) -> Event {
    Event { account: account.id.clone(), ..event }
}

pub fn passkey(number: u32) -> Passkey {
    Passkey {
        id: PasskeyId::from_bytes(bytes(number)),
        name: format!("Passkey {number}").parse().unwrap(),
        created_at: NOW,
        last_used_at: None,
        backup_eligible: true,
        backed_up: false,
        counter: 0,
        provider: Some("iCloud Keychain".to_owned()),
        credential: format!("{{\"cred\":\"{number}\"}}"),
    }
}

pub fn ceremony(number: u32) -> Ceremony {
    Ceremony { id: format!("ceremony-{number}"), expires_at: NOW + SignedDuration::from_mins(5) }
}

/// Issued `number` milliseconds after [`NOW`].
pub fn code(number: u32) -> SealedCode {
    SealedCode {
        sealed: format!("sealed {number}").into_bytes(),
        mac: bytes(number),
        issued_at: NOW + SignedDuration::from_millis(i64::from(number)),
    }
}

pub fn hash(number: u32) -> SecretString {
    format!("$argon2id$v=19$m=19456,t=2,p=1${number}").into()
}

pub fn phone(number: u32) -> Phone {
    Phone {
        id: PhoneId::from_bytes(bytes(number)),
        number: format!("+1212{:07}", 5_550_000 + number).parse().unwrap(),
        country: "US".to_owned(),
        line_type: LineType::Mobile,
        verified_at: NOW + SignedDuration::from_millis(i64::from(number)),
    }
}

/// `phone`, as it waits for its code.
pub fn pending(phone: &Phone) -> PendingPhone {
    PendingPhone {
        id: phone.id.clone(),
        number: phone.number.clone(),
        country: phone.country.clone(),
        line_type: phone.line_type,
        channel: Channel::Text,
        mac: VersionedMac { version: 3, tag: mac(&phone.id) },
        expires_at: NOW + SENT_CODE_LIVES,
    }
}

fn mac(phone: &PhoneId) -> [u8; 32] {
    let mut tag = [7; 32];
    tag[16..].copy_from_slice(&phone.bytes().unwrap());
    tag
}

/// Adds `phone` by a code, as the last of them. `session` stays as it is.
pub async fn add_phone(
    store: &Store,
    account: &Account,
    session: &Session,
    phone: &Phone,
) -> Result<bool, StoreError> {
    store.keep_pending_phone(&session.id, &pending(phone), NOW).await.unwrap();
    enrol_phone(store, account, session, phone).await
}

/// Brings `phone`'s code.
pub async fn enrol_phone(
    store: &Store,
    account: &Account,
    session: &Session,
    phone: &Phone,
) -> Result<bool, StoreError> {
    let event = Event { id: EventId::from_bytes(phone.id.bytes().unwrap()), ..event(1, What::PhoneAdded) };
    let event = event_of(account, event);
    let pending = pending(phone);
    store
        .enrol_phone(PhoneEnrolment { account, phone, pending: &pending, proven: session, event: &event })
        .await
}

pub async fn remove_phone(
    store: &Store,
    account: &Account,
    session: &Session,
    phone: &Phone,
) -> Result<(), StoreError> {
    let event = event_of(account, event(3000, What::PhoneRemoved));
    store.remove_phone(PhoneRemoval { account, phone, proven: session, event: &event }, NOW).await
}

/// The step in which every authenticator here is confirmed.
pub const STEP: TimeStep = TimeStep::new(58_027_680);

pub fn step_after(steps: u64) -> TimeStep {
    TimeStep::new(STEP.number() + steps)
}

/// The secret of an authenticator, sealed for its account.
pub fn sealed(number: u32) -> Vec<u8> {
    format!("sealed for the account {number}").into_bytes()
}

/// The same, sealed for the enrolment.
pub fn pending_authenticator(number: u32) -> PendingAuthenticator {
    let sealed = format!("sealed for the enrolment {number}").into_bytes();
    PendingAuthenticator { sealed, expires_at: NOW + SENT_CODE_LIVES }
}

/// Has `sealed(number)` wait, and confirms it.
pub async fn add_authenticator(
    store: &Store,
    account: &Account,
    session: &Session,
    number: u32,
) -> Result<bool, StoreError> {
    store.keep_pending_authenticator(&session.id, &pending_authenticator(number)).await.unwrap();
    enrol_authenticator(store, account, session, number).await
}

/// Confirms what waits, `number` milliseconds after [`NOW`]. `session` stays as it is.
pub async fn enrol_authenticator(
    store: &Store,
    account: &Account,
    session: &Session,
    number: u32,
) -> Result<bool, StoreError> {
    let changed = account.with_authenticator(NOW + SignedDuration::from_millis(i64::from(number)));
    let event = event_of(account, event(number + 6000, What::AuthenticatorAdded));
    let new = AuthenticatorEnrolment {
        account,
        changed: &changed,
        pending: &pending_authenticator(number),
        sealed: sealed(number),
        step: STEP,
        proven: session,
        event: &event,
    };
    store.enrol_authenticator(new).await
}

pub async fn remove_authenticator(
    store: &Store,
    account: &Account,
    session: &Session,
) -> Result<(), StoreError> {
    let event = event_of(account, event(7000, What::AuthenticatorRemoved));
    store.remove_authenticator(AuthenticatorRemoval { account, proven: session, event: &event }, NOW).await
}

pub async fn guess_app(
    store: &Store,
    username: &Username,
    sign_in: &SignInId,
    now: Timestamp,
) -> Guess<KeptAuthenticator> {
    taken(store.guess_authenticator(username, sign_in, now).await.unwrap())
}

/// Sets `hash(number)`; `session` goes over to the account's new generation.
pub async fn set_password(
    store: &Store,
    account: &Account,
    session: &Session,
    number: u32,
) -> Result<(), StoreError> {
    let changed = account.with_password(NOW + SignedDuration::from_millis(i64::from(number)));
    let proven = Session { generation: changed.generation, ..session.clone() };
    let event = event_of(account, event(number + 1500, What::PasswordSet));
    let (changed, hash) = (&changed, &hash(number));
    store.set_password(PasswordChange { account, changed, hash, proven: &proven, event: &event }).await
}

pub fn sign_in_id(number: u32) -> SignInId {
    SignInId::from_bytes(bytes(number))
}

/// A code on its way to `phone` at `now`.
pub fn sent(number: u32, phone: &Phone, now: Timestamp) -> SentCode {
    let (mac, channel) = (VersionedMac { version: 2, tag: bytes(number) }, Channel::Text);
    SentCode { mac, phone: phone.id.clone(), channel, expires_at: now + SENT_CODE_LIVES }
}

/// To `phone(number)`, counted by account and number alone.
pub fn sending(username: &Username, number: u32) -> Sending {
    Sending {
        username: username.clone(),
        number: bytes(number),
        name: None,
        address: bytes(number),
        country: "US".to_owned(),
        limits: None,
    }
}

/// Sends `code` for `sign_in`, and clears away what is over.
pub async fn send(
    store: &Store,
    account: Option<&Account>,
    sending: &Sending,
    sign_in: &SignInId,
    code: &SentCode,
    now: Timestamp,
) -> Result<Result<(), NotNow>, StoreError> {
    let over = store.phones_of(&sending.username, now).await.unwrap().over;
    let nobody = AccountId::from_bytes(bytes(999_999));
    let new = SignInCode { sending, sign_in, account, nobody: &nobody, code, over: &over };
    store.send_for_sign_in(new, now).await
}

/// Makes `secret` count. `begins`: the number of the session that begins.
pub async fn prove(
    store: &Store,
    account: &Account,
    secret: Secret<'_>,
    sign_in: &SignInId,
    begins: Option<u32>,
) -> Result<Proven, StoreError> {
    let begun = begins.map(|number| {
        let id = SessionId::from_bytes(bytes(number));
        let session = Session { id, account: account.id.clone(), origin: Origin::SignIn, ..session(number) };
        (session, event_of(account, event(number, What::SignedIn)))
    });
    let begins = begun.as_ref().map(|(session, event)| Beginning { session, event, replaced: None });
    let then = begins.map_or(Then::GoesOn { keeps: None }, Then::Ends);
    store.prove(Answer { account, secret, sign_in, expires_at: NOW + SENT_CODE_LIVES, then }).await
}

/// Makes `secret` count as the first proof of a sign-in whose state the client had before.
pub async fn prove_first(
    store: &Store,
    account: &Account,
    secret: Secret<'_>,
    sign_in: &SignInId,
    factor: Factor,
) -> Result<Proven, StoreError> {
    let first = Proof::of(account, factor, NOW).unwrap();
    let then = Then::GoesOn { keeps: Some(&first) };
    store.prove(Answer { account, secret, sign_in, expires_at: NOW + SENT_CODE_LIVES, then }).await
}

/// Signs in by `passkey(of)`, which lifts the locks.
pub async fn sign_in_by_passkey(
    store: &Store,
    account: &Account,
    of: u32,
    number: u32,
) -> Result<bool, StoreError> {
    let new = PasskeySignIn {
        account,
        used: &passkey(of),
        counter_was: 0,
        ceremony: &ceremony(number),
        session: &Session { account: account.id.clone(), ..signed_in(number, of) },
        event: &event_of(account, event(number, What::SignedIn)),
        replaced: None,
    };
    store.sign_in_by_passkey(new).await
}

pub async fn guess_password(store: &Store, username: &Username, now: Timestamp) -> Guess<KeptPassword> {
    taken(store.guess_password(username, now).await.unwrap())
}

pub async fn guess_code(
    store: &Store,
    username: &Username,
    sign_in: &SignInId,
    now: Timestamp,
) -> Guess<KeptPhones> {
    taken(store.guess_phone_code(username, sign_in, now).await.unwrap())
}

pub fn taken<T: std::fmt::Debug>(counted: Counted<T>) -> Guess<T> {
    match counted {
        Counted::Taken(guess) => guess,
        refused => panic!("not taken: {refused:?}"),
    }
}

pub fn number(item: &Item, name: &str) -> i64 {
    item[name].as_n().unwrap().parse().unwrap()
}
