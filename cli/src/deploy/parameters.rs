//! The template's parameters: those that the operator sets, in a file or on the command line, and those that stay.

use std::{collections::BTreeMap, fs};

use aws_sdk_cloudformation::types::{Parameter, builders::ParameterBuilder};
use clap::Args;
use serde_json::Value;

use super::release::Template;
use crate::{failure::Failure, stack::Stack};

/// The parameters that the operator gives.
#[derive(Debug, Args)]
pub(crate) struct Given {
    /// A file with the template's parameters, as one JSON object
    #[arg(long, value_name = "FILE")]
    parameters: Option<String>,
    /// A parameter; wins over the file
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
}

impl Given {
    /// Those of the file, and those of the command line.
    pub(crate) fn read(&self) -> Result<Values, Failure> {
        let mut values = self.parameters.as_deref().map(read).transpose()?.unwrap_or_default();
        values.extend(self.set.iter().cloned());
        Ok(values)
    }
}

/// Parameters by name.
pub(crate) type Values = BTreeMap<String, String>;

/// Reads the operator's file, one JSON object of names and values, as `sam deploy --parameter-overrides file://…` does.
fn read(path: &str) -> Result<Values, Failure> {
    let text = fs::read_to_string(path).map_err(|err| Failure::Wrong(format!("{path} cannot be read: {err}")))?;
    let object: BTreeMap<String, Value> = serde_json::from_str(&text).map_err(|err| {
        Failure::Wrong(format!("{path} must be a JSON object, such as {{\"LogRetentionDays\": 90}}: {err}"))
    })?;
    object
        .into_iter()
        .map(|(name, value)| match value {
            Value::String(value) => Ok((name, value)),
            Value::Number(value) => Ok((name, value.to_string())),
            _ => Err(Failure::Wrong(format!("{path}: {name} must be a text or a number"))),
        })
        .collect()
}

/// Parses `NAME=VALUE`, for clap.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The parameters of a change set. Those that are not set keep the value that the stack has; those that the stack does
/// not have get the template's default. Fails if the template does not have a parameter that the operator set, or would
/// lose a restored table.
pub(crate) fn of_change(template: &Template, set: &Values, stack: Option<&Stack>) -> Result<Vec<Parameter>, Failure> {
    if let Some(unknown) = set.keys().find(|name| !template.has_parameter(name)) {
        return Err(Failure::Wrong(format!(
            "this version has no parameter {unknown}; {}docs/deploying.md lists them all",
            template.like(unknown).map(|name| format!("is it {name}? ")).unwrap_or_default()
        )));
    }
    for (name, value) in set {
        let allowed = template.allowed_values(name);
        if !allowed.is_empty() && !allowed.contains(value) {
            return Err(Failure::Wrong(format!("{name} must be {}, not {value:?}", allowed.join(" or "))));
        }
    }
    if let Some(lost) = stack.and_then(|stack| lost_name(template, stack.parameters())) {
        return Err(Failure::Failed(format!(
            "a table of this stack was restored, and that version has no parameter {lost} for its name: it would make an empty one"
        )));
    }
    let of = |name: &str| {
        let parameter = Parameter::builder().parameter_key(name);
        match set.get(name) {
            Some(value) => Some(parameter.parameter_value(value)),
            None => stack?.parameter(name).map(|_| parameter.use_previous_value(true)),
        }
    };
    Ok(template.parameters().filter_map(of).map(ParameterBuilder::build).collect())
}

/// The parameter with the name of a restored table, if the stack has it and the template does not: a version from before
/// there were restores.
fn lost_name<'a>(template: &Template, mut of_stack: impl Iterator<Item = (&'a str, &'a str)>) -> Option<&'a str> {
    let is_lost = |(name, value): &(&str, &str)| {
        name.ends_with("TableSuffix") && !value.is_empty() && !template.has_parameter(name)
    };
    of_stack.find(is_lost).map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_that_the_template_does_not_have_is_named() {
        let template = Template::parse(r#"{ "Parameters": { "LogRetentionDays": {} } }"#).unwrap();
        let set = |name: &str| Values::from([(name.to_owned(), "7".to_owned())]);
        let known = of_change(&template, &set("LogRetentionDays"), None).unwrap();
        assert_eq!(known[0].parameter_value(), Some("7"));
        let unknown = of_change(&template, &set("LogRetentionDay"), None).unwrap_err();
        assert!(
            unknown.text().unwrap().contains("no parameter LogRetentionDay; is it LogRetentionDays?"),
            "{unknown:?}"
        );
    }

    #[test]
    fn a_value_that_the_template_does_not_allow_is_refused() {
        let parameter = r#"{ "Type": "String", "AllowedValues": ["on", "off", 7] }"#;
        let template = Template::parse(&format!(r#"{{ "Parameters": {{ "Tracing": {parameter} }} }}"#)).unwrap();
        let change = |value: &str| of_change(&template, &Values::from([("Tracing".into(), value.into())]), None);
        assert!(change("on").is_ok() && change("7").is_ok());
        assert_eq!(change("yes").unwrap_err().text(), Some(r#"Tracing must be on or off or 7, not "yes""#));
    }

    #[test]
    fn a_value_may_contain_the_sign_between_name_and_value() {
        assert_eq!(pair("A=b=c"), Ok(("A".to_owned(), "b=c".to_owned())));
        assert!(pair("A").is_err());
    }

    #[test]
    fn a_version_that_cannot_name_a_restored_table_is_refused() {
        let template = Template::parse(r#"{ "Parameters": { "EventsTableSuffix": {} } }"#).unwrap();
        let lost = |parameters: &[(&'static str, &'static str)]| lost_name(&template, parameters.iter().copied());
        let restored = "-20260102T030405Z";
        assert_eq!(lost(&[("WebhooksTableSuffix", restored)]), Some("WebhooksTableSuffix"));
        assert_eq!(lost(&[("WebhooksTableSuffix", ""), ("EventsTableSuffix", restored), ("Tracing", "on")]), None);
    }
}
