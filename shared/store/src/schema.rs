//! The tables as the local run and the tests create them. `infra/template.yaml` is what is deployed; a
//! test holds the two together.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::DisplayErrorContext;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, StreamSpecification, StreamViewType,
};

/// The index of `Attempts` that lists an account's sessions.
pub const SESSIONS_BY_ACCOUNT: &str = "sessions-by-account";

/// Creates the three tables that are not there yet. The error is a message for a person.
pub async fn create_tables(
    client: &Client,
    accounts: &str,
    attempts: &str,
    recovery_codes: &str,
) -> Result<(), String> {
    let there = client.list_tables().send().await.map_err(|error| DisplayErrorContext(error).to_string())?;
    let there = there.table_names();
    if !there.iter().any(|name| name == accounts) {
        let stream = StreamSpecification::builder()
            .stream_enabled(true)
            .stream_view_type(StreamViewType::NewImage)
            .build();
        let create = client
            .create_table()
            .table_name(accounts)
            .billing_mode(BillingMode::PayPerRequest)
            .set_attribute_definitions(Some(vec![text("pk")?, text("sk")?]))
            .set_key_schema(Some(vec![hash("pk")?, range("sk")?]))
            .stream_specification(stream.map_err(|error| error.to_string())?);
        create.send().await.map_err(|error| DisplayErrorContext(error).to_string())?;
    }
    if !there.iter().any(|name| name == attempts) {
        let index = GlobalSecondaryIndex::builder()
            .index_name(SESSIONS_BY_ACCOUNT)
            .set_key_schema(Some(vec![hash("session_account")?, range("created_at")?]))
            .projection(Projection::builder().projection_type(ProjectionType::All).build());
        let create = client
            .create_table()
            .table_name(attempts)
            .billing_mode(BillingMode::PayPerRequest)
            .set_attribute_definitions(Some(vec![text("pk")?, text("session_account")?, text("created_at")?]))
            .set_key_schema(Some(vec![hash("pk")?]))
            .global_secondary_indexes(index.build().map_err(|error| error.to_string())?);
        create.send().await.map_err(|error| DisplayErrorContext(error).to_string())?;
    }
    if !there.iter().any(|name| name == recovery_codes) {
        let create = client
            .create_table()
            .table_name(recovery_codes)
            .billing_mode(BillingMode::PayPerRequest)
            .set_attribute_definitions(Some(vec![text("pk")?]))
            .set_key_schema(Some(vec![hash("pk")?]));
        create.send().await.map_err(|error| DisplayErrorContext(error).to_string())?;
    }
    Ok(())
}

fn text(name: &str) -> Result<AttributeDefinition, String> {
    let definition =
        AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
    definition.build().map_err(|error| error.to_string())
}

fn hash(name: &str) -> Result<KeySchemaElement, String> {
    key(name, KeyType::Hash)
}

fn range(name: &str) -> Result<KeySchemaElement, String> {
    key(name, KeyType::Range)
}

fn key(name: &str, kind: KeyType) -> Result<KeySchemaElement, String> {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().map_err(|error| error.to_string())
}
