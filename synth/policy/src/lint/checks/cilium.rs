//! What is different under Cilium. Sources: [`Profile::differences`].

use crate::lint::check::{Check, Level};
use crate::lint::facts::{Facts, Named};
use crate::lint::field::Part;
use crate::lint::finding::Findings;
use crate::lint::profile::Profile;
use crate::{IpBlock, Protocol};

pub(super) const IPBLOCK: Check = Check {
    code: "cilium-ipblock",
    level: Level::Warning,
    profile: Some(Profile::Cilium),
    why: "Under Cilium an ipBlock never matches a pod, and a node only with policyCIDRMatchMode nodes, however wide it is.",
    advice: "Select pods by their labels; for nodes and the API server use toEntities of a CiliumNetworkPolicy.",
    run: ipblock,
};

pub(super) const SCTP: Check = Check {
    code: "cilium-sctp",
    level: Level::Note,
    profile: Some(Profile::Cilium),
    why: "Cilium handles SCTP only where sctp.enabled is set, and calls it beta.",
    advice: "See that it is set.",
    run: sctp,
};

fn ipblock(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for at in facts.rules() {
        for (place, block) in at.blocks() {
            let names = holds(facts, block);
            if !names.shown.is_empty() {
                let message = "holds addresses of pods or nodes, which Cilium does not match by it";
                found.policy(at.index, at.part(Part::IpBlock(place)), message, names);
            }
        }
    }
}

fn holds(facts: &Facts<'_>, block: &IpBlock) -> Named {
    let node =
        |node: &usize| facts.input.nodes.get(*node).map(|node| format!("node {}", node.name)).unwrap_or_default();
    let nodes = facts.node_addresses().within(block).map(|(address, owner)| format!("{address} of {}", node(owner)));
    let pods = facts.addresses().within(block);
    let pods = pods.map(|(address, pod)| format!("{address} of {}", facts.pod_name(*pod)));
    Named::first_of(nodes.chain(pods), facts.node_addresses().count(block) + facts.addresses().count(block))
}

fn sctp(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for at in facts.rules() {
        for (place, _) in
            at.rule.ports.iter().flatten().enumerate().filter(|(_, range)| range.protocol == Protocol::Sctp)
        {
            found.policy(
                at.index,
                at.part(Part::Port(place)),
                "is for SCTP, which is off unless enabled",
                Named::none(),
            );
        }
    }
}
