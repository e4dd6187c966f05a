//! Finds the end of an answer's body while it arrives, and removes its framing.

use std::ops::Range;

use super::head::Length;

/// A body, as far as it has been read.
#[derive(Debug)]
pub(super) struct Body {
    length: Length,
    /// Where the next chunk begins.
    next_chunk: usize,
    /// The data of the chunks before it.
    content: Vec<u8>,
    /// Whether a chunk broke the rules: then nothing after it is read.
    is_broken: bool,
}

/// The next chunk of the bytes that have come.
enum Chunk {
    /// Its data, as a range, and where the next chunk begins.
    Whole(Range<usize>, usize),
    /// The part of its data that has come.
    Cut(Range<usize>),
    /// The last chunk, which is empty, and where the answer ends.
    Last(usize),
    /// Too few bytes have arrived to decide.
    Unfinished,
    Broken,
}

impl Body {
    pub(super) fn new(length: Length) -> Self {
        Self { length, next_chunk: 0, content: Vec::new(), is_broken: false }
    }

    /// Where the body ends, if all of it has come. `bytes` is everything after the head; between calls it only grows.
    pub(super) fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        match self.length {
            Length::Unknown => None,
            Length::Known(length) => usize::try_from(length).ok().filter(|length| *length <= bytes.len()),
            Length::Chunked => self.end_of_chunks(bytes),
        }
    }

    /// The content of the body, as far as it has come.
    pub(super) fn content(mut self, bytes: &[u8]) -> Vec<u8> {
        match self.length {
            Length::Unknown => bytes.to_vec(),
            Length::Known(length) => {
                bytes[..usize::try_from(length).map_or(bytes.len(), |length| length.min(bytes.len()))].to_vec()
            }
            Length::Chunked => {
                self.end_of_chunks(bytes);
                if let (false, Chunk::Cut(data)) = (self.is_broken, chunk(bytes, self.next_chunk)) {
                    self.content.extend_from_slice(&bytes[data]);
                }
                self.content
            }
        }
    }

    fn end_of_chunks(&mut self, bytes: &[u8]) -> Option<usize> {
        while !self.is_broken {
            match chunk(bytes, self.next_chunk) {
                Chunk::Whole(data, next) => {
                    self.content.extend_from_slice(&bytes[data]);
                    self.next_chunk = next;
                }
                Chunk::Last(end) => return Some(end),
                Chunk::Cut(_) | Chunk::Unfinished => break,
                Chunk::Broken => self.is_broken = true,
            }
        }
        None
    }
}

/// Reads the chunk that begins at `at` (RFC 9112, section 7.1). Trailers are not supported: an answer with trailers
/// has no known end.
fn chunk(bytes: &[u8], at: usize) -> Chunk {
    let Some(line) = bytes[at..].iter().position(|byte| *byte == b'\n') else { return Chunk::Unfinished };
    let data = at + line + 1;
    let digits = bytes[at..data].split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let size = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let Some(size) = size.and_then(|text| usize::from_str_radix(text, 16).ok()) else { return Chunk::Broken };
    let Some(end) = data.checked_add(size).filter(|end| *end <= bytes.len()) else {
        return Chunk::Cut(data..bytes.len());
    };
    let next = match &bytes[end..] {
        [b'\r', b'\n', ..] => end + 2,
        [b'\n', ..] => end + 1,
        [] | [b'\r'] if size == 0 => return Chunk::Unfinished,
        [] | [b'\r'] => return Chunk::Cut(data..end),
        _ => return Chunk::Broken,
    };
    if size == 0 { Chunk::Last(next) } else { Chunk::Whole(data..end, next) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the bytes as one piece and byte by byte; both must have the same result.
    fn read(length: Length, bytes: &[u8]) -> (Option<usize>, String) {
        let (mut at_once, mut dripped) = (Body::new(length), Body::new(length));
        let end = at_once.end(bytes);
        let ends = (0..=bytes.len()).find_map(|come| dripped.end(&bytes[..come]));
        assert_eq!(ends, end);
        let contents = [at_once, dripped].map(|body| String::from_utf8(body.content(bytes)).unwrap());
        assert_eq!(contents[0], contents[1]);
        (end, contents[0].clone())
    }

    #[test]
    fn a_length_is_the_end() {
        assert_eq!(read(Length::Known(2), b"ok"), (Some(2), "ok".into()));
        assert_eq!(read(Length::Known(2), b"okHTTP/1.1"), (Some(2), "ok".into()));
        assert_eq!(read(Length::Known(3), b"ok"), (None, "ok".into()));
        assert_eq!(read(Length::Known(u64::MAX), b"ok"), (None, "ok".into()));
        assert_eq!(read(Length::Known(0), b""), (Some(0), String::new()));
        assert_eq!(read(Length::Unknown, b"ok"), (None, "ok".into()));
    }

    #[test]
    fn chunks_are_put_together() {
        let whole = b"2\r\nab\r\n0003;extension=1\r\ncde\r\n0\r\n\r\n";
        assert_eq!(read(Length::Chunked, whole), (Some(whole.len()), "abcde".into()));
        assert_eq!(read(Length::Chunked, b"2\nab\n0\n\n"), (Some(8), "ab".into()));
        assert_eq!(read(Length::Chunked, b"A\r\nabc"), (None, "abc".into()), "what has come of a chunk is shown");
        assert_eq!(read(Length::Chunked, b"2\r\nab\r\n0\r\n\r\nmore"), (Some(12), "ab".into()));
    }

    #[test]
    fn chunks_against_the_rules_have_no_end() {
        for text in [
            "2\r\nab\r\n0\r\nx-trailer: y\r\n\r\n",
            "2\r\nab\r\nzz\r\n",
            "2\r\nab\r\n-1\r\n",
            "2\r\nab\r\n\r\n",
            "2\r\nab\r\nffffffffffffffffff\r\n",
        ] {
            assert_eq!(read(Length::Chunked, text.as_bytes()), (None, "ab".into()), "{text:?}");
        }
        assert_eq!(read(Length::Chunked, b"2\r\nabc\r\n0\r\n\r\n"), (None, String::new()));
        assert_eq!(read(Length::Chunked, b"ffffffffffffffff\r\nab"), (None, "ab".into()));
    }
}
