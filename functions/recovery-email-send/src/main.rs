use std::sync::Arc;

use postern_aws::Function;
use postern_codes::{Codes, EmailCodes};
use postern_http::{Clock, Error, serve};
use postern_keys::Random;
use postern_messages::{CodeWords, SesMail, ses_client};
use recovery_email_send::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = Function::start()?;
    let store = function.store()?;
    let policy = function.policy()?;
    let keyring = function.keyring()?;
    let now = Clock::system().now();
    if !policy.email_recovery_is_over(now) {
        keyring.warm(now).await;
    }
    let words = CodeWords::new(function.settings.required("RP_NAME")?, function.settings.required("RP_ID")?);
    let limits = Codes::limits_from(&function.settings)?;
    let codes = function.settings.optional("EMAIL_IDENTITY").map(|identity| EmailCodes {
        mail: Arc::new(SesMail::new(ses_client((&function.aws).into()), &identity)),
        words,
        limits: Some(limits),
        random: Random::system(),
    });
    let deps = Deps { clock: Clock::system(), store, keyring, policy, codes, random: Random::system() };
    serve(function.frame()?, deps, |deps, request| Box::pin(handle(deps, request))).await
}
