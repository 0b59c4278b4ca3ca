//! Members of a StatefulSet that cannot reach each other.

use crate::Direction;
use crate::lint::check::{Check, Level};
use crate::lint::facts::{At, Facts, Groups, Named};
use crate::lint::field::Field;
use crate::lint::finding::Findings;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const CHECK: Check = Check {
    code: "statefulset-peers",
    level: Level::Note,
    profile: None,
    why: "The members of a StatefulSet mostly talk to each other (replication, election), and these may not.",
    advice: "Add the workload itself as a peer, in ingress and, where that is isolated, in egress.",
    run,
};

fn run(facts: &Facts<'_>, found: &mut Findings<'_>) {
    let mut cut = BTreeMap::<usize, BTreeSet<String>>::new();
    for (name, members) in stateful(facts) {
        for direction in [Direction::Ingress, Direction::Egress] {
            if let Some(policy) = cutting(facts, direction, &members) {
                cut.entry(policy).or_default().insert(name.clone());
            }
        }
    }
    for (policy, names) in cut {
        let message = "keeps the members of a StatefulSet from each other";
        found.policy(policy, Field::Spec, message, names.into_iter().collect::<Named>());
    }
}

/// The StatefulSets of two pods and more.
fn stateful(facts: &Facts<'_>) -> BTreeMap<String, Groups> {
    let mut sets = BTreeMap::<String, (usize, Vec<u32>)>::new();
    for (number, group) in (0_u32..).zip(&facts.pods.groups).filter(|(_, group)| group.kind == "StatefulSet") {
        let (pods, numbers) = sets.entry(group.name()).or_default();
        *pods += group.pods;
        numbers.push(number);
    }
    let several = sets.into_iter().filter(|(_, (pods, _))| *pods > 1);
    several.map(|(name, (_, numbers))| (name, numbers.into_iter().collect())).collect()
}

/// The first policy that isolates the members, if no rule of any that does is for them.
fn cutting<'a>(facts: &Facts<'a>, direction: Direction, members: &Groups) -> Option<usize> {
    let isolating = facts.isolating(direction, members.first()?);
    let mut rules = isolating.iter().flat_map(|index| facts.rules_of(*index, direction));
    let admits = |at: At<'a>| {
        at.rule.peers.is_none()
            || at.blocks().next().is_some()
            || at.selectors().any(|peer| facts.peer(&peer).intersects(members))
    };
    if rules.any(admits) { None } else { isolating.first().copied() }
}
