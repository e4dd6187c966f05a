//! Sends all held deliveries of one webhook, sooner than release would.

use std::time::Duration;

use clap::Args;
use futures_util::future::try_join_all;
use nano_webhooks::{
    delivery::{Delivery, State},
    names::{AccountId, EventId, WebhookId},
    queue::Outgoing,
    store::Filter,
    webhook::{Circuit, Webhook},
};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use crate::{
    failure::Failure,
    stack::Stack,
    terminal::{self, Progress},
    webhooks::{self, MOST_COUNTED, counted, webhook_id},
};

/// The most deliveries that are sent in one go.
const MOST_AT_ONCE: u32 = 100;
/// How long the queue may take to accept them.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Flush {
    /// The account of the webhook
    #[arg(long, allow_hyphen_values = true, value_parser = AccountId::parse)]
    account: AccountId,
    /// The webhook's number
    #[arg(long, value_parser = webhook_id)]
    webhook: WebhookId,
    /// How many deliveries to send in a minute
    #[arg(long, default_value_t = 6000, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    per_minute: u32,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

const HELP: &str = "\
Example:
  nano-webhooks deliveries flush --account acct_1 --webhook 2 --per-minute 600

release sends held deliveries when the endpoint answers again: 30 in the first minute, and twice as many in each minute without
failures. Use this command if the customer says that the endpoint can take more. It sends the newest first, and stops when the
endpoint fails so often that its circuit opens. Deliveries that are not sent, also after Ctrl-C, stay held. If release sends a
delivery at the same moment, it may reach the endpoint twice.

It refuses while the circuit is open, because requests to an endpoint that is down use capacity that others need: `webhooks probe`
tries the endpoint. It also refuses for a disabled webhook: `webhooks enable` it, and release sends the held deliveries.";

impl Flush {
    pub(crate) async fn run(self, stack: &Stack, json: bool) -> Result<(), Failure> {
        let Self { account, webhook, per_minute, yes } = self;
        may_be_flushed(&webhooks::find(stack, &account, webhook).await?)?;
        let held = stack.deliveries()?.count_held(&account, webhook, MOST_COUNTED).await?;
        if held > 0 {
            let many = counted(held);
            terminal::confirm(
                yes,
                &format!("Send the {many} held of webhook {webhook} of {account}, {per_minute} a minute?"),
            )
            .await?;
        }
        let mut pass = Pass { stack, account: &account, webhook, sent: 0, progress: Progress::new("sent", held) };
        let done = pass.send_all(per_minute).await;
        let Pass { sent, progress, .. } = pass;
        drop(progress);
        if json {
            terminal::json(&json!({ "sent": sent }))?;
        } else {
            terminal::note(&format!("Sent {sent}."));
        }
        done
    }
}

/// Fails unless the endpoint counts as working: otherwise a request for each held delivery would only use up
/// capacity.
fn may_be_flushed(webhook: &Webhook) -> Result<(), Failure> {
    let Webhook { account_id, id, .. } = webhook;
    if !webhook.is_active() {
        return Err(webhooks::disabled(account_id, *id));
    }
    if webhook.circuit() == Circuit::Open {
        return Err(Failure::Failed(format!(
            "the endpoint of webhook {id} of {account_id} is taken for down; `webhooks probe {id} --account {account_id}` tries it, \
             and what is held is sent by itself when it answers"
        )));
    }
    Ok(())
}

/// One pass through a webhook's held deliveries, newest first.
struct Pass<'a> {
    stack: &'a Stack,
    account: &'a AccountId,
    webhook: WebhookId,
    sent: usize,
    progress: Progress,
}

impl Pass<'_> {
    async fn send_all(&mut self, per_minute: u32) -> Result<(), Failure> {
        let (at_once, wait) = pace(per_minute);
        let mut before: Option<EventId> = None;
        loop {
            let next = Instant::now() + wait;
            let below = before.as_ref();
            let filter = Filter { state: Some(State::Held), below, limit: at_once, ..Filter::default() };
            let page = self.stack.deliveries()?.list(self.account, self.webhook, &filter).await?;
            // The circuit may have opened again meanwhile.
            may_be_flushed(&webhooks::find(self.stack, self.account, self.webhook).await?)?;
            self.send(page.deliveries.iter().map(|listed| &listed.id)).await?;
            before = page.next;
            if before.is_none() {
                return Ok(());
            }
            sleep_until(next).await;
        }
    }

    /// Sends those of these deliveries that are still held.
    async fn send(&mut self, ids: impl Iterator<Item = &EventId>) -> Result<(), Failure> {
        let deliveries = self.stack.deliveries()?;
        let found = try_join_all(ids.map(|id| deliveries.find(self.account, self.webhook, id))).await?;
        let held: Vec<_> = found.into_iter().flatten().filter(|delivery| delivery.state == State::Held).collect();
        let messages = held.iter().map(|delivery: &Delivery| ((), Outgoing::new(&delivery.follow_up())));
        let refused = self.stack.deliveries_queue()?.send(messages, Instant::now() + PATIENCE).await;
        let sent = held.len() - refused.len();
        self.sent += sent;
        self.progress.add(sent);
        if refused.is_empty() {
            return Ok(());
        }
        Err(Failure::Failed(format!(
            "the queue did not take {} messages; what was not sent is still held",
            refused.len()
        )))
    }
}

/// How many deliveries to send in one go, and the time from one go to the next.
fn pace(per_minute: u32) -> (usize, Duration) {
    let at_once = per_minute.div_ceil(60).min(MOST_AT_ONCE);
    (at_once as usize, Duration::from_mins(1) * at_once / per_minute)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use nano_webhooks::{
        names::EventType,
        webhook::{Disabled, Health, Secret, Status},
    };

    use super::*;

    fn webhook(status: Status, health: Health) -> Webhook {
        let account = AccountId::parse("acct_1").unwrap();
        let (url, events) = ("https://a.example.com/".into(), vec![EventType::JobFailed]);
        let new = Webhook::new(account, WebhookId(2), url, events, Secret::generate());
        Webhook { status, stored_health: health, ..new }
    }

    #[test]
    fn what_is_held_is_sent_unless_the_endpoint_is_down_or_the_webhook_disabled() {
        let circuit = |circuit| Health { version: 1, generation: 1, circuit, ..Health::default() };
        for answers in [Circuit::Closed, Circuit::Recovering] {
            assert!(may_be_flushed(&webhook(Status::Active, circuit(answers))).is_ok(), "{answers:?}");
        }
        let refusal = |webhook: &Webhook| may_be_flushed(webhook).unwrap_err().text().unwrap().to_owned();
        let down = refusal(&webhook(Status::Active, circuit(Circuit::Open)));
        assert!(down.contains("`webhooks probe 2 --account acct_1`"), "{down}");
        let disabled = Some(Disabled { reason: "gone".into(), began_at: Timestamp::UNIX_EPOCH });
        for off in [
            webhook(Status::Disabled, circuit(Circuit::Closed)),
            webhook(Status::Active, Health { disabled, ..circuit(Circuit::Closed) }),
        ] {
            assert!(refusal(&off).contains("`webhooks enable` it"));
        }
    }

    #[test]
    fn a_minute_has_as_many_as_were_asked_for_and_a_second_no_more_than_its_part() {
        for per_minute in [1, 7, 30, 60, 61, 6000, 60_000] {
            let (at_once, wait) = pace(per_minute);
            let in_a_minute = 60.0 / wait.as_secs_f64() * f64::from(u32::try_from(at_once).unwrap());
            assert!((in_a_minute / f64::from(per_minute) - 1.0).abs() < 0.001, "{per_minute}: {at_once}, {wait:?}");
            assert!((1..=100).contains(&at_once));
        }
        assert_eq!(pace(30), (1, Duration::from_secs(2)));
        assert_eq!(pace(6000), (100, Duration::from_secs(1)));
    }
}
