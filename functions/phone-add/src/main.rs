use std::sync::Arc;

use phone_add::{Deps, handle};
use postern_codes::Codes;
use postern_http::{Clock, Error, Frame, InvalidSetting, Settings, init_logging, serve};
use postern_keys::{KeyService, Kms, KmsKeys, Random, kms_client};
use postern_messages::{CodeWords, SnsTexts, SnsVoiceCodes, sns_client};
use postern_phones::{CarrierLookup, LineLookup, NumberPlan, Numbers, lookup_client};
use postern_store::{KeyRecords, OpenedKeyring, Store};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::from_env();
    init_logging(&settings);
    let aws = postern_aws::config(&settings)?;
    let dynamodb = postern_store::client((&aws).into());
    let accounts = settings.required("ACCOUNTS_TABLE")?;
    let store = Store::new(dynamodb.clone(), &accounts, settings.required("ATTEMPTS_TABLE")?);
    let records = KeyRecords::new(dynamodb, accounts);
    let keys = KmsKeys { keyring: Some(settings.required("KEYRING_KEY")?), ..KmsKeys::default() };
    let kms: Arc<dyn KeyService> = Arc::new(Kms::new(kms_client((&aws).into()), keys));
    let keyring = OpenedKeyring::new(kms, records);
    tokio::join!(keyring.warm(Clock::system().now()), store.warm());
    let lines: Arc<dyn LineLookup> = match settings.required("LINE_LOOKUP")?.as_str() {
        "on" => Arc::new(CarrierLookup::new(lookup_client((&aws).into()))),
        "off" => Arc::new(NumberPlan),
        _ => return Err(InvalidSetting::Malformed("LINE_LOOKUP", "`on` or `off`").into()),
    };
    let region = settings.required("DEFAULT_REGION")?;
    let numbers = Numbers::new(&region, &settings.required("COUNTRIES")?)?;
    let sns = sns_client((&aws).into());
    let codes = Codes {
        texts: Arc::new(SnsTexts::new(sns.clone(), settings.optional("SMS_SENDER"))),
        voice: Arc::new(SnsVoiceCodes::new(sns, settings.required("VOICE_CODES_TOPIC")?)),
        words: CodeWords::new(settings.required("RP_NAME")?, settings.required("RP_ID")?),
        limits: Some(Codes::limits_from(&settings)?),
        region,
        random: Random::system(),
    };
    let deps = Deps {
        clock: Clock::system(),
        store,
        keyring,
        policy: settings.policy()?,
        numbers,
        lines,
        codes,
    };
    serve(Frame::from_settings(&settings)?, deps, |deps, request| Box::pin(handle(deps, request))).await
}
