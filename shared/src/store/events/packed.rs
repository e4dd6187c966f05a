//! An event's body as it is stored: deflated.
//!
//! DynamoDB bills a write for each KiB of an item, and the item's storage and backups by the byte. Deflate (RFC 1951)
//! with a dictionary of the usual parts of a body leaves about half of 300 bytes, and of 2 KiB less: one or two write
//! units in place of three.
//!
//! The first byte is [`FORMAT`], and the others are a raw deflate stream. Every zlib reads it: in Python,
//! `zlib.decompressobj(-15, zdict=dictionary).decompress(stored[1:])`.

use std::{borrow::Cow, fmt};

use serde::{
    Deserializer, Serializer,
    de::{Error, Visitor},
};

use crate::{
    event::MAX_BODY_BYTES,
    store::deflate::{deflate, inflate},
};

/// The usual parts of a body, the most usual ones last. What is stored cannot be read with another dictionary: a change
/// needs another [`FORMAT`], and what is stored needs this one.
const DICTIONARY: &[u8] = include_bytes!("dictionary.txt");
/// The first byte of a stored body: which dictionary it needs.
const FORMAT: u8 = 1;

fn pack(body: &str) -> Vec<u8> {
    let mut stored = vec![FORMAT];
    deflate(body, DICTIONARY, &mut stored);
    stored
}

fn unpack(stored: &[u8]) -> Result<String, &'static str> {
    let Some((&FORMAT, deflated)) = stored.split_first() else { return Err("a body has an unknown format") };
    inflate(deflated, DICTIONARY, MAX_BODY_BYTES)
}

#[expect(clippy::ref_option, reason = "serde passes the field")]
pub(super) fn serialize<S: Serializer>(body: &Option<Cow<'_, str>>, serializer: S) -> Result<S::Ok, S::Error> {
    match body {
        Some(body) => serializer.serialize_bytes(&pack(body)),
        None => serializer.serialize_none(),
    }
}

pub(super) fn deserialize<'de, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'a, str>>, D::Error> {
    struct Stored;
    impl Visitor<'_> for Stored {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a deflated body")
        }

        fn visit_bytes<E: Error>(self, stored: &[u8]) -> Result<String, E> {
            unpack(stored).map_err(E::custom)
        }
    }
    deserializer.deserialize_byte_buf(Stored).map(|body| Some(Cow::Owned(body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_comes_back_byte_for_byte() {
        let mut random = 1_u64;
        let noise = std::iter::repeat_with(|| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from_u32(u32::try_from(random >> 48).unwrap()).unwrap_or('x')
        });
        let noise: String = noise.take(50_000).collect();
        let dictionary = str::from_utf8(DICTIONARY).unwrap();
        for body in ["", "{}", dictionary, "é 😀 \u{FFFE}", &"x".repeat(MAX_BODY_BYTES), &noise] {
            assert_eq!(unpack(&pack(body)).as_deref(), Ok(body));
        }
    }

    /// Later versions must read what is stored. These bytes are from Python's zlib.
    #[test]
    fn what_another_deflate_has_packed_is_read() {
        let stored = "01abc61f16883830242778f0bb1c6c841ec4db2479c1d8cac0c4cac014e87c00";
        let body = concat!(
            r#"{"event":"job.completed","task_id":"task_1","task_type":"image","status":"completed","#,
            r#""data":{"url":"https://cdn.example.com/image.png","credits_charged":6},"timestamp":"2026-01-02T03:04:05Z"}"#
        );
        assert_eq!(unpack(&hex::decode(stored).unwrap()).as_deref(), Ok(body));
        assert!(pack(body).len() <= stored.len() / 2 + 4, "{}", pack(body).len());
    }

    #[test]
    fn what_is_no_body_is_refused() {
        let other = [&[2][..], &pack("{}")[1..]].concat();
        assert_eq!(unpack(&other), Err("a body has an unknown format"));
        assert_eq!(unpack(&[]), Err("a body has an unknown format"));
        assert_eq!(unpack(&[FORMAT]), Err("a text cannot be inflated"));
        assert_eq!(unpack(&[FORMAT, 0xFF, 0xFF]), Err("a text cannot be inflated"));
        let whole = pack(&"a long enough text, ".repeat(100));
        assert_eq!(unpack(&whole[..whole.len() - 2]), Err("a text cannot be inflated"));
    }

    #[test]
    fn a_body_is_never_larger_than_a_completion_may_be() {
        let bomb = pack(&"x".repeat(8 * MAX_BODY_BYTES));
        assert_eq!(unpack(&bomb), Err("a text cannot be inflated"));
    }
}
