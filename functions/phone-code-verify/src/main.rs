use phone_code_verify::{Deps, handle};
use postern_aws::Function;
use postern_http::{Clock, Error, serve};
use postern_keys::Random;
use postern_sign_ins::SignIns;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = Function::start()?;
    let store = function.store()?;
    let (keyring, tokens) = (function.keyring()?, function.access_tokens()?);
    let now = Clock::system().now();
    tokio::join!(keyring.warm(now), tokens.signer.warm(now));
    let sign_ins = SignIns { store, policy: function.policy()?, tokens, random: Random::system() };
    let deps = Deps { clock: Clock::system(), keyring, sign_ins };
    serve(function.frame()?, deps, |deps, request| Box::pin(handle(deps, request))).await
}
