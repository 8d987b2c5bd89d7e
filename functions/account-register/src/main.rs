use std::sync::Arc;

use account_register::{Deps, handle};
use postern_http::{Clock, Error, Frame, Settings, init_logging, serve};
use postern_keys::{KeyService, Kms, KmsKeys, Random, kms_client};
use postern_passwords::{AT_ONCE, Hasher};
use postern_store::{KeyRecords, OpenedKeyring, Store};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::from_env();
    init_logging(&settings);
    let aws = postern_aws::config(&settings)?;
    let dynamodb = postern_store::client((&aws).into());
    let accounts = settings.required("ACCOUNTS_TABLE")?;
    let store = Store::new(dynamodb.clone(), &accounts, settings.required("ATTEMPTS_TABLE")?);
    let records = KeyRecords::new(dynamodb, accounts);
    let keys = KmsKeys { keyring: Some(settings.required("KEYRING_KEY")?), ..KmsKeys::default() };
    let kms: Arc<dyn KeyService> = Arc::new(Kms::new(kms_client((&aws).into()), keys));
    let keyring = OpenedKeyring::new(kms, records);
    keyring.warm(Clock::system().now()).await;
    let cost = settings.parsed("ARGON2ID", "a cost such as m=19456,t=2,p=1, at OWASP's floor or above")?;
    let deps = Deps {
        clock: Clock::system(),
        store,
        keyring,
        hasher: Hasher::new(cost, AT_ONCE),
        policy: settings.policy()?,
        random: Random::system(),
    };
    serve(Frame::from_settings(&settings)?, deps, |deps, request| Box::pin(handle(deps, request))).await
}
