use jwks::{Deps, handle};
use postern_aws::Function;
use postern_http::{Clock, Error, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = Function::start()?;
    let records = function.key_records()?;
    records.warm().await;
    let deps = Deps { clock: Clock::system(), records };
    serve(function.frame()?, deps, |deps, request| Box::pin(handle(deps, request))).await
}
