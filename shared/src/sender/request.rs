//! The request as it is sent.

use std::{
    fmt::{Display, Write as _},
    io::IoSlice,
};

use zeroize::Zeroizing;

/// A complete POST request. Header names keep their spelling. It has no `Debug`, because headers may be secrets; their
/// memory is zeroed when it is dropped.
pub(super) struct Request<'a> {
    head: Zeroizing<String>,
    body: &'a [u8],
}

/// Which part of a request cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error("{0} has characters that are not visible ASCII")]
pub(super) struct Unsendable(String);

impl<'a> Request<'a> {
    pub(super) fn post(path: &str, headers: &[(&str, &dyn Display)], body: &'a str) -> Result<Self, Unsendable> {
        if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Unsendable("the path".into()));
        }
        let mut head = Zeroizing::new(format!("POST {path} HTTP/1.1\r\n"));
        for (name, value) in headers {
            let from = head.len();
            let _ = write!(head, "{name}: {value}");
            // A line break would start another header.
            if !head[from..].bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
                return Err(Unsendable((*name).into()));
            }
            head.push_str("\r\n");
        }
        let _ = write!(head, "Content-Length: {}\r\n\r\n", body.len());
        Ok(Self { head, body: body.as_bytes() })
    }

    /// The request's length, in bytes.
    pub(super) fn len(&self) -> usize {
        self.head.len() + self.body.len()
    }

    /// The rest of the request after this many bytes.
    pub(super) fn rest(&self, after: usize) -> [IoSlice<'_>; 2] {
        let in_head = after.min(self.head.len());
        [IoSlice::new(&self.head.as_bytes()[in_head..]), IoSlice::new(&self.body[after - in_head..])]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(request: &Request<'_>, after: usize) -> Vec<u8> {
        request.rest(after).iter().flat_map(|part| part.to_vec()).collect()
    }

    #[test]
    fn it_is_written_as_given_and_every_rest_of_it_is_the_rest() {
        let request = Request::post("/a?b", &[("Host", &"example.com"), ("webhook-id", &7)], "{}").unwrap();
        let whole = b"POST /a?b HTTP/1.1\r\nHost: example.com\r\nwebhook-id: 7\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(request.len(), whole.len());
        for after in 0..=whole.len() {
            assert_eq!(written(&request, after), whole[after..], "{after}");
        }
    }

    #[test]
    fn a_value_cannot_begin_another_header() {
        for value in ["a\r\nb: c", "a\nb", "a\0", "\u{e9}", "a\tb"] {
            assert!(Request::post("/", &[("traceparent", &value)], "").is_err(), "{value:?}");
        }
        assert!(Request::post("/ HTTP/1.1\r\na: b", &[], "").is_err());
    }
}
