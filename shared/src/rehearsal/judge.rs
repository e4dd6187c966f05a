//! What a receiver's answer to a step means.

use super::{Step, StepOutcome};

/// The judgement of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Whether the receiver did right. `None` if its answer shows neither.
    pub passed: Option<bool>,
    /// What the receiver did, what follows from it, and what to change.
    pub finding: String,
}

/// Judges what the endpoint did in a step. `first` is what it did with the validly signed event of the first step.
///
/// A refusal counts only if the receiver accepts what is right: an endpoint that refuses everything, or that is down,
/// has not shown that it checks signatures.
pub fn judge(step: Step, outcome: &StepOutcome, first: Option<&StepOutcome>) -> Judgement {
    let answer = Answer::of(outcome);
    let accepts = first.is_some_and(|first| Answer::of(first) == Answer::Accepted);
    let (passed, finding) = if step == Step::SignedEvent {
        (Some(answer == Answer::Accepted), of_the_first(outcome))
    } else if step.is_to_be_refused() {
        match answer {
            Answer::Accepted => (Some(false), accepted_wrongly(step)),
            _ if !accepts => (None, nothing_shown(outcome)),
            Answer::Refused => (Some(true), refused_rightly(step, outcome)),
            Answer::Later | Answer::Nothing => (None, undecided(outcome)),
            Answer::Failed | Answer::Other => (Some(false), no_refusal(step, outcome)),
        }
    } else {
        match answer {
            Answer::Accepted => (Some(true), accepted_rightly(step)),
            _ if !accepts => (None, nothing_shown(outcome)),
            Answer::Later => (None, undecided(outcome)),
            _ => (Some(false), refused_wrongly(step, outcome)),
        }
    };
    Judgement { passed, finding }
}

/// The kinds of answers that a judgement distinguishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// 2xx.
    Accepted,
    /// 4xx, if it is about the request.
    Refused,
    /// 408, 425 or 429: about the moment, not about the request.
    Later,
    /// 5xx.
    Failed,
    /// 1xx, 3xx, and any other number.
    Other,
    /// No status arrived.
    Nothing,
}

impl Answer {
    fn of(outcome: &StepOutcome) -> Self {
        match outcome.http_status {
            None => Self::Nothing,
            Some(200..=299) => Self::Accepted,
            Some(408 | 425 | 429) => Self::Later,
            Some(400..=499) => Self::Refused,
            Some(500..=599) => Self::Failed,
            Some(_) => Self::Other,
        }
    }
}

fn of_the_first(outcome: &StepOutcome) -> String {
    let message = &outcome.message;
    match (Answer::of(outcome), outcome.http_status.unwrap_or_default()) {
        (Answer::Accepted, _) => "You accepted an event with a valid signature.".into(),
        (Answer::Nothing, _) => {
            format!("Your endpoint could not be reached or gave no answer: {message}. No delivery can arrive.")
        }
        (Answer::Failed, status) => {
            format!(
                "You answered {status}, an error of your own server, where a 2xx was expected. A delivery with that answer is retried."
            )
        }
        (Answer::Refused, status @ (400 | 401 | 403)) => format!(
            "You refused an event with a valid signature ({status}). Check that your secret is this webhook's, and that you compute the signature from the bytes of the body as they arrive."
        ),
        (_, 410) => {
            "You answered 410 to an event with a valid signature, where a 2xx was expected. A delivery with that answer disables the webhook.".into()
        }
        (_, status) => format!(
            "You answered {status} to an event with a valid signature, where a 2xx was expected ({message}). A delivery with that answer is retried and then fails."
        ),
    }
}

fn accepted_rightly(step: Step) -> String {
    match step {
        Step::RepeatedId => "You accepted an event that arrived twice.",
        _ => "You accepted an event whose name you cannot know.",
    }
    .into()
}

fn accepted_wrongly(step: Step) -> String {
    match step {
        Step::WrongSignature => {
            "You accepted a request with a wrong signature: anybody can forge events to this endpoint. Compare the signature before you use the body."
        }
        _ => {
            "You accepted a request that was signed an hour ago: anybody who has recorded a request can send it again at any time. Refuse a timestamp that is more than five minutes off."
        }
    }
    .into()
}

fn refused_rightly(step: Step, outcome: &StepOutcome) -> String {
    let status = outcome.http_status.unwrap_or_default();
    let hint = if status == 410 { " Better answer 401: to a delivery, a 410 disables the webhook." } else { "" };
    match step {
        Step::WrongSignature => format!("You refused a request with a wrong signature ({status}).{hint}"),
        _ => format!("You refused a request with an old timestamp ({status}).{hint}"),
    }
}

/// An error or a redirect where a refusal was expected.
fn no_refusal(step: Step, outcome: &StepOutcome) -> String {
    let what = if step == Step::WrongSignature { "a wrong signature" } else { "an old timestamp" };
    let status = outcome.http_status.unwrap_or_default();
    let meaning = if Answer::of(outcome) == Answer::Failed {
        "That is an error of your own server, not a refusal: it may have failed before or after it used the event."
    } else {
        "That is not a refusal."
    };
    format!("You answered {status} to a request with {what}, where a 4xx was expected. {meaning} Answer 401.")
}

fn refused_wrongly(step: Step, outcome: &StepOutcome) -> String {
    let did = match outcome.http_status {
        Some(status) => format!("You answered {status}"),
        None => format!("You gave no answer ({})", outcome.message),
    };
    let otherwise = match outcome.http_status {
        Some(410) => "a 410 disables the webhook",
        _ => "otherwise the delivery is retried and counts as failed",
    };
    match step {
        Step::RepeatedId => format!(
            "{did} to an event that you had accepted before. An event can arrive twice: answer 2xx and do not handle it again; {otherwise}."
        ),
        _ => format!(
            "{did} to an event whose name you cannot know. A webhook that subscribes to \"*\" gets new types of events without notice: answer 2xx to those that you do not know; {otherwise}."
        ),
    }
}

/// The first step failed, and this one too.
fn nothing_shown(outcome: &StepOutcome) -> String {
    let message = &outcome.message;
    format!("This shows nothing, because you did not accept the valid event of the first step either: {message}.")
}

fn undecided(outcome: &StepOutcome) -> String {
    format!("This shows neither that you accept such a request nor that you refuse it: {}.", outcome.message)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn answered(http_status: u16) -> StepOutcome {
        StepOutcome {
            started_at: Timestamp::UNIX_EPOCH,
            duration_ms: 1,
            http_status: Some(http_status),
            message: format!("the endpoint answered {http_status}"),
            response: Some(String::new()),
        }
    }

    fn silent() -> StepOutcome {
        let message = "no connection could be made: connection refused".into();
        StepOutcome { http_status: None, message, response: None, ..answered(0) }
    }

    /// The judgement of a receiver that accepts the first event.
    fn judged(step: Step, outcome: &StepOutcome) -> Judgement {
        judge(step, outcome, Some(&answered(204)))
    }

    #[track_caller]
    fn assert_judged(step: Step, outcome: &StepOutcome, passed: Option<bool>, words: &str) {
        let judgement = judged(step, outcome);
        assert_eq!(judgement.passed, passed, "{}", judgement.finding);
        assert!(judgement.finding.contains(words), "{}", judgement.finding);
    }

    #[test]
    fn a_right_receiver_passes_every_step() {
        for step in Step::ALL {
            let right = if step.is_to_be_refused() { 401 } else { 204 };
            assert_eq!(judged(step, &answered(right)).passed, Some(true), "{step:?}");
        }
    }

    #[test]
    fn who_accepts_a_wrong_signature_can_be_sent_forged_events() {
        let words = "You accepted a request with a wrong signature: anybody can forge events to this endpoint.";
        assert_judged(Step::WrongSignature, &answered(200), Some(false), words);
        // Also if it refuses what is right.
        assert_eq!(judge(Step::WrongSignature, &answered(200), Some(&answered(401))).passed, Some(false));
    }

    #[test]
    fn who_accepts_an_old_timestamp_can_be_sent_recorded_requests() {
        let words = "You accepted a request that was signed an hour ago";
        assert_judged(Step::OldTimestamp, &answered(202), Some(false), words);
    }

    #[test]
    fn who_refuses_a_repeated_id_or_an_unknown_event_loses_nothing_but_is_sent_it_again() {
        let words = "You answered 409 to an event that you had accepted before.";
        assert_judged(Step::RepeatedId, &answered(409), Some(false), words);
        let words = "You answered 422 to an event whose name you cannot know.";
        assert_judged(Step::UnknownEvent, &answered(422), Some(false), words);
        let words = "You gave no answer (no connection could be made: connection refused) to an event";
        assert_judged(Step::UnknownEvent, &silent(), Some(false), words);
        assert_judged(Step::UnknownEvent, &answered(410), Some(false), "a 410 disables the webhook");
        assert_judged(Step::SignedEvent, &answered(410), Some(false), "disables the webhook");
        assert_judged(Step::WrongSignature, &answered(410), Some(true), "Better answer 401");
    }

    #[test]
    fn a_500_or_a_redirect_is_no_refusal() {
        for step in [Step::WrongSignature, Step::OldTimestamp] {
            assert_judged(step, &answered(500), Some(false), "You answered 500 to a request with");
            assert_judged(step, &answered(500), Some(false), "where a 4xx was expected");
            assert_judged(step, &answered(302), Some(false), "where a 4xx was expected. That is not a refusal.");
        }
    }

    #[test]
    fn an_answer_about_the_moment_or_none_shows_nothing() {
        for outcome in [answered(429), answered(408), silent()] {
            assert_judged(Step::WrongSignature, &outcome, None, "neither that you accept such a request");
        }
        assert_judged(Step::RepeatedId, &answered(429), None, "the endpoint answered 429");
    }

    #[test]
    fn the_first_step_says_why_nothing_can_arrive() {
        let words = "could not be reached or gave no answer: no connection could be made: connection refused";
        assert_judged(Step::SignedEvent, &silent(), Some(false), words);
        assert_judged(Step::SignedEvent, &answered(503), Some(false), "You answered 503, an error of your own server");
        assert_judged(Step::SignedEvent, &answered(401), Some(false), "Check that your secret is this webhook's");
        assert_judged(Step::SignedEvent, &answered(404), Some(false), "You answered 404 to an event with a valid");
        assert_judged(Step::SignedEvent, &answered(301), Some(false), "where a 2xx was expected");
    }

    #[test]
    fn who_refuses_everything_or_is_down_has_shown_nothing_else() {
        for first in [answered(401), answered(503), silent()] {
            for step in Step::ALL.into_iter().skip(1) {
                let judgement = judge(step, &first, Some(&first));
                assert_eq!(judgement.passed, None, "{step:?}: {}", judgement.finding);
                assert!(judgement.finding.contains("the valid event of the first step"), "{}", judgement.finding);
            }
        }
    }
}
