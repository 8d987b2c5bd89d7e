//! The embedded `DynamoDB`: dynoxide, on disk, on a loopback port of its own that only this process is
//! told of.

use std::path::Path;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use dynoxide::Database;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::toll::Toll;
use crate::units::AskForUnits;

pub const ACCOUNTS: &str = "Accounts";
pub const ATTEMPTS: &str = "Attempts";
pub const RECOVERY_CODES: &str = "RecoveryCodes";

/// The engine, running until it is dropped.
pub struct Engine {
    pub client: Client,
    pub database: Database,
    _stop: oneshot::Sender<()>,
}

impl Engine {
    /// Opens the tables in `file`. The error is a message for a person.
    pub async fn start(file: &Path, toll: &Toll) -> Result<Self, String> {
        let path = file.to_str().ok_or("the folder's name is not UTF-8")?;
        let database = Database::new(path).map_err(|error| error.to_string())?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let (stop, stopped) = oneshot::channel::<()>();
        let served = dynoxide::server::serve_with_shutdown(listener, database.clone(), async {
            let _ = stopped.await;
        });
        tokio::spawn(served);
        let client = client(&format!("http://{address}"), toll);
        postern_store::schema::create_tables(&client, ACCOUNTS, ATTEMPTS, RECOVERY_CODES).await?;
        Ok(Self { client, database, _stop: stop })
    }
}

fn client(endpoint: &str, toll: &Toll) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "the local run"))
        .endpoint_url(endpoint)
        .interceptor(AskForUnits(toll.clone()))
        .http_client(toll.http_client());
    postern_store::client(config)
}
