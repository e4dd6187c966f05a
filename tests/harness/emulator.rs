//! Runs MiniStack, an emulator of AWS, as a child process.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::Pid;

use crate::{
    Failure, Faults, Options, environment,
    processes::{self, Process},
};

const READY_WITHIN: Duration = Duration::from_secs(30);

/// A running emulator. It ends when this is dropped. It also ends when this process ends without dropping it: it
/// reads a pipe that this process holds, and the pipe closes with the process.
pub(crate) struct Emulator {
    child: Child,
    endpoint: String,
    log: PathBuf,
}

impl Emulator {
    /// Starts the emulator with an empty state and waits until it answers.
    pub(crate) fn start(python: &Path, options: &Options) -> Result<Self, Failure> {
        // Another process may take a free port before the emulator binds it.
        let mut tries = if options.port.is_some() { 1 } else { 3 };
        loop {
            tries -= 1;
            match Self::start_at(choose_port(options.port)?, python, options) {
                Err(_) if tries > 0 => {}
                started => {
                    let emulator = started?;
                    if let Some(faults) = &options.faults {
                        faults.forward_to(emulator.endpoint());
                    }
                    return Ok(emulator);
                }
            }
        }
    }

    fn start_at(port: u16, python: &Path, options: &Options) -> Result<Self, Failure> {
        let Options { folder, faults, metrics, trace_daemon, .. } = options;
        let log = folder.join("emulator.log");
        let cannot_write = |error| Failure::new(format!("{} cannot be written: {error}", folder.display()));
        // These files are here only if an earlier emulator was killed.
        let _ = fs::remove_dir_all(folder.join("tmp"));
        fs::create_dir_all(folder.join("tmp")).map_err(cannot_write)?;
        let output = File::create(&log).map_err(cannot_write)?;

        let endpoint = format!("http://127.0.0.1:{port}");
        let mut command = Command::new(python);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/harness/python/emulator.py"));
        set_environment(&mut command, port, faults.as_ref().map_or(&endpoint, Faults::address), folder);
        if *metrics {
            command.env("PUBLISH_METRICS", "true");
        }
        if let Some(seconds) = options.schedules_every_seconds {
            command.env("SCHEDULES_EVERY_SECONDS", seconds.to_string());
        }
        if let Some(address) = trace_daemon {
            command.env("AWS_XRAY_DAEMON_ADDRESS", address.to_string());
        }
        let child = command
            .stdin(Stdio::piped())
            .stdout(output.try_clone().map_err(cannot_write)?)
            .stderr(output)
            .spawn()
            .map_err(|error| Failure::new(format!("the emulator cannot be started: {error}")))?;

        let mut emulator = Self { child, endpoint, log };
        emulator.wait_until_ready(port)?;
        Ok(emulator)
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Everything that the emulator and the functions have written so far.
    pub(crate) fn log(&self) -> Result<String, Failure> {
        Self::read(&self.log)
    }

    /// Ends the emulator and returns its log, which is then complete.
    pub(crate) fn end(self) -> Result<String, Failure> {
        let log = self.log.clone();
        drop(self);
        Self::read(&log)
    }

    fn read(log: &Path) -> Result<String, Failure> {
        let read = |log: &Path| {
            let cannot_read = |error| Failure::new(format!("{} cannot be read: {error}", log.display()));
            Ok(String::from_utf8_lossy(&fs::read(log).map_err(cannot_read)?).into_owned())
        };
        Ok(read(log)? + &read(&log.with_file_name("functions.log"))?)
    }

    /// The processes that run the functions.
    pub(crate) fn functions(&self) -> Vec<Process> {
        processes::of(Pid::from_child(&self.child))
    }

    /// Fails once the emulator has ended by itself.
    pub(crate) fn check(&mut self) -> Result<(), Failure> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            _ => Err(Failure::new(format!("the emulator ended by itself; its log is {}", self.log.display()))),
        }
    }

    fn wait_until_ready(&mut self, port: u16) -> Result<(), Failure> {
        let start = Instant::now();
        while !is_healthy(port) {
            self.check()?;
            if start.elapsed() > READY_WITHIN {
                return Err(Failure::new(format!("the emulator does not answer; its log is {}", self.log.display())));
            }
            sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Returns the given port, or any free one. Fails if the port cannot be used.
pub(crate) fn choose_port(port: Option<u16>) -> Result<u16, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.unwrap_or(0)));
    match (listener.and_then(|listener| listener.local_addr()), port) {
        (Ok(address), _) => Ok(address.port()),
        (Err(error), Some(port)) => Err(Failure::new(format!(
            "port {port} cannot be used ({error}); give another one with --port, or none to take a free one"
        ))),
        (Err(error), None) => Err(Failure::new(format!("there is no free port on 127.0.0.1: {error}"))),
    }
}

/// The functions inherit this environment, so it has nothing of the developer's own (profiles, proxies, log levels).
fn set_environment(command: &mut Command, port: u16, endpoint: &str, folder: &Path) {
    environment::set_clean_environment(command, endpoint);
    command
        .env("GATEWAY_PORT", port.to_string())
        .env("BIND_HOST", "127.0.0.1")
        // Queue URLs name this host, which resolves on every machine.
        .env("MINISTACK_HOST", "127.0.0.1")
        // The emulator enforces the template's policies: what AWS would deny a function is denied here too.
        .env("AUTH", "true")
        // On AWS the functions' LoggingConfig sets this.
        .env("AWS_LAMBDA_LOG_FORMAT", "JSON")
        // Every function must ignore it: at this level the runtime and the SDK log keys and secrets.
        .env("RUST_LOG", "trace")
        .env("HOME", folder)
        .env("TMPDIR", folder.join("tmp"))
        .env("STATE_DIR", folder.join("tmp/state"))
        .env("S3_DATA_DIR", folder.join("tmp/s3"));
}

fn is_healthy(port: u16) -> bool {
    let request = b"GET /_ministack/health HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n";
    let mut status = [0; 12];
    TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .and_then(|mut stream| stream.write_all(request).and_then(|()| stream.read_exact(&mut status)))
        .is_ok_and(|()| status.ends_with(b" 200"))
}
