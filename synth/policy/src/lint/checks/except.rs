//! Exceptions of ipBlocks that do not do what they say. Three checks: together they are the whole block; one is part of
//! another; another block of the policy admits what was excepted.

use crate::lint::check::{Check, Level};
use crate::lint::facts::{At, Facts, Named};
use crate::lint::field::Part;
use crate::lint::finding::Findings;
use crate::{Direction, IpBlock, PortSet};
use ipnet::IpNet;

pub(super) const EVERYTHING: Check = Check {
    code: "except-everything",
    level: Level::Error,
    profile: None,
    why: "Exceptions that together are the whole block leave nothing of it, and the peer admits nobody.",
    advice: "Remove the peer, or the exceptions that are too wide.",
    run: everything,
};

pub(super) const REPEATED: Check = Check {
    code: "except-repeated",
    level: Level::Note,
    profile: None,
    why: "An exception inside another changes nothing, and misleads when the other is removed.",
    advice: "Remove it.",
    run: repeated,
};

pub(super) const READMITTED: Check = Check {
    code: "except-readmitted",
    level: Level::Warning,
    profile: None,
    why: "Peers and rules add up: an exception takes addresses out of its own block only, and another block of the policy admits them again.",
    advice: "Repeat the exception in the other block, or narrow that.",
    run: readmitted,
};

fn everything(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for at in facts.rules() {
        for (place, block) in at.blocks().filter(|(_, block)| !block.except.is_empty() && is_covered(block)) {
            let message = format!("nothing is left of {} after its exceptions", block.cidr);
            found.policy(at.index, at.part(Part::IpBlock(place)), message, Named::none());
        }
    }
}

/// Whether the exceptions, joined where they are neighbours, are the block.
fn is_covered(block: &IpBlock) -> bool {
    IpNet::aggregate(&block.except).iter().any(|except| except.contains(&block.cidr))
}

fn repeated(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for at in facts.rules() {
        for (place, block) in at.blocks() {
            for (number, except) in block.except.iter().enumerate() {
                let wider = |(other, wide): &(usize, &IpNet)| {
                    *other != number && wide.contains(except) && (*wide != except || *other < number)
                };
                if let Some((_, wide)) = block.except.iter().enumerate().find(wider) {
                    let message = format!("{except} is already excepted");
                    found.policy(at.index, at.part(Part::Except(place, number)), message, Named::one(wide));
                }
            }
        }
    }
}

fn readmitted(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for (index, _) in facts.policies() {
        for direction in [Direction::Ingress, Direction::Egress] {
            let rules: Vec<At<'_>> = facts.rules_of(index, direction).collect();
            rules.iter().for_each(|at| readmitted_by(&rules, at, found));
        }
    }
}

/// Reports the exceptions of one rule that some rule of the same policy admits.
fn readmitted_by(rules: &[At<'_>], at: &At<'_>, found: &mut Findings<'_>) {
    for (place, block) in at.blocks() {
        for (number, except) in block.except.iter().enumerate() {
            let blocks = rules.iter().map(|other| (other, admitting(other, except)));
            let by = blocks.filter(|(other, blocks)| !blocks.is_empty() && shares_port(at, other));
            let by: Named = by.flat_map(|(_, blocks)| blocks).collect();
            if !by.shown.is_empty() {
                let who = if at.direction == Direction::Egress { "reached" } else { "let in" };
                let message = format!("{except} is {who} all the same, by");
                found.policy(at.index, at.part(Part::Except(place, number)), message, by);
            }
        }
    }
}

/// The blocks of a rule that hold all of an exception.
fn admitting(at: &At<'_>, except: &IpNet) -> Vec<String> {
    let holds = |block: &&IpBlock| {
        let leaves_out = |other: &IpNet| other.contains(except) || except.contains(other);
        // One address in a block of its own is there on purpose.
        let is_meant = block.cidr == *except && except.prefix_len() == except.max_prefix_len();
        block.cidr.contains(except) && !is_meant && !block.except.iter().any(leaves_out)
    };
    at.blocks().filter(|(_, block)| holds(block)).map(|(place, _)| at.part(Part::IpBlock(place)).to_string()).collect()
}

fn shares_port(at: &At<'_>, other: &At<'_>) -> bool {
    let ports = |at: &At<'_>| -> PortSet { crate::lint::facts::ports_for(at.rule, &[]) };
    at.number == other.number || !ports(at).intersection(&ports(other)).is_empty()
}
