//! The whole internet, in one family of addresses.

use crate::lint::check::{Check, Level};
use crate::lint::facts::{At, Facts, Named};
use crate::lint::field::Part;
use crate::lint::finding::Findings;

pub(super) const CHECK: Check = Check {
    code: "one-family",
    level: Level::Note,
    profile: None,
    why: "0.0.0.0/0 never matches an IPv6 address, and these pods have some: connections over IPv6 are denied.",
    advice: "Add ::/0 beside it, or write down that only IPv4 is meant.",
    run,
};

fn run(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for at in facts.rules() {
        let whole = |ipv4: bool| move |at: &At<'_>| whole_family(at, ipv4);
        let (Some(place), None) = (whole(true)(&at), whole(false)(&at)) else { continue };
        let selected = facts.selected(at.index);
        let names: Named = facts.pods.members(&selected).filter(|group| group.ipv6).map(|group| group.name()).collect();
        if !names.shown.is_empty() {
            let message = "is for IPv4 alone, and these pods have IPv6 addresses too";
            found.policy(at.index, at.part(Part::IpBlock(place)), message, names);
        }
    }
}

/// The place of the block of all addresses of a family.
fn whole_family(at: &At<'_>, ipv4: bool) -> Option<usize> {
    let mut blocks = at.blocks();
    let is_whole = |block: &crate::IpBlock| block.cidr.prefix_len() == 0 && block.cidr.network().is_ipv4() == ipv4;
    blocks.find(|(_, block)| is_whole(block)).map(|(place, _)| place)
}
