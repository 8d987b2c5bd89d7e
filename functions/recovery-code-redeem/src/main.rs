use std::sync::Arc;

use postern_http::{Clock, Error, Frame, Settings, init_logging, serve};
use postern_keys::{KeyService, Kms, KmsKeys, Random, kms_client};
use postern_store::{KeyRecords, OpenedKeyring, RecoveryCodes, Store};
use recovery_code_redeem::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::from_env();
    init_logging(&settings);
    let aws = postern_aws::config(&settings)?;
    let dynamodb = postern_store::client((&aws).into());
    let accounts = settings.required("ACCOUNTS_TABLE")?;
    let store = Store::new(dynamodb.clone(), &accounts, settings.required("ATTEMPTS_TABLE")?);
    let records = KeyRecords::new(dynamodb, accounts);
    let keys = KmsKeys {
        keyring: Some(settings.required("KEYRING_KEY")?),
        recovery_code_mac: Some(settings.required("RECOVERY_CODE_MAC_KEY")?),
        ..KmsKeys::default()
    };
    let kms: Arc<dyn KeyService> = Arc::new(Kms::new(kms_client((&aws).into()), keys));
    let keyring = OpenedKeyring::new(Arc::clone(&kms), records);
    keyring.warm(Clock::system().now()).await;
    let deps = Deps {
        clock: Clock::system(),
        codes: RecoveryCodes::new(store.clone(), settings.required("RECOVERY_CODES_TABLE")?),
        store,
        keyring,
        keys: kms,
        policy: settings.policy()?,
        limit: Some(settings.parsed("RECOVERIES_PER_HOUR", "a number")?),
        second_proof: settings.required("RECOVERY_SECOND_PROOF")? == "on",
        random: Random::system(),
    };
    serve(Frame::from_settings(&settings)?, deps, |deps, request| Box::pin(handle(deps, request))).await
}
