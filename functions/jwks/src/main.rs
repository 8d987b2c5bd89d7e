use jwks::{Deps, handle};
use postern_http::{Clock, Error, Frame, Settings, init_logging, serve};
use postern_store::KeyRecords;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::from_env();
    init_logging(&settings);
    let aws = postern_aws::config(&settings)?;
    let dynamodb = postern_store::client((&aws).into());
    let records = KeyRecords::new(dynamodb, settings.required("ACCOUNTS_TABLE")?);
    records.warm().await;
    let deps = Deps { clock: Clock::system(), records };
    serve(Frame::from_settings(&settings)?, deps, |deps, request| Box::pin(handle(deps, request))).await
}
