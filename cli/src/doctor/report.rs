//! The doctor's report: line by line as it checks, or one JSON document at the end.

use serde_json::{Value, json};

use crate::{
    failure::{Failure, Unanswered},
    terminal,
};

/// The advice for what the template has and the stack has not.
pub(super) const DEPLOY_AGAIN: &str = "deploy the template that belongs to this version of the command";

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

    /// Reports that a check found nothing wrong.
    pub(super) fn passed(&mut self, check: &str, found: &str) -> Result<(), Failure> {
        self.add("✓", "passed", check, found, None)
    }

    /// Reports that a check failed, and what to do about it.
    pub(super) fn failed(&mut self, check: &str, found: &str, advice: &str) -> Result<(), Failure> {
        self.healthy = false;
        self.add("✗", "failed", check, found, Some(advice))
    }

    /// Reports that AWS did not answer the call of a check. `of` is what the call was about.
    pub(super) fn unanswered(&mut self, check: &str, of: &str, unanswered: &Unanswered) -> Result<(), Failure> {
        self.failed(check, &format!("{of}: {}", unanswered.found), &unanswered.advice)
    }

    /// Reports that a check could not be made here. That does not make the stack unhealthy.
    pub(super) fn unknown(&mut self, check: &str, found: &str, advice: Option<&str>) -> Result<(), Failure> {
        self.add("–", "unknown", check, found, advice)
    }

    /// Prints the verdict. Fails if any check failed.
    pub(super) fn end(self) -> Result<(), Failure> {
        let Self { stack, json, healthy, checks } = self;
        if json {
            terminal::json(&json!({ "stack": stack, "healthy": healthy, "checks": checks }))?;
        }
        if !json {
            let failed = checks.iter().filter(|check| check["state"] == "failed").count();
            terminal::line(&if healthy {
                "All is well.".to_owned()
            } else {
                format!("{failed} of {} checks failed.", checks.len())
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
