//! Alarms wake a person, so each one names the page that says what to do. `tests/e2e/alarms.rs` tests that each one
//! sounds.

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

/// The alarms that can wait for working hours: nothing is lost or late meanwhile.
const QUIET: [&str; 2] = ["DeadLetterAlarm", "NotificationsRuleAlarm"];

#[test]
fn every_alarm_tells_one_of_the_operators_topics_when_it_begins_and_when_it_ends() {
    let paged = json!({ "Fn::If": ["HasAlarmTopic", [{ "Ref": "AlarmTopicArn" }], { "Ref": "AWS::NoValue" }] });
    let quiet = json!({ "Fn::If": ["HasQuietAlarmTopic", [{ "Ref": "QuietAlarmTopicArn" }], paged] });
    for (name, alarm) in of_kind(ALARM) {
        let topic = if QUIET.contains(&name) { &quiet } else { &paged };
        assert_eq!((&alarm["AlarmActions"], &alarm["OKActions"]), (topic, topic), "{name}");
    }
}

#[test]
fn a_dispatcher_that_is_off_is_noticed_within_ten_minutes() {
    let alarm = &of_kind(ALARM).find(|(name, _)| *name == "DeliveriesAlarm").unwrap().1;
    let periods = alarm["EvaluationPeriods"].as_u64().unwrap();
    let seconds =
        alarm["Metrics"].as_array().unwrap().iter().filter_map(|it| it["MetricStat"]["Period"].as_u64()).max();
    // CloudWatch gets the metrics of a queue up to three minutes late.
    assert!(periods * seconds.unwrap() + 180 < 600, "{alarm}");
}

/// At hundreds of events a second there are always a few errors. An alarm on a single error must be named here.
#[test]
fn an_alarm_on_errors_is_a_rate_with_a_floor() {
    let errors = ["Errors", "Faults", "Throttles", "5xx", "AttemptsFailed"];
    let mut rates = 0;
    for (name, alarm) in of_kind(ALARM) {
        let counted = alarm["MetricName"].as_str().unwrap_or_default();
        assert!(!errors.contains(&counted), "{name} counts {counted}");
        let Some(metrics) = alarm["Metrics"].as_array() else { continue };
        let watched: Vec<_> =
            metrics.iter().filter_map(|it| it["MetricStat"]["Metric"]["MetricName"].as_str()).collect();
        // This alarm counts the runs without an error, and sounds if there is none.
        if name != "ReleaseAlarm" && watched.iter().any(|metric| errors.contains(metric)) {
            let [expression] = metrics.iter().filter_map(|it| it["Expression"].as_str()).collect::<Vec<_>>()[..] else {
                panic!("{name} has one expression")
            };
            assert!(expression.starts_with("IF(") && expression.contains(">=") && expression.contains('/'), "{name}");
            rates += 1;
        }
    }
    assert_eq!(rates, 6);
}

#[test]
fn a_percentile_of_too_few_samples_sounds_no_alarm() {
    let percentiles = of_kind(ALARM).filter(|(_, alarm)| alarm["ExtendedStatistic"].is_string());
    let percentiles: Vec<_> =
        percentiles.map(|(name, alarm)| (name, alarm["EvaluateLowSampleCountPercentile"].as_str())).collect();
    assert_eq!(percentiles, [("FirstByteAlarm", Some("ignore"))]);
}

/// Functions do not record metrics that are zero, and an idle queue has none. Only release runs every minute,
/// whatever happens.
#[test]
fn no_alarm_sounds_because_nothing_happens() {
    for (name, alarm) in of_kind(ALARM) {
        let expected = if name == "ReleaseAlarm" { "breaching" } else { "notBreaching" };
        assert_eq!(alarm["TreatMissingData"], expected, "{name}");
    }
}

#[test]
fn the_dashboard_is_json_and_shows_every_alarm_that_there_is() {
    let body = &TEMPLATE["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"];
    let with_options = |branch: usize| {
        let mut text = body[0].as_str().unwrap().to_owned();
        for (name, value) in body[1].as_object().unwrap() {
            let chosen = &value["Fn::If"][branch];
            let chosen = chosen["Fn::Sub"].as_str().or(chosen.as_str()).unwrap();
            text = text.replace(&format!("${{{name}}}"), chosen);
        }
        let body: Value = serde_json::from_str(&text).unwrap();
        let shown = body["widgets"][0]["properties"]["alarms"].as_array().unwrap().iter();
        shown.map(|it| it.as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let alarms = |all: bool| {
        let resource = |name: &str| &TEMPLATE["Resources"][name];
        let alarms = of_kind(ALARM).filter(move |(name, _)| all || resource(name)["Condition"].is_null());
        alarms.map(|(name, _)| format!("${{{name}.Arn}}")).collect::<BTreeSet<_>>()
    };
    assert_eq!((with_options(1), with_options(2)), (alarms(true), alarms(false)));
}

/// The anchor that GitHub makes of a heading, as far as the runbook's headings need it.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|it| it.is_alphanumeric() || " -_".contains(*it));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}
