//! The stack as `sam deploy` makes it, on a stand-in of AWS that runs its functions and asks their roles.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command as Blocking, Stdio};

use agreement::Repository;
use serde_json::Value;
use tokio::process::Command;

use crate::end_user_messaging::EndUserMessaging;
use crate::recorder::{Recorder, Services};
use crate::stand_in::{self, StandIn, config};
use crate::{Failure, PlacedCall};

/// A stack on the loopback interface. Dropping it ends the stand-in, and with it the functions.
pub struct Stack {
    /// Where the stand-in's gateway listens.
    pub gateway: SocketAddr,
    /// Of the template, by name.
    pub outputs: BTreeMap<String, String>,
    /// What the stand-in did not take or do, as far as that shows.
    pub could_not: Vec<String>,
    root: PathBuf,
    /// What the stand-in unpacks, as large as all functions together.
    unpacked: PathBuf,
    pid: String,
    log: PathBuf,
    /// The names by the logical ids.
    functions: BTreeMap<String, String>,
    /// It gets what is published to the topic of security events.
    queue: String,
    stand_in: StandIn,
    dynamodb: aws_sdk_dynamodb::Client,
    voice: EndUserMessaging,
    _between: Recorder,
}

impl Stack {
    /// Starts the stand-in, and deploys what `sam build` built in `built`.
    pub async fn deploy(root: &Path, built: &Path) -> Result<Self, Failure> {
        let gateway = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let stand_in = StandIn::at(&format!("http://{gateway}"))?;
        // The stand-in has no End User Messaging. All else that the functions call is passed on to it.
        let voice = EndUserMessaging::start().await?;
        let services = Services {
            http: stand_in.http.clone(),
            tables: stand_in.address.clone(),
            voice: voice.address.clone(),
            stand_in: stand_in.address.clone(),
            names: BTreeMap::new(),
        };
        let between = Recorder::start(services).await?;
        let unpacked = root.join("target/deployed/unpacked");
        std::fs::create_dir_all(&unpacked)?;
        let mut start = Command::new(root.join("tests/stand-ins/start"));
        start.arg(gateway.port().to_string()).env("AUTH", "true").env("AWS_ENDPOINT_URL", &between.address);
        start.env("TMPDIR", &unpacked);
        // Functions get the stand-in's environment too: none of what the template must give them may come from there.
        for function in Repository::read(root)?.template.functions.values() {
            function.variables.keys().for_each(|name| {
                start.env_remove(name);
            });
        }
        let started = output(start).await?;
        let pid = started.lines().find_map(|line| line.strip_prefix("POSTERN_STAND_IN_PID="));
        let mut stack = Self {
            gateway,
            outputs: BTreeMap::new(),
            could_not: Vec::new(),
            root: root.to_owned(),
            unpacked,
            pid: pid.ok_or("the stand-in has no pid")?.to_owned(),
            log: root.join(format!("target/stand-ins/{}.log", gateway.port())),
            functions: BTreeMap::new(),
            queue: String::new(),
            dynamodb: aws_sdk_dynamodb::Client::new(&config(&stand_in.address)),
            stand_in,
            voice,
            _between: between,
        };
        if !stack.stand_in.enforces_roles().await? {
            return Err("the stand-in does not ask the roles".into());
        }
        stack.make(built).await?;
        Ok(stack)
    }

    async fn make(&mut self, built: &Path) -> Result<(), Failure> {
        let folder = self.root.join("target/deployed");
        let mut deploy = Command::new(self.root.join("target/tools/sam/bin/python"));
        deploy.arg(self.root.join("tests/tools/deploy")).arg(self.root.join("infra/template.yaml"));
        deploy.arg(built).arg(&folder).env("POSTERN_STAND_IN", &self.stand_in.address);
        output(deploy).await?;
        let made: Value = serde_json::from_slice(&std::fs::read(folder.join("stack.json"))?)?;
        let part = |name: &str| made.get(name).cloned().unwrap_or_default();
        self.outputs = serde_json::from_value(part("outputs"))?;
        self.functions = serde_json::from_value(part("functions"))?;
        self.queue = serde_json::from_value(part("queue"))?;
        self.could_not = serde_json::from_value(part("could_not"))?;
        Ok(())
    }

    /// An output of the stack.
    pub fn output(&self, name: &str) -> Result<&str, Failure> {
        let value = self.outputs.get(name).ok_or_else(|| format!("the stack has no output {name}"))?;
        Ok(value)
    }

    /// The logical ids of the functions that the stand-in has not started.
    pub fn not_started(&self) -> Result<Vec<&str>, Failure> {
        let log = self.log()?;
        let is_started = |name: &str| log.contains(&format!("environment spawned for {name} "));
        let not = self.functions.iter().filter(|(_, name)| !is_started(name));
        Ok(not.map(|(id, _)| id.as_str()).collect())
    }

    /// Everything that the stand-in and the functions have written.
    pub fn log(&self) -> Result<String, Failure> {
        Ok(std::fs::read_to_string(&self.log)?)
    }

    /// The texts to a number, the oldest first.
    pub async fn texts(&self, to: &str) -> Result<Vec<String>, Failure> {
        self.stand_in.texts(to).await
    }

    /// The letters to an address, the oldest first.
    pub async fn letters(&self, to: &str) -> Result<Vec<String>, Failure> {
        self.stand_in.letters(to).await
    }

    /// The calls that were placed, the oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<PlacedCall> {
        self.voice.calls()
    }

    /// The security events that a subscriber got, the oldest first.
    pub async fn security_events(&self) -> Result<Vec<Value>, Failure> {
        let events = self.stand_in.queue(&self.queue).await?;
        Ok(events.iter().map(|event| serde_json::from_str(event)).collect::<Result<_, _>>()?)
    }

    /// What nobody could do anything with: the contents of both queues of dead letters.
    pub async fn dead_letters(&self) -> Result<Vec<String>, Failure> {
        let mut dead = Vec::new();
        for queue in ["SecurityNoticesFailedQueue", "VoiceCallFailedQueue"] {
            dead.extend(self.stand_in.queue(self.output(queue)?).await?);
        }
        Ok(dead)
    }

    /// Forgets what was sent to numbers and from addresses, so that nobody waits for the next code.
    pub async fn forget_sends(&self) -> Result<(), Failure> {
        stand_in::forget_sends(&self.dynamodb, self.output("AttemptsTable")?).await
    }

    /// Forgets which steps of authenticator apps were used, so that nobody waits half a minute for the next code.
    pub async fn forget_steps(&self) -> Result<(), Failure> {
        stand_in::forget_steps(&self.dynamodb, self.output("AccountsTable")?).await
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let _ = Blocking::new(self.root.join("tests/stand-ins/stop")).arg(&self.pid).status();
        let _ = std::fs::remove_dir_all(&self.unpacked);
    }
}

/// What a command prints. Its failure is ours.
async fn output(mut command: Command) -> Result<String, Failure> {
    let done = command.stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true).output().await?;
    let (printed, said) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    if done.status.success() {
        Ok(printed.into_owned())
    } else {
        let program = command.as_std().get_program().display();
        Err(format!("{program}: {}\n{printed}\n{said}", done.status).into())
    }
}
