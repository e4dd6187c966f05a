//! Deflates texts with a dictionary: what a text has in common with the dictionary takes almost no bytes.
//!
//! The bytes are a raw deflate stream (RFC 1951). Every zlib reads it with the same dictionary.

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// The lowest of deflate's levels that leaves about as little as the highest.
const LEVEL: u32 = 4;
const ROOM: &str = "deflate adds less to a text than the buffer has room for";

thread_local! {
    /// Used for one text after the other: a new stream first clears a quarter of a megabyte.
    static DEFLATE: RefCell<Compress> = RefCell::new(Compress::new(Compression::new(LEVEL), false));
}

/// Appends a deflated text to `stored`.
pub(super) fn deflate(text: &str, dictionary: &[u8], stored: &mut Vec<u8>) {
    stored.reserve(text.len() + text.len() / 8 + 64);
    let status = DEFLATE.with_borrow_mut(|deflate| {
        deflate.reset();
        deflate.set_dictionary(dictionary).expect("a stream takes a dictionary before its first byte");
        deflate.compress_vec(text.as_bytes(), stored, FlushCompress::Finish).expect(ROOM)
    });
    assert_eq!(status, Status::StreamEnd, "{ROOM}");
}

/// Returns the text that was deflated with this dictionary. Fails if it was not, or if the text is much longer than `most`
/// bytes.
pub(super) fn inflate(deflated: &[u8], dictionary: &[u8], most: usize) -> Result<String, &'static str> {
    const BROKEN: &str = "a text cannot be inflated";
    let mut inflate = Decompress::new(false);
    inflate.set_dictionary(dictionary).map_err(|_| BROKEN)?;
    let mut text = Vec::with_capacity(4 * deflated.len());
    loop {
        let rest = &deflated[usize::try_from(inflate.total_in()).map_err(|_| BROKEN)?..];
        match inflate.decompress_vec(rest, &mut text, FlushDecompress::Finish) {
            Ok(Status::StreamEnd) => return String::from_utf8(text).map_err(|_| BROKEN),
            Ok(_) if text.len() == text.capacity() && text.len() <= most => text.reserve(text.len().max(64)),
            _ => return Err(BROKEN),
        }
    }
}
