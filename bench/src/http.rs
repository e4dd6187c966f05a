//! The common part of the servers: HTTP/1.1 with keep-alive; requests and answers are read and sent whole.

use std::{convert::Infallible, net::Ipv4Addr};

use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};

use crate::failure::{Failure, Result};

pub(crate) type Answer = Response<Full<Bytes>>;

/// A listener on a free port of 127.0.0.1, for [`accept`], and its port.
pub(crate) fn listen() -> Result<(std::net::TcpListener, u16)> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Failure::to("listen"))?;
    listener.set_nonblocking(true).map_err(Failure::to("listen"))?;
    let port = listener.local_addr().map_err(Failure::to("listen"))?.port();
    Ok((listener, port))
}

/// Accepts connections for as long as the runtime lives, and passes each to `serve`.
pub(crate) async fn accept<F>(listener: std::net::TcpListener, serve: impl Fn(TcpStream) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::from_std(listener).expect("the listener is not blocking");
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            tokio::spawn(serve(stream));
        }
    }
}

/// Answers requests on a connection until the client closes it.
pub(crate) async fn speak<F>(stream: impl AsyncRead + AsyncWrite + Unpin, answer: impl Fn(Request<Bytes>) -> F)
where
    F: Future<Output = Answer>,
{
    let service = service_fn(async |request: Request<Incoming>| {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Ok::<_, Infallible>(answer(Request::from_parts(head, body)).await)
    });
    // An error means that the client has closed the connection; the instruments check elsewhere that the work was
    // done.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// An answer with a JSON body.
pub(crate) fn json(status: u16, body: impl Into<Bytes>) -> Answer {
    let answer = Response::builder().status(status).header("content-type", "application/x-amz-json-1.0");
    answer.body(Full::new(body.into())).expect("the status exists")
}
