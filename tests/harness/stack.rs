//! The whole stack, from start to ready.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Arc, Condvar, Mutex, PoisonError},
};

use rustix::process::{Signal, kill_process};
use serde_json::Value;

use crate::{
    Aws, DeadLetter, Failure, Options,
    deploy::deploy,
    emulator::{Emulator, choose_port},
    environment::{aws_environment, set_clean_environment},
    helper::run,
    operator::Said,
    processes::peak_memory,
    python,
    secrets::UsedSecrets,
    workspace,
};

/// The template's parameters on this machine. All others keep the template's default.
const PARAMETERS: [(&str, &str); 7] = [
    // Receivers listen on 127.0.0.1, without TLS.
    ("EgressPolicy", "local"),
    // The default number of attempts, with waits of seconds instead of hours.
    ("RetryScheduleSeconds", "1,1,2,2,3,3,3"),
    // High enough that no test or person reaches a limit by accident.
    ("RateLimitPerMinute", "1000000"),
    ("RateLimitPerDay", "1000000000"),
    // A test waits this long for the messages of a dispatcher that died in the middle of a batch.
    ("DispatcherTimeoutSeconds", "15"),
    ("DeliveryVisibilityTimeoutSeconds", "15"),
    // Each concurrent fan-out is a process of its own; one can process everything that a machine sends.
    ("FanOutMaximumConcurrency", "5"),
];

/// A stack that is ready for use. It ends when this is dropped, or at the latest when this process ends.
pub struct Stack {
    emulator: Emulator,
    python: PathBuf,
    binaries: BTreeMap<String, PathBuf>,
    /// Base of the HTTP API's URLs: `{api_url}/api/v1/webhooks`.
    pub api_url: String,
    /// The queue for the job pipeline's completions.
    pub completions_queue_url: String,
    /// The queue for deliveries whose next attempt is due.
    pub deliveries_queue_url: String,
    /// The queue for messages that could not be processed.
    pub dead_letter_queue_url: String,
    /// The dead letters found so far; see [`crate::Producer::wait_for_dead_letter`].
    pub(crate) dead_letters: Arc<Mutex<Vec<DeadLetter>>>,
    pub(crate) used_secrets: UsedSecrets,
    _turn: Turn,
}

/// How many stacks a process runs at the same time. Each is an emulator and a process per function. If each test that
/// needs a stack of its own ran one at the same time, two processors would be so busy that functions would give up on
/// their tables.
const AT_ONCE: usize = 5;

static RUNNING: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// Permission to run beside the other stacks of the process.
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

/// A key to the HTTP API.
#[derive(Clone)]
pub struct ApiKey {
    /// The account that the key belongs to.
    pub account_id: String,
    /// The key itself.
    pub key: String,
}

impl Stack {
    /// The name of every local stack, and the default of the operator's command.
    pub const NAME: &str = "nano-webhooks";

    /// Starts a stack and blocks until it is ready: minutes if nothing has been built yet, seconds otherwise. While
    /// [`AT_ONCE`] others run it waits for one to end. `progress` is called before each slow step.
    pub fn start(options: &Options, progress: &dyn Fn(&str)) -> Result<Self, Failure> {
        let turn = Turn::wait();
        // First, because this check is quick and often fails.
        choose_port(options.port)?;
        let (python, binaries) = prepare(progress)?;
        progress("Starting the emulator");
        let emulator = Emulator::start(&python, options)?;
        let before = options.before.map(|before| before(&Aws::start(&python, emulator.endpoint())?));
        let made = before.transpose()?.unwrap_or_default();
        let made: Vec<_> = made.iter().map(|(name, value)| (*name, value.as_str())).collect();
        progress("Deploying template.yaml");
        let parameters = [&PARAMETERS, options.parameters.as_slice(), &made].concat();
        let deployment = deploy(&python, &emulator, Self::NAME, &parameters, &options.properties, &binaries)?;
        Ok(Self {
            // On AWS the API has its own host; here its id is in the path, because every client can resolve this
            // host.
            api_url: format!("{}/_aws/execute-api/{}", emulator.endpoint(), deployment.api_id),
            completions_queue_url: deployment.output("CompletionsQueueUrl")?,
            deliveries_queue_url: deployment.output("DeliveriesQueueUrl")?,
            dead_letter_queue_url: deployment.output("DeadLetterQueueUrl")?,
            dead_letters: Arc::default(),
            used_secrets: UsedSecrets::new(&options.folder)?,
            emulator,
            python,
            binaries,
            _turn: turn,
        })
    }

    /// Creates a key with the operator's own command.
    pub fn create_api_key(&self, account_id: &str) -> Result<ApiKey, Failure> {
        let output = self.operator(&["keys", "create", "--account", account_id, "--json"])?;
        let made: Value = serde_json::from_str(&output).unwrap_or_default();
        match made["key"].as_str() {
            Some(key) => {
                self.used_secrets.add(key);
                Ok(ApiKey { account_id: account_id.to_owned(), key: key.to_owned() })
            }
            None => Err(Failure::new(format!("nano-webhooks keys create printed no key: {output}"))),
        }
    }

    /// Runs the operator's command against this stack and returns its standard output. Fails with its last words if
    /// it fails.
    pub fn operator(&self, arguments: &[&str]) -> Result<String, Failure> {
        let said = self.ask_operator(arguments, "")?;
        match said.last_words() {
            Some(words) => Err(Failure::new(format!("nano-webhooks {}: {words}", arguments.join(" ")))),
            None => Ok(said.out),
        }
    }

    /// Runs the operator's command against this stack and returns the result, even if the command failed.
    pub fn ask_operator(&self, arguments: &[&str], input: &str) -> Result<Said, Failure> {
        let mut command = self.operator_command()?;
        let output = run(command.args(arguments).stderr(Stdio::piped()), input.as_bytes());
        output.map(Said::from).map_err(|error| Failure::new(format!("nano-webhooks cannot be started: {error}")))
    }

    /// The operator's command, pointed to this stack.
    pub fn operator_command(&self) -> Result<Command, Failure> {
        let missing = || Failure::new("the workspace has no binary nano-webhooks");
        let mut command = Command::new(self.binaries.get("nano-webhooks").ok_or_else(missing)?);
        set_clean_environment(&mut command, self.endpoint());
        command.env("NANO_API_URL", &self.api_url);
        Ok(command)
    }

    /// The API keys that were created for this stack, and the webhook secrets that its customers sent or received.
    pub fn used_secrets(&self) -> Vec<String> {
        self.used_secrets.all()
    }

    /// Everything that the emulator and the functions have logged so far.
    pub fn log(&self) -> Result<String, Failure> {
        self.emulator.log()
    }

    /// Ends the stack and returns its logs, which are then complete.
    pub fn end(self) -> Result<String, Failure> {
        self.emulator.end()
    }

    /// A client for the stack's AWS account, as the operator.
    pub fn aws(&self) -> Result<Aws, Failure> {
        Aws::start(&self.python, self.endpoint())
    }

    /// The emulator's address, for `AWS_ENDPOINT_URL`.
    pub fn endpoint(&self) -> &str {
        self.emulator.endpoint()
    }

    /// The environment variables with which an AWS client reaches this stack.
    pub fn aws_environment(&self) -> [(&'static str, &str); 5] {
        aws_environment(self.endpoint())
    }

    /// Kills one process of a function immediately, as a crash would. The function has its name in the template;
    /// `choose` gets the number of its processes and returns the place of one. Returns false if there is none, or
    /// outside Linux, where processes cannot be found.
    pub fn kill(&self, function: &str, choose: impl FnOnce(usize) -> usize) -> bool {
        let mut processes = self.emulator.functions();
        processes.retain(|process| process.function.contains(function));
        if processes.is_empty() {
            return false;
        }
        kill_process(processes[choose(processes.len())].id, Signal::KILL).is_ok()
    }

    /// The peak memory of all processes of a function, in KiB. `None` if there is no process, or outside Linux, where
    /// that cannot be measured.
    pub fn peak_memory(&self, function: &str) -> Option<u64> {
        let processes = self.emulator.functions().into_iter();
        processes
            .filter(|process| process.function.contains(function))
            .filter_map(|process| peak_memory(process.id))
            .max()
    }

    /// Fails if the emulator has ended by itself.
    pub fn check(&mut self) -> Result<(), Failure> {
        self.emulator.check()
    }
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
    let binaries = functions.chain(["nano-webhooks"]).flat_map(|name| ["--bin", name]);
    // In one selection with this package, which asks for the features of all: see `tests/Cargo.toml`.
    let arguments: Vec<_> = ["--workspace", "--exclude", "bench"].into_iter().chain(binaries).collect();
    let mut cargo = programs::build(&arguments);
    let output = run(&mut cargo, b"").map_err(|error| Failure::new(format!("cargo cannot be started: {error}")))?;
    if !output.status.success() {
        return Err(Failure::new("the functions do not build; cargo says why above"));
    }
    Ok((python, programs::built(&output.stdout)))
}
