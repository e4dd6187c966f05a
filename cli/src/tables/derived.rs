//! Templates that are made from the stack's, for CloudFormation's rules about imports: an import changes nothing else,
//! not even how an unchanged value is written, and adds no outputs.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// A table that is there, as a template sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) stream_arn: Option<String>,
}

impl Attributes {
    fn get(&self, attribute: &str) -> Option<&str> {
        match attribute {
            "Arn" => Some(&self.arn),
            "StreamArn" => self.stream_arn.as_deref(),
            _ => None,
        }
    }
}

/// The template without a resource. Whatever referred to it has the values of a table that is not in the stack.
pub(super) fn without(template: &Value, id: &str, table: &Attributes) -> Value {
    let mut template = template.clone();
    if let Some(resources) = template["Resources"].as_object_mut() {
        resources.remove(id);
    }
    filled(&template, id, table)
}

/// The template with a resource of another one.
pub(super) fn with(template: &Value, id: &str, from: &Value) -> Value {
    let mut template = template.clone();
    template["Resources"][id] = from["Resources"][id].clone();
    template
}

/// A template of these resources alone, with the parameters and conditions that they use, and no outputs.
pub(super) fn only(template: &Value, ids: &[&str]) -> Value {
    let part = |section: &str, names: &BTreeSet<String>| -> Map<String, Value> {
        let all = template[section].as_object().into_iter().flatten();
        all.filter(|(name, _)| names.contains(*name)).map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let resources = part("Resources", &ids.iter().map(|id| (*id).to_owned()).collect());
    let mut used = BTreeSet::new();
    resources.values().for_each(|resource| collect(resource, &mut used));
    // A condition can use others.
    let conditions = loop {
        let conditions = part("Conditions", &used);
        let before = used.len();
        conditions.values().for_each(|condition| collect(condition, &mut used));
        if used.len() == before {
            break conditions;
        }
    };
    let mut made = json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Parameters": part("Parameters", &used),
        "Conditions": conditions,
        "Resources": resources,
    });
    if let Some(description) = template.get("Description") {
        made["Description"] = description.clone();
    }
    made
}

/// Collects the names that a value refers to: parameters, resources and conditions.
fn collect(value: &Value, names: &mut BTreeSet<String>) {
    let first = |value: &Value| value.as_str().or(value[0].as_str()).map(str::to_owned);
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields {
                match key.as_str() {
                    "Ref" | "Condition" | "Fn::If" => names.extend(first(inner)),
                    "Fn::Sub" => {
                        let text = first(inner).unwrap_or_default();
                        names.extend(
                            text.split("${")
                                .skip(1)
                                .filter_map(|rest| rest.split(['}', '.']).next())
                                .map(str::to_owned),
                        );
                    }
                    _ => {}
                }
                collect(inner, names);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
        _ => {}
    }
}

fn filled(value: &Value, id: &str, table: &Attributes) -> Value {
    match value {
        Value::Object(fields) => {
            if let Some(value) = literal(fields, id, table) {
                return value;
            }
            let fields = fields.iter().filter_map(|(key, inner)| {
                let inner = if key == "DependsOn" { independent(inner, id)? } else { filled(inner, id, table) };
                Some((key.clone(), inner))
            });
            Value::Object(fields.collect())
        }
        Value::Array(items) => items.iter().map(|item| filled(item, id, table)).collect(),
        value => value.clone(),
    }
}

/// The value of a function that refers to the resource; `None` for any other object.
fn literal(fields: &Map<String, Value>, id: &str, table: &Attributes) -> Option<Value> {
    let (function, of) = fields.iter().next().filter(|_| fields.len() == 1)?;
    match function.as_str() {
        "Ref" if of == id => Some(json!(table.name)),
        "Fn::GetAtt" => {
            let short = of.as_str().and_then(|text| text.split_once('.'));
            let (resource, attribute) = short.or_else(|| Some((of[0].as_str()?, of[1].as_str()?)))?;
            (resource == id).then(|| table.get(attribute)).flatten().map(|value| json!(value))
        }
        "Fn::Sub" => {
            let substituted = |text: &str| {
                let mut text = text.replace(&format!("${{{id}}}"), &table.name);
                for attribute in ["Arn", "StreamArn"] {
                    if let Some(value) = table.get(attribute) {
                        text = text.replace(&format!("${{{id}.{attribute}}}"), value);
                    }
                }
                text
            };
            match of {
                Value::String(text) => Some(json!({ "Fn::Sub": substituted(text) })),
                Value::Array(parts) => {
                    let text = substituted(parts.first()?.as_str()?);
                    let values = filled(parts.get(1)?, id, table);
                    Some(json!({ "Fn::Sub": [text, values] }))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// A `DependsOn` without the resource; `None` if nothing is left.
fn independent(depends: &Value, id: &str) -> Option<Value> {
    match depends {
        Value::Array(ids) => {
            let ids: Vec<_> = ids.iter().filter(|other| *other != id).cloned().collect();
            (!ids.is_empty()).then_some(Value::Array(ids))
        }
        depends => (depends != id).then(|| depends.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Attributes {
        Attributes { name: "t-new".into(), arn: "arn:t-new".into(), stream_arn: Some("arn:t-new/stream/1".into()) }
    }

    #[test]
    fn every_reference_to_the_table_gets_the_restored_ones_value_and_no_other_changes() {
        let function = |table: Value, arn: Value, index: Value, stream: Value, dashboard: Value| {
            json!({ "Type": "F", "Properties": { "Table": table, "Other": { "Ref": "Other" }, "Policy": [arn, index],
                "Source": stream, "Body": dashboard, "Name": { "Fn::Sub": "${AWS::StackName}-${Other.Arn}" } } })
        };
        let before = json!({
            "Parameters": { "TableSuffix": {} },
            "Resources": {
                "Table": { "Type": "AWS::DynamoDB::Table" },
                "Other": { "Type": "AWS::DynamoDB::Table", "DependsOn": ["Table", "Role"] },
                "Role": { "Type": "R", "DependsOn": "Table" },
                "Function": function(
                    json!({ "Ref": "Table" }),
                    json!({ "Fn::GetAtt": ["Table", "Arn"] }),
                    json!({ "Fn::Sub": "${Table.Arn}/index/by-id" }),
                    json!({ "Fn::GetAtt": "Table.StreamArn" }),
                    json!({ "Fn::Sub": ["${Table} ${More}", { "More": { "Ref": "Table" } }] }),
                ),
            },
            "Outputs": { "TableName": { "Value": { "Ref": "Table" } } },
        });
        let after = json!({
            "Parameters": { "TableSuffix": {} },
            "Resources": {
                "Other": { "Type": "AWS::DynamoDB::Table", "DependsOn": ["Role"] },
                "Role": { "Type": "R" },
                "Function": function(
                    json!("t-new"),
                    json!("arn:t-new"),
                    json!({ "Fn::Sub": "arn:t-new/index/by-id" }),
                    json!("arn:t-new/stream/1"),
                    json!({ "Fn::Sub": ["t-new ${More}", { "More": "t-new" }] }),
                ),
            },
            "Outputs": { "TableName": { "Value": "t-new" } },
        });
        assert_eq!(without(&before, "Table", &table()), after);
        let imported = with(&after, "Table", &before);
        assert_eq!(imported["Resources"]["Table"], before["Resources"]["Table"]);
        assert_eq!(without(&imported, "Table", &table()), after, "nothing else has changed");
    }

    #[test]
    fn a_part_of_a_template_has_what_it_uses_and_no_outputs() {
        let template = json!({
            "Description": "All",
            "Parameters": { "Key": {}, "Protection": {}, "Suffix": {}, "CodeBucket": {} },
            "Conditions": {
                "HasKey": { "Fn::Not": [{ "Fn::Equals": [{ "Ref": "Key" }, ""] }] },
                "Both": { "Fn::And": [{ "Condition": "HasKey" }, { "Fn::Equals": [{ "Ref": "Protection" }, "on"] }] },
                "Unused": { "Fn::Equals": [{ "Ref": "CodeBucket" }, ""] },
            },
            "Resources": {
                "Table": { "Properties": {
                    "TableName": { "Fn::Sub": "${AWS::StackName}-t${Suffix}" },
                    "Protected": { "Fn::If": ["Both", true, false] } } },
                "Function": { "Properties": { "Bucket": { "Ref": "CodeBucket" } } },
            },
            "Outputs": { "Name": {} },
        });
        let made = only(&template, &["Table"]);
        let names = |section: &str| made[section].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names("Parameters"), ["Key", "Protection", "Suffix"]);
        assert_eq!(names("Conditions"), ["Both", "HasKey"]);
        assert_eq!(names("Resources"), ["Table"]);
        assert!(made.get("Outputs").is_none() && made["Description"] == "All", "{made}");
    }
}
