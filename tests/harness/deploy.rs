//! The deployment of `template.yaml`. The work is done by `python/deploy.py`, because the SAM transform is Python.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    Aws, Failure,
    emulator::Emulator,
    environment::{REGION, set_clean_environment},
    helper::{last_words, run},
    python, workspace,
};

/// What the deployment created.
pub(crate) struct Deployment {
    pub(crate) api_id: String,
    outputs: Value,
}

impl Deployment {
    /// What is deployed under this name. Fails if there is no such stack.
    pub(crate) fn find(aws: &Aws, stack: &str) -> Result<Self, Failure> {
        let stacks = aws.call("cloudformation", "DescribeStacks", &json!({ "StackName": stack }))?;
        let api = json!({ "StackName": stack, "LogicalResourceId": "HttpApi" });
        let api = aws.call("cloudformation", "DescribeStackResource", &api)?;
        let outputs = stacks["Stacks"][0]["Outputs"].as_array().into_iter().flatten();
        Ok(Self {
            api_id: api["StackResourceDetail"]["PhysicalResourceId"].as_str().unwrap_or_default().to_owned(),
            outputs: outputs
                .map(|output| {
                    (output["OutputKey"].as_str().unwrap_or_default().to_owned(), output["OutputValue"].clone())
                })
                .collect(),
        })
    }

    /// An output of the template, by name. Fails if the template has none of this name.
    pub(crate) fn output(&self, name: &str) -> Result<String, Failure> {
        let missing = || Failure::new(format!("the template has no output {name}"));
        self.outputs[name].as_str().map(str::to_owned).ok_or_else(missing)
    }
}

/// Deploys the template as a stack with this name, and waits until the stack is created.
pub(crate) fn deploy(
    python: &Path,
    emulator: &Emulator,
    stack: &str,
    parameters: &[(&str, &str)],
    properties: &Value,
    binaries: &BTreeMap<String, PathBuf>,
) -> Result<Deployment, Failure> {
    let order = json!({
        "endpoint": emulator.endpoint(),
        "stack": stack,
        "template": workspace().join("template.yaml"),
        "parameters": parameters.iter().copied().collect::<BTreeMap<_, _>>(),
        "properties": properties,
        "binaries": binaries,
    });
    let mut command = Command::new(python);
    set_clean_environment(&mut command, emulator.endpoint());
    command.arg(workspace().join("tests/harness/python/deploy.py"));
    let result = answer(&mut command, order.to_string().as_bytes(), "the deployment")?;
    Ok(Deployment {
        api_id: result["api_id"].as_str().unwrap_or_default().to_owned(),
        outputs: result["outputs"].clone(),
    })
}

/// `template.yaml` as AWS sees it after the SAM transform: with every added resource, and each reference in its long
/// form.
pub fn expand_template() -> Result<Value, Failure> {
    expand("template.yaml", &json!({}))
}

/// The same of a template of this repository, by its path, if these parameters are given.
pub fn expand(path: &str, parameters: &Value) -> Result<Value, Failure> {
    let python = python::for_the_stack(&|step| eprintln!("{step} …"))?;
    let template =
        fs::read(workspace().join(path)).map_err(|error| Failure::new(format!("{path} cannot be read: {error}")))?;
    let mut command = Command::new(python);
    command.arg(workspace().join("tests/harness/python/expand.py")).arg(parameters.to_string());
    command.env("AWS_DEFAULT_REGION", REGION);
    answer(&mut command, &template, "the SAM transform")
}

/// Runs a helper and returns the JSON that it printed. Fails with the helper's last line if it fails.
fn answer(command: &mut Command, input: &[u8], helper: &str) -> Result<Value, Failure> {
    let output = run(command.stderr(Stdio::piped()), input)
        .map_err(|error| Failure::new(format!("{helper} cannot be started: {error}")))?;
    if !output.status.success() {
        return Err(Failure::new(format!("{helper} failed: {}", last_words(&output))));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| Failure::new(format!("the result of {helper} cannot be read: {error}")))
}
