//! Random parts of malformed requests.

use fastrand::Rng;
use serde_json::{Map, Value, json};

/// Existing things that a request can name.
pub(super) struct Known {
    pub(super) key: String,
    /// A delivery of the account's webhook 1.
    pub(super) delivery: String,
}

/// A random element of a slice.
pub(super) fn one<T: Clone>(rng: &mut Rng, of: &[T]) -> T {
    of[rng.usize(..of.len())].clone()
}

/// A webhook's id, or a text that is similar to one.
pub(super) fn webhook_id(rng: &mut Rng) -> String {
    match rng.u8(..6) {
        0..2 => "1".to_owned(),
        2 => rng.u8(1..9).to_string(),
        3 => rng.u64(..).to_string(),
        4 => one(rng, &["0", "01", "-1", "1.0", "1e0", "", " 1", "18446744073709551616", "null", ".", "%31", "１"])
            .to_owned(),
        _ => odd_text(rng, 12),
    }
}

/// Text without control characters, with many characters that often cause errors.
pub(super) fn odd_text(rng: &mut Rng, most: usize) -> String {
    let odd: Vec<char> = "%<>\"'{}|\\^`[]?#&=+;,:@!$*() ~/é€😀\u{200d}\u{feff}\u{fffd}\u{202e}".chars().collect();
    let length = rng.usize(..=most);
    let mut char = || if rng.bool() { one(rng, &odd) } else { rng.char(' '..='~') };
    (0..length).map(|_| char()).collect()
}

/// A valid or an invalid body; `right` is one that the route accepts.
pub(super) fn body(rng: &mut Rng, right: &str) -> Vec<u8> {
    let whole = object(rng, right).to_string().into_bytes();
    match rng.u8(..12) {
        0 => Vec::new(),
        1..4 => whole,
        4 => damaged(rng, whole),
        5 => nested(rng),
        6 => one(rng, &NUMBERS).replace('?', &"9".repeat(rng.usize(1..2_000))).into_bytes(),
        7 => one(rng, &REPEATED).as_bytes().to_vec(),
        8 => [b"\xef\xbb\xbf", whole.as_slice()].concat(),
        9 => large(rng),
        10 => value(rng, 3).to_string().into_bytes(),
        _ => (0..rng.usize(..200)).map(|_| rng.u8(..)).collect(),
    }
}

const NUMBERS: [&str; 4] = [
    r#"{"overlap_seconds":?}"#,
    r#"{"overlap_seconds":-?e?}"#,
    r#"{"url":?.?,"events":[?]}"#,
    r#"{"event":1e-?,"secret_key":0.?}"#,
];

const REPEATED: [&str; 3] = [
    r#"{"url":"https://a.example.com/","url":"https://a.example.com/","events":["job.failed"]}"#,
    r#"{"events":["job.failed"],"\u0065vents":["job.failed"],"url":"https://a.example.com/"}"#,
    r#"{"status":"active","status":"disabled","secret_key":null,"secret_key":null}"#,
];

/// The valid object, or one with missing, wrong or unknown fields.
fn object(rng: &mut Rng, right: &str) -> Value {
    let mut fields: Map<String, Value> = serde_json::from_str(right).unwrap_or_default();
    if rng.bool() {
        return fields.into();
    }
    for field in fields.values_mut() {
        if rng.u8(..3) == 0 {
            *field = value(rng, 2);
        }
    }
    fields.retain(|_, _| rng.u8(..8) > 0);
    if rng.u8(..4) == 0 {
        fields.insert(odd_text(rng, 20), value(rng, 2));
    }
    fields.into()
}

fn value(rng: &mut Rng, depth: u8) -> Value {
    match rng.u8(..if depth == 0 { 5 } else { 7 }) {
        0 => Value::Null,
        1 => json!(rng.bool()),
        2 => json!(rng.i64(..)),
        3 => json!(rng.f64() * 1e300),
        4 => json!(odd_text(rng, 60)),
        5 => (0..rng.u8(..4)).map(|_| value(rng, depth - 1)).collect(),
        _ => (0..rng.u8(..4)).map(|_| (odd_text(rng, 10), value(rng, depth - 1))).collect::<Map<_, _>>().into(),
    }
}

/// Truncates the bytes, or inserts some that are invalid in UTF-8 or JSON.
fn damaged(rng: &mut Rng, mut bytes: Vec<u8>) -> Vec<u8> {
    if rng.bool() {
        bytes.truncate(rng.usize(..=bytes.len()));
    }
    for _ in 0..rng.u8(1..4) {
        let at = rng.usize(..=bytes.len());
        bytes.insert(at, one(rng, &[0xff, 0xc0, 0x80, 0xed, 0x00, 0x1f, b'"', b'\\', b'}']));
    }
    bytes
}

/// 10,000 levels, as the whole body or as a field's value, closed or not.
fn nested(rng: &mut Rng) -> Vec<u8> {
    const LEVELS: usize = 10_000;
    let (open, close) = one(rng, &[("[", "]"), (r#"{"a":"#, "}"), (r#"{"url":"#, "}")]);
    let deep = open.repeat(LEVELS) + "1" + &close.repeat(if rng.bool() { LEVELS } else { 0 });
    if rng.bool() { deep.into_bytes() } else { format!(r#"{{"events":["job.failed"],"url":{deep}}}"#).into_bytes() }
}

/// A body of about the 64 KiB that the API accepts.
fn large(rng: &mut Rng) -> Vec<u8> {
    let size = one(rng, &[65_535, 65_536, 65_537, 200_000]);
    let (start, fill, end) = one(
        rng,
        &[
            ("", " ", ""),
            (r#"{"url":"https://a.example.com/"#, "a", r#"","events":["job.failed"]}"#),
            (r#"{"events":["job.failed"],""#, "k", r#"":1,"url":"https://a.example.com/"}"#),
            (r#"{"secret_key":""#, "s", r#""}"#),
        ],
    );
    format!("{start}{}{end}", fill.repeat(size - start.len() - end.len())).into_bytes()
}
