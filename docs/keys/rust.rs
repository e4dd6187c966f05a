//! Manages API keys of nano-webhooks: sends one request, and prints the data of the answer.
//!
//! ```sh
//! MANAGE_KEYS_FUNCTION=arn:aws:lambda:… cargo run -- '{"action": "list", "account_id": "acct_1"}'
//! ```
//!
//! Cargo.toml: `aws-config`, `aws-sdk-lambda`, `serde_json`, and `tokio` with "macros" and "rt".

use std::{
    env,
    error::Error,
    io::{self, Write as _},
    process::ExitCode,
};

use aws_config::BehaviorVersion;
use aws_sdk_lambda::{Client, error::DisplayErrorContext, primitives::Blob};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match manage_keys(&env::args().nth(1).unwrap_or_default()).await {
        Ok(data) if writeln!(io::stdout(), "{data}").is_ok() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(err) => {
            eprintln!("{err}");
            ExitCode::FAILURE
        }
    }
}

async fn manage_keys(request: &str) -> Result<Value, Box<dyn Error>> {
    let config = aws_config::defaults(BehaviorVersion::latest())
        // Not needed with the SDK's default features, which include an HTTP client.
        .http_client(http_client())
        .load()
        .await;
    let invoke = Client::new(&config).invoke().function_name(env::var("MANAGE_KEYS_FUNCTION")?);
    let answer = invoke.payload(Blob::new(request)).send().await;
    let answer = answer.map_err(|err| DisplayErrorContext(&err).to_string())?;
    let mut payload: Value = serde_json::from_slice(answer.payload().map(AsRef::as_ref).unwrap_or_default())?;
    // The function itself broke off, for example because its time was over.
    if answer.function_error().is_some() {
        return Err(format!("manage-keys failed: {}", payload["errorMessage"]).into());
    }
    if payload["success"] == false {
        let error = &payload["error"];
        let word = |name: &str| error[name].as_str().unwrap_or_default();
        return Err(format!("{}: {}", word("code"), word("message")).into());
    }
    Ok(payload["data"].take())
}

/// A client with the TLS that the service's tests use; the SDK's own default does as well.
fn http_client() -> aws_sdk_lambda::config::SharedHttpClient {
    use aws_smithy_http_client::tls::{Provider::Rustls, rustls_provider::CryptoMode};
    aws_smithy_http_client::Builder::new().tls_provider(Rustls(CryptoMode::Ring)).build_https()
}
