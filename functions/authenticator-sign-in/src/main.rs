use std::sync::Arc;

use authenticator_sign_in::{Deps, handle};
use postern_http::{Clock, Error, Frame, Settings, init_logging, serve};
use postern_keys::{KeyService, Kms, KmsKeys, Random, kms_client};
use postern_sign_ins::SignIns;
use postern_store::{KeyRecords, OpenedKeyring, OpenedTokenSigner, Store};
use postern_tokens::AccessTokens;

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
        token: Some(settings.required("TOKEN_KEY")?),
        ..KmsKeys::default()
    };
    let kms: Arc<dyn KeyService> = Arc::new(Kms::new(kms_client((&aws).into()), keys));
    let keyring = OpenedKeyring::new(Arc::clone(&kms), records.clone());
    let signer = OpenedTokenSigner::new(kms, records);
    let now = Clock::system().now();
    tokio::join!(keyring.warm(now), signer.warm(now));
    let tokens = AccessTokens {
        signer,
        issuer: settings.required("ISSUER")?,
        audience: settings.required("AUDIENCE")?,
        random: Random::system(),
    };
    let sign_ins = SignIns { store, policy: settings.policy()?, tokens, random: Random::system() };
    let deps = Deps { clock: Clock::system(), keyring, sign_ins };
    serve(Frame::from_settings(&settings)?, deps, |deps, request| Box::pin(handle(deps, request))).await
}
