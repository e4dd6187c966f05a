//! The `$default` route: every request that no other route takes. It answers an unknown path or method in the API's
//! envelope, not in the gateway's. A person who types only the host name, or an extra slash after `/console` or
//! `/docs`, is redirected to the page.

use lambda_http::{Request, RequestExt as _, http::Method};
use nano_webhooks::{
    api::{self, ApiError, Gate, Reply},
    aws, telemetry,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let aws = aws::config()?;
    let gate = Gate::from_env(&aws)?;
    let no_route =
        async |request: api::Request| Err(ApiError::NotFound(format!("there is no route {}", request.line())));
    api::serve_partly_public(&gate, to_a_page, no_route).await
}

/// Returns the redirect for a path that a person may type to reach the console or the API's page.
fn to_a_page(request: &Request) -> Option<Reply> {
    let is_asked = matches!(*request.method(), Method::GET | Method::HEAD);
    match request.raw_http_path() {
        "/" | "" if is_asked => Some(Reply::redirect("console")),
        "/console/" if is_asked => Some(Reply::redirect("../console")),
        "/docs/" if is_asked => Some(Reply::redirect("../docs")),
        _ => None,
    }
}
