//! The two PartiQL statements that the functions use: `INSERT INTO … VALUE {…}`, and
//! `UPDATE … SET … REMOVE … WHERE … AND …`, whose conditions are equalities.

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
    reader.expect_keyword("UPDATE")?;
    let table = reader.name()?;
    let keys = keys_of(&table)?;
    let actions = reader.actions()?;
    reader.expect_keyword("WHERE")?;
    // An UPDATE changes only an existing item.
    let (mut named, mut all) = (Item::new(), vec![Condition::Exists(keys.hash.clone())]);
    while named.is_empty() || reader.keyword("AND") {
        let name = reader.name()?;
        reader.expect("=")?;
        let value = reader.value()?;
        if name == keys.hash || keys.range.as_ref() == Some(&name) {
            named.insert(name, value);
        } else {
            all.push(Condition::Compare(name, "=", Operand::Value(value)));
        }
    }
    reader.end()?;
    let key = key_in(&keys, &named)?;
    let change = Change::Update(actions, named);
    Ok((table, Write { key, change, condition: Some(Condition::All(all)), is_insert: false }))
}
