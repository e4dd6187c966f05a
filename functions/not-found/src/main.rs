//! The `$default` route: whatever no other route takes, so that an unknown path or method is answered in the API's
//! envelope and not in the gateway's words.

use nano_webhooks::{
    api::{self, ApiError, Gate},
    config, telemetry,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let aws = config::aws()?;
    let gate = Gate::new(&aws)?;
    api::serve(&gate, async |request| Err(ApiError::NotFound(format!("there is no route {}", request.line())))).await
}
