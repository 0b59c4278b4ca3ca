//! Policies with everything that repeats replaced by a number: thousands of policies name the same few selectors, blocks
//! and lists of ports. Made once for a set, when a relation first asks, which then resolves each only once.

use crate::model::{Direction, IpBlock, NetworkPolicy, Peer, PortRange, Rule};
use crate::selector::Selector;
use std::collections::HashMap;
use std::hash::Hash;

/// Maps that are only looked into, or put in order after they are iterated over, so that their own order does not show.
pub(crate) type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// A count of things as one of their numbers. Four thousand million things do not fit into memory.
pub(crate) fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The distinct parts of policies, and the policies in numbers of these.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shorthand {
    /// Names of the namespaces that have policies.
    pub(crate) namespaces: Vec<String>,
    /// Selectors of pods, of policies and peers alike.
    pub(crate) pod_selectors: Vec<Selector>,
    pub(crate) namespace_selectors: Vec<Selector>,
    pub(crate) blocks: Vec<IpBlock>,
    /// What stands under `ports`.
    pub(crate) port_lists: Vec<Vec<PortRange>>,
    /// In the order of the set.
    pub(crate) policies: Vec<ShortPolicy>,
}

/// A policy. Numbers are places in the lists of [`Shorthand`].
#[derive(Debug, Clone)]
pub(crate) struct ShortPolicy {
    pub(crate) namespace: u32,
    pub(crate) pod_selector: u32,
    /// The rules of the directions it is about.
    pub(crate) ingress: Option<Box<[ShortRule]>>,
    pub(crate) egress: Option<Box<[ShortRule]>>,
}

impl ShortPolicy {
    /// The pods it selects, as the peer that selects the same.
    pub(crate) fn selected(&self) -> ShortPeer {
        ShortPeer::Own { namespace: self.namespace, pods: Some(self.pod_selector) }
    }

    /// The rules of a direction, where it is about that.
    pub(crate) fn rules(&self, direction: Direction) -> Option<&[ShortRule]> {
        match direction {
            Direction::Ingress => self.ingress.as_deref(),
            Direction::Egress => self.egress.as_deref(),
        }
    }
}

/// A rule; `None` is every peer, every port.
#[derive(Debug, Clone)]
pub(crate) struct ShortRule {
    pub(crate) peers: Option<Box<[ShortPeer]>>,
    pub(crate) ports: Option<u32>,
}

/// A peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ShortPeer {
    /// Pods of the policy's own namespace.
    Own { namespace: u32, pods: Option<u32> },
    /// Pods of the namespaces that a selector selects.
    Selected { namespaces: u32, pods: Option<u32> },
    /// Addresses.
    Block(u32),
}

impl Shorthand {
    pub(crate) fn new(policies: &[NetworkPolicy]) -> Self {
        let mut writing = Writing::default();
        let policies = policies.iter().map(|policy| writing.policy(policy)).collect();
        Self {
            namespaces: writing.namespaces.things,
            pod_selectors: writing.pod_selectors.things,
            namespace_selectors: writing.namespace_selectors.things,
            blocks: writing.blocks.things,
            port_lists: writing.port_lists.things,
            policies,
        }
    }
}

/// Things, each once.
struct Numbered<T> {
    things: Vec<T>,
    numbers: Map<T, u32>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { things: Vec::new(), numbers: Map::default() }
    }
}

impl<T: Clone + Eq + Hash> Numbered<T> {
    fn of(&mut self, thing: &T) -> u32 {
        if let Some(known) = self.numbers.get(thing) {
            return *known;
        }
        let next = number(self.things.len());
        self.things.push(thing.clone());
        self.numbers.insert(thing.clone(), next);
        next
    }
}

#[derive(Default)]
struct Writing {
    namespaces: Numbered<String>,
    pod_selectors: Numbered<Selector>,
    namespace_selectors: Numbered<Selector>,
    blocks: Numbered<IpBlock>,
    port_lists: Numbered<Vec<PortRange>>,
}

impl Writing {
    fn policy(&mut self, policy: &NetworkPolicy) -> ShortPolicy {
        let namespace = self.namespaces.of(&policy.namespace);
        let mut rules = |direction| {
            let rules = policy.rules(direction)?.iter();
            Some(rules.map(|rule| self.rule(namespace, rule)).collect())
        };
        let (ingress, egress) = (rules(Direction::Ingress), rules(Direction::Egress));
        ShortPolicy { namespace, pod_selector: self.pod_selectors.of(&policy.pod_selector), ingress, egress }
    }

    fn rule(&mut self, namespace: u32, rule: &Rule) -> ShortRule {
        let peers = rule.peers.as_ref();
        ShortRule {
            peers: peers.map(|peers| peers.iter().map(|peer| self.peer(namespace, peer)).collect()),
            ports: rule.ports.as_ref().map(|ports| self.port_lists.of(ports)),
        }
    }

    fn peer(&mut self, namespace: u32, peer: &Peer) -> ShortPeer {
        match peer {
            Peer::IpBlock(block) => ShortPeer::Block(self.blocks.of(block)),
            Peer::Pods { namespaces, pods } => {
                let pods = pods.as_ref().map(|selector| self.pod_selectors.of(selector));
                match namespaces {
                    None => ShortPeer::Own { namespace, pods },
                    Some(selector) => ShortPeer::Selected { namespaces: self.namespace_selectors.of(selector), pods },
                }
            }
        }
    }
}
