use postern_aws::Function;
use postern_http::{Clock, Error, serve};
use postern_keys::{KmsKeys, Random};
use postern_store::RecoveryCodes;
use recovery_code_redeem::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = Function::start()?;
    let store = function.store()?;
    let keys = KmsKeys {
        recovery_code_mac: Some(function.settings.required("RECOVERY_CODE_MAC_KEY")?),
        ..KmsKeys::default()
    };
    let keyring = function.keyring()?;
    keyring.warm(Clock::system().now()).await;
    let deps = Deps {
        clock: Clock::system(),
        codes: RecoveryCodes::new(store.clone(), function.settings.required("RECOVERY_CODES_TABLE")?),
        store,
        keyring,
        keys: function.kms(keys),
        policy: function.policy()?,
        limit: Some(function.settings.parsed("RECOVERIES_PER_HOUR", "a number")?),
        second_proof: function.settings.required("RECOVERY_SECOND_PROOF")? == "on",
        random: Random::system(),
    };
    serve(function.frame()?, deps, |deps, request| Box::pin(handle(deps, request))).await
}
