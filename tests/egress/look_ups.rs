//! Names that resolve to allowed addresses, to forbidden ones, and to none.

use crate::internet::{Attempted, Internet, answer, in_own_internet};

const PUBLIC: &str = "93.184.215.14";
const PUBLIC_6: &str = "2606:2800:21f:cb07::1";

/// Makes one attempt at `https://hook.example.com/`, whose name has these records.
fn attempt(internet: &Internet, records: &[&str]) -> Attempted {
    internet.receiver.on("/", [answer("200 OK", "connection: close\r\n")]);
    internet.names.on("hook.example.com", records);
    internet.attempt("https://hook.example.com/")
}

fn assert_delivered(internet: &Internet, records: &[&str]) {
    let heard = internet.heard("/");
    assert_eq!(attempt(internet, records).outcome(), ("http", Some(200)), "{records:?}");
    assert_eq!(internet.heard("/"), heard + 1, "{records:?}");
}

/// Asserts that an attempt is blocked before any connection is made, can be retried (the addresses may change), and
/// that nothing reveals the addresses.
fn assert_blocked(internet: &Internet, records: &[&str]) {
    let connections = internet.receiver.connections();
    let attempted = attempt(internet, records);
    assert_eq!(attempted.outcome(), ("blocked", None), "{records:?}: {}", attempted.explanation());
    assert_eq!(attempted.explanation(), "the URL cannot be called: the host has an address that is not public");
    assert!(attempted.is_retryable(), "the name may have other addresses tomorrow");
    for address in records {
        assert!(!attempted.everything().contains(address), "{address}: {}", attempted.everything());
    }
    assert_eq!(internet.receiver.connections(), connections, "{records:?}");
}

/// Asserts that an attempt failed because the name did not resolve, and can be retried.
fn assert_not_resolved(internet: &Internet, attempted: &Attempted, why: &str) {
    assert_eq!(attempted.outcome(), ("dns", None), "{}", attempted.explanation());
    assert_eq!(attempted.explanation(), format!("the host name could not be resolved: {why}"));
    assert!(attempted.is_retryable());
    assert_eq!(internet.receiver.connections(), 0);
}

#[test]
fn one_public_answer_is_called_and_asked_for_once() {
    in_own_internet(|internet| {
        assert_delivered(internet, &[PUBLIC]);
        assert_eq!(internet.names.asked(), ["A hook.example.com", "AAAA hook.example.com"]);
    });
}

#[test]
fn a_path_and_query_are_sent_to_the_byte() {
    in_own_internet(|internet| {
        internet.names.otherwise(&[PUBLIC]);
        for asked in ["/odata/Hooks?$filter=name%20eq%20'x'", "/it's/a'(b)*;c=%7e?!$&'()*+,;=:@/?%41"] {
            internet.receiver.on(asked, [answer("200 OK", "")]);
            assert!(internet.attempt(&format!("https://hook.example.com{asked}")).is_success());
            assert_eq!(internet.heard(asked), 1, "{asked}");
        }
    });
}

#[test]
fn public_answers_of_both_families_are_called() {
    in_own_internet(|internet| assert_delivered(internet, &[PUBLIC, "93.184.215.15", PUBLIC_6]));
}

#[test]
fn a_host_with_ipv6_alone_is_called() {
    in_own_internet(|internet| assert_delivered(internet, &[PUBLIC_6]));
}

#[test]
fn one_private_answer_blocks_the_host() {
    in_own_internet(|internet| {
        for address in ["10.0.0.5", "127.0.0.1", "169.254.169.254", "192.168.1.1", "172.16.0.1", "100.100.100.200"] {
            assert_blocked(internet, &[address]);
        }
    });
}

#[test]
fn a_private_answer_beside_public_ones_blocks_the_host_wherever_it_stands() {
    in_own_internet(|internet| {
        assert_blocked(internet, &[PUBLIC, "10.0.0.5"]);
        assert_blocked(internet, &["10.0.0.5", PUBLIC]);
        assert_blocked(internet, &[PUBLIC, "93.184.215.15", "93.184.215.16", "93.184.215.17", "10.0.0.5"]);
        assert_blocked(internet, &[PUBLIC, PUBLIC_6, "10.0.0.5"]);
    });
}

#[test]
fn a_private_answer_of_one_family_blocks_the_host_whatever_the_other_says() {
    in_own_internet(|internet| {
        assert_blocked(internet, &[PUBLIC, "fd00:ec2::254"]);
        assert_blocked(internet, &[PUBLIC, "::1"]);
        assert_blocked(internet, &["169.254.169.254", PUBLIC_6]);
    });
}

#[test]
fn ipv6_answers_that_are_private_or_carry_ipv4_block_the_host() {
    in_own_internet(|internet| {
        for address in [
            "::1",
            "fd00:ec2::254",
            "::ffff:10.0.0.1",       // IPv4-mapped
            "::ffff:93.184.215.14",  // the same with a public address
            "::a9fe:a9fe",           // IPv4-compatible
            "64:ff9b::a9fe:a9fe",    // NAT64
            "64:ff9b::5db8:d70e",    // the same with a public address
            "64:ff9b:1::a00:1",      // a network's own NAT64
            "2002:a9fe:a9fe::1",     // 6to4
            "2001:0:7f00:1::",       // Teredo
            "2606:4700::5efe:a00:1", // ISATAP
        ] {
            assert_blocked(internet, &[address]);
        }
    });
}

#[test]
fn an_answer_too_long_for_a_datagram_is_vetted_to_its_end() {
    in_own_internet(|internet| {
        let public: Vec<String> = (1..=60).map(|host| format!("93.184.215.{host}")).collect();
        let mut addresses: Vec<&str> = public.iter().map(String::as_str).collect();
        assert_delivered(internet, &addresses);
        let cut_short = internet.names.asked().iter().filter(|asked| asked.starts_with("A ")).count() > 1;
        assert!(cut_short, "the answer was asked for again, over TCP");
        addresses.push("10.0.0.5");
        assert_blocked(internet, &addresses);
    });
}

#[test]
fn an_alias_is_as_public_as_what_it_stands_for() {
    in_own_internet(|internet| {
        internet.names.on("public.example.com", &[PUBLIC]);
        internet.names.on("private.example.com", &["10.0.0.5"]);
        internet.names.on("alias.example.com", &["CNAME private.example.com"]);
        internet.names.on("ip-10-0-0-5.ec2.internal", &["10.0.0.5"]);
        assert_delivered(internet, &["CNAME public.example.com"]);
        for target in ["private.example.com", "alias.example.com", "ip-10-0-0-5.ec2.internal"] {
            assert_blocked(internet, &[&format!("CNAME {target}")]);
        }
    });
}

#[test]
fn a_name_that_does_not_exist_is_a_dns_failure() {
    in_own_internet(|internet| {
        assert_not_resolved(internet, &attempt(internet, &["NXDOMAIN"]), "name or service not known");
    });
}

#[test]
fn a_name_without_addresses_is_a_dns_failure() {
    in_own_internet(|internet| {
        assert_not_resolved(internet, &attempt(internet, &[]), "no address associated with hostname");
    });
}

#[test]
fn a_name_server_that_fails_is_a_dns_failure() {
    in_own_internet(|internet| {
        assert_not_resolved(internet, &attempt(internet, &["SERVFAIL"]), "temporary failure in name resolution");
    });
}

#[test]
fn a_name_server_that_says_nothing_is_a_dns_failure_after_3_seconds() {
    in_own_internet(|internet| {
        let attempted = attempt(internet, &["SILENCE"]);
        assert_not_resolved(internet, &attempted, "not within 3 s");
        assert!((3000..5000).contains(&attempted.milliseconds()), "{}", attempted.milliseconds());
    });
}

#[test]
fn an_alias_that_leads_to_itself_is_a_dns_failure() {
    in_own_internet(|internet| {
        let attempted = attempt(internet, &["CNAME hook.example.com"]);
        assert_eq!(attempted.outcome(), ("dns", None), "{}", attempted.explanation());
    });
}

/// The network's search list could complete names that do not exist. An attempt must not reveal whether this network
/// knows `db.prod`.
#[test]
fn a_name_is_never_completed_from_the_networks_search_list() {
    in_own_internet(|internet| {
        internet.names.on("db.prod.corp.example.com", &["10.0.0.5"]);
        let attempted = internet.attempt("https://db.prod/");
        assert_not_resolved(internet, &attempted, "name or service not known");
        assert_eq!(internet.names.asked(), ["A db.prod", "AAAA db.prod"]);
    });
}

#[test]
fn a_name_that_spells_an_address_or_is_only_known_inside_is_not_even_looked_up() {
    in_own_internet(|internet| {
        internet.names.otherwise(&[PUBLIC]);
        for host in ["10.0.0.1.nip.io", "10-0-0-1.sslip.io", "lvh.me", "metadata.google.internal", "a.localhost", "db"]
        {
            let attempted = internet.attempt(&format!("https://{host}/"));
            assert_eq!(attempted.outcome(), ("blocked", None), "{host}: {}", attempted.explanation());
            assert!(attempted.explanation().contains("it is not a public host"), "{}", attempted.explanation());
            assert!(!attempted.is_retryable(), "{host}");
        }
        assert!(internet.names.asked().is_empty(), "{:?}", internet.names.asked());
        assert_eq!(internet.receiver.connections(), 0);
    });
}

#[test]
fn our_own_host_is_not_even_looked_up() {
    in_own_internet(|internet| {
        internet.names.otherwise(&[PUBLIC]);
        let attempted = internet.attempt("https://hooks.nano-webhooks.com/api/v1/webhooks");
        assert_eq!(attempted.outcome(), ("blocked", None), "{}", attempted.explanation());
        assert!(attempted.explanation().ends_with("it is this service itself"), "{}", attempted.explanation());
        assert!(internet.names.asked().is_empty(), "{:?}", internet.names.asked());
        assert_eq!(internet.receiver.connections(), 0);
    });
}

#[test]
fn an_address_in_the_url_is_judged_like_one_from_a_name() {
    in_own_internet(|internet| {
        internet.receiver.on("/literal", [answer("200 OK", "")]);
        assert_eq!(internet.attempt("https://8.8.8.8/literal").outcome(), ("http", Some(200)));
        assert_eq!(internet.attempt("https://[2001:200::1]/literal").outcome(), ("http", Some(200)));
        let connections = internet.receiver.connections();
        for host in ["10.0.0.1", "169.254.169.254", "[::ffff:127.0.0.1]"] {
            let attempted = internet.attempt(&format!("https://{host}/literal"));
            assert_eq!((attempted.outcome(), attempted.is_retryable()), (("blocked", None), false), "{host}");
        }
        assert_eq!(internet.receiver.connections(), connections);
    });
}
