//! Makes a JSON file for the console from the receivers in `docs/receivers`, which the tests run. They have the order,
//! the titles and the notes of `docs/verifying.md`.

use std::{fs, path::Path};

/// Returns the file's text. Panics if `docs/verifying.md` does not show every receiver.
pub(crate) fn json(docs: &Path) -> String {
    let guide = fs::read_to_string(docs.join("verifying.md")).unwrap();
    let mut receivers = Vec::new();
    for part in guide.split("\n### ").skip(1) {
        let Some((title, (file, note))) = part.split_once('\n').and_then(|(title, rest)| Some((title, named(rest)?)))
        else {
            continue;
        };
        let code = fs::read_to_string(docs.join("receivers").join(file)).unwrap();
        receivers.push(format!(r#"{{ "file": {file:?}, "title": {title:?}, "note": {note:?}, "code": {code:?} }}"#));
    }
    let count = fs::read_dir(docs.join("receivers")).unwrap().count();
    assert!(receivers.len() == count, "docs/verifying.md does not have every receiver");
    let json = format!("[{}]", receivers.join(","));
    // JSON has all other escapes of Rust.
    assert!(
        !json.contains(r"\u{") && !json.contains(r"\0"),
        "a receiver has a character that Rust escapes unlike JSON"
    );
    json
}

/// The file that a section of the guide shows, and the guide's note on it.
fn named(section: &str) -> Option<(&str, String)> {
    let paragraph = section.trim_start().split("\n\n").next()?;
    let (_, rest) = paragraph.split_once("](receivers/")?;
    let (file, note) = rest.split_once("). ")?;
    Some((file, note.replace('\n', " ")))
}
