//! A JSON Schema, as a producer would use it: through a validator that shares no code with the service.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    Failure,
    helper::{last_words, run},
    python::environment,
    stack::workspace,
};

/// A JSON Schema.
pub struct Schema(Value);

impl Schema {
    /// The schema in this file.
    pub fn read(file: &Path) -> Result<Self, Failure> {
        let cannot = |error: &dyn std::fmt::Display| Failure::new(format!("{} is no schema: {error}", file.display()));
        let text = fs::read_to_string(file).map_err(|error| cannot(&error))?;
        Ok(Self(serde_json::from_str(&text).map_err(|error| cannot(&error))?))
    }

    /// What it has against each text, in the order of the texts; nothing where it accepts one.
    pub fn complaints(&self, texts: &[String]) -> Result<Vec<Option<String>>, Failure> {
        let validator = workspace().join("tests/producers/validate.py");
        let mut command = Command::new(producers_python()?);
        command.arg(validator).stderr(Stdio::piped());
        let order = json!({ "schema": self.0, "texts": texts });
        let output = run(&mut command, order.to_string().as_bytes())
            .map_err(|error| Failure::new(format!("the validator cannot be started: {error}")))?;
        if !output.status.success() {
            return Err(Failure::new(format!("the validator failed: {}", last_words(&output))));
        }
        serde_json::from_slice(&output.stdout)
            .map_err(|error| Failure::new(format!("what the validator says cannot be read: {error}")))
    }
}

/// The interpreter of the environment in which producers are run: it has boto3, the AWS CLI and a validator.
pub fn producers_python() -> Result<std::path::PathBuf, Failure> {
    let requirements = workspace().join("tests/producers/requirements.txt");
    environment(&workspace().join("target/producers/python"), &requirements, &|step| eprintln!("{step} …"))
}
