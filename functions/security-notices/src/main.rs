use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use postern_http::{Settings, init_logging};
use postern_messages::{Sns, sns_client};
use security_notices::{Batch, Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::from_env();
    init_logging(&settings);
    let aws = postern_aws::config(&settings)?;
    let sns = Sns::new(sns_client((&aws).into()), settings.required("SECURITY_EVENTS_TOPIC")?);
    let deps = &Deps { topic: Arc::new(sns), issuer: settings.required("ISSUER")?, letters: None };
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Batch>| {
        Ok::<_, Error>(handle(deps, event.payload).await)
    }))
    .await
}
