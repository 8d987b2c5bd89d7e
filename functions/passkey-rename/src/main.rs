use passkey_rename::{Deps, handle};
use postern_aws::Function;
use postern_http::{Clock, Error, serve};
use postern_keys::Random;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = Function::start()?;
    let store = function.store()?;
    store.warm().await;
    let deps = Deps { clock: Clock::system(), store, policy: function.policy()?, random: Random::system() };
    serve(function.frame()?, deps, |deps, request| Box::pin(handle(deps, request))).await
}
