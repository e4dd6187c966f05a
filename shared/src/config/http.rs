//! How the AWS clients speak HTTP: through hyper's pooled client, as the SDK's own HTTP client does, but without HTTP/2. See
//! `docs/decisions/0021-the-sdk-speaks-http-1.md`.

use std::time::Duration;

use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_runtime_api::client::{
    http::{HttpConnector as SdkConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
    orchestrator::HttpRequest,
    result::ConnectorError,
};
use aws_smithy_types::body::SdkBody;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::ClientConfig;

#[derive(Debug, Clone)]
struct Connector(Client<HttpsConnector<HttpConnector>, SdkBody>);

/// A client with connections of its own, which are kept and used again.
pub(super) fn client(tls: ClientConfig, connect_timeout: Duration) -> SharedHttpClient {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(connect_timeout));
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
    // Without a timer: how old a connection is, is looked at when it is to be used.
    let connector = SharedHttpConnector::new(Connector(Client::builder(TokioExecutor::new()).build(connector)));
    http_client_fn(move |_, _| connector.clone())
}

impl SdkConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(|err| ConnectorError::user(err.into()))?;
            // Whatever became of a connection, the SDK may try again over another. That holds for writes, too: they have
            // conditions, all but those of statistics.
            let response = client.request(request).await.map_err(|err| ConnectorError::io(err.into()))?;
            let response = response.map(SdkBody::from_body_1_x).try_into();
            response.map_err(|err: aws_smithy_runtime_api::http::HttpError| ConnectorError::other(err.into(), None))
        })
    }
}
