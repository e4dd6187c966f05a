//! Finds integers that JavaScript cannot hold.

use std::collections::HashMap;

use serde_json::value::RawValue;

/// Counts the integers of a JSON text whose digits change in JavaScript: `6687881544318117707` arrives as
/// `6687881544318118000`. Most integers beyond 2^53 change.
///
/// Fractions are not counted, because nobody relies on all of their digits. The text must be one that
/// [`super::parse`] accepts.
pub fn rounded_integers(json: &str) -> usize {
    let mut rest = json;
    let mut count = 0;
    while let Some(at) = rest.find(|c: char| matches!(c, '"' | '-' | '0'..='9')) {
        rest = &rest[at..];
        let length = if rest.starts_with('"') {
            string_length(rest)
        } else {
            let is_part = |c: char| matches!(c, '-' | '+' | '.' | 'e' | 'E' | '0'..='9');
            let number = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
            count += usize::from(is_rounded(number));
            number.len()
        };
        rest = &rest[length..];
    }
    count
}

/// Returns the JSON text of an object's member; the last one if several have this name. `None` if the text is not an
/// object, or has no such member.
pub fn member<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    let mut members: HashMap<String, &'a RawValue> = serde_json::from_str(json).ok()?;
    members.remove(name).map(RawValue::get)
}

/// The length, in bytes, of the JSON string at the beginning of a text, with its quotes.
fn string_length(text: &str) -> usize {
    let mut bytes = text.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return at + 1,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
    text.len()
}

fn is_rounded(number: &str) -> bool {
    let digits = number.strip_prefix('-').unwrap_or(number);
    // Every integer of up to 15 digits fits.
    if digits.len() <= 15 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let Ok(value) = digits.parse::<f64>() else { return false };
    // As JavaScript writes it: it may have a point and an exponent in place of zeros at the end.
    let written = ryu_js::Buffer::new().format(value).to_owned();
    let mantissa = written.split('e').next().unwrap_or_default().replace('.', "");
    mantissa.trim_end_matches('0') != digits.trim_end_matches('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected results are Node's: `String(JSON.parse(text))`.
    #[test]
    fn an_integer_counts_if_javascript_writes_other_digits() {
        for kept in [
            "0",
            "-0",
            "9007199254740991",
            "-9007199254740992",
            "9007199254740994",
            "100000000000000000000",
            "1000000000000000000000",
            "-12300000000000000000000000",
            "0.1",
            "3.14159265358979323846264338327950288",
            "1e300",
            "12345678901234567890e0",
        ] {
            assert_eq!(rounded_integers(kept), 0, "{kept}");
        }
        for rounded in [
            "9007199254740993",
            "-9007199254740993",
            "6687881544318117707",
            "18446744073709551615",
            "1152921504606846976",
            "340282366920938463463374607431768211455",
        ] {
            assert_eq!(rounded_integers(rounded), 1, "{rounded}");
        }
    }

    #[test]
    fn integers_count_wherever_they_stand_and_in_a_string_they_do_not() {
        let big = "6687881544318117707";
        let json = format!(r#"{{"a\\":{big},"\"{big}":["{big}",-{big} , {big}],"é":{{"s":"\\\"{big}"}},"{big}":1}}"#);
        assert_eq!(rounded_integers(&json), 3);
        assert_eq!(rounded_integers(&format!("[{}]", [big; 100].join(","))), 100);
    }

    #[test]
    fn a_member_is_the_last_of_its_name_as_it_is_written() {
        let json = r#"{"data": [1], "a": {"data": 2}, "d\u0061ta": 9007199254740993 }"#;
        assert_eq!(member(json, "data"), Some("9007199254740993"));
        assert_eq!(member(json, "b"), None);
        assert_eq!(member("[]", "data"), None);
    }
}
