//! Times in requests and completions.

use jiff::Timestamp;

/// A description of the valid times, for messages.
pub(crate) const TIMESTAMP: &str = r#"an RFC 3339 time from 1970 on, such as "2024-12-23T10:00:00Z""#;

/// Parses an RFC 3339 time and returns its text, as customers get it, with its instant.
///
/// jiff also accepts RFC 9557's additions (a time zone in brackets) and other forms of ISO 8601. A customer's parser
/// may not, so only RFC 3339 is accepted. Its letters may have either case, and are made upper-case: some parsers
/// know no other.
pub(crate) fn rfc_3339(text: &str) -> Option<(String, Timestamp)> {
    let text = text.to_ascii_uppercase();
    let (date_time, rest) = text.split_at_checked("2024-12-23T10:00:00".len())?;
    let offset = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|char: char| char.is_ascii_digit()),
        None => rest,
    };
    let shaped = has_shape(date_time, "0000-00-00T00:00:00")
        && (offset == "Z" || has_shape(offset, "+00:00") || has_shape(offset, "-00:00"));
    let instant: Timestamp = shaped.then(|| text.parse().ok())??;
    (instant >= Timestamp::UNIX_EPOCH).then_some((text, instant))
}

/// Whether a text has digits where `shape` has zeros, and the same characters as `shape` elsewhere.
fn has_shape(text: &str, shape: &str) -> bool {
    let fits = |(byte, shape): (u8, u8)| if shape == b'0' { byte.is_ascii_digit() } else { byte == shape };
    text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(fits)
}
