//! A named port that no destination has. Two checks: it has no such port at all, or only for another protocol.

use crate::lint::check::{Check, Level};
use crate::lint::facts::{At, Facts, Groups, Named};
use crate::lint::field::Part;
use crate::lint::finding::Findings;
use crate::{Direction, PortRange, Ports, Protocol};
use std::collections::BTreeSet;
use std::rc::Rc;

pub(super) const MISSING: Check = Check {
    code: "named-port-missing",
    level: Level::Warning,
    profile: None,
    why: "A named port is looked up among the container ports of the destination; where none has it, the entry admits nothing.",
    advice: "Name the container port so, or write its number.",
    run: |facts, found| run(facts, found, false),
};

pub(super) const OTHER_PROTOCOL: Check = Check {
    code: "named-port-protocol",
    level: Level::Error,
    profile: None,
    why: "A named port matches by name and protocol (TCP where none is written), so one of another protocol is not meant by it.",
    advice: "Write the protocol that the container port has.",
    run: |facts, found| run(facts, found, true),
};

fn run(facts: &Facts<'_>, found: &mut Findings<'_>, other_protocol: bool) {
    for at in facts.rules() {
        for (place, range) in at.rule.ports.iter().flatten().enumerate() {
            let Ports::Name(name) = &range.ports else { continue };
            let Some(protocols) = protocols(facts, &at, name, range.protocol) else { continue };
            if protocols.is_empty() == other_protocol {
                continue;
            }
            report(found, &at, place, range, name, &protocols);
        }
    }
}

fn report(
    found: &mut Findings<'_>,
    at: &At<'_>,
    place: usize,
    range: &PortRange,
    name: &str,
    protocols: &BTreeSet<Protocol>,
) {
    let (name, have) = (name.escape_debug(), protocols.iter().map(ToString::to_string).collect::<Named>());
    let message = match (protocols.is_empty(), at.direction) {
        (true, Direction::Ingress) => format!("none of the selected pods has a port called {name}"),
        (true, Direction::Egress) => format!("none of the peers has a port called {name}"),
        (false, _) => format!("{name} is meant as {}, and the pods have it only as", range.protocol),
    };
    found.policy(at.index, at.part(Part::Port(place)), message, have);
}

/// The other protocols under which a destination has the name; `None` if one has it as meant, or some are not known.
fn protocols<'a>(facts: &Facts<'a>, at: &At<'a>, name: &str, protocol: Protocol) -> Option<BTreeSet<Protocol>> {
    let destinations: Vec<Rc<Groups>> = match (at.direction, &at.rule.peers) {
        (Direction::Ingress, _) => vec![facts.selected(at.index)],
        (Direction::Egress, Some(_)) => at.selectors().map(|peer| facts.peer(&peer)).collect(),
        (Direction::Egress, None) => vec![Rc::new(facts.pods.all())],
    };
    // Of pods that are not known nothing can be said. An address has no named ports at all.
    if destinations.iter().any(|groups| groups.is_empty()) {
        return None;
    }
    let pods = || destinations.iter().flat_map(|groups| facts.pods.members(groups));
    if pods().flat_map(|group| group.ports).any(|port| port.name == name && port.protocol == protocol) {
        return None;
    }
    Some(pods().flat_map(|group| group.ports).filter(|port| port.name == name).map(|port| port.protocol).collect())
}
