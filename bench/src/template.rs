//! Reads the functions and tables from `template.yaml`, with the defaults of its parameters: an instrument runs what
//! is deployed, with the deployed memory, environment and keys.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
};

use serde_yaml_ng::Value;

use crate::{
    dynamodb::{Index, Keys, Table},
    failure::{Failure, Result},
};

/// The variables that differ from the defaults, because the receiver is on this machine and one key makes every
/// request.
const OVERRIDES: [(&str, &str); 3] =
    [("EGRESS_POLICY", "local"), ("RATE_LIMIT_PER_MINUTE", "1000000000"), ("RATE_LIMIT_PER_DAY", "1000000000")];

/// The parsed `template.yaml`.
pub(crate) struct Template(Value);

/// A function with its settings in the template.
pub(crate) struct Function {
    /// The name of its binary.
    pub(crate) name: String,
    pub(crate) memory_mb: u64,
    pub(crate) environment: BTreeMap<String, String>,
    /// Whether the HTTP API calls it.
    pub(crate) is_api: bool,
    /// The most messages or stream records in one event.
    pub(crate) batch: usize,
}

impl Template {
    pub(crate) fn read(workspace: &Path) -> Result<Self> {
        let text = fs::read_to_string(workspace.join("template.yaml")).map_err(Failure::to("read template.yaml"))?;
        serde_yaml_ng::from_str(&text).map(Self).map_err(Failure::to("read template.yaml"))
    }

    /// Every function, in the template's order.
    pub(crate) fn functions(&self) -> Result<Vec<Function>> {
        let functions = self.resources("AWS::Serverless::Function").map(|(name, resource)| {
            let binary = resource["Metadata"]["BuildProperties"]["Binary"].as_str();
            let properties = &resource["Properties"];
            let batch = entries(&properties["Events"]).find_map(|(_, event)| event["Properties"]["BatchSize"].as_u64());
            Ok(Function {
                name: binary.ok_or_else(|| Failure::new(format!("{name} names no binary")))?.to_owned(),
                memory_mb: self.memory(properties)?,
                environment: self.environment(properties)?,
                is_api: entries(&properties["Events"]).any(|(_, event)| event["Type"] == "HttpApi"),
                batch: batch.map_or(1, |batch| usize::try_from(batch).unwrap_or(usize::MAX)),
            })
        });
        functions.collect()
    }

    /// The tables by name, all empty.
    pub(crate) fn tables(&self) -> Result<HashMap<String, Table>> {
        let tables = self.resources("AWS::DynamoDB::Table").map(|(_, resource)| {
            let properties = &resource["Properties"];
            let indexes: Vec<_> = properties["GlobalSecondaryIndexes"].as_sequence().into_iter().flatten().collect();
            let of_keys = indexes.iter().filter(|index| index["Projection"]["ProjectionType"] == "KEYS_ONLY");
            let of_keys =
                of_keys.map(|index| Ok((self.text(&index["IndexName"])?, Index::new(keys(&index["KeySchema"])?))));
            let of_keys: HashMap<_, _> = of_keys.collect::<Result<_>>()?;
            let has_another = of_keys.len() < indexes.len();
            let table = Table::new(keys(&properties["KeySchema"])?, of_keys, has_another);
            Ok((self.text(&properties["TableName"])?, table))
        });
        tables.collect()
    }

    /// The least severe log level that Lambda lets through.
    pub(crate) fn log_level(&self) -> Result<String> {
        self.text(&self.0["Globals"]["Function"]["LoggingConfig"]["ApplicationLogLevel"])
    }

    fn memory(&self, properties: &Value) -> Result<u64> {
        let own = &properties["MemorySize"];
        let memory = if own.is_null() { &self.0["Globals"]["Function"]["MemorySize"] } else { own };
        self.text(memory)?.parse().map_err(Failure::to("read a function's memory"))
    }

    fn environment(&self, properties: &Value) -> Result<BTreeMap<String, String>> {
        let of = |properties: &Value| {
            let variables = entries(&properties["Environment"]["Variables"]);
            variables.map(|(name, value)| Ok((name.to_owned(), self.text(value)?))).collect::<Result<Vec<_>>>()
        };
        let mut environment: BTreeMap<_, _> = of(&self.0["Globals"]["Function"])?.into_iter().collect();
        environment.extend(of(properties)?);
        for (name, value) in OVERRIDES {
            environment.entry(name.to_owned()).and_modify(|variable| value.clone_into(variable));
        }
        Ok(environment)
    }

    fn resources<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
        entries(&self.0["Resources"]).filter(move |(_, resource)| resource["Type"] == kind)
    }

    /// The value of an expression in the template. Fails if its function is not known here.
    fn text(&self, value: &Value) -> Result<String> {
        let unknown = || Failure::new(format!("{value:?} in template.yaml is not known to the instruments"));
        match value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(flag) => Ok(flag.to_string()),
            Value::Tagged(tagged) => {
                let tag = tagged.tag.to_string();
                match (tag.trim_start_matches('!'), &tagged.value) {
                    ("Ref", Value::String(name)) => self.reference(name),
                    ("Sub", Value::String(text)) => self.substituted(text),
                    ("GetAtt", Value::String(name)) => Ok(format!("arn:aws:bench:us-east-1:123456789012:{name}")),
                    ("If", Value::Sequence(parts)) if parts.len() == 3 => {
                        let name = parts[0].as_str().ok_or_else(unknown)?;
                        self.text(&parts[if self.holds(&self.0["Conditions"][name])? { 1 } else { 2 }])
                    }
                    ("Join", Value::Sequence(parts)) if parts.len() == 2 => {
                        let list = parts[1].as_sequence().ok_or_else(unknown)?;
                        let list = list.iter().map(|part| self.text(part)).collect::<Result<Vec<_>>>()?;
                        Ok(list.join(parts[0].as_str().unwrap_or_default()))
                    }
                    _ => Err(unknown()),
                }
            }
            _ => Err(unknown()),
        }
    }

    fn holds(&self, condition: &Value) -> Result<bool> {
        let unknown = || Failure::new(format!("the condition {condition:?} is not known to the instruments"));
        let Value::Tagged(tagged) = condition else { return Err(unknown()) };
        let tag = tagged.tag.to_string();
        let parts = tagged.value.as_sequence().map(Vec::as_slice).unwrap_or_default();
        match (tag.trim_start_matches('!'), parts) {
            ("Equals", [left, right]) => Ok(self.text(left)? == self.text(right)?),
            ("Not", [condition]) => Ok(!self.holds(condition)?),
            ("And", all) => all.iter().try_fold(true, |sum, condition| Ok(sum & self.holds(condition)?)),
            ("Or", any) => any.iter().try_fold(false, |sum, condition| Ok(sum | self.holds(condition)?)),
            ("Condition", _) => self.holds(&self.0["Conditions"][tagged.value.as_str().ok_or_else(unknown)?]),
            _ => Err(unknown()),
        }
    }

    fn reference(&self, name: &str) -> Result<String> {
        let pseudo = match name {
            "AWS::StackName" => Some("nano-webhooks"),
            "AWS::Region" => Some("us-east-1"),
            "AWS::URLSuffix" => Some("amazonaws.com"),
            "AWS::Partition" => Some("aws"),
            "AWS::AccountId" => Some("123456789012"),
            "AWS::NoValue" => Some(""),
            _ => None,
        };
        if let Some(value) = pseudo {
            return Ok(value.to_owned());
        }
        let default = &self.0["Parameters"][name]["Default"];
        if !default.is_null() {
            return self.text(default);
        }
        let resource = &self.0["Resources"][name];
        match resource["Type"].as_str() {
            Some("AWS::DynamoDB::Table") => self.text(&resource["Properties"]["TableName"]),
            Some("AWS::SQS::Queue") => Ok(format!("https://sqs.us-east-1.amazonaws.com/123456789012/{name}")),
            Some(_) => Ok(name.to_lowercase()),
            None => Err(Failure::new(format!("template.yaml has no {name}"))),
        }
    }

    fn substituted(&self, text: &str) -> Result<String> {
        let mut parts = text.split("${");
        let mut whole = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').unwrap_or((part, ""));
            whole.push_str(&if name.contains('.') { name.to_lowercase() } else { self.reference(name)? });
            whole.push_str(rest);
        }
        Ok(whole)
    }
}

fn keys(schema: &Value) -> Result<Keys> {
    let of = |kind| {
        let mut keys = schema.as_sequence().into_iter().flatten();
        keys.find(|key| key["KeyType"] == kind).and_then(|key| key["AttributeName"].as_str()).map(str::to_owned)
    };
    Ok(Keys { hash: of("HASH").ok_or_else(|| Failure::new("a table without a key"))?, range: of("RANGE") })
}

fn entries(map: &Value) -> impl Iterator<Item = (&str, &Value)> {
    map.as_mapping().into_iter().flatten().filter_map(|(name, value)| Some((name.as_str()?, value)))
}
