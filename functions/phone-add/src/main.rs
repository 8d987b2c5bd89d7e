use std::sync::Arc;

use phone_add::{Deps, handle};
use postern_aws::Function;
use postern_codes::Codes;
use postern_http::{Clock, Error, InvalidSetting, serve};
use postern_messages::sns_client;
use postern_phones::{CarrierLookup, LineLookup, NumberPlan, Numbers, lookup_client};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = Function::start()?;
    let store = function.store()?;
    let keyring = function.keyring()?;
    tokio::join!(keyring.warm(Clock::system().now()), store.warm());
    let lines: Arc<dyn LineLookup> = match function.settings.required("LINE_LOOKUP")?.as_str() {
        "on" => Arc::new(CarrierLookup::new(lookup_client((&function.aws).into()))),
        "off" => Arc::new(NumberPlan),
        _ => return Err(InvalidSetting::Malformed("LINE_LOOKUP", "`on` or `off`").into()),
    };
    let numbers = Numbers::new(
        &function.settings.required("DEFAULT_REGION")?,
        &function.settings.required("COUNTRIES")?,
    )?;
    let codes = Codes::from_settings(&function.settings, sns_client((&function.aws).into()))?;
    let deps =
        Deps { clock: Clock::system(), store, keyring, policy: function.policy()?, numbers, lines, codes };
    serve(function.frame()?, deps, |deps, request| Box::pin(handle(deps, request))).await
}
