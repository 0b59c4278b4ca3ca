//! Two policies of which one selects some of the other's pods.

use crate::lint::check::{Check, Level};
use crate::lint::facts::{Facts, Groups, Named};
use crate::lint::field::Field;
use crate::lint::finding::Findings;
use crate::{Direction, NetworkPolicy};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

pub(super) const CHECK: Check = Check {
    code: "subset-of-policy",
    level: Level::Note,
    profile: None,
    why: "Policies add up: pods that two policies select may use the rules of both, also where one was meant to be stricter.",
    advice: "Read both together; a stricter policy for some pods needs a selector of the wider one that leaves them out.",
    run,
};

fn run(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for direction in [Direction::Ingress, Direction::Egress] {
        let by_set = by_set(facts, direction);
        let counting: BTreeSet<usize> = by_set.values().flatten().copied().collect();
        for (set, members) in &by_set {
            let Some(wider) = wider(facts, direction, set, &counting) else { continue };
            for index in members {
                let message = match direction {
                    Direction::Ingress => {
                        "its pods are also selected by a wider policy whose ingress rules add to these"
                    }
                    Direction::Egress => "its pods are also selected by a wider policy whose egress rules add to these",
                };
                found.policy(*index, Field::PodSelector, message, wider.clone());
            }
        }
    }
}

/// The policies with rules that isolate in a direction, by what they select: many select the same.
fn by_set(facts: &Facts<'_>, direction: Direction) -> BTreeMap<Rc<Groups>, Vec<usize>> {
    let mut sets = BTreeMap::<Rc<Groups>, Vec<usize>>::new();
    for (index, policy) in facts.policies().filter(|(_, policy)| opens(policy, direction)) {
        if !policy.pod_selector.requirements.is_empty() && !facts.selected(index).is_empty() {
            sets.entry(facts.selected(index)).or_default().push(index);
        }
    }
    sets
}

fn opens(policy: &NetworkPolicy, direction: Direction) -> bool {
    policy.rules(direction).is_some_and(|rules| !rules.is_empty())
}

/// The policies that select all of a set and more.
fn wider(facts: &Facts<'_>, direction: Direction, set: &Rc<Groups>, counting: &BTreeSet<usize>) -> Option<Named> {
    // Every one of them selects the first pod of the set.
    let isolating = facts.isolating(direction, set.first()?).iter();
    let policies = facts.input.policies.policies();
    let is_wider = |index: &&usize| {
        let other = facts.selected(**index);
        counting.contains(*index) && other != *set && set.is_subset(&other)
    };
    let names = isolating.filter(is_wider).filter_map(|index| policies.get(*index)).map(|policy| policy.name.clone());
    let named: Named = names.collect();
    (!named.shown.is_empty()).then_some(named)
}
