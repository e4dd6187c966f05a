//! Merges several partitions into one order. It is pure, so that a test can try many arrangements.

use std::{cmp::Ordering, collections::VecDeque};

use crate::names::EventId;

/// The end from which a webhook's deliveries are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The tasks that ended first come first.
    Oldest,
    /// The tasks that ended last come first.
    Newest,
}

impl End {
    fn order(self, one: &EventId, other: &EventId) -> Ordering {
        match self {
            Self::Oldest => one.cmp(other),
            Self::Newest => other.cmp(one),
        }
    }
}

/// Partitions that are being read in the order of ids, with the next few items of each.
pub(super) struct Merge<T> {
    from: End,
    partitions: Vec<Partition<T>>,
}

struct Partition<T> {
    /// The items that were read and not yet returned.
    read: VecDeque<(EventId, T)>,
    /// The id up to which it was read.
    position: Option<EventId>,
    /// Whether there may be more after that id.
    more: bool,
    /// How many times it may still be asked.
    rounds: usize,
}

/// The next step of a merge.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum MergeStep<T> {
    /// This item is the next.
    Item(EventId, T),
    /// First ask these partitions for more.
    Ask(Vec<usize>),
    /// Nothing is left.
    End,
    /// The partitions may not be asked again. The rest comes after this id.
    Later(EventId),
}

impl<T> Merge<T> {
    /// Makes a merge of so many partitions, none of them asked yet. Each may be asked `rounds` times, which must be
    /// at least 1.
    pub(super) fn new(partitions: usize, from: End, rounds: usize) -> Self {
        let partition = || Partition { read: VecDeque::new(), position: None, more: true, rounds };
        Self { from, partitions: std::iter::repeat_with(partition).take(partitions).collect() }
    }

    /// The id up to which a partition was read.
    pub(super) fn position(&self, partition: usize) -> Option<&EventId> {
        self.partitions[partition].position.as_ref()
    }

    /// Adds a partition's answer. `last` is the id up to which the partition has looked, if there may be more.
    pub(super) fn answer(&mut self, partition: usize, found: Vec<(EventId, T)>, last: Option<EventId>) {
        let partition = &mut self.partitions[partition];
        partition.read.extend(found);
        partition.rounds = partition.rounds.saturating_sub(1);
        partition.more = last.is_some();
        partition.position = last;
    }

    /// Returns the next step. After [`MergeStep::Ask`], call [`Self::answer`] for each of its partitions first.
    pub(super) fn step(&mut self) -> MergeStep<T> {
        let order = |one: &EventId, other: &EventId| self.from.order(one, other);
        let heads =
            self.partitions.iter().enumerate().filter_map(|(at, partition)| Some((partition.read.front()?, at)));
        let head = heads.min_by(|((one, _), _), ((other, _), _)| order(one, other));
        // A partition with no item at hand may contain the next id, unless it was already read past the head's id.
        let is_past = |partition: &Partition<T>, id: &EventId| {
            partition.position.as_ref().is_some_and(|position| order(position, id).is_ge())
        };
        let blocking = |partition: &Partition<T>| {
            partition.read.is_empty() && partition.more && !head.is_some_and(|((id, _), _)| is_past(partition, id))
        };
        let blocking: Vec<_> = (0..self.partitions.len()).filter(|at| blocking(&self.partitions[*at])).collect();
        if blocking.is_empty() {
            let next = head.map(|(_, at)| at).and_then(|at| self.partitions[at].read.pop_front());
            return next.map_or(MergeStep::End, |(id, found)| MergeStep::Item(id, found));
        }
        let may_be_asked: Vec<_> = blocking.iter().copied().filter(|at| self.partitions[*at].rounds > 0).collect();
        if !may_be_asked.is_empty() {
            return MergeStep::Ask(may_be_asked);
        }
        let positions = blocking.iter().filter_map(|at| self.partitions[*at].position.as_ref());
        positions.min_by(|one, other| order(one, other)).map_or(MergeStep::End, |id| MergeStep::Later(id.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> EventId {
        EventId::parse(&format!("01KDYAK348{number:016}")).unwrap()
    }

    /// Reads partitions that contain these numbers. A query looks at `at_once` numbers, and finds those that are
    /// `shown`. Returns the numbers in the order in which they came, and the id at which the merge stopped.
    fn read(
        held: &[Vec<u64>],
        from: End,
        at_once: usize,
        rounds: usize,
        shown: fn(u64) -> bool,
    ) -> (Vec<u64>, Option<EventId>) {
        let mut merge = Merge::new(held.len(), from, rounds);
        let mut returned = Vec::new();
        loop {
            match merge.step() {
                MergeStep::Item(_, number) => returned.push(number),
                MergeStep::End => return (returned, None),
                MergeStep::Later(id) => return (returned, Some(id)),
                MergeStep::Ask(partitions) => {
                    for at in partitions {
                        let mut numbers = held[at].clone();
                        numbers.sort_unstable();
                        if from == End::Newest {
                            numbers.reverse();
                        }
                        let position = merge.position(at).cloned();
                        let is_behind = |number: &u64| {
                            position.as_ref().is_none_or(|position| from.order(position, &id(*number)).is_lt())
                        };
                        let left: Vec<_> = numbers.into_iter().filter(is_behind).collect();
                        let looked_at = &left[..at_once.min(left.len())];
                        // Like DynamoDB, this says that there may be more even if the last number looked at was the
                        // last of all.
                        let last = looked_at.last().filter(|_| looked_at.len() == at_once).map(|last| id(*last));
                        let found =
                            looked_at.iter().filter(|number| shown(**number)).map(|number| (id(*number), *number));
                        merge.answer(at, found.collect(), last);
                    }
                }
            }
        }
    }

    /// Numbers, distributed over partitions in many ways.
    fn arrangements() -> impl Iterator<Item = Vec<Vec<u64>>> {
        let mut random = 1_u64;
        (0..300).map(move |round| {
            let mut held = vec![Vec::new(); 1 + round % 5];
            for number in 0..round as u64 % 23 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let partitions = held.len() as u64;
                held[usize::try_from((random >> 33) % partitions).unwrap()].push(number);
            }
            held
        })
    }

    fn in_order(held: &[Vec<u64>], from: End) -> Vec<u64> {
        let mut all = held.concat();
        all.sort_unstable();
        if from == End::Newest {
            all.reverse();
        }
        all
    }

    #[test]
    fn everything_is_handed_out_once_and_in_order() {
        for held in arrangements() {
            for from in [End::Oldest, End::Newest] {
                for at_once in [1, 2, 3, 50] {
                    let expected = (in_order(&held, from), None);
                    assert_eq!(read(&held, from, at_once, usize::MAX, |_| true), expected, "{held:?}");
                }
            }
        }
    }

    /// A reader that continues after the id at which it stopped misses nothing and sees nothing twice.
    #[test]
    fn what_is_left_comes_behind_the_place_where_it_stops() {
        let mut stopped = 0;
        for held in arrangements() {
            for (at_once, rounds) in [(1, 1), (2, 1), (1, 3), (2, 3)] {
                let shown = |number| number % 3 == 0;
                let (returned, later) = read(&held, End::Newest, at_once, rounds, shown);
                let expected: Vec<_> =
                    in_order(&held, End::Newest).into_iter().filter(|number| shown(*number)).collect();
                let Some(later) = later else {
                    assert_eq!(returned, expected, "{held:?}");
                    continue;
                };
                stopped += 1;
                let before: Vec<_> = expected.into_iter().filter(|number| id(*number) >= later).collect();
                assert_eq!(returned, before, "{held:?}, until {later}");
            }
        }
        assert!(stopped > 100, "{stopped}");
    }
}
