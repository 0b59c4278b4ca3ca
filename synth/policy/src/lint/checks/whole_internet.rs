//! An ipBlock of all addresses.

use crate::lint::check::{Check, Level};
use crate::lint::facts::{Facts, Named};
use crate::lint::field::Part;
use crate::lint::finding::Findings;
use crate::{Direction, IpBlock};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{Ipv4Addr, Ipv6Addr};

pub(super) const CHECK: Check = Check {
    code: "whole-internet",
    level: Level::Warning,
    profile: None,
    why: "0.0.0.0/0 and ::/0 are every address there is: pods, nodes and private networks besides the internet.",
    advice: "Write down the blocks that are meant, or put the cluster's and the private ranges into except.",
    run,
};

/// What the internet does not route to (RFC 1918, RFC 4193): where pods and nodes mostly are.
const PRIVATE: [IpNet; 4] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8)),
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12)),
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7)),
];

fn run(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for at in facts.rules() {
        for (place, block) in at.blocks().filter(|(_, block)| block.cidr.prefix_len() == 0 && !is_outside(facts, block))
        {
            let who = match at.direction {
                Direction::Ingress => "lets in",
                Direction::Egress => "lets out to",
            };
            let but = if block.except.is_empty() { "" } else { " but the exceptions" };
            let message = format!("{who} every address of {}{but}", block.cidr);
            found.policy(at.index, at.part(Part::IpBlock(place)), message, Named::none());
        }
    }
}

/// Whether the exceptions leave nothing but the internet: no private network, and no pod or node that is known.
fn is_outside(facts: &Facts<'_>, block: &IpBlock) -> bool {
    let except = IpNet::aggregate(&block.except);
    let mut private = PRIVATE.iter().filter(|private| block.cidr.contains(*private));
    private.all(|private| except.iter().any(|except| except.contains(private)))
        && facts.addresses().count(block) + facts.node_addresses().count(block) == 0
}
