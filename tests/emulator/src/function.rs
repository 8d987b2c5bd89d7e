//! One function under the emulator.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use agreement::Answer;
use serde_json::Value;

use crate::Failure;

/// Longer than any function may take (its timeout is 10 seconds).
const LIMIT: Duration = Duration::from_secs(15);

/// A function that runs. Dropping it ends both its processes.
pub(crate) struct Running {
    emulator: Child,
    address: String,
    log: PathBuf,
    started: bool,
    measured: Measured,
}

/// What running a function cost.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// Of the binary, in bytes.
    pub size: u64,
    /// The init phase, as the emulator reports it.
    pub init: Duration,
    /// From the first request to its answer, the start of the process included.
    pub first: Duration,
    /// The quickest of the later answers.
    pub later: Option<Duration>,
    /// The most memory that was resident at once (`VmHWM`), in KiB.
    pub peak: u64,
}

/// An answer of an HTTP function, as API Gateway would send it on.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub cookies: Vec<String>,
    pub body: String,
}

impl Running {
    /// Starts the emulator; the function itself starts with its first event.
    pub(crate) fn start(
        emulator: &Path,
        bootstrap: &Path,
        variables: &BTreeMap<String, String>,
        log: PathBuf,
    ) -> Result<Self, Failure> {
        let size = std::fs::metadata(bootstrap)
            .map_err(|error| format!("{}: {error}; run `sam build` first", bootstrap.display()))?
            .len();
        let (address, runtime) = (free_address()?, free_address()?);
        let output = File::options().create(true).append(true).open(&log)?;
        let emulator = Command::new(emulator)
            .args(["--runtime-interface-emulator-address", &address, "--runtime-api-address", &runtime])
            .arg(bootstrap)
            .env_clear()
            .envs(variables)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        let measured = Measured { size, ..Measured::default() };
        Ok(Self { emulator, address, log, started: false, measured })
    }

    /// Counts what it cost before it started anew.
    pub(crate) fn goes_on_from(&mut self, before: Measured) {
        self.measured = before;
    }

    /// Hands the function an event, and gives back what it returned.
    pub(crate) async fn invoke(&mut self, http: &reqwest::Client, event: &Value) -> Result<Value, Failure> {
        if !self.started {
            self.listening().await?;
        }
        let address = format!("http://{}/2015-03-31/functions/function/invocations", self.address);
        let begun = now();
        let answer = http.post(address).timeout(LIMIT).body(event.to_string()).send().await?;
        let text = answer.text().await?;
        let took = begun.elapsed();
        if self.started {
            self.measured.later = Some(self.measured.later.map_or(took, |least| least.min(took)));
        } else {
            self.started = true;
            self.measured.first = took;
        }
        serde_json::from_str(&text).map_err(|_| format!("not JSON: {text:?}; {}", self.output()).into())
    }

    /// What it cost so far.
    pub(crate) fn measured(&self) -> Measured {
        let reported = self.output();
        let init = reported.split("INIT REPORT(durationMs: ").nth(1).and_then(|rest| rest.split(')').next());
        let init = init
            .and_then(|millis| millis.parse().ok())
            .map(|millis: f64| Duration::from_secs_f64(millis / 1000.0));
        let status = self
            .functions()
            .first()
            .and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/status")).ok());
        let peak =
            status.as_deref().and_then(|status| status.split("VmHWM:").nth(1)?.split_whitespace().next());
        Measured {
            init: init.unwrap_or_default(),
            peak: peak.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default().max(self.measured.peak),
            ..self.measured.clone()
        }
    }

    /// Everything that the function and the emulator have written.
    pub(crate) fn output(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    async fn listening(&mut self) -> Result<(), Failure> {
        for _ in 0..200 {
            if tokio::net::TcpStream::connect(&self.address).await.is_ok() {
                return Ok(());
            }
            if let Some(status) = self.emulator.try_wait()? {
                return Err(format!("the emulator ended with {status}: {}", self.output()).into());
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        Err(format!("the emulator does not listen: {}", self.output()).into())
    }

    /// The processes that the emulator started, by number.
    fn functions(&self) -> Vec<u32> {
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        pids.filter(|pid| parent(*pid) == Some(self.emulator.id())).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The emulator leaves its function behind when it is killed.
        for pid in self.functions() {
            let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
        }
        let _ = self.emulator.kill();
        let _ = self.emulator.wait();
    }
}

impl Reply {
    /// Reads what an HTTP function returned (payload format 2.0).
    pub(crate) fn from_returned(returned: &Value) -> Option<Self> {
        let status = u16::try_from(returned.get("statusCode")?.as_u64()?).ok()?;
        let mut headers = BTreeMap::new();
        for (name, value) in returned.get("headers")?.as_object()? {
            headers.insert(name.to_lowercase(), value.as_str()?.to_owned());
        }
        let cookies = returned.get("cookies").and_then(Value::as_array).into_iter().flatten();
        let cookies: Vec<String> = cookies.filter_map(|cookie| cookie.as_str().map(str::to_owned)).collect();
        if let Some(cookie) = cookies.first() {
            headers.insert("set-cookie".to_owned(), cookie.clone());
        }
        let body = returned.get("body").and_then(Value::as_str).unwrap_or_default().to_owned();
        Some(Self { status, headers, cookies, body })
    }

    /// The body as JSON; null for anything else.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The session that the answer gives: the cookie's pair.
    #[must_use]
    pub fn session(&self) -> Option<String> {
        let cookie = self.cookies.iter().find(|cookie| cookie.starts_with("__Host-session="))?;
        cookie.split(';').next().map(str::to_owned)
    }

    pub(crate) fn as_answer(&self) -> Answer<'_> {
        Answer { status: self.status, headers: &self.headers, body: &self.body }
    }
}

/// Where nothing listens now.
fn free_address() -> Result<String, Failure> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// The fourth field of `/proc/<pid>/stat`, after the name, which may hold anything.
fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
fn now() -> Instant {
    Instant::now()
}
