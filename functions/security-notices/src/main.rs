use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use postern_http::{Clock, Runs, Settings, init_logging};
use postern_messages::{Mail, SesMail, Sns, SnsTexts, ses_client, sns_client};
use postern_store::Store;
use security_notices::{Batch, Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::from_env();
    init_logging(&settings);
    let aws = postern_aws::config(&settings)?;
    let sns = sns_client((&aws).into());
    let identity = settings.optional("EMAIL_IDENTITY");
    let mail = identity
        .map(|identity| -> Arc<dyn Mail> { Arc::new(SesMail::new(ses_client((&aws).into()), &identity)) });
    let deps = &Deps {
        clock: Clock::system(),
        topic: Arc::new(Sns::new(sns.clone(), settings.required("SECURITY_EVENTS_TOPIC")?)),
        issuer: settings.required("ISSUER")?,
        portal: settings.required("RP_NAME")?,
        store: Store::new(
            postern_store::client((&aws).into()),
            settings.required("ACCOUNTS_TABLE")?,
            settings.required("ATTEMPTS_TABLE")?,
        ),
        texts: Arc::new(SnsTexts::new(sns, settings.optional("SMS_SENDER"))),
        mail,
    };
    let runs = Runs::of(env!("CARGO_PKG_NAME"));
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Batch>| {
        Ok::<_, Error>(runs.counting(handle(deps, event.payload)).await)
    }))
    .await
}
