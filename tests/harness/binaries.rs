//! The programs under test, as cargo builds them.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{Failure, helper::run};

/// Builds every binary of the workspace and returns their paths by name. Cargo's progress and errors go to standard
/// error.
pub(crate) fn build(workspace: &Path) -> Result<BTreeMap<String, PathBuf>, Failure> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--workspace", "--bins", "--message-format=json-render-diagnostics"]);
    command.current_dir(workspace).stderr(Stdio::inherit());
    forget_outer_cargo(&mut command);
    let output = run(&mut command, b"").map_err(|error| Failure::new(format!("cargo cannot be started: {error}")))?;
    if !output.status.success() {
        return Err(Failure::new("the functions do not build; cargo says why above"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(binary).collect())
}

/// Removes the variables that an outer `cargo run` or `cargo test` set for this process. Build scripts of
/// dependencies watch some of them: if they stayed, cargo would build everything above those dependencies a second
/// time.
fn forget_outer_cargo(command: &mut Command) {
    let of_a_package =
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_", "CARGO_TARGET_TMPDIR"];
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| of_a_package.iter().any(|prefix| name.starts_with(prefix))) {
            command.env_remove(name);
        }
    }
}

/// Reads one line of cargo's messages: <https://doc.rust-lang.org/cargo/reference/external-tools.html>
fn binary(message: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(message).ok()?;
    let path = message["executable"].as_str()?;
    Some((message["target"]["name"].as_str()?.to_owned(), path.into()))
}
