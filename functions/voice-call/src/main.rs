use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use postern_http::{Clock, Runs, Settings, init_logging};
use postern_keys::{KeyService, Kms, KmsKeys, Random, kms_client};
use postern_messages::{CodeWords, VoiceMessages, voice_client};
use postern_store::{KeyRecords, OpenedKeyring, Store};
use voice_call::{Delivery, Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::from_env();
    init_logging(&settings);
    let aws = postern_aws::config(&settings)?;
    let dynamodb = postern_store::client((&aws).into());
    let accounts = settings.required("ACCOUNTS_TABLE")?;
    let keys = KmsKeys { keyring: Some(settings.required("KEYRING_KEY")?), ..KmsKeys::default() };
    let kms: Arc<dyn KeyService> = Arc::new(Kms::new(kms_client((&aws).into()), keys));
    let keyring = OpenedKeyring::new(kms, KeyRecords::new(dynamodb.clone(), &accounts));
    keyring.warm(Clock::system().now()).await;
    // Without a number to call from the function starts all the same, so that what is asked of it is seen to fail.
    let calls = VoiceMessages::new(voice_client((&aws).into()), settings.optional("VOICE_ORIGINATION"));
    let deps = &Deps {
        clock: Clock::system(),
        store: Store::new(dynamodb, accounts, settings.required("ATTEMPTS_TABLE")?),
        keyring,
        calls: Arc::new(calls),
        words: CodeWords::new(settings.required("RP_NAME")?, settings.required("RP_ID")?),
        random: Random::system(),
    };
    let runs = Runs::of(env!("CARGO_PKG_NAME"));
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Delivery>| {
        runs.counting(handle(deps, event.payload)).await.map_err(Error::from)
    }))
    .await
}
