//! The size of an item, which decides its price: DynamoDB bills by size, names of attributes included.
//!
//! The rules are those of
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>.

use serde_json::Value;

use super::Item;

/// How many bytes DynamoDB adds to each stored item, and to each entry of an index, when it bills storage.
pub(crate) const STORAGE_OVERHEAD: usize = 100;

/// The size of an item in bytes.
pub(super) fn of_item(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + of_value(value)).sum()
}

/// The size in bytes of those attributes of an item that an index holds.
pub(super) fn of_projection(item: &Item, holds: impl Fn(&str) -> bool) -> usize {
    item.iter().filter(|(name, _)| holds(name)).map(|(name, value)| name.len() + of_value(value)).sum()
}

/// How many units `bytes` cost: one for each begun `unit`, and at least one.
pub(super) fn units(bytes: usize, unit: usize) -> u64 {
    bytes.div_ceil(unit).max(1) as u64
}

fn of_value(value: &Value) -> usize {
    let Some((kind, value)) = value.as_object().and_then(|typed| typed.iter().next()) else { return 0 };
    match (kind.as_str(), value) {
        ("S", Value::String(text)) => text.len(),
        ("N", Value::String(number)) => of_number(number),
        // Base64 has four characters for three bytes.
        ("B", Value::String(encoded)) => encoded.len() / 4 * 3,
        ("BOOL" | "NULL", _) => 1,
        ("M", Value::Object(map)) => {
            3 + map.iter().map(|(name, value)| 1 + name.len() + of_value(value)).sum::<usize>()
        }
        ("L", Value::Array(list)) => 3 + list.iter().map(|value| 1 + of_value(value)).sum::<usize>(),
        ("SS", Value::Array(set)) => set.iter().filter_map(Value::as_str).map(str::len).sum(),
        ("NS", Value::Array(set)) => set.iter().filter_map(Value::as_str).map(of_number).sum(),
        _ => 0,
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
            "id": {"S": "abc"}, "n": {"N": "1234"}, "flag": {"BOOL": true},
            "list": {"L": [{"S": "x"}, {"S": "yz"}]}, "map": {"M": {"k": {"NULL": true}}},
        }) else {
            unreachable!("it is an object")
        };
        assert_eq!(of_item(&item), (2 + 3) + (1 + 3) + (4 + 1) + (4 + 3 + 2 + 3) + (3 + 3 + 1 + 1 + 1));
    }

    #[test]
    fn a_unit_is_begun_and_never_none() {
        assert_eq!([0, 1, 1024, 1025].map(|bytes| units(bytes, 1024)), [1, 1, 1, 2]);
    }
}
