//! URLs beyond the shared cases: which are accepted, which are refused, and what the customer then reads.

use nano_webhooks::egress::{Policy, TargetUrl};

use super::sending::STRICT;

/// Each URL as written, and as called.
const ACCEPTED: &[(&str, &str)] = &[
    ("https://example.com", "https://example.com/"),
    ("https://example.com?key=1", "https://example.com/?key=1"),
    ("https://example.com/?", "https://example.com/?"),
    ("HTTPS://Example.COM/Hook", "https://example.com/Hook"),
    ("https://example.com./hook", "https://example.com/hook"),
    ("https://example.com.:8443/", "https://example.com:8443/"),
    ("https://example.com:443/hook", "https://example.com/hook"),
    ("https://example.com:1024/", "https://example.com:1024/"),
    ("https://example.com:65535/", "https://example.com:65535/"),
    ("https://example.com/a//b;v=1/%7euser/@me:x", "https://example.com/a//b;v=1/%7euser/@me:x"),
    ("https://example.com/it's?it=it's", "https://example.com/it's?it=it%27s"),
    ("https://example.com/?to=a@b.com&u=https://x/", "https://example.com/?to=a@b.com&u=https://x/"),
    ("https://example.com/.well-known/hook", "https://example.com/.well-known/hook"),
    ("https://_hooks.my_app.example.com/", "https://_hooks.my_app.example.com/"),
    ("https://1.example.com/", "https://1.example.com/"),
    ("https://localhost.example.com/", "https://localhost.example.com/"),
    ("https://mylocalhost.com/", "https://mylocalhost.com/"),
    ("https://notnip.io/", "https://notnip.io/"),
    ("https://nip.io.example.com/", "https://nip.io.example.com/"),
    ("https://xn--mnchen-3ya.de/", "https://xn--mnchen-3ya.de/"),
    ("https://münchen.de/", "https://xn--mnchen-3ya.de/"),
    ("https://straße.de/", "https://xn--strae-oqa.de/"),
    ("https://例え.jp/", "https://xn--r8jz45g.jp/"),
    ("https://8.8.8.8/", "https://8.8.8.8/"),
    ("https://[2606:4700:4700::1111]/", "https://[2606:4700:4700::1111]/"),
    ("https://[2606:4700:4700:0::1111]:8443/", "https://[2606:4700:4700::1111]:8443/"),
    ("https://[2A00:1450::1]/", "https://[2a00:1450::1]/"),
];

#[test]
fn a_good_url_is_kept_as_written_and_called_as_parsed() {
    for (written, called) in ACCEPTED {
        let target = TargetUrl::parse(written, &Policy::strict()).unwrap_or_else(|error| panic!("{written}: {error}"));
        assert_eq!(target.as_str(), *written);
        assert_eq!(target.to_string(), *written);
        assert_eq!(target.url().as_str(), *called);
    }
}

#[test]
fn a_host_is_without_case_dot_and_port() {
    let host = |url: &str| {
        let target = TargetUrl::parse(url, &Policy::strict()).unwrap();
        target.host().to_owned()
    };
    assert_eq!(host("https://Example.com.:8443/a"), "example.com");
    assert_eq!(host("https://[2606:4700::1]:8443/"), "[2606:4700::1]");
}

const SCHEME: &str = "url must use https and start with https://";
const NO_HOST: &str = "url must have a host right after https://, with no further slash between them";
const USER_INFO: &str = "url must not contain a user name or password, or an @ before its path";
const PORT: &str = "url port must be written as a plain number, or left out with its colon";
const PATH: &str = "url path must have no \".\" or \"..\" segments";

#[test]
fn a_bad_url_is_refused_with_the_rule_that_it_breaks() {
    for (url, message) in [
        ("", SCHEME),
        ("http://example.com/", SCHEME),
        ("https:example.com/", SCHEME),
        ("https:/example.com/", SCHEME),
        ("//example.com/", SCHEME),
        ("example.com", SCHEME),
        ("javascript://example.com/", SCHEME),
        ("https://", NO_HOST),
        ("https:////example.com/", NO_HOST),
        ("https://?example.com/", NO_HOST),
        ("https://user@example.com/", USER_INFO),
        ("https://@example.com/", USER_INFO),
        ("https://:@example.com/", USER_INFO),
        ("https://example.com?a=@evil.com/", USER_INFO),
        ("https://example.com?a=b@evil.com", USER_INFO),
        ("https://example.com/#top", "url must have no fragment (#…)"),
        ("https://example.com#@evil.com/", "url must have no fragment (#…)"),
        ("https://example.com:/", PORT),
        ("https://example.com:0443/", PORT),
        ("https://example.com/a/../b", PATH),
        ("https://example.com/a/%2E%2e/b", PATH),
        ("https://example.com/./a", PATH),
        ("https://example.com:65536/", "url is not valid: invalid port number"),
        ("https://example.com:+443/", "url is not valid: invalid port number"),
        ("https://2606:4700::1111/", "url is not valid: invalid port number"),
        ("https://[::1/", "url is not valid: invalid IPv6 address"),
        ("https://[fe80::1%25eth0]/", "url is not valid: invalid IPv6 address"),
        ("https://[2606:4700::1]x/", "url is not valid: invalid IPv6 address"),
        ("https://:8443/", "url is not valid: empty host"),
        ("https://xn--a.com/", "url is not valid: invalid international domain name"),
    ] {
        assert_refused(url, message);
    }
}

#[test]
fn a_character_that_may_not_stand_in_a_url_is_named_with_its_escape() {
    for (found, escape) in [
        (' ', "%20"),
        ('\t', "%09"),
        ('\n', "%0A"),
        ('\r', "%0D"),
        ('\0', "%00"),
        ('\u{7f}', "%7F"),
        ('\u{a0}', "%C2%A0"),
        ('\u{2028}', "%E2%80%A8"),
        ('\u{3000}', "%E3%80%80"),
        ('\\', "%5C"),
    ] {
        let message = not_in_a_url(found, escape);
        for url in [
            format!("{found}https://example.com/"),
            format!("https:{found}//example.com/"),
            format!("https://exam{found}ple.com/"),
            format!("https://example.com/a{found}b"),
            format!("https://example.com/?a{found}"),
        ] {
            assert_refused(&url, &message);
        }
    }
    for (found, escape) in [
        ('"', "%22"),
        ('<', "%3C"),
        ('>', "%3E"),
        ('[', "%5B"),
        (']', "%5D"),
        ('^', "%5E"),
        ('`', "%60"),
        ('{', "%7B"),
        ('|', "%7C"),
        ('}', "%7D"),
        ('ü', "%C3%BC"),
        ('😀', "%F0%9F%98%80"),
    ] {
        for url in [format!("https://example.com/a/{found}"), format!("https://example.com?a=1{found}b=2")] {
            assert_refused(&url, &not_in_a_url(found, escape));
        }
    }
    for text in ["%", "%4", "%zz", "100%/a", "%%41"] {
        for url in [format!("https://example.com/{text}"), format!("https://example.com/?{text}")] {
            assert_refused(&url, &not_in_a_url('%', "%25"));
        }
    }
}

fn not_in_a_url(found: char, escape: &str) -> String {
    format!("url contains {found:?}, which may not stand in a URL; remove it, or write it as {escape}")
}

/// Sections 3.3 and 3.4: every character of `pchar`, and in the query also `/` and `?`.
#[test]
fn what_rfc_3986_allows_in_a_path_or_a_query_is_asked_for_to_the_byte() {
    let every = "az-AZ.09_~!$&'()*+,;=:@%41%7e%C3%BC";
    for asked in [
        "/odata/Hooks?$filter=name%20eq%20'x'".to_owned(),
        format!("/{every}"),
        format!("/a?{every}/?{every}"),
        "/?".to_owned(),
        "/?''".to_owned(),
    ] {
        let target = TargetUrl::parse(&format!("https://example.com{asked}"), &Policy::strict()).expect(&asked);
        assert_eq!(target.path_and_query(), asked);
    }
    for (url, asked) in [("https://example.com", "/"), ("https://example.com?it's", "/?it's")] {
        assert_eq!(TargetUrl::parse(url, &Policy::strict()).unwrap().path_and_query(), asked);
    }
}

#[test]
fn a_url_may_have_2048_bytes() {
    let url = |bytes: usize| format!("https://example.com/{}", "a".repeat(bytes - 20));
    assert!(TargetUrl::parse(&url(2048), &Policy::strict()).is_ok());
    assert_refused(&url(2049), "url is 2,049 bytes long; the limit is 2,048");
    assert_refused(&url(1_048_576), "url is 1,048,576 bytes long; the limit is 2,048");
}

/// From the Fetch standard's list, and the default ports of services that run beside web servers.
const NOT_WEB: &[u16] = &[
    1433, 1434, 1521, 1719, 1720, 1723, 1883, 2049, 2181, 2375, 2376, 2377, 2379, 2380, 3306, 3389, 3659, 4045, 4190,
    4222, 4369, 4646, 5060, 5061, 5432, 5671, 5672, 5900, 5984, 5985, 5986, 6000, 6379, 6380, 6443, 6566, 6665, 6666,
    6667, 6668, 6669, 6679, 6697, 8086, 8200, 8300, 8500, 8501, 8883, 9042, 9092, 9200, 9300, 10080, 10250, 10255,
    10257, 10259, 11211, 15672, 26257, 26379, 27017, 27018, 27019, 33060, 61616,
];

#[test]
fn of_all_ports_443_and_those_from_1024_up_that_are_not_anothers_are_accepted() {
    for port in 0..=u16::MAX {
        let url = format!("https://example.com:{port}/");
        if port == 443 || (port >= 1024 && !NOT_WEB.contains(&port)) {
            assert!(TargetUrl::parse(&url, &Policy::strict()).is_ok(), "{port}");
        } else {
            STRICT.refusal(&url);
        }
    }
    assert_refused("https://example.com:22/", "url port 22 is not allowed; use 443, 8443 or a port from 1024 up");
    assert_refused(
        "https://example.com:6379/",
        "url port 6379 is not allowed, it belongs to Redis; use 443, 8443 or another port from 1024 up",
    );
}

pub(crate) fn assert_refused(url: &str, message: &str) {
    assert_eq!(STRICT.refusal(url).to_string(), message, "{url}");
}
