//! Endpoints' long answers, which are stored apart: a delivery's item is written again with each attempt.
//!
//! An answer that is almost the same as an earlier one, such as an error page with another time and another request id,
//! is not stored again: the attempt has only the difference. So a delivery whose attempts all got such a page stores it
//! once. See `docs/decisions/0049-an-answer-is-stored-once.md`.

use std::{borrow::Cow, collections::HashMap};

use futures_util::FutureExt as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Deliveries, DeliveryName, Item,
    item::{answers_of, partition},
    item_key, parsed,
};
use crate::{
    attempt::{AnswerApart, Attempt, Outcome},
    aws::{AwsError, WhileTryingTo as _},
    delivery::Delivery,
    store::{
        batch_get::{Reading, batch_get},
        deflate::{deflate, inflate},
        digest::digest,
    },
};

/// The longest answer, in bytes, that is stored in the delivery's item.
const LONGEST_INLINE: usize = 256;
/// The longest difference, in bytes, that is stored in place of an answer. It is written again with each later attempt.
const LONGEST_DIFFERENCE: usize = 128;
/// More bytes than an answer ever has.
const MOST_BYTES: usize = 16 * 1024;

/// A text that is stored apart from its delivery.
#[derive(Serialize, Deserialize)]
pub(super) struct AnswerItem<'a> {
    /// The delivery's partition key and `#answers`.
    pub(super) webhook: String,
    /// The delivery's id, `#` and [`name_of`] the text.
    pub(super) id: String,
    pub(super) text: Cow<'a, str>,
    pub(super) expires_at: i64,
}

/// The answer of a delivery's last attempt, if it is to be stored apart.
struct NewAnswer<'a> {
    delivery: &'a Delivery,
    text: &'a str,
    /// See [`name_of`].
    name: String,
    /// Whether an earlier attempt has stored the same text.
    is_stored: bool,
    /// The name of the stored text that it may be almost the same as: that of the last attempt with the same status. `None`
    /// if there is none, or if the text itself is stored.
    alike: Option<&'a str>,
}

/// How an answer is stored.
pub(super) struct Place<'a> {
    pub(super) answer: AnswerApart,
    /// The item to store, if the answer is a new text.
    pub(super) item: Option<AnswerItem<'a>>,
}

impl<'a> NewAnswer<'a> {
    /// Returns the last attempt's answer if it is long and not a success's. After a success the delivery's item is seldom
    /// written again, so that answer stays in it.
    fn of(delivery: &'a Delivery) -> Option<Self> {
        let attempt = delivery.attempts.last()?;
        let Outcome::Http { response: text, .. } = &attempt.outcome else { return None };
        let is_apart = attempt.answer.is_none() && !attempt.outcome.is_success() && text.len() > LONGEST_INLINE;
        if !is_apart {
            return None;
        }
        let name = name_of(text);
        let stored =
            |attempt: &'a Attempt| Some((attempt.outcome.http_status(), attempt.answer.as_ref()?.name.as_str()));
        let stored: Vec<_> = delivery.attempts.iter().filter_map(stored).collect();
        let is_stored = stored.iter().any(|(_, stored)| *stored == name);
        let mut alike =
            stored.iter().rev().filter(|(status, _)| !is_stored && *status == attempt.outcome.http_status());
        let alike = alike.next().map(|(_, stored)| *stored);
        Some(Self { delivery, text, name, is_stored, alike })
    }

    fn key(&self, name: &str) -> (String, String) {
        let partition = partition(&self.delivery.account_id, self.delivery.webhook_id, &self.delivery.id);
        (answers_of(&partition), format!("{}#{name}", self.delivery.id))
    }

    /// The key of the text that it may be almost the same as.
    fn base(&self) -> Option<(String, String)> {
        self.alike.map(|name| self.key(name))
    }

    /// Decides how to store the answer. `base` is the text of [`Self::base`], if it was found.
    fn place(self, base: Option<&str>, expires_at: i64) -> Place<'a> {
        if let (Some(base), Some(name)) = (base, self.alike) {
            let mut difference = Vec::new();
            deflate(self.text, base.as_bytes(), &mut difference);
            if difference.len() <= LONGEST_DIFFERENCE {
                return Place {
                    answer: AnswerApart { name: name.to_owned(), difference: Some(difference) },
                    item: None,
                };
            }
        }
        let (webhook, id) = self.key(&self.name);
        let item = (!self.is_stored).then(|| AnswerItem { webhook, id, text: self.text.into(), expires_at });
        Place { answer: AnswerApart { name: self.name, difference: None }, item }
    }
}

/// Names a text within its delivery.
fn name_of(text: &str) -> String {
    digest(text, 8)
}

/// The key under which the last attempt's answer is stored, if it is a text of its own.
pub(super) fn own_key(delivery: &Delivery) -> Option<(String, String)> {
    let answer = NewAnswer::of(delivery)?;
    (!answer.is_stored).then(|| answer.key(&answer.name))
}

/// When an answer may be removed: after twice the delivery's time, because later attempts of the delivery may name
/// it.
fn kept_longer(expires_at: i64) -> i64 {
    let now = Timestamp::now().as_second();
    now + 2 * (expires_at - now)
}

impl Deliveries {
    /// Decides for each delivery how the answer of its last attempt is stored. Returns `None` if that is in the delivery's
    /// item. Reads the texts that the answers may be almost the same as. If that fails, the answers are texts of their own.
    pub(super) async fn places<'a>(
        &self,
        deliveries: impl Iterator<Item = &'a Delivery>,
        expires_at: i64,
    ) -> Vec<Option<Place<'a>>> {
        let answers: Vec<_> = deliveries.map(NewAnswer::of).collect();
        let bases: Vec<_> = answers.iter().flatten().filter_map(NewAnswer::base).collect();
        // In a box: it is seldom called, and the callers' futures are deep enough for the compiler.
        let texts = if bases.is_empty() {
            HashMap::new()
        } else {
            self.texts(bases, expires_at).boxed().await.unwrap_or_default()
        };
        let place = |answer: NewAnswer<'a>| {
            let base = answer.base().and_then(|base| texts.get(&base)).map(String::as_str);
            answer.place(base, kept_longer(expires_at))
        };
        answers.into_iter().map(|answer| answer.map(place)).collect()
    }

    /// Reads texts by their keys, and returns those that are kept at least as long as the delivery. The read is eventually
    /// consistent: an attempt that stored a text is some seconds old.
    async fn texts(
        &self,
        keys: Vec<(String, String)>,
        expires_at: i64,
    ) -> Result<HashMap<(String, String), String>, AwsError> {
        let keys = keys.into_iter().map(|(webhook, id)| item_key(webhook, id)).collect();
        let reading = Reading::Whole { consistent: false };
        let items = batch_get(&self.client, &self.table, "webhook", keys, reading).await?;
        let answers = items.into_iter().map(parsed::<AnswerItem<'static>>).collect::<Result<Vec<_>, _>>()?;
        let kept = answers.into_iter().filter(|answer| answer.expires_at >= expires_at);
        Ok(kept.map(|it| ((it.webhook, it.id), it.text.into_owned())).collect())
    }

    /// Adds the answers that are stored apart to the attempts that got them. One that cannot be read any more is left out.
    pub(super) async fn read_answers(&self, name: DeliveryName<'_>, delivery: &mut Delivery) -> Result<(), AwsError> {
        let doing = "read a receiver's answers";
        let items = self.answers(name).into_paginator().items().send();
        let items: Vec<Item> = items.collect::<Result<_, _>>().await.while_trying_to(doing)?;
        let texts: Vec<AnswerItem<'_>> = serde_dynamo::from_items(items).while_trying_to(doing)?;
        let texts: HashMap<_, _> =
            texts.iter().filter_map(|item| Some((item.id.split_once('#')?.1, &*item.text))).collect();
        for attempt in &mut delivery.attempts {
            let (Outcome::Http { response, .. }, Some(answer)) = (&mut attempt.outcome, &attempt.answer) else {
                continue;
            };
            let Some(text) = texts.get(answer.name.as_str()) else { continue };
            *response = match &answer.difference {
                None => (*text).to_owned(),
                Some(difference) => inflate(difference, text.as_bytes(), MOST_BYTES).unwrap_or_default(),
            };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::{
        delivery::State,
        names::{AccountId, EventId, EventType, WebhookId},
    };

    /// An error page of about 800 bytes, as a server writes it: only the request's id and the time change.
    fn page(request: u64) -> String {
        let id = hex::encode(Sha256::digest(request.to_string()));
        format!(
            "<!doctype html><html lang=en><head><title>500 Internal Server Error</title><meta charset=utf-8><style>body \
             {{font: 16px sans-serif; margin: 4em auto; max-width: 40em}} h1 {{color: #b00}} .id {{color: #666}}</style>\
             </head><body><h1>Something went wrong</h1><p>We could not process your request. Our engineers have been told. \
             If the problem persists, contact support@example.com and quote the id below.</p><p class=id>Request \
             {}-{}-{}, 2026-01-02T03:{:02}:05.{:03}Z, server web-{}</p><hr><p>The server could not complete the request \
             because an upstream service did not answer in time. You may repeat the request; it is safe to send it more \
             than once.</p></body></html>",
            &id[..8],
            &id[8..12],
            &id[12..24],
            request % 60,
            request * 37 % 1_000,
            request % 9
        )
    }

    fn failed(answers: impl IntoIterator<Item = (String, Option<AnswerApart>)>) -> Delivery {
        let attempts = answers.into_iter().map(|(response, answer)| Attempt {
            started_at: Timestamp::UNIX_EPOCH,
            duration_ms: 7,
            resent: false,
            outcome: Outcome::Http { http_status: 500, response, redirect: None },
            answer: answer.map(Box::new),
        });
        let text = r#"{"account_id":"acct_1","webhook_id":7,"event_id":"01KDYAK3482WAV4DVEFM6KBDXQ","event":"job.failed",
            "payload":{"task_id":"t","body":"{}"},"round":0,"attempt":1}"#;
        let delivery = Delivery::pending(&serde_json::from_str(text).unwrap()).unwrap();
        Delivery { state: State::Retrying, attempts: attempts.collect(), event: EventType::JobFailed, ..delivery }
    }

    fn apart(text: &str) -> AnswerApart {
        AnswerApart { name: name_of(text), difference: None }
    }

    /// Decides where the answer to the second attempt goes, after a first one that is stored apart.
    fn second(first: &str, answer: &str, base: Option<&str>) -> (AnswerApart, bool) {
        let delivery = failed([(String::new(), Some(apart(first))), (answer.to_owned(), None)]);
        let place = NewAnswer::of(&delivery).unwrap().place(base, 0);
        (place.answer, place.item.is_some())
    }

    #[test]
    fn a_page_that_differs_in_its_id_and_time_is_a_small_difference() {
        let (first, other) = (page(1), page(2));
        assert!((600..850).contains(&first.len()), "{}", first.len());
        let (answer, is_new) = second(&first, &other, Some(&first));
        assert_eq!((&answer.name, is_new), (&name_of(&first), false));
        let difference = answer.difference.unwrap();
        assert!(difference.len() < 80, "{}", difference.len());
        assert_eq!(inflate(&difference, first.as_bytes(), MOST_BYTES), Ok(other));
    }

    #[test]
    fn the_same_answer_is_named_and_not_stored_again() {
        let first = page(1);
        assert_eq!(second(&first, &first, None), (apart(&first), false));
    }

    #[test]
    fn an_answer_that_is_another_text_or_whose_base_was_not_read_is_stored() {
        let (first, other) = (page(1), "x".repeat(400) + &page(2)[..400].to_uppercase());
        assert_eq!(second(&first, &other, Some(&first)), (apart(&other), true));
        assert_eq!(second(&first, &page(2), None), (apart(&page(2)), true));
    }

    #[test]
    fn a_short_answer_and_a_success_stay_with_the_delivery() {
        assert!(NewAnswer::of(&failed([("x".repeat(LONGEST_INLINE), None)])).is_none());
        let mut delivered = failed([(page(1), None)]);
        assert!(NewAnswer::of(&delivered).is_some());
        delivered.attempts[0].outcome = Outcome::Http { http_status: 200, response: page(1), redirect: None };
        assert!(NewAnswer::of(&delivered).is_none());
    }

    #[test]
    fn an_answer_that_is_kept_costs_one_unit() {
        let text = "x".repeat(850);
        let mut delivery = failed([(text.clone(), None)]);
        delivery.account_id = AccountId::parse(&"a".repeat(64)).unwrap();
        (delivery.webhook_id, delivery.id) = (WebhookId(u64::MAX), EventId::first_at(Timestamp::now()));
        let AnswerItem { webhook, id, .. } = NewAnswer::of(&delivery).unwrap().place(None, 0).item.unwrap();
        let names = "webhook".len() + "id".len() + "text".len() + "expires_at".len();
        // A number of ten digits takes seven bytes.
        assert!(names + webhook.len() + id.len() + text.len() + 7 <= 1024);
    }
}
