//! DynamoDB inside the test: the SDK's requests go to a database of `dynoxide` in memory, without a socket.

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use aws_config::SdkConfig;
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn},
    orchestrator::{HttpRequest, HttpResponse},
};
use aws_smithy_types::body::SdkBody;
use dynoxide::Database;
use harness::expand_template;
use serde_json::{Value, json};

/// The stack's name, which the tables' names begin with.
const STACK: &str = "second-opinion";

/// A client's configuration for a database with the template's tables, which all tests share.
pub(crate) static TABLES: LazyLock<SdkConfig> = LazyLock::new(|| {
    let database = Database::memory().unwrap();
    for table in tables() {
        let (status, answer) = call(&database, "CreateTable", &table.to_string());
        assert_eq!(status, 200, "{table}: {answer}");
    }
    SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::from_static("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("key", "secret", None, None, "test")))
        .http_client(client(database))
        .build()
});

/// The full name of one of the template's tables.
pub(crate) fn named(table: &str) -> String {
    format!("{STACK}-{table}")
}

/// The requests that create the template's tables.
fn tables() -> Vec<Value> {
    let template = expand_template().unwrap();
    let resources = template["Resources"].as_object().unwrap().values();
    let tables = resources.filter(|resource| resource["Type"] == "AWS::DynamoDB::Table");
    let request = |table: &Value| {
        let properties = &table["Properties"];
        let name = properties["TableName"]["Fn::Sub"].as_str().unwrap().replace("${AWS::StackName}", STACK);
        // What follows is the end of a restored table's name, and none of these is restored.
        let name = name.split("${").next();
        let mut request = json!({ "TableName": name });
        for kept in ["AttributeDefinitions", "KeySchema", "BillingMode", "GlobalSecondaryIndexes"] {
            if let Some(value) = properties.get(kept) {
                request[kept] = value.clone();
            }
        }
        request
    };
    tables.map(request).collect()
}

#[derive(Clone)]
struct Connector(Arc<Database>);

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

fn client(database: Database) -> SharedHttpClient {
    let connector = SharedHttpConnector::new(Connector(Arc::new(database)));
    http_client_fn(move |_, _| connector.clone())
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default();
        let body = str::from_utf8(request.body().bytes().unwrap_or_default()).unwrap_or_default();
        let (status, answer) = call(&self.0, operation, body);
        let mut response = HttpResponse::new(status.try_into().expect("is a status"), SdkBody::from(answer));
        response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
        HttpConnectorFuture::ready(Ok(response))
    }
}

/// Makes a call, and returns the HTTP status and the body.
fn call(database: &Database, operation: &str, body: &str) -> (u16, String) {
    macro_rules! answer {
        ($call:ident) => {
            serde_json::from_str(body)
                .map_err(|err| (400, json!({ "__type": "SerializationException", "message": err.to_string() }).to_string()))
                .and_then(|request| database.$call(request).map_err(|err| (err.status_code(), err.to_json())))
                .map(|answer| (200, serde_json::to_string(&answer).expect("an answer is JSON")))
                .unwrap_or_else(|refused| refused)
        };
    }
    match operation {
        "CreateTable" => answer!(create_table),
        "PutItem" => answer!(put_item),
        "GetItem" => answer!(get_item),
        "UpdateItem" => answer!(update_item),
        "DeleteItem" => answer!(delete_item),
        "Query" => answer!(query),
        "Scan" => answer!(scan),
        "BatchGetItem" => answer!(batch_get_item),
        "BatchWriteItem" => answer!(batch_write_item),
        "BatchExecuteStatement" => answer!(batch_execute_statement),
        "TransactWriteItems" => answer!(transact_write_items),
        _ => (400, json!({ "__type": "UnknownOperationException" }).to_string()),
    }
}
