//! Receivers whose certificates prove nothing.

use harness::{Behaviour::Says, Certificate};

use crate::{HOSTILE, answer, attempt};

#[test]
fn a_good_certificate_lets_the_webhook_through() {
    HOSTILE.on("/good", [Says(answer("200 OK", "", "ok"))]);
    let attempted = attempt(&HOSTILE.tls_url(Certificate::Good, "/good"));
    assert_eq!((attempted.status(), attempted.response(), attempted.next()), (Some(200), "ok", "delivered"));
}

#[test]
fn an_expired_certificate_gets_nothing() {
    assert_refused("/expired", Certificate::Expired, "the certificate is expired");
}

#[test]
fn a_certificate_of_another_host_gets_nothing() {
    assert_refused("/another-host", Certificate::OfAnotherHost, "the certificate is for another host");
}

#[test]
fn a_self_signed_certificate_gets_nothing() {
    let why = "the certificate is self-signed, from an unknown authority, or an intermediate certificate is missing";
    assert_refused("/self-signed", Certificate::SelfSigned, why);
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
