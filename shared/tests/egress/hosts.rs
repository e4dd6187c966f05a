//! Hosts beyond the shared cases: spellings, names, the service's own hosts, and the local policy.

use nano_webhooks::egress::{Policy, TargetUrl, UrlError};

use super::{
    sending::{Caller, STRICT},
    urls::assert_refused,
};

const NAME_BYTES: &str = "it may have only letters, digits, hyphens, underscores and dots";

#[test]
fn a_host_that_means_something_else_is_refused_with_its_meaning() {
    for (written, canonical) in [
        ("0x8.8.8.8", "8.8.8.8"),
        ("010.8.8.8", "8.8.8.8"),
        ("134744072", "8.8.8.8"),
        ("8.8.2056", "8.8.8.8"),
        ("8.8.8.8.", "8.8.8.8"),
        ("８.８.８.８", "8.8.8.8"),
        ("①.example.com", "1.example.com"),
        ("example。com", "example.com"),
        ("ex\u{ad}ample.com", "example.com"),
        ("%65xample.com", "example.com"),
        ("example%2ecom", "example.com"),
        ("\u{212a}.example.com", "k.example.com"),
        ("MÜNCHEN.de", "xn--mnchen-3ya.de"),
        ("mu\u{308}nchen.de", "xn--mnchen-3ya.de"),
        ("münchen.xn--p1ai", "xn--mnchen-3ya.xn--p1ai"),
    ] {
        let url = format!("https://{written}/");
        assert_refused(&url, &format!("url host {written:?} must be written as {canonical:?}"));
    }
}

#[test]
fn what_is_no_host_name_is_refused() {
    let label = "a".repeat(64);
    let long = |last: usize| format!("{0}.{0}.{0}.{1}.com", "a".repeat(62), "a".repeat(last));
    assert_eq!(long(60).len(), 253);
    assert!(TargetUrl::parse(&format!("https://{}/", long(60)), &Policy::strict()).is_ok());
    for (host, problem) in [
        (label.as_str(), "it has a label of more than 63 bytes"),
        (&long(61), "it is longer than 253 bytes"),
        ("a..example.com", "it has an empty label"),
        (".example.com", "it has an empty label"),
        ("example.com..", "it has an empty label"),
        ("-a.example.com", "it has a label that begins or ends with a hyphen"),
        ("a-.example.com", "it has a label that begins or ends with a hyphen"),
        ("*.example.com", NAME_BYTES),
        ("a,b.example.com", NAME_BYTES),
        ("a!b.example.com", NAME_BYTES),
        ("a'b.example.com", NAME_BYTES),
        ("a;b=$c&(d).example.com", NAME_BYTES),
    ] {
        let url = format!("https://{host}/");
        let named = host.strip_suffix('.').unwrap_or(host);
        assert_refused(&url, &format!("url host {named:?} is not a valid host name: {problem}"));
    }
}

#[rustfmt::skip]
const NOT_PUBLIC: &[&str] = &[
    "alt", "arpa", "corp", "example", "home", "home.arpa", "internal", "intranet", "invalid",
    "lan", "local", "localdomain", "localhost", "mail", "onion", "private", "svc", "test",
    "1u.ms", "api.metadata.cloud.ibm.com", "api.service.softlayer.com", "backname.io", "ddev.site", "fuf.me", "lacolhost.com", "lndo.site", "local-ip.sh",
    "localhost.direct", "localhst.co.uk", "localtest.me", "lvh.me", "metadata.exoscale.com", "metadata.goog",
    "metadata.packet.net", "metadata.platformequinix.com", "metadata.tencentyun.com", "nip.io", "rbndr.us", "sslip.io", "traefik.me", "vcap.me",
    "xip.io",
];

#[test]
fn names_without_a_public_meaning_are_refused_at_every_depth_and_with_a_dot() {
    for domain in NOT_PUBLIC {
        assert_not_public(domain);
        assert_not_public(&format!("{domain}."));
        assert_not_public(&format!("a.{domain}"));
        assert_not_public(&format!("169-254-169-254.B.{}.", domain.to_uppercase()));
    }
}

#[test]
fn names_without_a_dot_are_refused() {
    for host in ["metadata", "instance-data", "ip6-localhost", "broadcasthost", "com", "a."] {
        assert_not_public(host);
    }
}

#[test]
fn the_reason_for_a_refused_host_is_given() {
    for (url, message) in [
        ("https://localhost/", "url host \"localhost\" cannot be called: it is not a public host (it has no dot)"),
        (
            "https://a.nip.io/",
            "url host \"a.nip.io\" cannot be called: it is not a public host (names under nip.io stand for any address)",
        ),
        ("https://10.0.0.1/", "url host \"10.0.0.1\" cannot be called: it is not a public host (Private-Use)"),
        ("https://[::1]/", "url host \"[::1]\" cannot be called: it is not a public host (Loopback Address)"),
        (
            "https://[::ffff:8.8.8.8]/",
            "url host \"[::ffff:808:808]\" cannot be called: it is not a public host (IPv4-mapped Address)",
        ),
    ] {
        assert_refused(url, message);
    }
}

#[test]
fn our_own_hosts_are_refused_however_they_are_spelled() {
    let own = ["API.nano.example.com.", "203.0.113.9:4566", "münchen.de", "", "no host"].map(str::to_owned);
    for policy in [Policy::strict(), Policy::local()] {
        let policy = policy.with_own_hosts(own.clone()).with_own_hosts(["two.example.com".to_owned()]);
        let caller = Caller::new(policy.clone());
        for url in [
            "https://api.nano.example.com/api/v1/webhooks",
            "https://API.nano.example.COM.:8443/",
            "https://203.0.113.9/",
            "https://xn--mnchen-3ya.de/",
            "https://two.example.com/",
        ] {
            let error = caller.refusal(url);
            assert!(matches!(error, UrlError::OwnHost { .. }), "{url}: {error}");
            assert!(error.to_string().ends_with(" cannot be called: it is this service itself"));
        }
        assert!(TargetUrl::parse("https://nano.example.com/", &policy).is_ok());
        assert!(TargetUrl::parse("https://x.api.nano.example.com/", &policy).is_ok());
    }
}

#[test]
fn a_laptop_may_call_itself_over_http_on_any_port() {
    for url in [
        "http://localhost/",
        "http://LOCALHOST.:9999/hook",
        "http://a.b.localhost:80/",
        "https://localhost:22/",
        "http://127.0.0.1:6379/",
        "http://127.8.9.10/",
        "http://[::1]:8080/",
        "http://example.com/",
    ] {
        assert!(TargetUrl::parse(url, &Policy::local()).is_ok(), "{url}");
        STRICT.refusal(url);
    }
}

#[test]
fn a_laptop_refuses_everything_else_that_production_refuses() {
    let laptop = Caller::new(Policy::local());
    for url in [
        "http://10.0.0.1/",
        "http://169.254.169.254/",
        "http://0.0.0.0/",
        "http://[::ffff:127.0.0.1]/",
        "http://metadata/",
        "http://printer.local/",
        "http://notlocalhost/",
        "http://localhost.nip.io/",
        "http://user@localhost/",
        "http://127.1/",
        "http://2130706433/",
        "http://localhost/#x",
        "ftp://localhost/",
        "http://-a.localhost/",
    ] {
        laptop.refusal(url);
    }
}

fn assert_not_public(host: &str) {
    let url = format!("https://{host}/");
    let error = STRICT.refusal(&url);
    assert!(matches!(error, UrlError::NotPublic { .. }), "{url}: {error}");
}
