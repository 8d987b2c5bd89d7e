//! The stand-in of AWS, and what it and the tables keep.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;

use crate::Failure;

/// Where it is, for looking into it.
#[derive(Debug, Clone)]
pub(crate) struct StandIn {
    pub http: reqwest::Client,
    pub address: String,
}

impl StandIn {
    pub(crate) fn at(address: &str) -> Result<Self, Failure> {
        Ok(Self { http: reqwest::Client::builder().no_proxy().build()?, address: address.to_owned() })
    }

    /// The texts to a number, the oldest first, as SNS has them.
    pub(crate) async fn texts(&self, to: &str) -> Result<Vec<String>, Failure> {
        let sent = self.look(&format!("sns/sms-messages?phoneNumber={}", to.replace('+', "%2B"))).await?;
        let texts = sent.pointer("/sms_messages").and_then(|all| all.get(to)).and_then(Value::as_array);
        Ok(members(texts, "Message"))
    }

    /// The letters to an address, the oldest first, as SES has them.
    pub(crate) async fn letters(&self, to: &str) -> Result<Vec<String>, Failure> {
        let sent = self.look("ses/messages").await?;
        let accounts = sent.get("messages").and_then(Value::as_object).into_iter().flatten();
        let letters = accounts.filter_map(|(_, letters)| letters.as_array()).flatten();
        let addressed = |letter: &&Value| {
            letter.get("To").and_then(Value::as_array).is_some_and(|all| all.iter().any(|one| one == to))
        };
        let letters: Vec<Value> = letters.filter(addressed).cloned().collect();
        Ok(members(Some(&letters), "BodyText"))
    }

    /// What waits in a queue, the oldest first.
    pub(crate) async fn queue(&self, url: &str) -> Result<Vec<String>, Failure> {
        let kept = self.look(&format!("sqs/messages?QueueUrl={url}")).await?;
        let accounts = kept.get("messages").and_then(Value::as_object).into_iter().flatten();
        let regions = accounts.filter_map(|(_, regions)| regions.as_object()).flatten();
        let queues = regions.filter_map(|(_, queues)| queues.as_object()).flatten();
        Ok(queues.flat_map(|(_, messages)| members(messages.as_array(), "Body")).collect())
    }

    /// Whether it asks the roles before it does what it is asked.
    pub(crate) async fn enforces_roles(&self) -> Result<bool, Failure> {
        Ok(self.look("health").await?.get("auth").is_some_and(|auth| auth == "enabled"))
    }

    async fn look(&self, at: &str) -> Result<Value, Failure> {
        let shown = self.http.get(format!("{}/_ministack/{at}", self.address)).send().await?;
        Ok(shown.error_for_status()?.json().await?)
    }
}

fn members(entries: Option<&Vec<Value>>, name: &str) -> Vec<String> {
    let entries = entries.into_iter().flatten();
    entries.filter_map(|entry| entry.get(name)?.as_str()).map(str::to_owned).collect()
}

/// Who may do everything there.
pub(crate) fn config(endpoint: &str) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(endpoint)
        .build()
}

/// Forgets what was sent to numbers and from addresses, so that nobody waits for the next code.
pub(crate) async fn forget_sends(dynamodb: &aws_sdk_dynamodb::Client, attempts: &str) -> Result<(), Failure> {
    let limits = dynamodb.scan().table_name(attempts).filter_expression("begins_with(pk, :limit)");
    let limits = limits.expression_attribute_values(":limit", AttributeValue::S("LIMIT#".to_owned()));
    for mut item in limits.send().await?.items.unwrap_or_default() {
        let key = item.remove("pk").ok_or("an item without a key")?;
        dynamodb.delete_item().table_name(attempts).key("pk", key).send().await?;
    }
    Ok(())
}

/// Forgets which steps of authenticator apps were used, so that nobody waits half a minute for the next code.
pub(crate) async fn forget_steps(dynamodb: &aws_sdk_dynamodb::Client, accounts: &str) -> Result<(), Failure> {
    let apps = dynamodb.scan().table_name(accounts).filter_expression("sk = :app");
    let apps = apps.expression_attribute_values(":app", AttributeValue::S("AUTHENTICATOR".to_owned()));
    for mut item in apps.send().await?.items.unwrap_or_default() {
        let mut key = |name: &str| item.remove(name).ok_or("an item without a key");
        let (pk, sk) = (key("pk")?, key("sk")?);
        let forget = dynamodb.update_item().table_name(accounts).key("pk", pk).key("sk", sk);
        let forget = forget.update_expression("SET last_step = :none");
        forget.expression_attribute_values(":none", AttributeValue::N("0".to_owned())).send().await?;
    }
    Ok(())
}
