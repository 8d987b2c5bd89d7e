use std::sync::Arc;

use postern_http::{Clock, Error, Frame, Settings, init_logging, serve};
use postern_keys::{Kms, KmsKeys, Random, kms_client};
use postern_store::{RecoveryCodes, Store};
use recovery_code_download::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::from_env();
    init_logging(&settings);
    let aws = postern_aws::config(&settings)?;
    let dynamodb = postern_store::client((&aws).into());
    let store =
        Store::new(dynamodb, settings.required("ACCOUNTS_TABLE")?, settings.required("ATTEMPTS_TABLE")?);
    store.warm().await;
    let keys = KmsKeys { recovery_code: Some(settings.required("RECOVERY_CODE_KEY")?), ..KmsKeys::default() };
    let kms = Kms::new(kms_client((&aws).into()), keys);
    let deps = Deps {
        clock: Clock::system(),
        codes: RecoveryCodes::new(store.clone(), settings.required("RECOVERY_CODES_TABLE")?),
        store,
        keys: Arc::new(kms),
        policy: settings.policy()?,
        random: Random::system(),
    };
    serve(Frame::from_settings(&settings)?, deps, |deps, request| Box::pin(handle(deps, request))).await
}
