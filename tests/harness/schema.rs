//! A JSON Schema, used as a producer would: through a validator that shares no code with the service.

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
    workspace,
};

/// A JSON Schema.
pub struct Schema(Value);

impl Schema {
    /// Reads the schema from this file.
    pub fn read(file: &Path) -> Result<Self, Failure> {
        let cannot = |error: &dyn std::fmt::Display| Failure::new(format!("{} is no schema: {error}", file.display()));
        let text = fs::read_to_string(file).map_err(|error| cannot(&error))?;
        Ok(Self(serde_json::from_str(&text).map_err(|error| cannot(&error))?))
    }

    /// The validator's complaint about each text, in order; `None` for a text that it accepts.
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
            .map_err(|error| Failure::new(format!("the validator's output cannot be read: {error}")))
    }
}

/// The interpreter of the environment in which the tests run producers: it has boto3, the AWS CLI and a validator.
pub fn producers_python() -> Result<std::path::PathBuf, Failure> {
    let requirements = workspace().join("tests/producers/requirements.txt");
    environment(&workspace().join("target/producers/python"), &requirements, &|step| eprintln!("{step} …"))
}
