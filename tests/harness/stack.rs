//! The whole stack, from start to ready.

use std::{
    process::Command,
    sync::{Arc, Mutex},
};

use rustix::process::{Signal, kill_process};
use serde_json::Value;

use crate::{
    Account, Aws, DeadLetter, Failure, Options, account::run_operator, deploy::Deployment,
    environment::aws_environment, operator::Said, processes::peak_memory, secrets::UsedSecrets,
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
    account: Account,
    /// Base of the HTTP API's URLs: `{api_url}/api/v1/webhooks`.
    pub api_url: String,
    /// The queue for the job pipeline's completions.
    pub completions_queue_url: String,
    /// The queue for deliveries whose next attempt is due.
    pub deliveries_queue_url: String,
    /// The queue for messages that could not be processed.
    pub dead_letter_queue_url: String,
    /// The ARN of the function that manages API keys for the platform's backend.
    pub manage_keys_function: String,
    /// The dead letters found so far; see [`crate::Producer::wait_for_dead_letter`].
    pub(crate) dead_letters: Arc<Mutex<Vec<DeadLetter>>>,
    pub(crate) used_secrets: UsedSecrets,
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
    /// too many others run it waits for one to end. `progress` is called before each slow step.
    pub fn start(options: &Options, progress: &dyn Fn(&str)) -> Result<Self, Failure> {
        let account = Account::open(options, progress)?;
        let before = options.before.map(|before| before(&account.aws()?));
        let made = before.transpose()?.unwrap_or_default();
        let made: Vec<_> = made.iter().map(|(name, value)| (*name, value.as_str())).collect();
        progress("Deploying template.yaml");
        let parameters = [&PARAMETERS, options.parameters.as_slice(), &made].concat();
        let deployment = account.deploy(Self::NAME, &parameters, &options.properties)?;
        Self::of(account, &deployment)
    }

    /// The stack of this name in an account in which somebody has deployed it, for example the operator's command.
    pub fn deployed_in(account: Account) -> Result<Self, Failure> {
        let deployment = Deployment::find(&account.aws()?, Self::NAME)?;
        Self::of(account, &deployment)
    }

    fn of(account: Account, deployment: &Deployment) -> Result<Self, Failure> {
        Ok(Self {
            // On AWS the API has its own host; here its id is in the path, because every client can resolve this
            // host.
            api_url: format!("{}/_aws/execute-api/{}", account.endpoint(), deployment.api_id),
            completions_queue_url: deployment.output("CompletionsQueueUrl")?,
            deliveries_queue_url: deployment.output("DeliveriesQueueUrl")?,
            dead_letter_queue_url: deployment.output("DeadLetterQueueUrl")?,
            manage_keys_function: deployment.output("ManageKeysFunctionArn")?,
            dead_letters: Arc::default(),
            used_secrets: UsedSecrets::new(account.folder())?,
            account,
        })
    }

    /// Creates a key with the operator's own command.
    pub fn create_api_key(&self, account_id: &str) -> Result<ApiKey, Failure> {
        let output = self.operator(&["keys", "create", "--account", account_id, "--json"])?;
        let made: Value = serde_json::from_str(&output).unwrap_or_default();
        match made["key"].as_str() {
            Some(key) => Ok(self.known_key(account_id, key)),
            None => Err(Failure::new(format!("nano-webhooks keys create printed no key: {output}"))),
        }
    }

    /// A key that was made for this stack in another way.
    pub fn known_key(&self, account_id: &str, key: &str) -> ApiKey {
        self.used_secrets.add(key);
        ApiKey { account_id: account_id.to_owned(), key: key.to_owned() }
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
        run_operator(self.operator_command()?.args(arguments), input)
    }

    /// The operator's command, pointed to this stack.
    pub fn operator_command(&self) -> Result<Command, Failure> {
        let mut command = self.account.operator_command()?;
        command.env("NANO_API_URL", &self.api_url);
        Ok(command)
    }

    /// The API keys that were created for this stack, and the webhook secrets that its customers sent or received.
    pub fn used_secrets(&self) -> Vec<String> {
        self.used_secrets.all()
    }

    /// Everything that the emulator and the functions have logged so far.
    pub fn log(&self) -> Result<String, Failure> {
        self.account.emulator.log()
    }

    /// Ends the stack and returns its logs, which are then complete.
    pub fn end(self) -> Result<String, Failure> {
        self.account.emulator.end()
    }

    /// A client for the stack's AWS account, as the operator.
    pub fn aws(&self) -> Result<Aws, Failure> {
        self.account.aws()
    }

    /// The emulator's address, for `AWS_ENDPOINT_URL`.
    pub fn endpoint(&self) -> &str {
        self.account.emulator.endpoint()
    }

    /// The environment variables with which an AWS client reaches this stack.
    pub fn aws_environment(&self) -> [(&'static str, &str); 5] {
        aws_environment(self.endpoint())
    }

    /// Kills one process of a function immediately, as a crash would. The function has its name in the template;
    /// `choose` gets the number of its processes and returns the place of one. Returns false if there is none, or
    /// outside Linux, where processes cannot be found.
    pub fn kill(&self, function: &str, choose: impl FnOnce(usize) -> usize) -> bool {
        let mut processes = self.account.emulator.functions();
        processes.retain(|process| process.function.contains(function));
        if processes.is_empty() {
            return false;
        }
        kill_process(processes[choose(processes.len())].id, Signal::KILL).is_ok()
    }

    /// The peak memory of all processes of a function, in KiB. `None` if there is no process, or outside Linux, where
    /// that cannot be measured.
    pub fn peak_memory(&self, function: &str) -> Option<u64> {
        let processes = self.account.emulator.functions().into_iter();
        processes
            .filter(|process| process.function.contains(function))
            .filter_map(|process| peak_memory(process.id))
            .max()
    }

    /// Fails if the emulator has ended by itself.
    pub fn check(&mut self) -> Result<(), Failure> {
        self.account.emulator.check()
    }
}
