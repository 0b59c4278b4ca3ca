//! An ipBlock of all addresses.

use crate::Direction;
use crate::lint::check::{Check, Level};
use crate::lint::facts::{Facts, Named};
use crate::lint::field::Part;
use crate::lint::finding::Findings;

pub(super) const CHECK: Check = Check {
    code: "whole-internet",
    level: Level::Warning,
    profile: None,
    why: "0.0.0.0/0 and ::/0 are every address there is: pods, nodes and private networks besides the internet.",
    advice: "Write down the blocks that are meant, or put the cluster's and the private ranges into except.",
    run,
};

fn run(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for at in facts.rules() {
        for (place, block) in at.blocks().filter(|(_, block)| block.cidr.prefix_len() == 0) {
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
