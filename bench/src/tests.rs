//! Each instrument in miniature, through the functions as the tests build them: that it runs at all, and that what it
//! counts adds up. The figures themselves mean nothing here.

use std::sync::LazyLock;

use crate::{binaries::Profile, dispatch, world::Functions};

static FUNCTIONS: LazyLock<Functions> =
    LazyLock::new(|| Functions::build(&[], Profile::Debug).unwrap_or_else(|failure| panic!("{failure}")));

#[test]
fn dispatch_makes_every_delivery_in_every_manner() {
    let options = dispatch::Options { deliveries: 100, runs: 1, sandboxes: 2, body_bytes: 300 };
    let report = dispatch::run(&FUNCTIONS, &options).unwrap();
    assert_eq!(report.json["variants"].as_array().unwrap().len(), 5, "{}", report.text);
    for name in
        ["deliveries_per_second", "cpu_ms_per_delivery", "limit_cpu_ms_per_delivery", "ratio_to_limit", "peak_rss_mib"]
    {
        assert!(report.json[name].as_f64().unwrap() > 0.0, "{name}: {}", report.json);
    }
}
