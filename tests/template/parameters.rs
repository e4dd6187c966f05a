//! The parameters that `sam deploy --guided` or the console asks an operator for.

use std::{fs, sync::LazyLock};

use harness::{expand, workspace};
use serde_json::{Map, Value, json};

use crate::{TEMPLATE, list};

static PARAMETERS: LazyLock<&Map<String, Value>> = LazyLock::new(|| TEMPLATE["Parameters"].as_object().unwrap());

#[test]
fn every_parameter_says_what_it_does_and_needs_no_answer() {
    for (name, parameter) in *PARAMETERS {
        let description = parameter["Description"].as_str().unwrap_or_default();
        assert!(description.ends_with('.') && description.len() > 40, "{name} is described as {description:?}");
        assert!(parameter.get("Default").is_some(), "{name} has no default");
    }
}

#[test]
fn every_parameter_has_limits_and_says_how_to_keep_them() {
    for (name, parameter) in *PARAMETERS {
        if parameter.get("AllowedValues").is_some() {
            continue;
        }
        let limits: &[&str] =
            if parameter["Type"] == "Number" { &["MinValue", "MaxValue"] } else { &["AllowedPattern"] };
        assert!(limits.iter().all(|limit| parameter.get(*limit).is_some()), "{name} lacks a limit");
        let fix = parameter["ConstraintDescription"].as_str().unwrap_or_default();
        assert!(fix.starts_with("must be "), "{name}: {fix:?}");
    }
}

/// So if the tables take no writes for twelve hours, nothing becomes a dead letter.
#[test]
fn a_queue_gives_a_message_up_only_after_twelve_hours_of_our_own_faults() {
    let value = |value: &Value| {
        let default = value["Ref"].as_str().map(|name| PARAMETERS[name]["Default"].as_u64().unwrap());
        default.or(value.as_u64()).unwrap()
    };
    for name in ["CompletionsQueue", "DeliveriesQueue"] {
        let queue = &TEMPLATE["Resources"][name]["Properties"];
        let tried = value(&queue["VisibilityTimeout"]) * value(&queue["RedrivePolicy"]["maxReceiveCount"]);
        assert!(tried >= 12 * 3_600, "{name}: {tried} s");
    }
}

/// A release's template is the result of the transform, made once for everybody: `.ci/package.py`.
#[test]
fn what_the_transform_makes_does_not_depend_on_the_parameters() {
    let given: Map<_, _> = PARAMETERS.keys().map(|name| (name.clone(), json!("another value"))).collect();
    let expanded = expand("template.yaml", &given.into()).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(expanded == *TEMPLATE, "SAM reads a parameter's value: the packaged template would be wrong for others");
}

#[test]
fn every_parameter_is_used() {
    let used = ["Resources", "Conditions"].map(|part| TEMPLATE[part].to_string()).concat();
    for name in PARAMETERS.keys() {
        let forms = [format!(r#"{{"Ref":"{name}"}}"#), format!("${{{name}}}")];
        assert!(forms.iter().any(|form| used.contains(form)), "{name} changes nothing");
    }
}

#[test]
fn every_option_is_off_by_default() {
    for (name, condition) in TEMPLATE["Conditions"].as_object().unwrap() {
        assert!(!is_true(condition), "{name} is true with only defaults");
    }
}

/// The console shows the groups; `sam deploy --guided` asks in the template's order. Both orders must be the same.
#[test]
fn the_groups_name_every_parameter_in_the_templates_order() {
    let groups = list(&TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]);
    let grouped: Vec<_> = groups.flat_map(|group| list(&group["Parameters"])).map(|it| it.as_str().unwrap()).collect();
    let template = fs::read_to_string(workspace().join("template.yaml")).unwrap();
    let (_, parameters) = template.split_once("\nParameters:\n").unwrap();
    let (parameters, _) = parameters.split_once("\nRules:\n").unwrap();
    let names = parameters.lines().filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'));
    assert_eq!(grouped, names.filter(|name| PARAMETERS.contains_key(*name)).collect::<Vec<_>>());
}

#[test]
fn the_guide_to_deploying_has_every_parameter_with_its_default() {
    let guide = fs::read_to_string(workspace().join("docs/deploying.md")).unwrap();
    for (name, parameter) in *PARAMETERS {
        let default = parameter["Default"].as_str().map_or_else(|| parameter["Default"].to_string(), str::to_owned);
        let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
        let row = format!("| `{name}` | {default} |").replace("|  |", "| |");
        assert!(guide.contains(&row), "docs/deploying.md lacks a row that begins {row}");
    }
}

/// Whether a condition is true if every parameter has its default.
fn is_true(condition: &Value) -> bool {
    let (function, arguments) = condition.as_object().unwrap().iter().next().unwrap();
    let mut arguments = list(arguments);
    match function.as_str() {
        "Fn::Not" => !arguments.all(is_true),
        "Fn::And" => arguments.all(is_true),
        "Fn::Or" => arguments.any(is_true),
        "Condition" => is_true(&TEMPLATE["Conditions"][arguments.next().unwrap().as_str().unwrap()]),
        "Fn::Equals" => {
            let [one, other] = [(); 2].map(|()| by_default(arguments.next().unwrap()));
            one == other
        }
        other => panic!("the template's conditions use {other}, too"),
    }
}

fn by_default(value: &Value) -> &Value {
    value["Ref"].as_str().map_or(value, |parameter| &PARAMETERS[parameter]["Default"])
}
