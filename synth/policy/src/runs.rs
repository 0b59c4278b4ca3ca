//! Sets of numbers as sorted runs: ports, classes and groups of pods, ranges of addresses. What the relation is built of,
//! and what lint compares.
//!
//! Sets that come from policies are few long stretches, so a run costs the same whether it holds one number or all.

/// Consecutive numbers, both ends included; `first <= last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Run {
    pub(crate) first: u32,
    pub(crate) last: u32,
}

impl Run {
    pub(crate) fn new(first: u32, last: u32) -> Self {
        debug_assert!(first <= last, "a run from {first} to {last}");
        Self { first, last }
    }

    /// The part of it that lies between two numbers.
    pub(crate) fn cut(self, first: u32, last: u32) -> Option<Self> {
        let (first, last) = (self.first.max(first), self.last.min(last));
        (first <= last).then_some(Self { first, last })
    }

    pub(crate) fn numbers(self) -> std::ops::RangeInclusive<u32> {
        self.first..=self.last
    }

    /// How many numbers it holds.
    pub(crate) fn len(self) -> u64 {
        u64::from(self.last) - u64::from(self.first) + 1
    }
}

/// A set of numbers: runs in ascending order with a gap between any two.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Runs(Vec<Run>);

impl Runs {
    /// All numbers of some runs, in any order and overlapping as they may.
    pub(crate) fn of(mut runs: Vec<Run>) -> Self {
        if !runs.is_sorted() {
            runs.sort_unstable();
        }
        runs.dedup_by(|next, kept| {
            let joined = kept.last.checked_add(1).is_none_or(|after| next.first <= after);
            if joined {
                kept.last = kept.last.max(next.last);
            }
            joined
        });
        Self(runs)
    }

    /// The numbers, which have to ascend.
    pub(crate) fn of_ascending(numbers: impl Iterator<Item = u32>) -> Self {
        Self::of(numbers.map(|number| Run::new(number, number)).collect())
    }

    pub(crate) fn run(first: u32, last: u32) -> Self {
        Self(vec![Run::new(first, last)])
    }

    pub(crate) fn as_slice(&self) -> &[Run] {
        &self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn numbers(&self) -> impl Iterator<Item = u32> {
        self.0.iter().flat_map(|run| run.numbers())
    }

    pub(crate) fn contains(&self, number: u32) -> bool {
        self.at_or_after(number).is_some_and(|run| run.first <= number)
    }

    pub(crate) fn union(&self, other: &Self) -> Self {
        Self::of([self.as_slice(), other.as_slice()].concat())
    }

    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let (mut one, mut two) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut found = Vec::new();
        while let (Some(left), Some(right)) = (one.peek(), two.peek()) {
            found.extend(left.cut(right.first, right.last));
            if left.last < right.last {
                one.next();
            } else {
                two.next();
            }
        }
        Self(found)
    }

    /// Whether the two have a number in common. Looks up each run of the one that has fewer.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let (few, many) = if self.0.len() <= other.0.len() { (self, other) } else { (other, self) };
        few.0.iter().any(|run| many.at_or_after(run.first).is_some_and(|next| next.first <= run.last))
    }

    /// Whether `other` has every number of this one.
    pub(crate) fn is_subset(&self, other: &Self) -> bool {
        let is_inside = |run: &Run| {
            other.at_or_after(run.first).is_some_and(|next| next.first <= run.first && run.last <= next.last)
        };
        self.0.iter().all(is_inside)
    }

    /// The first run that holds a number or begins after it.
    fn at_or_after(&self, number: u32) -> Option<&Run> {
        self.0.get(self.0.partition_point(|run| run.last < number))
    }

    pub(crate) fn difference(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        let mut holes = other.0.iter().peekable();
        for run in &self.0 {
            let mut rest = Some(*run);
            while holes.next_if(|hole| hole.last < run.first).is_some() {}
            while let (Some(part), Some(hole)) = (rest, holes.peek().filter(|hole| hole.first <= run.last)) {
                left.extend(hole.first.checked_sub(1).and_then(|before| part.cut(part.first, before)));
                rest = hole.last.checked_add(1).and_then(|after| part.cut(after, part.last));
                if rest.is_some() {
                    holes.next();
                } else {
                    break;
                }
            }
            left.extend(rest);
        }
        Self(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn runs() -> impl Strategy<Value = Vec<Run>> {
        let ends = prop_oneof![(0_u32..40, 0_u32..6), (u32::MAX - 40..=u32::MAX, 0_u32..6)];
        prop::collection::vec(ends.prop_map(|(first, more)| Run::new(first, first.saturating_add(more))), 0..8)
    }

    fn numbers(runs: &Runs) -> BTreeSet<u32> {
        runs.numbers().collect()
    }

    proptest! {
        #[test]
        fn sets_of_runs_are_sets_of_numbers(one in runs(), two in runs()) {
            let plain = |runs: &[Run]| runs.iter().flat_map(|run| run.numbers()).collect::<BTreeSet<u32>>();
            let (a, b) = (plain(&one), plain(&two));
            let (one, two) = (Runs::of(one), Runs::of(two));
            prop_assert_eq!(numbers(&one), a.clone());
            prop_assert_eq!(numbers(&one.union(&two)), &a | &b);
            prop_assert_eq!(numbers(&one.intersection(&two)), &a & &b);
            prop_assert_eq!(numbers(&one.difference(&two)), &a - &b);
            prop_assert_eq!((one.meets(&two), one.is_subset(&two)), (!a.is_disjoint(&b), a.is_subset(&b)));
            prop_assert!(one.intersection(&two).is_subset(&one) && one.is_subset(&one.union(&two)));
            prop_assert_eq!(one.meets(&two), !a.is_disjoint(&b));
            for number in (0..50).chain(u32::MAX - 45..=u32::MAX) {
                prop_assert_eq!(one.contains(number), a.contains(&number));
            }
            for made in [one.union(&two), one.intersection(&two), one.difference(&two)] {
                prop_assert!(made.as_slice().windows(2).all(|pair| u64::from(pair[0].last) + 1 < u64::from(pair[1].first)));
            }
        }
    }
}
