//! Evaluates conditions on an item, and applies changes to it.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::{
    Item, Refusal,
    expression::{Action, Condition, Operand},
};

/// Whether a condition holds for an item. For a missing item, pass an empty one.
pub(super) fn holds(condition: &Condition, item: &Item) -> Result<bool, Refusal> {
    Ok(match condition {
        Condition::All(all) => {
            for condition in all {
                if !holds(condition, item)? {
                    return Ok(false);
                }
            }
            true
        }
        Condition::Any(any) => {
            for condition in any {
                if holds(condition, item)? {
                    return Ok(true);
                }
            }
            false
        }
        Condition::Not(condition) => !holds(condition, item)?,
        Condition::Exists(path) => attribute(item, path).is_some(),
        Condition::Compare(left, sign, right) => {
            let (left, right) = (operand(left, item)?, operand(right, item)?);
            left.zip(right).is_some_and(|(left, right)| compares(&left, sign, &right))
        }
        Condition::Between(value, low, high) => {
            let (value, low, high) = (operand(value, item)?, operand(low, item)?, operand(high, item)?);
            value
                .zip(low.zip(high))
                .is_some_and(|(value, (low, high))| compares(&value, ">=", &low) && compares(&value, "<=", &high))
        }
        Condition::BeginsWith(text, beginning) => {
            let (text, beginning) = (operand(text, item)?, operand(beginning, item)?);
            let text_of = |value: &Value| value["S"].as_str().map(str::to_owned);
            let both = text.as_ref().and_then(text_of).zip(beginning.as_ref().and_then(text_of));
            both.is_some_and(|(text, beginning)| text.starts_with(&beginning))
        }
    })
}

/// Applies the changes to an item. As in DynamoDB, every operand is read from the item before all changes.
pub(super) fn change(item: &mut Item, actions: &[Action]) -> Result<(), Refusal> {
    let before = item.clone();
    for action in actions {
        match action {
            Action::Set(name, value) => {
                let value = operand(value, &before)?;
                let value = value.ok_or_else(|| Refusal::invalid("an attribute of the expression is missing"))?;
                item.insert(name.clone(), value);
            }
            Action::Remove(name) => {
                item.remove(name);
            }
            Action::Add(name, value) => {
                let sum = sum(before.get(name).unwrap_or(&json!({"N": "0"})), value, 1)?;
                item.insert(name.clone(), sum);
            }
        }
    }
    Ok(())
}

fn operand(operand_of: &Operand, item: &Item) -> Result<Option<Value>, Refusal> {
    Ok(match operand_of {
        Operand::Attribute(path) => attribute(item, path).cloned(),
        Operand::Value(value) => Some(value.clone()),
        Operand::IfNotExists(name, otherwise) => match item.get(name) {
            Some(value) => Some(value.clone()),
            None => operand(otherwise, item)?,
        },
        Operand::Plus(left, right) | Operand::Minus(left, right) => {
            let sign = if matches!(operand_of, Operand::Plus(..)) { 1 } else { -1 };
            let both = operand(left, item)?.zip(operand(right, item)?);
            both.map(|(left, right)| sum(&left, &right, sign)).transpose()?
        }
        Operand::ListAppend(first, second) => {
            let both = operand(first, item)?.zip(operand(second, item)?);
            both.map(|(first, second)| appended(&first, &second)).transpose()?
        }
        Operand::Size(name) => item.get(name).and_then(|value| Some(json!({"N": length(value)?.to_string()}))),
    })
}

/// An attribute, or the value in a map at a path: `map.name`.
fn attribute<'a>(item: &'a Item, path: &str) -> Option<&'a Value> {
    match path.split_once('.') {
        Some((name, rest)) => attribute(item.get(name)?["M"].as_object()?, rest),
        None => item.get(path),
    }
}

fn compares(left: &Value, sign: &str, right: &Value) -> bool {
    let order = order(left, right);
    match sign {
        "=" => order.map_or(left == right, Ordering::is_eq),
        "<>" => order.map_or(left != right, Ordering::is_ne),
        "<" => order.is_some_and(Ordering::is_lt),
        "<=" => order.is_some_and(Ordering::is_le),
        ">" => order.is_some_and(Ordering::is_gt),
        _ => order.is_some_and(Ordering::is_ge),
    }
}

/// The order of two texts or two numbers; `None` for anything else.
fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left["S"].as_str(), right["S"].as_str()) {
        (Some(left), Some(right)) => Some(left.cmp(right)),
        _ => number(left)?.partial_cmp(&number(right)?),
    }
}

fn number(value: &Value) -> Option<f64> {
    value["N"].as_str()?.parse().ok()
}

fn length(value: &Value) -> Option<usize> {
    let (kind, value) = value.as_object()?.iter().next()?;
    match kind.as_str() {
        "S" => value.as_str().map(str::len),
        "L" => value.as_array().map(Vec::len),
        "M" => value.as_object().map(serde_json::Map::len),
        _ => None,
    }
}

/// `left + sign * right`, for whole numbers only: the functions count with no others.
fn sum(left: &Value, right: &Value, sign: i64) -> Result<Value, Refusal> {
    let whole = |value: &Value| value["N"].as_str().and_then(|number| number.parse::<i64>().ok());
    let (left, right) = whole(left).zip(whole(right)).ok_or_else(|| Refusal::invalid("only whole numbers add up"))?;
    Ok(json!({"N": (left + sign * right).to_string()}))
}

fn appended(first: &Value, second: &Value) -> Result<Value, Refusal> {
    let lists = first["L"].as_array().zip(second["L"].as_array());
    let (first, second) = lists.ok_or_else(|| Refusal::invalid("list_append takes two lists"))?;
    let both = [first.as_slice(), second].concat();
    Ok(json!({"L": both}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dynamodb::expression::Reader;

    fn item(value: Value) -> Item {
        let Value::Object(item) = value else { unreachable!("it is an object") };
        item
    }

    fn asks(condition: &str) -> bool {
        let request = item(json!({
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": {":two": {"N": "2"}, ":ten": {"N": "10"}, ":text": {"S": "retrying"}},
        }));
        let health = json!({"M": {"version": {"N": "2"}}});
        let stored = item(json!({"version": {"N": "9"}, "state": {"S": "retrying"}, "health": health}));
        holds(&Reader::of_expression(condition, &request).unwrap().condition().unwrap(), &stored).unwrap()
    }

    #[test]
    fn conditions_hold_as_in_dynamodb() {
        for condition in [
            "attribute_exists(version)",
            "attribute_not_exists(id) OR version = :two",
            "version > :two AND version < :ten",
            "#state = :text AND NOT (version = :two)",
            "version BETWEEN :two AND :ten",
            "begins_with(#state, :text)",
            "health.version = :two AND attribute_not_exists(health.epoch)",
        ] {
            assert!(asks(condition), "{condition}");
        }
        for condition in [
            "health.version = :ten",
            "pace.version = :two",
            "id = :two",
            "id <> :two",
            "version > :ten",
            "attribute_exists(id) AND version > :two",
        ] {
            assert!(!asks(condition), "{condition}");
        }
    }

    #[test]
    fn changes_read_the_item_as_it_was() {
        let request = item(json!({"ExpressionAttributeValues": {":one": {"N": "1"}, ":list": {"L": [{"N": "1"}]}}}));
        let text = "SET a = if_not_exists(b, :one), b = a, l = list_append(l, :list) REMOVE c ADD n :one, m :one";
        let actions = Reader::of_expression(text, &request).unwrap().actions().unwrap();
        let mut stored = item(json!({"a": {"S": "x"}, "c": {"S": "y"}, "l": {"L": []}, "n": {"N": "41"}}));
        change(&mut stored, &actions).unwrap();
        let expected = json!({
            "a": {"N": "1"}, "b": {"S": "x"}, "l": {"L": [{"N": "1"}]}, "n": {"N": "42"}, "m": {"N": "1"},
        });
        assert_eq!(Value::Object(stored), expected);
    }
}
