//! Makes one script from the console's modules. Each module becomes a function that returns the module's exports. A
//! module comes after all modules that it imports.
//!
//! The bundler knows only the forms of `import` and `export` that the modules use. Any other form stops the build.
//! Only `text.js` loads a file while the script runs, and every other module waits for it: the file with the texts of the
//! user's language.

use std::{collections::BTreeMap, fmt::Write as _};

/// The module that loads the user's language, before any other module needs a text.
const LOADER: &str = "text.js";
/// The tags of texts. A text with one of them may go on in the next line: the tag makes one line of it.
const TAGS: [&str; 2] = ["t`", "parts`"];

/// The modules with their texts, and the script so far. The `done` modules are in it. The `open` modules wait for
/// their imports.
pub(crate) struct Bundle<'a> {
    modules: &'a BTreeMap<String, String>,
    done: Vec<String>,
    open: Vec<String>,
    script: String,
}

impl<'a> Bundle<'a> {
    /// Returns the script of `entry` and of every module. The script exports all other modules by name, for the
    /// browser's developer tools and for tests. Panics if a module is never imported.
    pub(crate) fn of(modules: &'a BTreeMap<String, String>, entry: &str) -> String {
        let mut bundle = Self { modules, done: Vec::new(), open: Vec::new(), script: String::new() };
        let body = bundle.body(entry);
        bundle.script.push_str(&body);
        for name in modules.keys() {
            assert!(name == entry || bundle.done.contains(name), "no module imports {name}");
        }
        let members = bundle.done.iter().map(|name| format!("'{}': {}", name.trim_end_matches(".js"), variable(name)));
        let members = members.collect::<Vec<_>>().join(", ");
        writeln!(bundle.script, "export const modules = {{ {members} }};").unwrap();
        bundle.script
    }

    fn add(&mut self, name: &str) {
        if self.done.iter().any(|done| done == name) {
            return;
        }
        assert!(!self.open.iter().any(|open| open == name), "{name} imports itself: {:?}", self.open);
        self.open.push(name.to_owned());
        let body = self.body(name);
        let exports = needed(&self.modules[name]).filter_map(|line| line.strip_prefix("export "));
        let exports = exports.map(member).collect::<Vec<_>>().join(", ");
        let [wait, kind] = if name == LOADER { ["await ", "async "] } else { [""; 2] };
        let start = format!("const {} = {wait}({kind}() => {{", variable(name));
        writeln!(self.script, "{start}\n{body}return {{ {exports} }};\n}})();").unwrap();
        self.open.pop();
        self.done.push(name.to_owned());
    }

    /// A module's text, with its imports taken from the bundled modules, and without the word `export`.
    fn body(&mut self, name: &str) -> String {
        let modules = self.modules;
        let text = modules.get(name).unwrap_or_else(|| panic!("there is no module {name}"));
        // A module that is loaded later may not exist any more: an upgrade replaces it.
        assert!(name == LOADER || !text.contains("import("), "{name} loads a module later");
        let mut body = String::new();
        for line in needed(text) {
            if let Some(import) = line.strip_prefix("import ") {
                let parts = import.strip_suffix("';").and_then(|import| import.split_once(" from './"));
                let parts = parts.filter(|(names, _)| names.starts_with('{'));
                let (names, from) = parts.unwrap_or_else(|| panic!("{name}: {line}"));
                self.add(from);
                writeln!(body, "const {names} = {};", variable(from)).unwrap();
            } else {
                writeln!(body, "{}", line.strip_prefix("export ").unwrap_or(line)).unwrap();
            }
        }
        body
    }
}

/// Returns a text without its comments and its indentation, which no browser needs.
pub(crate) fn compact(text: &str) -> String {
    needed(text).flat_map(|line| [line, "\n"]).collect()
}

/// The lines that a browser needs, without their indentation.
fn needed(text: &str) -> impl Iterator<Item = &str> {
    let (mut is_comment, mut is_text) = (false, false);
    text.lines().map(str::trim).filter(move |line| {
        let begins = !is_comment && !is_text && line.starts_with("/*");
        is_comment |= begins;
        let is_left_out = is_comment || !is_text && line.starts_with("//");
        if is_comment && line.contains("*/") {
            assert!(line.ends_with("*/"), "code follows a comment: {line}");
            is_comment = false;
        }
        let line = line.replace("'`'", "");
        if !is_left_out && line.matches('`').count() % 2 == 1 {
            // The indentation of the next line would be a part of any other text.
            let begins =
                TAGS.iter().any(|tag| line.rfind(tag).is_some_and(|at| at + tag.len() > line.rfind('`').unwrap()));
            assert!(is_text || begins, "a text goes on in the next line: {line}");
            is_text = !is_text;
        }
        !is_left_out
    })
}

/// The member of the returned object for one line with `export`.
fn member(export: &str) -> String {
    let declared =
        ["async function ", "function ", "class ", "const "].iter().find_map(|kind| export.strip_prefix(kind));
    let declared = declared.unwrap_or_else(|| panic!("export {export}"));
    let end = declared.find(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    declared[..end.unwrap_or(declared.len())].to_owned()
}

/// The variable with a module's exports. It begins with `$$`, which no module uses in its own names.
fn variable(name: &str) -> String {
    format!("$${}", name.trim_end_matches(".js").replace(['-', '.'], "_"))
}
