//! Continues resends: sends the events of a minute, spread over it.
//!
//! The messages of a page of events are sent before the resend's position is stored. If the run dies between them, the
//! next run decides about the same page again. The dispatcher stores the resend's id with each delivery, so what was
//! attempted by then is recognised here, and what is still on the queue is dropped by the dispatcher when it comes a
//! second time. If the webhook's circuit opens or the webhook is disabled during a run, the position is not stored, and
//! the resend waits.

use std::time::Duration;

use futures_util::{StreamExt as _, future::try_join_all, stream};
use nano_webhooks::{
    delivery::{Delivery, Message},
    event::Event,
    names::EventId,
    store::{End, EventFilter},
    webhook::{Resend, Webhook},
};

use crate::{
    Release,
    run::{Done, Failure, Run},
    webhooks::AT_ONCE,
};

/// How many events are read at a time.
const PAGE: usize = 200;
/// The most pages that a run reads for one webhook. Most events of a range may not be among those to send.
const PAGES: usize = 300;
/// The time over which a minute's deliveries are spread.
const MINUTE: Duration = Duration::from_mins(1);

/// What to do about a page of events.
#[derive(Debug, Default)]
struct Page {
    messages: Vec<Message>,
    /// How many events of the page this resend has sent before, in a run that died.
    sent_before: usize,
    /// The events that the webhook gets for the first time.
    firsts: Vec<EventId>,
    /// The last event of the page; `None` if the range has no more events.
    position: Option<EventId>,
}

impl Release {
    /// Continues the resends of these webhooks. If the time is too short for all, chance decides which come first, so
    /// that none waits for ever.
    pub(crate) async fn resends(&self, mut webhooks: Vec<Webhook>, run: Run) -> Done {
        fastrand::shuffle(&mut webhooks);
        let each = stream::iter(webhooks).map(async |webhook| {
            let (account, id) = (webhook.account_id.clone(), webhook.id);
            let mut done = Done::default();
            if let Err(err) = self.resend(webhook, run, &mut done).await {
                done.webhook_fault(&account, id, &err);
            }
            done
        });
        each.buffer_unordered(AT_ONCE).fold(Done::default(), async |sum, done| sum.and(done)).await
    }

    /// Continues a webhook's resend, until the minute's deliveries are sent or the run's time is over.
    async fn resend(&self, mut webhook: Webhook, run: Run, done: &mut Done) -> Result<(), Failure> {
        let most = self.settings.drain_per_minute;
        let mut sent = 0;
        for _ in 0..PAGES {
            let Some(resend) = webhook.resend_to_continue().filter(|_| run.has_time()).cloned() else { break };
            let page = self.page_of(&webhook, &resend, (most - sent) as usize, done).await?;
            // Ascending, so that a resend of a few deliveries does not take a minute. A full minute has as many in each
            // of its seconds.
            let delays = (sent..most).map(|number| MINUTE * number / most);
            self.send(page.messages.iter().zip(delays).collect(), run).await?;
            sent += u32::try_from(page.messages.len()).expect("there are no more than there is room for");
            done.resent += page.messages.len();
            self.note_recipient(&webhook, &page.firsts).await?;
            let next_at = if sent == most { Resend::next_minute(run.now) } else { run.now };
            let handled = page.messages.len() + page.sent_before;
            let advanced = resend.advanced(handled, page.position, next_at, run.now);
            if !self.webhooks.advance_resend(&webhook, &advanced, &self.settings, run.now).await? || sent == most {
                break;
            }
            webhook.resend = Some(advanced);
        }
        Ok(())
    }

    /// Reads the next events and their deliveries, and decides which of at most `room` to send. Leaves out deliveries
    /// that cannot be read.
    async fn page_of(&self, webhook: &Webhook, resend: &Resend, room: usize, done: &mut Done) -> Result<Page, Failure> {
        let (above, below) = resend.range();
        let filter = EventFilter { above: above.as_ref(), below: Some(&below), ..EventFilter::default() };
        let page = self.events.list(&webhook.account_id, End::Oldest, &filter, PAGE).await?;
        let names: Vec<_> = page.events.iter().map(|event| (&event.account_id, webhook.id, &event.id)).collect();
        let mut read = Vec::new();
        for (event, delivery) in page.events.iter().zip(self.deliveries.find_all(&names, false).await?) {
            match delivery {
                Ok(delivery) => read.push((event, delivery)),
                Err(err) => done.fault(&err, "a delivery cannot be read, and is left out of a resend"),
            }
        }
        Ok(Page::decide(&read, page.next, webhook, resend, room))
    }

    /// Notes the webhook with the events that it gets for the first time. That comes after they were sent: an event
    /// that is noted and not sent would not be sent by the next run.
    async fn note_recipient(&self, webhook: &Webhook, events: &[EventId]) -> Result<(), Failure> {
        let noted = events.iter().map(|event| self.events.add_recipient(&webhook.account_id, event, webhook.id));
        try_join_all(noted).await?;
        Ok(())
    }
}

impl Page {
    /// Decides which events to send, in their order, until there are `room` messages. The page then ends with the last
    /// of them.
    fn decide(
        events: &[(&Event, Option<Delivery>)],
        next: Option<EventId>,
        webhook: &Webhook,
        resend: &Resend,
        room: usize,
    ) -> Self {
        let mut page = Self { position: next, ..Self::default() };
        let mut last = None;
        for (event, delivery) in events {
            if page.messages.len() == room {
                page.position = last;
                break;
            }
            last = Some(event.id.clone());
            if delivery.as_ref().is_some_and(|delivery| delivery.is_sent_by(resend)) {
                page.sent_before += 1;
                // The run may have died before it noted the webhook.
                let is_noted = event.recipients.sent_to.contains(&webhook.id);
                page.firsts.extend((!is_noted).then(|| event.id.clone()));
            } else if let Some(message) = Message::resent(event, delivery.as_ref(), webhook, resend) {
                page.firsts.extend(delivery.is_none().then(|| event.id.clone()));
                page.messages.push(message);
            }
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use nano_webhooks::{
        delivery::State,
        egress::Policy,
        event::Completion,
        names::{AccountId, EventType, WebhookId},
        webhook::{ResendRequest, ResendStatus, Secret},
    };

    use super::*;

    fn webhook() -> Webhook {
        let account = AccountId::parse("acct_1").unwrap();
        let events = vec![EventType::JobCompleted];
        Webhook::new(account, WebhookId(1), "https://a.example.com/".into(), events, Secret::generate())
    }

    fn resend() -> Resend {
        let now: Timestamp = "2026-01-03T00:00:00Z".parse().unwrap();
        let statuses = vec![ResendStatus::Failed, ResendStatus::Missed];
        ResendRequest::new(Timestamp::UNIX_EPOCH, None, statuses, now).unwrap().begin(now)
    }

    /// An event that arrived when the account had these webhooks.
    fn event(second: u32, webhooks: &[Webhook]) -> Event {
        let completion = format!(
            r#"{{"account_id":"acct_1","task_id":"t","task_type":"image","status":"completed","timestamp":"2026-01-02T03:04:{second:02}Z"}}"#
        );
        let completion = Completion::parse(&completion, Timestamp::UNIX_EPOCH).unwrap();
        Event::new(&completion, webhooks, &Policy::strict())
    }

    fn delivery(event: &Event, state: State, resend: Option<&Resend>) -> Delivery {
        let message = Message { payload: event.payload(), ..Message::first(event, WebhookId(1)) };
        let resend = resend.map(|resend| resend.id.clone());
        Delivery { state, resend, version: 1, ..Delivery::pending(&message).unwrap() }
    }

    #[test]
    fn a_page_ends_where_the_minute_takes_no_more_and_the_next_one_begins_there() {
        let (webhook, resend) = (webhook(), resend());
        let events: Vec<_> = (0..5).map(|second| event(second, &[])).collect();
        let all: Vec<_> = events.iter().map(|event| (event, None)).collect();
        let next = Some(events[4].id.clone());
        let page = Page::decide(&all, next.clone(), &webhook, &resend, 3);
        assert_eq!((page.messages.len(), page.position.as_ref()), (3, Some(&events[2].id)));
        let page = Page::decide(&all, next.clone(), &webhook, &resend, 5);
        assert_eq!((page.messages.len(), page.position), (5, next));
        assert_eq!(Page::decide(&all, None, &webhook, &resend, 9).position, None, "the range has no more");
    }

    #[test]
    fn what_a_run_that_died_has_sent_is_counted_and_noted_and_not_sent_again() {
        let (webhook, resend) = (webhook(), resend());
        let to_it = [webhook.clone()];
        let events = [event(0, &[]), event(1, &to_it), event(2, &[]), event(3, &to_it)];
        let read = [
            (&events[0], Some(delivery(&events[0], State::Delivered, Some(&resend)))),
            (&events[1], Some(delivery(&events[1], State::Failed, Some(&resend)))),
            (&events[2], None),
            (&events[3], Some(delivery(&events[3], State::Failed, None))),
        ];
        let page = Page::decide(&read, None, &webhook, &resend, 9);
        let sent: Vec<_> = page.messages.iter().map(|message| (&message.event_id, message.round)).collect();
        assert_eq!(sent, [(&events[2].id, 0), (&events[3].id, 1)]);
        assert_eq!((page.sent_before, page.firsts), (2, vec![events[0].id.clone(), events[2].id.clone()]));
    }
}
