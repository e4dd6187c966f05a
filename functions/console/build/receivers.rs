//! The receivers of `docs/receivers`, which the tests run, as a module of the console: in the order of `docs/verifying.md`,
//! with the title and the note that they have there.

use std::{fmt::Write as _, fs, path::Path};

/// The module's text.
pub(crate) fn module(docs: &Path) -> String {
    let guide = fs::read_to_string(docs.join("verifying.md")).unwrap();
    let mut module = "export const RECEIVERS = [\n".to_owned();
    for part in guide.split("\n### ").skip(1) {
        let Some((title, (file, note))) = part.split_once('\n').and_then(|(title, rest)| Some((title, named(rest)?)))
        else {
            continue;
        };
        let code = fs::read_to_string(docs.join("receivers").join(file)).unwrap();
        // Rust's escapes in a text are JavaScript's, too.
        writeln!(module, "  {{ file: {file:?}, title: {title:?}, note: {note:?}, code: {code:?} }},").unwrap();
    }
    let count = fs::read_dir(docs.join("receivers")).unwrap().count();
    assert!(module.matches("{ file: ").count() == count, "docs/verifying.md does not have every receiver");
    module + "];\n"
}

/// The file that a section of the guide shows, and what it says of it.
fn named(section: &str) -> Option<(&str, String)> {
    let paragraph = section.trim_start().split("\n\n").next()?;
    let (_, rest) = paragraph.split_once("](receivers/")?;
    let (file, note) = rest.split_once("). ")?;
    Some((file, note.replace('\n', " ")))
}
