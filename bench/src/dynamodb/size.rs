//! The size of an item, which decides its price: DynamoDB bills by size, names of attributes included.
//!
//! The rules are those of
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::{Item, Refusal};

/// How many bytes DynamoDB adds to each stored item, and to each entry of an index, when it bills storage.
pub(crate) const STORAGE_OVERHEAD: usize = 100;

/// The size of an item in bytes. Refuses types of values that the functions do not store.
pub(super) fn of_item(item: &Item) -> Result<usize, Refusal> {
    let unknown = || Refusal::invalid("an attribute has a type that is not known here");
    of_map(item, 0).ok_or_else(unknown)
}

/// How many units `bytes` cost: one for each begun `unit`, and at least one.
pub(super) fn units(bytes: usize, unit: usize) -> u64 {
    bytes.div_ceil(unit).max(1) as u64
}

fn of_map(map: &Item, more: usize) -> Option<usize> {
    map.iter().map(|(name, value)| Some(name.len() + of_value(value)? + more)).sum()
}

fn of_value(value: &Value) -> Option<usize> {
    let (kind, value) = value.as_object()?.iter().next()?;
    match (kind.as_str(), value) {
        ("S", Value::String(text)) => Some(text.len()),
        ("N", Value::String(number)) => Some(of_number(number)),
        ("B", Value::String(base64)) => STANDARD.decode(base64).ok().map(|bytes| bytes.len()),
        ("BOOL" | "NULL", _) => Some(1),
        ("M", Value::Object(map)) => Some(3 + of_map(map, 1)?),
        ("L", Value::Array(list)) => {
            list.iter().map(|value| Some(1 + of_value(value)?)).sum::<Option<usize>>().map(|sum| sum + 3)
        }
        _ => None,
    }
}

/// About a byte for two significant digits, and one more; another for a minus sign.
fn of_number(number: &str) -> usize {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    digits.trim_matches('0').len().div_ceil(2) + 1 + usize::from(number.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sizes_are_those_of_the_documentation() {
        let Value::Object(item) = json!({
            "id": {"S": "abc"}, "bytes": {"B": "AQID"}, "n": {"N": "1234"}, "flag": {"BOOL": true},
            "list": {"L": [{"S": "x"}, {"S": "yz"}]}, "map": {"M": {"k": {"NULL": true}}},
        }) else {
            unreachable!("it is an object")
        };
        assert_eq!(
            of_item(&item).unwrap(),
            (2 + 3) + (5 + 3) + (1 + 3) + (4 + 1) + (4 + 3 + 2 + 3) + (3 + 3 + 1 + 1 + 1)
        );
    }

    #[test]
    fn a_unit_is_begun_and_never_none() {
        assert_eq!([0, 1, 1024, 1025].map(|bytes| units(bytes, 1024)), [1, 1, 1, 2]);
    }
}
