//! Why a command failed, and its exit code.

use std::{error::Error, iter, process::ExitCode};

use aws_sdk_dynamodb::error::{ErrorMetadata, ProvideErrorMetadata};
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
    if let Some((code, message)) = said(err).and_then(|said| Some((said.code()?, said.message()?))) {
        let more = match Refusal::of(code) {
            Refusal::Denied => "; docs/cli.md, \"What it may do\", has the permissions of each command",
            _ => "",
        };
        return format!("{message} ({code}){more}");
    }
    let chain = telemetry::chain(err);
    // The SDK begins so with an answer that it has a type for.
    let text = chain.trim_start_matches("service error: ").to_owned();
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

/// What AWS answered, if it is an answer that the SDK has no type for.
fn said<'a>(err: &'a (dyn Error + 'static)) -> Option<&'a ErrorMetadata> {
    iter::successors(Some(err), |err| (*err).source()).find_map(|err| err.downcast_ref::<ErrorMetadata>())
}

/// Why AWS refused a call, as far as it decides what to do.
enum Refusal {
    Denied,
    /// The credentials are no longer valid, or never were.
    SignIn,
    Missing,
    Other,
}

impl Refusal {
    fn of(code: &str) -> Self {
        let has = |parts: &[&str]| parts.iter().any(|part| code.contains(part));
        if has(&["AccessDenied", "Unauthorized"]) {
            Self::Denied
        } else if has(&["ExpiredToken", "InvalidClientTokenId", "UnrecognizedClient", "SignatureDoesNotMatch"]) {
            Self::SignIn
        } else if has(&["NotFound", "NonExistent", "DoesNotExist"]) {
            Self::Missing
        } else {
            Self::Other
        }
    }
}

/// A call that AWS did not answer as hoped, for a report of which it is a part.
#[derive(Debug)]
pub(crate) struct Unanswered {
    /// What AWS said.
    pub(crate) found: String,
    /// What to do.
    pub(crate) advice: String,
}

impl Unanswered {
    /// `permission` is what the call needs.
    pub(crate) fn new(permission: &str, err: &(impl Error + ProvideErrorMetadata + 'static)) -> Self {
        Self::with_code(err.code(), permission, err)
    }

    /// An error whose type no longer says that it is from AWS.
    pub(crate) fn of(permission: &str, err: &(dyn Error + 'static)) -> Self {
        Self::with_code(said(err).and_then(ErrorMetadata::code), permission, err)
    }

    fn with_code(code: Option<&str>, permission: &str, err: &(dyn Error + 'static)) -> Self {
        let advice = match Refusal::of(code.unwrap_or_default()) {
            Refusal::Denied => format!("your credentials need {permission}"),
            Refusal::SignIn => "sign in again: these credentials are not valid".to_owned(),
            Refusal::Missing => "somebody has deleted it, and a deployment does not make it again: \
                                 docs/recovering.md, \"Something else was deleted\""
                .to_owned(),
            Refusal::Other => "try again".to_owned(),
        };
        Self { found: words(err), advice }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::{operation::describe_table::DescribeTableError, types::error::ResourceNotFoundException};

    use super::*;

    #[test]
    fn what_aws_said_is_told_without_the_types_around_it() {
        let said = |code: &str| words(&ErrorMetadata::builder().code(code).message("no").build());
        assert_eq!(said("ThrottlingException"), "no (ThrottlingException)");
        assert!(said("AccessDeniedException").starts_with("no (AccessDeniedException); docs/cli.md"));
    }

    #[test]
    fn the_advice_is_for_what_aws_said() {
        let of = |code: &str| Unanswered::of("sqs:SendMessage", &ErrorMetadata::builder().code(code).build()).advice;
        for code in ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation"] {
            assert_eq!(of(code), "your credentials need sqs:SendMessage", "{code}");
        }
        for code in ["ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"] {
            assert!(of(code).starts_with("sign in again"), "{code}");
        }
        for code in ["ResourceNotFoundException", "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"] {
            assert!(of(code).starts_with("somebody has deleted it"), "{code}");
        }
        assert_eq!(of("ThrottlingException"), "try again");
        assert_eq!(Unanswered::of("", &std::io::Error::other("connection refused")).advice, "try again");
    }

    #[test]
    fn an_answer_that_has_a_type_is_told_once_and_its_code_is_known() {
        let missing = ResourceNotFoundException::builder()
            .message("Requested resource not found")
            .meta(ErrorMetadata::builder().code("ResourceNotFoundException").build())
            .build();
        let err = DescribeTableError::ResourceNotFoundException(missing);
        assert_eq!(words(&err), "ResourceNotFoundException: Requested resource not found");
        let unanswered = Unanswered::new("dynamodb:DescribeTable", &err);
        assert!(unanswered.advice.starts_with("somebody has deleted it"), "{unanswered:?}");
    }

    #[test]
    fn what_this_machine_lacks_is_told_with_what_to_do() {
        let of = |text: &str| words(&std::io::Error::other(text.to_owned()));
        assert!(of("dispatch failure: other: missing signing region").contains("set AWS_REGION"));
        assert!(of("failed to load IMDS session token").contains("aws sts get-caller-identity"));
        assert_eq!(of("connection refused"), "connection refused");
    }
}
