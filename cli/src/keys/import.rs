//! `nano-webhooks keys import`: stores the hashes of keys that customers have already.

use std::{collections::HashMap, fs, io, time::Duration};

use jiff::Timestamp;
use nano_webhooks::{
    api_key::KeyScope,
    names::AccountId,
    store::{ApiKeys, ImportResult, KeyGrant, KeyRecord},
};
use serde::Deserialize;

use super::{MAX_LABEL, label};
use crate::{
    failure::Failure,
    terminal::{self, Progress},
};

/// How many keys are stored at the same time.
const AT_ONCE: usize = 1_000;
/// How many times a key is tried while the table is too busy, once a second. A new table takes some thousand writes a
/// second, and more after some minutes.
const TRIES: u32 = 120;
/// How many mistakes of a file are shown.
const SHOWN: usize = 10;

/// A line of the file: one key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// SHA-256 of the whole key, `sk-` included, in hex.
    key_hash: String,
    account_id: AccountId,
    /// The platform's own id of the key.
    id: String,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    scope: KeyScope,
    #[serde(default)]
    expires_at: Option<Timestamp>,
}

/// Imports every key of a file, or none if a line is wrong.
pub(super) async fn import(keys: &ApiKeys, file: &str, json: bool) -> Result<(), Failure> {
    let records = parse(&read(file)?, Timestamp::now())?;
    let mut progress = Progress::new("importing", records.len());
    let (mut imported, mut existing) = (0, 0);
    for part in records.chunks(AT_ONCE) {
        let new = store(keys, part.to_vec()).await?;
        imported += new;
        existing += part.len() - new;
        progress.add(part.len());
    }
    drop(progress);
    if json {
        return terminal::json(&serde_json::json!({ "imported": imported, "existing": existing }));
    }
    terminal::note(&format!("Keys imported: {imported}. There before, and unchanged: {existing}."));
    Ok(())
}

/// Stores keys, and returns how many of them are new.
async fn store(keys: &ApiKeys, mut left: Vec<KeyRecord>) -> Result<usize, Failure> {
    let mut imported = 0;
    for _ in 0..TRIES {
        let results = keys.import(&left).await?;
        imported += results.iter().filter(|result| **result == ImportResult::Imported).count();
        let busy = left.into_iter().zip(results).filter(|(_, result)| *result == ImportResult::Busy);
        left = busy.map(|(record, _)| record).collect();
        if left.is_empty() {
            return Ok(imported);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Err(Failure::Failed("the table takes no more writes; import the same file again later to continue".into()))
}

fn read(file: &str) -> Result<String, Failure> {
    let read = if file == "-" { io::read_to_string(io::stdin()) } else { fs::read_to_string(file) };
    read.map_err(|err| Failure::Wrong(format!("could not read {file}: {err}")))
}

/// The keys of a file. Fails with the first mistakes, each with the number of its line.
fn parse(text: &str, now: Timestamp) -> Result<Vec<KeyRecord>, Failure> {
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    let (mut records, mut mistakes, mut line_of) = (Vec::new(), Vec::new(), HashMap::new());
    for (line, number) in lines {
        match record(line, now) {
            Ok(record) => match line_of.insert(record.key_hash.clone(), number) {
                Some(before) => mistakes.push(format!("line {number}: the same key_hash as in line {before}")),
                None => records.push(record),
            },
            Err(why) => mistakes.push(format!("line {number}: {why}")),
        }
    }
    if mistakes.is_empty() {
        return Ok(records);
    }
    let more = mistakes.len().saturating_sub(SHOWN);
    mistakes.truncate(SHOWN);
    mistakes.extend((more > 0).then(|| format!("and {more} more")));
    Err(Failure::Wrong(format!("nothing was imported, because some lines are wrong:\n{}", mistakes.join("\n"))))
}

fn record(line: &str, now: Timestamp) -> Result<KeyRecord, String> {
    let line: Line = serde_json::from_str(line).map_err(|err| err.to_string())?;
    let is_hash = line.key_hash.len() == 64 && line.key_hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hash {
        return Err("key_hash must be the SHA-256 of the key: 64 hex digits".into());
    }
    if !(1..=128).contains(&line.id.len()) || !line.id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("id must be 1 to 128 visible ASCII characters".into());
    }
    if line.label.as_deref().is_some_and(|text| label(text).is_err()) {
        return Err(format!("label must be 1 to {MAX_LABEL} characters"));
    }
    let Line { key_hash, account_id, id, label, scope, expires_at } = line;
    let grant = KeyGrant { account_id, label, scope, expires_at };
    Ok(KeyRecord::new(key_hash.to_ascii_lowercase(), id, grant, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef";

    fn parsed(lines: &[String]) -> Result<Vec<KeyRecord>, String> {
        let now = "2026-01-02T00:00:00Z".parse().unwrap();
        parse(&lines.join("\n"), now).map_err(|failure| failure.text().unwrap_or_default().to_owned())
    }

    #[test]
    fn a_line_is_a_key() {
        let short = format!(r#"{{"key_hash":"{HASH}","account_id":"acct_1","id":"42"}}"#);
        let long = format!(
            r#"{{"key_hash":"{HASH}","account_id":"acct_1","id":"k","label":"CI","scope":"read","expires_at":"2027-01-02T00:00:00Z"}}"#
        );
        let long = long.replacen("01", "99", 1);
        let records = parsed(&[short.clone(), String::new(), long]).unwrap();
        assert_eq!(records.len(), 2);
        assert_eq!((records[0].key_hash.as_str(), records[0].scope), (HASH.to_lowercase().as_str(), KeyScope::Full));
        assert_eq!((records[1].label.as_deref(), records[1].scope), (Some("CI"), KeyScope::Read));
        assert!(parsed(&[short.clone(), short]).unwrap_err().contains("line 2: the same key_hash as in line 1"));
    }

    #[test]
    fn a_wrong_line_is_named_and_nothing_is_imported() {
        for (line, words) in [
            ("sk-0123456789", "expected value"),
            (r#"{"account_id":"acct_1","id":"1"}"#, "missing field `key_hash`"),
            (r#"{"key_hash":"sk-1","account_id":"acct_1","id":"1"}"#, "64 hex digits"),
            (r#"{"key_hash":"HASH","account_id":"a b","id":"1"}"#, "account"),
            (r#"{"key_hash":"HASH","account_id":"acct_1","id":"a b"}"#, "id must be"),
            (r#"{"key_hash":"HASH","account_id":"acct_1","id":"1","label":""}"#, "label must be"),
            (r#"{"key_hash":"HASH","account_id":"acct_1","id":"1","scope":"write"}"#, "unknown variant `write`"),
            (r#"{"key_hash":"HASH","account_id":"acct_1","id":"1","key":"sk-1"}"#, "unknown field `key`"),
        ] {
            let refused = parsed(&[line.replace("HASH", HASH)]).unwrap_err();
            assert!(refused.contains("line 1: ") && refused.contains(words), "{line}: {refused}");
        }
    }
}
