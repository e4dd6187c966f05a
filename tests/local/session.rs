//! The files in `target/local/`, for other invocations of `cargo local` and for the user's shell.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read as _, Write as _},
    path::PathBuf,
};

use harness::{ApiKey, Failure, Stack, workspace};
use rustix::process::Pid;

/// The folder `target/local/` and the names in it.
pub(crate) struct Session {
    /// Contains all files below, and the emulator's files.
    pub(crate) folder: PathBuf,
    /// Exists while the stack is ready: its address and keys, one `NAME=value` per line.
    pub(crate) environment: PathBuf,
    /// The output of a detached stack.
    pub(crate) log: PathBuf,
    /// Contains the id of the process that runs the stack, which locks it while any part of the stack exists. The
    /// system releases the lock when the process ends, however it ends, so no lock is left behind.
    lock: PathBuf,
}

impl Session {
    pub(crate) fn new() -> Self {
        let folder = workspace().join("target/local");
        Self { environment: folder.join("stack.env"), log: folder.join("local.log"), lock: folder.join("lock"), folder }
    }

    /// Makes this process the one that runs the stack, while the returned file is kept. Fails if another process
    /// does.
    pub(crate) fn take(&self) -> Result<File, Failure> {
        let mut file = self.open_lock()?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::new(
                    "a local stack is already running; target/local/stack.env says how to reach it, and `cargo local --stop` ends it",
                ));
            }
            Err(TryLockError::Error(error)) => return Err(self.cannot_write(&error)),
        }
        self.forget_environment();
        file.set_len(0).map_err(|error| self.cannot_write(&error))?;
        write!(file, "{}", std::process::id()).map_err(|error| self.cannot_write(&error))?;
        Ok(file)
    }

    /// The process that runs the stack, if there is one.
    pub(crate) fn running(&self) -> Result<Option<Pid>, Failure> {
        let mut file = self.open_lock()?;
        if file.try_lock().is_ok() {
            return Ok(None);
        }
        let mut id = String::new();
        file.read_to_string(&mut id).map_err(|error| self.cannot_write(&error))?;
        Ok(id.parse().ok().and_then(Pid::from_raw))
    }

    /// Writes the stack's address and keys to a file, for the user's shell and tools.
    pub(crate) fn write_environment(&self, stack: &Stack, key: &ApiKey) -> Result<(), Failure> {
        let own = [
            ("NANO_API_URL", stack.api_url.as_str()),
            ("NANO_API_KEY", &key.key),
            ("NANO_ACCOUNT_ID", &key.account_id),
            ("COMPLETIONS_QUEUE_URL", &stack.completions_queue_url),
            ("DELIVERIES_QUEUE_URL", &stack.deliveries_queue_url),
            ("DEAD_LETTER_QUEUE_URL", &stack.dead_letter_queue_url),
            ("MANAGE_KEYS_FUNCTION", &stack.manage_keys_function),
        ];
        let lines: Vec<String> =
            own.into_iter().chain(stack.aws_environment()).map(|(name, value)| format!("{name}={value}\n")).collect();
        // Renamed only when complete: a program that waits for the file may read it immediately.
        let unfinished = self.folder.join("stack.env.unfinished");
        fs::write(&unfinished, lines.concat())
            .and_then(|()| fs::rename(&unfinished, &self.environment))
            .map_err(|error| self.cannot_write(&error))
    }

    /// Deletes the file with the stack's address and keys: the stack is not ready, or no longer.
    pub(crate) fn forget_environment(&self) {
        // Usually the file does not exist.
        let _ = fs::remove_file(&self.environment);
    }

    fn open_lock(&self) -> Result<File, Failure> {
        fs::create_dir_all(&self.folder)
            .and_then(|()| OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&self.lock))
            .map_err(|error| self.cannot_write(&error))
    }

    fn cannot_write(&self, error: &std::io::Error) -> Failure {
        Failure::new(format!("{} cannot be written: {error}", self.folder.display()))
    }
}
