//! The parts of policies resolved: selectors to classes, blocks to ranges, lists of ports to sets. Each distinct part once.

use super::classes::Classes;
use super::port_sets::{ALL, NONE, PortSetId, PortSets};
use super::{Map, number};
use crate::labelled::Compiled;
use crate::model::{PortRange, Ports};
use crate::runs::{Run, Runs};
use crate::shorthand::{ShortPeer, ShortPolicy, Shorthand};
use crate::{PortSet, Protocol};

/// The ports of a list.
pub(crate) struct ResolvedPorts {
    /// Those that it gives in numbers.
    pub(crate) numbers: PortSetId,
    /// Those that depend on the destination.
    pub(crate) names: Vec<(Protocol, u32)>,
}

/// Who a peer is: stretches of [`Resolver::runs`].
#[derive(Debug, Clone, Copy)]
struct ResolvedPeer {
    start: usize,
    /// Where its classes end and its ranges begin.
    middle: usize,
    end: usize,
}

/// The parts of one policy set.
pub(crate) struct Resolver<'a> {
    classes: &'a Classes,
    pub(crate) sets: PortSets,
    /// By the number of the selector.
    pod_selectors: Vec<Compiled>,
    /// By the number of the namespace, and of the selector of namespaces: their classes.
    namespaces: Vec<Runs>,
    selected_namespaces: Vec<Runs>,
    /// By the number of the list.
    ports: Vec<ResolvedPorts>,
    /// By the number of a list that names ports, and of a table.
    ports_at: Map<(u32, u32), PortSetId>,
    /// A port list that is not there: every port.
    every_port: ResolvedPorts,
    peers: Map<ShortPeer, ResolvedPeer>,
    /// Every peer there can be.
    every_peer: ResolvedPeer,
    /// All runs of all peers, one after the other: a cluster has tens of thousands of peers of a run or two.
    runs: Vec<Run>,
}

impl<'a> Resolver<'a> {
    pub(crate) fn new(classes: &'a Classes, parts: &'a Shorthand) -> Self {
        let mut sets = PortSets::new();
        let namespace = |name: &String| classes.namespace(name).map_or_else(Runs::default, |run| Runs::of(vec![run]));
        let all = |count: usize| number(count).checked_sub(1).map(|last| Run::new(0, last));
        let runs: Vec<Run> = all(classes.len()).into_iter().chain(all(classes.ranges().len())).collect();
        Self {
            classes,
            pod_selectors: parts
                .pod_selectors
                .iter()
                .map(|selector| classes.seen.pod_labels.compile(selector))
                .collect(),
            namespaces: parts.namespaces.iter().map(namespace).collect(),
            selected_namespaces: parts
                .namespace_selectors
                .iter()
                .map(|selector| classes.namespaces(selector))
                .collect(),
            ports: parts.port_lists.iter().map(|list| resolve_ports(list, classes, &mut sets)).collect(),
            ports_at: Map::default(),
            every_port: ResolvedPorts { numbers: ALL, names: Vec::new() },
            peers: Map::default(),
            every_peer: ResolvedPeer { start: 0, middle: runs.len() - 1, end: runs.len() },
            runs,
            sets,
        }
    }

    /// Adds to `found` the classes that a policy selects.
    pub(crate) fn selected(&self, policy: &ShortPolicy, found: &mut Vec<Run>) {
        self.pods(self.namespaces.get(policy.namespace as usize), Some(policy.pod_selector), found);
    }

    fn pods(&self, namespaces: Option<&Runs>, selector: Option<u32>, found: &mut Vec<Run>) {
        let namespaces = namespaces.map(Runs::as_slice).unwrap_or_default();
        match selector.map(|selector| self.pod_selectors.get(selector as usize)) {
            None => found.extend_from_slice(namespaces),
            Some(Some(selector)) => self.classes.select(selector, namespaces, found),
            Some(None) => {}
        }
    }

    /// The classes and the ranges of a peer; of all peers where none is given.
    pub(crate) fn peer(&mut self, peer: Option<&ShortPeer>, parts: &Shorthand) -> (&[Run], &[Run]) {
        let known = peer.map_or(Some(self.every_peer), |peer| self.peers.get(peer).copied());
        let found = match (known, peer) {
            (Some(known), _) => known,
            (None, None) => self.every_peer,
            (None, Some(peer)) => {
                let resolved = self.resolve(*peer, parts);
                self.peers.insert(*peer, resolved);
                resolved
            }
        };
        let part = |start, end| self.runs.get(start..end).unwrap_or_default();
        (part(found.start, found.middle), part(found.middle, found.end))
    }

    fn resolve(&mut self, peer: ShortPeer, parts: &Shorthand) -> ResolvedPeer {
        let start = self.runs.len();
        let mut runs = std::mem::take(&mut self.runs);
        let mut ranges = Runs::default();
        match peer {
            ShortPeer::Own { namespace, pods } => self.pods(self.namespaces.get(namespace as usize), pods, &mut runs),
            ShortPeer::Selected { namespaces, pods } => {
                self.pods(self.selected_namespaces.get(namespaces as usize), pods, &mut runs);
            }
            ShortPeer::Block(block) => {
                let block = parts.blocks.get(block as usize);
                ranges = block.map(|block| self.classes.seen.ranges.of_block(block)).unwrap_or_default();
                runs.extend_from_slice(self.classes.with_address_in(&ranges).as_slice());
            }
        }
        let middle = runs.len();
        runs.extend_from_slice(ranges.as_slice());
        self.runs = runs;
        ResolvedPeer { start, middle, end: self.runs.len() }
    }

    /// The ports of a list; without one, every port.
    pub(crate) fn ports(&self, list: Option<u32>) -> &ResolvedPorts {
        list.and_then(|list| self.ports.get(list as usize)).unwrap_or(&self.every_port)
    }

    /// The ports of a list on a destination with a table of named ports.
    pub(crate) fn ports_at(&mut self, list: Option<u32>, table: u32) -> PortSetId {
        let ports = self.ports(list);
        let Some(list) = list.filter(|_| !ports.names.is_empty()) else { return ports.numbers };
        if let Some(known) = self.ports_at.get(&(list, table)) {
            return *known;
        }
        let (numbers, named) = (ports.numbers, self.named(ports, table));
        let named = if named.is_empty() { NONE } else { self.sets.id(named) };
        let found = self.sets.union(numbers, named);
        self.ports_at.insert((list, table), found);
        found
    }

    /// What the names of a list stand for in a table.
    fn named(&self, ports: &ResolvedPorts, table: u32) -> PortSet {
        let mut set = PortSet::default();
        for (protocol, name) in &ports.names {
            for port in self.classes.named(table, *name, *protocol) {
                set = set.union(&PortSet::of(*protocol, port, port));
            }
        }
        set
    }
}

fn resolve_ports(list: &[PortRange], classes: &Classes, sets: &mut PortSets) -> ResolvedPorts {
    let set = PortSet::union_of(list.iter().filter_map(numbers));
    let name = |range: &PortRange| match &range.ports {
        Ports::Name(name) => Some((range.protocol, *classes.seen.port_names.get(name)?)),
        Ports::All | Ports::Numbers { .. } => None,
    };
    ResolvedPorts { numbers: sets.id(set), names: list.iter().filter_map(name).collect() }
}

/// The ports of an entry that gives numbers.
fn numbers(range: &PortRange) -> Option<PortSet> {
    match range.ports {
        Ports::All => Some(PortSet::of(range.protocol, 1, u16::MAX)),
        Ports::Numbers { first, last } => Some(PortSet::of(range.protocol, first, last)),
        Ports::Name(_) => None,
    }
}
