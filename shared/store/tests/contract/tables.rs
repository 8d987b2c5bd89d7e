//! The tables, empty, in an engine of their own; and what stands in them.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_sdk_dynamodb::types::AttributeValue;
use dynoxide::Database;
use jiff::{SignedDuration, Timestamp};
use postern_domain::account::{Account, Methods, Passkey};
use postern_domain::activity::{Event, What};
use postern_domain::admission::{Factor, Proof};
use postern_domain::id::{AccountId, EventId, PasskeyId, SessionId};
use postern_domain::session::{Origin, Session};
use postern_store::{
    Ceremony, KeyRecords, PasskeyEnrolment, RecoveryCodes, Registered, Registration, SealedCode, Store,
    StoreError,
};
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
    store.register(Registration { account, session, event, idempotent: None, replaced: None }, NOW).await
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
