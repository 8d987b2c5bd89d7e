use postern_aws::Function;
use postern_http::{Clock, Error, serve};
use postern_keys::Random;
use recovery_email_verify::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = Function::start()?;
    let store = function.store()?;
    let policy = function.policy()?;
    let keyring = function.keyring()?;
    let now = Clock::system().now();
    if !policy.email_recovery_is_over(now) {
        keyring.warm(now).await;
    }
    let deps = Deps { clock: Clock::system(), store, keyring, policy, random: Random::system() };
    serve(function.frame()?, deps, |deps, request| Box::pin(handle(deps, request))).await
}
