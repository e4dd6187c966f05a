//! The stack exchanges a table for the restored one. CloudFormation cannot do that in one change: a table with another name
//! would be a new, empty one. So the old table leaves the stack while everything that used it gets the restored table's
//! name, the restored table is imported, and the stack gets the template of before again.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::{
    Client,
    types::{ResourceToImport, TemplateStage},
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{
    derived::{self, Attributes},
    named::{Kind, Named},
    settings::Settings,
};
use crate::{
    deploy::{
        CODE_BUCKET, CODE_PREFIX, DEFAULT_PREFIX, How,
        bucket::Bucket,
        change_set::Order,
        parameters::{self, Values},
        release::Template,
    },
    failure::Failure,
    stack::Stack,
};

/// The names of the three changes.
const EXCHANGE: &str = "exchange";
const IMPORT: &str = "import";
const RETURN: &str = "return";

/// One step of a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// DynamoDB makes a table of what was in the stack's table at that time.
    Restore,
    /// It gets the settings that the stack's table has.
    Complete,
    /// The stack's table leaves the stack, and the functions get the restored one.
    Exchange,
    /// The restored table becomes a resource of the stack, under the id of the table that left.
    Import,
    /// The stack gets the template of before.
    Return,
}

/// What is there when the command begins: nothing of a restore, or what an interrupted one has left.
pub(super) struct Found<'a> {
    /// The table that is the stack's resource; `None` between [`Step::Exchange`] and [`Step::Import`].
    pub(super) used: Option<&'a str>,
    /// Whether DynamoDB has the restored table already, or restores it at the moment.
    pub(super) is_restored: bool,
    /// Whether the stack has a template of its own again, and not the one of the import.
    pub(super) has_returned: bool,
}

impl Found<'_> {
    /// Returns the steps that remain until the stack uses the restored table.
    pub(super) fn steps(&self, restored: &str) -> Vec<Step> {
        let all = [Step::Restore, Step::Complete, Step::Exchange, Step::Import, Step::Return];
        let first = match self.used {
            Some(used) if used == restored && self.has_returned => return Vec::new(),
            Some(used) if used == restored => Step::Return,
            None => Step::Import,
            Some(_) if self.is_restored => Step::Complete,
            Some(_) => Step::Restore,
        };
        all.into_iter().skip_while(|step| *step != first).collect()
    }
}

/// A stack whose table is exchanged.
pub(super) struct Exchange<'a> {
    stack: &'a Stack,
    how: &'a How,
    bucket: Bucket,
    /// Where the template of before is kept until the exchange is complete, and after it.
    key: String,
    /// The stack's template at the moment.
    current: Value,
    /// The template of before; `None` before the exchange.
    before: Option<Value>,
    /// The template with which the restored table was imported; `None` before that.
    imported: Option<Value>,
    pub(super) table: Named,
    /// What the restored table's name has after the first table's name.
    suffix: String,
}

impl<'a> Exchange<'a> {
    /// Reads where the stack is. Fails if `part` names no table that can be restored.
    pub(super) async fn find(
        stack: &'a Stack,
        part: &str,
        suffix: String,
        bucket: Option<&str>,
        how: &'a How,
    ) -> Result<Self, Failure> {
        let read = Client::new(&stack.aws).get_template().stack_name(&stack.name);
        let read = read.template_stage(TemplateStage::Processed).send().await?;
        let current: Value = serde_json::from_str(read.template_body().unwrap_or_default())?;
        let bucket = Bucket::of_the_account(&stack.aws, bucket.or_else(|| stack.parameter(CODE_BUCKET))).await?;
        let prefix = stack.parameter(CODE_PREFIX).unwrap_or(DEFAULT_PREFIX);
        let key = format!("{prefix}restored/{}-{part}{suffix}.json", stack.name);
        let stored = async |key: &str| -> Result<Option<Value>, Failure> {
            Ok(bucket.get(key).await?.map(|text| serde_json::from_str(&text)).transpose()?)
        };
        let before = stored(&key).await?;
        let imported = stored(&labelled(&key, IMPORT)).await?;
        let template = before.as_ref().unwrap_or(&current);
        let restorable = |named: &Named| named.kind == Kind::Table && named.suffix.is_some();
        let tables: Vec<_> = Named::all(template).into_iter().filter(restorable).collect();
        let Some(table) = tables.iter().find(|table| table.part == part).cloned() else {
            let parts: Vec<_> = tables.iter().map(|table| table.part.as_str()).collect();
            return Err(Failure::Wrong(if parts.is_empty() {
                format!("the template of {} is older than this command: deploy this version first", stack.name)
            } else {
                format!("{part} is none of the tables that can be restored: {}", parts.join(", "))
            }));
        };
        Ok(Self { stack, how, bucket, key, current, before, imported, table, suffix })
    }

    /// The restored table's name.
    pub(super) fn restored(&self) -> String {
        format!("{}{}", self.table.name(&self.stack.name), self.suffix)
    }

    /// What the template of before says of the table, with the tags of the table that is used.
    pub(super) fn settings(&self, tags: BTreeMap<String, String>) -> Settings {
        let template = self.before.as_ref().unwrap_or(&self.current);
        let resource = &template["Resources"][&self.table.id];
        Settings::of_template(resource, |name| self.stack.parameter(name), tags)
    }

    /// Whether the stack has its own template: the one of before, or one that was deployed since.
    pub(super) fn has_returned(&self) -> bool {
        self.imported.as_ref() != Some(&self.current)
    }

    /// Takes the table out of the stack, and gives what used it the restored one. Asks first.
    pub(super) async fn exchange(&mut self, restored: &Attributes) -> Result<(), Failure> {
        self.bucket.create().await?;
        self.put(&self.key, &self.current).await?;
        self.before = Some(self.current.clone());
        let template = derived::without(&self.current, &self.table.id, restored);
        let suffix = self.table.suffix.clone().unwrap_or_default();
        let set = Values::from([(suffix, self.suffix.clone())]);
        let question = format!(
            "Have {} use {} from now on? Its present table is kept, and no longer used.",
            self.stack.name, restored.name
        );
        self.change(EXCHANGE, template, &set, Some(question)).await
    }

    /// Makes the restored table a resource of the stack.
    pub(super) async fn import(&mut self) -> Result<(), Failure> {
        let before = self.before.as_ref().ok_or_else(|| self.missing())?;
        let template = derived::with(&self.current, &self.table.id, before);
        self.change(IMPORT, template, &Values::new(), None).await
    }

    /// Gives the stack the template of before, in which the table's id is the restored table's.
    pub(super) async fn give_back(&mut self) -> Result<(), Failure> {
        let template = self.before.clone().ok_or_else(|| self.missing())?;
        self.change(RETURN, template, &Values::new(), None).await
    }

    fn missing(&self) -> Failure {
        Failure::Failed(format!(
            "the bucket {} has no {}, which this command has put there; --bucket names another one",
            self.bucket.name, self.key
        ))
    }

    /// Asks `question`, or nobody if the first change was agreed to.
    async fn change(
        &mut self,
        label: &str,
        template: Value,
        set: &Values,
        question: Option<String>,
    ) -> Result<(), Failure> {
        let key = labelled(&self.key, label);
        self.put(&key, &template).await?;
        let (kind, _, identifier) = self.table.kind.properties();
        let import = ResourceToImport::builder().resource_type(kind).logical_resource_id(&self.table.id);
        let import = import.resource_identifier(identifier, self.restored()).build();
        let order = Order {
            aws: &self.stack.aws,
            stack: &self.stack.name,
            exists: true,
            label,
            template_url: self.bucket.url(&key),
            parameters: parameters::of_change(&Template::from(template.clone()), set, Some(self.stack))?,
            imports: if label == IMPORT { vec![import] } else { Vec::new() },
            leaves: Some(&self.table.id),
            is_followed: label != RETURN,
            role_arn: self.how.role_arn.as_deref(),
            yes: self.how.yes || question.is_none(),
            question: question.unwrap_or_default(),
        };
        order.carry_out().await?;
        self.current = template;
        Ok(())
    }

    /// Stores a template, because a request takes none of this size.
    async fn put(&self, key: &str, template: &Value) -> Result<(), Failure> {
        let text = template.to_string().into_bytes();
        let digest = hex::encode(Sha256::digest(&text));
        self.bucket.put(key, text, &digest).await
    }
}

/// The key of a template of one of the changes, beside that of the template of before.
fn labelled(key: &str, label: &str) -> String {
    format!("{}-{label}.json", key.trim_end_matches(".json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(used: Option<&str>, is_restored: bool, has_returned: bool) -> Vec<Step> {
        Found { used, is_restored, has_returned }.steps("new")
    }

    #[test]
    fn a_restore_begins_with_dynamodb_and_ends_with_the_template_of_before() {
        let all = [Step::Restore, Step::Complete, Step::Exchange, Step::Import, Step::Return];
        assert_eq!(steps(Some("old"), false, true), all);
    }

    #[test]
    fn an_interrupted_restore_goes_on_where_it_was() {
        assert_eq!(steps(Some("old"), true, true), [Step::Complete, Step::Exchange, Step::Import, Step::Return]);
        assert_eq!(steps(None, true, false), [Step::Import, Step::Return]);
        assert_eq!(steps(Some("new"), true, false), [Step::Return]);
        assert_eq!(steps(Some("new"), true, true), []);
    }
}
