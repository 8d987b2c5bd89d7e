use passkey_enrol::{Deps, handle};
use postern_aws::Function;
use postern_http::{Clock, Error, serve};
use postern_keys::Random;
use postern_passkeys::Ceremonies;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = Function::start()?;
    let store = function.store()?;
    let keyring = function.keyring()?;
    keyring.warm(Clock::system().now()).await;
    let ceremonies = Ceremonies::from_settings(&function.settings)?;
    let deps = Deps { clock: Clock::system(), store, keyring, ceremonies, random: Random::system() };
    serve(function.frame()?, deps, |deps, request| Box::pin(handle(deps, request))).await
}
