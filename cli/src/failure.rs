//! Why a command failed, and its exit code.

use std::{error::Error, iter, process::ExitCode};

use aws_sdk_dynamodb::error::ErrorMetadata;
use nano_webhooks::telemetry;

/// Why a command ended without success. The exit codes are part of the interface, and `--help` lists them.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Exit code 1: the command was tried and failed.
    Failed(String),
    /// Exit code 2: the command was not tried, because its arguments are wrong or it needs a confirmation.
    Wrong(String),
    /// Exit code 3: a named object does not exist.
    NotFound(String),
    /// Exit code 4: a check of `doctor` failed. The report has the details.
    Unhealthy,
    /// Exit code 130: interrupted by Ctrl-C.
    Interrupted,
    /// Exit code 0: the reader of standard output has closed it, as in `… | head`.
    Unread,
}

impl Failure {
    /// Returns the exit code.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed(_) => 1,
            Self::Wrong(_) => 2,
            Self::NotFound(_) => 3,
            Self::Unhealthy => 4,
            Self::Interrupted => 130,
            Self::Unread => 0,
        })
    }

    /// The error message; `None` if the failure needs none.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Failed(text) | Self::Wrong(text) | Self::NotFound(text) => Some(text),
            Self::Unhealthy | Self::Interrupted | Self::Unread => None,
        }
    }
}

impl<E: Error + 'static> From<E> for Failure {
    fn from(err: E) -> Self {
        Self::Failed(words(&err))
    }
}

/// An error in words for the operator: AWS's own message if AWS refused the call, and what to do if the region or the credentials
/// are missing.
pub(crate) fn words(err: &(dyn Error + 'static)) -> String {
    let said = iter::successors(Some(err), |err| (*err).source()).find_map(|err| err.downcast_ref::<ErrorMetadata>());
    if let Some((code, message)) = said.and_then(|said| Some((said.code()?, said.message()?))) {
        let denied = code.contains("AccessDenied") || code.contains("Unauthorized");
        let more = if denied { "; docs/cli.md, \"What it may do\", has the permissions of each command" } else { "" };
        return format!("{message} ({code}){more}");
    }
    let text = telemetry::chain(err);
    if text.contains("missing signing region") || text.contains("Invalid Configuration: Missing Region") {
        return "no AWS region is set: set AWS_REGION, for example".to_owned();
    }
    if text.contains("IMDS") || text.contains("no providers in chain provided credentials") {
        return format!(
            "there are no AWS credentials: sign in as you do for the AWS CLI, and try `aws sts get-caller-identity` ({text})"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_aws_said_is_told_without_the_types_around_it() {
        let said = |code: &str| words(&ErrorMetadata::builder().code(code).message("no").build());
        assert_eq!(said("ThrottlingException"), "no (ThrottlingException)");
        assert!(said("AccessDeniedException").starts_with("no (AccessDeniedException); docs/cli.md"));
    }

    #[test]
    fn what_this_machine_lacks_is_told_with_what_to_do() {
        let of = |text: &str| words(&std::io::Error::other(text.to_owned()));
        assert!(of("dispatch failure: other: missing signing region").contains("set AWS_REGION"));
        assert!(of("failed to load IMDS session token").contains("aws sts get-caller-identity"));
        assert_eq!(of("connection refused"), "connection refused");
    }
}
