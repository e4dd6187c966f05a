//! What the doctor says, line by line as it finds it, or all at once for a program.

use serde_json::{Value, json};

use crate::{failure::Failure, terminal};

pub(super) struct Report {
    stack: String,
    json: bool,
    healthy: bool,
    checks: Vec<Value>,
}

impl Report {
    pub(super) fn new(stack: &str, json: bool) -> Self {
        Self { stack: stack.to_owned(), json, healthy: true, checks: Vec::new() }
    }

    /// It is as it should be.
    pub(super) fn well(&mut self, check: &str, found: &str) -> Result<(), Failure> {
        self.add("✓", "well", check, found, None)
    }

    /// It is not, and this is what to do.
    pub(super) fn ill(&mut self, check: &str, found: &str, advice: &str) -> Result<(), Failure> {
        self.healthy = false;
        self.add("✗", "ill", check, found, Some(advice))
    }

    /// It could not be found out here, which is no illness.
    pub(super) fn unknown(&mut self, check: &str, found: &str, advice: Option<&str>) -> Result<(), Failure> {
        self.add("–", "unknown", check, found, advice)
    }

    /// Ends with the verdict.
    pub(super) fn end(self) -> Result<(), Failure> {
        let Self { stack, json, healthy, checks } = self;
        if json {
            terminal::json(&json!({ "stack": stack, "healthy": healthy, "checks": checks }))?;
        }
        if !json {
            let ill = checks.iter().filter(|check| check["state"] == "ill").count();
            terminal::line(&if healthy {
                "All is well.".to_owned()
            } else {
                format!("Not well: {ill} of {}.", checks.len())
            })?;
        }
        if healthy { Ok(()) } else { Err(Failure::Unhealthy) }
    }

    fn add(&mut self, mark: &str, state: &str, check: &str, found: &str, advice: Option<&str>) -> Result<(), Failure> {
        self.checks.push(json!({ "check": check, "state": state, "found": found, "advice": advice }));
        if self.json {
            return Ok(());
        }
        terminal::line(&format!("{mark} {check:<19} {found}"))?;
        advice.map_or(Ok(()), |advice| terminal::line(&format!("  {:<19} → {advice}", "")))
    }
}
