//! The code's structure: imports run in one direction, and files are short.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, iter,
    path::Path,
};

use harness::workspace;
use syn::{Item, UseTree, Visibility};

const LONGEST_FILE: usize = 400;
/// For the functions of the console.
const LONGEST_FUNCTION: usize = 60;

/// A module's path in its crate; the crate itself is empty.
type Module = Vec<String>;

/// The modules of a crate, each with what its file imports, as full paths in the crate. Tests are left out.
struct Crate(BTreeMap<Module, Vec<Module>>);

#[test]
fn each_module_of_the_library_imports_only_from_modules_above_it_in_the_map() {
    let text = fs::read_to_string(workspace().join("shared/src/lib.rs")).unwrap();
    let floors = syn::parse_file(&text).unwrap().items.into_iter().filter_map(|item| match item {
        Item::Mod(module) => Some(module.ident.to_string()),
        _ => None,
    });
    let floors: Vec<_> = floors.collect();
    let floor = |name: &str| floors.iter().position(|module| module == name);
    assert!(floors.len() > 15, "{floors:?}");
    for (module, imports) in Crate::read(&workspace().join("shared/src")).0 {
        let Some(own) = module.first() else { continue };
        for import in imports.iter().filter(|import| import[0] != *own) {
            assert!(floor(&import[0]) < floor(own), "{} imports {}", module.join("::"), import.join("::"));
        }
    }
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let functions = fs::read_dir(workspace().join("functions")).unwrap().map(|entry| entry.unwrap().path().join("src"));
    let tests = fs::read_dir(workspace().join("tests")).unwrap().map(|entry| entry.unwrap().path());
    let others = ["shared/src", "cli/src", "bench/src"].map(|folder| workspace().join(folder));
    for folder in functions.chain(tests.filter(|path| path.is_dir())).chain(others) {
        let circle = Crate::read(&folder).circle();
        assert!(circle.is_empty(), "{}: {circle:?}", folder.display());
    }
}

/// Most end-to-end tests share a stack. Two that use the same account find each other's webhooks, and only in a run in
/// which both are under way.
#[test]
fn no_two_files_of_the_end_to_end_tests_use_the_same_account() {
    let mut files = BTreeMap::<String, BTreeSet<_>>::new();
    for file in rust_files(&workspace().join("tests/e2e")) {
        for text in fs::read_to_string(&file).unwrap().split('"') {
            let is_account =
                text.starts_with("acct_") && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if is_account {
                files.entry(text.to_owned()).or_default().insert(file.clone());
            }
        }
    }
    assert!(files.len() > 100, "{}", files.len());
    let shared: Vec<_> = files.iter().filter(|(_, files)| files.len() > 1).collect();
    assert!(shared.is_empty(), "{shared:#?}");
}

#[test]
fn no_file_is_longer_than_400_lines() {
    for folder in ["shared", "functions", "cli", "bench", "tests"] {
        for file in rust_files(&workspace().join(folder)).chain(console_modules()) {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            assert!(lines <= LONGEST_FILE, "{} has {lines} lines", file.display());
        }
    }
}

/// A function begins at a line that ends with its brace, and ends at the next line with the same indentation.
#[test]
fn no_function_of_the_console_is_longer_than_60_lines() {
    let mut count = 0;
    for file in console_modules() {
        let text = fs::read_to_string(&file).unwrap();
        let lines: Vec<_> = text.lines().collect();
        let indentation = |line: &str| line.len() - line.trim_start().len();
        for (at, line) in lines.iter().enumerate() {
            if !line.ends_with('{') || !(line.contains("function ") || line.ends_with("=> {")) {
                continue;
            }
            let ends = |other: &&str| other.trim_start().starts_with('}') && indentation(other) == indentation(line);
            let length = 2 + lines[at + 1..].iter().position(ends).expect("the function ends");
            assert!(length <= LONGEST_FUNCTION, "{}: {length} lines: {line}", file.display());
            count += 1;
        }
    }
    assert!(count > 200, "{count} functions");
}

impl Crate {
    /// Reads the crate in a folder.
    fn read(folder: &Path) -> Self {
        let files: Vec<_> = rust_files(folder).filter(|file| !file.ends_with("tests.rs")).collect();
        let module = |file: &Path| -> Module {
            let parts = file.strip_prefix(folder).unwrap().with_extension("");
            let parts = parts.iter().map(|part| part.to_str().unwrap().to_owned());
            parts.filter(|part| !["lib", "main", "mod"].contains(&part.as_str())).collect()
        };
        let imports = files.iter().map(|file| {
            let items = syn::parse_file(&fs::read_to_string(file).unwrap()).unwrap().items;
            (module(file), imports(&items, &module(file)))
        });
        Self(imports.collect())
    }

    /// The file that a path leads to. A name that a module re-exports leads to the file that has it.
    fn file_of(&self, path: &[String]) -> Module {
        let mut module = path;
        while !self.0.contains_key(module) {
            (_, module) = module.split_last().expect("the crate's own file is there");
        }
        let module = module.to_vec();
        let rest = &path[module.len()..];
        let is_same = |import: &&Module| import.last() == rest.first() && import.len() > module.len();
        let is_part = |import: &&Module| import.starts_with(&module) && import.as_slice() != path;
        let re_exported = rest.first().and_then(|_| self.0[&module].iter().filter(is_same).find(is_part));
        re_exported.map_or(module, |import| self.file_of(import))
    }

    /// The files that a file imports from, without the modules that it is a part of: a module and its parts are one.
    fn below(&self, module: &Module) -> BTreeSet<Module> {
        let files = self.0[module].iter().map(|import| self.file_of(import));
        files.filter(|file| !module.starts_with(file)).collect()
    }

    /// The files of all circles, and those between two circles. Empty if there is none.
    fn circle(&self) -> BTreeSet<Module> {
        let mut left: BTreeMap<_, _> = self.0.keys().map(|module| (module.clone(), self.below(module))).collect();
        loop {
            let imported: BTreeSet<_> = left.values().flatten().cloned().collect();
            let before = left.clone();
            let is_in_circle = |module: &Module, below: &BTreeSet<Module>| {
                imported.contains(module) && below.iter().any(|file| before.contains_key(file))
            };
            left.retain(|module, below| is_in_circle(module, below));
            if left.len() == before.len() {
                break;
            }
        }
        left.into_keys().collect()
    }
}

/// Everything that a module's items import from its crate.
fn imports(items: &[Item], module: &Module) -> Vec<Module> {
    let parts: BTreeSet<_> = items.iter().filter_map(part).collect();
    let uses = items.iter().filter_map(|item| if let Item::Use(it) = item { Some(&it.tree) } else { None });
    let paths = uses.flat_map(|tree| leaves(tree, Vec::new()));
    let in_crate = paths.filter_map(|path| {
        let ups = path.iter().take_while(|step| *step == "super").count();
        let (from, rest) = match path[0].as_str() {
            "crate" => (Vec::new(), &path[1..]),
            "self" => (module.clone(), &path[1..]),
            "super" => (module[..module.len().checked_sub(ups)?].to_vec(), &path[ups..]),
            own if parts.contains(own) => (module.clone(), &path[..]),
            _ => return None,
        };
        Some([&from, rest].concat())
    });
    in_crate.filter(|path| !path.is_empty()).collect()
}

/// The name of a module's own part, unless it is a test.
fn part(item: &Item) -> Option<String> {
    let Item::Mod(module) = item else { return None };
    let is_private = matches!(module.vis, Visibility::Inherited);
    (module.ident != "tests" || !is_private).then(|| module.ident.to_string())
}

/// The paths of a `use`.
fn leaves(tree: &UseTree, before: Vec<String>) -> Box<dyn Iterator<Item = Vec<String>> + '_> {
    let with = |name: &syn::Ident| [before.as_slice(), &[name.to_string()]].concat();
    match tree {
        UseTree::Path(path) => leaves(&path.tree, with(&path.ident)),
        UseTree::Group(group) => Box::new(group.items.iter().flat_map(move |tree| leaves(tree, before.clone()))),
        UseTree::Name(name) if name.ident == "self" => Box::new(iter::once(before)),
        UseTree::Name(name) => Box::new(iter::once(with(&name.ident))),
        UseTree::Rename(name) => Box::new(iter::once(with(&name.ident))),
        UseTree::Glob(_) => Box::new(iter::once(before)),
    }
}

fn console_modules() -> impl Iterator<Item = std::path::PathBuf> {
    let entries = fs::read_dir(workspace().join("functions/console/assets")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "js"))
}

fn rust_files(folder: &Path) -> Box<dyn Iterator<Item = std::path::PathBuf>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    Box::new(entries.flat_map(|path| -> Box<dyn Iterator<Item = _>> {
        if path.is_dir() {
            rust_files(&path)
        } else {
            Box::new(iter::once(path).filter(|path| path.extension().is_some_and(|extension| extension == "rs")))
        }
    }))
}
