use std::sync::Arc;

use keys_rotate::{Deps, handle};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use postern_http::{Clock, Runs, Settings, init_logging};
use postern_keys::{Kms, KmsKeys, Random, kms_client};
use postern_store::KeyRecords;
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::from_env();
    init_logging(&settings);
    let aws = postern_aws::config(&settings)?;
    let keys = KmsKeys {
        keyring: Some(settings.required("KEYRING_KEY")?),
        token: Some(settings.required("TOKEN_KEY")?),
        ..KmsKeys::default()
    };
    let deps = &Deps {
        clock: Clock::system(),
        records: KeyRecords::new(postern_store::client((&aws).into()), settings.required("ACCOUNTS_TABLE")?),
        keys: Arc::new(Kms::new(kms_client((&aws).into()), keys)),
        random: Random::system(),
    };
    let runs = Runs::of(env!("CARGO_PKG_NAME"));
    // What started it does not matter: it does what is due.
    lambda_runtime::run(service_fn(async |_: LambdaEvent<Value>| {
        runs.counting(handle(deps)).await.map_err(Error::from)
    }))
    .await
}
