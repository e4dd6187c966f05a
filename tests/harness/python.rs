//! Python's virtual environments under `target/`, each with exactly what its requirements pin: one for MiniStack, one
//! for the receivers in `docs/receivers/` and the official libraries.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    Failure,
    helper::{last_words, run},
    workspace,
};

/// The names under which a Python may be installed; the system's default comes first.
const NAMES: [&str; 7] = ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10", "python"];

/// The interpreter for the emulator and the deployment.
pub(crate) fn for_the_stack(progress: &dyn Fn(&str)) -> Result<PathBuf, Failure> {
    environment(&workspace().join("target/python"), &workspace().join("tests/requirements.txt"), progress)
}

/// Returns the interpreter of a virtual environment, and makes the environment first if it is missing or its
/// requirements changed.
///
/// Tests and `cargo local` may call this at the same time; a file lock lets one of them do the work while the others
/// wait.
pub fn environment(folder: &Path, requirements: &Path, progress: &dyn Fn(&str)) -> Result<PathBuf, Failure> {
    let interpreter = folder.join("bin/python");
    let installed = folder.join("installed.txt");
    let cannot_write = |error| Failure::new(format!("{} cannot be written: {error}", folder.display()));
    let required = fs::read_to_string(requirements)
        .map_err(|error| Failure::new(format!("{} cannot be read: {error}", requirements.display())))?;

    fs::create_dir_all(folder).map_err(cannot_write)?;
    let lock = File::create(folder.with_extension("lock")).map_err(cannot_write)?;
    lock.lock().map_err(cannot_write)?;
    if fs::read_to_string(&installed).is_ok_and(|text| text == required) && starts(&interpreter) {
        return Ok(interpreter);
    }

    let python = find()?;
    progress(&format!("Installing Python packages into {} (once, half a minute)", folder.display()));
    let _ = fs::remove_dir_all(folder);
    make(python, folder)?;
    install(&interpreter, requirements)?;
    // Written last: an incomplete environment does not have this file and is made again.
    fs::write(&installed, required).map_err(cannot_write)?;
    Ok(interpreter)
}

fn find() -> Result<&'static str, Failure> {
    let is_new_enough = |name: &&str| python(name, "import sys; sys.exit(sys.version_info < (3, 10))");
    if let Some(name) = NAMES.iter().find(|name| is_new_enough(name)) {
        return Ok(name);
    }
    Err(Failure::new(match NAMES.iter().find(|name| starts(Path::new(name))) {
        Some(name) => format!("the local stack needs Python 3.10 or newer, and {name} is older"),
        None => "the local stack needs Python 3.10 or newer, and there is no python3 on the PATH".to_owned(),
    }))
}

fn make(name: &str, folder: &Path) -> Result<(), Failure> {
    // Debian's Python comes without these two.
    if !python(name, "import ensurepip, venv") {
        return Err(Failure::new(format!(
            "{name} cannot make virtual environments; install its venv module (on Debian and Ubuntu: apt install python3-venv)"
        )));
    }
    let mut command = Command::new(name);
    let output = run(command.args(["-m", "venv"]).arg(folder).stderr(Stdio::piped()), b"")
        .map_err(|error| Failure::new(format!("{name} cannot be started: {error}")))?;
    if !output.status.success() {
        return Err(Failure::new(format!("{name} could not make a virtual environment: {}", last_words(&output))));
    }
    Ok(())
}

fn install(interpreter: &Path, requirements: &Path) -> Result<(), Failure> {
    let mut command = Command::new(interpreter);
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    let output = run(command.arg(requirements).stderr(Stdio::piped()), b"")
        .map_err(|error| Failure::new(format!("pip cannot be started: {error}")))?;
    if !output.status.success() {
        return Err(Failure::new(format!("pip could not install {}: {}", requirements.display(), last_words(&output))));
    }
    Ok(())
}

fn starts(interpreter: &Path) -> bool {
    python(interpreter, "")
}

fn python(interpreter: impl AsRef<std::ffi::OsStr>, program: &str) -> bool {
    Command::new(interpreter)
        .args(["-c", program])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
