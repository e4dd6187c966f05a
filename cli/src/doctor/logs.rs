//! Checks the logs: they exist and can be read. `deliveries tail` needs them, and so does an operator who looks for a
//! cause.

use aws_sdk_cloudwatchlogs::Client;

use super::report::Report;
use crate::{
    failure::{Failure, Unanswered},
    stack::Stack,
};

pub(super) async fn check(report: &mut Report, stack: &Stack) -> Result<(), Failure> {
    let client = Client::new(&stack.aws);
    for function in ["fan-out", "dispatcher"] {
        let group = stack.log_group(function);
        match client.filter_log_events().log_group_name(&group).limit(1).send().await {
            Ok(_) => report.passed("log", &format!("{group} can be read"))?,
            Err(err) => report.unanswered("log", &group, &Unanswered::new("logs:FilterLogEvents", &err))?,
        }
    }
    Ok(())
}
