//! Installs packages for Node under `target/`, exactly as a lock file pins them.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    Failure,
    helper::{last_words, run},
};

/// Returns a folder for `NODE_PATH` with the packages of `manifests`, a folder with a `package.json` and its
/// `package-lock.json`. Installs them first, with npm, if they are missing or the lock file changed. Fails if npm is
/// not installed.
pub fn modules(folder: &Path, manifests: &Path) -> Result<PathBuf, Failure> {
    const LOCK: &str = "package-lock.json";
    let modules = folder.join("node_modules");
    let installed = modules.join("installed.json");
    let cannot_write = |error| Failure::new(format!("{} cannot be written: {error}", folder.display()));

    fs::create_dir_all(folder).map_err(cannot_write)?;
    let lock = File::create(folder.with_extension("lock")).map_err(cannot_write)?;
    lock.lock().map_err(cannot_write)?;
    for manifest in ["package.json", LOCK] {
        fs::copy(manifests.join(manifest), folder.join(manifest)).map_err(cannot_write)?;
    }
    let required = fs::read(folder.join(LOCK)).map_err(cannot_write)?;
    if fs::read(&installed).is_ok_and(|bytes| bytes == required) {
        return Ok(modules);
    }
    let mut command = Command::new("npm");
    command.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(folder);
    let output = run(command.stderr(Stdio::piped()), b"")
        .map_err(|error| Failure::new(format!("npm cannot be started: {error}")))?;
    if !output.status.success() {
        return Err(Failure::new(format!("npm could not install {}: {}", folder.display(), last_words(&output))));
    }
    // Written last: an incomplete folder does not have this file and is installed again.
    fs::write(&installed, required).map_err(cannot_write)?;
    Ok(modules)
}
