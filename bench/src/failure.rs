//! The error of an instrument that cannot print a figure.

use std::fmt;

/// One sentence, for the person who runs the instrument.
#[derive(Debug)]
pub(crate) struct Failure(String);

pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    /// For `map_err`: returns "could not `doing`: error".
    pub(crate) fn to<E: fmt::Display>(doing: &str) -> impl Fn(E) -> Self {
        move |err| Self(format!("could not {doing}: {err}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

/// Fails with `otherwise` unless `holds`: no figure is printed of work that was not done.
pub(crate) fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(Failure(otherwise())) }
}
