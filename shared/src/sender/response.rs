//! The answer: no more of it than is needed, and safe to show.

use http_body_util::BodyExt as _;
use hyper::{
    body::Incoming,
    header::{HeaderMap, RETRY_AFTER},
};

/// How much of a body is read, in bytes: enough to leave a polite receiver's connection fit for the next delivery.
const READ: usize = 16 * 1024;
/// How much of it is kept for the history, in bytes of safe text.
const KEPT: usize = 1024;

/// The longest `Retry-After` that is looked at, in bytes; an HTTP date has 29.
const LONGEST_RETRY_AFTER: usize = 64;

/// Reads the beginning of a body. True if that was all of it, so that its connection can be used again.
pub(super) async fn read(mut body: Incoming, read: &mut Vec<u8>) -> bool {
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        let Some(data) = frame.data_ref() else { continue };
        let room = READ - read.len();
        read.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() >= room {
            return false;
        }
    }
    true
}

/// The `Retry-After` of a response, if it is short and nothing but visible ASCII and spaces.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    (value.len() <= LONGEST_RETRY_AFTER && !value.contains('\t')).then(|| value.to_owned())
}

/// A stranger's bytes as text that can be shown. Invalid UTF-8 is replaced, and so are control characters other than
/// line feeds and tabs, and those that change the direction of text: nothing in it moves a terminal's cursor, or makes
/// a page show it in another order.
pub(super) fn safe_text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    let mut safe = String::with_capacity(KEPT);
    for char in text.chars() {
        let char = if is_safe(char) { char } else { char::REPLACEMENT_CHARACTER };
        if safe.len() + char.len_utf8() > KEPT {
            break;
        }
        safe.push(char);
    }
    safe
}

fn is_safe(char: char) -> bool {
    match char {
        '\n' | '\t' => true,
        // Direction marks, embeddings, overrides and isolates: <https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters>
        '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => false,
        _ => !char.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn safe_text_keeps_lines_and_replaces_what_could_move_a_cursor() {
        assert_eq!(safe_text(b"ok\r\n\tyes"), "ok\n\tyes");
        assert_eq!(safe_text(b"a\0b\x1b[2J\x7f\xff\rc"), "a\u{FFFD}b\u{FFFD}[2J\u{FFFD}\u{FFFD}\u{FFFD}c");
        assert_eq!(safe_text("a\u{9b}b\u{202e}c\u{2069}".as_bytes()), "a\u{FFFD}b\u{FFFD}c\u{FFFD}");
    }

    #[test]
    fn safe_text_is_at_most_a_kibibyte_whatever_it_replaces() {
        assert_eq!(safe_text(&[0; READ]), "\u{FFFD}".repeat(KEPT / 3));
        assert_eq!(safe_text(&[0xFF; READ]), "\u{FFFD}".repeat(KEPT / 3));
        assert_eq!(safe_text(&[b'x'; READ]), "x".repeat(KEPT));
    }

    #[test]
    fn a_character_on_the_edge_is_kept_whole_or_not_at_all() {
        let text = format!("x{}", "é".repeat(KEPT));
        assert_eq!(safe_text(text.as_bytes()), format!("x{}", "é".repeat(511)));
    }

    #[test]
    fn a_retry_after_is_handed_on_when_it_is_short_plain_text() {
        let handed_on = |value: &[u8]| {
            let value = HeaderValue::from_bytes(value).unwrap();
            retry_after(&HeaderMap::from_iter([(RETRY_AFTER, value)]))
        };
        assert_eq!(handed_on(b"120").as_deref(), Some("120"));
        assert_eq!(handed_on(b"Wed, 21 Oct 2026 07:28:00 GMT").as_deref(), Some("Wed, 21 Oct 2026 07:28:00 GMT"));
        assert_eq!(handed_on(&[b'1'; 64]).as_deref(), Some(&*"1".repeat(64)));
        assert_eq!(handed_on(&[b'1'; 65]), None);
        assert_eq!(handed_on(b"1\t2"), None);
        assert_eq!(handed_on(b"\xff"), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
