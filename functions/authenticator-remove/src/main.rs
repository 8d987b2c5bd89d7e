use authenticator_remove::{Deps, handle};
use postern_http::{Clock, Error, Frame, Settings, init_logging, serve};
use postern_keys::Random;
use postern_store::Store;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::from_env();
    init_logging(&settings);
    let aws = postern_aws::config(&settings)?;
    let dynamodb = postern_store::client((&aws).into());
    let store =
        Store::new(dynamodb, settings.required("ACCOUNTS_TABLE")?, settings.required("ATTEMPTS_TABLE")?);
    store.warm().await;
    let deps = Deps { clock: Clock::system(), store, policy: settings.policy()?, random: Random::system() };
    serve(Frame::from_settings(&settings)?, deps, |deps, request| Box::pin(handle(deps, request))).await
}
