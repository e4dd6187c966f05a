//! Logs: one JSON object a line on AWS, where the function's logging settings choose format and level.

use std::error::Error;

/// Sends the logs to standard output, as `AWS_LAMBDA_LOG_FORMAT` and `AWS_LAMBDA_LOG_LEVEL` say. Call it first.
pub fn init() {
    lambda_runtime::tracing::init_default_subscriber();
}

/// An error and everything that caused it, on one line.
pub fn chain(err: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(err), |cause| (*cause).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
