//! Properties that hold for every text, valid or not.

use nano_webhooks::egress::{MAX_URL_BYTES, Policy, TargetUrl};
use proptest::{prelude::*, strategy::ValueTree, string::string_regex, test_runner::TestRunner};

/// Text that is nearly a URL: random characters that confuse parsers.
const NEARLY: &str =
    "(https|http|HTTPS|ftp)?:?/{0,3}[a-zA-Z0-9\\.\\-_:@/?#%\\[\\]\\\\ \t\ne１。ｌß\u{ad}\u{200b}ü]{0,40}";
/// Text that is mostly a URL that we accept.
const MOSTLY: &str = "https://[a-zA-Zü][a-zA-Z0-9_]{0,8}(\\.[a-z0-9]{1,5}){0,2}\\.(com|de|IO)\\.?(:[0-9]{1,5})?(/[a-zA-Z0-9%@.:~-]{0,9}){0,3}(\\?[a-z=&/?@]{0,9})?";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_text_panics_and_what_is_accepted_is_plain(text in any::<String>()) {
        holds(&text)?;
    }

    #[test]
    fn nearly_a_url(text in NEARLY) {
        holds(&text)?;
    }

    #[test]
    fn mostly_a_url(text in MOSTLY) {
        holds(&text)?;
    }
}

#[test]
fn mostly_a_url_is_mostly_accepted() {
    let mut runner = TestRunner::deterministic();
    let strategy = string_regex(MOSTLY).unwrap();
    let accepted = (0..1_000)
        .filter(|_| {
            let text = strategy.new_tree(&mut runner).unwrap().current();
            TargetUrl::parse(&text, &Policy::strict()).is_ok()
        })
        .count();
    assert!(accepted > 100, "{accepted}: the property above tests little");
}

fn holds(text: &str) -> Result<(), TestCaseError> {
    for policy in [Policy::strict(), Policy::local()] {
        let Ok(target) = TargetUrl::parse(text, &policy) else {
            continue;
        };
        prop_assert_eq!(target.as_str(), text);
        prop_assert!(text.len() <= MAX_URL_BYTES);
        prop_assert!(!text.contains(|c: char| c.is_whitespace() || c.is_control()));
        prop_assert!(!text.contains(['\\', '#']));

        let again = TargetUrl::parse(target.as_str(), &policy).expect("accepted once");
        prop_assert_eq!(&again, &target);
        let called = target.url().as_str();
        let called_again = TargetUrl::parse(called, &policy).expect("what is called is acceptable");
        prop_assert_eq!(called_again.url(), target.url());

        // The host that a reader sees is the host that is called.
        let after_scheme = text.split_once("://").expect("a scheme").1;
        let seen = after_scheme.split(['/', '?']).next().unwrap_or_default();
        prop_assert!(!seen.contains('@'));
        let seen = seen.split(':').next().unwrap_or_default().to_ascii_lowercase();
        if seen.is_ascii() && !seen.starts_with('[') {
            prop_assert_eq!(seen.trim_end_matches('.'), target.host());
        }
    }
    Ok(())
}
