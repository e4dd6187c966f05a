//! A receiver on this machine, for the test delivery on the local stack.

use std::{convert::Infallible, net::Ipv4Addr};

use http_body_util::{BodyExt as _, Collected};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use nano_webhooks::{signature, webhook::Secret};
use tokio::{
    net::TcpListener,
    sync::mpsc::{self, UnboundedReceiver},
    task,
};

/// An HTTP server on a free port of 127.0.0.1. It runs until the process ends.
pub(super) struct Receiver {
    pub(super) url: String,
    arrived: UnboundedReceiver<Arrived>,
}

/// One request that the server received.
pub(super) struct Arrived {
    timestamp: String,
    signature: String,
    pub(super) id: String,
    body: String,
}

impl Receiver {
    pub(super) async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}/nano-webhooks-doctor", listener.local_addr()?);
        let (sender, arrived) = mpsc::unbounded_channel();
        task::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sender = sender.clone();
                let service = service_fn(move |request| {
                    let sender = sender.clone();
                    async move {
                        let arrived = Arrived::read(request).await;
                        // Fails only if the doctor has ended.
                        let _ = sender.send(arrived);
                        Ok::<_, Infallible>(Response::new(String::new()))
                    }
                });
                task::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Ok(Self { url, arrived })
    }

    /// The next request that was received; `None` if there is none yet.
    pub(super) fn next(&mut self) -> Option<Arrived> {
        self.arrived.try_recv().ok()
    }
}

impl Arrived {
    async fn read(request: Request<Incoming>) -> Self {
        let header =
            |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().into();
        let [timestamp, signature, id] = ["x-nano-timestamp", "x-nano-signature", "webhook-id"].map(header);
        let body = request.into_body().collect().await.map(Collected::to_bytes).unwrap_or_default();
        Self { timestamp, signature, id, body: String::from_utf8_lossy(&body).into_owned() }
    }

    /// Whether the request was signed with this secret.
    pub(super) fn is_signed_with(&self, secret: &Secret) -> bool {
        let timestamp = self.timestamp.parse().ok();
        timestamp.is_some_and(|timestamp| signature::nano_signature(secret, timestamp, &self.body) == self.signature)
    }
}
