//! Evaluates conditions on an item, and applies changes to it: the answer to a conditional write decides what a
//! function does next, and so what it costs.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::{
    Item, Refusal,
    expression::{Action, Condition, Operand},
};

/// Whether a condition holds for an item. For a missing item, pass an empty one.
pub(super) fn holds(condition: &Condition, item: &Item) -> bool {
    match condition {
        Condition::All(all) => all.iter().all(|condition| holds(condition, item)),
        Condition::Any(any) => any.iter().any(|condition| holds(condition, item)),
        Condition::Not(condition) => !holds(condition, item),
        Condition::Exists(path) => attribute(item, path).is_some(),
        Condition::Compare(left, sign, right) => {
            let right = match right {
                Operand::Attribute(path) => attribute(item, path),
                Operand::Value(value) => Some(value),
            };
            match (attribute(item, left), right) {
                (Some(left), Some(right)) => compares(left, sign, right),
                // A missing attribute differs from everything, and has no order.
                _ => *sign == "<>",
            }
        }
    }
}

/// Applies the changes to an item.
pub(super) fn change(item: &mut Item, actions: &[Action]) -> Result<(), Refusal> {
    for action in actions {
        match action {
            Action::Set(name, value) => {
                item.insert(name.clone(), value.clone());
            }
            Action::SetFirst(name, value) => {
                item.entry(name).or_insert_with(|| value.clone());
            }
            Action::Remove(name) => {
                item.remove(name);
            }
            Action::Add(name, value) => {
                let sum = sum(item.get(name), value)?;
                item.insert(name.clone(), sum);
            }
        }
    }
    Ok(())
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
    let number = |value: &Value| value["N"].as_str()?.parse::<f64>().ok();
    match (left["S"].as_str(), right["S"].as_str()) {
        (Some(left), Some(right)) => Some(left.cmp(right)),
        _ => number(left)?.partial_cmp(&number(right)?),
    }
}

/// The sum of two whole numbers: the functions count with no others.
fn sum(before: Option<&Value>, added: &Value) -> Result<Value, Refusal> {
    let whole = |value: &Value| value["N"].as_str().and_then(|number| number.parse::<i64>().ok());
    let both = before.map_or(Some(0), whole).zip(whole(added));
    let (before, added) = both.ok_or_else(|| Refusal::invalid("only whole numbers add up"))?;
    Ok(json!({"N": (before + added).to_string()}))
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
        let stored = item(json!({
            "version": {"N": "9"}, "epoch": {"N": "2"}, "state": {"S": "retrying"}, "health": health,
        }));
        holds(&Reader::of_expression(condition, &request).unwrap().condition().unwrap(), &stored)
    }

    #[test]
    fn conditions_hold_as_in_dynamodb() {
        for condition in [
            "attribute_exists(version)",
            "attribute_not_exists(id) OR version = :two",
            "version > :two AND version >= :two AND version < :ten",
            "#state = :text AND NOT (version = :two OR version <= :two)",
            "health.version = epoch AND attribute_not_exists(health.#state)",
            "id <> :two",
        ] {
            assert!(asks(condition), "{condition}");
        }
        for condition in [
            "health.version = :ten",
            "pace.version = :two",
            "id = :two",
            "version >= :ten",
            "epoch > :two",
            "attribute_exists(id) AND version >= :two",
        ] {
            assert!(!asks(condition), "{condition}");
        }
    }

    #[test]
    fn changes_set_remove_and_add() {
        let request = item(json!({"ExpressionAttributeValues": {":one": {"N": "1"}}}));
        let set = "SET a = :one, b = if_not_exists(b, :one), d = if_not_exists(d, :one)";
        let actions = Reader::of_expression(&format!("{set} REMOVE c ADD n :one, m :one"), &request).unwrap().actions();
        let mut stored = item(json!({"a": {"S": "x"}, "b": {"S": "x"}, "c": {"S": "y"}, "n": {"N": "41"}}));
        change(&mut stored, &actions.unwrap()).unwrap();
        let expected = json!({"a": {"N": "1"}, "b": {"S": "x"}, "d": {"N": "1"}, "n": {"N": "42"}, "m": {"N": "1"}});
        assert_eq!(Value::Object(stored), expected);
    }
}
