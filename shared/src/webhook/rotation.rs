//! The stages of a webhook's new secret.
//!
//! A receiver cannot change its secret at the same instant as the service, and many receivers read `X-Nano-Signature`
//! alone and hold one secret. So a rotation has two stages (`docs/decisions/0031-a-rotation-has-two-stages.md`):
//!
//! 1. Until the switch the old secret signs `X-Nano-Signature`, and the new one `X-Nano-Signature-Next`.
//! 2. After the switch the new secret signs `X-Nano-Signature`, and the old one `X-Nano-Signature-Previous` until the
//!    overlap ends.
//!
//! The customer makes the switch when their receiver has the new secret, or it comes at the time that the rotation
//! names. Nothing has to run then: [`Webhook::signing_at`] decides with the clock.

use std::time::Duration;

use jiff::{Timestamp, Unit};
use serde_json::Value;

use super::{Secret, Webhook, fields};
use crate::request::{Fields, Invalid, shortened, whole_number};

/// How many previous secrets can be valid at a time. There are several if a webhook is rotated again during an overlap, for
/// example by a client that lost the answer to its first request and so never saw the secret in it.
const MOST_PREVIOUS: usize = 3;

const DEFAULT_OVERLAP: u64 = 86_400;
const LONGEST_OVERLAP: u64 = 7 * 86_400;

/// A valid request to `POST /api/v1/webhooks/{id}/rotate-secret`.
#[derive(Debug)]
pub enum Rotation {
    /// Starts a rotation: the webhook gets a new secret.
    Start {
        /// The customer's own new secret. If it is `None`, the service generates one.
        secret: Option<Secret>,
        /// How long the old secret stays valid: 0 to 7 days. With 0 all older secrets end within a second, as after a leak.
        overlap: Duration,
        /// When the new secret takes over `X-Nano-Signature`: 0 to `overlap`.
        switch_after: Duration,
    },
    /// Lets the new secret of the rotation under way take over `X-Nano-Signature` now.
    SwitchNow,
}

/// A secret that was replaced and is valid until its overlap ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviousSecret {
    /// The secret.
    pub secret: Secret,
    /// When it stops signing.
    pub expires_at: Timestamp,
}

/// The valid secrets of a webhook at one time, by the header that each signs.
#[derive(Debug, PartialEq, Eq)]
pub struct Signing<'a> {
    /// Signs `X-Nano-Signature`.
    pub current: &'a Secret,
    /// Signs `X-Nano-Signature-Next`: the new secret, before the switch.
    pub next: Option<&'a Secret>,
    /// Sign `X-Nano-Signature-Previous`.
    pub previous: Vec<&'a Secret>,
}

/// Why a webhook's secrets cannot be changed as asked.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RotationConflict {
    /// The webhook has as many previous secrets as it can have. The first of them ends at this time.
    #[error(
        "{MOST_PREVIOUS} previous secrets are still signing, the first until {0:.0}; wait until then, or send overlap_seconds 0 to end them all now"
    )]
    TooManyPrevious(Timestamp),
    /// A switch was asked for, and no old secret is valid any more, or none was replaced.
    #[error(
        "no rotation is under way, so there is nothing to switch: the webhook has one secret, which signs every header; to start a rotation, leave out switch"
    )]
    NoRotation,
}

impl Rotation {
    /// Parses the body of the request, which may be empty. A `null` counts as a missing field.
    pub fn parse(body: &[u8]) -> Result<Self, Invalid> {
        let names = ["secret_key", "overlap_seconds", "switch_after_seconds", "switch"];
        let expected = "nothing, or a JSON object with, optionally, secret_key, overlap_seconds and \
            switch_after_seconds, or switch";
        let mut fields = Fields::parse_optional(body, &names, expected)?;
        let [secret, overlap, switch_after, switch] = names.map(|name| fields.take(name));
        if let Some(switch) = switch {
            if switch != "now" {
                let found = shortened(&switch);
                return Err(Invalid::field("switch", format!("switch is {found}; expected \"now\"")));
            }
            let others = [secret, overlap, switch_after].into_iter().zip(names).filter(|(value, _)| value.is_some());
            return match others.map(|(_, name)| name).next() {
                None => Ok(Self::SwitchNow),
                Some(name) => Err(Invalid::field(
                    "switch",
                    format!(
                        "switch and {name} do not go together: send switch alone to make the switch of the rotation under \
                         way, or leave it out to start a rotation (switch_after_seconds says when its switch comes)"
                    ),
                )),
            };
        }
        let overlap = overlap.map_or(Ok(DEFAULT_OVERLAP), |value| {
            seconds(&value, LONGEST_OVERLAP).map_err(|found| {
                let expected = format!("a whole number from 0 to {LONGEST_OVERLAP}");
                Invalid::field("overlap_seconds", format!("overlap_seconds is {found}; expected {expected}"))
            })
        })?;
        let switch_after = switch_after.map_or(Ok(overlap), |value| {
            seconds(&value, overlap).map_err(|found| {
                let limit = format!("a whole number from 0 to overlap_seconds, which is {overlap}");
                Invalid::field("switch_after_seconds", format!("switch_after_seconds is {found}; expected {limit}"))
            })
        })?;
        let secret = secret.map(fields::secret).transpose()?;
        let [overlap, switch_after] = [overlap, switch_after].map(Duration::from_secs);
        Ok(Self::Start { secret, overlap, switch_after })
    }
}

/// A whole number of seconds up to `most`, or the value as a refusal quotes it.
fn seconds(value: &Value, most: u64) -> Result<u64, String> {
    whole_number(value).filter(|seconds| *seconds <= most).ok_or_else(|| shortened(value))
}

impl Webhook {
    /// Returns the webhook with a new secret. The present one stays valid until the overlap ends.
    ///
    /// If the last rotation is still before its switch, `X-Nano-Signature` stays with the secret that signs it: receivers
    /// may not have the one that is replaced now, because its reply may have been lost.
    pub fn rotated(
        &self,
        secret: Secret,
        overlap: Duration,
        switch_after: Duration,
        now: Timestamp,
    ) -> Result<Self, RotationConflict> {
        if overlap.is_zero() {
            let updated_at = Some(now);
            return Ok(Self {
                secret,
                previous_secrets: Vec::new(),
                secret_switches_at: None,
                updated_at,
                ..self.clone()
            });
        }
        let expires_at = whole(now + overlap);
        let replaced = PreviousSecret { secret: self.secret.clone(), expires_at };
        let mut previous_secrets: Vec<_> = self.previous_secrets_at(now).cloned().collect();
        if previous_secrets.len() == MOST_PREVIOUS {
            let ends = previous_secrets.iter().map(|previous| previous.expires_at);
            return Err(RotationConflict::TooManyPrevious(ends.min().unwrap_or(now)));
        }
        match previous_secrets.first_mut().filter(|_| self.secret_switches_at(now).is_some()) {
            Some(current) => {
                current.expires_at = current.expires_at.max(expires_at);
                previous_secrets.insert(1, replaced);
            }
            None => previous_secrets.insert(0, replaced),
        }
        let secret_switches_at = (!switch_after.is_zero()).then(|| whole(now + switch_after));
        Ok(Self { secret, previous_secrets, secret_switches_at, updated_at: Some(now), ..self.clone() })
    }

    /// Returns the webhook after the switch of the rotation under way, unchanged if that has been made.
    pub fn switched(&self, now: Timestamp) -> Result<Self, RotationConflict> {
        if self.previous_secrets_at(now).next().is_none() {
            return Err(RotationConflict::NoRotation);
        }
        Ok(Self { secret_switches_at: None, updated_at: Some(now), ..self.clone() })
    }

    /// Returns the secrets that sign an attempt at this time.
    pub fn signing_at(&self, now: Timestamp) -> Signing<'_> {
        let mut previous = self.previous_secrets_at(now).map(|previous| &previous.secret);
        let before_switch = self.secret_switches_at(now).and_then(|_| previous.next());
        let (current, next) = match before_switch {
            Some(old) => (old, Some(&self.secret)),
            None => (&self.secret, None),
        };
        Signing { current, next, previous: previous.collect() }
    }

    /// When the newest secret takes over `X-Nano-Signature`, or `None` if it signs that already.
    pub fn secret_switches_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.secret_switches_at.filter(|at| *at > now)
    }

    /// The previous secrets that are still valid. Before the switch the first of them signs `X-Nano-Signature`.
    pub fn previous_secrets_at(&self, now: Timestamp) -> impl Iterator<Item = &PreviousSecret> {
        self.previous_secrets.iter().filter(move |previous| previous.expires_at > now)
    }
}

/// Rounds a time to the second, as customers read it.
fn whole(time: Timestamp) -> Timestamp {
    time.round(Unit::Second).expect("rounding to seconds stays in range")
}

#[cfg(test)]
mod tests;
