//! What a run of the operator's command printed.

use std::process::Output;

use serde_json::Value;

use crate::helper::last_words;

/// The result of one run.
#[derive(Debug)]
pub struct Said {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub out: String,
    /// What it wrote to standard error.
    pub err: String,
    last_words: String,
}

impl Said {
    /// The whole output as one JSON document, or null if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_default()
    }

    /// Why the command failed: its last line on standard error. `None` if it succeeded.
    pub(crate) fn last_words(&self) -> Option<&str> {
        (self.code != Some(0)).then_some(self.last_words.as_str())
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code(),
            out: text(&output.stdout),
            err: text(&output.stderr),
            last_words: last_words(&output),
        }
    }
}
