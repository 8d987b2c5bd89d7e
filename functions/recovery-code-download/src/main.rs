use postern_aws::Function;
use postern_http::{Clock, Error, serve};
use postern_keys::{KmsKeys, Random};
use postern_store::RecoveryCodes;
use recovery_code_download::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = Function::start()?;
    let store = function.store()?;
    store.warm().await;
    let keys = KmsKeys {
        recovery_code: Some(function.settings.required("RECOVERY_CODE_KEY")?),
        ..KmsKeys::default()
    };
    let deps = Deps {
        clock: Clock::system(),
        codes: RecoveryCodes::new(store.clone(), function.settings.required("RECOVERY_CODES_TABLE")?),
        store,
        keys: function.kms(keys),
        policy: function.policy()?,
        random: Random::system(),
    };
    serve(function.frame()?, deps, |deps, request| Box::pin(handle(deps, request))).await
}
