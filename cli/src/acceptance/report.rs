//! The report: a line for each check as it ends, or one JSON object at the end.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    check::Check,
    clean_up::Removed,
    outcome::{Outcome, Problem},
};
use crate::{failure::Failure, terminal};

pub(super) struct Report {
    stack: String,
    run: String,
    json: bool,
    dollars: f64,
    checks: Vec<(Check, Value)>,
}

impl Report {
    pub(super) fn new(stack: &str, run: &str, dollars: f64, json: bool) -> Self {
        Self { stack: stack.to_owned(), run: run.to_owned(), json, dollars, checks: Vec::new() }
    }

    /// Adds what a check found.
    pub(super) fn add(
        &mut self,
        check: Check,
        outcome: Outcome<(String, Value)>,
        took: Duration,
    ) -> Result<(), Failure> {
        let (mark, state, found, advice, figures) = match outcome {
            Ok((found, figures)) => ("✓", "passed", found, None, figures),
            Err(Problem::Failed { found, advice }) => ("✗", "failed", found, Some(advice), Value::Null),
            Err(Problem::NotChecked { why, advice }) => {
                ("–", "not_checked", format!("not checked: {why}"), Some(advice), Value::Null)
            }
        };
        let mut shown = json!({
            "check": check.name(),
            "shows": check.shows(),
            "state": state,
            "found": found,
            "advice": advice,
            "seconds": (took.as_secs_f64() * 10.0).round() / 10.0,
        });
        if !figures.is_null() {
            shown["figures"] = figures;
        }
        self.checks.push((check, shown));
        if self.json {
            return Ok(());
        }
        terminal::line(&format!("{mark} {:<25} {found}", check.name()))?;
        advice.map_or(Ok(()), |advice| terminal::line(&format!("  {:<25} → {advice}", "")))
    }

    fn count(&self, state: &str) -> usize {
        self.checks.iter().filter(|(_, shown)| shown["state"] == state).count()
    }

    /// Prints the verdict, and what remains. Fails if a check failed, or if something could not be removed.
    pub(super) fn end(mut self, removed: Result<Removed, Failure>, server_errors: u32) -> Result<(), Failure> {
        let [passed, failed, not_checked] = ["passed", "failed", "not_checked"].map(|state| self.count(state));
        if self.json {
            self.checks.sort_by_key(|(check, _)| *check as usize);
            let checks: Vec<_> = self.checks.iter().map(|(_, shown)| shown).collect();
            let removed = removed.as_ref().ok();
            terminal::json(&json!({
                "stack": self.stack,
                "run": self.run,
                "passed": failed == 0,
                "checks": checks,
                "server_errors": server_errors,
                "estimated_usd": self.dollars,
                "removed": removed.map(Removed::shown),
                "remains": removed.map(|removed| &removed.remains),
            }))?;
        } else {
            terminal::line(&format!("{passed} passed, {failed} failed, {not_checked} not checked."))?;
            if server_errors > 0 {
                terminal::note(&format!("The API answered {server_errors} requests with 5xx, and was asked again."));
            }
            if let Ok(removed) = &removed {
                terminal::note(&removed.words());
                for sentence in &removed.remains {
                    terminal::note(&format!("- {sentence}"));
                }
            }
        }
        let what_is_left = |failure: Failure| {
            let why = failure.text().unwrap_or("interrupted").to_owned();
            Failure::Failed(format!("not everything was removed ({why}): `acceptance --clean-up` does that"))
        };
        removed.map_err(what_is_left)?;
        match failed {
            0 => Ok(()),
            _ => Err(Failure::Failed(format!("{failed} of {} checks failed", self.checks.len()))),
        }
    }
}
