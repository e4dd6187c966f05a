//! The whole stack, from nothing to ready.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Condvar, Mutex, PoisonError},
};

use rustix::process::{Signal, kill_process};
use serde_json::Value;

use crate::{
    Aws, DeadLetter, Failure, Faults, binaries,
    deploy::deploy,
    emulator::{ACCESS_KEY_ID, Emulator, REGION, SECRET_ACCESS_KEY, choose_port},
    helper::{run, set_clean_environment},
    operator::Said,
    processes::peak_memory,
    python,
    secrets::UsedSecrets,
};

/// Parameters of the template for this machine. Everything else is the template's default.
const PARAMETERS: [(&str, &str); 7] = [
    // Receivers listen on 127.0.0.1, without TLS.
    ("EgressPolicy", "local"),
    // As many attempts as by default, in seconds instead of hours.
    ("RetryScheduleSeconds", "1,1,2,2,3,3,3"),
    // Nobody is to trip over these by hand.
    ("RateLimitPerMinute", "1000000"),
    ("RateLimitPerDay", "1000000000"),
    // A dispatcher that dies in the middle of a batch costs a test this long.
    ("DispatcherTimeoutSeconds", "15"),
    ("DeliveryVisibilityTimeoutSeconds", "15"),
    // Each is a process of its own, and one can do what a machine sends.
    ("FanOutMaximumConcurrency", "5"),
];

/// What an operator does before deploying; gives parameters of the template, by name.
pub type Before = fn(&Aws) -> Result<Vec<(&'static str, String)>, Failure>;

/// Where and how to bring a stack up.
#[derive(Default)]
pub struct Options {
    /// The port of the emulator on 127.0.0.1, or any free one.
    pub port: Option<u16>,
    /// Takes the emulator's log and temporary files; one stack at a time may use it.
    pub folder: PathBuf,
    /// What the functions reach the emulator through, where a test is to make their calls fail.
    pub faults: Option<Faults>,
    /// Parameters of the template on top of those that every local stack has.
    pub parameters: Vec<(&'static str, &'static str)>,
    /// Makes what has to be there before the stack, and gives the parameters that name it.
    pub before: Option<Before>,
    /// Whether the emulator publishes metrics and evaluates alarms as CloudWatch does.
    pub metrics: bool,
    /// How often rules with a schedule run, instead of as often as the template says: every minute for release.
    pub schedules_every_seconds: Option<u32>,
    /// Where the functions write their traces: on AWS, X-Ray's daemon beside each of them.
    pub trace_daemon: Option<SocketAddr>,
    /// Properties of resources that are to be different from the template's: `{resource: {property: value}}`.
    pub properties: Value,
}

/// A stack that is ready for use. It ends when this is dropped, and with this process at the latest.
pub struct Stack {
    emulator: Emulator,
    python: PathBuf,
    binaries: BTreeMap<String, PathBuf>,
    /// Base of the HTTP API's URLs: `{api_url}/api/v1/webhooks`.
    pub api_url: String,
    /// Where the job pipeline puts completions.
    pub completions_queue_url: String,
    /// Where deliveries wait for their next attempt.
    pub deliveries_queue_url: String,
    /// What could not be processed.
    pub dead_letter_queue_url: String,
    /// The dead letters that were found so far; see [`crate::Producer::wait_for_dead_letter`].
    pub(crate) dead_letters: Arc<Mutex<Vec<DeadLetter>>>,
    pub(crate) used_secrets: UsedSecrets,
    _turn: Turn,
}

/// How many stacks of a process run at the same time. Each is an emulator and a process for each function, and with one for each
/// test that wants its own, two processors are so busy that functions give up on their tables.
const AT_ONCE: usize = 5;

static RUNNING: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// Leave to run beside the other stacks of the process.
struct Turn;

impl Turn {
    /// Blocks until there is room.
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
    /// The name that the operator's command looks for unless it is told another.
    pub const NAME: &str = "nano-webhooks";

    /// Brings a stack up. Blocks until it is ready: minutes when nothing has been built yet, seconds otherwise. While
    /// [`AT_ONCE`] others run it waits for one to end.
    /// `progress` hears of each step that takes a while.
    pub fn start(options: &Options, progress: &dyn Fn(&str)) -> Result<Self, Failure> {
        let turn = Turn::wait();
        // First, because it is quick and often wrong.
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
            // On AWS the API has a host of its own; here it is told by the path, which every client can resolve.
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

    /// Makes a key with the operator's own command.
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

    /// Runs the operator's command against this stack and gives what it printed.
    pub fn operator(&self, arguments: &[&str]) -> Result<String, Failure> {
        let said = self.ask_operator(arguments, "")?;
        match said.last_words() {
            Some(words) => Err(Failure::new(format!("nano-webhooks {}: {words}", arguments.join(" ")))),
            None => Ok(said.out),
        }
    }

    /// Runs the operator's command against this stack, whatever becomes of it.
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

    /// The keys that were made for this stack, and the webhooks' secrets that its customers sent and were shown.
    pub fn used_secrets(&self) -> Vec<String> {
        self.used_secrets.all()
    }

    /// What the emulator and the functions have written to their logs so far.
    pub fn log(&self) -> Result<String, Failure> {
        self.emulator.log()
    }

    /// Ends it; gives its logs, of which nothing is missing then.
    pub fn end(self) -> Result<String, Failure> {
        self.emulator.end()
    }

    /// The account that the stack is in, as its operator sees it.
    pub fn aws(&self) -> Result<Aws, Failure> {
        Aws::start(&self.python, self.endpoint())
    }

    /// The emulator's address, for `AWS_ENDPOINT_URL`.
    pub fn endpoint(&self) -> &str {
        self.emulator.endpoint()
    }

    /// What an AWS client needs in its environment to talk to this stack.
    pub fn aws_environment(&self) -> [(&'static str, &str); 5] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_REGION", REGION),
            // Python's clients know only this name.
            ("AWS_DEFAULT_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
            ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
        ]
    }

    /// Ends one process of a function at once, as a crash would. The function is named as in the template; `choose` gets
    /// the number of its processes. False where there is none, or where processes cannot be found (outside Linux).
    pub fn kill(&self, function: &str, choose: impl FnOnce(usize) -> usize) -> bool {
        let mut processes = self.emulator.functions();
        processes.retain(|process| process.function.contains(function));
        if processes.is_empty() {
            return false;
        }
        kill_process(processes[choose(processes.len())].id, Signal::KILL).is_ok()
    }

    /// The most memory that any process of a function ever had, in KiB; nothing where there is none, or where that cannot
    /// be found (outside Linux).
    pub fn peak_memory(&self, function: &str) -> Option<u64> {
        let processes = self.emulator.functions().into_iter();
        processes
            .filter(|process| process.function.contains(function))
            .filter_map(|process| peak_memory(process.id))
            .max()
    }

    /// Fails once the stack is no longer there.
    pub fn check(&mut self) -> Result<(), Failure> {
        self.emulator.check()
    }
}

/// Makes what every stack is made of, once: the emulator's Python and the functions. It alone needs the internet.
pub fn prepare(progress: &dyn Fn(&str)) -> Result<(PathBuf, BTreeMap<String, PathBuf>), Failure> {
    let python = python::for_the_stack(progress)?;
    progress("Building the functions");
    Ok((python, binaries::build(workspace())?))
}

/// The root of this repository.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is a folder of the workspace")
}
