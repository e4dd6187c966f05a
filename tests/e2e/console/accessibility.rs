//! Checks each page with axe-core, which tests the rules of WCAG, if npm can install it.

use std::{fs, sync::LazyLock};

use harness::{node_modules, skipped, workspace};
use serde_json::json;

use super::{Browser, browser::find};

/// The library's source, to run in a page.
static AXE: LazyLock<Option<String>> = LazyLock::new(|| {
    if find("npm").is_none() {
        skipped("what axe-core finds on the console's pages, since there is no npm");
        return None;
    }
    let modules = node_modules(&workspace().join("target/browser-node"), &workspace().join("tests/browser"));
    let modules = modules.unwrap_or_else(|failure| panic!("{failure}"));
    Some(fs::read_to_string(modules.join("axe-core/axe.min.js")).unwrap())
});

/// The violations, each with the element and the reason.
const RUN: &str = "
    const { violations } = await axe.run(document, { preload: false, resultTypes: ['violations'] });
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => [id, html, failureSummary]));";

/// Fails if axe-core finds a violation on the present page.
pub(crate) async fn check(browser: &Browser, page: &str) {
    let Some(axe) = AXE.as_ref() else { return };
    browser.script(&format!("if (!window.axe) {{ {axe} }}")).await;
    assert_eq!(browser.script_with(RUN, json!(null)).await, json!([]), "{page}");
}
