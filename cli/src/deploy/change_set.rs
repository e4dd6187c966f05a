//! One change of a stack: CloudFormation works out what would change, the operator sees it and agrees, and it is made.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use aws_config::SdkConfig;
use aws_sdk_cloudformation::{
    Client,
    error::ProvideErrorMetadata as _,
    types::{
        Capability, ChangeAction, ChangeSetStatus, ChangeSetType, OnStackFailure, Parameter, Replacement,
        ResourceChange, ResourceToImport,
    },
};

use crate::{failure::Failure, terminal};

/// How often CloudFormation is asked. It allows some requests a second for an account.
const PAUSE: Duration = Duration::from_secs(2);
/// The longest that a change of the stack may take: a custom domain takes some ten minutes.
const PATIENCE: Duration = Duration::from_hours(1);
/// From this number on, modified resources of one kind are counted instead of listed: an upgrade modifies all functions.
const MANY: usize = 5;
/// What holds data that is nowhere else.
const PRECIOUS: [&str; 2] = ["AWS::DynamoDB::Table", "AWS::SQS::Queue"];

/// What to change.
pub(crate) struct Order<'a> {
    pub(crate) aws: &'a SdkConfig,
    pub(crate) stack: &'a str,
    /// Whether the stack is there to be updated; otherwise it is created.
    pub(crate) exists: bool,
    /// What the change set's name says of it: a version, or what is done.
    pub(crate) label: &'a str,
    pub(crate) template_url: String,
    pub(crate) parameters: Vec<Parameter>,
    /// What is imported. CloudFormation then does nothing else.
    pub(crate) imports: Vec<ResourceToImport>,
    /// The resource that is meant to leave the stack, and is kept.
    pub(crate) leaves: Option<&'a str>,
    /// Whether another change follows. CloudFormation takes none before it has cleaned up after this one.
    pub(crate) is_followed: bool,
    /// The role that CloudFormation takes to make the change.
    pub(crate) role_arn: Option<&'a str>,
    pub(crate) yes: bool,
    pub(crate) question: String,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Changed,
    NothingToChange,
}

/// The ids of a change set that CloudFormation has.
struct ChangeSet {
    id: String,
    stack_id: String,
}

impl Order<'_> {
    /// Shows what would change, asks, makes the change, and waits until it is made. Fails if CloudFormation refuses it
    /// or has to undo it, with the first reason that it gave.
    pub(crate) async fn carry_out(&self) -> Result<Outcome, Failure> {
        let client = Client::new(self.aws);
        let change_set = self.create(&client).await?;
        let agreed = match self.work_out(&client, &change_set).await {
            Ok(None) => {
                self.discard(&client, &change_set).await?;
                return Ok(Outcome::NothingToChange);
            }
            Ok(Some(changes)) => {
                show(&changes, self.leaves);
                terminal::confirm(self.yes, &self.question).await
            }
            Err(failure) => Err(failure),
        };
        if let Err(failure) = agreed {
            if let Err(left) = self.discard(&client, &change_set).await {
                let reason = left.text().unwrap_or_default();
                terminal::note(&format!("The change set {} is still there: {reason}", change_set.id));
            }
            return Err(failure);
        }
        client.execute_change_set().stack_name(self.stack).change_set_name(&change_set.id).send().await?;
        terminal::note(
            "CloudFormation makes the change now, and goes on if you interrupt this command. Then run it again.",
        );
        self.wait(&client, &change_set.stack_id).await?;
        Ok(Outcome::Changed)
    }

    async fn create(&self, client: &Client) -> Result<ChangeSet, Failure> {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let label: String =
            self.label.chars().map(|char| if char.is_ascii_alphanumeric() { char } else { '-' }).collect();
        let mut request = client
            .create_change_set()
            .stack_name(self.stack)
            .change_set_name(format!("nano-webhooks-{label}-{seconds}"))
            .template_url(&self.template_url)
            .set_parameters(Some(self.parameters.clone()))
            .set_role_arn(self.role_arn.map(str::to_owned))
            .capabilities(Capability::CapabilityIam);
        if !self.imports.is_empty() {
            let imports = Some(self.imports.clone());
            request = request.change_set_type(ChangeSetType::Import).set_resources_to_import(imports);
        } else if self.exists {
            request = request.change_set_type(ChangeSetType::Update);
        } else {
            // A stack that could not be created would block the next attempt until somebody deletes it.
            request = request.change_set_type(ChangeSetType::Create).on_stack_failure(OnStackFailure::Delete);
        }
        let made = request.send().await.map_err(|err| match err.message() {
            Some(reason) => Failure::Failed(format!("CloudFormation refused the change: {reason}")),
            None => err.into(),
        })?;
        Ok(ChangeSet {
            id: made.id().unwrap_or_default().to_owned(),
            stack_id: made.stack_id().unwrap_or_default().to_owned(),
        })
    }

    /// Waits until CloudFormation knows what would change. Returns `None` if nothing would.
    async fn work_out(&self, client: &Client, change_set: &ChangeSet) -> Result<Option<Vec<ResourceChange>>, Failure> {
        let start = Instant::now();
        loop {
            let described =
                client.describe_change_set().stack_name(self.stack).change_set_name(&change_set.id).send().await?;
            let reason = described.status_reason().unwrap_or_default();
            match described.status() {
                Some(ChangeSetStatus::CreateComplete) => break,
                Some(ChangeSetStatus::Failed)
                    if reason.contains("didn't contain changes") || reason.contains("No updates") =>
                {
                    return Ok(None);
                }
                Some(ChangeSetStatus::Failed) => {
                    return Err(Failure::Failed(format!("CloudFormation refused the change: {reason}")));
                }
                _ if start.elapsed() > PATIENCE => {
                    return Err(Failure::Failed("CloudFormation does not say what would change".into()));
                }
                _ => tokio::time::sleep(PAUSE).await,
            }
        }
        let mut pages = client.describe_change_set().stack_name(self.stack).change_set_name(&change_set.id);
        let mut changes = Vec::new();
        loop {
            let page = pages.clone().send().await?;
            changes.extend(page.changes().iter().filter_map(|change| change.resource_change().cloned()));
            match page.next_token() {
                Some(token) => pages = pages.next_token(token),
                None => return Ok(Some(changes)),
            }
        }
    }

    /// Deletes a change set that is not made, and the empty stack that it was to fill.
    async fn discard(&self, client: &Client, change_set: &ChangeSet) -> Result<(), Failure> {
        client.delete_change_set().stack_name(self.stack).change_set_name(&change_set.id).send().await?;
        if !self.exists {
            client.delete_stack().stack_name(&change_set.stack_id).send().await?;
        }
        Ok(())
    }

    async fn wait(&self, client: &Client, stack_id: &str) -> Result<(), Failure> {
        let start = Instant::now();
        loop {
            // First, because the status is at the beginning still the one of before.
            tokio::time::sleep(PAUSE).await;
            let described = client.describe_stacks().stack_name(stack_id).send().await?;
            let status = described.stacks().first().and_then(|stack| stack.stack_status());
            let status = status.map_or("", |status| status.as_str());
            match status {
                "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE" => return Ok(()),
                "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" if !self.is_followed => return Ok(()),
                _ => {}
            }
            if !status.ends_with("_IN_PROGRESS") {
                return Err(self.undone(client, stack_id, status).await);
            }
            if start.elapsed() > PATIENCE {
                return Err(Failure::Failed(format!(
                    "the stack {} is still {status}; CloudFormation goes on, and its events say what it waits for",
                    self.stack
                )));
            }
        }
    }

    /// Why CloudFormation undid the change: the oldest failure since it began.
    async fn undone(&self, client: &Client, stack_id: &str, status: &str) -> Failure {
        let events = client.describe_stack_events().stack_name(stack_id).send().await;
        let events = events.map(|events| events.stack_events.unwrap_or_default()).unwrap_or_default();
        // The newest event is first, and the change begins with the stack's own.
        let begun = |status: &str| {
            status.ends_with("_IN_PROGRESS") && !status.contains("ROLLBACK") && !status.contains("DELETE")
        };
        let of_the_change = events.iter().take_while(|event| {
            let of_the_stack = event.physical_resource_id() == Some(stack_id);
            !(of_the_stack && event.resource_status().is_some_and(|status| begun(status.as_str())))
        });
        let failed = of_the_change
            .filter(|event| event.resource_status().is_some_and(|status| status.as_str().ends_with("FAILED")))
            .last();
        let reason = failed.map_or_else(
            || "its events in CloudFormation say why".to_owned(),
            |event| {
                let (name, reason) = (event.logical_resource_id(), event.resource_status_reason());
                format!("{}: {}", name.unwrap_or_default(), reason.unwrap_or("no reason was given"))
            },
        );
        let left = match status {
            "UPDATE_ROLLBACK_COMPLETE" => "the version before goes on as it was",
            _ if !self.imports.is_empty() => "what was to be imported is as it was",
            "UPDATE_ROLLBACK_FAILED" => "`aws cloudformation continue-update-rollback` brings the version before back",
            _ => "nothing of it is left",
        };
        Failure::Failed(format!("the stack {} is {status}; {left}. {reason}", self.stack))
    }
}

/// Prints the changes: one line for each resource that is changed or removed, and a number for each kind that is added, or of
/// which [`MANY`] or more are modified.
fn show(changes: &[ResourceChange], leaves: Option<&str>) {
    for line in lines(changes, leaves) {
        terminal::note(&line);
    }
}

fn lines(changes: &[ResourceChange], leaves: Option<&str>) -> Vec<String> {
    let mut added = BTreeMap::<&str, usize>::new();
    let mut modified = BTreeMap::<&str, usize>::new();
    let mut lines = Vec::new();
    let mut precious = Vec::new();
    let is_modified = |change: &ResourceChange| {
        change.action() == Some(&ChangeAction::Modify) && change.replacement() != Some(&Replacement::True)
    };
    for change in changes.iter().filter(|change| is_modified(change)) {
        *modified.entry(change.resource_type().unwrap_or_default()).or_default() += 1;
    }
    modified.retain(|kind, count| *count >= MANY && !PRECIOUS.contains(kind));
    for change in changes {
        let kind = change.resource_type().unwrap_or_default();
        let name = change.logical_resource_id().unwrap_or_default();
        let replaced = change.replacement() == Some(&Replacement::True);
        match change.action() {
            Some(ChangeAction::Add) => *added.entry(kind).or_default() += 1,
            Some(_) if is_modified(change) && modified.contains_key(kind) => {}
            Some(action) => {
                let how = if replaced { "Replace" } else { action.as_str() };
                lines.push(format!("  {how:<8} {name} ({kind})"));
                let is_meant = leaves == Some(name) && *action == ChangeAction::Remove;
                if (replaced || *action == ChangeAction::Remove) && PRECIOUS.contains(&kind) && !is_meant {
                    precious.push(name);
                }
            }
            None => {}
        }
    }
    lines.extend(modified.into_iter().map(|(kind, count)| format!("  Modify   {count} × {kind}")));
    lines.extend(added.into_iter().map(|(kind, count)| format!("  Add      {count} × {kind}")));
    lines.insert(0, "What would change:".to_owned());
    if !precious.is_empty() {
        lines.push(format!(
            "Careful: {} hold data, and would be removed or replaced by empty ones.",
            precious.join(", ")
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(action: ChangeAction, name: &str, kind: &str, replacement: Replacement) -> ResourceChange {
        ResourceChange::builder()
            .action(action)
            .logical_resource_id(name)
            .resource_type(kind)
            .replacement(replacement)
            .build()
    }

    #[test]
    fn what_is_added_is_counted_and_what_would_lose_data_is_pointed_out() {
        let changes = [
            change(ChangeAction::Add, "A", "AWS::Lambda::Function", Replacement::False),
            change(ChangeAction::Add, "B", "AWS::Lambda::Function", Replacement::False),
            change(ChangeAction::Modify, "C", "AWS::Lambda::Function", Replacement::False),
            change(ChangeAction::Modify, "D", "AWS::DynamoDB::Table", Replacement::True),
            change(ChangeAction::Remove, "E", "AWS::Lambda::Permission", Replacement::False),
        ];
        assert_eq!(
            lines(&changes, None),
            [
                "What would change:",
                "  Modify   C (AWS::Lambda::Function)",
                "  Replace  D (AWS::DynamoDB::Table)",
                "  Remove   E (AWS::Lambda::Permission)",
                "  Add      2 × AWS::Lambda::Function",
                "Careful: D hold data, and would be removed or replaced by empty ones.",
            ]
        );
    }

    #[test]
    fn many_modified_resources_of_a_kind_are_counted_except_what_holds_data() {
        let modified = |kind: &str| change(ChangeAction::Modify, "A", kind, Replacement::False);
        let many = |kind: &str| vec![modified(kind); MANY];
        let changes =
            [many("AWS::Lambda::Function"), many("AWS::SQS::Queue"), vec![modified("AWS::IAM::Role"); MANY - 1]]
                .concat();
        let lines = lines(&changes, None);
        let names = |kind: &str| lines.iter().filter(|line| **line == format!("  Modify   A ({kind})")).count();
        assert!(lines.contains(&format!("  Modify   {MANY} × AWS::Lambda::Function")), "{lines:?}");
        assert_eq!(["AWS::Lambda::Function", "AWS::SQS::Queue", "AWS::IAM::Role"].map(names), [0, MANY, MANY - 1]);
    }

    #[test]
    fn a_table_that_is_meant_to_leave_the_stack_is_no_reason_to_be_careful() {
        let leaves = change(ChangeAction::Remove, "A", "AWS::DynamoDB::Table", Replacement::False);
        let lost = change(ChangeAction::Remove, "B", "AWS::DynamoDB::Table", Replacement::False);
        let is_careful =
            |changes: &[ResourceChange]| lines(changes, Some("A")).iter().any(|it| it.starts_with("Careful"));
        assert!(!is_careful(std::slice::from_ref(&leaves)));
        assert!(is_careful(&[leaves, lost]));
    }
}
