//! A policy for host-network pods, which no policy reaches.

use crate::lint::check::{Check, Level};
use crate::lint::facts::{Facts, Group};
use crate::lint::field::Field;
use crate::lint::finding::Findings;

pub(super) const CHECK: Check = Check {
    code: "host-network-only",
    level: Level::Error,
    profile: None,
    why: "Host-network pods are their node to every enforcer, so a policy that selects only such pods does nothing.",
    advice: "Guard the node instead (its firewall, or the enforcer's own host policies), or leave the policy out.",
    run,
};

fn run(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for (index, policy) in facts.policies().filter(|(index, _)| facts.selected(*index).is_empty()) {
        // A default for the whole namespace is meant for pods to come.
        if policy.pod_selector.requirements.is_empty() {
            continue;
        }
        let hosts = facts.selected_hosts(index);
        if !hosts.is_empty() {
            let names = facts.hosts.members(&hosts).map(Group::name).collect();
            found.policy(
                index,
                Field::PodSelector,
                "selects only host-network pods, to which no policy applies",
                names,
            );
        }
    }
}
