//! Makes a module of the console from the receivers in `docs/receivers`, which the tests run. They have the order,
//! the titles and the notes of `docs/verifying.md`.

use std::{fmt::Write as _, fs, path::Path};

/// Returns the module's text. Panics if `docs/verifying.md` does not show every receiver.
pub(crate) fn module(docs: &Path) -> String {
    let guide = fs::read_to_string(docs.join("verifying.md")).unwrap();
    let mut module = "export const RECEIVERS = [\n".to_owned();
    for part in guide.split("\n### ").skip(1) {
        let Some((title, (file, note))) = part.split_once('\n').and_then(|(title, rest)| Some((title, named(rest)?)))
        else {
            continue;
        };
        let code = fs::read_to_string(docs.join("receivers").join(file)).unwrap();
        // JavaScript reads a string with Rust's escapes as the same text.
        writeln!(module, "  {{ file: {file:?}, title: {title:?}, note: {note:?}, code: {code:?} }},").unwrap();
    }
    let count = fs::read_dir(docs.join("receivers")).unwrap().count();
    assert!(module.matches("{ file: ").count() == count, "docs/verifying.md does not have every receiver");
    module + "];\n"
}

/// The file that a section of the guide shows, and the guide's note on it.
fn named(section: &str) -> Option<(&str, String)> {
    let paragraph = section.trim_start().split("\n\n").next()?;
    let (_, rest) = paragraph.split_once("](receivers/")?;
    let (file, note) = rest.split_once("). ")?;
    Some((file, note.replace('\n', " ")))
}
