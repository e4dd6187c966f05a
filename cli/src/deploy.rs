//! `nano-webhooks deploy` and `rollback`: a release becomes a stack, or the next version of one, without a compiler.
//!
//! The zips and the packaged template go to a bucket of the account, below the version's name, and stay there.
//! CloudFormation works out what would change; the operator agrees; the change is made. Going back is the same with the
//! template that is stored there for the version before.

pub(crate) mod bucket;
pub(crate) mod change_set;
pub(crate) mod parameters;
pub(crate) mod release;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_sqs::Client as Sqs;
use clap::Args;
use nano_webhooks::{
    api_key::{KeyGrant, KeyScope},
    names::AccountId,
};
use serde::Serialize;
use serde_json::{Value, json};

use self::{
    bucket::{Bucket, Stored},
    change_set::{Order, Outcome},
    parameters::{Given, Values},
    release::{Release, Template},
};
use crate::{
    failure::Failure,
    keys,
    stack::{self, Stack},
    tables::named::{self, Named},
    terminal,
};

#[derive(Debug, Args)]
#[command(after_help = DEPLOY_HELP)]
pub(crate) struct Deploy {
    /// The version to deploy
    #[arg(long, default_value = env!("CARGO_PKG_VERSION"))]
    version: String,
    /// The folder or the web address that has the release's files, if it is not where this command comes from
    #[arg(long, value_name = "PLACE", env = "NANO_WEBHOOKS_FROM")]
    from: Option<String>,
    /// The bucket for the zips, in the stack's region; made if it does not exist [default: the stack's, or
    /// nano-webhooks-ACCOUNT-REGION]
    #[arg(long)]
    bucket: Option<String>,
    /// The functions' architecture [default: the stack's, or arm64]
    #[arg(long, value_parser = ["arm64", "x86_64"])]
    architecture: Option<String>,
    #[command(flatten)]
    given: Given,
    /// The account of the first key, which is made only with a new stack [default: `acct_demo`]
    #[arg(long, value_parser = AccountId::parse)]
    account: Option<AccountId>,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
#[command(after_help = ROLLBACK_HELP)]
pub(crate) struct Rollback {
    #[command(flatten)]
    how: How,
}

/// How the change is made.
#[derive(Debug, Args)]
pub(crate) struct How {
    /// The role that CloudFormation takes; without it, it uses your own permissions, or the role of the time before
    #[arg(long, value_name = "ARN")]
    pub(crate) role_arn: Option<String>,
    /// Do not ask for confirmation
    #[arg(long)]
    pub(crate) yes: bool,
}

const DEPLOY_HELP: &str = "\
It shows what would change in the stack and asks. Only then does it change the stack. A parameter that you do not set
keeps the value that the stack has, or else has the template's default. With a new stack it makes a first key, and
prints it on standard output.

Examples:
  nano-webhooks deploy --from dist
  nano-webhooks deploy --parameters ~/nano-webhooks-prod.json --stack nano-webhooks-prod
  nano-webhooks deploy --set LogRetentionDays=90 --yes";

const ROLLBACK_HELP: &str = "\
It deploys the version that was deployed before, from the files that are still in the bucket. Parameters stay as they
are. Webhooks, keys, secrets and events stay, too. A second rollback goes forward again. Read in docs/upgrading.md what
an older version does with what a newer one has stored.

Example:
  nano-webhooks rollback --stack nano-webhooks-prod";

/// The parameters that only this command sets.
pub(crate) const CODE_BUCKET: &str = "CodeBucket";
pub(crate) const CODE_PREFIX: &str = "CodePrefix";
const ARCHITECTURE: &str = "Architecture";
const PREVIOUS_VERSION: &str = "PreviousVersion";
/// The names of rules begin with the stack's, and have at most 64 characters.
const MAX_STACK_NAME: usize = 50;
/// The template's default.
pub(crate) const DEFAULT_PREFIX: &str = "nano-webhooks/";

impl Deploy {
    pub(crate) async fn run(self, stack: &str, local: bool, json: bool) -> Result<(), Failure> {
        let mut set = self.given.read()?;
        let own = [
            (CODE_BUCKET, "say --bucket"),
            (ARCHITECTURE, "say --architecture"),
            (CODE_PREFIX, "leave it out"),
            (PREVIOUS_VERSION, "leave it out"),
        ];
        if let Some((name, instead)) = own.into_iter().find(|(name, _)| set.contains_key(*name)) {
            return Err(Failure::Wrong(format!("only `deploy` itself sets the parameter {name}: {instead}")));
        }
        let release = Release::open(self.from.as_deref(), &self.version).await?;
        let template = release.template(&self.version).await?;
        let target = Target::find(stack, local, self.bucket.as_deref()).await?;
        let architecture = self.architecture.or_else(|| target.parameter(ARCHITECTURE));
        let architecture = architecture.unwrap_or_else(|| "arm64".into());
        // Refuses a wrong name before anything is uploaded.
        parameters::of_change(&template, &set, None)?;
        if target.stack.is_none() {
            target.refuse_unless_it_can_be_created(&template).await?;
        }
        target.upload(&release, &template, &self.version, &architecture).await?;

        set.insert(CODE_BUCKET.into(), target.bucket.name.clone());
        set.insert(ARCHITECTURE.into(), architecture);
        target.show_new_values(&set);
        if let Some(before) = target.version().filter(|before| *before != self.version) {
            set.insert(PREVIOUS_VERSION.into(), before.to_owned());
        }
        let outcome = target.change_to(&template, &self.version, &set, &self.how).await?;
        let deployed = Stack::find(stack, local).await?;
        let key = match (&target.stack, self.account) {
            (None, account) => Some(first_key(&deployed, account.unwrap_or_else(demo_account)).await?),
            (Some(_), None) => None,
            (Some(_), Some(account)) => {
                terminal::note(&format!("No key was made for {account}, because the stack was there before."));
                None
            }
        };
        report(&deployed, &self.version, &outcome, key, json)
    }
}

impl Rollback {
    pub(crate) async fn run(self, stack: &str, local: bool, json: bool) -> Result<(), Failure> {
        let target = Target::find(stack, local, None).await?;
        let Some(deployed) = &target.stack else { return Err(stack::missing_stack(stack, &target.aws)) };
        let nothing = || {
            Failure::NotFound(format!("the stack {stack} has no version before this one that `deploy` has deployed"))
        };
        let before = deployed.parameter(PREVIOUS_VERSION).filter(|version| !version.is_empty()).ok_or_else(nothing)?;
        let now = target.version().unwrap_or_default();
        let key = target.key(before, "template.json");
        let missing = |key: &str| {
            Failure::NotFound(format!(
                "{key} is not in the bucket {}, which the stack uses now; deploy {before} with --from",
                target.bucket.name
            ))
        };
        let template = target.bucket.get(&key).await?.ok_or_else(|| missing(&key))?;
        let template = Template::parse(&template)?;
        let architecture = deployed.parameter(ARCHITECTURE).unwrap_or("arm64");
        for zip in template.zips(architecture) {
            let key = target.key(before, &zip);
            if !target.bucket.has(&key).await? {
                return Err(missing(&key));
            }
        }
        let set = Values::from([(PREVIOUS_VERSION.into(), now.to_owned())]);
        let outcome = target.change_to(&template, before, &set, &self.how).await?;
        report(&Stack::find(stack, local).await?, before, &outcome, None, json)
    }
}

/// The stack that is changed, which need not exist, and the bucket of its zips.
struct Target {
    aws: SdkConfig,
    name: String,
    stack: Option<Stack>,
    bucket: Bucket,
}

impl Target {
    async fn find(name: &str, local: bool, bucket: Option<&str>) -> Result<Self, Failure> {
        let configured = stack::configuration(local).await?;
        let aws = configured.0.clone();
        let found = Stack::describe(name, configured).await?;
        // An empty stack that a change set left, which nobody has made.
        let stack = found.filter(|stack| stack.status != "REVIEW_IN_PROGRESS");
        if let Some(stack) = &stack {
            refuse_unless_it_can_be_changed(stack)?;
        }
        let of_the_stack = stack.as_ref().and_then(|stack| stack.parameter(CODE_BUCKET));
        let bucket = Bucket::of_the_account(&aws, bucket.or(of_the_stack)).await?;
        Ok(Self { aws, name: name.to_owned(), stack, bucket })
    }

    fn parameter(&self, name: &str) -> Option<String> {
        self.stack.as_ref()?.parameter(name).map(str::to_owned)
    }

    /// The version that is deployed; `None` if none is, or one that was not a release.
    fn version(&self) -> Option<&str> {
        self.stack.as_ref()?.output("Version").ok()
    }

    fn key(&self, version: &str, file: &str) -> String {
        let prefix = self.parameter(CODE_PREFIX).unwrap_or_else(|| DEFAULT_PREFIX.into());
        format!("{prefix}{version}/{file}")
    }

    /// Fails for what CloudFormation would refuse while it creates the stack: a name that is too long, and tables and queues
    /// that a deleted stack has left.
    async fn refuse_unless_it_can_be_created(&self, template: &Template) -> Result<(), Failure> {
        let length = self.name.len();
        if length > MAX_STACK_NAME {
            return Err(Failure::Wrong(format!(
                "a stack's name has at most {MAX_STACK_NAME} characters, because rules' names begin with it; {} has {length}",
                self.name
            )));
        }
        // An operator without the permission to look for them can deploy, too.
        let tables = named::tables(&Client::new(&self.aws)).await.unwrap_or_default();
        let all = Named::all(template.json());
        let queues = named::queues(&Sqs::new(&self.aws), &all, &self.name).await.unwrap_or_default();
        let tables = all.iter().flat_map(|named| named.candidates(&self.name, &tables)).map(str::to_owned);
        let kept: Vec<_> = tables.chain(queues.into_iter().map(|(queue, _)| queue.name(&self.name))).collect();
        if kept.is_empty() {
            return Ok(());
        }
        Err(Failure::Failed(format!(
            "a stack that was deleted has left {}: `nano-webhooks --stack {} tables adopt` begins the new stack with them, and then deploy",
            kept.join(", "),
            self.name
        )))
    }

    /// Stores what the stack needs of a release, except what is stored already. Fails if another build of the same
    /// version is there: its functions would not be replaced, because their addresses stay the same.
    async fn upload(
        &self,
        release: &Release,
        template: &Template,
        version: &str,
        architecture: &str,
    ) -> Result<(), Failure> {
        if self.bucket.create().await? {
            terminal::note(&format!("Made the bucket {}.", self.bucket.name));
        }
        let mut uploaded = 0;
        let mut files = template.zips(architecture);
        files.push("template.json".into());
        for file in &files {
            let (key, digest) = (self.key(version, file), release.digest(file)?);
            match self.bucket.compare(&key, digest).await? {
                Stored::TheSame => {}
                Stored::Nothing => {
                    self.bucket.put(&key, release.file(file).await?, digest).await?;
                    uploaded += 1;
                }
                Stored::SomethingElse => {
                    return Err(Failure::Failed(format!(
                        "the bucket {} has another build of {version} ({key}); a release does not change: give yours another version",
                        self.bucket.name
                    )));
                }
            }
        }
        let place = format!("s3://{}/{}", self.bucket.name, self.key(version, ""));
        terminal::note(&format!("{place} has the {} files of {version}; {uploaded} of them are new.", files.len()));
        Ok(())
    }

    /// Prints each parameter of the stack that gets another value.
    fn show_new_values(&self, set: &Values) {
        for (name, value) in set {
            if let Some(before) = self.parameter(name).filter(|before| before != value) {
                terminal::note(&format!("{name}: {value} (before: {before})"));
            }
        }
    }

    async fn change_to(&self, template: &Template, version: &str, set: &Values, how: &How) -> Result<Outcome, Failure> {
        let region = self.aws.region().map_or("", |region| region.as_ref());
        let verb = if self.stack.is_some() { "Change" } else { "Create" };
        let order = Order {
            aws: &self.aws,
            stack: &self.name,
            exists: self.stack.is_some(),
            label: version,
            template_url: self.bucket.url(&self.key(version, "template.json")),
            parameters: parameters::of_change(template, set, self.stack.as_ref())?,
            imports: Vec::new(),
            leaves: None,
            is_followed: false,
            role_arn: how.role_arn.as_deref(),
            yes: how.yes,
            question: format!(
                "{verb} the stack {} in {region} of account {} to {version}?",
                self.name,
                self.bucket.account()
            ),
        };
        order.carry_out().await
    }
}

fn demo_account() -> AccountId {
    AccountId::parse("acct_demo").expect("is one")
}

/// Makes the first key of a new stack.
async fn first_key(deployed: &Stack, account_id: AccountId) -> Result<keys::Made, Failure> {
    let create = format!("nano-webhooks --stack {} keys create --account {account_id}", deployed.name);
    let grant = KeyGrant { account_id, label: None, scope: KeyScope::Full, expires_at: None };
    keys::Made::of(deployed, grant).await.map_err(|failure| {
        let reason = failure.text().unwrap_or_default();
        Failure::Failed(format!("{reason}. The stack is there, and only its first key is missing: {create}"))
    })
}

/// Fails if CloudFormation would refuse every change of the stack, and says what to do.
pub(crate) fn refuse_unless_it_can_be_changed(stack: &Stack) -> Result<(), Failure> {
    let Stack { name, status, .. } = stack;
    let advice = match status.as_str() {
        "CREATE_FAILED" | "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "DELETE_FAILED" => {
            format!("it was not created, and can only be deleted: aws cloudformation delete-stack --stack-name {name}")
        }
        "UPDATE_ROLLBACK_FAILED" => {
            format!("first: aws cloudformation continue-update-rollback --stack-name {name}")
        }
        status if status.ends_with("_IN_PROGRESS") && status != "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" => {
            "it is being changed; try again when that is done".to_owned()
        }
        _ => return Ok(()),
    };
    Err(Failure::Failed(format!("the stack {name} is {status}: {advice}")))
}

#[derive(Serialize)]
struct Report<'a> {
    stack: &'a str,
    version: &'a str,
    changed: bool,
    api_url: &'a str,
    completions_queue_url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Value>,
}

/// Prints what is deployed now and what to do next.
fn report(stack: &Stack, version: &str, outcome: &Outcome, key: Option<keys::Made>, json: bool) -> Result<(), Failure> {
    let (api_url, queue) = (stack.api_url()?, stack.output("CompletionsQueueUrl")?);
    if json {
        return terminal::json(&Report {
            stack: &stack.name,
            version,
            changed: *outcome == Outcome::Changed,
            api_url,
            completions_queue_url: queue,
            key: key.map(|made| json!(made.created())),
        });
    }
    match outcome {
        Outcome::Changed => terminal::note(&format!("The stack {} is {version} now.", stack.name)),
        Outcome::NothingToChange => {
            terminal::note(&format!("The stack {} is {version} already; nothing has changed.", stack.name));
        }
    }
    let is_new = key.is_some();
    key.map_or(Ok(()), |made| made.print())?;
    for line in [
        format!("API:         {api_url}"),
        format!("Console:     {} (sign in with a key)", stack.output("ConsoleUrl")?),
        format!("Completions: {queue}"),
        "What to do next:".to_owned(),
        format!("  check it:              nano-webhooks --stack {} doctor", stack.name),
    ] {
        terminal::note(&line);
    }
    if is_new {
        terminal::note(&format!("  register an endpoint:  {api_url}/docs"));
        terminal::note("  let your jobs report:  docs/producers.md");
        terminal::note("  set alarms and more:   docs/deploying.md#parameters");
    } else {
        terminal::note(&format!(
            "  make a key:            nano-webhooks --stack {} keys create --account ACCOUNT",
            stack.name
        ));
    }
    Ok(())
}
