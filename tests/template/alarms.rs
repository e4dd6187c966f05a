//! Alarms wake somebody, so each says where to read what to do. That each one sounds is shown by `tests/e2e/alarms.rs`.

use std::{collections::BTreeSet, fs};

use harness::workspace;
use serde_json::{Value, json};

use crate::{ALARM, TEMPLATE, of_kind};

#[test]
fn every_alarm_names_its_page_in_the_runbook() {
    let runbook = fs::read_to_string(workspace().join("docs/runbook.md")).unwrap();
    let pages: Vec<_> = runbook.lines().filter_map(|line| Some(anchor(line.strip_prefix("## ")?))).collect();
    let mut named = BTreeSet::new();
    for (name, alarm) in of_kind(ALARM) {
        let description = alarm["AlarmDescription"].as_str().unwrap();
        let (_, page) = description.split_once(" What to do: docs/runbook.md#").unwrap_or_else(|| panic!("{name}"));
        assert!(pages.iter().any(|it| it == page), "{name} names {page}, which is not among {pages:?}");
        assert!(named.insert(page), "{page} is another alarm's, too");
    }
}

#[test]
fn every_alarm_tells_the_operators_topic_when_it_begins_and_when_it_ends() {
    let topic = json!({ "Fn::If": ["AlarmHasTopic", [{ "Ref": "AlarmTopicArn" }], { "Ref": "AWS::NoValue" }] });
    for (name, alarm) in of_kind(ALARM) {
        assert_eq!((&alarm["AlarmActions"], &alarm["OKActions"]), (&topic, &topic), "{name}");
    }
}

/// The functions leave out of a record what is nought, and nothing comes from a queue that is idle.
#[test]
fn no_alarm_sounds_because_nothing_happens() {
    for (name, alarm) in of_kind(ALARM) {
        assert_eq!(alarm["TreatMissingData"], "notBreaching", "{name}");
    }
}

#[test]
fn the_dashboard_is_json_and_shows_every_alarm() {
    let body = TEMPLATE["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"].as_str().unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    let shown = body["widgets"][0]["properties"]["alarms"].as_array().unwrap().iter();
    let shown: BTreeSet<_> = shown.map(|it| it.as_str().unwrap().to_owned()).collect();
    assert_eq!(shown, of_kind(ALARM).map(|(name, _)| format!("${{{name}.Arn}}")).collect());
}

/// The anchor that GitHub makes of a heading, as far as the runbook's go.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|it| it.is_alphanumeric() || " -_".contains(*it));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}
