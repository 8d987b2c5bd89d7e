use postern_http::{Clock, Error, Frame, Settings, init_logging, serve};
use postern_store::Store;
use sign_out::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::from_env();
    init_logging(&settings);
    let aws = postern_aws::config(&settings)?;
    let dynamodb = postern_store::client((&aws).into());
    // This step has no business with accounts.
    let store = Store::new(dynamodb, String::new(), settings.required("ATTEMPTS_TABLE")?);
    let deps = Deps { clock: Clock::system(), store };
    serve(Frame::from_settings(&settings)?, deps, |deps, request| Box::pin(handle(deps, request))).await
}
