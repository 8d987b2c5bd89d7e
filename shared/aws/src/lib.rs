//! What a function's `main` hands its step, from what Lambda hands the function.

use std::sync::{Arc, OnceLock};

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use postern_domain::policy::Policy;
use postern_http::{Frame, InvalidSetting, Settings, init_logging};
use postern_keys::{Kms, KmsKeys, Random, kms_client};
use postern_store::{KeyRecords, OpenedKeyring, OpenedTokenSigner, Store};
use postern_tokens::AccessTokens;

/// A function as it starts. Each part is made when `main` asks for it, and reads the variables that it needs: so what
/// `main` names is what the function's role and environment have to hold.
///
/// Parts of one service share its client, and with it the connection that warming opens.
#[derive(Debug)]
pub struct Function {
    pub settings: Settings,
    pub aws: SdkConfig,
    dynamodb: OnceLock<aws_sdk_dynamodb::Client>,
    kms: OnceLock<aws_sdk_kms::Client>,
}

impl Function {
    /// Reads the environment, and begins to log.
    ///
    /// # Errors
    ///
    /// Outside Lambda, without `AWS_REGION`.
    pub fn start() -> Result<Self, InvalidSetting> {
        let settings = Settings::from_env();
        init_logging(&settings);
        let aws = config(&settings)?;
        Ok(Self { settings, aws, dynamodb: OnceLock::new(), kms: OnceLock::new() })
    }

    /// Reads what [`Frame::from_settings`] does.
    pub fn frame(&self) -> Result<Frame, InvalidSetting> {
        Frame::from_settings(&self.settings)
    }

    /// Reads what [`Settings::policy`] does.
    pub fn policy(&self) -> Result<Policy, InvalidSetting> {
        self.settings.policy()
    }

    /// Reads `ACCOUNTS_TABLE` and `ATTEMPTS_TABLE`.
    pub fn store(&self) -> Result<Store, InvalidSetting> {
        let accounts = self.settings.required("ACCOUNTS_TABLE")?;
        Ok(Store::new(self.dynamodb(), accounts, self.settings.required("ATTEMPTS_TABLE")?))
    }

    /// Reads `ATTEMPTS_TABLE`: for a step that has no business with accounts.
    pub fn attempts(&self) -> Result<Store, InvalidSetting> {
        Ok(Store::new(self.dynamodb(), String::new(), self.settings.required("ATTEMPTS_TABLE")?))
    }

    /// Reads `ACCOUNTS_TABLE`.
    pub fn key_records(&self) -> Result<KeyRecords, InvalidSetting> {
        Ok(KeyRecords::new(self.dynamodb(), self.settings.required("ACCOUNTS_TABLE")?))
    }

    /// The keyring, still to be opened. Reads `ACCOUNTS_TABLE` and `KEYRING_KEY`.
    pub fn keyring(&self) -> Result<OpenedKeyring, InvalidSetting> {
        let key = self.settings.required("KEYRING_KEY")?;
        let kms = self.kms(KmsKeys { keyring: Some(key), ..KmsKeys::default() });
        Ok(OpenedKeyring::new(kms, self.key_records()?))
    }

    /// The issuer of tokens, whose signer is still to be opened. Reads `ACCOUNTS_TABLE`, `AUDIENCE`, `ISSUER` and `TOKEN_KEY`.
    pub fn access_tokens(&self) -> Result<AccessTokens, InvalidSetting> {
        let key = self.settings.required("TOKEN_KEY")?;
        let kms = self.kms(KmsKeys { token: Some(key), ..KmsKeys::default() });
        Ok(AccessTokens {
            signer: OpenedTokenSigner::new(kms, self.key_records()?),
            issuer: self.settings.required("ISSUER")?,
            audience: self.settings.required("AUDIENCE")?,
            random: Random::system(),
        })
    }

    /// KMS, with the keys that the function was given.
    pub fn kms(&self, keys: KmsKeys) -> Arc<Kms> {
        let client = self.kms.get_or_init(|| kms_client((&self.aws).into()));
        Arc::new(Kms::new(client.clone(), keys))
    }

    fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        self.dynamodb.get_or_init(|| postern_store::client((&self.aws).into())).clone()
    }
}

/// The region and the role's credentials, which Lambda hands a function in its environment (AWS Lambda developer guide,
/// "Defined runtime environment variables"); and `AWS_ENDPOINT_URL`, where the services stand elsewhere.
///
/// The SDK's own `load_from_env` would look for them in files, containers, instances and STS as well: more than a megabyte of
/// every binary, for what is never there.
///
/// # Errors
///
/// Outside Lambda, without `AWS_REGION`.
pub fn config(settings: &Settings) -> Result<SdkConfig, InvalidSetting> {
    let credentials = EnvironmentVariableCredentialsProvider::new();
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(settings.required("AWS_REGION")?))
        .credentials_provider(SharedCredentialsProvider::new(credentials));
    config.set_endpoint_url(settings.optional("AWS_ENDPOINT_URL"));
    Ok(config.build())
}
