//! Workloads that every pod may talk to, or that may talk to everybody.

use crate::Direction;
use crate::lint::check::{Check, Level};
use crate::lint::facts::{Facts, Groups, Named};
use crate::lint::finding::Findings;

pub(super) const CHECK: Check = Check {
    code: "not-isolated",
    level: Level::Note,
    profile: None,
    why: "A pod that no policy selects for a direction is open in that direction to everybody.",
    advice: "Add a policy for it, or a default-deny for its namespace.",
    run,
};

fn run(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for (namespace, groups) in facts.pods.namespaces() {
        let is_open = |direction, group: &usize| facts.isolating(direction, *group).is_empty();
        let open = |direction| -> Vec<usize> { groups.iter().filter(|group| is_open(direction, group)).collect() };
        let (ingress, egress) = (open(Direction::Ingress), open(Direction::Egress));
        if ingress == egress {
            report(facts, found, namespace, "no policy isolates these workloads", &ingress);
        } else {
            report(facts, found, namespace, "no policy isolates these workloads for ingress", &ingress);
            report(facts, found, namespace, "no policy isolates these workloads for egress", &egress);
        }
    }
}

fn report(facts: &Facts<'_>, found: &mut Findings<'_>, namespace: &str, message: &str, open: &[usize]) {
    if !open.is_empty() {
        let groups: Groups = open.iter().filter_map(|group| u32::try_from(*group).ok()).collect();
        let names: Named = facts.workloads(&groups);
        found.namespace(namespace, message, names);
    }
}
