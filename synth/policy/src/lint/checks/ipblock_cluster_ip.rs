//! An ipBlock for the address of a Service.

use crate::lint::check::{Check, Level};
use crate::lint::facts::{Facts, Named};
use crate::lint::field::Part;
use crate::lint::finding::Findings;
use crate::{Direction, IpBlock};

pub(super) const CHECK: Check = Check {
    code: "ipblock-cluster-ip",
    level: Level::Warning,
    profile: None,
    why: "A ClusterIP is translated to a pod's address before policies are asked, so an ipBlock of it matches nothing.",
    advice: "Select the pods behind the Service, on their target port; for the API server allow the addresses of its endpoints.",
    run,
};

/// Wider blocks are for some network that happens to hold the Services' range: the usual one is a /12.
const WIDEST_IPV4: u8 = 12;
/// The widest range of ClusterIPs the API server takes for IPv6 is a /108; sites carve them out of a /48 or longer.
const WIDEST_IPV6: u8 = 48;

fn run(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for at in facts.rules() {
        for (place, block) in at.blocks().filter(|(_, block)| is_narrow(block) && is_only_services(facts, block)) {
            let held = facts.cluster_ips().within(block);
            let counts = held.filter(|(_, service)| !(at.direction == Direction::Egress && is_dns(facts, *service)));
            let names: Named =
                counts.map(|(ip, service)| format!("{ip} of {}", facts.service_name(*service))).collect();
            if !names.shown.is_empty() {
                found.policy(at.index, at.part(Part::IpBlock(place)), "is for ClusterIPs, which match nowhere", names);
            }
        }
    }
}

fn is_narrow(block: &IpBlock) -> bool {
    block.cidr.prefix_len() >= if block.cidr.network().is_ipv4() { WIDEST_IPV4 } else { WIDEST_IPV6 }
}

fn is_only_services(facts: &Facts<'_>, block: &IpBlock) -> bool {
    facts.addresses().within(block).next().is_none() && facts.node_addresses().within(block).next().is_none()
}

/// A node-local DNS cache answers on the ClusterIP of the DNS Service itself: there such a block does match.
fn is_dns(facts: &Facts<'_>, service: usize) -> bool {
    let serves = |port: &crate::lint::input::ServicePort| port.port == 53;
    facts.input.services.get(service).is_some_and(|service| service.ports.iter().any(serves))
}
