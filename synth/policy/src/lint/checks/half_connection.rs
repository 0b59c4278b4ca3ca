//! A rule at one end of a connection that the other end denies.

use crate::Direction;
use crate::lint::check::{Check, Level};
use crate::lint::facts::{At, Facts, Groups, ports_for};
use crate::lint::field::Part;
use crate::lint::finding::Findings;

pub(super) const CHECK: Check = Check {
    code: "half-connection",
    level: Level::Note,
    profile: None,
    why: "A connection needs the egress of its source and the ingress of its destination, and here only one of them allows it.",
    advice: "Allow it at the other end too, or remove the rule.",
    run,
};

/// A peer of more kinds of pods than this names no connection that was thought of one by one, and is passed over.
const WIDEST: usize = 32;

fn run(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for at in facts.rules().filter(|at| !facts.selected(at.index).is_empty()) {
        for peer in at.selectors() {
            let others = facts.peer(&peer);
            if others.is_empty() || others.iter().nth(WIDEST).is_some() || is_met(facts, &at, &others) {
                continue;
            }
            let message = match at.direction {
                Direction::Ingress => "lets in pods whose own egress policies do not let them out to these",
                Direction::Egress => "lets out to pods whose own ingress policies do not let these in",
            };
            found.policy(at.index, at.part(Part::Peer(peer.place)), message, facts.workloads(&others));
        }
    }
}

/// Whether any pod the peer selects allows, at its end, something that the rule allows.
fn is_met<'a>(facts: &Facts<'a>, at: &At<'a>, others: &Groups) -> bool {
    let own = facts.selected(at.index);
    let opposite = match at.direction {
        Direction::Ingress => Direction::Egress,
        Direction::Egress => Direction::Ingress,
    };
    others.iter().any(|other| {
        let isolating = facts.isolating(opposite, other);
        // What a pod sends to itself never leaves it, and two pods of one group may be meant.
        let is_itself = own.iter().eq([other]) && facts.pods.groups.get(other).is_some_and(|group| group.pods == 1);
        isolating.is_empty()
            || is_itself
            || isolating.iter().any(|index| answers(facts, at, *index, other, opposite, &own))
    })
}

/// Whether a policy of the other end has a rule for these pods with a port in common.
fn answers<'a>(facts: &Facts<'a>, at: &At<'a>, index: usize, other: usize, opposite: Direction, own: &Groups) -> bool {
    facts.rules_of(index, opposite).any(|back| {
        let common = back.rule.peers.is_none()
            || back.blocks().next().is_some()
            || back.selectors().any(|peer| facts.peer(&peer).intersects(own));
        common && shares_port(facts, at, &back, other, own)
    })
}

/// Named ports are those of the destination.
fn shares_port(facts: &Facts<'_>, at: &At<'_>, back: &At<'_>, other: usize, own: &Groups) -> bool {
    let shares =
        |named: &[crate::NamedPort]| !ports_for(at.rule, named).intersection(&ports_for(back.rule, named)).is_empty();
    match at.direction {
        Direction::Egress => facts.pods.groups.get(other).is_some_and(|group| shares(group.ports)),
        Direction::Ingress => facts.pods.members(own).any(|group| shares(group.ports)),
    }
}
