//! Has cargo build the programs that `cargo local`, the end-to-end tests and the instruments run.
//!
//! Cargo builds a crate again for each set of features that is asked for, and the features depend on the packages that
//! are built together. `cargo local` first builds the package `tests`, whose program then has the functions and the
//! operator's command built; a test builds everything. `tests/Cargo.toml` makes these builds ask for the same features,
//! so that each crate is built once; the test below fails if they no longer do.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

/// The root of this repository.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the package is two folders below the root")
}

/// A `cargo build` with these arguments. Its standard output is for [`built`]; its progress and errors go to standard
/// error.
pub fn build(arguments: &[&str]) -> Command {
    let mut command = cargo();
    command.args(["build", "--message-format=json-render-diagnostics"]).args(arguments).stderr(Stdio::inherit());
    command
}

/// The paths of the binaries that a [`build`] has made, by name, from its standard output.
pub fn built(messages: &[u8]) -> BTreeMap<String, PathBuf> {
    String::from_utf8_lossy(messages).lines().filter_map(binary).collect()
}

/// Reads one line of cargo's messages: <https://doc.rust-lang.org/cargo/reference/external-tools.html>
fn binary(message: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(message).ok()?;
    let path = message["executable"].as_str()?;
    Some((message["target"]["name"].as_str()?.to_owned(), path.into()))
}

/// Cargo, without the variables that an outer `cargo run` or `cargo test` set for this process. Build scripts of
/// dependencies watch some of them: if they stayed, cargo would build everything above those dependencies again.
fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let of_a_package =
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_", "CARGO_TARGET_TMPDIR"];
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| of_a_package.iter().any(|prefix| name.starts_with(prefix))) {
            command.env_remove(name);
        }
    }
    command.current_dir(workspace());
    command
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every crate with its features, as these arguments select them.
    fn crates(arguments: &[&str]) -> BTreeSet<String> {
        let mut tree = cargo();
        tree.args(["tree", "--prefix=none", "--format={p} {f}"]).args(arguments);
        let output = tree.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
    }

    #[test]
    fn cargo_local_and_the_tests_build_each_crate_with_the_same_features() {
        let in_tests = crates(&["--workspace", "--edges=normal,build,dev"]);
        for part in [&["--package", "tests"][..], &["--workspace", "--exclude", "bench"]] {
            let built = crates(&[part, &["--edges=normal,build"]].concat());
            let again: Vec<_> = built.difference(&in_tests).collect();
            assert!(again.is_empty(), "built again by the tests, because {part:?} ask for other features: {again:#?}");
        }
    }
}
