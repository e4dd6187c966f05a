//! The HTTP client of the AWS clients: hyper's pooled client, like the SDK's own, but without HTTP/2. See
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

/// A client with its own connection pool.
pub(super) fn client(tls: ClientConfig, connect_timeout: Duration) -> SharedHttpClient {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(connect_timeout));
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
    // No pool timer: the pool checks a connection's age when it is about to use it.
    let connector = SharedHttpConnector::new(Connector(Client::builder(TokioExecutor::new()).build(connector)));
    http_client_fn(move |_, _| connector.clone())
}

impl SdkConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(|err| ConnectorError::user(err.into()))?;
            // The SDK may retry over another connection after any failure. A write may then run twice: it has a
            // condition, or a second run does no harm.
            let response = client.request(request).await.map_err(|err| ConnectorError::io(err.into()))?;
            let response = response.map(SdkBody::from_body_1_x).try_into();
            response.map_err(|err: aws_smithy_runtime_api::http::HttpError| ConnectorError::other(err.into(), None))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Read as _, Write as _},
        net::{TcpListener, TcpStream},
        sync::mpsc,
        thread,
    };

    use aws_sdk_dynamodb::{
        Client as Table,
        config::{BehaviorVersion, Config, Credentials, Region, retry::RetryConfig},
        types::AttributeValue,
    };

    use super::*;
    use crate::{aws::AMAZON_ROOTS, tls};

    /// Reads a request, headers and body.
    fn read(stream: &mut BufReader<TcpStream>) -> Option<()> {
        let mut length = 0;
        for line in stream.lines() {
            let line = line.ok()?.to_ascii_lowercase();
            if line.is_empty() {
                stream.read_exact(&mut vec![0; length]).ok()?;
                return Some(());
            }
            length = line.strip_prefix("content-length: ").map_or(length, |value| value.parse().unwrap());
        }
        None
    }

    /// A table whose connections each answer two requests, and close when the third arrives.
    fn table() -> (String, mpsc::Receiver<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (connected, connections) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.unwrap());
                if connected.send(()).is_err() {
                    return;
                }
                for _ in 0..2 {
                    if read(&mut stream).is_some() {
                        stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").unwrap();
                    }
                }
                read(&mut stream);
            }
        });
        (url, connections)
    }

    async fn call(client: &Table) {
        let key = AttributeValue::S("1".into());
        client.get_item().table_name("t").key("id", key).send().await.unwrap();
    }

    /// Lambda freezes a function between two events, and a connection may end meanwhile.
    #[tokio::test]
    async fn a_connection_that_ends_as_it_is_used_is_made_again() {
        let (url, connections) = table();
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
            .endpoint_url(url)
            .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(1)))
            .http_client(client(tls::with_roots_of(AMAZON_ROOTS), Duration::from_secs(1)));
        let client = Table::from_conf(config.build());
        for _ in 0..5 {
            call(&client).await;
        }
        assert_eq!(connections.try_iter().count(), 3, "each served two calls, and a third in vain");
    }
}
