use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use postern_aws::Function;
use postern_http::{Clock, Runs};
use postern_messages::{Mail, SesMail, Sns, SnsTexts, ses_client, sns_client};
use security_notices::{Batch, Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = Function::start()?;
    let sns = sns_client((&function.aws).into());
    let identity = function.settings.optional("EMAIL_IDENTITY");
    let mail = identity.map(|identity| -> Arc<dyn Mail> {
        Arc::new(SesMail::new(ses_client((&function.aws).into()), &identity))
    });
    let deps = &Deps {
        clock: Clock::system(),
        topic: Arc::new(Sns::new(sns.clone(), function.settings.required("SECURITY_EVENTS_TOPIC")?)),
        issuer: function.settings.required("ISSUER")?,
        portal: function.settings.required("RP_NAME")?,
        store: function.store()?,
        texts: Arc::new(SnsTexts::new(sns, function.settings.optional("SMS_SENDER"))),
        mail,
    };
    let runs = Runs::of(env!("CARGO_PKG_NAME"));
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Batch>| {
        Ok::<_, Error>(runs.counting(handle(deps, event.payload)).await)
    }))
    .await
}
