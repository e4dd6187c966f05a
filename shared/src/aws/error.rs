//! The error of a call to AWS.

use std::error::Error as StdError;

/// A call to AWS failed, or its answer could not be understood. It is never the customer's fault.
#[derive(Debug, thiserror::Error)]
#[error("could not {doing}")]
pub struct AwsError {
    doing: &'static str,
    source: Box<dyn StdError + Send + Sync>,
}

impl AwsError {
    /// `doing` completes the sentence "could not …".
    pub fn new(doing: &'static str, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { doing, source: source.into() }
    }
}

/// Says what a call was for.
pub(crate) trait WhileTryingTo<T> {
    /// Makes an error an [`AwsError`]. `doing` completes the sentence "could not …".
    fn while_trying_to(self, doing: &'static str) -> Result<T, AwsError>;
}

impl<T, E: Into<Box<dyn StdError + Send + Sync>>> WhileTryingTo<T> for Result<T, E> {
    fn while_trying_to(self, doing: &'static str) -> Result<T, AwsError> {
        self.map_err(|source| AwsError::new(doing, source))
    }
}
