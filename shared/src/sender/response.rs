//! Prepares the parts of an answer that customers see: short, and safe to show.

use encoding_rs::{Encoding, UTF_8};

use crate::visible;

/// How much of a body is kept for the history, in bytes of safe text: with its keys, less than the 1,024 bytes of a
/// write unit.
pub(super) const KEPT: usize = 850;
/// How much of a header is kept, in bytes of safe text.
const KEPT_OF_A_HEADER: usize = 300;

/// The beginning of a body as text, decoded as its `Content-Type` declares. A compressed body, which the request does
/// not ask for, is not shown, only named: it could contain anything, and be of any size.
pub(super) fn text(body: &[u8], content_type: &str, content_encoding: &str) -> String {
    if !body.is_empty() && !matches!(&*content_encoding.to_ascii_lowercase(), "" | "identity") {
        return safe_text(&format!("(not shown: it came with Content-Encoding {content_encoding})"), KEPT);
    }
    let (text, _, _) = charset(content_type).unwrap_or(UTF_8).decode(body);
    safe_text(&text, KEPT)
}

/// The encoding that a `Content-Type` declares, if it is a known one.
fn charset(content_type: &str) -> Option<&'static Encoding> {
    let mut parameters = content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let (_, label) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))?;
    Encoding::for_label(label.trim().trim_matches('"').as_bytes())
}

/// A header's value as safe text on one line.
pub(super) fn one_line(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value).replace(['\n', '\t'], " ");
    safe_text(&text, KEPT_OF_A_HEADER)
}

/// A stranger's text, made safe to show, at most `most` bytes. Control characters other than line feeds and tabs are
/// replaced, and so are characters that change the direction of text: they could move a terminal's cursor, or make a
/// page show the text in another order.
fn safe_text(text: &str, most: usize) -> String {
    let text = text.replace("\r\n", "\n");
    let mut safe = String::with_capacity(most.min(text.len()));
    for char in text.chars() {
        let is_safe = matches!(char, '\n' | '\t') || !visible::is_obeyed(char);
        let char = if is_safe { char } else { char::REPLACEMENT_CHARACTER };
        if safe.len() + char.len_utf8() > most {
            break;
        }
        safe.push(char);
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    const MUCH: usize = 16 * 1024;

    fn plain(body: &[u8]) -> String {
        text(body, "", "")
    }

    #[test]
    fn text_keeps_lines_and_replaces_what_could_move_a_cursor() {
        assert_eq!(plain(b"ok\r\n\tyes"), "ok\n\tyes");
        assert_eq!(plain(b"a\0b\x1b[2J\x7f\xff\rc"), "a\u{FFFD}b\u{FFFD}[2J\u{FFFD}\u{FFFD}\u{FFFD}c");
        assert_eq!(plain("a\u{9b}b\u{202e}c\u{2069}".as_bytes()), "a\u{FFFD}b\u{FFFD}c\u{FFFD}");
    }

    #[test]
    fn text_is_never_longer_than_what_is_kept_whatever_it_replaces() {
        assert_eq!(plain(&[0; MUCH]), "\u{FFFD}".repeat(KEPT / 3));
        assert_eq!(plain(&[0xFF; MUCH]), "\u{FFFD}".repeat(KEPT / 3));
        assert_eq!(plain(&[b'x'; MUCH]), "x".repeat(KEPT));
    }

    #[test]
    fn a_character_on_the_edge_is_kept_whole_or_not_at_all() {
        let body = format!("x{}", "é".repeat(KEPT));
        assert_eq!(plain(body.as_bytes()), format!("x{}", "é".repeat(KEPT / 2 - 1)));
    }

    #[test]
    fn a_declared_charset_is_decoded() {
        for (content_type, body) in [
            ("text/plain; charset=iso-8859-1", &b"caf\xe9"[..]),
            ("text/html;CHARSET=\"Windows-1252\"", b"caf\xe9"),
            ("text/plain; format=flowed; charset = utf-16le ", b"c\0a\0f\0\xe9\0"),
            ("text/plain; charset=utf-8", "café".as_bytes()),
            ("text/plain; charset=no-such", "café".as_bytes()),
            ("text/plain", "café".as_bytes()),
        ] {
            assert_eq!(text(body, content_type, ""), "café", "{content_type}");
        }
        assert_eq!(text(b"\x93\xfa\x96{", "text/plain; charset=Shift_JIS", ""), "日本");
        assert_eq!(text(b"\x1b[2J\xe9", "text/plain; charset=latin1", ""), "\u{FFFD}[2Jé", "and made safe");
    }

    #[test]
    fn what_is_compressed_is_named_and_not_shown() {
        assert_eq!(text(b"\x1f\x8b", "text/plain", "gzip"), "(not shown: it came with Content-Encoding gzip)");
        assert_eq!(text(b"ok", "text/plain", "Identity"), "ok");
        assert_eq!(text(b"", "text/plain", "br"), "");
    }

    #[test]
    fn a_header_is_one_short_line() {
        assert_eq!(one_line(b"a\tb\x1b\xff"), "a b\u{FFFD}\u{FFFD}");
        assert_eq!(one_line(&[b'x'; MUCH]), "x".repeat(KEPT_OF_A_HEADER));
    }
}
