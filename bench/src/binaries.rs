//! Has cargo build the measured programs.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::failure::{Failure, Result, check};

/// The root of this repository.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is a folder of the workspace")
}

/// The cargo profile of the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// As they are deployed.
    Release,
    /// As the tests build them.
    #[cfg_attr(
        not(all(test, target_os = "linux")),
        expect(dead_code, reason = "what was built so is not worth a figure")
    )]
    Debug,
}

/// The function that does nothing, a binary of this package.
pub(crate) const HELLO: &str = "hello";

/// Has cargo build these functions; returns their paths by name.
pub(crate) fn build(names: &[&str], profile: Profile) -> Result<BTreeMap<String, PathBuf>> {
    match profile {
        // As the end-to-end tests build them, so that all tests share one build.
        Profile::Debug => cargo(&["--workspace", "--bins"]),
        // Only these packages: together with others, cargo could build them with more features.
        Profile::Release => {
            let functions = names.iter().filter(|name| **name != HELLO).flat_map(|name| ["--package", name]);
            let mut built = cargo(&["--release", "--bins"].into_iter().chain(functions).collect::<Vec<_>>())?;
            if names.contains(&HELLO) {
                built.append(&mut cargo(&["--release", "--package", "bench", "--bin", HELLO])?);
            }
            Ok(built)
        }
    }
}

fn cargo(arguments: &[&str]) -> Result<BTreeMap<String, PathBuf>> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--message-format=json-render-diagnostics"]).args(arguments);
    command.current_dir(workspace()).stderr(Stdio::inherit());
    forget_outer_cargo(&mut command);
    let output = command.output().map_err(Failure::to("start cargo"))?;
    check(output.status.success(), || "the functions do not build; cargo says why above".into())?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(binary).collect())
}

/// Removes the variables that an outer `cargo run` or `cargo test` has set. Build scripts of dependencies watch some
/// of them: with them, cargo would build everything that needs those dependencies a second time.
fn forget_outer_cargo(command: &mut Command) {
    let of_a_package =
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_", "CARGO_TARGET_TMPDIR"];
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| of_a_package.iter().any(|prefix| name.starts_with(prefix))) {
            command.env_remove(name);
        }
    }
}

/// The name and path of a binary, from one line of cargo's messages:
/// <https://doc.rust-lang.org/cargo/reference/external-tools.html>
fn binary(message: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(message).ok()?;
    let path = message["executable"].as_str()?;
    Some((message["target"]["name"].as_str()?.to_owned(), path.into()))
}
