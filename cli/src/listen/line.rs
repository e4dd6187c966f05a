//! How an event is shown: one line for each.

use nano_webhooks::attempt::{Attempt, Outcome};
use serde_json::{Value, json};

use super::window::Summary;
use crate::{failure::Failure, terminal};

/// The most of the server's own words that a line has room for, in bytes.
const LONGEST_QUOTE: usize = 200;

/// What became of an event.
pub(super) enum PostResult {
    /// It was posted to the local server.
    Posted(Attempt),
    /// It was not posted, for this reason.
    NotPosted(String),
}

impl PostResult {
    fn sentence(&self) -> String {
        match self {
            Self::NotPosted(why) => format!("not posted: {why}"),
            Self::Posted(attempt) => answer(attempt),
        }
    }
}

pub(super) fn show(event: &Summary, result: &PostResult, json: bool) -> Result<(), Failure> {
    if json { terminal::json(&object(event, result)) } else { terminal::line(&text(event, result)) }
}

fn text(Summary { id, event, task_id, timestamp }: &Summary, result: &PostResult) -> String {
    format!("{timestamp}  {event:<13}  {task_id:<20}  {id}  {}", result.sentence())
}

fn object(event: &Summary, result: &PostResult) -> Value {
    let attempt = if let PostResult::Posted(attempt) = result { Some(attempt) } else { None };
    json!({
        "timestamp": event.timestamp,
        "event": event.event,
        "task_id": event.task_id,
        "id": event.id,
        "posted": attempt.is_some(),
        "http_status": attempt.and_then(|attempt| attempt.outcome.http_status()),
        "duration_ms": attempt.map(|attempt| attempt.duration_ms),
        "answer": result.sentence(),
    })
}

fn answer(attempt: &Attempt) -> String {
    let took = attempt.duration_ms;
    match &attempt.outcome {
        Outcome::Http { http_status, response, redirect: None } => {
            let is_quoted = !attempt.outcome.is_success() && !response.is_empty();
            let quote = if is_quoted { format!(": {}", quoted(response)) } else { String::new() };
            format!("{http_status} in {took} ms{quote}")
        }
        Outcome::Connect { .. } => format!("{}; is your server running?", attempt.explanation()),
        _ => attempt.explanation(),
    }
}

fn quoted(response: &str) -> String {
    let text = response.trim();
    let cut = &text[..text.floor_char_boundary(LONGEST_QUOTE)];
    if cut.len() < text.len() { format!("{cut}…") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Summary {
        serde_json::from_value(json!({
            "id": "01KDYAK3482WAV4DVEFM6KBDXQ", "event": "job.failed", "task_id": "task_1", "task_type": "image",
            "timestamp": "2026-01-02T03:04:05.678Z", "erased_at": null, "webhooks": [],
        }))
        .unwrap()
    }

    fn posted(outcome: Outcome) -> PostResult {
        let started_at = "2026-01-02T03:04:06Z".parse().unwrap();
        PostResult::Posted(Attempt { started_at, duration_ms: 12, resent: false, outcome, answer: None })
    }

    fn answered(http_status: u16, response: &str) -> Outcome {
        Outcome::Http { http_status, response: response.into(), redirect: None }
    }

    #[test]
    fn an_event_is_one_line_with_the_servers_answer() {
        let line = "2026-01-02T03:04:05.678Z  job.failed     task_1                01KDYAK3482WAV4DVEFM6KBDXQ  ";
        let cases = [
            (answered(200, "ok"), "200 in 12 ms"),
            (answered(500, ""), "500 in 12 ms"),
            (answered(400, " no such task\n"), "400 in 12 ms: no such task"),
            (
                Outcome::Connect { detail: "connection refused".into() },
                "no connection could be made: connection refused; is your server running?",
            ),
        ];
        for (outcome, expected) in cases {
            assert_eq!(text(&event(), &posted(outcome)), format!("{line}{expected}"));
        }
        let erased = PostResult::NotPosted("its payload was erased".into());
        assert_eq!(text(&event(), &erased), format!("{line}not posted: its payload was erased"));
    }

    #[test]
    fn for_a_program_it_is_an_object() {
        let shown = object(&event(), &posted(answered(204, "")));
        let expected = json!({
            "timestamp": "2026-01-02T03:04:05.678Z", "event": "job.failed", "task_id": "task_1",
            "id": "01KDYAK3482WAV4DVEFM6KBDXQ", "posted": true, "http_status": 204, "duration_ms": 12,
            "answer": "204 in 12 ms",
        });
        assert_eq!(shown, expected);
        let shown = object(&event(), &PostResult::NotPosted("its payload was erased".into()));
        assert_eq!((&shown["posted"], &shown["http_status"]), (&json!(false), &Value::Null));
    }

    #[test]
    fn a_long_answer_is_cut() {
        let quote = quoted(&"é".repeat(500));
        assert_eq!((quote.chars().count(), quote.ends_with('…')), (101, true));
    }
}
