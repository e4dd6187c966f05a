//! Runs each instrument with small numbers and the functions' debug builds: it has to run, and its counts have to add
//! up. The figures themselves mean nothing here.

use std::sync::LazyLock;

use crate::{
    api, binaries::Profile, cold_start, cost, dispatch, fan_out, growth, outage, path, release, world::Functions,
};

static FUNCTIONS: LazyLock<Functions> =
    LazyLock::new(|| Functions::build(&[], Profile::Debug).unwrap_or_else(|failure| panic!("{failure}")));

#[test]
fn dispatch_makes_every_delivery_in_every_manner() {
    let options = dispatch::Options { deliveries: 100, runs: 1, sandboxes: 2, body_bytes: 300, headline: false };
    let report = dispatch::run(&FUNCTIONS, &options).unwrap();
    assert_eq!(report.json["variants"].as_array().unwrap().len(), 10, "{}", report.text);
    for name in ["cpu_ms_per_delivery", "limit_cpu_ms_per_delivery", "ratio_to_limit", "peak_rss_mib"] {
        assert!(report.json[name].as_f64().unwrap() > 0.0, "{name}: {}", report.json);
    }
}

#[test]
fn cold_start_starts_every_function_and_has_its_answer() {
    // Without sizes: zipping a debug build of a hundred megabytes takes too long.
    let report = cold_start::run(&FUNCTIONS, 1, false).unwrap();
    assert_eq!(report.json.as_object().unwrap().len(), FUNCTIONS.built().count() + 1, "{}", report.text);
    for (function, figures) in report.json.as_object().unwrap() {
        assert!(figures["first_reply_ms"].as_f64() > figures["ms"].as_f64(), "{function}: {figures}");
    }
}

#[test]
fn api_has_every_function_do_what_its_sample_asks() {
    let report = api::run(&FUNCTIONS, 3).unwrap();
    let api = FUNCTIONS.built().filter(|function| function.is_api).count();
    assert_eq!(report.json.as_object().unwrap().len(), api, "{}", report.text);
}

#[test]
fn fan_out_queues_a_delivery_for_every_webhook() {
    // A debug build could not finish ten of the largest bodies before its deadline.
    let options = fan_out::Options { deliveries: 100, runs: 1, sandboxes: 2, largest: 16 * 1024 };
    let report = fan_out::run(&FUNCTIONS, &options).unwrap();
    assert_eq!(report.json["webhooks"].as_array().unwrap().len(), 6, "{}", report.text);
}

#[test]
fn path_follows_each_event_to_the_count_of_its_attempt() {
    let report = path::run(&FUNCTIONS, &path::Options { events: 100, runs: 1, sandboxes: 2, batch: None }).unwrap();
    for case in report.json["path"].as_array().unwrap() {
        let figure = |name: &str| case[name].as_f64().unwrap();
        let parts = figure("fan_out_ms") + figure("dispatcher_ms") + figure("count_attempts_ms");
        assert!((parts - figure("whole_path_ms")).abs() < 0.001 && parts > 0.0, "{case}");
        assert!(figure("whole_path") > figure("dispatcher"), "{case}");
    }
}

#[test]
fn release_sends_everything_that_is_due_and_nothing_twice() {
    let report = release::run(&FUNCTIONS, &release::Options { due: 1_234, runs: 1 }).unwrap();
    let figures = report.json["release"].as_array().unwrap();
    assert_eq!(figures.len(), 2, "{}", report.text);
    assert!(figures[0]["read_units"].as_f64() > figures[1]["read_units"].as_f64(), "{}", report.text);
}

#[test]
fn growth_lists_twenty_and_finds_one_at_the_same_price_however_many_there_are() {
    // On a busy machine a debug build could not finish ten of the largest bodies before its deadline.
    let options = growth::Options {
        histories: vec![100, 1000],
        accounts: vec![10, 100],
        requests: 20,
        batches: 2,
        bodies_kib: [1, 4, 16],
    };
    let report = growth::run(&FUNCTIONS, &options).unwrap();
    for request in ["list_deliveries", "list_events", "get_event"] {
        let figures = &report.json["history"][request];
        assert_eq!(figures[0]["read_units"], figures[1]["read_units"], "{}", report.text);
    }
    assert_eq!(report.json["history"]["search_events"][1]["looked_at"], 1000, "{}", report.text);
    assert_eq!(report.json["dispatcher_memory"].as_array().unwrap().len(), 3, "{}", report.text);
}

#[test]
fn cost_is_the_sum_of_its_lines_and_less_in_full_batches() {
    let report = cost::run(&FUNCTIONS, 200, false).unwrap();
    let sums = cost::sums(&report.json);
    for (lines, sum) in &sums {
        assert!((lines - sum).abs() < 0.01 && *sum > 0.0, "{}", report.text);
    }
    assert_eq!(sums.len(), 10, "{}", report.text);
    assert!(sums[0].1 < sums[3].1 && sums[0].1 < sums[1].1 && sums[0].1 < sums[6].1, "{}", report.text);
    // Eight attempts, in batches of ten. With so few deliveries the statistics cost a third of a unit for each attempt.
    let units = |key: &str| cost::write_units(&report.json, key) / 8.0;
    let [alike, almost, random] = ["alike", "", "random"].map(|answers| {
        let key = format!("usd_per_million_500_{answers}");
        units(key.trim_end_matches('_'))
    });
    assert!(alike < 2.1 && almost < alike + 0.3 && random < 3.0, "{alike}, {almost}, {random}: {}", report.text);
}

/// With few events and minutes: the outage ends, and only the webhooks of the endpoints that are down are affected.
#[test]
fn outage_loses_nothing_and_delays_nobody_else() {
    let report = outage::run(&outage::Options { minutes: 3, scale: 0.01, only: String::new() }).unwrap();
    let outages = report.json["outages"].as_array().unwrap();
    assert_eq!(outages.len(), 7, "{}", report.text);
    for outage in outages {
        let figure = |name: &str| outage["figures"][name].as_str().unwrap().parse::<f64>().unwrap();
        assert!(figure("lost").abs() < 0.5, "{}", report.text);
        assert!(figure("most messages in flight") < 2_000.0, "{}", report.text);
        assert!(figure("p99 after beside before") <= 1.2, "{}", report.text);
        assert!(figure("p99 during beside before") <= 1.2, "{}", report.text);
    }
    for healthy in report.json["healthy"].as_array().unwrap() {
        assert!(healthy["longest_open_seconds"].as_f64().unwrap() < 60.0, "{}", report.text);
        assert_eq!((&healthy["left_held"], &healthy["left_waiting"]), (&0.into(), &0.into()), "{}", report.text);
    }
}
