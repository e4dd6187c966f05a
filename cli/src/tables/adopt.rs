//! `tables adopt`: a stack was deleted, and its tables and queues were kept. An import change set makes a new stack of them;
//! `deploy` then adds the rest.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::types::ResourceToImport;
use aws_sdk_dynamodb::Client;
use aws_sdk_sqs::Client as Sqs;
use clap::Args;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{
    derived,
    named::{self, Kind, Named},
    settings::{self, KEY, Lack, PROTECTION, Settings},
};
use crate::{
    deploy::{
        DEFAULT_PREFIX, How,
        bucket::Bucket,
        change_set::Order,
        parameters::{self, Given, Values},
        release::{Release, Template},
    },
    failure::Failure,
    stack::{self, Stack},
    terminal,
};

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Adopt {
    /// The version whose template says how the tables and queues are made: the one that was deployed
    #[arg(long, default_value = env!("CARGO_PKG_VERSION"))]
    version: String,
    /// The folder or the web address that has the release's files, if it is not where this command comes from
    #[arg(long, value_name = "PLACE", env = "NANO_WEBHOOKS_FROM")]
    from: Option<String>,
    /// The bucket for the template, in the stack's region [default: nano-webhooks-ACCOUNT-REGION]
    #[arg(long)]
    bucket: Option<String>,
    #[command(flatten)]
    given: Given,
    /// The table to take, if several can be meant: its id in the template, and its name
    #[arg(long, value_name = "ID=NAME", value_parser = parameters::pair)]
    table: Vec<(String, String)>,
    #[command(flatten)]
    how: How,
}

const HELP: &str = "\
It finds the tables and queues by their names, which begin with the stack's, shows what it would import, and asks. It deletes and
empties none of them. Then `deploy` adds everything else; give it the same parameters.

Examples:
  nano-webhooks tables adopt --parameters ~/nano-webhooks.json
  nano-webhooks tables adopt --table WebhooksTable=nano-webhooks-webhooks-20260102T030405Z";

/// A table or queue that was kept.
struct Kept {
    named: Named,
    /// What identifies it in an import.
    identifier: String,
}

impl Adopt {
    pub(crate) async fn run(self, name: &str, local: bool, json: bool) -> Result<(), Failure> {
        let mut set = self.given.read()?;
        let release = Release::open(self.from.as_deref(), &self.version).await?;
        let template = release.template(&self.version).await?;
        // Refuses a wrong name.
        parameters::of_change(&template, &set, None)?;
        let configured = stack::configuration(local).await?;
        let aws = configured.0.clone();
        let there = Stack::describe(name, configured).await?;
        if let Some(stack) = there.filter(|stack| stack.status != "REVIEW_IN_PROGRESS") {
            return Err(Failure::Failed(format!(
                "the stack {name} is there ({}); if its tables were adopted before, `deploy` adds what is missing",
                stack.status
            )));
        }
        let dynamodb = Client::new(&aws);
        let tables = named::tables(&dynamodb).await?;
        let given: BTreeMap<_, _> = self.table.iter().cloned().collect();
        let all = Named::all(template.json());
        let mut kept = choose(&all, name, &tables, &given).map_err(Failure::Wrong)?;
        for table in &kept {
            self.look_at(&dynamodb, table, name, &template, &mut set).await?;
        }
        let queues = named::queues(&Sqs::new(&aws), &all, name).await?;
        kept.extend(queues.into_iter().map(|(named, identifier)| Kept { named, identifier }));
        if kept.is_empty() {
            return Err(Failure::NotFound(format!(
                "no table or queue of a stack {name} is there; `deploy` makes new ones"
            )));
        }
        for missing in all.iter().filter(|named| !kept.iter().any(|it| it.named == **named)) {
            terminal::note(&format!("{} is not there; `deploy` will make a new, empty one.", missing.name(name)));
        }
        self.import(&aws, name, &template, &kept, &set).await?;
        if json {
            let adopted: BTreeMap<_, _> = kept.iter().map(|it| (&it.named.id, &it.identifier)).collect();
            return terminal::json(&json!({ "stack": name, "adopted": adopted }));
        }
        terminal::note(&format!("The stack {name} has {} tables and queues, and nothing else yet.", kept.len()));
        terminal::note(&format!(
            "Add the rest, with the same --parameters, --set and --architecture: nano-webhooks --stack {name} deploy"
        ));
        Ok(())
    }

    /// Adds the parameters that a table itself shows: a wrong key would be recorded in the stack, and the functions would not
    /// get its use. Sets what the table lacks, after asking: it can have been restored from a backup.
    async fn look_at(
        &self,
        client: &Client,
        table: &Kept,
        stack: &str,
        template: &Template,
        set: &mut Values,
    ) -> Result<(), Failure> {
        let Kept { named, identifier } = table;
        let found = settings::read(client, identifier).await?.settings;
        set.entry(KEY.into()).or_insert_with(|| found.key.clone().unwrap_or_default());
        set.entry(PROTECTION.into()).or_insert_with(|| if found.is_protected { "on" } else { "off" }.into());
        if set[KEY] != found.key.as_deref().unwrap_or_default() {
            return Err(Failure::Failed(format!(
                "{identifier} is encrypted with {}, and not with the {KEY} that the others have or that you give",
                found.key.as_deref().unwrap_or("a key of DynamoDB's own")
            )));
        }
        if let (Some(parameter), Some(suffix)) = (&named.suffix, named.suffix_of(stack, identifier)) {
            set.insert(parameter.clone(), suffix.to_owned());
        }
        let resource = &template.json()["Resources"][&named.id];
        let wanted = Settings::of_template(resource, |name| set.get(name).map(String::as_str), found.tags.clone());
        let lacks: Vec<_> = wanted.lacks(&found).iter().map(Lack::words).collect();
        if lacks.is_empty() {
            return Ok(());
        }
        terminal::confirm(self.how.yes, &format!("{identifier} lacks {}. Set that?", lacks.join(", "))).await?;
        settings::complete(client, &wanted, identifier, terminal::note).await
    }

    async fn import(
        &self,
        aws: &aws_config::SdkConfig,
        name: &str,
        template: &Template,
        kept: &[Kept],
        set: &Values,
    ) -> Result<(), Failure> {
        let ids: Vec<_> = kept.iter().map(|it| it.named.id.as_str()).collect();
        let made = Template::from(derived::only(template.json(), &ids));
        let set = set.iter().filter(|(name, _)| made.has_parameter(name));
        let set: Values = set.map(|(name, value)| (name.clone(), value.clone())).collect();
        let bucket = Bucket::of_the_account(aws, self.bucket.as_deref()).await?;
        bucket.create().await?;
        let key = format!("{DEFAULT_PREFIX}adopted/{name}.json");
        let text = made.json().to_string().into_bytes();
        let digest = hex::encode(Sha256::digest(&text));
        bucket.put(&key, text, &digest).await?;
        let imports = kept.iter().map(|Kept { named, identifier }| {
            let (kind, _, property) = named.kind.properties();
            let import = ResourceToImport::builder().resource_type(kind).logical_resource_id(&named.id);
            import.resource_identifier(property, identifier).build()
        });
        let region = aws.region().map_or("", |region| region.as_ref());
        let order = Order {
            aws,
            stack: name,
            exists: false,
            label: "adopt",
            template_url: bucket.url(&key),
            parameters: parameters::of_change(&made, &set, None)?,
            imports: imports.collect(),
            leaves: None,
            is_followed: true,
            role_arn: self.how.role_arn.as_deref(),
            yes: self.how.yes,
            question: format!("Begin the stack {name} in {region} of account {} with these?", bucket.account()),
        };
        order.carry_out().await.map(drop)
    }
}

/// Chooses the table for each of the template's. Fails if several can be meant, or one that is given cannot.
fn choose(
    all: &[Named],
    stack: &str,
    tables: &[String],
    given: &BTreeMap<String, String>,
) -> Result<Vec<Kept>, String> {
    let known = || all.iter().filter(|named| named.kind == Kind::Table);
    if let Some(unknown) = given.keys().find(|id| !known().any(|named| named.id == **id)) {
        let ids: Vec<_> = known().map(|named| named.id.as_str()).collect();
        return Err(format!("the template has no table {unknown}; it has {}", ids.join(", ")));
    }
    let mut kept = Vec::new();
    for named in known() {
        let candidates = named.candidates(stack, tables);
        let chosen = match given.get(&named.id) {
            Some(name) if candidates.contains(&name.as_str()) => Some(name.as_str()),
            Some(name) if tables.contains(name) => {
                return Err(format!(
                    "{name} cannot be {}: its name would have to begin with {}",
                    named.id,
                    named.name(stack)
                ));
            }
            Some(name) => return Err(format!("there is no table {name}")),
            None if candidates.len() > 1 => {
                return Err(format!(
                    "{} can be any of {}: the last that was restored is usually the one that was in use; name it with --table {}=NAME",
                    named.id,
                    candidates.join(", "),
                    named.id
                ));
            }
            None => candidates.first().copied(),
        };
        kept.extend(chosen.map(|name| Kept { named: named.clone(), identifier: name.to_owned() }));
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(id: &str, part: &str, suffix: Option<&str>) -> Named {
        Named { id: id.into(), kind: Kind::Table, part: part.into(), suffix: suffix.map(str::to_owned) }
    }

    fn chosen(tables: &[&str], given: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let all = [named("Webhooks", "webhooks", Some("Suffix")), named("Usage", "usage", None)];
        let tables: Vec<_> = tables.iter().map(|&name| name.to_owned()).collect();
        let given = given.iter().map(|&(id, name)| (id.to_owned(), name.to_owned())).collect();
        Ok(choose(&all, "s", &tables, &given)?.into_iter().map(|kept| kept.identifier).collect())
    }

    const RESTORED: &str = "s-webhooks-20260102T030405Z";

    #[test]
    fn tables_are_found_by_name_and_one_that_is_gone_is_left_out() {
        assert_eq!(
            chosen(&["s-usage", "s-webhooks", "s-webhooks-old", "t-usage"], &[]).unwrap(),
            ["s-webhooks", "s-usage"]
        );
        assert_eq!(chosen(&["s-usage", RESTORED], &[]).unwrap(), [RESTORED, "s-usage"]);
        assert_eq!(chosen(&["s-usage"], &[]).unwrap(), ["s-usage"]);
    }

    #[test]
    fn of_several_tables_the_operator_names_one() {
        let both = ["s-webhooks", RESTORED];
        let reason = chosen(&both, &[]).unwrap_err();
        assert!(reason.contains(&both.join(", ")) && reason.contains("--table Webhooks=NAME"), "{reason}");
        assert_eq!(chosen(&both, &[("Webhooks", RESTORED)]).unwrap(), [RESTORED]);
    }

    #[test]
    fn a_table_that_the_template_could_not_name_is_refused() {
        for (id, name, reason) in [
            ("Webhooks", "s-usage", "begin with s-webhooks"),
            ("Webhooks", "s-nothing", "there is no table s-nothing"),
            ("Webhook", "s-usage", "it has Webhooks, Usage"),
        ] {
            let refused = chosen(&["s-webhooks", "s-usage"], &[(id, name)]).unwrap_err();
            assert!(refused.contains(reason), "{refused}");
        }
    }
}
