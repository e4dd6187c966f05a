//! A table and its indexes. Items are stored as the JSON text that is sent, so that a million of them fit into memory
//! and a read takes almost no time. Indexes are here because the bill counts their writes and their storage, and
//! because functions read them. They hold keys alone; the one table of the template with another index is only read, by
//! its key, and a write to it is refused.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::{Bound, RangeBounds as _},
};

use serde_json::Value;

use super::{
    Item, Refusal, Usage,
    evaluate::{change, holds},
    expression::{Action, Condition, Range},
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

/// A secondary index that holds its keys and those of its table.
#[derive(Debug)]
pub(crate) struct Index {
    keys: Keys,
    partitions: HashMap<String, BTreeSet<(Sort, Key)>>,
}

impl Index {
    pub(crate) fn new(keys: Keys) -> Self {
        Self { keys, partitions: HashMap::new() }
    }

    /// The size of an item's entry in this index of a table with the keys `table`.
    fn entry_size(&self, table: &Keys, item: &Item) -> Result<usize, Refusal> {
        let names = [Some(&table.hash), table.range.as_ref(), Some(&self.keys.hash), self.keys.range.as_ref()];
        let held = names.into_iter().flatten().filter_map(|name| Some((name.clone(), item.get(name)?.clone())));
        size::of_item(&held.collect())
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
    pub(super) ranges: Vec<Range>,
    /// Which of the items that are looked at are returned.
    pub(super) filter: Option<Condition>,
    pub(super) projection: Option<Vec<String>>,
    pub(super) forward: bool,
    pub(super) limit: usize,
    pub(super) consistent: bool,
}

pub(crate) struct Table {
    pub(super) keys: Keys,
    indexes: HashMap<String, Index>,
    /// Whether writes are refused, because the table has an index that is not known here.
    is_read_only: bool,
    partitions: HashMap<String, BTreeMap<Sort, Stored>>,
    pub(crate) usage: Usage,
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
    pub(crate) fn new(keys: Keys, indexes: HashMap<String, Index>, is_read_only: bool) -> Self {
        Self { keys, indexes, is_read_only, partitions: HashMap::new(), usage: Usage::default() }
    }

    /// Stores an item without counting it: for the items that exist before a measurement begins.
    pub(crate) fn load(&mut self, text: String) -> Result<(), Refusal> {
        let item: Item = serde_json::from_str(&text).map_err(|err| Refusal::invalid(err.to_string()))?;
        let key = key_in(&self.keys, &item)?;
        let stored = Stored { text: text.into(), size: size::of_item(&item)? };
        self.index(&key, None, Some(&item))?;
        self.partitions.entry(key.hash).or_default().insert(key.range, stored);
        Ok(())
    }

    /// How many bytes of storage DynamoDB bills for the items, indexes included.
    pub(crate) fn stored_bytes(&self) -> u64 {
        let items = self.partitions.values().flat_map(BTreeMap::values).map(|stored| stored.size);
        let indexed = self.indexes.values().flat_map(|index| {
            let keys = index.partitions.values().flatten();
            keys.filter_map(|(_, key)| index.entry_size(&self.keys, &parsed(self.find(key)?)).ok())
        });
        items.chain(indexed).map(|size| (size + size::STORAGE_OVERHEAD) as u64).sum()
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
        if holds(condition, item.as_ref().unwrap_or(&none)) {
            return Ok(());
        }
        self.usage.write_units += size::units(size, KIB);
        Err(if write.is_insert { Refusal::duplicate() } else { Refusal::condition(item) })
    }

    /// Writes one item, at `factor` times the price, and returns the old and the new item. Refuses as [`Self::check`]
    /// does.
    pub(super) fn write(&mut self, write: Write, factor: u64) -> Result<(Option<Item>, Option<Item>), Refusal> {
        if self.is_read_only {
            return Err(Refusal::invalid("the table has an index that is not known here"));
        }
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
        let new_size = new.as_ref().map_or(Ok(0), size::of_item)?;
        let indexed = self.index(&key, old.as_ref(), new.as_ref())?;
        self.usage.write_units += factor * (size::units(old_size.max(new_size), KIB) + indexed);
        let partition = self.partitions.entry(key.hash).or_default();
        if let Some(item) = &new {
            let text = serde_json::to_string(item).expect("an item is JSON").into();
            partition.insert(key.range, Stored { text, size: new_size });
        } else {
            partition.remove(&key.range);
        }
        Ok((old, new))
    }

    /// Updates the indexes; returns the write units that this costs: one for each entry that goes, and one for each
    /// that comes, by its size.
    fn index(&mut self, key: &Key, old: Option<&Item>, new: Option<&Item>) -> Result<u64, Refusal> {
        let mut units = 0;
        for index in self.indexes.values_mut() {
            let entry =
                |item: Option<&Item>| item.and_then(|item| Some((key_in(&index.keys, item).ok()?, item.clone())));
            let (was, is) = (entry(old), entry(new));
            if was.as_ref().map(|(key, _)| key) == is.as_ref().map(|(key, _)| key) {
                continue;
            }
            for (_, item) in was.iter().chain(&is) {
                units += size::units(index.entry_size(&self.keys, item)?, KIB);
            }
            if let Some((was, _)) = was {
                index.partitions.entry(was.hash).or_default().remove(&(was.range, key.clone()));
            }
            if let Some((is, _)) = is {
                index.partitions.entry(is.hash).or_default().insert((is.range, key.clone()));
            }
        }
        Ok(units)
    }

    /// A page of items as texts, and the key after which the next page begins, if there is one.
    pub(super) fn query(&mut self, asked: &Asked<'_>) -> Result<(Vec<String>, Option<Item>), Refusal> {
        let index = asked
            .index
            .map(|name| self.indexes.get(name).ok_or_else(|| Refusal::invalid(format!("there is no index {name}"))));
        let index = index.transpose()?;
        let keys = index.map_or(&self.keys, |index| &index.keys);
        let (hash, from, to) = bounds(&asked.ranges, keys)?;

        let found: Box<dyn DoubleEndedIterator<Item = &Stored>> = match index {
            None => {
                let partition = self.partitions.get(&hash).into_iter();
                Box::new(partition.flat_map(move |items| items.range((from.clone(), to.clone()))).map(|(_, item)| item))
            }
            Some(index) => {
                let entries = index.partitions.get(&hash).into_iter().flatten();
                let within = entries.filter(move |(sort, _)| (from.as_ref(), to.as_ref()).contains(sort));
                Box::new(within.filter_map(|(_, key)| self.find(key)))
            }
        };
        let found: Box<dyn Iterator<Item = &Stored>> = if asked.forward { found } else { Box::new(found.rev()) };

        let (mut texts, mut looked_at, mut read, mut last) = (Vec::new(), 0, 0, None);
        for stored in found {
            let item = parsed(stored);
            looked_at += 1;
            read += index.map_or(Ok(stored.size), |index| index.entry_size(&self.keys, &item))?;
            if asked.filter.as_ref().is_none_or(|filter| holds(filter, &item)) {
                texts.push(match &asked.projection {
                    None => stored.text.to_string(),
                    Some(names) => projected(&item, names),
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

/// The text of an item that has only these attributes.
pub(super) fn projected(item: &Item, names: &[String]) -> String {
    let held = names.iter().filter_map(|name| Some((name.clone(), item.get(name)?.clone())));
    Value::Object(held.collect()).to_string()
}

/// The partition that a key condition names, and the range of sort keys in it.
fn bounds(ranges: &[Range], keys: &Keys) -> Result<(String, Bound<Sort>, Bound<Sort>), Refusal> {
    let (mut hash, mut from, mut to) = (None, Bound::Unbounded, Bound::Unbounded);
    for Range { name, low, high } in ranges {
        let unknown = || Refusal::invalid(format!("{name} is no key, or its condition is not known here"));
        let bound = |value: &Bound<Value>| match value {
            Bound::Unbounded => Ok(Bound::Unbounded),
            Bound::Included(value) => sort(value).map(Bound::Included).ok_or_else(unknown),
            Bound::Excluded(value) => sort(value).map(Bound::Excluded).ok_or_else(unknown),
        };
        if let Bound::Included(value) = low
            && *name == keys.hash
            && low == high
        {
            hash = value["S"].as_str().or(value["N"].as_str());
        } else if keys.range.as_ref() == Some(name) {
            (from, to) = (bound(low)?, bound(high)?);
        } else {
            return Err(unknown());
        }
    }
    Ok((hash.ok_or_else(|| Refusal::invalid("no partition is named"))?.to_owned(), from, to))
}
