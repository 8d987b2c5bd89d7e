use keys_rotate::{Deps, handle};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use postern_aws::Function;
use postern_http::{Clock, Runs};
use postern_keys::{KmsKeys, Random};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = Function::start()?;
    let keys = KmsKeys {
        keyring: Some(function.settings.required("KEYRING_KEY")?),
        token: Some(function.settings.required("TOKEN_KEY")?),
        ..KmsKeys::default()
    };
    let deps = &Deps {
        clock: Clock::system(),
        records: function.key_records()?,
        keys: function.kms(keys),
        random: Random::system(),
    };
    let runs = Runs::of(env!("CARGO_PKG_NAME"));
    // What started it does not matter: it does what is due.
    lambda_runtime::run(service_fn(async |_: LambdaEvent<Value>| {
        runs.counting(handle(deps)).await.map_err(Error::from)
    }))
    .await
}
