use postern_aws::Function;
use postern_http::{Clock, Error, serve};
use session_token::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = Function::start()?;
    let store = function.store()?;
    let tokens = function.access_tokens()?;
    tokens.signer.warm(Clock::system().now()).await;
    let deps = Deps { clock: Clock::system(), store, policy: function.policy()?, tokens };
    serve(function.frame()?, deps, |deps, request| Box::pin(handle(deps, request))).await
}
