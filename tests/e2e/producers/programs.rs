//! The programs of `docs/producers/`, each run as an operator would run it, if its language is installed.

use std::{
    fmt::Write as _,
    io::Write as _,
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::LazyLock,
    thread,
};

use harness::{node_modules, producers_python, skipped, workspace};
use serde_json::Value;

use crate::STACK;

/// The completions queue of the stack under test.
pub(crate) const COMPLETIONS_ARN: &str = "arn:aws:sqs:us-east-1:000000000000:nano-webhooks-completions";

/// A producer, with the command and the environment to run it.
pub(crate) struct Program {
    executable: PathBuf,
    arguments: Vec<PathBuf>,
    environment: Vec<(&'static str, String)>,
}

impl Program {
    /// The producer in this file of `docs/producers/`. Returns `None` if its language is not installed.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let file = workspace().join("docs/producers").join(name);
        let mut environment = environment_of_a_producer().to_vec();
        let (executable, arguments) = match name {
            "python.py" => (producers_python().unwrap(), vec![file]),
            "eventbridge.py" => {
                // The policy that is shown is for the queue; this producer needs to put events.
                environment = Vec::new();
                (producers_python().unwrap(), vec![file])
            }
            "rust.rs" => (env!("CARGO_BIN_EXE_producer").into(), Vec::new()),
            "node.js" => {
                if !["node", "npm"].iter().all(|tool| works(tool)) {
                    skipped("docs/producers/node.js: no node or no npm");
                    return None;
                }
                let modules = node_modules(&workspace().join("target/producers/node"), &manifests()).unwrap();
                environment.push(("NODE_PATH", modules.to_str().unwrap().to_owned()));
                ("node".into(), vec![file])
            }
            "aws-cli.sh" => {
                if !works("jq") {
                    skipped("docs/producers/aws-cli.sh: no jq");
                    return None;
                }
                let aws = producers_python().unwrap();
                let path = format!("{}:{}", aws.parent().unwrap().display(), std::env::var("PATH").unwrap());
                environment.push(("PATH", path));
                ("sh".into(), vec![file])
            }
            other => panic!("this test does not know how to run docs/producers/{other}"),
        };
        Some(Self { executable, arguments, environment })
    }

    /// Runs the producer with these completions, one per line. If it fails, returns its exit status and standard
    /// error.
    pub(crate) fn run(&self, endpoint: &str, completions: &[Value]) -> Result<(), String> {
        let mut lines = String::new();
        for completion in completions {
            writeln!(lines, "{completion}").unwrap();
        }
        let mut command = Command::new(&self.executable);
        command.args(&self.arguments).envs(STACK.aws_environment()).env("AWS_ENDPOINT_URL", endpoint);
        // Some clients call the address in the queue's URL, whatever their configuration says.
        let queue_url = STACK.completions_queue_url.replace(STACK.endpoint(), endpoint);
        command.env("COMPLETIONS_QUEUE_URL", queue_url).env("EVENT_BUS_NAME", "jobs");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let output = run(&mut command, &lines);
        if output.status.success() { Ok(()) } else { Err(complaint(&output)) }
    }
}

/// The files that are programs.
pub(crate) fn names() -> Vec<String> {
    let files = std::fs::read_dir(workspace().join("docs/producers")).unwrap();
    let programs = files.map(|file| file.unwrap().path()).filter(|file| file.extension().is_none_or(|it| it != "json"));
    programs.map(|file| file.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

/// The credentials of a user that has the published policy and no other.
pub(crate) fn environment_of_a_producer() -> &'static [(&'static str, String)] {
    static ENVIRONMENT: LazyLock<Vec<(&str, String)>> = LazyLock::new(|| {
        let user = aws(&["user", "producers", COMPLETIONS_ARN], "").unwrap();
        let value = |name: &'static str| (name, user[name].as_str().unwrap().to_owned());
        ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(value).to_vec()
    });
    &ENVIRONMENT
}

/// Runs `aws.py` as the account's owner and returns the JSON that it prints.
pub(crate) fn aws(arguments: &[&str], input: &str) -> Result<Value, String> {
    aws_as(&[], arguments, input)
}

/// Runs `aws.py` with additional environment variables.
pub(crate) fn aws_as(environment: &[(&str, String)], arguments: &[&str], input: &str) -> Result<Value, String> {
    let mut command = Command::new(producers_python().unwrap());
    command.arg(workspace().join("tests/e2e/producers/aws.py")).args(arguments).envs(STACK.aws_environment());
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let output = run(&mut command, input);
    if !output.status.success() {
        return Err(complaint(&output));
    }
    Ok(serde_json::from_slice(&output.stdout).unwrap_or_default())
}

pub(crate) fn manifests() -> PathBuf {
    workspace().join("tests/producers")
}

pub(crate) fn works(tool: &str) -> bool {
    let trial = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    trial.is_ok_and(|status| status.success())
}

pub(crate) fn run(command: &mut Command, input: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // A program that ends without reading its input reports the reason itself.
    let written = thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().unwrap();
    written.join().unwrap();
    output
}

pub(crate) fn complaint(output: &Output) -> String {
    format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr))
}
