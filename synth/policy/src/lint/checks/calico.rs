//! What is different under Calico. Sources: [`Profile::differences`].

use crate::Direction;
use crate::lint::check::{Check, Level};
use crate::lint::facts::{Facts, Groups};
use crate::lint::finding::Findings;
use crate::lint::profile::Profile;

pub(super) const OWN_NODE: Check = Check {
    code: "calico-own-node",
    level: Level::Note,
    profile: Some(Profile::Calico),
    why: "Calico holds egress policies against a pod's own node too: kubelet, node ports and host-network pods there need a rule.",
    advice: "Whoever talks to kubelets or host-network pods needs an ipBlock of every node; the others need nothing.",
    run,
};

fn run(facts: &Facts<'_>, found: &mut Findings<'_>) {
    let reaches = reaching_nodes(facts);
    for (namespace, groups) in facts.pods.namespaces() {
        let is_cut = |group: &usize| {
            let isolating = facts.isolating(Direction::Egress, *group);
            !isolating.is_empty() && !isolating.iter().any(|index| reaches.get(*index) == Some(&true))
        };
        let cut: Groups = groups.iter().filter(is_cut).filter_map(|group| u32::try_from(group).ok()).collect();
        if !cut.is_empty() {
            let message = "these workloads may not reach any node, their own included";
            found.namespace(namespace, message, facts.workloads(&cut));
        }
    }
}

/// Whether each policy has an egress rule that some node matches.
fn reaching_nodes(facts: &Facts<'_>) -> Vec<bool> {
    let mut reaches = vec![false; facts.input.policies.policies().len()];
    for at in facts.rules().filter(|at| at.direction == Direction::Egress) {
        let to_node = at.blocks().any(|(_, block)| facts.node_addresses().within(block).next().is_some());
        if let Some(reaches) = reaches.get_mut(at.index) {
            *reaches |= at.rule.peers.is_none() || to_node;
        }
    }
    reaches
}
