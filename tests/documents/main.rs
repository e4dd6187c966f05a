//! Checks statements of the documents. Every test that a document names in `<sub>` exists; the schema of completions
//! agrees with the service.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod completion_schema;

use std::{fs, path::Path};

use harness::workspace;

#[test]
fn every_test_that_a_document_names_exists() {
    let mut sources = Vec::new();
    for folder in ["cli", "functions", "shared", "tests"] {
        read_sources(&workspace().join(folder), &mut sources);
    }
    let mut checked = 0;
    for document in ["SECURITY.md", "docs/delivery.md", "docs/events.md", "docs/recovering.md"] {
        let text = fs::read_to_string(workspace().join(document)).unwrap();
        for notes in text.split("<sub>").skip(1).map(|rest| rest.split("</sub>").next().unwrap()) {
            for name in notes.split('`').skip(1).step_by(2) {
                assert!(exists(name, &sources), "{document} names {name}, and there is no such test");
                checked += 1;
            }
        }
    }
    assert!(checked > 50, "only {checked} names were found in the documents");
}

#[test]
fn every_function_that_the_walk_throughs_name_exists() {
    let mut sources = Vec::new();
    for folder in ["functions", "shared"] {
        read_sources(&workspace().join(folder), &mut sources);
    }
    let text = fs::read_to_string(workspace().join("docs/architecture.md")).unwrap();
    let (_, walk_throughs) = text.split_once("## Through the code: a completion").unwrap();
    let mut checked = 0;
    for name in walk_throughs.split('`').skip(1).step_by(2).filter(|name| name.contains("::")) {
        let (owner, function) = name.rsplit_once("::").unwrap();
        let owner = owner.rsplit("::").next().unwrap();
        let is_type = owner.starts_with(char::is_uppercase);
        // A function is in its module's file, or in a file that names its type; a case is in the file of its enum.
        let found = sources.iter().any(|(file, source)| {
            let is_there = source.contains(&format!("fn {function}(")) || source.contains(&format!("fn {function}<"));
            let is_case = source.contains(&format!("enum {owner} ")) && source.contains(&format!(" {function}"));
            let is_owners = if is_type { source.contains(owner) } else { *file == format!("{owner}.rs") };
            is_case || is_there && is_owners
        });
        assert!(found, "docs/architecture.md names {name}, and there is no such function");
        checked += 1;
    }
    assert!(checked > 25, "only {checked} names were found in the walk-throughs");
}

/// The third line of a record is `2026-11-22. Accepted.`, or names the record that superseded it.
#[test]
fn every_record_has_a_date_and_a_status() {
    for entry in fs::read_dir(workspace().join("docs/decisions")).unwrap().map(Result::unwrap) {
        let text = fs::read_to_string(entry.path()).unwrap();
        let line = text.lines().nth(2).unwrap();
        let status = line.split_once(". ").filter(|(date, _)| date.parse::<jiff::civil::Date>().is_ok());
        let is_known =
            |(_, status): (&str, &str)| status.starts_with("Accepted.") || status.starts_with("Superseded on ");
        assert!(status.is_some_and(is_known), "{}: {line}", entry.path().display());
    }
}

/// Whether a name exists. With a slash it is a file or folder; with `::*` at the end, all tests of a module;
/// otherwise one test, or with a star at the end all tests that begin so.
fn exists(name: &str, sources: &[(String, String)]) -> bool {
    if name.contains('/') {
        return workspace().join(name).exists();
    }
    if let Some(module) = name.strip_suffix("::*") {
        let module = module.trim_end_matches("::tests").rsplit("::").next().unwrap();
        return sources.iter().any(|(file, source)| *file == format!("{module}.rs") && source.contains("test]"));
    }
    let test = name.rsplit("::").next().unwrap();
    let beginning = test.strip_suffix('*').map_or_else(|| format!("fn {test}("), |beginning| format!("fn {beginning}"));
    sources.iter().any(|(_, source)| source.contains(&beginning))
}

/// Adds the name and the text of each Rust file below a folder.
fn read_sources(folder: &Path, sources: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        if path.is_dir() {
            read_sources(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push((name, fs::read_to_string(path).unwrap()));
        }
    }
}
