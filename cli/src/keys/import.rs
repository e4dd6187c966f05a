//! `nano-webhooks keys import`: stores the hashes of keys that customers have already.

use std::{
    collections::HashMap,
    fs, io,
    time::{Duration, SystemTime},
};

use jiff::Timestamp;
use nano_webhooks::{
    api_key::ImportedKey,
    store::{ApiKeys, ImportSummary},
};

use crate::{
    failure::Failure,
    terminal::{self, Progress},
};

/// How many keys are stored at the same time.
const AT_ONCE: usize = 1_000;
/// How long keys are tried while the table is too busy. A new table takes some thousand writes a second, and more after
/// some minutes.
const PATIENCE: Duration = Duration::from_mins(2);
/// How many mistakes of a file are shown.
const SHOWN: usize = 10;

/// Imports every key of a file, or none if a line is wrong.
pub(super) async fn import(keys: &ApiKeys, file: &str, json: bool) -> Result<(), Failure> {
    let imports = parse(&read(file)?)?;
    let mut progress = Progress::new("importing", imports.len());
    let mut summary = ImportSummary::default();
    for part in imports.chunks(AT_ONCE) {
        let ImportSummary { imported, existing } =
            keys.import(part, Timestamp::now(), SystemTime::now() + PATIENCE).await?;
        summary = ImportSummary { imported: summary.imported + imported, existing: summary.existing + existing };
        progress.add(part.len());
    }
    drop(progress);
    if json {
        return terminal::json(&summary);
    }
    let ImportSummary { imported, existing } = summary;
    terminal::note(&format!("Keys imported: {imported}. There before, and unchanged: {existing}."));
    Ok(())
}

fn read(file: &str) -> Result<String, Failure> {
    let read = if file == "-" { io::read_to_string(io::stdin()) } else { fs::read_to_string(file) };
    read.map_err(|err| Failure::Wrong(format!("could not read {file}: {err}")))
}

/// The keys of a file. Fails with the first mistakes, each with the number of its line.
fn parse(text: &str) -> Result<Vec<ImportedKey>, Failure> {
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    let (mut keys, mut mistakes, mut line_of) = (Vec::new(), Vec::new(), HashMap::new());
    for (line, number) in lines {
        match ImportedKey::parse(line.as_bytes()) {
            Ok(key) => match line_of.insert(key.key_hash.clone(), number) {
                Some(before) => mistakes.push(format!("line {number}: the same key_hash as in line {before}")),
                None => keys.push(key),
            },
            Err(why) => mistakes.push(format!("line {number}: {}", why.to_string().replace("the body", "it"))),
        }
    }
    if mistakes.is_empty() && keys.is_empty() {
        return Err(Failure::Wrong("there are no keys in it: nothing was imported".into()));
    }
    if mistakes.is_empty() {
        return Ok(keys);
    }
    let more = mistakes.len().saturating_sub(SHOWN);
    mistakes.truncate(SHOWN);
    mistakes.extend((more > 0).then(|| format!("and {more} more")));
    Err(Failure::Wrong(format!("nothing was imported, because some lines are wrong:\n{}", mistakes.join("\n"))))
}

#[cfg(test)]
mod tests {
    use nano_webhooks::api_key::KeyScope;

    use super::*;

    const HASH: &str = "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef";

    fn parsed(lines: &[String]) -> Result<Vec<ImportedKey>, String> {
        parse(&lines.join("\n")).map_err(|failure| failure.text().unwrap_or_default().to_owned())
    }

    #[test]
    fn a_line_is_a_key() {
        let short = format!(r#"{{"key_hash":"{HASH}","account_id":"acct_1","id":"42"}}"#);
        let long = format!(
            r#"{{"key_hash":"{HASH}","account_id":"acct_1","id":"k","label":"CI","scope":"read","expires_at":"2027-01-02T00:00:00Z"}}"#
        );
        let long = long.replacen("01", "99", 1);
        let keys = parsed(&[short.clone(), String::new(), long]).unwrap();
        assert_eq!(keys.len(), 2);
        assert_eq!((keys[0].key_hash.as_str(), keys[0].grant.scope), (HASH.to_lowercase().as_str(), KeyScope::Full));
        assert_eq!((keys[1].grant.label.as_deref(), keys[1].grant.scope), (Some("CI"), KeyScope::Read));
        assert!(parsed(&[short.clone(), short]).unwrap_err().contains("line 2: the same key_hash as in line 1"));
    }

    #[test]
    fn a_wrong_line_is_named_and_nothing_is_imported() {
        for (line, words) in [
            ("sk-0123456789", "line 1: it is not valid JSON"),
            (r#"{"account_id":"acct_1","id":"1"}"#, "key_hash is required"),
            (r#"{"key_hash":"sk-1","account_id":"acct_1","id":"1"}"#, "64 hex digits"),
            (r#"{"key_hash":"HASH","account_id":"a b","id":"1"}"#, "account"),
            (r#"{"key_hash":"HASH","account_id":"acct_1","id":"a b"}"#, "id must be"),
            (r#"{"key_hash":"HASH","account_id":"acct_1","id":"1","label":""}"#, "label must have"),
            (r#"{"key_hash":"HASH","account_id":"acct_1","id":"1","scope":"write"}"#, "scope is \"write\""),
            (r#"{"key_hash":"HASH","account_id":"acct_1","id":"1","key":"sk-1"}"#, "there is no field \"key\""),
        ] {
            let refused = parsed(&[line.replace("HASH", HASH)]).unwrap_err();
            assert!(refused.contains("line 1: ") && refused.contains(words), "{line}: {refused}");
        }
    }
}
