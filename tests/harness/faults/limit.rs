//! A table's limit: each partition takes a fixed number of writes a second.

use std::{collections::HashMap, time::Instant};

use super::call::Call;

/// A token bucket for each partition.
pub(super) struct Limit {
    table: &'static str,
    writes_per_second: f64,
    partitions: HashMap<String, (f64, Instant)>,
}

impl Limit {
    pub(super) fn new(table: &'static str, writes_per_second: u32) -> Self {
        Self { table, writes_per_second: writes_per_second.into(), partitions: HashMap::new() }
    }

    /// Whether a call writes to the table.
    pub(super) fn concerns(&self, call: &Call) -> bool {
        call.partitions(self.table).iter().any(Option::is_some)
    }

    /// The places of the statements that are refused. Each other statement takes one token from its partition.
    pub(super) fn refused(&mut self, call: &Call) -> Vec<usize> {
        let partitions = call.partitions(self.table);
        let refused =
            partitions.into_iter().enumerate().filter_map(|(at, partition)| (!self.takes(partition?)).then_some(at));
        refused.collect()
    }

    fn takes(&mut self, partition: String) -> bool {
        let (now, most) = (Instant::now(), self.writes_per_second);
        let (left, since) = self.partitions.entry(partition).or_insert((most, now));
        *left = (*left + now.duration_since(*since).as_secs_f64() * most).min(most);
        *since = now;
        let takes = *left >= 1.0;
        if takes {
            *left -= 1.0;
        }
        takes
    }
}
