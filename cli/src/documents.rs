//! The commands in the documents are valid: each is parsed, and nothing is done. The end-to-end tests show what they do.

use std::{fs, iter, path::Path};

use clap::{Parser as _, error::ErrorKind};

use crate::Cli;

const DOCUMENTS: [&str; 7] =
    ["README", "docs/cli", "docs/deploying", "docs/keys", "docs/recovering", "docs/runbook", "docs/upgrading"];
/// The documents' placeholders for things of the operator's own.
const PLACEHOLDERS: [(&str, &str); 5] = [
    ("ID", "1"),
    ("ACCOUNT", "acct_1"),
    ("COMMAND", "deploy"),
    ("DELIVERY", "01KDYAK3482WAV4DVEFM6KBDXQ"),
    ("KEY", "key_3f9c2a71b0d4e586"),
];

#[test]
fn every_command_in_the_documents_is_one() {
    let (mut checked, mut wrong) = (0, Vec::new());
    for document in DOCUMENTS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../{document}.md"));
        for command in commands(&fs::read_to_string(path).unwrap()) {
            let words = iter::once("nano-webhooks").chain(command.iter().map(String::as_str));
            match Cli::try_parse_from(words) {
                Err(err) if !matches!(err.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
                    wrong.push(format!("{document}.md: nano-webhooks {}: {err}", command.join(" ")));
                }
                _ => checked += 1,
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 60, "only {checked} commands were found in the documents");
}

/// The arguments of each `nano-webhooks` in a document: in lines of code blocks, and in code spans of sentences. A span
/// without options may name a command without what it needs.
fn commands(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (at, part) in text.split("```").enumerate() {
        if at % 2 == 1 {
            let part = part.replace("\\\n", " ");
            // If a block shows output too, its commands come after a prompt.
            let prompt = if part.contains("\n$ ") { "$ " } else { "" };
            let lines = part.lines().filter_map(|line| line.strip_prefix(prompt)?.strip_prefix("nano-webhooks "));
            found.extend(lines.map(arguments));
        } else {
            let spans =
                part.split('`').skip(1).step_by(2).map(|span| span.split_whitespace().collect::<Vec<_>>().join(" "));
            for mut command in spans.filter_map(|span| span.strip_prefix("nano-webhooks ").map(arguments)) {
                if command[0] != "help" && !command.iter().any(|word| word.starts_with("--")) {
                    command.push("--help".into());
                }
                found.push(command);
            }
        }
    }
    found
}

/// The words of a command up to a comment, a redirection or a pipe. An argument that is JSON is one word.
fn arguments(command: &str) -> Vec<String> {
    let command = command.split(" #").next().unwrap_or_default();
    let (before, json) = command.split_once('\'').map_or((command, None), |(before, rest)| (before, Some(rest)));
    let words = before.split_whitespace().take_while(|word| !word.starts_with(['>', '<', '|']));
    let named =
        |word: &str| PLACEHOLDERS.iter().find(|(name, _)| *name == word).map_or(word, |(_, value)| value).to_owned();
    words.map(named).chain(json.map(|_| "{}".to_owned())).collect()
}
