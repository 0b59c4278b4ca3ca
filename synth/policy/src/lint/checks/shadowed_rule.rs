//! A rule, or a peer in it, that a wider one of the same policy covers.

use crate::lint::check::{Check, Level};
use crate::lint::facts::{At, Facts, Named, ports_for};
use crate::lint::field::{Field, Part};
use crate::lint::finding::Findings;
use crate::{Direction, IpBlock, NamedPort, Operator, Peer, PortSet, Ports, Requirement, Rule, Selector};

pub(super) const CHECK: Check = Check {
    code: "shadowed-rule",
    level: Level::Note,
    profile: None,
    why: "Rules add up, so what a wider rule of the same policy admits anyway is dead text, and reads as if it were a limit.",
    advice: "Remove it, or narrow the wider rule.",
    run,
};

fn run(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for (index, policy) in facts.policies() {
        for direction in [Direction::Ingress, Direction::Egress] {
            let rules = policy.rules(direction).unwrap_or_default();
            for at in facts.rules_of(index, direction) {
                match shadowing(rules, at.number) {
                    Some(by) => found.policy(
                        index,
                        at.whole(),
                        "admits nothing that is not admitted by",
                        by_rule(direction, by),
                    ),
                    None => peers(&at, found),
                }
            }
        }
    }
}

fn by_rule(direction: Direction, rule: usize) -> Named {
    Named::one(Field::Rule { direction, rule, part: None })
}

/// The first other rule that covers a rule; of two that are equal, the first counts.
fn shadowing(rules: &[Rule], number: usize) -> Option<usize> {
    let rule = rules.get(number)?;
    let covers = |(other, wider): &(usize, &Rule)| {
        *other != number && covers(wider, rule) && (*other < number || !covers(rule, wider))
    };
    rules.iter().enumerate().find(covers).map(|(other, _)| other)
}

/// Peers of one rule that another peer of it covers.
fn peers(at: &At<'_>, found: &mut Findings<'_>) {
    let all = at.rule.peers.as_deref().unwrap_or_default();
    for (number, peer) in all.iter().enumerate() {
        let wider = |(other, wider): &(usize, &Peer)| {
            *other != number && is_peer_in(peer, wider) && (*other < number || !is_peer_in(wider, peer))
        };
        if let Some((by, _)) = all.iter().enumerate().find(wider) {
            let by = Named::one(at.part(Part::Peer(by)));
            found.policy(at.index, at.part(Part::Peer(number)), "admits nobody that is not admitted by", by);
        }
    }
}

fn covers(wider: &Rule, rule: &Rule) -> bool {
    let peers = match (&wider.peers, &rule.peers) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wider), Some(peers)) => peers.iter().all(|peer| wider.iter().any(|wide| is_peer_in(peer, wide))),
    };
    peers && covers_ports(wider, rule)
}

/// Names are taken to be the same port only where name and protocol are the same.
fn covers_ports(wider: &Rule, rule: &Rule) -> bool {
    let none: &[NamedPort] = &[];
    let (wide, own) = (ports_for(wider, none), ports_for(rule, none));
    let named = rule.ports.iter().flatten().filter(|range| matches!(range.ports, Ports::Name(_)));
    let is_covered = |range: &crate::PortRange| {
        let whole = PortSet::of(range.protocol, 1, u16::MAX);
        whole.difference(&wide).is_empty() || wider.ports.iter().flatten().any(|other| other == range)
    };
    own.difference(&wide).is_empty() && named.into_iter().all(is_covered)
}

fn is_peer_in(peer: &Peer, wider: &Peer) -> bool {
    match (peer, wider) {
        (Peer::IpBlock(block), Peer::IpBlock(wider)) => is_block_in(block, wider),
        (Peer::Pods { namespaces, pods }, Peer::Pods { namespaces: wide_namespaces, pods: wide_pods }) => {
            let in_namespaces = match (namespaces, wide_namespaces) {
                (None, None) => true,
                (_, Some(wider)) if wider.requirements.is_empty() => true,
                (Some(own), Some(wider)) => is_selector_in(own, wider),
                (Some(_), None) | (None, Some(_)) => false,
            };
            let every = Selector::default();
            let (pods, wide_pods) = (pods.as_ref().unwrap_or(&every), wide_pods.as_ref().unwrap_or(&every));
            in_namespaces && is_selector_in(pods, wide_pods)
        }
        (Peer::IpBlock(_), Peer::Pods { .. }) | (Peer::Pods { .. }, Peer::IpBlock(_)) => false,
    }
}

fn is_block_in(block: &IpBlock, wider: &IpBlock) -> bool {
    let is_out = |hole: &ipnet::IpNet| {
        let touches = hole.contains(&block.cidr) || block.cidr.contains(hole);
        !touches || block.except.iter().any(|except| except.contains(hole))
    };
    wider.cidr.contains(&block.cidr) && wider.except.iter().all(is_out)
}

/// Whether whatever matches `selector` matches `wider`: each requirement of the wider follows from one of the other.
fn is_selector_in(selector: &Selector, wider: &Selector) -> bool {
    wider.requirements.iter().all(|wide| selector.requirements.iter().any(|own| follows(own, wide)))
}

fn follows(own: &Requirement, wide: &Requirement) -> bool {
    own.key == wide.key
        && match (&own.operator, &wide.operator) {
            (Operator::In(own), Operator::In(wide)) => own.is_subset(wide),
            (Operator::In(own), Operator::NotIn(wide)) => own.is_disjoint(wide),
            (Operator::NotIn(own), Operator::NotIn(wide)) => wide.is_subset(own),
            (Operator::In(_) | Operator::Exists, Operator::Exists) => true,
            (Operator::DoesNotExist, Operator::NotIn(_) | Operator::DoesNotExist) => true,
            _ => false,
        }
}
