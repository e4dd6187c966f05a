//! What a check found: a sentence if it passed, otherwise a [`Problem`].

use std::error::Error;

use crate::failure::Failure;

pub(super) type Outcome<T = String> = Result<T, Problem>;

/// Why a check did not pass.
#[derive(Debug)]
pub(super) enum Problem {
    /// The stack does something else than it promises.
    Failed { found: String, advice: String },
    /// The check could not be made here. That says nothing about the stack.
    NotChecked { why: String, advice: String },
}

/// The stack does something else than it promises.
pub(super) fn failed<T>(found: impl Into<String>, advice: impl Into<String>) -> Outcome<T> {
    Err(Problem::Failed { found: found.into(), advice: advice.into() })
}

/// The check cannot be made here.
pub(super) fn not_checked<T>(why: impl Into<String>, advice: impl Into<String>) -> Outcome<T> {
    Err(Problem::NotChecked { why: why.into(), advice: advice.into() })
}

/// Fails with this finding unless the condition holds.
pub(super) fn ensure(holds: bool, found: impl FnOnce() -> String, advice: &str) -> Outcome<()> {
    if holds { Ok(()) } else { failed(found(), advice) }
}

/// A call that did not succeed: the checks make no call that may fail.
impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let found = failure.text().unwrap_or("interrupted").to_owned();
        let advice = "look at the cause: your credentials may lack a permission (docs/cli.md lists them), or AWS did not \
                      answer; try again";
        Self::Failed { found, advice: advice.into() }
    }
}

impl<E: Error + 'static> From<E> for Problem {
    fn from(err: E) -> Self {
        Failure::from(err).into()
    }
}
