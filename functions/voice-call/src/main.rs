use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use postern_aws::Function;
use postern_http::{Clock, Runs};
use postern_keys::Random;
use postern_messages::{CodeWords, VoiceMessages, voice_client};
use voice_call::{Delivery, Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = Function::start()?;
    let keyring = function.keyring()?;
    keyring.warm(Clock::system().now()).await;
    // Without a number to call from the function starts all the same, so that what is asked of it is seen to fail.
    let calls = VoiceMessages::new(
        voice_client((&function.aws).into()),
        function.settings.optional("VOICE_ORIGINATION"),
    );
    let deps = &Deps {
        clock: Clock::system(),
        store: function.store()?,
        keyring,
        calls: Arc::new(calls),
        words: CodeWords::new(function.settings.required("RP_NAME")?, function.settings.required("RP_ID")?),
        random: Random::system(),
    };
    let runs = Runs::of(env!("CARGO_PKG_NAME"));
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Delivery>| {
        runs.counting(handle(deps, event.payload)).await.map_err(Error::from)
    }))
    .await
}
