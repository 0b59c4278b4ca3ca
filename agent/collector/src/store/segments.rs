//! Which segments of a run have arrived. As ranges: a run without a gap is one row for ever, and each gap makes one more.

use std::collections::BTreeMap;

/// How many ranges a run may have. Beyond that the lowest gap is given up: counted as lost, and what would fill it is taken for
/// known. An agent ships in order, so an honest one makes a gap only where its spool was full.
pub(super) const MOST: usize = 1000;

/// The numbers of a run that have arrived.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ranges {
    /// From the first number of a range to the one after its last. They do not touch.
    ranges: BTreeMap<u64, u64>,
    /// Numbers that were given up by now, in this round.
    pub(super) given_up: u64,
}

impl Ranges {
    /// Puts in a range that was stored.
    pub(super) fn load(&mut self, first: u64, next: u64) {
        self.ranges.insert(first, next);
    }

    /// Notes that `sequence` has arrived. False if it had before. O(log ranges).
    pub(super) fn add(&mut self, sequence: u64) -> bool {
        let Some(after) = sequence.checked_add(1) else { return false };
        let below = self.ranges.range(..=sequence).next_back().map(|(first, next)| (*first, *next));
        let first = match below {
            Some((_, next)) if next > sequence => return false,
            Some((first, next)) if next == sequence => first,
            _ => sequence,
        };
        let next = self.ranges.remove(&after).unwrap_or(after);
        self.ranges.insert(first, next);
        if self.ranges.len() > MOST {
            self.give_up_lowest();
        }
        true
    }

    fn give_up_lowest(&mut self) {
        let (Some((first, next)), Some((second, end))) = (self.ranges.pop_first(), self.ranges.pop_first()) else {
            return;
        };
        self.given_up += second.saturating_sub(next);
        self.ranges.insert(first, end);
    }

    /// What has to be written so that the store says what this does, if it says `before`: first numbers of ranges that are no
    /// more, and ranges that are new or longer.
    pub(super) fn changes(&self, before: &Ranges) -> (Vec<u64>, Vec<(u64, u64)>) {
        let gone = before.ranges.keys().filter(|first| !self.ranges.contains_key(first)).copied().collect();
        let written = self.ranges.iter().filter(|(first, next)| before.ranges.get(first) != Some(next));
        (gone, written.map(|(first, next)| (*first, *next)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn of(ranges: &[(u64, u64)]) -> Ranges {
        Ranges { ranges: ranges.iter().copied().collect(), given_up: 0 }
    }

    #[test]
    fn a_run_without_gaps_is_one_range() {
        let mut ranges = Ranges::default();
        assert!((0..1000).all(|sequence| ranges.add(sequence)));
        assert!((0..1000).all(|sequence| !ranges.add(sequence)));
        assert_eq!(ranges, of(&[(0, 1000)]));
    }

    #[test]
    fn what_fills_a_gap_joins_its_neighbours() {
        let (before, mut ranges) = (of(&[(0, 5), (6, 9)]), of(&[(0, 5), (6, 9)]));
        assert!(ranges.add(5));
        assert_eq!(ranges, of(&[(0, 9)]));
        assert_eq!(ranges.changes(&before), (vec![6], vec![(0, 9)]));
    }

    #[test]
    fn too_many_gaps_are_given_up_from_below() {
        let mut ranges = Ranges::default();
        (0..=MOST as u64).for_each(|gap| assert!(ranges.add(gap * 10)));
        assert_eq!((ranges.ranges.len(), ranges.given_up), (MOST, 9));
        assert!(!ranges.add(5), "what was given up is known");
        assert!(!ranges.add(u64::MAX), "there is no number after it");
    }

    proptest! {
        #[test]
        fn they_are_a_set(sequences in prop::collection::vec(0..60_u64, 0..200)) {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for sequence in sequences {
                prop_assert_eq!(ranges.add(sequence), set.insert(sequence));
            }
            let covered: BTreeSet<u64> = ranges.ranges.iter().flat_map(|(first, next)| *first..*next).collect();
            prop_assert_eq!(covered, set);
            let touching = ranges.ranges.iter().zip(ranges.ranges.iter().skip(1)).any(|((_, next), (first, _))| next >= first);
            prop_assert!(!touching);
        }
    }
}
