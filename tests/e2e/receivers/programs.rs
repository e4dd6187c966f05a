//! The programs of `docs/receivers/`, each started as a customer would, if its language is installed.

use std::{
    ffi::OsStr,
    fs::{self, File},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Mutex,
    thread::sleep,
    time::{Duration, Instant},
};

use harness::{node_modules, python_environment, workspace};

use crate::folder_of_this_run;

/// Runs a program until the pipe closes, because the test asked for it or because the test process ended.
const UNTIL_THE_PIPE_CLOSES: &str = r#"
exec 3<&0
"$@" < /dev/null 3<&- &
program=$!
{ read -r _ <&3; kill "$program"; } 2> /dev/null &
wait "$program""#;

/// A customer's receiver.
pub(crate) struct Program {
    /// Its file in `docs/receivers/`.
    pub(crate) name: String,
    /// The URL that it receives webhooks at.
    pub(crate) url: String,
    /// Its process, which ends when standard input closes.
    pub(crate) child: Child,
    log: PathBuf,
    port: u16,
}

impl Program {
    /// Starts a program. If its language cannot run here, returns the reason.
    pub(crate) fn start(name: &str, secret: &str) -> Result<Self, String> {
        let port = free_port();
        let folder = folder_of_this_run().join("receivers").join(port.to_string());
        fs::create_dir_all(&folder).unwrap();
        let program = command(name, port)?;
        let log = folder.join("log.txt");
        let output = File::create(&log).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", UNTIL_THE_PIPE_CLOSES, "sh"]).arg(program.get_program()).args(program.get_args());
        command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("WEBHOOK_SECRET", secret).env("PORT", port.to_string());
        // One program stores the ids that it has seen as files. Python would buffer its output until it ends.
        command.env("TMPDIR", &folder).env("PYTHONUNBUFFERED", "1");
        let child = command.stdin(Stdio::piped()).stdout(output.try_clone().unwrap()).stderr(output).spawn().unwrap();
        Ok(Self { name: name.to_owned(), url: format!("http://127.0.0.1:{port}/webhook"), child, log, port })
    }

    /// Waits until it accepts connections; returns false if it has ended.
    pub(crate) fn is_up(&mut self) -> bool {
        let start = Instant::now();
        while self.connect().is_none() {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(start.elapsed() < Duration::from_secs(30), "{} does not start: {}", self.name, self.log());
            sleep(Duration::from_millis(20));
        }
        true
    }

    pub(crate) fn connect(&self) -> Option<TcpStream> {
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()
    }

    /// Everything that the program printed.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }

    /// How often it processed the event of this task.
    pub(crate) fn count(&self, task: &str) -> usize {
        // Not counted by lines: a server's own log may come before the end of the line.
        self.log().matches(&format!("job.completed {task}")).count()
    }
}

/// A port for a program that binds it some time later. Nothing else uses it meanwhile: it is below the ports that
/// systems assign by themselves, and two runs at the same time rarely start at the same one.
fn free_port() -> u16 {
    static NEXT: Mutex<u16> = Mutex::new(0);
    let mut next = NEXT.lock().unwrap();
    loop {
        let first = 16_000 + u16::try_from(std::process::id() % 400).unwrap() * 25;
        *next = (*next + 1).max(first);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, *next)).is_ok() {
            return *next;
        }
    }
}

/// The command with which a customer starts a program, or the reason why that is not possible here.
fn command(name: &str, port: u16) -> Result<Command, String> {
    let file = workspace().join("docs/receivers").join(name);
    let target = workspace().join("target/receivers");
    let manifests = workspace().join("tests/receivers");
    let mut command = match name {
        "node.js" => having(Command::new("node"), ["--version"])?,
        "node-express.js" => {
            having(Command::new("npm"), ["--version"])?;
            let mut node = having(Command::new("node"), ["--version"])?;
            node.env("NODE_PATH", node_modules(&target.join("node"), &manifests).unwrap());
            node
        }
        "python-fastapi.py" | "python-flask.py" => {
            let requirements = manifests.join("requirements.txt");
            Command::new(python_environment(&target.join("python"), &requirements, &|_| ()).unwrap())
        }
        "go.go" => return Ok(Command::new(build_go(&file, &target)?)),
        "rust-axum.rs" => return Ok(Command::new(env!("CARGO_BIN_EXE_receiver-axum"))),
        "php.php" => {
            let mut php = having(Command::new("php"), ["--version"])?;
            php.args(["-S", &format!("127.0.0.1:{port}")]);
            php
        }
        "ruby.rb" => having(Command::new("ruby"), ["-e", "require 'webrick'"])?,
        other => panic!("this test does not know how to start docs/receivers/{other}"),
    };
    command.arg(file);
    Ok(command)
}

/// Returns a command if its program succeeds with these arguments, and otherwise what is missing.
fn having<const N: usize>(command: Command, arguments: [&str; N]) -> Result<Command, String> {
    let program = command.get_program().to_owned();
    let mut trial = Command::new(&program);
    let works = trial.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let said =
        [program.as_os_str()].into_iter().chain(arguments.map(OsStr::new)).collect::<Vec<_>>().join(OsStr::new(" "));
    if works.is_ok_and(|status| status.success()) { Ok(command) } else { Err(format!("no {}", said.display())) }
}

fn build_go(file: &Path, target: &Path) -> Result<PathBuf, String> {
    let binary = target.join("go");
    let mut go = having(Command::new("go"), ["version"])?;
    assert!(go.args(["build", "-o"]).arg(&binary).arg(file).status().unwrap().success(), "{} builds", file.display());
    Ok(binary)
}
