//! Parses the head of an answer: its status, and the few headers that matter here.
//!
//! The status decides, so a badly written header is tolerated, as curl and the libraries of Python, Node and Java do.
//! That lets no other answer be smuggled in: the connection ends after any answer that breaks the rules of RFC 9112,
//! so that the next answer cannot be mistaken.

use super::response::one_line;
use crate::webhook::is_of_a_header_name;

/// The largest status and headers of a response together, in bytes. Node's clients and servers have the same limit.
pub(super) const LARGEST_HEAD: usize = 16 * 1024;

/// The parsed head of an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    /// How the end of the body is found.
    pub(super) length: Length,
    /// Whether the head allows another request on this connection after this answer.
    pub(super) keeps_alive: bool,
    /// The first `Retry-After`, as it was written.
    pub(super) retry_after: Option<String>,
    /// Where a redirect leads, as it was written.
    pub(super) location: Option<String>,
    pub(super) content_type: String,
    pub(super) content_encoding: String,
}

/// How the end of a body is found.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// The body has this many bytes.
    Known(u64),
    /// The body comes in chunks.
    Chunked,
    /// The body ends with the connection.
    #[default]
    Unknown,
}

/// The result of parsing the bytes that have come so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// A complete head, and its length in bytes.
    Whole(Head, usize),
    /// The beginning of a head.
    Unfinished,
    /// Not HTTP/1.
    NotHttp,
    /// Longer than [`LARGEST_HEAD`].
    TooLarge,
}

/// Parses a head at the beginning of the bytes that have come.
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let rest = &bytes[blank..];
    if !is_beginning_of_status(rest) {
        return Parsed::NotHttp;
    }
    match end_of_head(rest) {
        Some(end) if blank + end <= LARGEST_HEAD => match head(&rest[..end]) {
            Some(head) => Parsed::Whole(head, blank + end),
            None => Parsed::NotHttp,
        },
        None if bytes.len() <= LARGEST_HEAD => Parsed::Unfinished,
        _ => Parsed::TooLarge,
    }
}

impl Head {
    /// Whether this is an interim response: the final head follows.
    pub(super) fn is_interim(&self) -> bool {
        // After 101 the receiver speaks another protocol.
        (100..=199).contains(&self.status) && self.status != 101
    }
}

/// Whether this is `HTTP/1.` and a digit, or the beginning of that.
fn is_beginning_of_status(bytes: &[u8]) -> bool {
    bytes.iter().zip(b"HTTP/1.").all(|(byte, expected)| byte == expected) && bytes.get(7).is_none_or(u8::is_ascii_digit)
}

/// Where the first empty line ends.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let mut line_start = 0;
    loop {
        let line_end = line_start + bytes[line_start..].iter().position(|byte| *byte == b'\n')? + 1;
        if matches!(&bytes[line_start..line_end], b"\n" | b"\r\n") {
            return Some(line_end);
        }
        line_start = line_end;
    }
}

/// Parses a complete head. `None` if the first line has no status.
fn head(bytes: &[u8]) -> Option<Head> {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let (minor, status) = status(lines.next()?)?;
    let (headers, mut is_proper) = headers(lines);
    let mut head = Head { status, ..Head::default() };
    let (mut lengths, mut codings, mut closes) = (Vec::new(), Vec::new(), false);
    for (name, value) in headers {
        match &*name {
            "content-length" => lengths.push(value),
            "transfer-encoding" => codings.push(value),
            "connection" => closes |= has_word(&value, "close"),
            "retry-after" if head.retry_after.is_none() => head.retry_after = String::from_utf8(value).ok(),
            "location" if head.location.is_none() => head.location = Some(one_line(&value)),
            "content-type" => head.content_type = String::from_utf8_lossy(&value).into_owned(),
            "content-encoding" => head.content_encoding = one_line(&value),
            _ => {}
        }
    }
    is_proper &= codings.is_empty() || lengths.is_empty();
    is_proper &= lengths.len() <= 1 && codings.len() <= 1;
    head.length = length(status, &lengths, &codings);
    head.keeps_alive = is_proper && !closes && minor == b'1' && status != 101 && head.length != Length::Unknown;
    Some(head)
}

/// The minor version and the status of `HTTP/1.1 200 OK`.
fn status(line: &[u8]) -> Option<(u8, u16)> {
    let minor = *line.get(7)?;
    let rest = line[8..].strip_prefix(b" ")?.trim_ascii_start();
    let (digits, after) = rest.split_at_checked(3)?;
    let is_over = after.first().is_none_or(u8::is_ascii_whitespace);
    let status = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (is_over && digits.iter().all(u8::is_ascii_digit) && status >= 100).then_some((minor, status))
}

/// The headers of all lines that have a name and a value, names in lower case; and whether all lines follow the
/// rules.
fn headers<'a>(lines: impl Iterator<Item = &'a [u8]>) -> (Vec<(String, Vec<u8>)>, bool) {
    let mut headers: Vec<(String, Vec<u8>)> = Vec::new();
    let mut are_proper = true;
    for line in lines.filter(|line| !line.is_empty()) {
        if matches!(line[0], b' ' | b'\t') {
            // A folded line belongs to the header before it.
            are_proper = false;
            if let Some((_, value)) = headers.last_mut() {
                *value = [value, line.trim_ascii()].join(&b' ');
            }
            continue;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            are_proper = false;
            continue;
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        are_proper &= !name.is_empty() && name.iter().all(|byte| is_of_a_header_name(*byte));
        are_proper &= value.iter().all(|byte| !byte.is_ascii_control() || *byte == b'\t');
        headers.push((String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase(), value.to_vec()));
    }
    (headers, are_proper)
}

fn length(status: u16, lengths: &[Vec<u8>], codings: &[Vec<u8>]) -> Length {
    let known = |text: &[u8]| {
        let digits = std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        digits.and_then(|text| text.parse().ok()).map(Length::Known)
    };
    match (codings, lengths) {
        _ if matches!(status, 204 | 304) || (100..=199).contains(&status) => Length::Known(0),
        ([coding], _) if coding.eq_ignore_ascii_case(b"chunked") => Length::Chunked,
        ([], [length]) => known(length).unwrap_or_default(),
        _ => Length::Unknown,
    }
}

/// Whether the header's list, separated by commas, contains this word.
fn has_word(value: &[u8], word: &str) -> bool {
    value.split(|byte| *byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &[u8]) -> Head {
        match parse(text) {
            Parsed::Whole(head, length) if length == text.len() => head,
            other => panic!("{}: {other:?}", String::from_utf8_lossy(text)),
        }
    }

    #[test]
    fn a_head_by_the_rules_is_read_and_its_connection_kept() {
        let head = whole(
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 12\r\nRetry-After: 7\r\nContent-Type: text/plain\r\n\r\n",
        );
        assert_eq!((head.status, head.length, head.keeps_alive), (503, Length::Known(12), true));
        assert_eq!((head.retry_after.as_deref(), &*head.content_type), (Some("7"), "text/plain"));
        let chunked = whole(b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n");
        assert_eq!((chunked.length, chunked.keeps_alive), (Length::Chunked, true));
        assert!(whole(b"HTTP/1.1 204\r\n\r\n").keeps_alive, "it has no body");
    }

    #[test]
    fn a_head_against_the_rules_is_read_and_its_connection_not_kept() {
        for headers in [
            &b"x-a: a\r\n b"[..],
            b"x-a: a\r\n\tb",
            b" folded: first",
            b"content-length : 2",
            b"a line without a colon",
            b"x powered by: x",
            b": x",
            b"x-\xe9: x",
            b"\xff\xfe: x",
            b"x: a\0b",
            b"content-length: 2\r\ntransfer-encoding: chunked",
            b"transfer-encoding: gzip, chunked",
            b"transfer-encoding: chunked\r\ntransfer-encoding: chunked",
            b"content-length: 2\r\ncontent-length: 3",
            b"content-length: 2, 2",
            b"content-length:",
            b"content-length: +2",
            b"content-length: 99999999999999999999",
            b"x: without a length",
            b"connection: keep-alive, Close\r\ncontent-length: 2",
        ] {
            for status in [200, 410, 500] {
                let text = [format!("HTTP/1.1 {status} X\r\n").as_bytes(), headers, b"\r\n\r\n"].concat();
                let head = whole(&text);
                assert_eq!((head.status, head.keeps_alive), (status, false), "{}", String::from_utf8_lossy(&text));
            }
        }
        assert!(!whole(b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n").keeps_alive);
        assert!(!whole(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").keeps_alive);
    }

    #[test]
    fn what_is_odd_hides_nothing_of_the_rest() {
        let head = whole(b"HTTP/1.1 429 X\nno colon\nRetry-After : 1\n 20\nContent-Length: 18446744073709551615\n\n");
        assert_eq!((head.status, head.length), (429, Length::Known(u64::MAX)));
        assert_eq!(head.retry_after.as_deref(), Some("1 20"));
        let head = whole(b"HTTP/1.1 308 X\r\nLocation: /\xe9\x1b[2J\r\nlocation: /second\r\n\r\n");
        assert_eq!(head.location.as_deref(), Some("/\u{FFFD}\u{FFFD}[2J"));
    }

    #[test]
    fn a_status_is_three_digits_after_http_1() {
        for text in
            ["HTTP/1.1 200\r\n\r\n", "\r\nHTTP/1.1 200 OK\r\n\r\n", "HTTP/1.0  200 OK\n\n", "HTTP/1.1 200\tOK\n\n"]
        {
            assert_eq!(whole(text.as_bytes()).status, 200, "{text:?}");
        }
        for text in [
            "HTTP/2 200 OK\r\n\r\n",
            "http/1.1 200\n\n",
            "HTTP/1.1 1000 X\n\n",
            "HTTP/1.1 099 X\n\n",
            "<html>",
            "HTTP/1.1200 OK\n\n",
            "HTTP/1.1 2x0 X\n\n",
            "HTTP/1.1\n\n",
            "HTTP/1.1 \n\n",
            "HTTP/1.x",
            "\x01",
            "HTTQ",
        ] {
            assert_eq!(parse(text.as_bytes()), Parsed::NotHttp, "{text:?}");
        }
    }

    #[test]
    fn of_every_beginning_of_a_head_nothing_is_decided() {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n";
        for end in 0..head.len() {
            assert_eq!(parse(&head[..end]), Parsed::Unfinished, "{end}");
        }
        assert!(matches!(parse(head), Parsed::Whole(..)));
        let and_more = [&head[..], b"ok"].concat();
        assert!(matches!(parse(&and_more), Parsed::Whole(_, length) if length == head.len()));
    }

    #[test]
    fn a_head_is_at_most_16_kib() {
        let of = |bytes: usize| {
            let frame = "HTTP/1.1 200 OK\r\nx: \r\n\r\n".len();
            format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(bytes - frame)).into_bytes()
        };
        assert!(matches!(parse(&of(LARGEST_HEAD)), Parsed::Whole(..)));
        assert_eq!(parse(&of(LARGEST_HEAD + 1)), Parsed::TooLarge);
        assert_eq!(parse(&of(2 * LARGEST_HEAD)[..=LARGEST_HEAD]), Parsed::TooLarge);
    }

    #[test]
    fn a_1xx_is_not_the_answer_and_101_is() {
        assert!(whole(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n").is_interim());
        assert!(!whole(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").is_interim());
        assert!(!whole(b"HTTP/1.1 200 OK\r\n\r\n").is_interim());
    }
}
