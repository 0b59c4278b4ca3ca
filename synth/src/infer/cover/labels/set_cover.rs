//! The fewest of given sets that together hold everything: greedily, then exactly where that takes few steps.

use fixedbitset::FixedBitSet;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// How many look-ups the exact search makes before it is content with what it has.
const MOST_LOOK_UPS: usize = 2_000_000;
/// With more sets than this the search would not end within its look-ups.
const MOST_SETS: usize = 512;

/// Numbers of the sets chosen to cover the union of all `sets`, ascending. Of sets that do equally well the first is
/// taken. Greedy with deletion of what became superfluous: O(s log s) look-ups for s sets in practice; then branch and
/// bound, within a fixed number of steps.
pub(super) fn fewest(sets: &[FixedBitSet]) -> Vec<usize> {
    let mut chosen = without_superfluous(sets, greedy(sets));
    let useful = undominated(sets);
    if chosen.len() > 1 && useful.len() <= MOST_SETS {
        let (mut forced, left) = forced(sets, &useful);
        let mut search = Search { sets, useful, best: chosen, look_ups: 0 };
        search.run(&left, &mut forced);
        chosen = search.best;
    }
    chosen.sort_unstable();
    chosen
}

fn union(sets: &[FixedBitSet]) -> FixedBitSet {
    let mut all = FixedBitSet::new();
    for set in sets {
        all.union_with(set);
    }
    all
}

/// Takes what covers most of the rest until there is no rest. What a set adds can only shrink, so only the set that
/// seems best is counted anew.
fn greedy(sets: &[FixedBitSet]) -> Vec<usize> {
    let mut left = union(sets);
    let mut queue: BinaryHeap<(usize, Reverse<usize>)> =
        sets.iter().enumerate().map(|(number, set)| (set.count_ones(..), Reverse(number))).collect();
    let mut chosen = Vec::new();
    while let Some((expected, Reverse(number))) = queue.pop() {
        let Some(set) = sets.get(number) else { continue };
        let gain = set.intersection_count(&left);
        if gain == expected && gain > 0 {
            left.difference_with(set);
            chosen.push(number);
        } else if gain > 0 {
            queue.push((gain, Reverse(number)));
        }
    }
    chosen
}

/// `chosen` without those all of whose elements others hold as well, the smallest dropped first.
fn without_superfluous(sets: &[FixedBitSet], mut chosen: Vec<usize>) -> Vec<usize> {
    let elements = |number: usize| sets.get(number).into_iter().flat_map(FixedBitSet::ones);
    let mut holders = vec![0usize; sets.iter().map(FixedBitSet::len).max().unwrap_or(0)];
    let mut count = |element: usize, change: isize| {
        let holders = holders.get_mut(element)?;
        *holders = holders.saturating_add_signed(change);
        Some(*holders)
    };
    chosen.iter().flat_map(|number| elements(*number)).for_each(|element| _ = count(element, 1));
    let mut order: Vec<usize> = chosen.clone();
    order.sort_by_key(|number| (elements(*number).count(), Reverse(*number)));
    for candidate in order {
        if elements(candidate).all(|element| count(element, 0) > Some(1)) {
            elements(candidate).for_each(|element| _ = count(element, -1));
            chosen.retain(|number| *number != candidate);
        }
    }
    chosen
}

/// The sets that no other holds all of (of equal ones the first); all of them where there are too many to compare.
fn undominated(sets: &[FixedBitSet]) -> Vec<usize> {
    let all: Vec<usize> = (0..sets.len()).collect();
    if sets.len() > MOST_SETS.saturating_mul(8) {
        return all;
    }
    let dominates = |other: usize, number: usize| match (sets.get(other), sets.get(number)) {
        (Some(larger), Some(set)) => other != number && set.is_subset(larger) && (set != larger || other < number),
        _ => false,
    };
    all.iter().copied().filter(|number| !all.iter().any(|other| dominates(*other, *number))).collect()
}

/// Those of `useful` that alone hold some element, and what they leave to the others.
fn forced(sets: &[FixedBitSet], useful: &[usize]) -> (Vec<usize>, FixedBitSet) {
    let (mut once, mut twice) = (FixedBitSet::new(), FixedBitSet::new());
    for set in useful.iter().filter_map(|number| sets.get(*number)) {
        let again: FixedBitSet = once.intersection(set).collect();
        twice.union_with(&again);
        once.union_with(set);
    }
    let mut left = once.clone();
    once.difference_with(&twice);
    let is_forced = |number: &&usize| sets.get(**number).is_some_and(|set| !set.is_disjoint(&once));
    let forced: Vec<usize> = useful.iter().filter(is_forced).copied().collect();
    forced.iter().filter_map(|number| sets.get(*number)).for_each(|set| left.difference_with(set));
    (forced, left)
}

/// Branch and bound over which set holds the element that the fewest sets hold.
struct Search<'s> {
    sets: &'s [FixedBitSet],
    useful: Vec<usize>,
    best: Vec<usize>,
    look_ups: usize,
}

impl Search<'_> {
    /// Looks for fewer sets than `best`, with `chosen` among them, that hold what is `left` as well.
    fn run(&mut self, left: &FixedBitSet, chosen: &mut Vec<usize>) {
        if chosen.len().saturating_add(self.at_least(left)) >= self.best.len() {
            return;
        }
        if left.is_clear() {
            self.best.clone_from(chosen);
            return;
        }
        self.look_ups =
            self.look_ups.saturating_add(left.count_ones(..).saturating_mul(self.useful.len()).saturating_mul(2));
        if self.look_ups > MOST_LOOK_UPS {
            return;
        }
        for (number, rest) in self.branches_of(left) {
            chosen.push(number);
            self.run(&rest, chosen);
            chosen.pop();
        }
    }

    /// The ways to cover the element that is hardest to cover, with what each leaves; the least left first.
    fn branches_of(&self, left: &FixedBitSet) -> Vec<(usize, FixedBitSet)> {
        let holders = |element: usize| self.useful.iter().filter(move |number| self.holds(**number, element));
        let Some(hardest) = left.ones().min_by_key(|element| holders(*element).count()) else { return Vec::new() };
        let mut branches: Vec<(usize, FixedBitSet)> = holders(hardest)
            .filter_map(|number| {
                let mut rest = left.clone();
                rest.difference_with(self.sets.get(*number)?);
                Some((*number, rest))
            })
            .collect();
        branches.sort_by_key(|(number, rest)| (rest.count_ones(..), *number));
        branches
    }

    fn holds(&self, number: usize, element: usize) -> bool {
        self.sets.get(number).is_some_and(|set| set.contains(element))
    }

    /// No fewer sets than this cover `left`.
    fn at_least(&self, left: &FixedBitSet) -> usize {
        if left.is_clear() {
            return 0;
        }
        let gains = self.useful.iter().filter_map(|number| self.sets.get(*number));
        let most = gains.map(|set| set.intersection_count(left)).max().unwrap_or(0);
        left.count_ones(..).div_ceil(most.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(elements: &[usize]) -> FixedBitSet {
        let mut set = FixedBitSet::with_capacity(12);
        set.extend(elements.iter().copied());
        set
    }

    /// By looking at every choice.
    fn brute_force(sets: &[FixedBitSet]) -> usize {
        let all = union(sets);
        (0u32..1 << sets.len())
            .filter(|choice| {
                let chosen: Vec<FixedBitSet> =
                    (0..sets.len()).filter(|bit| choice & (1 << bit) != 0).map(|bit| sets[bit].clone()).collect();
                all.is_subset(&union(&chosen))
            })
            .map(|choice| choice.count_ones() as usize)
            .min()
            .unwrap()
    }

    #[test]
    fn greed_alone_would_take_three() {
        let sets = [set(&[0, 1, 2, 3]), set(&[0, 1, 4]), set(&[2, 3, 5])];
        assert_eq!(greedy(&sets).len(), 3);
        assert_eq!(fewest(&sets), [1, 2]);
    }

    #[test]
    fn nothing_is_covered_by_nothing() {
        assert_eq!(fewest(&[]), Vec::<usize>::new());
        assert_eq!(fewest(&[set(&[])]), Vec::<usize>::new());
    }

    proptest! {
        #[test]
        fn no_choice_is_smaller(sets in prop::collection::vec(prop::collection::vec(0usize..12, 0..6), 0..11)) {
            let sets: Vec<FixedBitSet> = sets.iter().map(|elements| set(elements)).collect();
            let chosen = fewest(&sets);
            let covered: Vec<FixedBitSet> = chosen.iter().map(|number| sets[*number].clone()).collect();
            prop_assert!(union(&sets).is_subset(&union(&covered)));
            prop_assert_eq!(chosen.len(), brute_force(&sets));
        }
    }
}
