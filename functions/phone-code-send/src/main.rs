use phone_code_send::{Deps, handle};
use postern_aws::Function;
use postern_codes::Codes;
use postern_http::{Clock, Error, serve};
use postern_keys::Random;
use postern_messages::sns_client;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = Function::start()?;
    let store = function.store()?;
    let keyring = function.keyring()?;
    keyring.warm(Clock::system().now()).await;
    let codes = Codes::from_settings(&function.settings, sns_client((&function.aws).into()))?;
    let deps = Deps { clock: Clock::system(), store, keyring, codes, random: Random::system() };
    serve(function.frame()?, deps, |deps, request| Box::pin(handle(deps, request))).await
}
