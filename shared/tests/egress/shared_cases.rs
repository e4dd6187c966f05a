//! Runs `data/egress-cases.json`, which every implementation of this contract runs.

use std::{collections::BTreeSet, net::IpAddr};

use nano_webhooks::egress::{Policy, TargetUrl};
use serde_json::Value;

const CASES: &str = include_str!("../data/egress-cases.json");
const COUNT: usize = 117;

/// Cases that fail during the call, not because of the URL or an address: a failed resolution, or a reply that is not
/// a 2xx. Here they must pass.
const REFUSED_BY_THE_SENDER: &[&str] =
    &["dns-16", "dns-19", "dns-22", "redirect-01", "redirect-04", "redirect-07", "redirect-10", "redirect-13"];

#[test]
fn every_shared_case_comes_out_as_expected() {
    let cases: Vec<Value> = serde_json::from_str(CASES).expect("the cases are JSON");
    let ids: BTreeSet<&str> = cases.iter().map(|case| text(case, "id")).collect();
    assert_eq!((cases.len(), ids.len()), (COUNT, COUNT));
    for id in REFUSED_BY_THE_SENDER {
        assert!(ids.contains(id), "{id} is gone");
    }

    let wrong: Vec<String> = cases.iter().filter_map(disagreement).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn disagreement(case: &Value) -> Option<String> {
    let (id, url) = (text(case, "id"), text(case, "url"));
    let accept = match text(case, "expect") {
        "accept" => true,
        "reject" => REFUSED_BY_THE_SENDER.contains(&id),
        other => panic!("{id} expects {other}"),
    };
    let policy = match text(case, "class") {
        "self" => Policy::strict().with_own_hosts([host_of(url)]),
        _ => Policy::strict(),
    };
    let parsed = TargetUrl::parse(url, &policy);
    let accepted = match case.get("dns") {
        None => parsed.is_ok(),
        // A name is vetted by its answers, so its URL must be accepted at registration.
        Some(_) if parsed.is_err() => return Some(format!("{id}: {url} not registered")),
        Some(records) => policy.vet_addresses(addresses(records)).is_ok(),
    };
    (accepted != accept).then(|| format!("{id}: accepted is {accepted}; {url} {parsed:?}"))
}

/// The A and AAAA answers; other records and rcodes have no address.
fn addresses(records: &Value) -> Vec<IpAddr> {
    let address = |record: &Value| {
        let kind = record.get(0)?.as_str()?;
        let data = record.get(1)?.as_str()?;
        matches!(kind, "A" | "AAAA").then(|| data.parse().expect("an address"))
    };
    let records = records.as_array().expect("a list of records");
    records.iter().filter_map(address).collect()
}

fn host_of(url: &str) -> String {
    let host = url.split('/').nth(2).expect("a URL has a host");
    host.to_owned()
}

fn text<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key].as_str().expect("a case has an id, class, url and expectation")
}
