//! The writing statements of PartiQL: `INSERT INTO … VALUE {…}`, `UPDATE … SET … WHERE …`, `DELETE FROM … WHERE …`.

use serde_json::Value;

use super::{
    Item, Refusal,
    expression::{Condition, Operand, Reader},
    table::{Change, Keys, Write, key_in},
};

/// Reads a statement that writes one item; returns the table's name and the write. `keys_of` returns a table's keys.
/// Fails if the statement is not known here.
pub(super) fn statement(
    text: &str,
    parameters: &[Value],
    keys_of: impl Fn(&str) -> Result<Keys, Refusal>,
) -> Result<(String, Write), Refusal> {
    let mut reader = Reader::of_statement(text, parameters)?;
    if reader.keyword("INSERT") {
        reader.expect_keyword("INTO")?;
        let name = reader.name()?;
        reader.expect_keyword("VALUE")?;
        let item = reader.map()?;
        reader.end()?;
        let keys = keys_of(&name)?;
        let key = key_in(&keys, &item)?;
        let condition = Condition::Not(Box::new(Condition::Exists(keys.hash)));
        return Ok((name, Write { key, change: Change::Put(item), condition: Some(condition), is_insert: true }));
    }
    let deletes = reader.keyword("DELETE");
    reader.expect_keyword(if deletes { "FROM" } else { "UPDATE" })?;
    let name = reader.name()?;
    let actions = reader.actions()?;
    reader.expect_keyword("WHERE")?;
    let condition = reader.condition()?;
    reader.end()?;

    let keys = keys_of(&name)?;
    let conditions = if let Condition::All(all) = condition { all } else { vec![condition] };
    // An UPDATE or DELETE changes only an existing item.
    let (mut named, mut all) = (Item::new(), vec![Condition::Exists(keys.hash.clone())]);
    for condition in conditions {
        match condition {
            Condition::Compare(Operand::Attribute(name), "=", Operand::Value(value))
                if name == keys.hash || keys.range.as_ref() == Some(&name) =>
            {
                named.insert(name, value);
            }
            other => all.push(other),
        }
    }
    let key = key_in(&keys, &named)?;
    let change = if deletes { Change::Delete } else { Change::Update(actions, named) };
    Ok((name, Write { key, change, condition: Some(Condition::All(all)), is_insert: false }))
}
