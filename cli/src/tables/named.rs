//! The tables and queues of a template: what holds data, has a name of ours, and is kept when the stack is deleted.

use aws_sdk_dynamodb::Client;
use aws_sdk_sqs::{Client as Sqs, operation::get_queue_url::GetQueueUrlError};
use serde_json::Value;

use crate::failure::Failure;

/// A table or queue of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    /// Its id in the template, such as `WebhooksTable`.
    pub(super) id: String,
    pub(super) kind: Kind,
    /// What its name has after the stack's, such as `webhooks`.
    pub(super) part: String,
    /// The parameter whose value follows in its name, such as `WebhooksTableSuffix`: a restored table has another name.
    pub(super) suffix: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Table,
    Queue,
}

impl Kind {
    /// The resource type in CloudFormation, the property with its name, and the property that identifies it in an import:
    /// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/resource-import-supported-resources.html>
    pub(super) fn properties(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Table => ("AWS::DynamoDB::Table", "TableName", "TableName"),
            Self::Queue => ("AWS::SQS::Queue", "QueueName", "QueueUrl"),
        }
    }
}

impl Named {
    /// Finds the tables and queues that a template keeps.
    pub(crate) fn all(template: &Value) -> Vec<Self> {
        let resources = template["Resources"].as_object().into_iter().flatten();
        resources.filter_map(|(id, resource)| Self::parse(id, resource)).collect()
    }

    fn parse(id: &str, resource: &Value) -> Option<Self> {
        let kind = [Kind::Table, Kind::Queue].into_iter().find(|kind| resource["Type"] == kind.properties().0)?;
        resource["DeletionPolicy"].as_str().filter(|policy| policy.starts_with("Retain"))?;
        let name = resource["Properties"][kind.properties().1]["Fn::Sub"].as_str()?;
        let part = name.strip_prefix("${AWS::StackName}-")?;
        let (part, suffix) = match part.split_once("${") {
            Some((part, suffix)) => (part, Some(suffix.strip_suffix('}')?.to_owned())),
            None => (part, None),
        };
        Some(Self { id: id.to_owned(), kind, part: part.to_owned(), suffix })
    }

    /// Its name in a stack, before any restore.
    pub(crate) fn name(&self, stack: &str) -> String {
        format!("{stack}-{}", self.part)
    }

    /// The part of a table's name that follows [`Self::name`]: empty, or what a restore has added. Returns `None` for a
    /// name that this table cannot have.
    pub(super) fn suffix_of<'a>(&self, stack: &str, name: &'a str) -> Option<&'a str> {
        let suffix = name.strip_prefix(&self.name(stack))?;
        let restored = |suffix: &str| {
            let digits = suffix.strip_prefix('-').and_then(|rest| rest.strip_suffix('Z'));
            let parts = digits.and_then(|digits| digits.split_once('T'));
            let all_digits =
                |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
            parts.is_some_and(|(day, time)| all_digits(day, 8) && all_digits(time, 6))
        };
        (suffix.is_empty() || self.suffix.is_some() && restored(suffix)).then_some(suffix)
    }

    /// The tables among these names that can be this one: the first, and every one that was restored.
    pub(crate) fn candidates<'a>(&self, stack: &str, names: &'a [String]) -> Vec<&'a str> {
        names.iter().map(String::as_str).filter(|name| self.suffix_of(stack, name).is_some()).collect()
    }
}

/// The names of all tables in the account and region.
pub(crate) async fn tables(client: &Client) -> Result<Vec<String>, Failure> {
    let names = client.list_tables().into_paginator().items().send();
    Ok(names.collect::<Result<Vec<_>, _>>().await?)
}

/// The queues among these that are there, with their URLs.
pub(crate) async fn queues(client: &Sqs, all: &[Named], stack: &str) -> Result<Vec<(Named, String)>, Failure> {
    let mut found = Vec::new();
    for named in all.iter().filter(|named| named.kind == Kind::Queue) {
        match client.get_queue_url().queue_name(named.name(stack)).send().await {
            Ok(queue) => found.push((named.clone(), queue.queue_url.unwrap_or_default())),
            Err(err) if err.as_service_error().is_some_and(GetQueueUrlError::is_queue_does_not_exist) => {}
            Err(err) => return Err(err.into()),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template() -> Value {
        let table = |name: &str, policy: &str| {
            json!({ "Type": "AWS::DynamoDB::Table", "DeletionPolicy": policy,
                "Properties": { "TableName": { "Fn::Sub": name } } })
        };
        json!({ "Resources": {
            "Webhooks": table("${AWS::StackName}-webhooks${WebhooksSuffix}", "RetainExceptOnCreate"),
            "Waiting": table("${AWS::StackName}-waiting", "Retain"),
            "Cache": table("${AWS::StackName}-cache", "Delete"),
            "Queue": { "Type": "AWS::SQS::Queue", "DeletionPolicy": "Retain",
                "Properties": { "QueueName": { "Fn::Sub": "${AWS::StackName}-jobs" } } },
            "Function": { "Type": "AWS::Lambda::Function" },
        } })
    }

    #[test]
    fn what_is_kept_and_has_a_name_is_found() {
        let found = Named::all(&template());
        let found: Vec<_> = found.iter().map(|it| (it.id.as_str(), it.part.as_str(), it.suffix.as_deref())).collect();
        let expected =
            [("Queue", "jobs", None), ("Waiting", "waiting", None), ("Webhooks", "webhooks", Some("WebhooksSuffix"))];
        assert_eq!(found, expected);
    }

    #[test]
    fn only_a_table_that_can_be_restored_has_a_name_with_a_time() {
        let found = Named::all(&template());
        let of = |id: &str| found.iter().find(|it| it.id == id).unwrap();
        let names = [
            "s-webhooks",
            "s-webhooks-20260102T030405Z",
            "s-webhooks-old",
            "s-webhooks-2026",
            "s-waiting",
            "s-waiting-20260102T030405Z",
            "t-webhooks",
        ]
        .map(str::to_owned);
        assert_eq!(of("Webhooks").candidates("s", &names), ["s-webhooks", "s-webhooks-20260102T030405Z"]);
        assert_eq!(of("Waiting").candidates("s", &names), ["s-waiting"]);
        assert_eq!(of("Webhooks").suffix_of("s", "s-webhooks-20260102T030405Z"), Some("-20260102T030405Z"));
    }
}
