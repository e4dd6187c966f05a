//! An HTTP client that sends exactly the given bytes. Other clients would refuse or correct them.

use std::fmt;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// An answer to a request.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// Whether it answers a HEAD request and so has no body.
    pub(super) to_head: bool,
}

impl Answer {
    /// A header's value, by its name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, headers, body, .. } = self;
        write!(f, "{status} {headers:?} {}", super::shortened(&String::from_utf8_lossy(body)))
    }
}

/// Sends a request to `host:port` and reads the answer to its end.
pub(super) async fn exchange(address: &str, head: &[u8], body: &[u8]) -> Result<Answer, String> {
    let failed = |error: std::io::Error| format!("no answer: {error}");
    #[expect(clippy::disallowed_methods, reason = "tests play the outside world, which does not have the sender")]
    let mut stream = TcpStream::connect(address).await.map_err(failed)?;
    stream.write_all(&[head, body].concat()).await.map_err(failed)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.map_err(failed)?;
    let end =
        answer.windows(4).position(|window| window == b"\r\n\r\n").ok_or("an answer without an end of its head")?;
    let text = String::from_utf8_lossy(&answer[..end]).into_owned();
    let mut lines = text.split("\r\n");
    let status =
        lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).ok_or("an answer without a status")?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    Ok(Answer {
        status,
        headers: headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect(),
        body: answer.split_off(end + 4),
        to_head: head.starts_with(b"HEAD "),
    })
}
