//! The cursor: where a page ended. The customer passes it from one request to the next.
//!
//! It is sealed with the webhook's secret. A forged cursor could do no harm, since a list never leaves its own
//! webhook. The seal keeps customers from relying on the content, and a damaged cursor is refused instead of silently
//! skipping deliveries.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nano_webhooks::{
    names::DeliveryId,
    signature,
    webhook::{Secret, Webhook},
};

const SEAL_BYTES: usize = 16;

/// Returns the cursor of the page that follows this delivery.
pub(crate) fn seal(webhook: &Webhook, id: &DeliveryId) -> String {
    let seal = seal_of(&webhook.secret, webhook, id);
    URL_SAFE_NO_PAD.encode([id.as_str().as_bytes(), &seal].concat())
}

/// Returns the delivery after which a cursor's page begins. Returns `None` if this service did not make the cursor
/// for this webhook.
pub(crate) fn open(webhook: &Webhook, text: &str) -> Option<DeliveryId> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (id, seal) = bytes.split_at_checked(bytes.len().checked_sub(SEAL_BYTES)?)?;
    let id = DeliveryId::parse(str::from_utf8(id).ok()?)?;
    // A rotation must not invalidate the cursor of a list that a customer is reading.
    let previous = webhook.previous_secrets.iter().map(|previous| &previous.secret);
    let mut secrets = std::iter::once(&webhook.secret).chain(previous);
    secrets.any(|secret| seal == seal_of(secret, webhook, &id)).then_some(id)
}

fn seal_of(secret: &Secret, webhook: &Webhook, id: &DeliveryId) -> [u8; SEAL_BYTES] {
    let name = format!("{}#{}", webhook.account_id, webhook.id);
    let [seal, _] = *signature::seal(secret, &[name.as_bytes(), id.as_str().as_bytes()]).as_chunks().0 else {
        unreachable!("32 bytes are two times 16")
    };
    seal
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use nano_webhooks::names::{AccountId, EventType, WebhookId};

    use super::*;

    fn webhook(id: u64) -> Webhook {
        let account = AccountId::parse("acct_1").unwrap();
        let (url, events) = ("https://a.example.com/".into(), vec![EventType::JobCompleted]);
        Webhook::new(account, WebhookId(id), url, events, Secret::parse("your-secret-key").unwrap())
    }

    fn id() -> DeliveryId {
        DeliveryId::parse("01KDYAK3482WAV4DVEFM6KBDXQ").unwrap()
    }

    #[test]
    fn a_cursor_outlives_a_rotation_with_an_overlap() {
        let secret = || Secret::parse("another-secret-key").unwrap();
        let rotated = |overlap| webhook(1).rotated(secret(), overlap, overlap, Timestamp::UNIX_EPOCH).unwrap();
        let cursor = seal(&webhook(1), &id());
        assert_eq!(open(&rotated(Duration::from_secs(1)), &cursor), Some(id()));
        assert_eq!(open(&rotated(Duration::ZERO), &cursor), None);
    }

    #[test]
    fn a_cursor_gives_back_its_delivery_for_its_webhook_alone() {
        let cursor = seal(&webhook(1), &id());
        assert_eq!(open(&webhook(1), &cursor), Some(id()));
        assert_eq!(open(&webhook(2), &cursor), None);
    }

    #[test]
    fn a_cursor_with_any_character_changed_is_refused() {
        let cursor = seal(&webhook(1), &id());
        for at in 0..cursor.len() {
            let other = if &cursor[at..=at] == "A" { "B" } else { "A" };
            let changed = format!("{}{other}{}", &cursor[..at], &cursor[at + 1..]);
            assert_eq!(open(&webhook(1), &changed), None, "{changed}");
        }
        for nonsense in ["", "x", "%", &cursor[1..], &format!("{cursor}A")] {
            assert_eq!(open(&webhook(1), nonsense), None, "{nonsense:?}");
        }
    }
}
