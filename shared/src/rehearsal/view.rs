//! A rehearsal as the API shows it to a customer.

use jiff::Timestamp;
use serde::Serialize;

use super::{Judgement, LASTS, Rehearsal, Step, StepOutcome, judge};
use crate::{names::EventType, reply_time::ReplyTime};

/// Why a rehearsal that did not end in its time has stopped.
const TOOK_TOO_LONG: &str = "the service could not make its requests in time; begin another one";

/// A rehearsal in a reply.
#[derive(Debug, Serialize)]
pub struct RehearsalView<'a> {
    id: &'a str,
    url: &'a str,
    event: EventType,
    started_at: ReplyTime,
    /// When the last answer came; `None` (null) unless all steps were made.
    finished_at: Option<ReplyTime>,
    status: Status,
    /// Why it has stopped before the last step.
    stopped_reason: Option<&'a str>,
    /// Whether the receiver passed every step. `None` (null) as long as that is open.
    passed: Option<bool>,
    steps: Vec<StepView<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Running,
    Done,
    /// It makes no further requests, although steps are missing.
    Stopped,
}

/// A step in a reply. What depends on the answer is `None` (null) until there is one.
#[derive(Debug, Serialize)]
pub struct StepView<'a> {
    name: Step,
    sent: &'static str,
    expected: &'static str,
    started_at: Option<ReplyTime>,
    duration_ms: Option<u64>,
    http_status: Option<u16>,
    /// What happened, in one line.
    message: Option<&'a str>,
    response: Option<&'a str>,
    passed: Option<bool>,
    finding: Option<String>,
}

impl Rehearsal {
    /// The rehearsal as a reply shows it at this time.
    pub fn view(&self, now: Timestamp) -> RehearsalView<'_> {
        let steps = Step::ALL.map(|step| self.step_view(step));
        let is_done = Step::ALL.into_iter().all(|step| self.outcome(step).is_some());
        let is_late = (now > self.started_at + LASTS).then_some(TOOK_TOO_LONG);
        let stopped_reason = self.stopped.as_deref().or(is_late).filter(|_| !is_done);
        let status = match stopped_reason {
            _ if is_done => Status::Done,
            Some(_) => Status::Stopped,
            None => Status::Running,
        };
        let passed = if steps.iter().any(|step| step.passed == Some(false)) {
            Some(false)
        } else {
            steps.iter().all(|step| step.passed == Some(true)).then_some(true)
        };
        let ends = self.outcomes.values().map(StepOutcome::ended_at);
        RehearsalView {
            id: &self.id,
            url: &self.url,
            event: self.event,
            started_at: self.started_at.into(),
            finished_at: ends.max().filter(|_| is_done).map(ReplyTime::from),
            status,
            stopped_reason,
            passed,
            steps: steps.into(),
        }
    }

    fn step_view(&self, step: Step) -> StepView<'_> {
        let outcome = self.outcome(step);
        let judged = outcome.map(|outcome| judge(step, outcome, self.outcome(Step::SignedEvent)));
        let (passed, finding) = judged.map_or((None, None), |Judgement { passed, finding }| (passed, Some(finding)));
        StepView {
            name: step,
            sent: step.sent(),
            expected: step.expected(),
            started_at: outcome.map(|outcome| outcome.started_at.into()),
            duration_ms: outcome.map(|outcome| outcome.duration_ms),
            http_status: outcome.and_then(|outcome| outcome.http_status),
            message: outcome.map(|outcome| outcome.message.as_str()),
            response: outcome.and_then(|outcome| outcome.response.as_deref()),
            passed,
            finding,
        }
    }
}

impl StepOutcome {
    fn ended_at(&self) -> Timestamp {
        self.started_at + std::time::Duration::from_millis(self.duration_ms)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        names::{AccountId, WebhookId},
        webhook::{Secret, Webhook},
    };

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn rehearsal(statuses: &[u16]) -> Rehearsal {
        let account = AccountId::parse("acct_1").unwrap();
        let url = "https://a.example.com/hook".to_owned();
        let webhook = Webhook::new(account, WebhookId(1), url, vec![EventType::JobFailed], Secret::generate());
        let mut rehearsal = Rehearsal::begin(&webhook, NOW, 7, NOW);
        for (step, status) in Step::ALL.into_iter().zip(statuses) {
            let message = format!("the endpoint answered {status}");
            let (http_status, response) = (Some(*status), Some(String::new()));
            let outcome = StepOutcome { started_at: NOW, duration_ms: 1, http_status, message, response };
            rehearsal.outcomes.insert(step.name().into(), outcome);
        }
        rehearsal
    }

    fn shown(rehearsal: &Rehearsal, seconds: i64) -> Value {
        serde_json::to_value(rehearsal.view(Timestamp::new(seconds, 0).unwrap())).unwrap()
    }

    #[test]
    fn it_runs_until_all_steps_are_made_and_then_says_whether_all_were_passed() {
        let running = shown(&rehearsal(&[204, 401]), 1);
        assert_eq!((&running["status"], &running["passed"]), (&json!("running"), &Value::Null));
        assert_eq!(running["steps"][2]["finding"], Value::Null);
        let done = shown(&rehearsal(&[204, 401, 401, 204, 204]), 3_000_000);
        assert_eq!((&done["status"], &done["passed"]), (&json!("done"), &json!(true)));
        assert_eq!(done["finished_at"], "1970-01-01T00:00:00.001Z");
        assert_eq!(shown(&rehearsal(&[204, 200]), 1)["passed"], false, "known before the end");
        assert_eq!(shown(&rehearsal(&[204, 429, 401, 204, 204]), 1)["passed"], Value::Null, "one shows nothing");
    }

    #[test]
    fn it_does_not_run_for_ever() {
        let late = shown(&rehearsal(&[204]), 901);
        assert_eq!((&late["status"], &late["stopped_reason"]), (&json!("stopped"), &json!(TOOK_TOO_LONG)));
        let stopped = Rehearsal { stopped: Some("the webhook was deleted".into()), ..rehearsal(&[204]) };
        assert_eq!(shown(&stopped, 1)["stopped_reason"], "the webhook was deleted");
    }
}
