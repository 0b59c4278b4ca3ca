//! Egress to some nodes and not to all.

use crate::lint::check::{Check, Level};
use crate::lint::facts::{At, Facts, Named};
use crate::lint::field::Part;
use crate::lint::finding::Findings;
use crate::{Direction, PortRange, Ports, Protocol};
use std::collections::BTreeSet;

pub(super) const CHECK: Check = Check {
    code: "some-nodes",
    level: Level::Warning,
    profile: None,
    why: "Who talks to kubelets or host-network pods needs every node, and a pod's own node among them: nodes come and go.",
    advice: "Allow the block that all nodes come from, or each node's address; leave it if those few were meant.",
    run,
};

/// Where API servers listen: control planes of clusters with many nodes run on three of them or five.
const API_SERVER: [u16; 4] = [443, 6443, 8443, 16443];

fn run(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for at in facts.rules().filter(|at| at.direction == Direction::Egress && !is_for_api_servers(at)) {
        // Of a block with every node, which is most often the whole internet, nothing needs to be listed.
        if at.blocks().any(|(_, block)| facts.node_addresses().count(block) >= facts.node_addresses().len()) {
            continue;
        }
        let reached = nodes(facts, &at);
        // One node is most likely a control plane's address, written down on purpose.
        if reached.len() < 2 || reached.len() >= facts.input.nodes.len() {
            continue;
        }
        let missing = facts.input.nodes.iter().enumerate().filter(|(index, _)| !reached.contains(index));
        let mut names: Vec<String> = missing.map(|(_, node)| node.name.clone()).collect();
        names.sort();
        let message = format!("allows {} of {} nodes and leaves out", reached.len(), facts.input.nodes.len());
        found.policy(at.index, at.part(Part::Peers), message, names.into_iter().collect::<Named>());
    }
}

fn is_for_api_servers(at: &At<'_>) -> bool {
    let is_theirs = |range: &PortRange| {
        range.protocol == Protocol::Tcp
            && API_SERVER.iter().any(|port| range.ports == Ports::Numbers { first: *port, last: *port })
    };
    at.rule.ports.as_ref().is_some_and(|ports| ports.iter().all(is_theirs))
}

fn nodes(facts: &Facts<'_>, at: &At<'_>) -> BTreeSet<usize> {
    at.blocks().flat_map(|(_, block)| facts.node_addresses().within(block)).map(|(_, node)| *node).collect()
}
