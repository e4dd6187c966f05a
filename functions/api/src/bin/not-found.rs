//! The `$default` route: whatever no other route takes, so that an unknown path or method is answered in the API's
//! envelope and not in the gateway's words. Who types the host's name alone, or a slash too many, comes to the page.

use lambda_http::{Request, RequestExt as _, http::Method};
use nano_webhooks::{
    api::{self, ApiError, Gate, Reply},
    config, telemetry,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let aws = config::aws()?;
    let gate = Gate::from_env(&aws)?;
    let no_route =
        async |request: api::Request| Err(ApiError::NotFound(format!("there is no route {}", request.line())));
    api::serve_partly_public(&gate, to_a_page, no_route).await
}

/// The redirect for what a person may type who means the console or the API's page.
fn to_a_page(request: &Request) -> Option<Reply> {
    let is_asked = matches!(*request.method(), Method::GET | Method::HEAD);
    match request.raw_http_path() {
        "/" | "" if is_asked => Some(Reply::redirect("console")),
        "/console/" if is_asked => Some(Reply::redirect("../console")),
        "/docs/" if is_asked => Some(Reply::redirect("../docs")),
        _ => None,
    }
}
