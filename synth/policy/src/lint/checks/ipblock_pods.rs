//! An ipBlock for pods.

use crate::IpBlock;
use crate::lint::check::{Check, Level};
use crate::lint::facts::{Facts, Named};
use crate::lint::field::Part;
use crate::lint::finding::Findings;
use crate::lint::profile::Profile;

pub(super) const CHECK: Check = Check {
    code: "ipblock-pods",
    level: Level::Warning,
    profile: None,
    why: "Addresses of pods change and are reused, and enforcers differ on whether an ipBlock matches pods at all.",
    advice: "Select pods by their labels; where a block is for outside addresses, put the pods' range into except.",
    run,
};

fn run(facts: &Facts<'_>, found: &mut Findings<'_>) {
    // Under that profile a check of its own says more.
    if facts.input.profile == Profile::Cilium {
        return;
    }
    for at in facts.rules() {
        for (place, block) in at.blocks().filter(|(_, block)| block.cidr.prefix_len() > 0) {
            let names = holds(facts, block);
            if !names.shown.is_empty() {
                found.policy(at.index, at.part(Part::IpBlock(place)), "holds addresses of pods", names);
            }
        }
    }
}

/// The pods in a block by their workloads, else the ranges of pods that overlap with it.
fn holds(facts: &Facts<'_>, block: &IpBlock) -> Named {
    let held = facts.addresses().within(block).map(|(address, pod)| format!("{address} of {}", facts.pod_name(*pod)));
    let pods = Named::first_of(held, facts.addresses().count(block));
    if !pods.shown.is_empty() {
        return pods;
    }
    let ranges = facts.input.nodes.iter().flat_map(|node| &node.pod_cidrs);
    let excepted = |range: &ipnet::IpNet| block.except.iter().any(|except| except.contains(range));
    let overlap = |range: &ipnet::IpNet| block.cidr.contains(range) || range.contains(&block.cidr);
    let mut ranges: Vec<String> =
        ranges.filter(|range| overlap(range) && !excepted(range)).map(|range| format!("{range} (podCIDR)")).collect();
    ranges.sort();
    ranges.into_iter().collect()
}
