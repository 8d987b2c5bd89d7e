//! What the SDK's clients take from Lambda's environment.

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use postern_http::{InvalidSetting, Settings};

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
