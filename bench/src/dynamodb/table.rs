//! A table and its indexes. Items are stored as the JSON text that is sent, so that a million of them fit into memory
//! and a read takes almost no time.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    ops::Bound,
};

use serde_json::Value;

use super::{
    Item, Refusal, Usage,
    evaluate::{change, holds},
    expression::{Action, Condition},
    size,
};

const KIB: usize = 1024;
/// How many bytes a query reads at most before it returns a page.
const LARGEST_PAGE: usize = KIB * KIB;

/// The names of the key attributes of a table or an index.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    pub(crate) hash: String,
    pub(crate) range: Option<String>,
}

/// A secondary index: its keys, and which other attributes it holds; `None` means all of them.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) keys: Keys,
    pub(crate) holds: Option<HashSet<String>>,
    pub(super) partitions: HashMap<String, BTreeSet<(Sort, Key)>>,
}

impl Index {
    pub(crate) fn new(keys: Keys, holds: Option<HashSet<String>>) -> Self {
        Self { keys, holds, partitions: HashMap::new() }
    }
}

/// The value of a sort key. `None` if the table has no sort key: then a partition has one item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Sort {
    None,
    Number(i64),
    Text(String),
}

/// The key of an item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(super) hash: String,
    pub(super) range: Sort,
}

/// A write of one item.
pub(super) struct Write {
    pub(super) key: Key,
    pub(super) change: Change,
    pub(super) condition: Option<Condition>,
    /// Whether a refusal says that the item exists already.
    pub(super) is_insert: bool,
}

pub(super) enum Change {
    Put(Item),
    /// The changes, and the key attributes for the case that they create the item.
    Update(Vec<Action>, Item),
    Delete,
}

struct Stored {
    text: Box<str>,
    size: usize,
}

/// A query.
pub(super) struct Asked<'a> {
    pub(super) index: Option<&'a str>,
    pub(super) condition: Condition,
    pub(super) filter: Option<Condition>,
    pub(super) projection: Option<Vec<String>>,
    pub(super) forward: bool,
    pub(super) limit: usize,
    pub(super) start: Option<&'a Item>,
    pub(super) consistent: bool,
}

pub(crate) struct Table {
    pub(super) keys: Keys,
    indexes: HashMap<String, Index>,
    partitions: HashMap<String, BTreeMap<Sort, Stored>>,
    pub(super) usage: Usage,
}

/// The key of an item, by the key attributes of a table or an index. Fails if one is missing.
pub(super) fn key_in(keys: &Keys, item: &Item) -> Result<Key, Refusal> {
    let missing = |name: &str| Refusal::invalid(format!("the key attribute {name} is missing"));
    let hash = text_of(item, &keys.hash).ok_or_else(|| missing(&keys.hash))?.to_owned();
    let range = match &keys.range {
        None => Sort::None,
        Some(name) => item.get(name).and_then(sort).ok_or_else(|| missing(name))?,
    };
    Ok(Key { hash, range })
}

fn text_of<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_object()?.values().next()?.as_str()
}

fn sort(value: &Value) -> Option<Sort> {
    match (value["S"].as_str(), value["N"].as_str()) {
        (Some(text), _) => Some(Sort::Text(text.to_owned())),
        (_, Some(number)) => number.parse().ok().map(Sort::Number),
        _ => None,
    }
}

fn parsed(stored: &Stored) -> Item {
    serde_json::from_str(&stored.text).expect("what is stored was written from an item")
}

impl Table {
    pub(crate) fn new(keys: Keys, indexes: HashMap<String, Index>) -> Self {
        Self { keys, indexes, partitions: HashMap::new(), usage: Usage::default() }
    }

    /// Stores an item without counting it: for the items that exist before a measurement begins.
    pub(crate) fn load(&mut self, text: String) -> Result<(), Refusal> {
        let item: Item = serde_json::from_str(&text).map_err(|err| Refusal::invalid(err.to_string()))?;
        let key = key_in(&self.keys, &item)?;
        self.index(&key, None, Some(&item));
        let stored = Stored { text: text.into(), size: size::of_item(&item) };
        self.partitions.entry(key.hash).or_default().insert(key.range, stored);
        Ok(())
    }

    /// How many items there are, and how many bytes of storage DynamoDB bills for them, indexes included.
    pub(crate) fn stored(&self) -> (u64, u64) {
        let items = || self.partitions.values().flat_map(BTreeMap::values);
        let bytes: usize = items().map(|stored| stored.size + size::STORAGE_OVERHEAD).sum();
        let indexed = self.indexes.values().flat_map(|index| {
            let keys = index.partitions.values().flatten();
            keys.filter_map(|(_, key)| {
                Some(self.projected_size(index, &parsed(self.find(key)?)) + size::STORAGE_OVERHEAD)
            })
        });
        (items().count() as u64, (bytes + indexed.sum::<usize>()) as u64)
    }

    /// Removes all items.
    pub(crate) fn clear(&mut self) {
        self.partitions.clear();
        for index in self.indexes.values_mut() {
            index.partitions.clear();
        }
    }

    /// The text of every item, in no particular order.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.partitions.values().flat_map(BTreeMap::values).map(|stored| &*stored.text)
    }

    fn find(&self, key: &Key) -> Option<&Stored> {
        self.partitions.get(&key.hash)?.get(&key.range)
    }

    /// The text of an item. Counts the read, also if there is no item.
    pub(super) fn read(&mut self, key: &Key, consistent: bool) -> Option<&str> {
        let size = self.find(key).map_or(0, |stored| stored.size);
        self.usage.read(size, consistent);
        self.find(key).map(|stored| &*stored.text)
    }

    /// Refuses a write whose condition does not hold, and counts the write units of the stored item for it.
    pub(super) fn check(&mut self, write: &Write) -> Result<(), Refusal> {
        let Some(condition) = &write.condition else { return Ok(()) };
        let stored = self.find(&write.key);
        let (size, item) = stored.map_or((0, None), |stored| (stored.size, Some(parsed(stored))));
        let none = Item::new();
        if holds(condition, item.as_ref().unwrap_or(&none))? {
            return Ok(());
        }
        self.usage.write_units += size::units(size, KIB);
        Err(if write.is_insert { Refusal::duplicate() } else { Refusal::condition(item) })
    }

    /// Writes one item, at `factor` times the price, and returns the old and the new item. Refuses as [`Self::check`]
    /// does.
    pub(super) fn write(&mut self, write: Write, factor: u64) -> Result<(Option<Item>, Option<Item>), Refusal> {
        self.check(&write)?;
        let Write { key, change: wanted, .. } = write;
        let before = self.find(&key);
        let (old_size, old) = before.map_or((0, None), |stored| (stored.size, Some(parsed(stored))));
        let new = match wanted {
            Change::Put(item) => Some(item),
            Change::Delete => None,
            Change::Update(actions, keys) => {
                let mut item = old.clone().unwrap_or(keys);
                change(&mut item, &actions)?;
                Some(item)
            }
        };
        let new_size = new.as_ref().map_or(0, size::of_item);
        self.usage.write_units += factor * size::units(old_size.max(new_size), KIB);
        let indexed = self.index(&key, old.as_ref(), new.as_ref());
        self.usage.write_units += factor * indexed;
        self.usage.index_write_units += factor * indexed;
        let partition = self.partitions.entry(key.hash).or_default();
        if let Some(item) = &new {
            let text = serde_json::to_string(item).expect("an item is JSON").into();
            partition.insert(key.range, Stored { text, size: new_size });
        } else {
            partition.remove(&key.range);
        }
        Ok((old, new))
    }

    /// Updates the indexes; returns the write units that this costs.
    fn index(&mut self, key: &Key, old: Option<&Item>, new: Option<&Item>) -> u64 {
        let mut units = 0;
        let table_keys = self.keys.clone();
        for index in self.indexes.values_mut() {
            let entry = |item: Option<&Item>| item.and_then(|item| key_in(&index.keys, item).ok());
            let (was, is) = (entry(old), entry(new));
            let held = |item: &Item| {
                let held = item.iter().filter(|(name, _)| is_held(&table_keys, index, name));
                held.map(|(name, value)| (name.clone(), value.clone())).collect::<Item>()
            };
            let size = |item: Option<&Item>| item.map_or(0, |item| size::of_item(&held(item)));
            units += match (&was, &is) {
                (None, None) => 0,
                (Some(was), Some(is)) if was == is => {
                    let changed = old.map(held) != new.map(held);
                    if changed { size::units(size(old).max(size(new)), KIB) } else { 0 }
                }
                (was, is) => {
                    let removal = was.as_ref().map_or(0, |_| size::units(size(old), KIB));
                    removal + is.as_ref().map_or(0, |_| size::units(size(new), KIB))
                }
            };
            if let Some(was) = was {
                index.partitions.entry(was.hash).or_default().remove(&(was.range, key.clone()));
            }
            if let Some(is) = is {
                index.partitions.entry(is.hash).or_default().insert((is.range, key.clone()));
            }
        }
        units
    }

    fn projected_size(&self, index: &Index, item: &Item) -> usize {
        size::of_projection(item, |name| is_held(&self.keys, index, name))
    }

    /// A page of items as texts, and the key after which the next page begins, if there is one.
    pub(super) fn query(&mut self, asked: &Asked<'_>) -> Result<(Vec<String>, Option<Item>), Refusal> {
        let index = asked
            .index
            .map(|name| self.indexes.get(name).ok_or_else(|| Refusal::invalid(format!("there is no index {name}"))));
        let index = index.transpose()?;
        let keys = index.map_or(&self.keys, |index| &index.keys);
        let (hash, from, to) = bounds(&asked.condition, keys)?;
        let start = asked.start.map(|item| key_in(keys, item)).transpose()?.map(|key| key.range);

        let found: Box<dyn DoubleEndedIterator<Item = &Stored>> = match index {
            None => {
                let partition = self.partitions.get(&hash).into_iter();
                let (from, to) = after(start, asked.forward, from, to);
                Box::new(partition.flat_map(move |items| items.range((from.clone(), to.clone()))).map(|(_, item)| item))
            }
            Some(index) => {
                let (from, to) = after(start, asked.forward, from, to);
                let within = move |sort: &Sort| is_above(sort, &from) && is_below(sort, &to);
                let entries = index.partitions.get(&hash).into_iter().flatten();
                Box::new(entries.filter(move |(sort, _)| within(sort)).filter_map(|(_, key)| self.find(key)))
            }
        };
        let found: Box<dyn Iterator<Item = &Stored>> = if asked.forward { found } else { Box::new(found.rev()) };

        let (mut texts, mut read, mut looked_at, mut last) = (Vec::new(), 0, 0, None);
        for stored in found {
            let item = parsed(stored);
            read += index.map_or(stored.size, |index| self.projected_size(index, &item));
            looked_at += 1;
            if asked.filter.as_ref().map_or(Ok(true), |filter| holds(filter, &item))? {
                texts.push(match &asked.projection {
                    None => stored.text.to_string(),
                    Some(names) => {
                        let held = names.iter().filter_map(|name| Some((name.clone(), item.get(name)?.clone())));
                        Value::Object(held.collect()).to_string()
                    }
                });
            }
            if looked_at == asked.limit || read > LARGEST_PAGE {
                let names = [Some(&self.keys.hash), self.keys.range.as_ref(), Some(&keys.hash), keys.range.as_ref()];
                let key = names.into_iter().flatten().map(|name| (name.clone(), item[name].clone()));
                last = Some(key.collect());
                break;
            }
        }
        self.usage.read(read, asked.consistent);
        Ok((texts, last))
    }
}

fn is_held(table: &Keys, index: &Index, name: &str) -> bool {
    let keys = [Some(&table.hash), table.range.as_ref(), Some(&index.keys.hash), index.keys.range.as_ref()];
    let is_key = keys.into_iter().flatten().any(|key| key == name);
    is_key || index.holds.as_ref().is_none_or(|holds| holds.contains(name))
}

type Range = (Bound<Sort>, Bound<Sort>);

/// The partition that a key condition names, and the range of sort keys in it.
fn bounds(condition: &Condition, keys: &Keys) -> Result<(String, Bound<Sort>, Bound<Sort>), Refusal> {
    use super::expression::Operand::{Attribute, Value as Literal};
    let conditions = if let Condition::All(all) = condition { all.iter().collect() } else { vec![condition] };
    let (mut hash, mut from, mut to) = (None, Bound::Unbounded, Bound::Unbounded);
    for condition in conditions {
        let unknown = || Refusal::invalid(format!("{condition:?} is no key condition"));
        let text = |value: &Value| value["S"].as_str().or(value["N"].as_str()).map(str::to_owned);
        match condition {
            Condition::Compare(Attribute(name), "=", Literal(value)) if *name == keys.hash => hash = text(value),
            Condition::Compare(Attribute(name), sign, Literal(value)) if Some(name) == keys.range.as_ref() => {
                let value = sort(value).ok_or_else(unknown)?;
                match *sign {
                    "<" => to = Bound::Excluded(value),
                    "<=" => to = Bound::Included(value),
                    ">" => from = Bound::Excluded(value),
                    ">=" => from = Bound::Included(value),
                    "=" => (from, to) = (Bound::Included(value.clone()), Bound::Included(value)),
                    _ => return Err(unknown()),
                }
            }
            Condition::Between(Attribute(name), Literal(low), Literal(high)) if Some(name) == keys.range.as_ref() => {
                from = Bound::Included(sort(low).ok_or_else(unknown)?);
                to = Bound::Included(sort(high).ok_or_else(unknown)?);
            }
            Condition::BeginsWith(Attribute(name), Literal(value)) if Some(name) == keys.range.as_ref() => {
                let beginning = text(value).ok_or_else(unknown)?;
                to = Bound::Excluded(Sort::Text(format!("{beginning}\u{10FFFF}")));
                from = Bound::Included(Sort::Text(beginning));
            }
            _ => return Err(unknown()),
        }
    }
    Ok((hash.ok_or_else(|| Refusal::invalid("no partition is named"))?, from, to))
}

/// The range that is left after the last page.
fn after(start: Option<Sort>, forward: bool, from: Bound<Sort>, to: Bound<Sort>) -> Range {
    match start {
        None => (from, to),
        Some(start) if forward => (Bound::Excluded(start), to),
        Some(start) => (from, Bound::Excluded(start)),
    }
}

fn is_above(sort: &Sort, from: &Bound<Sort>) -> bool {
    match from {
        Bound::Unbounded => true,
        Bound::Included(from) => sort >= from,
        Bound::Excluded(from) => sort > from,
    }
}

fn is_below(sort: &Sort, to: &Bound<Sort>) -> bool {
    match to {
        Bound::Unbounded => true,
        Bound::Included(to) => sort <= to,
        Bound::Excluded(to) => sort < to,
    }
}
