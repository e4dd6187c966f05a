//! `GET /openapi.yaml`: the description of this API, without a key.

use nano_webhooks::{
    api::{self, Reply},
    telemetry,
};

const OPENAPI: &str = include_str!("../../../../openapi.yaml");

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    api::serve_public(|_| {
        let file = Reply::file("application/yaml", OPENAPI);
        Ok(file.with_header("cache-control", "public, max-age=300"))
    })
    .await
}
