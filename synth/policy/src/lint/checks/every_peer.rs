//! A rule without `from` or `to`. Two checks: for every peer on some ports, and for every peer on every port.

use crate::Direction;
use crate::lint::check::{Check, Level};
use crate::lint::facts::{At, Facts, Named, all_ports};
use crate::lint::field::Part;
use crate::lint::finding::Findings;

pub(super) const EVERYTHING: Check = Check {
    code: "allows-everything",
    level: Level::Warning,
    profile: None,
    why: "A rule without peers and ports admits everybody on every port, as if the pods were not isolated at all.",
    advice: "Write down who and which ports, or remove the direction from policyTypes if it is meant to be open.",
    run: |facts, found| run(facts, found, true),
};

pub(super) const EVERY_PEER: Check = Check {
    code: "every-peer",
    level: Level::Warning,
    profile: None,
    why: "An empty or absent list of peers means everybody, inside the cluster and outside, cloud metadata included, and not nobody.",
    advice: "Write down the peers; for the internet write 0.0.0.0/0 and ::/0 with the exceptions it needs.",
    run: |facts, found| run(facts, found, false),
};

fn run(facts: &Facts<'_>, found: &mut Findings<'_>, everything: bool) {
    for at in facts.rules().filter(|at| at.rule.peers.is_none() && all_ports(at.rule) == everything) {
        let (field, message) = if everything { (at.whole(), whole(&at)) } else { (at.part(Part::Peers), some(&at)) };
        found.policy(at.index, field, message, Named::none());
    }
}

fn whole(at: &At<'_>) -> &'static str {
    match at.direction {
        Direction::Ingress => "lets in everybody on every port",
        Direction::Egress => "lets out to everywhere on every port",
    }
}

fn some(at: &At<'_>) -> &'static str {
    match at.direction {
        Direction::Ingress => "is empty: everybody may connect to these ports",
        Direction::Egress => "is empty: these ports may be connected to everywhere",
    }
}
