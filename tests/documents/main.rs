//! What documents say that a program can check. Those that name the tests behind what they say, in `<sub>`, name tests that
//! exist; the schema of completions says what the service does.

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
    for document in ["SECURITY.md", "docs/delivery.md"] {
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

/// A file or folder, where there is a slash; all tests of a module, where it ends in `::*`; else one test, or all with the
/// same beginning, where it ends in a star.
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

/// The name and the text of each Rust file below a folder.
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
