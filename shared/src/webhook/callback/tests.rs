use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    names::AccountId,
    webhook::{Secret, Status},
};

const OWN: &str = "https://hooks.example.com/webhook?a=1";
const COMPLETED: EventType = EventType::JobCompleted;

fn webhook(number: u64, url: &str, hosts: &[&str]) -> Webhook {
    let account = AccountId::parse("acct_1").unwrap();
    let callback_hosts = hosts.iter().map(|host| CallbackHost::parse(host).expect(host)).collect();
    let webhook = Webhook::new(account, WebhookId(number), url.into(), vec![COMPLETED], Secret::generate());
    Webhook { callback_hosts, ..webhook }
}

fn choose(url: &str, webhooks: &[Webhook]) -> Callback {
    Callback::choose(url, COMPLETED, "image", webhooks, &Policy::strict())
}

/// Whether a webhook at [`OWN`] with these hosts allows the URL.
fn allows(hosts: &[&str], url: &str) -> bool {
    matches!(choose(url, &[webhook(1, OWN, hosts)]), Callback::To { .. })
}

fn refusal(url: &str, webhooks: &[Webhook]) -> String {
    match choose(url, webhooks) {
        Callback::To { webhook, .. } => panic!("webhook {webhook} allows {url}"),
        Callback::Refused { reason, .. } => reason,
    }
}

#[test]
fn a_pattern_is_kept_as_it_is_compared() {
    for (text, kept) in [
        ("*", "*"),
        ("jobs.example.com", "jobs.example.com"),
        ("*.example.com", "*.example.com"),
        ("JOBS.Example.COM", "jobs.example.com"),
        ("*.EXAMPLE.com.", "*.example.com"),
        ("münchen.de", "xn--mnchen-3ya.de"),
        ("*.münchen.de", "*.xn--mnchen-3ya.de"),
        ("xn--mnchen-3ya.de", "xn--mnchen-3ya.de"),
        ("_jobs.example.com", "_jobs.example.com"),
        // Public suffixes are not checked.
        ("*.com", "*.com"),
        ("*.co.uk", "*.co.uk"),
        ("com", "com"),
        // Names that may not be called are refused when a callback has them.
        ("metadata.google.internal", "metadata.google.internal"),
    ] {
        assert_eq!(CallbackHost::parse(text).expect(text).as_str(), kept);
    }
}

#[test]
fn what_is_no_host_name_is_no_pattern() {
    for text in [
        "",
        "*.",
        " ",
        "https://a.example.com",
        "a.example.com/",
        "a.example.com:443",
        "user@a.example.com",
        "a.example.com ",
        "a.example.com\n",
        "a\t.example.com",
        "a.example.com?b",
        "a.example.com#b",
        "a\\b.example.com",
        "xn--a",
        "a%2fb.example.com",
    ] {
        assert_eq!(CallbackHost::parse(text), Err(InvalidCallbackHost::Form), "{text:?}");
    }
    for text in ["**", "*.*", "*a.example.com", "a.*.example.com", "*.*.example.com", "*example.com", "a,b.com"] {
        let problem = "it may have only letters, digits, hyphens, underscores and dots";
        assert_eq!(CallbackHost::parse(text), Err(InvalidCallbackHost::Name(problem)), "{text:?}");
    }
    for text in [".", "a..example.com", ".example.com", "example.com..", "*..example.com"] {
        let problem = "it has an empty label";
        assert_eq!(CallbackHost::parse(text), Err(InvalidCallbackHost::Name(problem)), "{text:?}");
    }
    let long = format!("{}.example.com", "a".repeat(64));
    assert!(matches!(CallbackHost::parse(&long), Err(InvalidCallbackHost::Name(_))));
}

#[test]
fn an_ip_address_in_any_notation_is_no_pattern() {
    for text in [
        "8.8.8.8",
        "8.8.8.8.",
        "134744072",
        "0x8080808",
        "010.8.8.8",
        "8.8.2056",
        "8.8.8.999",
        "８.８.８.８",
        "%38.8.8.8",
        "[2001:db8::1]",
        "2001:db8::1",
        "::1",
        "[::ffff:8.8.8.8]",
        "::ffff:8.8.8.8",
        "[nonsense",
        "*.8.8.8.8",
        "*.8",
        "example.1",
    ] {
        assert_eq!(CallbackHost::parse(text), Err(InvalidCallbackHost::Address), "{text:?}");
    }
}

#[test]
fn a_spelling_that_means_another_name_is_refused_with_that_name() {
    for (text, canonical) in [
        ("MÜNCHEN.de", "xn--mnchen-3ya.de"),
        ("*.ex\u{ad}ample.com", "*.example.com"),
        ("example。com", "example.com"),
        ("%65xample.com", "example.com"),
        ("①.example.com", "1.example.com"),
        ("\u{212a}.example.com", "k.example.com"),
    ] {
        assert_eq!(CallbackHost::parse(text), Err(InvalidCallbackHost::Spelling(canonical.into())), "{text:?}");
    }
}

#[test]
fn a_webhook_allows_its_own_origin_with_any_path() {
    for url in [
        OWN,
        "https://hooks.example.com/",
        "https://hooks.example.com",
        "https://hooks.example.com/jobs/7?key=x",
        "https://HOOKS.example.com:443/jobs",
        "https://hooks.example.com./jobs",
    ] {
        assert!(allows(&[], url), "{url}");
    }
    assert_eq!(
        choose("https://hooks.example.com/7", &[webhook(1, "https://hooks.example.com./a", &[])]).url_for(WebhookId(1)),
        Some("https://hooks.example.com/7"),
        "with a final dot it is the same host"
    );
}

#[test]
fn another_port_or_a_host_that_only_looks_like_its_own_is_not_allowed() {
    for url in [
        "https://hooks.example.com:8443/",
        "https://example.com/",
        "https://a.hooks.example.com/",
        "https://hooks.example.com.evil.net/",
        "https://evilhooks.example.com/",
        "https://hooks-example.com/",
        "https://hооks.example.com/", // two Cyrillic letters
        "https://evil.net/hooks.example.com/",
        "https://evil.net/?https://hooks.example.com/",
    ] {
        let reason = refusal(url, &[webhook(1, OWN, &[])]);
        assert!(reason.starts_with("callback_url's host is not allowed: "), "{url}: {reason}");
    }
}

#[test]
fn a_host_that_is_named_is_allowed_on_every_port_and_no_other_host_is() {
    let allowed = |url: &str| allows(&["jobs.example.net", "xn--mnchen-3ya.de"], url);
    for url in [
        "https://jobs.example.net/a?b",
        "https://jobs.example.net:8443/",
        "https://JOBS.EXAMPLE.NET./",
        "https://münchen.de/",
        "https://xn--mnchen-3ya.de/",
    ] {
        assert!(allowed(url), "{url}");
    }
    for url in [
        "https://example.net/",
        "https://a.jobs.example.net/",
        "https://jobs.example.net.evil.net/",
        "https://evil-jobs.example.net/",
        "https://jobs.example.org/",
        "https://munchen.de/",
        "https://xn--mnchen-3ya.de.evil.net/",
    ] {
        assert!(!allowed(url), "{url}");
    }
}

#[test]
fn a_star_with_a_name_allows_the_names_below_it_and_not_the_name() {
    let allowed = |url: &str| allows(&["*.example.net"], url);
    for url in
        ["https://a.example.net/", "https://a.b.example.net/", "https://A.EXAMPLE.net./", "https://ü.example.net/"]
    {
        assert!(allowed(url), "{url}");
    }
    for url in [
        "https://example.net/",
        "https://evilexample.net/",
        "https://example.net.evil.net/",
        "https://a.example.net.evil.net/",
        "https://a.example.netevil.net/",
        "https://a.exаmple.net/", // a Cyrillic letter
        "https://a-example.net/",
    ] {
        assert!(!allowed(url), "{url}");
    }
    assert!(allows(&["*.net"], "https://example.net/"), "public suffixes are not checked");
}

#[test]
fn a_star_alone_allows_every_name_and_no_address() {
    for url in ["https://example.net/", "https://a.b.c.example.org:8443/x", "https://münchen.de/"] {
        assert!(allows(&["*"], url), "{url}");
    }
    for url in ["https://8.8.8.8/", "https://[2606:4700::1111]/"] {
        assert!(!allows(&["*"], url), "{url}");
    }
    let own = [webhook(1, "https://8.8.8.8/webhook", &[])];
    assert_eq!(choose("https://8.8.8.8/job", &own).url_for(WebhookId(1)), Some("https://8.8.8.8/job"));
}

#[test]
fn a_url_that_may_not_be_called_is_refused_with_the_reason_whatever_is_allowed() {
    let everything = [webhook(1, OWN, &["*", "localhost", "metadata.google.internal"])];
    for (url, reason) in [
        (
            "https://10.0.0.1/",
            r#"callback_url host "10.0.0.1" cannot be called: it is not a public host (Private-Use)"#,
        ),
        (
            "https://metadata.google.internal/",
            r#"callback_url host "metadata.google.internal" cannot be called: it is not a public host (.internal is for private networks)"#,
        ),
        (
            "https://localhost/",
            r#"callback_url host "localhost" cannot be called: it is not a public host (it has no dot)"#,
        ),
        ("http://hooks.example.com/", "callback_url must use https and start with https://"),
        ("hooks.example.com/job", "callback_url must use https and start with https://"),
        ("nonsense", "callback_url must use https and start with https://"),
        ("https://", "callback_url must have a host right after https://, with no further slash between them"),
        ("https://hooks.example.com#a", "callback_url must have no fragment (#…)"),
        (
            "https://hooks.example.com@evil.net/",
            "callback_url must not contain a user name or password, or an @ before its path",
        ),
        (
            "https://evil.net\\@hooks.example.com/",
            r"callback_url contains '\\', which may not stand in a URL; remove it, or write it as %5C",
        ),
        (
            "https://hooks.example.com:6379/",
            "callback_url port 6379 is not allowed, it belongs to Redis; use 443, 8443 or another port from 1024 up",
        ),
        ("https://[/", "callback_url is not valid: invalid IPv6 address"),
        (
            "https://hooks。example.com/",
            r#"callback_url host "hooks。example.com" must be written as "hooks.example.com""#,
        ),
    ] {
        assert_eq!(refusal(url, &everything), reason, "{url}");
    }
}

#[test]
fn the_services_own_host_is_refused() {
    let policy = Policy::strict().with_own_hosts(["api.example.com".to_owned()]);
    let webhooks = [webhook(1, OWN, &["*"])];
    let chosen = Callback::choose("https://api.example.com/", COMPLETED, "image", &webhooks, &policy);
    assert_eq!(chosen.sentence(), r#"callback_url host "api.example.com" cannot be called: it is this service itself"#);
}

#[test]
fn the_first_webhook_that_allows_the_url_takes_it() {
    let url = "https://jobs.example.net/7";
    let other = webhook(1, OWN, &[]);
    let [by_pattern, by_origin] = [webhook(2, OWN, &["*.example.net"]), webhook(3, "https://jobs.example.net/", &[])];
    let to = |number| Callback::To { webhook: WebhookId(number), url: url.into() };
    assert_eq!(choose(url, &[other.clone(), by_pattern.clone(), by_origin.clone()]), to(2));
    assert_eq!(choose(url, &[by_origin.clone(), by_pattern.clone(), other.clone()]), to(2), "in any order");

    let disabled = Webhook { status: Status::Disabled, ..by_pattern.clone() };
    assert_eq!(choose(url, &[other.clone(), disabled.clone(), by_origin.clone()]), to(3));
    let unsubscribed = Webhook { events: vec![EventType::JobFailed].into(), ..by_pattern };
    assert_eq!(choose(url, &[other.clone(), unsubscribed.clone(), by_origin]), to(3));

    assert_eq!(
        refusal(url, &[other, disabled.clone()]),
        "callback_url's host is not allowed: no active webhook for job.completed has the origin https://jobs.example.net, or names the host in callback_hosts"
    );
    let none = "callback_url is not called: the account has no active webhook for job.completed";
    assert_eq!(refusal(url, &[disabled, unsubscribed]), none);
    assert_eq!(refusal(url, &[]), none);
}

#[test]
fn only_the_chosen_webhook_has_the_url_and_each_answer_is_stored_and_told() {
    let to = choose("https://hooks.example.com/7", &[webhook(2, OWN, &[])]);
    assert_eq!(
        (to.url(), to.url_for(WebhookId(2))),
        ("https://hooks.example.com/7", Some("https://hooks.example.com/7"))
    );
    assert_eq!(to.url_for(WebhookId(1)), None);
    assert_eq!(to.sentence(), "webhook 2 delivers to callback_url instead of its own url");
    let refused = choose("nonsense", &[webhook(2, OWN, &["*"])]);
    assert_eq!((refused.url(), refused.url_for(WebhookId(2))), ("nonsense", None));

    let stored = |callback: &Callback| serde_json::to_value(callback).unwrap();
    assert_eq!(stored(&to), json!({ "to": { "webhook": 2, "url": "https://hooks.example.com/7" } }));
    let reason = "callback_url must use https and start with https://";
    assert_eq!(stored(&refused), json!({ "refused": { "url": "nonsense", "reason": reason } }));
    for callback in [to, refused] {
        assert_eq!(serde_json::from_value::<Callback>(stored(&callback)).unwrap(), callback);
    }
}

proptest! {
    #[test]
    fn a_pattern_means_the_same_however_often_it_is_parsed(text in r"(\*\.)?\PC{0,12}(\.[a-zA-Zäß]{1,6}){0,3}\.?") {
        if let Ok(host) = CallbackHost::parse(&text) {
            prop_assert_eq!(CallbackHost::parse(host.as_str()), Ok(host.clone()));
            prop_assert!(host.as_str().is_ascii());
        }
    }

    /// Counted in labels, and so in another way than the code does it.
    #[test]
    fn a_star_allows_a_name_if_and_only_if_the_name_ends_with_its_labels_and_has_more(
        pattern in "[ab]{1,2}(\\.[ab]{1,2}){0,2}",
        host in "[ab]{1,2}(\\.[ab]{1,2}){1,3}",
    ) {
        let (below, labels): (Vec<_>, Vec<_>) = (pattern.split('.').collect(), host.split('.').collect());
        let url = format!("https://{host}/");
        prop_assert_eq!(allows(&[&format!("*.{pattern}")], &url), labels.len() > below.len() && labels.ends_with(&below));
        prop_assert_eq!(allows(&[&pattern], &url), pattern == host);
    }

    #[test]
    fn no_text_is_too_odd_to_be_chosen_for_or_refused_with_a_sentence(text in "\\PC{0,40}|https://\\PC{0,40}") {
        let callback = choose(&text, &[webhook(1, OWN, &["*"])]);
        prop_assert_eq!(callback.url(), &text);
        prop_assert!(callback.sentence().contains("callback_url"));
    }
}

#[test]
fn a_webhook_that_takes_other_task_types_only_does_not_take_the_url() {
    let of = |types: &str, webhook| Webhook { task_types: serde_json::from_str(types).unwrap(), ..webhook };
    let url = "https://jobs.example.net/7";
    let video = of(r#"["video"]"#, webhook(1, OWN, &["*"]));
    let image = of(r#"["audio","image"]"#, webhook(2, OWN, &["*"]));
    assert_eq!(choose(url, &[video.clone(), image]), Callback::To { webhook: WebhookId(2), url: url.into() });
    assert_eq!(
        refusal(url, &[video]),
        "callback_url is not called: the account has no active webhook for job.completed of task_type image"
    );
}
