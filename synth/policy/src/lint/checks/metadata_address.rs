//! The cloud's metadata service inside a wider block.

use crate::lint::check::{Check, Level};
use crate::lint::facts::{Facts, Named, may_use};
use crate::lint::field::Part;
use crate::lint::finding::Findings;
use crate::{Direction, IpBlock, Protocol};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(super) const CHECK: Check = Check {
    code: "metadata-address",
    level: Level::Warning,
    profile: None,
    why: "169.254.169.254 hands the node's cloud credentials to whoever asks, and a wide egress block holds it unseen.",
    advice: "Put 169.254.169.254/32 (and fd00:ec2::254/128) into except; a pod that needs it gets a block of its own.",
    run,
};

/// Where AWS, Azure and Google Cloud serve instance metadata, over HTTP; the second is AWS's for IPv6
/// (Amazon EC2 User Guide, "Access instance metadata").
const METADATA: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)), IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254))];
const HTTP: u16 = 80;

fn run(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for at in facts.rules().filter(|at| at.direction == Direction::Egress && may_use(at.rule, Protocol::Tcp, HTTP)) {
        for (place, block) in at.blocks() {
            let held = METADATA.iter().filter(|address| swallows(block, **address)).map(ToString::to_string);
            let held: Named = held.collect();
            if !held.shown.is_empty() {
                let message = format!("{} holds the address of the cloud's metadata service", block.cidr);
                found.policy(at.index, at.part(Part::IpBlock(place)), message, held);
            }
        }
    }
}

/// A block of nothing else is meant.
fn swallows(block: &IpBlock, address: IpAddr) -> bool {
    block.cidr.prefix_len() < block.cidr.max_prefix_len()
        && block.cidr.contains(&address)
        && !block.except.iter().any(|except| except.contains(&address))
}
