//! Signed calls of services for which the command has no crate of the SDK: IAM and X-Ray, two calls in all. A crate for
//! each would take as long to build as the rest of this module together.

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use reqwest::{Client, header::CONTENT_TYPE};

use super::outcome::{Outcome, not_checked};

/// A `POST` to a service of AWS.
pub(super) struct Call<'a> {
    /// The service's name in a signature, such as `iam`.
    pub(super) service: &'a str,
    /// The region in the signature.
    pub(super) region: &'a str,
    /// The service's host, if no other endpoint is set.
    pub(super) host: &'a str,
    pub(super) path: &'a str,
    pub(super) content_type: &'a str,
    pub(super) body: String,
}

/// Makes the call with the command's credentials. Returns the status and the body of the answer.
pub(super) async fn call(aws: &SdkConfig, client: &Client, call: &Call<'_>) -> Outcome<(u16, String)> {
    let base = aws.endpoint_url().map_or_else(|| format!("https://{}", call.host), str::to_owned);
    let url = format!("{}{}", base.trim_end_matches('/'), call.path);
    let Some(provider) = aws.credentials_provider() else {
        return not_checked("there are no credentials", "sign in as for the AWS CLI");
    };
    let identity = provider.provide_credentials().await?.into();
    let signing = v4::SigningParams::builder()
        .identity(&identity)
        .region(call.region)
        .name(call.service)
        .time(std::time::SystemTime::now())
        .settings(SigningSettings::default())
        .build()?
        .into();
    let headers = [("content-type", call.content_type)];
    let body = SignableBody::Bytes(call.body.as_bytes());
    let signable = SignableRequest::new("POST", &url, headers.into_iter(), body)?;
    let (instructions, _) = sign(signable, &signing)?.into_parts();
    let mut request = client.post(&url).header(CONTENT_TYPE, call.content_type).body(call.body.clone());
    for (name, value) in instructions.headers() {
        request = request.header(name, value);
    }
    let reply = request.send().await?;
    Ok((reply.status().as_u16(), reply.text().await?))
}
