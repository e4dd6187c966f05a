//! DynamoDB's limit and price: 1,000 write units a second for a partition key, and a unit for each KB.

use super::Ms;

/// How many write units a partition key takes in a second.
const PER_SECOND: u32 = 1_000;

/// The capacity of a partition key. Unlike DynamoDB, it carries no unused capacity over to the next second.
#[derive(Clone, Copy, Default)]
pub(super) struct Bucket {
    second: Ms,
    used: u32,
}

impl Bucket {
    pub(super) fn has(&self, now: Ms, units: u32) -> bool {
        units == 0 || self.second < now / 1_000 || self.used + units <= PER_SECOND
    }

    pub(super) fn take(&mut self, now: Ms, units: u32) {
        if self.second < now / 1_000 {
            *self = Self { second: now / 1_000, used: 0 };
        }
        self.used += units;
    }
}

/// The size of a delivery's item without its attempts, and of each attempt, as `cost` measures them.
const ITEM_BYTES: usize = 190;
const ATTEMPT_BYTES: usize = 40;

/// The write units of a delivery's item with this number of attempts.
pub(super) fn item_units(attempts: u32) -> u32 {
    let bytes = ITEM_BYTES + ATTEMPT_BYTES * attempts as usize;
    u32::try_from(bytes.div_ceil(1_024)).expect("an item is small")
}

/// The write units of a webhook's item with this number of failures in its health, index included.
pub(super) fn webhook_units(failures: usize, moves_bell: bool) -> u64 {
    let bytes = 900 + 110 * failures;
    bytes.div_ceil(1_024) as u64 + if moves_bell { 2 } else { 0 }
}
