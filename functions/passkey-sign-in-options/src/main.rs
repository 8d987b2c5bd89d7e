use passkey_sign_in_options::{Deps, handle};
use postern_aws::Function;
use postern_http::{Clock, Error, serve};
use postern_passkeys::Ceremonies;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = Function::start()?;
    let keyring = function.keyring()?;
    keyring.warm(Clock::system().now()).await;
    let ceremonies = Ceremonies::from_settings(&function.settings)?;
    let deps = Deps { clock: Clock::system(), keyring, ceremonies };
    serve(function.frame()?, deps, |deps, request| Box::pin(handle(deps, request))).await
}
