//! An AWS account on this machine, with nothing in it: the emulator, and what is deployed to it.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Condvar, LazyLock, Mutex, PoisonError},
};

use serde_json::Value;

use crate::{
    Aws, Failure, Options,
    deploy::{Deployment, deploy},
    emulator::{Emulator, choose_port},
    environment::{REGION, set_clean_environment},
    helper::{last_words, run},
    operator::Said,
    python, workspace,
};

/// How many accounts a process has at the same time. Each is an emulator and a process per function. If each test that
/// needs a stack of its own ran one at the same time, two processors would be so busy that functions would give up on
/// their tables.
const AT_ONCE: usize = 4;

static RUNNING: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// Permission to run beside the other accounts of the process.
struct Turn;

impl Turn {
    /// Blocks until fewer than [`AT_ONCE`] stacks run.
    fn wait() -> Self {
        let running = RUNNING.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |running: &mut usize| *running >= AT_ONCE;
        *RUNNING.1.wait_while(running, full).unwrap_or_else(PoisonError::into_inner) += 1;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *RUNNING.0.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        RUNNING.1.notify_one();
    }
}

/// An account. It ends when this is dropped, or at the latest when this process ends.
pub struct Account {
    pub(crate) emulator: Emulator,
    python: PathBuf,
    binaries: BTreeMap<String, PathBuf>,
    folder: PathBuf,
    _turn: Turn,
}

impl Account {
    /// Opens an empty account, with what the options say about the emulator. Builds what would be deployed to it. While
    /// [`AT_ONCE`] others are open it waits for one to end.
    pub fn open(options: &Options, progress: &dyn Fn(&str)) -> Result<Self, Failure> {
        let turn = Turn::wait();
        // First, because this check is quick and often fails.
        choose_port(options.port)?;
        let (python, binaries) = prepare(progress)?;
        progress("Starting the emulator");
        let emulator = Emulator::start(&python, options)?;
        Ok(Self { emulator, python, binaries, folder: options.folder.clone(), _turn: turn })
    }

    /// The operator's command with the account's credentials.
    pub fn operator_command(&self) -> Result<Command, Failure> {
        let mut command = Command::new(operators_command()?);
        set_clean_environment(&mut command, self.endpoint());
        Ok(command)
    }

    /// Runs the operator's command and returns the result, even if the command failed.
    pub fn ask_operator(&self, arguments: &[&str]) -> Result<Said, Failure> {
        run_operator(self.operator_command()?.args(arguments), "")
    }

    /// A client for the account, as the operator.
    pub fn aws(&self) -> Result<Aws, Failure> {
        Aws::start(&self.python, self.endpoint())
    }

    /// The emulator's address, for `AWS_ENDPOINT_URL`.
    pub fn endpoint(&self) -> &str {
        self.emulator.endpoint()
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Deploys `template.yaml` as a stack with this name, and waits until the stack is created.
    pub(crate) fn deploy(
        &self,
        stack: &str,
        parameters: &[(&str, &str)],
        properties: &Value,
    ) -> Result<Deployment, Failure> {
        deploy(&self.python, &self.emulator, stack, parameters, properties, &self.binaries)
    }
}

/// Runs the operator's command and returns the result, even if the command failed.
pub(crate) fn run_operator(command: &mut Command, input: &str) -> Result<Said, Failure> {
    let output = run(command.stderr(Stdio::piped()), input.as_bytes());
    output.map(Said::from).map_err(|error| Failure::new(format!("nano-webhooks cannot be started: {error}")))
}

/// Makes what all stacks share, once: the emulator's Python and the functions' binaries. Only this step needs the
/// internet.
pub fn prepare(progress: &dyn Fn(&str)) -> Result<(PathBuf, BTreeMap<String, PathBuf>), Failure> {
    let python = python::for_the_stack(progress)?;
    progress("Building the functions");
    let template = workspace().join("template.yaml");
    let template = fs::read_to_string(&template)
        .map_err(|error| Failure::new(format!("{} cannot be read: {error}", template.display())))?;
    let functions = template.lines().filter_map(|line| line.split_once("{ Binary: ")?.1.strip_suffix(" }"));
    Ok((python, build(functions)?))
}

/// The operator's command. It is built when something first asks for it: `cargo local` shows a webhook before that,
/// because the SDK's crates that only this command needs take as long to build as a third of all others.
pub fn operators_command() -> Result<&'static Path, Failure> {
    static BUILT: LazyLock<Result<PathBuf, Failure>> = LazyLock::new(|| {
        let missing = || Failure::new("the workspace has no binary nano-webhooks");
        build(["nano-webhooks"])?.remove("nano-webhooks").ok_or_else(missing)
    });
    BUILT.as_deref().map_err(Clone::clone)
}

/// Builds these programs of the workspace, and returns their paths by name.
fn build<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<BTreeMap<String, PathBuf>, Failure> {
    let binaries = names.into_iter().flat_map(|name| ["--bin", name]);
    // In one selection with this package, which asks for the features of all: see `tests/Cargo.toml`.
    let arguments: Vec<_> = ["--workspace", "--exclude", "bench"].into_iter().chain(binaries).collect();
    let mut cargo = programs::build(&arguments);
    let output = run(&mut cargo, b"").map_err(|error| Failure::new(format!("cargo cannot be started: {error}")))?;
    if !output.status.success() {
        return Err(Failure::new("the workspace does not build; cargo says why above"));
    }
    Ok(programs::built(&output.stdout))
}

/// Makes a small release of this version with `.ci/package.py`, in a folder of this name: from the binaries of this
/// build, or with the zips of another such release. Its functions are for this machine's processor: the emulator runs
/// them, whatever architecture is declared.
pub fn release(dist: &Path, version: &str, zips: Option<&Path>) -> Result<(), Failure> {
    let (python, binaries) = prepare(&|_| {})?;
    let missing = || Failure::new("the workspace has no functions");
    let folder = binaries.values().next().and_then(|binary| binary.parent()).ok_or_else(missing)?;
    let functions = format!("arm64={}", folder.display());
    let package = |arguments: &[&str]| {
        let mut command = Command::new(&python);
        command.arg(workspace().join(".ci/package.py")).arg(version).arg(dist).args(arguments);
        let output = run(command.env("AWS_DEFAULT_REGION", REGION).stderr(Stdio::piped()), b"");
        let output = output.map_err(|error| Failure::new(format!("package.py cannot be started: {error}")))?;
        let failed = || Failure::new(format!("package.py failed: {}", last_words(&output)));
        if output.status.success() { Ok(()) } else { Err(failed()) }
    };
    match zips {
        None => package(&["--compression", "1", "--functions", &functions])?,
        Some(other) => {
            package(&[])?;
            copy_zips(other, dist).map_err(|error| Failure::new(format!("the zips cannot be copied: {error}")))?;
        }
    }
    package(&["--digests"])
}

fn copy_zips(from: &Path, to: &Path) -> io::Result<()> {
    for file in fs::read_dir(from)? {
        let file = file?;
        if file.path().extension().is_some_and(|extension| extension == "zip") {
            fs::copy(file.path(), to.join(file.file_name()))?;
        }
    }
    Ok(())
}
