use postern_aws::Function;
use postern_http::{Clock, Error, serve};
use sign_out::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = Function::start()?;
    let store = function.attempts()?;
    let deps = Deps { clock: Clock::system(), store };
    serve(function.frame()?, deps, |deps, request| Box::pin(handle(deps, request))).await
}
