//! The tables that the local run and the tests create are those that are deployed.

use std::collections::BTreeSet;
use std::path::Path;

use agreement::Template;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_dynamodb::types::{KeySchemaElement, ProjectionType, StreamViewType, TableDescription};
use dynoxide::Database;
use serde_json::{Value, json};

#[tokio::test]
async fn the_tables_are_those_of_the_template() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let database = Database::memory().unwrap();
    tokio::spawn(dynoxide::server::serve_with_shutdown(listener, database, std::future::pending()));
    let credentials = Credentials::new("test", "test", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(address)
        .build();
    let client = Client::new(&config);
    postern_store::schema::create_tables(&client, "Accounts", "Attempts", "RecoveryCodes").await.unwrap();

    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let deployed = Template::read(&root.join("infra/template.yaml")).unwrap().tables;
    assert_eq!(deployed.keys().collect::<Vec<_>>(), ["Accounts", "Attempts", "RecoveryCodes"]);
    for (name, properties) in deployed {
        let created = client.describe_table().table_name(&name).send().await.unwrap().table.unwrap();
        assert_eq!(of_template(&properties), of_description(&created), "{name}");
    }
}

/// What of a table's form can be compared.
fn of_template(properties: &Value) -> Value {
    let member = |value: &Value, name: &str| value.get(name).cloned().unwrap_or_default();
    let indexes = member(properties, "GlobalSecondaryIndexes");
    let indexes = indexes.as_array().into_iter().flatten().map(|index| {
        json!({
            "name": member(index, "IndexName"),
            "keys": member(index, "KeySchema"),
            "projection": index.pointer("/Projection/ProjectionType"),
        })
    });
    let attributes = member(properties, "AttributeDefinitions");
    let attributes: BTreeSet<String> = attributes
        .as_array()
        .into_iter()
        .flatten()
        .map(|it| member(it, "AttributeName").to_string())
        .collect();
    json!({
        "keys": member(properties, "KeySchema"),
        "attributes": attributes,
        "indexes": indexes.collect::<Vec<_>>(),
        "stream": properties.pointer("/StreamSpecification/StreamViewType"),
    })
}

fn of_description(table: &TableDescription) -> Value {
    let indexes = table.global_secondary_indexes().iter().map(|index| {
        json!({
            "name": index.index_name(),
            "keys": keys(index.key_schema()),
            "projection": index.projection().and_then(|it| it.projection_type()).map(ProjectionType::as_str),
        })
    });
    let attributes: BTreeSet<String> =
        table.attribute_definitions().iter().map(|it| json!(it.attribute_name()).to_string()).collect();
    json!({
        "keys": keys(table.key_schema()),
        "attributes": attributes,
        "indexes": indexes.collect::<Vec<_>>(),
        "stream": table.stream_specification().and_then(|it| it.stream_view_type()).map(StreamViewType::as_str),
    })
}

fn keys(schema: &[KeySchemaElement]) -> Value {
    let keys = schema
        .iter()
        .map(|key| json!({ "AttributeName": key.attribute_name(), "KeyType": key.key_type().as_str() }));
    keys.collect()
}
