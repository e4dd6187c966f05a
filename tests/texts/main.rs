//! The texts of the console: each one is marked as a text and has a translation, and so has each sentence of the service
//! that the console shows.
//!
//! Without Node and npm these tests print that they are skipped, and pass.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod literals;

use std::{
    collections::BTreeSet,
    env, fs,
    io::{self, Write as _},
    process::{Command, Stdio},
};

use harness::{node_modules, skipped, workspace};
use jiff::Timestamp;
use nano_webhooks::{
    api::ApiError,
    attempt::{Attempt, Outcome},
    delivery::remains,
    names::WebhookId,
    rehearsal::{Step, StepOutcome, judge},
};
use serde::Deserialize;

use self::literals::literals;

/// The sources of the service with sentences that the console shows, each with the beginnings of its texts that the
/// console does not show, or that other values here stand for.
const SOURCES: [(&str, &[&str]); 14] = [
    ("api/error.rs", &["the limit of {0} requests"]),
    ("attempt.rs", &[]),
    ("delivery/erasure.rs", &[]),
    ("delivery/standing.rs", &[]),
    ("egress.rs", &[]),
    ("rehearsal.rs", &["no body, or an empty JSON object"]),
    ("rehearsal/judge.rs", &[]),
    ("rehearsal/view.rs", &[]),
    ("sender.rs", &[]),
    ("sender/connection.rs", &[]),
    ("sender/dial.rs", &["failed to lookup address information: "]),
    ("tls/errors.rs", &[]),
    (
        "webhook/callback.rs",
        &["expected a host name", "it is an IP address", "it is not a valid host name", "write it as"],
    ),
    ("webhook/health.rs", &["every attempt failed for {0}"]),
];

/// What the script says about the console's texts.
#[derive(Deserialize)]
struct Report {
    wrong: Vec<String>,
    service: BTreeSet<String>,
    untranslated: Vec<String>,
}

/// Reads the console's texts, and translates sentences of the service. `None` if this machine cannot do that.
fn report(sentences: &[String]) -> Option<Report> {
    if ["node", "npm"].iter().any(|program| !is_installed(program)) {
        skipped("whether the console's texts are translated, since there is no node and npm");
        return None;
    }
    let manifests = workspace().join("tests/browser");
    let packages = node_modules(&workspace().join("target/browser-node"), &manifests);
    let packages = packages.unwrap_or_else(|failure| panic!("{failure}"));
    let mut node = Command::new("node")
        .args([manifests.join("texts.mjs"), workspace().join("functions/console/assets"), packages])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    node.stdin.take().unwrap().write_all(serde_json::to_string(sentences).unwrap().as_bytes()).unwrap();
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success(), "the script has failed");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn is_installed(program: &str) -> bool {
    env::split_paths(&env::var_os("PATH").unwrap_or_default()).any(|folder| folder.join(program).is_file())
}

#[test]
fn every_text_of_the_console_is_marked_and_has_a_translation_with_the_same_places() {
    let Some(report) = report(&[]) else { return };
    assert_eq!(report.wrong, [""; 0]);
}

#[test]
fn every_sentence_of_the_service_that_the_console_shows_has_a_translation_and_no_translation_is_left_over() {
    let Some(report) = report(&[]) else { return };
    let mut sentences = BTreeSet::new();
    for (file, silent) in SOURCES {
        let path = workspace().join("shared/src").join(file);
        let texts = literals(&fs::read_to_string(&path).unwrap()).into_iter().filter(|text| is_sentence(text));
        let before = sentences.len();
        sentences.extend(texts.filter(|text| !silent.iter().any(|beginning| text.starts_with(beginning))));
        assert!(sentences.len() > before, "{file} has no sentence");
    }
    let untranslated: Vec<_> = sentences.difference(&report.service).collect();
    assert!(untranslated.is_empty(), "{untranslated:#?}");
    let values: BTreeSet<_> = values().into_iter().chain(notes()).collect();
    let is_used = |text: &&String| sentences.contains(*text) || values.contains(*text) || is_word(text);
    let left_over: Vec<_> = report.service.iter().filter(|text| !is_used(text)).collect();
    assert!(left_over.is_empty(), "{left_over:#?}");
}

#[test]
fn whatever_the_service_says_is_said_in_the_consoles_language() {
    let mut sentences = values();
    for (step, first) in Step::ALL.into_iter().flat_map(|step| outcomes().into_iter().map(move |first| (step, first))) {
        sentences.extend(outcomes().iter().map(|outcome| judge(step, outcome, Some(&first)).finding));
        sentences.extend([step.sent().to_owned(), step.expected().to_owned()]);
    }
    sentences.extend(outcomes().into_iter().map(|outcome| outcome.message));
    sentences.extend(remains(Timestamp::UNIX_EPOCH));
    sentences.push(ApiError::no_webhook(WebhookId(1)).to_string());
    sentences.extend(notes());
    let Some(report) = report(&sentences) else { return };
    assert_eq!(report.untranslated, [""; 0]);
}

/// What an endpoint can do, as a rehearsal and the history tell it.
fn outcomes() -> Vec<StepOutcome> {
    let attempt = |outcome| {
        Attempt { started_at: Timestamp::UNIX_EPOCH, duration_ms: 15_000, resent: false, outcome, answer: None }.into()
    };
    let answered = |http_status| Outcome::Http { http_status, response: String::new(), redirect: None };
    let redirected = |http_status| {
        let redirect = Some("https://b.example.com/".to_owned());
        Outcome::Http { http_status, response: String::new(), redirect }
    };
    let detail = || "the certificate is expired: renew it".to_owned();
    let silent = [
        Outcome::Blocked { detail: "the host has an address that is not public".to_owned(), resolved: true },
        Outcome::Dns { detail: "it has no addresses".to_owned() },
        Outcome::Connect { detail: io::ErrorKind::ConnectionRefused.to_string() },
        Outcome::Tls { detail: detail() },
        Outcome::Timeout,
        Outcome::Interrupted { detail: format!("after the TLS handshake, {}", detail()) },
        Outcome::TooLarge,
    ];
    let statuses = [100, 200, 204, 302, 400, 401, 403, 404, 408, 409, 410, 425, 429, 500, 503, 600];
    let outcomes = statuses.map(answered).into_iter().chain([301, 302].map(redirected)).chain(silent);
    outcomes.map(attempt).collect()
}

/// Sentences that the service makes of parts, and those of the standard library.
fn values() -> Vec<String> {
    let kinds = [
        io::ErrorKind::BrokenPipe,
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::ConnectionRefused,
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::HostUnreachable,
        io::ErrorKind::NetworkUnreachable,
        io::ErrorKind::TimedOut,
    ];
    let patience = ["days", "hours", "minutes", "seconds"].map(|unit| format!("every attempt failed for {{0}} {unit}"));
    kinds.iter().map(ToString::to_string).chain(patience).collect()
}

/// The titles of the example programs and the notes on them, if they are more than commands.
fn notes() -> Vec<String> {
    let guide = fs::read_to_string(workspace().join("docs/verifying.md")).unwrap();
    let programs = guide.split("\n### ").skip(1).filter(|part| part.contains("](receivers/"));
    let notes = programs.flat_map(|part| {
        let (title, rest) = part.split_once('\n').unwrap();
        let (_, note) = rest.trim_start().split_once("\n\n").unwrap().0.split_once("). ").unwrap();
        [title.to_owned(), note.replace('\n', " ")]
    });
    let notes: Vec<_> = notes.filter(|note| is_sentence(&without_code(note))).collect();
    assert!(notes.len() > 4, "{notes:?}");
    notes
}

fn without_code(text: &str) -> String {
    text.split('`').step_by(2).collect()
}

/// Whether a text has two words or more.
fn is_sentence(text: &str) -> bool {
    let words = text.split_whitespace().filter(|word| word.chars().filter(|letter| letter.is_alphabetic()).count() > 1);
    words.count() > 1
}

/// A text of the service without a sentence in it: a part of one, or a number.
fn is_word(text: &str) -> bool {
    !is_sentence(text)
}
