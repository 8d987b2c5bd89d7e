//! Starts everything, serves it, and stops it.

use std::fs::{self, File, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use axum::serve::ListenerExt;
use http::{HeaderMap, StatusCode, header};
use postern_codes::Codes;
use postern_domain::policy::Policy;
use postern_http::{Edge, Frame};
use postern_keys::{LocalKeys, Random};
use postern_messages::{CodeWords, Outbox};
use postern_passkeys::Ceremonies;
use postern_passwords::{AT_ONCE, Cost, Hasher};
use postern_phones::{LocalLookup, Numbers};
use postern_store::{DeploymentLimits, KeyRecords, RecoveryCodes, Store};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::clock::MovableClock;
use crate::dev::Dev;
use crate::engine::{ACCOUNTS, ATTEMPTS, Engine, RECOVERY_CODES};
use crate::functions::{self, NOT_HTTP, Parts};
use crate::gateway::{Gateway, problem};
use crate::meter::Meter;
use crate::metrics::MetricLines;
use crate::notices::Stream;
use crate::options::Options;
use crate::seed;
use crate::template::Template;
use crate::toll::{KeysToll, MessagesToll, Toll};

/// Why the local run did not start: a sentence for a person, and what to do.
#[derive(thiserror::Error, Debug)]
pub enum NotStarted {
    #[error("Port {port} is taken by another program. Stop that, or choose another port: cargo run -- --port {next}", next = port.saturating_add(1))]
    PortTaken { port: u16 },
    #[error("Port {port} cannot be opened: {source}")]
    Port { port: u16, source: io::Error },
    #[error("The data folder {} cannot be used: {cause}. Choose another: cargo run -- --data DIR", folder.display())]
    Folder { folder: PathBuf, cause: String },
    #[error("The data folder {} is in use by another local run. Stop that, or choose another: cargo run -- --data DIR", folder.display())]
    FolderInUse { folder: PathBuf },
    #[error("{0}")]
    Broken(String),
}

/// A local run that serves.
pub struct LocalRun {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    served: JoinHandle<()>,
    toll: Toll,
    meter: Meter,
    metrics: MetricLines,
    news: Arc<News>,
    engine: Engine,
    _lock: File,
}

/// How long requests under way may take once the run is told to stop.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long what could not be told waits before it is tried again.
const TELL_AGAIN: Duration = Duration::from_millis(250);

/// What the local run is called, and what passkeys and texts are bound to.
const PORTAL: &str = "Provider portal";
const RP_ID: &str = "localhost";

/// The template's defaults.
const REGION: &str = "US";
const COUNTRIES: &str = "US,CA,PR,VI,GU,AS,MP";
const DEPLOYMENT_LIMITS: DeploymentLimits = DeploymentLimits { sends: 10_000, sends_per_country: 10_000 };
const RECOVERIES_PER_HOUR: u64 = 10_000;

struct Front {
    gateway: Gateway,
    dev: Dev,
    rotation: keys_rotate::Deps,
    news: Arc<News>,
    port: u16,
}

impl LocalRun {
    /// Brings everything up.
    pub async fn start(options: &Options) -> Result<Self, NotStarted> {
        let listener = bind(options.port).await?;
        let address =
            listener.local_addr().map_err(|source| NotStarted::Port { port: options.port, source })?;
        let (lock, files) = open_folder(&options.data, options.fresh)?;

        let (toll, meter, movable) = (Toll::default(), Meter::default(), MovableClock::default());
        let metrics = MetricLines::default();
        let folder = |cause: String| NotStarted::Folder { folder: options.data.clone(), cause };
        let keys = LocalKeys::open(&files.keys).map_err(|error| folder(error.to_string()))?;
        let keys = keys.with_gate(Arc::new(KeysToll(toll.clone())));
        let engine = Engine::start(&files.tables, &toll).await.map_err(folder)?;

        let origin = format!("http://localhost:{}", address.port());
        let store = Store::new(engine.client.clone(), ACCOUNTS, ATTEMPTS);
        let outbox_clock = movable.clone();
        let outbox = Outbox::new(Arc::new(MessagesToll(toll.clone())), move || outbox_clock.now());
        let broken = |error: &dyn std::fmt::Display| NotStarted::Broken(error.to_string());
        let parts = Parts {
            clock: movable.clock(),
            frame: Frame {
                origins: [origin.clone()].into(),
                edge: Edge::Off,
                metrics: metrics.sink(),
                clock: movable.clock(),
            },
            recovery_codes: RecoveryCodes::new(store.clone(), RECOVERY_CODES),
            store,
            records: KeyRecords::new(engine.client.clone(), ACCOUNTS),
            keys: Arc::new(keys),
            ceremonies: Ceremonies::new(RP_ID, PORTAL, vec![origin.clone()]).map_err(|e| broken(&e))?,
            policy: notice_of_2025()?,
            issuer: origin.clone(),
            audience: "portal".to_owned(),
            format: options.recovery_code_format,
            hasher: Hasher::new(Cost::default(), AT_ONCE),
            numbers: Numbers::new(REGION, COUNTRIES).map_err(|e| broken(&e))?,
            lines: Arc::new(LocalLookup::new(Arc::new(MessagesToll(toll.clone())))),
            codes: Codes {
                texts: Arc::new(outbox.clone()),
                voice: Arc::new(outbox.clone()),
                words: CodeWords::new(PORTAL, RP_ID),
                limits: (!options.unlimited).then_some(DEPLOYMENT_LIMITS),
                region: REGION.to_owned(),
                random: Random::system(),
            },
            outbox,
            recoveries: (!options.unlimited).then_some(RECOVERIES_PER_HOUR),
            second_proof: options.recovery_second_proof,
            portal: PORTAL,
        };

        parts.outbox.on_voice_code(functions::voice_call(&parts, &meter));

        let template = Template::read().map_err(|error| broken(&error))?;
        let functions = functions::functions(&parts);
        let missing = template
            .functions
            .iter()
            .find(|name| !functions.contains_key(name.as_str()) && !NOT_HTTP.contains(&name.as_str()));
        if let Some(name) = missing {
            return Err(NotStarted::Broken(format!(
                "the template has a function {name} that the local run does not wire"
            )));
        }
        let rotation = functions::keys_rotate(&parts);
        keys_rotate::handle(&rotation).await.map_err(|error| broken(&error))?;
        let runs = functions::runs(&parts, "security-notices");
        let notices = functions::security_notices(&parts);
        let stream =
            Stream::open(engine.database.clone(), notices, runs, meter.clone()).map_err(|e| broken(&e))?;

        let random = Random::system();
        let news = Arc::new(News::default());
        let front = Front {
            gateway: Gateway {
                template,
                functions,
                origin,
                clock: parts.clock.clone(),
                meter: meter.clone(),
                request_id: Arc::new(move || uuid::Builder::from_random_bytes(random.fill()).into_uuid()),
            },
            dev: Dev { clock: movable, toll: toll.clone(), outbox: parts.outbox.clone() },
            rotation,
            news: Arc::clone(&news),
            port: address.port(),
        };
        if options.seed {
            let at = seed::REGISTERED_AT.parse().map_err(|error: jiff::Error| broken(&error))?;
            front.dev.clock.set(at, true);
            keys_rotate::handle(&front.rotation).await.map_err(|error| broken(&error))?;
            seed::register(&front.gateway).await.map_err(NotStarted::Broken)?;
            front.dev.clock.reset();
            keys_rotate::handle(&front.rotation).await.map_err(|error| broken(&error))?;
        }
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(tell_the_news(stream, Arc::clone(&news), stopped.clone()));
        let served = tokio::spawn(serve(listener, front, stopped));
        Ok(Self { address, stop, served, toll, meter, metrics, news, engine, _lock: lock })
    }

    /// Where it serves.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address for a browser: passkeys need the name, not the number.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }

    #[must_use]
    pub fn toll(&self) -> &Toll {
        &self.toll
    }

    #[must_use]
    pub fn metrics(&self) -> &MetricLines {
        &self.metrics
    }

    #[must_use]
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// The embedded tables, through the client that the steps have.
    #[must_use]
    pub fn dynamodb(&self) -> &aws_sdk_dynamodb::Client {
        &self.engine.client
    }

    /// Whether what each answered request did has been handed on to be told, once at least.
    #[must_use]
    pub fn has_handed_on(&self) -> bool {
        self.news.handed_on.load(Ordering::SeqCst) >= self.news.asked.load(Ordering::SeqCst)
    }

    /// Whether all of it has been told, and nothing waits for another attempt.
    #[must_use]
    pub fn has_told_everything(&self) -> bool {
        self.has_handed_on() && self.news.all_told.load(Ordering::SeqCst)
    }

    /// Stops: no new request, and a moment for those under way.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = timeout(PATIENCE, self.served).await;
    }
}

async fn bind(port: u16) -> Result<TcpListener, NotStarted> {
    TcpListener::bind(("127.0.0.1", port)).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => NotStarted::PortTaken { port },
        _ => NotStarted::Port { port, source },
    })
}

/// The embedded tables, in the data folder.
const TABLES: &str = "tables.sqlite3";

struct Files {
    keys: PathBuf,
    tables: PathBuf,
}

/// Opens the tables that a local run kept in `folder`, for this process alone: as long as the file is held.
pub(crate) async fn open_tables(folder: &Path) -> Result<(Engine, File), NotStarted> {
    let unusable = |cause: String| NotStarted::Folder { folder: folder.to_owned(), cause };
    if !folder.join(TABLES).is_file() {
        return Err(unusable("no local run kept accounts there".to_owned()));
    }
    let (lock, files) = open_folder(folder, false)?;
    let engine = Engine::start(&files.tables, &Toll::default()).await.map_err(unusable)?;
    Ok((engine, lock))
}

/// Opens the data folder for this process alone.
fn open_folder(folder: &Path, fresh: bool) -> Result<(File, Files), NotStarted> {
    let unusable =
        |error: io::Error| NotStarted::Folder { folder: folder.to_owned(), cause: error.to_string() };
    fs::create_dir_all(folder).map_err(unusable)?;
    let lock = File::create(folder.join("lock")).map_err(unusable)?;
    lock.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => NotStarted::FolderInUse { folder: folder.to_owned() },
        TryLockError::Error(error) => unusable(error),
    })?;
    let files = Files { keys: folder.join("keys"), tables: folder.join(TABLES) };
    if fresh {
        // Only what the local run itself keeps: the folder may hold more.
        for name in ["keys", TABLES, "tables.sqlite3-wal", "tables.sqlite3-shm"] {
            match fs::remove_file(folder.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(error)),
                Ok(()) | Err(_) => {}
            }
        }
    }
    Ok((lock, files))
}

/// The notice's own dates, midnight in Chicago: the template's defaults.
fn notice_of_2025() -> Result<Policy, NotStarted> {
    let instant =
        |text: &str| text.parse().map_err(|error: jiff::Error| NotStarted::Broken(error.to_string()));
    Ok(Policy {
        recovery_code_prompted_from: instant("2025-01-06T06:00:00Z")?,
        email_recovery_ends_at: instant("2025-03-07T06:00:00Z")?,
        set_up_required_from: instant("2025-03-07T06:00:00Z")?,
    })
}

async fn serve(listener: TcpListener, front: Front, mut stopped: watch::Receiver<bool>) {
    let router = Router::new().fallback(answer).with_state(Arc::new(front));
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    // Small answers go out at once.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let served = axum::serve(listener, service).with_graceful_shutdown(async move {
        let _ = stopped.wait_for(|stopped| *stopped).await;
    });
    if let Err(error) = served.await {
        tracing::error!(%error, "the server stopped");
    }
}

async fn answer(
    State(front): State<Arc<Front>>,
    ConnectInfo(caller): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    if !is_own_host(request.headers(), front.port) {
        // Another site's name that was made to point here (DNS rebinding) is not ours.
        return problem(
            StatusCode::MISDIRECTED_REQUEST,
            "misdirected_request",
            "Call localhost or 127.0.0.1.",
        );
    }
    if !request.uri().path().starts_with("/dev/") {
        let response = front.gateway.answer(request, caller).await;
        front.news.ask();
        return response;
    }
    if !request.method().is_safe() && is_foreign(request.headers(), &front.gateway.origin) {
        return problem(StatusCode::FORBIDDEN, "wrong_origin", "This call comes from another site's page.");
    }
    let (response, moved) = front.dev.answer(request).await;
    if moved && let Err(error) = keys_rotate::handle(&front.rotation).await {
        tracing::warn!(%error, "the keys were not rotated");
    }
    response
}

fn is_own_host(headers: &HeaderMap, port: u16) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.strip_suffix(&format!(":{port}")).unwrap_or(host);
    matches!(name, "localhost" | "127.0.0.1")
}

fn is_foreign(headers: &HeaderMap, origin: &str) -> bool {
    headers.get_all(header::ORIGIN).iter().any(|given| given.as_bytes() != origin.as_bytes())
}

/// Something may have happened that is to be told.
#[derive(Debug, Default)]
struct News {
    notify: Notify,
    asked: AtomicU64,
    handed_on: AtomicU64,
    /// Whether nothing waits for another attempt.
    all_told: AtomicBool,
}

impl News {
    fn ask(&self) {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.notify.notify_one();
    }
}

/// Hands the stream to `security-notices` after each request, and again a little later if it failed.
async fn tell_the_news(stream: Stream, news: Arc<News>, mut stopped: watch::Receiver<bool>) {
    news.all_told.store(true, Ordering::SeqCst);
    loop {
        tokio::select! {
            () = news.notify.notified() => {}
            () = tokio::time::sleep(TELL_AGAIN), if !news.all_told.load(Ordering::SeqCst) => {}
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
        let asked = news.asked.load(Ordering::SeqCst);
        let all_told = stream.hand_out().await.unwrap_or_else(|error| {
            tracing::warn!(error, "the stream cannot be read");
            false
        });
        news.all_told.store(all_told, Ordering::SeqCst);
        news.handed_on.store(asked, Ordering::SeqCst);
    }
}
