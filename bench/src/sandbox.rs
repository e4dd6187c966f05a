//! A function's process: started as Lambda starts it, and measured from outside while it runs.

use std::{
    fs,
    io::{BufRead as _, BufReader, ErrorKind, Read},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Instant,
};

use crate::{
    cores,
    failure::{Failure, Result},
};

/// A function's standard output and standard error, which are its log on Lambda.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) bytes: AtomicU64,
    pub(crate) lines: AtomicU64,
    last: Mutex<Vec<String>>,
}

/// A function's process. It is killed when this is dropped.
pub(crate) struct Sandbox {
    child: Child,
    readers: Vec<JoinHandle<()>>,
    /// The time just before the process was started.
    pub(crate) started: Instant,
    pub(crate) log: Arc<Log>,
}

/// `ESRCH`: the thread has ended since it was listed.
const NO_SUCH_PROCESS: i32 = 3;
/// How many of the last lines of a log are kept, to explain a failure.
const LINES_KEPT: usize = 5;

impl Sandbox {
    /// Starts a binary on the function's processor.
    pub(crate) fn start(binary: &Path, environment: &[(String, String)]) -> Result<Self> {
        let mut command = Command::new(binary);
        command.env_clear().envs(environment.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut started = Instant::now();
        let spawned = cores::on_the_functions(|| {
            started = Instant::now();
            command.spawn()
        });
        let mut child = spawned.map_err(Failure::to(&format!("start {}", binary.display())))?;
        let log = Arc::<Log>::default();
        let outputs: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|output| Box::new(output) as Box<_>),
            child.stderr.take().map(|output| Box::new(output) as Box<_>),
        ];
        let readers = outputs.into_iter().flatten().map(|output| {
            let log = Arc::clone(&log);
            thread::spawn(move || log.read(output))
        });
        Ok(Self { readers: readers.collect(), child, started, log })
    }

    /// The processor time so far of all its threads that still run, in milliseconds.
    pub(crate) fn cpu_ms(&self) -> Result<f64> {
        let read = Failure::to("read a function's processor time");
        let mut nanoseconds = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id())).map_err(&read)? {
            let path = thread.map_err(&read)?.path().join("schedstat");
            match cores::time_used(&path) {
                Ok(used) => nanoseconds += used,
                Err(err) if err.raw_os_error() == Some(NO_SUCH_PROCESS) || err.kind() == ErrorKind::NotFound => {}
                Err(err) => return Err(read(err)),
            }
        }
        Ok(nanoseconds as f64 / 1e6)
    }

    /// Its peak memory so far, in MiB.
    pub(crate) fn peak_rss_mib(&self) -> Result<f64> {
        let doing = "read a function's memory";
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).map_err(Failure::to(doing))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        let kib: f64 = peak.unwrap_or_default().parse().map_err(Failure::to(doing))?;
        Ok(kib / 1024.0)
    }

    /// Kills the process and returns its complete log.
    pub(crate) fn end(mut self) -> Arc<Log> {
        self.kill();
        Arc::clone(&self.log)
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Log {
    fn read(&self, output: impl Read) {
        let (mut output, mut line) = (BufReader::new(output), Vec::new());
        while output.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            self.bytes.fetch_add(line.len() as u64, Relaxed);
            self.lines.fetch_add(1, Relaxed);
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            if last.len() == LINES_KEPT {
                last.remove(0);
            }
            last.push(String::from_utf8_lossy(&line).trim_end().to_owned());
            line.clear();
        }
    }

    /// The last lines of the log.
    pub(crate) fn last_words(&self) -> String {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }
}
