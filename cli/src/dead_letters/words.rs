//! Says why a dead letter is on the queue, and what to do about it, as docs/delivery.md does in general.

use nano_webhooks::{
    names::AccountId,
    queue::{Cause, DeadLetter},
};

use crate::stack::Stack;

pub(super) fn kind(letter: &DeadLetter) -> &'static str {
    match letter.cause {
        Cause::NoCompletion(_) | Cause::NoDelivery => "malformed",
        Cause::Completion { .. } => "completion",
        Cause::Delivery(_) => "delivery",
        Cause::Notification(_) => "notification",
        Cause::Rehearsal(_) => "rehearsal",
    }
}

pub(super) fn account(letter: &DeadLetter) -> Option<&AccountId> {
    match &letter.cause {
        Cause::Completion { completion, .. } => Some(&completion.account_id),
        Cause::Delivery(message) => Some(&message.account_id),
        Cause::Rehearsal(message) => Some(&message.account_id),
        Cause::NoCompletion(_) | Cause::NoDelivery | Cause::Notification(_) => None,
    }
}

pub(super) fn why(letter: &DeadLetter) -> String {
    match &letter.cause {
        Cause::NoCompletion(reason) => format!("it is not a completion: {reason}"),
        Cause::NoDelivery => {
            "it was on the deliveries queue and is not a delivery; somebody put it there by hand".into()
        }
        Cause::Rehearsal(message) => {
            let (webhook, account) = (message.webhook_id, &message.account_id);
            format!("the dispatcher failed on a rehearsal of webhook {webhook} of {account} repeatedly")
        }
        Cause::Completion { completion, event_bus } => {
            let (task, account) = (&completion.task_id, &completion.account_id);
            match event_bus {
                Some(words) => format!("EventBridge could not put task {task} of {account} on the queue: {words}"),
                None => format!("fan-out failed on task {task} of {account} repeatedly"),
            }
        }
        Cause::Notification(words) => format!("EventBridge could not put it on your SNS topic: {words}"),
        Cause::Delivery(message) => {
            let (id, webhook, account) = (&message.event_id, message.webhook_id, &message.account_id);
            format!("the dispatcher failed on delivery {id} to webhook {webhook} of {account} repeatedly")
        }
    }
}

pub(super) fn what_to_do(letter: &DeadLetter, stack: &Stack) -> String {
    let look = |function| format!("the tables did not answer, or it crashed: look in {}", stack.log_group(function));
    match &letter.cause {
        Cause::NoCompletion(_) => {
            "nothing was delivered; correct the producer, let it send the completion again, and purge this one".into()
        }
        Cause::NoDelivery => "purge it".into(),
        Cause::Rehearsal(_) => {
            format!("{}, then purge it: the customer can begin another rehearsal", look("dispatcher"))
        }
        Cause::Notification(_) => "see that the topic's policy lets events.amazonaws.com publish, then purge it: \
                                   `webhooks list` shows how the webhooks are now"
            .into(),
        Cause::Completion { event_bus: Some(_), .. } => {
            "see that the rule may send to the completions queue, then redrive it".into()
        }
        Cause::Completion { event_bus: None, .. } => {
            format!("{}, then redrive it; webhooks that had it do not get it again", look("fan-out"))
        }
        Cause::Delivery(_) => {
            format!("{}, then redrive it; attempts that were made are not made again", look("dispatcher"))
        }
    }
}
