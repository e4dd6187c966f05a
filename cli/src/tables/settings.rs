//! What a restored table lacks: DynamoDB restores the items, the indexes, the key that encrypts them and the billing mode,
//! and leaves the rest to us.
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-pitr-recovery-table-restore.html>

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use aws_sdk_dynamodb::{
    Client,
    error::ProvideErrorMetadata as _,
    types::{
        BillingMode, GlobalSecondaryIndexDescription, IndexStatus, PointInTimeRecoverySpecification,
        PointInTimeRecoveryStatus, RestoreSummary, StreamSpecification, StreamViewType, TableDescription, TableStatus,
        Tag, TimeToLiveSpecification,
    },
};

use serde_json::Value;

use super::derived::Attributes;
use crate::failure::Failure;

/// The parameters that decide about each table's key and protection.
pub(super) const KEY: &str = "KmsKeyArn";
pub(super) const PROTECTION: &str = "DeletionProtection";

const PAUSE: Duration = Duration::from_secs(5);
/// How long a new table may refuse to have its backups switched on.
const PATIENCE: Duration = Duration::from_mins(10);

/// A table as DynamoDB describes it.
pub(super) struct Table {
    pub(super) attributes: Attributes,
    pub(super) settings: Settings,
}

/// What a table of the stack has besides its items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Settings {
    /// The attribute by which items expire.
    pub(super) expires_by: Option<String>,
    pub(super) stream: Option<StreamViewType>,
    pub(super) recovers: bool,
    pub(super) is_protected: bool,
    pub(super) tags: BTreeMap<String, String>,
    /// The ARN of the key that encrypts it, if that is not DynamoDB's own.
    pub(super) key: Option<String>,
    pub(super) is_on_demand: bool,
    pub(super) indexes: BTreeSet<String>,
}

/// One setting that a restored table lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lack {
    Expiry(String),
    Stream(StreamViewType),
    Recovery,
    Protection,
    Tags(BTreeMap<String, String>),
    /// One that only the restore itself can set.
    Other(&'static str),
}

impl Settings {
    /// What the template says of a table, with the stack's parameters. The template says nothing of tags.
    pub(super) fn of_template<'a>(
        resource: &Value,
        parameter: impl Fn(&str) -> Option<&'a str>,
        tags: BTreeMap<String, String>,
    ) -> Self {
        let properties = &resource["Properties"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let indexes = properties["GlobalSecondaryIndexes"].as_array().into_iter().flatten();
        Self {
            expires_by: text(&properties["TimeToLiveSpecification"]["AttributeName"]),
            stream: properties["StreamSpecification"]["StreamViewType"].as_str().map(StreamViewType::from),
            recovers: properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] == true,
            is_protected: parameter(PROTECTION) == Some("on"),
            tags,
            key: parameter(KEY).filter(|key| !key.is_empty()).map(str::to_owned),
            is_on_demand: properties["BillingMode"] == "PAY_PER_REQUEST",
            indexes: indexes.filter_map(|index| text(&index["IndexName"])).collect(),
        }
    }

    /// Returns what the restored table lacks, in the order in which it is set. Protection is last, so that a table that
    /// could not be completed can still be deleted.
    pub(super) fn lacks(&self, restored: &Self) -> Vec<Lack> {
        let mut lacks = Vec::new();
        if self.key != restored.key {
            lacks.push(Lack::Other("the key that encrypts it"));
        }
        if self.is_on_demand != restored.is_on_demand {
            lacks.push(Lack::Other("the billing mode"));
        }
        if self.indexes != restored.indexes {
            lacks.push(Lack::Other("an index"));
        }
        if self.expires_by != restored.expires_by {
            lacks.extend(self.expires_by.clone().map(Lack::Expiry));
        }
        if self.stream != restored.stream {
            lacks.extend(self.stream.clone().map(Lack::Stream));
        }
        if self.recovers && !restored.recovers {
            lacks.push(Lack::Recovery);
        }
        let tags = self.tags.iter().filter(|(key, value)| restored.tags.get(*key) != Some(value));
        let tags: BTreeMap<_, _> = tags.map(|(key, value)| (key.clone(), value.clone())).collect();
        if !tags.is_empty() {
            lacks.push(Lack::Tags(tags));
        }
        if self.is_protected && !restored.is_protected {
            lacks.push(Lack::Protection);
        }
        lacks
    }
}

impl Lack {
    pub(super) fn words(&self) -> String {
        match self {
            Self::Expiry(attribute) => format!("time to live, by {attribute}"),
            Self::Stream(view) => format!("its stream ({})", view.as_str()),
            Self::Recovery => "point-in-time recovery".into(),
            Self::Protection => "deletion protection".into(),
            Self::Tags(tags) => format!("tags ({})", tags.keys().cloned().collect::<Vec<_>>().join(", ")),
            Self::Other(what) => (*what).into(),
        }
    }

    /// Sets it. Fails if only a restore could.
    async fn remedy(&self, client: &Client, table: &Attributes) -> Result<(), Failure> {
        let Attributes { name, arn, .. } = table;
        match self {
            Self::Expiry(attribute) => {
                let expiry = TimeToLiveSpecification::builder().enabled(true).attribute_name(attribute).build()?;
                client.update_time_to_live().table_name(name).time_to_live_specification(expiry).send().await?;
            }
            Self::Stream(view) => {
                let stream = StreamSpecification::builder().stream_enabled(true).stream_view_type(view.clone());
                client.update_table().table_name(name).stream_specification(stream.build()?).send().await?;
            }
            Self::Recovery => recover(client, name).await?,
            Self::Protection => {
                client.update_table().table_name(name).deletion_protection_enabled(true).send().await?;
            }
            Self::Tags(tags) => {
                let tags = tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
                let tags = tags.collect::<Result<Vec<_>, _>>()?;
                client.tag_resource().resource_arn(arn).set_tags(Some(tags)).send().await?;
            }
            Self::Other(what) => {
                return Err(Failure::Failed(format!("{name} was restored with another {what}; it is not used")));
            }
        }
        Ok(())
    }
}

/// Switches point-in-time recovery on. A table that was just made refuses that for some minutes.
async fn recover(client: &Client, table: &str) -> Result<(), Failure> {
    let recovery = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(true).build()?;
    let start = Instant::now();
    loop {
        let request = client.update_continuous_backups().table_name(table);
        match request.point_in_time_recovery_specification(recovery.clone()).send().await {
            Ok(_) => return Ok(()),
            Err(err) if err.code() == Some("ContinuousBackupsUnavailableException") && start.elapsed() < PATIENCE => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(err) => return Err(err.into()),
        }
    }
}

/// Sets on a restored table what it lacks, and checks it by describing the table again. Reports each setting.
pub(super) async fn complete(
    client: &Client,
    wanted: &Settings,
    restored: &str,
    report: impl Fn(&str),
) -> Result<(), Failure> {
    let mut table = read(client, restored).await?;
    for lack in wanted.lacks(&table.settings) {
        lack.remedy(client, &table.attributes).await?;
        report(&format!("  set {}", lack.words()));
        // DynamoDB refuses to change a table that it is changing.
        wait_until_active(client, restored).await?;
    }
    table = read(client, restored).await?;
    let left: Vec<_> = wanted.lacks(&table.settings).iter().map(Lack::words).collect();
    if left.is_empty() {
        return Ok(());
    }
    Err(Failure::Failed(format!("{restored} still lacks {}; run the same command again", left.join(", "))))
}

/// Waits until a table and its indexes can be used and no restore fills it any more. That can take hours.
pub(super) async fn wait_until_active(client: &Client, table: &str) -> Result<(), Failure> {
    loop {
        let described = client.describe_table().table_name(table).send().await?;
        if described.table().is_some_and(is_active) {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn is_active(table: &TableDescription) -> bool {
    let filled = !table.restore_summary().is_some_and(RestoreSummary::restore_in_progress);
    // The emulator reports no status of an index.
    let ready = |index: &GlobalSecondaryIndexDescription| {
        index.index_status().is_none_or(|status| *status == IndexStatus::Active)
    };
    filled && table.table_status() == Some(&TableStatus::Active) && table.global_secondary_indexes().iter().all(ready)
}

/// Reads a table. Fails if it does not exist.
pub(super) async fn read(client: &Client, name: &str) -> Result<Table, Failure> {
    let described = client.describe_table().table_name(name).send().await?;
    let missing = || Failure::Failed(format!("DynamoDB does not describe {name}"));
    let table = described.table.ok_or_else(missing)?;
    let arn = table.table_arn().unwrap_or_default().to_owned();
    let expiry = client.describe_time_to_live().table_name(name).send().await?.time_to_live_description;
    let expiry = expiry.filter(|ttl| ttl.time_to_live_status().is_some_and(|it| it.as_str().starts_with("ENABL")));
    let backups = client.describe_continuous_backups().table_name(name).send().await?.continuous_backups_description;
    let recovery = backups.and_then(|backups| backups.point_in_time_recovery_description);
    let recovery = recovery
        .filter(|recovery| recovery.point_in_time_recovery_status() == Some(&PointInTimeRecoveryStatus::Enabled));
    let stream = table.stream_specification().filter(|stream| stream.stream_enabled());
    let settings = Settings {
        expires_by: expiry.and_then(|ttl| ttl.attribute_name),
        stream: stream.and_then(|stream| stream.stream_view_type().cloned()),
        recovers: recovery.is_some(),
        is_protected: table.deletion_protection_enabled().unwrap_or_default(),
        tags: tags(client, &arn).await?,
        key: table.sse_description().and_then(|sse| sse.kms_master_key_arn()).map(str::to_owned),
        is_on_demand: table.billing_mode_summary().and_then(|it| it.billing_mode())
            == Some(&BillingMode::PayPerRequest),
        indexes: table
            .global_secondary_indexes()
            .iter()
            .filter_map(|index| index.index_name().map(str::to_owned))
            .collect(),
    };
    let stream_arn = settings.stream.as_ref().and(table.latest_stream_arn()).map(str::to_owned);
    Ok(Table { attributes: Attributes { name: name.to_owned(), arn, stream_arn }, settings })
}

/// A table's tags, except those of AWS's own, which nobody else may set.
async fn tags(client: &Client, arn: &str) -> Result<BTreeMap<String, String>, Failure> {
    let mut tags = BTreeMap::new();
    let mut token = None;
    loop {
        let page = client.list_tags_of_resource().resource_arn(arn).set_next_token(token).send().await?;
        let own = page.tags().iter().filter(|tag| !tag.key().starts_with("aws:"));
        tags.extend(own.map(|tag| (tag.key().to_owned(), tag.value().to_owned())));
        token = page.next_token;
        if token.is_none() {
            return Ok(tags);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn of_the_stack() -> Settings {
        Settings {
            expires_by: Some("expires_at".into()),
            stream: Some(StreamViewType::NewImage),
            recovers: true,
            is_protected: true,
            tags: tags(&[("team", "jobs"), ("stage", "prod")]),
            key: Some("arn:key".into()),
            is_on_demand: true,
            indexes: BTreeSet::from(["by-state".into()]),
        }
    }

    fn as_restored() -> Settings {
        let Settings { key, is_on_demand, indexes, .. } = of_the_stack();
        Settings { key, is_on_demand, indexes, ..Settings::default() }
    }

    #[test]
    fn a_restored_table_lacks_what_dynamodb_does_not_restore() {
        let expected = [
            Lack::Expiry("expires_at".into()),
            Lack::Stream(StreamViewType::NewImage),
            Lack::Recovery,
            Lack::Tags(of_the_stack().tags),
            Lack::Protection,
        ];
        assert_eq!(of_the_stack().lacks(&as_restored()), expected);
        assert_eq!(of_the_stack().lacks(&of_the_stack()), []);
    }

    #[test]
    fn the_template_and_the_parameters_say_what_a_table_has() {
        let resource = serde_json::json!({ "Properties": {
            "BillingMode": "PAY_PER_REQUEST",
            "DeletionProtectionEnabled": { "Fn::If": ["IsProtected", true, false] },
            "GlobalSecondaryIndexes": [{ "IndexName": "by-state" }],
            "StreamSpecification": { "StreamViewType": "NEW_IMAGE" },
            "PointInTimeRecoverySpecification": { "PointInTimeRecoveryEnabled": true },
            "TimeToLiveSpecification": { "AttributeName": "expires_at", "Enabled": true },
        } });
        let on = |name: &str| Some(if name == KEY { "arn:key" } else { "on" });
        assert_eq!(Settings::of_template(&resource, on, of_the_stack().tags), of_the_stack());
        let off = |name: &str| Some(if name == KEY { "" } else { "off" });
        let plain = Settings::of_template(&resource, off, BTreeMap::new());
        assert_eq!((plain.key, plain.is_protected), (None, false));
    }

    #[test]
    fn what_is_set_already_is_not_set_again() {
        let partly = Settings {
            expires_by: Some("expires_at".into()),
            recovers: true,
            tags: tags(&[("team", "jobs"), ("stage", "test"), ("own", "1")]),
            is_protected: true,
            ..as_restored()
        };
        let expected = [Lack::Stream(StreamViewType::NewImage), Lack::Tags(tags(&[("stage", "prod")]))];
        assert_eq!(of_the_stack().lacks(&partly), expected);
    }

    #[test]
    fn a_table_with_another_key_or_without_an_index_is_not_taken() {
        let other = Settings { key: None, indexes: BTreeSet::new(), ..of_the_stack() };
        let lacks = of_the_stack().lacks(&other);
        assert_eq!(lacks, [Lack::Other("the key that encrypts it"), Lack::Other("an index")]);
    }

    #[test]
    fn a_setting_that_the_stacks_table_does_not_have_is_not_needed() {
        let bare = Settings { is_on_demand: true, ..Settings::default() };
        assert_eq!(bare.lacks(&Settings { recovers: true, is_protected: true, ..bare.clone() }), []);
    }
}
