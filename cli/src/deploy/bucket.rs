//! The bucket that has the functions' zips and the packaged template of each version.
//!
//! Four kinds of request are all that it takes, so they are signed here with the SDK's own signer. `aws-sdk-s3` would be
//! one more large crate to build for everybody who runs `cargo local`.

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::{Credentials, provider::ProvideCredentials as _};
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningParams, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use reqwest::{Client, Method, StatusCode, redirect::Policy};
use sha2::{Digest as _, Sha256};

use crate::{failure::Failure, http};

/// A zip has a few megabytes, and an operator's network may be slow.
const PATIENCE: Duration = Duration::from_mins(5);
/// Where an upload keeps the file's SHA-256, for [`Bucket::compare`].
const DIGEST: &str = "x-amz-meta-sha256";

/// A bucket of the account.
pub(crate) struct Bucket {
    pub(crate) name: String,
    /// S3 refuses each request if the bucket belongs to another account. Names are global, and this one can be guessed.
    account: String,
    region: String,
    /// The address of S3, which the bucket's name follows.
    endpoint: String,
    credentials: Credentials,
    client: Client,
}

/// What a bucket has under a key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    Nothing,
    TheSame,
    SomethingElse,
}

impl Bucket {
    /// The account's bucket for releases in this region, or the one that the operator names. It need not exist yet.
    pub(crate) async fn of_the_account(aws: &SdkConfig, name: Option<&str>) -> Result<Self, Failure> {
        let region =
            aws.region().ok_or_else(|| Failure::Wrong("there is no region: set AWS_REGION".into()))?.to_string();
        let provider = aws.credentials_provider();
        let provider = provider.ok_or_else(|| Failure::Wrong("there are no AWS credentials".into()))?;
        let credentials = provider.provide_credentials().await?;
        let caller = aws_sdk_sts::Client::new(aws).get_caller_identity().send().await?;
        let account = caller.account().unwrap_or_default().to_owned();
        let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
        let endpoint =
            aws.endpoint_url().map_or_else(|| format!("https://s3.{region}.amazonaws.com{suffix}"), str::to_owned);
        Ok(Self {
            name: name.map_or_else(|| format!("nano-webhooks-{account}-{region}"), str::to_owned),
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            client: http::client(PATIENCE, Policy::none())?,
            account,
            region,
            credentials,
        })
    }

    /// The account's id.
    pub(crate) fn account(&self) -> &str {
        &self.account
    }

    /// The address of a key, for CloudFormation.
    pub(crate) fn url(&self, key: &str) -> String {
        format!("{}/{}/{key}", self.endpoint, self.name)
    }

    /// Creates the bucket if it does not exist. Returns whether it did. Fails if it belongs to another account.
    pub(crate) async fn create(&self) -> Result<bool, Failure> {
        match self.send(Method::HEAD, "", Vec::new(), None).await?.0 {
            StatusCode::OK => return Ok(false),
            StatusCode::NOT_FOUND => {}
            status => return Err(self.refused("could not be looked up", status, b"")),
        }
        // The oldest region has no name here.
        let body = match self.region.as_str() {
            "us-east-1" => String::new(),
            region => format!(
                "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                 <LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
            ),
        };
        match self.send(Method::PUT, "", body.into_bytes(), None).await? {
            (StatusCode::OK, ..) => Ok(true),
            (status, _, reply) => Err(self.refused("could not be created", status, &reply)),
        }
    }

    /// Whether the bucket has something under a key.
    pub(crate) async fn has(&self, key: &str) -> Result<bool, Failure> {
        match self.send(Method::HEAD, key, Vec::new(), None).await? {
            (StatusCode::OK, ..) => Ok(true),
            (StatusCode::NOT_FOUND, ..) => Ok(false),
            (status, _, reply) => Err(self.refused(&format!("would not show {key}"), status, &reply)),
        }
    }

    /// Compares what the bucket has under a key with a SHA-256 in hex.
    pub(crate) async fn compare(&self, key: &str, digest: &str) -> Result<Stored, Failure> {
        let stored = match self.send(Method::HEAD, key, Vec::new(), None).await? {
            (StatusCode::OK, stored, _) => stored,
            (StatusCode::NOT_FOUND, ..) => return Ok(Stored::Nothing),
            (status, _, reply) => return Err(self.refused(&format!("would not show {key}"), status, &reply)),
        };
        // Another client, such as the AWS CLI, stores no digest.
        let stored = match stored {
            Some(stored) => stored,
            None => match self.send(Method::GET, key, Vec::new(), None).await? {
                (StatusCode::OK, _, content) => hex::encode(Sha256::digest(&content)),
                (status, _, reply) => return Err(self.refused(&format!("would not show {key}"), status, &reply)),
            },
        };
        Ok(if stored == digest { Stored::TheSame } else { Stored::SomethingElse })
    }

    /// Stores a file with its SHA-256.
    pub(crate) async fn put(&self, key: &str, content: Vec<u8>, digest: &str) -> Result<(), Failure> {
        match self.send(Method::PUT, key, content, Some(digest)).await? {
            (StatusCode::OK, ..) => Ok(()),
            (status, _, reply) => Err(self.refused(&format!("did not take {key}"), status, &reply)),
        }
    }

    /// Returns a text file's content; `None` if it is not there.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<String>, Failure> {
        match self.send(Method::GET, key, Vec::new(), None).await? {
            (StatusCode::OK, _, content) => Ok(Some(String::from_utf8_lossy(&content).into_owned())),
            (StatusCode::NOT_FOUND, ..) => Ok(None),
            (status, _, reply) => Err(self.refused(&format!("would not show {key}"), status, &reply)),
        }
    }

    /// Sends a signed request; a file's SHA-256 goes with it. Returns the reply's status, the digest of the file that it
    /// is about, and its body.
    async fn send(
        &self,
        method: Method,
        key: &str,
        body: Vec<u8>,
        digest: Option<&str>,
    ) -> Result<(StatusCode, Option<String>, Vec<u8>), Failure> {
        let url = if key.is_empty() { format!("{}/{}", self.endpoint, self.name) } else { self.url(key) };
        let mut headers = vec![("x-amz-expected-bucket-owner", self.account.as_str())];
        headers.extend(digest.map(|digest| (DIGEST, digest)));
        // A file is not hashed again.
        let signed = digest.map_or(SignableBody::Bytes(&body), |digest| SignableBody::Precomputed(digest.to_owned()));
        let signature = self.signature(&method, &url, &headers, signed)?;
        let mut request = self.client.request(method, &url);
        for (name, value) in signature.iter().map(|(name, value)| (*name, value.as_str())).chain(headers) {
            request = request.header(name, value);
        }
        let reply = request.body(body).send().await?;
        let digest = reply.headers().get(DIGEST).and_then(|digest| digest.to_str().ok()).map(str::to_owned);
        Ok((reply.status(), digest, reply.bytes().await?.into()))
    }

    /// The headers that sign a request: <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>
    fn signature(
        &self,
        method: &Method,
        url: &str,
        headers: &[(&str, &str)],
        body: SignableBody<'_>,
    ) -> Result<Vec<(&'static str, String)>, Failure> {
        // S3 signs the path as it is sent, and the body's digest as a header.
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let identity = self.credentials.clone().into();
        let parameters: SigningParams<'_> = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("s3")
            .time(SystemTime::now())
            .settings(settings)
            .build()?
            .into();
        let request = SignableRequest::new(method.as_str(), url, headers.iter().copied(), body)?;
        let (signed, _) = sign(request, &parameters)?.into_parts();
        Ok(signed.into_parts().0.iter().map(|header| (header.name(), header.value().to_owned())).collect())
    }

    fn refused(&self, what: &str, status: StatusCode, reply: &[u8]) -> Failure {
        let reply = String::from_utf8_lossy(reply);
        let advice = match status {
            StatusCode::FORBIDDEN => "it belongs to another account, or you may not use it; --bucket names another one",
            StatusCode::MOVED_PERMANENTLY => "it is in another region; --bucket names another one",
            _ => &reply,
        };
        Failure::Failed(format!("the bucket {} {what} (S3 answered {}): {advice}", self.name, status.as_u16()))
    }
}
