use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::Portal;

/// How long a start or an end may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// The local run as a program of its own: what `cargo run` starts.
pub struct Binary {
    child: Child,
    pub portal: Portal,
    output: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

/// How a program ended.
#[derive(Debug)]
pub struct Exit {
    pub success: bool,
    /// Standard output and error.
    pub output: String,
}

impl Binary {
    /// Starts `program` on a port and a folder, and waits until it says that it is up. `log`: `RUST_LOG`.
    pub async fn start(
        program: &str,
        port: u16,
        data: &Path,
        arguments: &[&str],
        log: &str,
    ) -> Result<Self, Exit> {
        let mut child = Command::new(program)
            .args(["--port", &port.to_string(), "--data"])
            .arg(data)
            .args(arguments)
            .env("RUST_LOG", log)
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let output = Arc::new(Mutex::new(String::new()));
        let readers = vec![
            tokio::spawn(read(child.stdout.take().unwrap(), Arc::clone(&output))),
            tokio::spawn(read(child.stderr.take().unwrap(), Arc::clone(&output))),
        ];
        let mut started = Self { child, portal: Portal::at(port), output, readers };
        let up = async {
            loop {
                if let Some(port) = port_in(&started.output()) {
                    return Some(port);
                }
                if started.child.try_wait().unwrap().is_some() {
                    return None;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, up).await.expect("it starts, or says why not") {
            Some(port) => {
                started.portal = Portal::at(port);
                Ok(started)
            }
            None => Err(started.end().await),
        }
    }

    /// All that it printed so far.
    pub fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// `kill -9`.
    pub async fn kill(mut self) -> Exit {
        self.child.start_kill().unwrap();
        self.end().await
    }

    /// A signal by its name, as `INT`, and waits for the end.
    pub async fn signal(self, name: &str) -> Exit {
        let id = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().await.unwrap();
        assert!(sent.success());
        self.end().await
    }

    async fn end(mut self) -> Exit {
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends").unwrap();
        for reader in self.readers.drain(..) {
            reader.await.unwrap();
        }
        let output = self.output.lock().unwrap().clone();
        Exit { success: status.success(), output }
    }
}

/// The port in the address that it prints.
fn port_in(output: &str) -> Option<u16> {
    let (_, rest) = output.split_once("http://localhost:")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    // A line is whole once the next has begun.
    rest.contains('\n').then(|| digits.parse().ok()).flatten()
}

async fn read(stream: impl AsyncRead + Unpin, output: Arc<Mutex<String>>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut output = output.lock().unwrap();
        output.push_str(&line);
        output.push('\n');
    }
}
