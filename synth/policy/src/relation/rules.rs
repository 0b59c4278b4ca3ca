//! Rules with their peers resolved to classes and ranges, and their ports to sets: what rows are made of.

use super::classes::Classes;
use super::port_sets::{ALL, NONE, PortSetId, PortSets};
use super::runs::{Run, Runs};
use super::{Map, number};
use crate::model::{Direction, IpBlock, NetworkPolicy, Peer, PortRange, Ports, Rule};
use crate::{PortSet, Protocol, Selector};
use std::rc::Rc;

/// What a rule admits.
pub(crate) struct Resolved {
    /// The classes of its peers.
    pub(crate) classes: Rc<Runs>,
    /// The ranges of its peers.
    pub(crate) ranges: Rc<Runs>,
    /// Its ports.
    pub(crate) ports: ResolvedPorts,
}

/// The ports of a rule.
pub(crate) struct ResolvedPorts {
    /// Those that it gives in numbers.
    pub(crate) numbers: PortSetId,
    /// Those that depend on the destination.
    pub(crate) names: Vec<(Protocol, u32)>,
}

/// The rules of a policy in the directions it is about.
pub(crate) struct ResolvedPolicy {
    pub(crate) selected: Runs,
    pub(crate) ingress: Option<Vec<Resolved>>,
    pub(crate) egress: Option<Vec<Resolved>>,
}

/// Namespaces as a peer gives them, and pods.
type PeerKey<'a> = (Namespaces<'a>, Option<&'a Selector>);

/// Where a peer looks for pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Namespaces<'a> {
    Own(&'a str),
    Selected(&'a Selector),
}

/// Resolves the rules of policies; each distinct peer once.
pub(crate) struct Resolver<'a> {
    classes: &'a Classes,
    pub(crate) sets: PortSets,
    peers: Map<PeerKey<'a>, Rc<Runs>>,
    blocks: Map<&'a IpBlock, (Rc<Runs>, Rc<Runs>)>,
    ports: Map<&'a [PortRange], PortSetId>,
    none: Rc<Runs>,
    /// Every class, every range.
    every: (Rc<Runs>, Rc<Runs>),
}

impl<'a> Resolver<'a> {
    pub(crate) fn new(classes: &'a Classes) -> Self {
        let all = |count: usize| {
            Rc::new(Runs::of(number(count).checked_sub(1).map(|last| Run::new(0, last)).into_iter().collect()))
        };
        Self {
            classes,
            sets: PortSets::new(),
            peers: Map::default(),
            blocks: Map::default(),
            ports: Map::default(),
            none: Rc::default(),
            every: (all(classes.len()), all(classes.ranges().len())),
        }
    }

    pub(crate) fn policy(&mut self, policy: &'a NetworkPolicy) -> ResolvedPolicy {
        let selected = self.classes.in_namespace(&policy.namespace, Some(&policy.pod_selector));
        // Rules of a policy that selects nothing do nothing.
        let mut rules = |direction| {
            let rules = policy.rules(direction)?.iter().filter(|_| !selected.is_empty());
            Some(rules.map(|rule| self.rule(policy, rule)).collect())
        };
        let (ingress, egress) = (rules(Direction::Ingress), rules(Direction::Egress));
        ResolvedPolicy { selected, ingress, egress }
    }

    fn rule(&mut self, policy: &'a NetworkPolicy, rule: &'a Rule) -> Resolved {
        let (classes, ranges) = self.rule_peers(policy, rule.peers.as_deref());
        Resolved { classes, ranges, ports: self.rule_ports(rule.ports.as_deref()) }
    }

    fn rule_peers(&mut self, policy: &'a NetworkPolicy, peers: Option<&'a [Peer]>) -> (Rc<Runs>, Rc<Runs>) {
        match peers {
            None => self.every.clone(),
            Some([peer]) => self.peer(policy, peer),
            Some(peers) => {
                let (mut classes, mut ranges) = (Vec::new(), Vec::new());
                for peer in peers {
                    let (more_classes, more_ranges) = self.peer(policy, peer);
                    classes.extend_from_slice(more_classes.as_slice());
                    ranges.extend_from_slice(more_ranges.as_slice());
                }
                (Rc::new(Runs::of(classes)), Rc::new(Runs::of(ranges)))
            }
        }
    }

    fn peer(&mut self, policy: &'a NetworkPolicy, peer: &'a Peer) -> (Rc<Runs>, Rc<Runs>) {
        let classes = self.classes;
        match peer {
            Peer::Pods { namespaces, pods } => {
                let namespaces = namespaces.as_ref().map_or(Namespaces::Own(&policy.namespace), Namespaces::Selected);
                let found = self.peers.entry((namespaces, pods.as_ref())).or_insert_with(|| {
                    Rc::new(match namespaces {
                        Namespaces::Own(name) => classes.in_namespace(name, pods.as_ref()),
                        Namespaces::Selected(selector) => classes.in_namespaces(selector, pods.as_ref()),
                    })
                });
                (Rc::clone(found), Rc::clone(&self.none))
            }
            Peer::IpBlock(block) => self
                .blocks
                .entry(block)
                .or_insert_with(|| {
                    let ranges = classes.seen.ranges.of_block(block);
                    (Rc::new(classes.with_address_in(&ranges)), Rc::new(ranges))
                })
                .clone(),
        }
    }

    fn rule_ports(&mut self, ports: Option<&'a [PortRange]>) -> ResolvedPorts {
        let Some(ports) = ports else { return ResolvedPorts { numbers: ALL, names: Vec::new() } };
        let numbers = match self.ports.get(ports) {
            Some(known) => *known,
            None => {
                let set = ports.iter().filter_map(numbers).fold(PortSet::default(), |set, one| set.union(&one));
                let id = self.sets.id(set);
                self.ports.insert(ports, id);
                id
            }
        };
        let name = |range: &PortRange| match &range.ports {
            Ports::Name(name) => Some((range.protocol, *self.classes.seen.port_names.get(name)?)),
            Ports::All | Ports::Numbers { .. } => None,
        };
        ResolvedPorts { numbers, names: ports.iter().filter_map(name).collect() }
    }

    /// The ports of a rule on a destination with a table of named ports.
    pub(crate) fn ports_at(&mut self, ports: &ResolvedPorts, table: u32) -> PortSetId {
        if ports.names.is_empty() {
            return ports.numbers;
        }
        let mut set = PortSet::default();
        for (protocol, name) in &ports.names {
            for port in self.classes.named(table, *name, *protocol) {
                set = set.union(&PortSet::of(*protocol, port, port));
            }
        }
        let named = if set.is_empty() { NONE } else { self.sets.id(set) };
        self.sets.union(ports.numbers, named)
    }
}

/// The ports of an entry that gives numbers.
fn numbers(range: &PortRange) -> Option<PortSet> {
    match range.ports {
        Ports::All => Some(PortSet::of(range.protocol, 1, u16::MAX)),
        Ports::Numbers { first, last } => Some(PortSet::of(range.protocol, first, last)),
        Ports::Name(_) => None,
    }
}
