//! Runs `egress-cases.json`, which every implementation of this contract runs, on sending: with each case's records,
//! while every other name is public and every address answers.

use serde_json::Value;

use crate::internet::{Internet, answer, in_own_internet};

/// All cases.
pub(crate) const CASES: &str = include_str!("../../shared/tests/data/egress-cases.json");

/// The cases whose names do not resolve: a loop, a name that does not exist, and one without addresses.
const NOT_RESOLVED: [&str; 3] = ["dns-16", "dns-19", "dns-22"];

#[test]
fn every_shared_case_comes_out_as_expected_on_sending() {
    in_own_internet(|internet| {
        internet.names.otherwise(&["93.184.215.14"]);
        let cases: Vec<Value> = serde_json::from_str(CASES).unwrap();
        let wrong: Vec<String> = cases.iter().filter_map(|case| disagreement(internet, case)).collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

fn disagreement(internet: &Internet, case: &Value) -> Option<String> {
    let [id, url, class, expect] = ["id", "url", "class", "expect"].map(|key| case[key].as_str().unwrap());
    let status = case["status"].as_u64().unwrap_or(200);
    let location = case["location"].as_str().map_or(String::new(), |url| format!("location: {url}\r\n"));
    let host = url.split('/').nth(2).unwrap_or_default().trim_end_matches('.').to_lowercase();
    let path = format!("/{}", url.splitn(4, '/').nth(3).unwrap_or_default());
    internet.receiver.on(&path, [answer(&format!("{status} As It Is"), &location)]);
    if let Some(records) = case["dns"].as_array() {
        let words: Vec<String> = records.iter().filter_map(word).collect();
        internet.names.on(&host, &words.iter().map(String::as_str).collect::<Vec<_>>());
    }
    internet.names.forget_questions();
    let connections = internet.receiver.connections();
    let attempted = internet.attempt(url);

    // Outcome, success, and number of connections.
    let delivered = (("http", Some(status)), true, 1);
    let expected = match (class, expect) {
        (_, "accept") => delivered,
        ("redirect", "reject") => (delivered.0, false, 1),
        (_, "reject") if NOT_RESOLVED.contains(&id) => (("dns", None), false, 0),
        (_, "reject") => (("blocked", None), false, 0),
        (_, other) => panic!("{id} expects {other}"),
    };
    let found = (attempted.outcome(), attempted.is_success(), internet.receiver.connections() - connections);
    let asked = internet.names.asked();
    let looked_up = asked.contains(&format!("A {host}")) && asked.contains(&format!("AAAA {host}"));
    let only_the_host = asked.iter().all(|asked| asked.split(' ').nth(1) == Some(&host));
    let right = found == expected && looked_up == case["dns"].is_array() && only_the_host;
    (!right).then(|| format!("{id}: {found:?}, not {expected:?}; asked for {asked:?}; {}", attempted.explanation()))
}

/// A record in the name server's notation. It has no other types: the sender never queries them.
fn word(record: &Value) -> Option<String> {
    match (record[0].as_str(), record[1].as_str()) {
        (Some("A" | "AAAA"), Some(address)) => Some(address.to_owned()),
        (Some("CNAME"), Some(name)) => Some(format!("CNAME {name}")),
        _ => record["rcode"].as_str().map(str::to_owned),
    }
}
