use std::sync::Arc;

use postern_codes::{Codes, EmailCodes};
use postern_http::{Clock, Error, Frame, Settings, init_logging, serve};
use postern_keys::{KeyService, Kms, KmsKeys, Random, kms_client};
use postern_messages::{CodeWords, SesMail, ses_client};
use postern_store::{KeyRecords, OpenedKeyring, Store};
use recovery_email_send::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::from_env();
    init_logging(&settings);
    let aws = postern_aws::config(&settings)?;
    let dynamodb = postern_store::client((&aws).into());
    let accounts = settings.required("ACCOUNTS_TABLE")?;
    let store = Store::new(dynamodb.clone(), &accounts, settings.required("ATTEMPTS_TABLE")?);
    let records = KeyRecords::new(dynamodb, accounts);
    let policy = settings.policy()?;
    let keys = KmsKeys { keyring: Some(settings.required("KEYRING_KEY")?), ..KmsKeys::default() };
    let kms: Arc<dyn KeyService> = Arc::new(Kms::new(kms_client((&aws).into()), keys));
    let keyring = OpenedKeyring::new(kms, records);
    let now = Clock::system().now();
    if !policy.email_recovery_is_over(now) {
        keyring.warm(now).await;
    }
    let words = CodeWords::new(settings.required("RP_NAME")?, settings.required("RP_ID")?);
    let limits = Codes::limits_from(&settings)?;
    let codes = settings.optional("EMAIL_IDENTITY").map(|identity| EmailCodes {
        mail: Arc::new(SesMail::new(ses_client((&aws).into()), &identity)),
        words,
        limits: Some(limits),
        random: Random::system(),
    });
    let deps = Deps { clock: Clock::system(), store, keyring, policy, codes, random: Random::system() };
    serve(Frame::from_settings(&settings)?, deps, |deps, request| Box::pin(handle(deps, request))).await
}
