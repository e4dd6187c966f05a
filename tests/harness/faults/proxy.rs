//! The HTTP side of the fault injector: reads a call, applies the chosen fault, and forwards what is left of it.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::{
        HeaderMap, Response, StatusCode,
        header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING},
    },
};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, time::sleep};

use super::{
    Fault, HELD, Inner, LATER,
    call::{Call, LeftOut},
};

type Answer = io::Result<Response<Body>>;

pub(super) async fn serve(listener: TcpListener, proxy: &Arc<Inner>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let proxy = Arc::clone(proxy);
        tokio::spawn(async move {
            let calls = service_fn(|request| answer(&proxy, request));
            // This fails if `answer` returned an error: that is how the connection is dropped.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), calls).await;
        });
    }
}

async fn answer(proxy: &Arc<Inner>, request: Request<Incoming>) -> Answer {
    let call = Call::read(request).await?;
    match proxy.choose(&call) {
        None => forward(proxy, call, Duration::ZERO).await,
        Some(Fault::Throttled) => Ok(refusal(StatusCode::BAD_REQUEST, call.throttled())),
        Some(Fault::Broken) => Ok(refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError")),
        Some(Fault::Lost) => Err(dropped()),
        Some(Fault::AnswerLost) => {
            forward(proxy, call, Duration::ZERO).await?;
            Err(dropped())
        }
        Some(Fault::Held) => {
            sleep(HELD).await;
            Err(dropped())
        }
        Some(Fault::Late) => {
            let later = LATER.mul_f64(proxy.rng().f64());
            forward(proxy, call, HELD + later).await?;
            Err(dropped())
        }
        Some(Fault::Partial) => {
            let mut call = call;
            match call.leave_out(&mut proxy.rng()) {
                Some(left_out) => forward_in_part(proxy, call, left_out).await,
                None => forward(proxy, call, Duration::ZERO).await,
            }
        }
        Some(Fault::Limited) => {
            let (mut call, refused) = (call.clone(), proxy.refused(&call));
            let left_out = call.leave_out_statements(refused);
            forward_in_part(proxy, call, left_out).await
        }
        Some(Fault::Lagging) => {
            let lag = call.lag();
            let answer = forward(proxy, call, Duration::ZERO).await?;
            changed(answer, |body| lag(body, proxy.lagging(), &mut proxy.rng())).await
        }
    }
}

/// Forwards a call after a delay. The call arrives even if its caller has given it up meanwhile, as if it was on the
/// wire.
async fn forward(proxy: &Arc<Inner>, call: Call, after: Duration) -> Answer {
    proxy.under_way.fetch_add(1, Ordering::SeqCst);
    let sending = Arc::clone(proxy);
    let sent = tokio::spawn(async move {
        sleep(after).await;
        let answer = send(&sending, call).await;
        sending.under_way.fetch_sub(1, Ordering::SeqCst);
        answer
    });
    let (status, headers, body) = sent.await?.map_err(io::Error::other)?;
    Ok(response(status, headers, body))
}

/// Forwards what is left of a batch, and adds to the answer what was left out.
async fn forward_in_part(proxy: &Arc<Inner>, call: Call, left_out: LeftOut) -> Answer {
    if call.is_empty() {
        return Ok(response(StatusCode::OK, HeaderMap::new(), left_out.confess(b"{}")));
    }
    changed(forward(proxy, call, Duration::ZERO).await?, |body| left_out.confess(body)).await
}

/// Replaces the body of an answer if it is a success.
async fn changed(answer: Response<Body>, change: impl FnOnce(&[u8]) -> Bytes) -> Answer {
    let (parts, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.map_err(io::Error::other)?;
    let body = if parts.status.is_success() { change(&body) } else { body };
    Ok(response(parts.status, parts.headers, body))
}

async fn send(proxy: &Inner, call: Call) -> reqwest::Result<(StatusCode, HeaderMap, Bytes)> {
    let emulator = proxy.emulator.get().expect("no function runs before the emulator");
    // The Host header still names the proxy: it is part of what the function signed.
    let request = proxy.client.request(call.method, format!("{emulator}{}", call.path));
    let answer = request.headers(call.headers).body(call.body).send().await?;
    Ok((answer.status(), answer.headers().clone(), answer.bytes().await?))
}

fn response(status: StatusCode, mut headers: HeaderMap, body: Bytes) -> Response<Body> {
    for of_the_other_connection in [CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION] {
        headers.remove(of_the_other_connection);
    }
    // This checksum is wrong if the body was changed.
    headers.remove("x-amz-crc32");
    let mut response = Response::new(Body::from(body));
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    response
}

fn refusal(status: StatusCode, code: &str) -> Response<Body> {
    let body = format!(r#"{{"__type":"{code}","message":"injected by the tests"}}"#);
    response(status, HeaderMap::new(), body.into())
}

fn dropped() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}
