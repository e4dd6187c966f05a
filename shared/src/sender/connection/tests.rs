use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
};

use tokio::time::timeout;

use super::*;
use crate::sender::socket::Socket;

/// A connection, and the receiver's end of it.
#[expect(clippy::disallowed_methods, reason = "both ends are the test's own")]
pub(in crate::sender) async fn connection() -> (Connection, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (Connection::new(Stream::Plain(Socket::new(stream).unwrap())), listener.accept().unwrap().0)
}

fn request(body: &str) -> Request<'_> {
    Request::post("/", &[("Host", &"example.com")], body).unwrap()
}

/// Makes an exchange in which both sides follow the rules.
async fn exchange(connection: &mut Connection, peer: &mut TcpStream) {
    let request = request("first");
    peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
    let head = connection.send(&request).await.unwrap();
    assert!(connection.finish(&request, &head).await);
    assert_eq!(connection.take_body(&head), b"ok");
    peer.read_exact(&mut vec![0; request.len()]).unwrap();
}

#[tokio::test]
async fn what_comes_between_the_look_and_the_first_byte_stops_the_request() {
    let (mut connection, mut peer) = connection().await;
    exchange(&mut connection, &mut peer).await;
    assert!(connection.is_fit(Instant::now()));
    peer.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").unwrap();
    let failed = connection.send(&request("second")).await.unwrap_err();
    assert!(!failed.was_sent);
    peer.set_nonblocking(true).unwrap();
    assert!(peer.read(&mut [0]).is_err_and(|err| err.kind() == io::ErrorKind::WouldBlock), "nothing was sent");
}

#[tokio::test]
async fn a_connection_that_ended_between_the_look_and_the_first_byte_has_sent_nothing() {
    let (mut connection, mut peer) = connection().await;
    exchange(&mut connection, &mut peer).await;
    drop(peer);
    assert!(!connection.send(&request("second")).await.unwrap_err().was_sent);
}

#[tokio::test]
async fn a_connection_whose_request_was_not_taken_is_not_kept() {
    let (mut connection, mut peer) = connection().await;
    let body = "x".repeat(16 * 1024 * 1024);
    let request = request(&body);
    peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
    let head = connection.send(&request).await.unwrap();
    let finished = timeout(Duration::from_millis(100), connection.finish(&request, &head)).await;
    assert!(!finished.unwrap_or(false), "more than any socket holds is still to be written");
    assert_eq!(connection.take_body(&head), b"ok");
}

/// Bytes that wait in our kernel for room at the receiver would be sent before the next request.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_connection_that_is_kept_has_its_whole_request_at_the_receiver() {
    let (mut kept, mut not_kept) = (0, 0);
    for kib in 1..=150 {
        let (mut connection, mut peer) = connection().await;
        let body = "x".repeat(kib * 1024);
        let request = request(&body);
        peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
        let head = connection.send(&request).await.unwrap();
        if timeout(Duration::from_millis(20), connection.finish(&request, &head)).await.unwrap_or(false) {
            let arrived = rustix::io::ioctl_fionread(&peer).unwrap();
            assert_eq!(arrived, request.len() as u64, "of {kib} KiB");
            kept += 1;
        } else {
            not_kept += 1;
        }
    }
    assert!(kept > 0 && not_kept > 0, "{kept} and {not_kept}: both are tried");
}

/// The connection has a second for that, which a busy machine may miss: one success in a few tries is enough.
#[tokio::test]
async fn a_request_that_is_taken_after_the_answer_is_written_to_its_end() {
    for _ in 0..5 {
        if is_written_to_its_end_after_the_answer().await {
            return;
        }
    }
    panic!("the request was never written to its end");
}

async fn is_written_to_its_end_after_the_answer() -> bool {
    let (mut connection, mut peer) = connection().await;
    let body = "x".repeat(16 * 1024 * 1024);
    let request = request(&body);
    peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
    let head = connection.send(&request).await.unwrap();
    let length = request.len();
    let reads = std::thread::spawn(move || peer.read_exact(&mut vec![0; length]));
    let is_written = timeout(Duration::from_secs(10), connection.finish(&request, &head)).await.unwrap();
    drop(connection);
    assert!(reads.join().unwrap().is_ok() || !is_written);
    is_written
}
