//! Shows one delivery with its payload and all its attempts.

use nano_webhooks::{
    attempt::Outcome,
    delivery::{Delivery, DeliveryView},
};
use serde_json::{Value, json};

use crate::{
    failure::Failure,
    table::{Table, time},
    terminal,
};

pub(super) fn json(delivery: &Delivery, body: Option<&str>) -> Value {
    let mut shown = json!(DeliveryView::new(delivery, body));
    shown["account_id"] = json!(delivery.account_id);
    shown["webhook_id"] = json!(delivery.webhook_id);
    shown
}

pub(super) fn print(delivery: &Delivery, body: Option<&str>) -> Result<(), Failure> {
    let Delivery { account_id, webhook_id, id, event, task_id, state, attempts, next_attempt_at, .. } = delivery;
    for (name, value) in [
        ("delivery", id.to_string()),
        ("webhook", format!("{webhook_id} of {account_id}")),
        ("task", task_id.clone()),
        ("event", event.to_string()),
        ("status", state.to_string()),
        ("task ended", time(Some(id.ended_at()))),
        ("next", time(*next_attempt_at)),
        ("payload", body.unwrap_or("(erased, or no longer kept)").to_owned()),
    ] {
        terminal::line(&format!("{name:<10} {value}"))?;
    }
    if attempts.is_empty() {
        return Ok(());
    }
    terminal::line("")?;
    let mut table = Table::new(&["STARTED", "TOOK", "OUTCOME", "WHAT HAPPENED"]);
    for attempt in attempts {
        let mut happened = attempt.explanation();
        if attempt.resent {
            happened.push_str(" (the request was sent twice, since an old connection had died)");
        }
        if let Outcome::Http { response, .. } = &attempt.outcome
            && !response.is_empty()
        {
            happened = format!("{happened}: {response}");
        }
        let took = format!("{} ms", attempt.duration_ms);
        table.row([time(Some(attempt.started_at)), took, attempt.outcome.phase().to_string(), happened]);
    }
    table.print()
}
