//! Ingress from the addresses of nodes.

use crate::Direction;
use crate::lint::check::{Check, Level};
use crate::lint::facts::{Facts, Named};
use crate::lint::field::Part;
use crate::lint::finding::Findings;

pub(super) const CHECK: Check = Check {
    code: "node-ingress",
    level: Level::Note,
    profile: None,
    why: "A node always reaches its own pods, so kubelet probes need no rule, and this one opens the pods to every process on other nodes.",
    advice: "Keep it only for the API server's webhooks, or for NodePort and LoadBalancer Services that hide the client's address.",
    run,
};

fn run(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for at in facts.rules().filter(|at| at.direction == Direction::Ingress) {
        for (place, block) in at.blocks().filter(|(_, block)| block.cidr.prefix_len() == block.cidr.max_prefix_len()) {
            let held = facts.node_addresses().within(block).map(|(_, node)| *node);
            let names: Named =
                held.filter_map(|node| facts.input.nodes.get(node)).map(|node| node.name.clone()).collect();
            if !names.shown.is_empty() {
                found.policy(at.index, at.part(Part::IpBlock(place)), "lets in a node", names);
            }
        }
    }
}
