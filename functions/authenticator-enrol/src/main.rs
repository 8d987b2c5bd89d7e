use authenticator_enrol::{Deps, handle};
use postern_aws::Function;
use postern_http::{Clock, Error, serve};
use postern_keys::Random;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = Function::start()?;
    let store = function.store()?;
    let keyring = function.keyring()?;
    keyring.warm(Clock::system().now()).await;
    let deps = Deps {
        clock: Clock::system(),
        store,
        keyring,
        policy: function.policy()?,
        issuer: function.settings.required("RP_NAME")?,
        random: Random::system(),
    };
    serve(function.frame()?, deps, |deps, request| Box::pin(handle(deps, request))).await
}
