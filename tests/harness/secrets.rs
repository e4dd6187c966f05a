//! The keys and secrets that were used on a stack, so that its logs and messages can be searched for them. They are
//! in a file in the stack's folder, one per line, because the logs are complete only after the tests' process has
//! ended.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::Failure;

#[derive(Clone)]
pub(crate) struct UsedSecrets(PathBuf);

impl UsedSecrets {
    /// Creates an empty file in a stack's folder.
    pub(crate) fn new(folder: &Path) -> Result<Self, Failure> {
        let file = folder.join("used-secrets");
        File::create(&file).map_err(|error| Failure::new(format!("{} cannot be written: {error}", file.display())))?;
        Ok(Self(file))
    }

    pub(crate) fn add(&self, secret: &str) {
        let file = OpenOptions::new().append(true).open(&self.0);
        file.and_then(|mut file| file.write_all(format!("{secret}\n").as_bytes()))
            .expect("the stack's folder is there");
    }

    /// Adds the webhook's secret from the body of a request or a reply, if it has one.
    pub(crate) fn add_from(&self, body: &str) {
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        let secrets = [&body["secret_key"], &body["data"]["secret_key"]];
        secrets.into_iter().filter_map(Value::as_str).for_each(|secret| self.add(secret));
    }

    pub(crate) fn all(&self) -> Vec<String> {
        let all = fs::read_to_string(&self.0).expect("the stack's folder is there");
        all.lines().map(str::to_owned).collect()
    }
}
