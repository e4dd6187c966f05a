//! Receivers with certificates that are not valid.

use harness::{
    Behaviour::{Says, SpeaksPlainly},
    Certificate,
};

use crate::{HOSTILE, answer, attempt};

#[test]
fn a_good_certificate_lets_the_webhook_through() {
    HOSTILE.on("/good", [Says(answer("200 OK", "", "ok"))]);
    let attempted = attempt(&HOSTILE.tls_url(Certificate::Good, "/good"));
    assert_eq!((attempted.status(), attempted.response(), attempted.next()), (Some(200), "ok", "delivered"));
}

#[test]
fn an_expired_certificate_gets_nothing() {
    assert_refused("/expired", Certificate::Expired, "the certificate is expired: renew it");
}

#[test]
fn a_certificate_of_another_host_gets_nothing() {
    assert_refused(
        "/another-host",
        Certificate::OfAnotherHost,
        "the certificate is for another host: use one for the host in the URL",
    );
}

#[test]
fn a_self_signed_certificate_gets_nothing() {
    let why = "the certificate is self-signed, from an unknown authority, or an intermediate certificate is missing: use one \
               from a public authority, and send its intermediate certificates too";
    assert_refused("/self-signed", Certificate::SelfSigned, why);
}

#[test]
fn an_authoritys_own_certificate_gets_nothing() {
    let why = "the certificate is an authority's (CA:TRUE), as `openssl req -x509` makes it: use one that a public \
               authority issued for this host";
    assert_refused("/authority", Certificate::OfAnAuthority, why);
}

#[test]
fn both_versions_of_tls_are_spoken() {
    for certificate in [Certificate::Good, Certificate::GoodOver12] {
        HOSTILE.on("/versions", [Says(answer("200 OK", "", "ok"))]);
        assert_eq!(attempt(&HOSTILE.tls_url(certificate, "/versions")).next(), "delivered", "{certificate:?}");
    }
}

/// A fatal alert, which a server sends instead of its hello.
#[test]
fn a_refused_handshake_is_explained() {
    for (alert, word) in
        [(40, "enable TLS 1.3, or TLS 1.2 with"), (70, "enable TLS 1.2 or 1.3"), (112, "check the host")]
    {
        let attempted = attempt(&HOSTILE.url_that_answers("https", &[0x15, 3, 3, 0, 2, 2, alert]));
        assert_eq!((attempted.outcome(), attempted.next()), ("tls", "retried"));
        assert!(attempted.explanation().starts_with("no TLS session could be made: "), "{}", attempted.explanation());
        assert!(attempted.explanation().contains(word), "{alert}: {}", attempted.explanation());
    }
}

#[test]
fn plain_http_on_a_tls_port_is_explained() {
    let url = HOSTILE.url_that_answers("https", b"HTTP/1.1 400 Bad Request\r\n\r\n");
    let why = "what came is not TLS: set TLS up on this port, or use the URL of one that has it";
    assert_eq!(attempt(&url).explanation(), format!("no TLS session could be made: {why}"));
}

#[test]
fn after_a_good_handshake_plain_http_is_no_failed_handshake() {
    for certificate in [Certificate::Good, Certificate::GoodOver12] {
        HOSTILE.on("/plainly", [SpeaksPlainly(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())]);
        let attempted = attempt(&HOSTILE.tls_url(certificate, "/plainly"));
        assert_eq!((attempted.outcome(), attempted.next()), ("interrupted", "retried"), "{certificate:?}");
        let why = "the connection failed before a status arrived: after the TLS handshake, what came is not TLS: ";
        assert!(attempted.explanation().starts_with(why), "{}", attempted.explanation());
    }
}

#[test]
fn a_server_that_speaks_no_tls_is_a_tls_failure() {
    let plain = HOSTILE.on("/no-tls", [Says(Vec::new())]);
    let attempted = attempt(&plain.replace("http:", "https:"));
    assert_eq!((attempted.outcome(), attempted.next()), ("tls", "retried"));
    assert!(HOSTILE.heard("/no-tls").is_empty());
}

fn assert_refused(path: &str, certificate: Certificate, why: &str) {
    HOSTILE.on(path, [Says(answer("200 OK", "", "ok"))]);
    let attempted = attempt(&HOSTILE.tls_url(certificate, path));
    assert_eq!((attempted.outcome(), attempted.next()), ("tls", "retried"));
    assert_eq!(attempted.explanation(), format!("no TLS session could be made: {why}"));
    assert!(HOSTILE.heard(path).is_empty(), "the request was not sent");
}
