//! The stack of the template, as far as it can stand here: its functions, its tables, its keys, its topic.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use agreement::{Repository, Route};
use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_kms::types::{KeySpec, KeyUsageType};
use dynoxide::Database;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::end_user_messaging::EndUserMessaging;
use crate::function::Running;
use crate::recorder::{Recorder, Services};
use crate::stand_in::{self, StandIn, config};
use crate::{Failure, Measured, PlacedCall, Reply};

/// A deployment on the loopback interface.
pub struct Deployment {
    repository: Repository,
    emulator: PathBuf,
    built: PathBuf,
    logs: PathBuf,
    /// What a reference to a resource or parameter of the template comes to here.
    references: BTreeMap<String, String>,
    services: Services,
    stand_in: StandIn,
    dynamodb: aws_sdk_dynamodb::Client,
    ses: aws_sdk_sesv2::Client,
    voice: EndUserMessaging,
    running: BTreeMap<String, (Running, Recorder)>,
    used: BTreeSet<String>,
    _tables: oneshot::Sender<()>,
}

/// The parameters, and the tables' names.
const PARAMETERS: [(&str, &str); 24] = [
    ("RpId", "portal.example"),
    ("RpName", "Provider portal"),
    ("Origins", "https://id.portal.example"),
    ("Issuer", "https://id.portal.example"),
    ("Audience", "portal"),
    ("SetUpRequiredFrom", "2025-03-07T06:00:00Z"),
    ("EmailRecoveryEndsAt", "2999-01-01T00:00:00Z"),
    ("RecoveryCodePromptedFrom", "2025-01-06T06:00:00Z"),
    ("RecoveryCodeFormat", "decimal"),
    ("RecoverySecondProof", "off"),
    ("RecoveriesPerHour", "1001"),
    ("Argon2idCost", "m=19456,t=2,p=1"),
    ("AllowedCountries", "US,CA,PR,VI,GU,AS,MP"),
    ("DefaultRegion", "US"),
    ("LineLookup", "on"),
    ("SmsOriginationNumber", "+18005550101"),
    ("VoiceOriginationIdentity", "+18005550100"),
    ("EmailIdentity", WRITTEN_FROM),
    ("SendsPerHour", "2000"),
    ("SendsPerCountryHour", "1000"),
    ("Edge", "off"),
    ("OriginSecret", ""),
    ("Accounts", "accounts"),
    ("Attempts", "attempts"),
];
const WRITTEN_FROM: &str = "mail.portal.example";
const RECOVERY_CODES: &str = "recovery-codes";

impl Deployment {
    /// Brings up tables, keys and topics. `stand_in`: the address of the stand-in of KMS and SNS.
    pub async fn start(root: &Path, stand_in: &str) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let tables = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(dynoxide::server::serve_with_shutdown(listener, Database::memory()?, async {
            let _ = stopped.await;
        }));
        let mut references: BTreeMap<String, String> =
            PARAMETERS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        references.insert("RecoveryCodes".to_owned(), RECOVERY_CODES.to_owned());

        let dynamodb = aws_sdk_dynamodb::Client::new(&config(&tables));
        postern_store::schema::create_tables(&dynamodb, "accounts", "attempts", RECOVERY_CODES).await?;
        make_keys_and_topics(&config(stand_in), &mut references).await?;
        let ses = aws_sdk_sesv2::Client::new(&config(stand_in));
        let voice = EndUserMessaging::start().await?;

        let logs = root.join("target/emulator");
        if logs.exists() {
            std::fs::remove_dir_all(&logs)?;
        }
        std::fs::create_dir_all(&logs)?;
        let looked_into = StandIn::at(stand_in)?;
        let services = Services {
            http: looked_into.http.clone(),
            tables,
            voice: voice.address.clone(),
            stand_in: stand_in.to_owned(),
            names: references.iter().map(|(id, name)| (name.clone(), id.clone())).collect(),
        };
        Ok(Self {
            repository: Repository::read(root)?,
            emulator: emulator(root)?,
            built: root.join(".aws-sam/build"),
            logs,
            references,
            services,
            stand_in: looked_into,
            dynamodb,
            ses,
            voice,
            running: BTreeMap::new(),
            used: BTreeSet::new(),
            _tables: stop,
        })
    }

    /// Whether SES takes letters from here on.
    pub async fn may_write(&self, may: bool) -> Result<(), Failure> {
        if may {
            self.ses.create_email_identity().email_identity(WRITTEN_FROM).send().await?;
        } else {
            self.ses.delete_email_identity().email_identity(WRITTEN_FROM).send().await?;
        }
        Ok(())
    }

    /// Takes the functions from elsewhere than `.aws-sam/build`: a folder of the same layout.
    #[must_use]
    pub fn built_in(self, folder: PathBuf) -> Self {
        Self { built: folder, ..self }
    }

    /// Gives a parameter another value. Functions that have it start anew, as they do when it is deployed.
    pub fn change(&mut self, parameter: &str, value: &str) -> Result<(), Failure> {
        self.references.insert(parameter.to_owned(), value.to_owned());
        let functions = self.repository.template.functions.values();
        let concerned = functions.filter(|function| {
            function.variables.values().any(|value| value.get("Ref").is_some_and(|name| name == parameter))
        });
        let concerned: Vec<String> = concerned.map(|function| function.binary.clone()).collect();
        for binary in concerned {
            let Some((before, recorder)) = self.running.remove(&binary) else { continue };
            let cost = before.measured();
            drop(before);
            let mut running = self.start_function(&binary, &recorder.address)?;
            running.goes_on_from(cost);
            self.running.insert(binary, (running, recorder));
        }
        Ok(())
    }

    /// The event of `events/<name>.json`, ready to be sent or changed.
    pub fn event(&mut self, name: &str) -> Result<Value, Failure> {
        self.used.insert(name.to_owned());
        let event = self.repository.events.get(name).ok_or_else(|| format!("no events/{name}.json"))?;
        Ok(event.0.clone())
    }

    /// The event files that nothing has asked for.
    #[must_use]
    pub fn unused(&self) -> Vec<&str> {
        self.repository.events.keys().filter(|name| !self.used.contains(*name)).map(String::as_str).collect()
    }

    /// Hands `event` to the function of the binary's name, and gives back what it returned.
    pub async fn invoke(&mut self, binary: &str, event: &Value) -> Result<Value, Failure> {
        let returned = self.returned(binary, event).await?;
        if returned.get("errorType").is_some() {
            let output = self.running.get(binary).map(|(running, _)| running.output()).unwrap_or_default();
            return Err(format!("{binary} failed: {returned}; {output}").into());
        }
        Ok(returned)
    }

    /// The same, for an event that the function is to fail on: Lambda hands it over again.
    pub async fn invoke_in_vain(&mut self, binary: &str, event: &Value) -> Result<(), Failure> {
        let returned = self.returned(binary, event).await?;
        match returned.get("errorType") {
            Some(_) => Ok(()),
            None => Err(format!("{binary} did not fail: {returned}").into()),
        }
    }

    async fn returned(&mut self, binary: &str, event: &Value) -> Result<Value, Failure> {
        if !self.running.contains_key(binary) {
            let recorder = Recorder::start(self.services.clone()).await?;
            let running = self.start_function(binary, &recorder.address)?;
            self.running.insert(binary.to_owned(), (running, recorder));
        }
        let (running, _) = self.running.get_mut(binary).ok_or("not running")?;
        running.invoke(&self.services.http, event).await
    }

    /// Sends the event of an HTTP API, and holds the answer against `openapi.yaml`.
    pub async fn call(&mut self, binary: &str, event: &Value) -> Result<(Reply, Vec<String>), Failure> {
        let returned = self.invoke(binary, event).await?;
        let reply = Reply::from_returned(&returned).ok_or_else(|| format!("{binary} returned {returned}"))?;
        let route = event.get("routeKey").and_then(Value::as_str).and_then(|key| key.split_once(' '));
        let route = route.map(|(method, path)| Route { method: method.to_owned(), path: path.to_owned() });
        let mut differences = self.repository.openapi.differences(route.as_ref(), &reply.as_answer());
        let fixed =
            [("x-content-type-options", Some("nosniff")), ("x-request-id", None), ("cache-control", None)];
        for (name, value) in fixed {
            let given = reply.headers.get(name).map(String::as_str);
            if given.is_none() || value.is_some_and(|value| given != Some(value)) {
                differences.push(format!("{name} is {given:?}"));
            }
        }
        Ok((reply, differences))
    }

    /// What each function cost, by name.
    #[must_use]
    pub fn measured(&self) -> BTreeMap<&str, Measured> {
        self.running.iter().map(|(name, (running, _))| (name.as_str(), running.measured())).collect()
    }

    /// The binaries of the template's functions.
    #[must_use]
    pub fn binaries(&self) -> Vec<&str> {
        self.repository.template.functions.values().map(|function| function.binary.as_str()).collect()
    }

    /// Everything that the functions have written to their logs, by name.
    #[must_use]
    pub fn output(&self) -> BTreeMap<&str, String> {
        self.running.iter().map(|(name, (running, _))| (name.as_str(), running.output())).collect()
    }

    /// The calls that each function made and does not declare in `CALLS`, and the other way round; and those that its
    /// role, which goes by partitions too, would not let it make.
    #[must_use]
    pub fn undeclared(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (name, (_, recorder)) in &self.running {
            let declared = self.repository.sources.get(name).and_then(|source| source.calls.clone());
            let (declared, made) = (declared.unwrap_or_default(), recorder.calls());
            found
                .extend(made.difference(&declared).map(|call| format!("{name}: {call} is not in its CALLS")));
            found.extend(declared.difference(&made).map(|call| format!("{name}: {call} was never made")));
            let template = &self.repository.template;
            let id = template.functions.iter().find(|(_, function)| function.binary == *name);
            let role = id.and_then(|(id, _)| template.roles.get(&format!("{id}Role")));
            let role = role.map(Vec::as_slice).unwrap_or_default();
            for (call, key) in recorder.partitions() {
                if !role.iter().any(|statement| statement.allows(&call, &key)) {
                    let kind = key.split_inclusive(['#', '_']).next().unwrap_or_default();
                    found.push(format!("{name}: its role does not allow {call} on {kind}…"));
                }
            }
        }
        found
    }

    /// Makes a session look as if it had not been used for two minutes, so that its use is written down.
    pub async fn let_rest(&self, session: &str) -> Result<(), Failure> {
        #[expect(clippy::disallowed_methods, reason = "the functions go by the system's clock")]
        let rested = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(2);
        let update = self.dynamodb.update_item().table_name("attempts");
        let update = update.key("pk", AttributeValue::S(format!("SESSION#{session}")));
        let update = update.update_expression("SET last_seen_at = :rested");
        let update = update.expression_attribute_values(":rested", AttributeValue::S(rested.to_string()));
        update.condition_expression("attribute_exists(pk)").send().await?;
        Ok(())
    }

    /// What the functions published to a topic, the oldest first of each.
    #[must_use]
    pub fn published(&self, topic: &str) -> Vec<String> {
        self.running.values().flat_map(|(_, recorder)| recorder.published(topic)).collect()
    }

    /// The texts to a number, the oldest first, as SNS has them.
    pub async fn texts(&self, to: &str) -> Result<Vec<String>, Failure> {
        self.stand_in.texts(to).await
    }

    /// The letters to an address, the oldest first, as SES has them.
    pub async fn letters(&self, to: &str) -> Result<Vec<String>, Failure> {
        self.stand_in.letters(to).await
    }

    /// The calls that were placed, the oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<PlacedCall> {
        self.voice.calls()
    }

    /// Makes the next call fail.
    pub fn refuse_next_call(&self) {
        self.voice.refuse_next_call();
    }

    /// Forgets what was sent to numbers and from addresses, so that nobody waits for the next code.
    pub async fn forget_sends(&self) -> Result<(), Failure> {
        stand_in::forget_sends(&self.dynamodb, "attempts").await
    }

    /// Forgets which steps of authenticator apps were used, so that nobody waits half a minute for the next code.
    pub async fn forget_steps(&self) -> Result<(), Failure> {
        stand_in::forget_steps(&self.dynamodb, "accounts").await
    }

    fn start_function(&self, binary: &str, services: &str) -> Result<Running, Failure> {
        let functions = &self.repository.template.functions;
        let (id, function) = functions
            .iter()
            .find(|(_, function)| function.binary == binary)
            .ok_or_else(|| format!("no function builds {binary}"))?;
        let mut variables = BTreeMap::new();
        // What Lambda itself gives to every function, and where the services are here.
        for (name, value) in [
            ("AWS_ENDPOINT_URL", services),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_SESSION_TOKEN", "test"),
            ("AWS_LAMBDA_FUNCTION_NAME", id.as_str()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ] {
            variables.insert(name.to_owned(), value.to_owned());
        }
        for (name, value) in &function.variables {
            let referred =
                value.get("Ref").and_then(Value::as_str).and_then(|name| self.references.get(name));
            let value = referred.ok_or_else(|| format!("{id}: nothing stands for {name}: {value}"))?;
            variables.insert(name.clone(), value.clone());
        }
        let (bootstrap, log) =
            (self.built.join(id).join("bootstrap"), self.logs.join(format!("{binary}.log")));
        Running::start(&self.emulator, &bootstrap, &variables, log)
    }
}

async fn make_keys_and_topics(
    config: &SdkConfig,
    references: &mut BTreeMap<String, String>,
) -> Result<(), Failure> {
    let kms = aws_sdk_kms::Client::new(config);
    for (name, spec, usage) in [
        ("KeyringKey", KeySpec::SymmetricDefault, KeyUsageType::EncryptDecrypt),
        ("TokenKey", KeySpec::SymmetricDefault, KeyUsageType::EncryptDecrypt),
        ("RecoveryCodeKey", KeySpec::SymmetricDefault, KeyUsageType::EncryptDecrypt),
        ("RecoveryCodeMacKey", KeySpec::Hmac256, KeyUsageType::GenerateVerifyMac),
    ] {
        let made = kms.create_key().key_spec(spec).key_usage(usage).send().await?;
        let made = made.key_metadata.ok_or("KMS made no key")?;
        references.insert(name.to_owned(), made.key_id);
    }
    let sns = aws_sdk_sns::Client::new(config);
    for (id, name) in [("SecurityEvents", "security-events"), ("VoiceCodes", "voice-codes")] {
        let topic = sns.create_topic().name(name).send().await?;
        references.insert(id.to_owned(), topic.topic_arn.ok_or("SNS made no topic")?);
    }
    Ok(())
}

/// The emulator that aws-sam-cli brings.
fn emulator(root: &Path) -> Result<PathBuf, Failure> {
    let libraries = root.join("target/tools/sam/lib");
    let found = std::fs::read_dir(&libraries)
        .into_iter()
        .flatten()
        .flatten()
        .map(|python| python.path().join("site-packages/samcli/local/rapid/aws-lambda-rie-x86_64"));
    let mut found = found.filter(|path| path.is_file());
    found
        .next()
        .ok_or_else(|| format!("no emulator under {}; run tests/tools/install", libraries.display()).into())
}
