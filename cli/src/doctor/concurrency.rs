//! Checks Lambda's concurrency: a new account has ten, which fan-out and the dispatcher alone can use up.

use aws_sdk_lambda::Client;

use super::report::Report;
use crate::{
    failure::{Failure, Unanswered},
    stack::Stack,
};

/// The functions that read a queue, as the prefixes of their parameters' names.
const FUNCTIONS: [&str; 2] = ["FanOut", "Dispatcher"];
/// A function's maximum concurrency if its parameter is missing: the template's default.
const DEFAULT: i32 = 50;
/// The least concurrency that the API's functions need in addition.
const FOR_THE_API: i32 = 10;

pub(super) async fn check(report: &mut Report, stack: &Stack) -> Result<(), Failure> {
    let limits = match Client::new(&stack.aws).get_account_settings().send().await {
        Ok(settings) => settings.account_limit,
        Err(err) => {
            return report.unanswered("concurrency", "Lambda", &Unanswered::new("lambda:GetAccountSettings", &err));
        }
    };
    let Some(free) = limits.and_then(|limits| limits.unreserved_concurrent_executions) else {
        return report.unknown("concurrency", "Lambda does not say how much the account has", None);
    };
    let needed = needed(|name| stack.parameter(name));
    let found = format!("{free} unreserved in the account; this stack's functions use up to {needed}");
    if free >= needed {
        return report.passed("concurrency", &found);
    }
    let advice = "ask for more (Service Quotas, Lambda, \"Concurrent executions\"), or deploy with a lower \
                  FanOutMaximumConcurrency and DispatcherMaximumConcurrency";
    report.failed("concurrency", &found, advice)
}

/// The most unreserved concurrency that the stack's functions may use at the same time.
fn needed<'a>(parameter: impl Fn(&str) -> Option<&'a str>) -> i32 {
    let shared = FUNCTIONS
        .into_iter()
        .filter(|function| parameter(&format!("{function}ReservedConcurrency")).is_none_or(str::is_empty));
    let maximum = |function| parameter(&format!("{function}MaximumConcurrency"))?.parse().ok();
    shared.map(|function| maximum(function).unwrap_or(DEFAULT)).sum::<i32>() + FOR_THE_API
}

#[cfg(test)]
mod tests {
    use super::needed;

    #[test]
    fn what_a_function_has_reserved_is_not_taken_from_the_others() {
        assert_eq!(needed(|_| None), 110);
        assert_eq!(needed(|name| (name == "DispatcherMaximumConcurrency").then_some("300")), 360);
        assert_eq!(needed(|name| (name == "DispatcherReservedConcurrency").then_some("50")), 60);
        assert_eq!(needed(|name| name.ends_with("ReservedConcurrency").then_some("")), 110);
    }
}
