//! What a rule lacks to admit a connection: the evaluator's conditions once more, each told instead of only decided.

use super::Place;
use super::gap::{Entry, Gap};
use super::unmet::{Object, Unmet};
use crate::model::{Direction, IpBlock, NetworkPolicy, Peer, PortRange, Ports};
use crate::{Cluster, NamedPort, Pod, Protocol, Selector};
use std::net::IpAddr;

/// The other end as one connection shows it.
#[derive(Clone, Copy)]
pub(super) enum Seen<'a> {
    Pod(&'a Pod),
    Address(IpAddr),
    /// A node of which no address is known.
    Unknown,
}

/// The question at one end.
pub(super) struct Asked<'a> {
    pub(super) cluster: &'a Cluster,
    /// The namespace of the end whose policies count, so that of every policy that applies to it.
    pub(super) home: &'a str,
    pub(super) seen: Seen<'a>,
    pub(super) protocol: Protocol,
    pub(super) port: u16,
    /// The destination, where it is a pod: names of ports are its own.
    pub(super) target: Option<&'a Pod>,
}

impl Asked<'_> {
    pub(super) fn gap(&self, place: Place) -> Gap {
        let Place { policy, index, rule, .. } = place;
        Gap {
            policy,
            rule: index,
            peer: rule.peers.as_ref().and_then(|peers| nearest(peers, |peer| self.peer(peer))),
            port: rule.ports.as_ref().and_then(|ports| nearest(ports, |range| self.range(range))),
            selection: Vec::new(),
        }
    }

    fn peer(&self, peer: &Peer) -> Vec<Unmet> {
        match (peer, self.seen) {
            (_, Seen::Unknown) => vec![Unmet::NoAddress],
            (Peer::Pods { namespaces, pods }, Seen::Pod(pod)) => {
                let mut unmet = self.namespace(namespaces.as_ref(), &pod.namespace);
                unmet.extend(pods.iter().flat_map(|selector| pod_labels(selector, pod)));
                unmet
            }
            (Peer::Pods { .. }, Seen::Address(address)) => vec![Unmet::NotAPod { address }],
            (Peer::IpBlock(block), Seen::Address(address)) => outside(block, address),
            (Peer::IpBlock(block), Seen::Pod(pod)) => {
                let addresses = pod.addresses.iter().map(|address| outside(block, address.to_canonical()));
                let nearest = addresses.min_by_key(|unmet| Entry { index: 0, unmet: unmet.clone() }.distance());
                nearest.unwrap_or_else(|| vec![Unmet::NoAddress])
            }
        }
    }

    fn namespace(&self, selector: Option<&Selector>, namespace: &str) -> Vec<Unmet> {
        match selector {
            Some(selector) => {
                let object = Object::Namespace(namespace.to_owned());
                labels(selector, &object, |key| self.cluster.namespace_label(namespace, key))
            }
            None => other_namespace(self.home, namespace),
        }
    }

    fn range(&self, range: &PortRange) -> Vec<Unmet> {
        let protocol = (range.protocol != self.protocol)
            .then_some(Unmet::Protocol { wanted: range.protocol, actual: self.protocol });
        protocol.into_iter().chain(self.number(&range.ports)).collect()
    }

    /// What is wrong with the number, whatever the protocol of the entry: a name counts under the connection's.
    fn number(&self, ports: &Ports) -> Option<Unmet> {
        let Self { protocol, port, target, .. } = *self;
        match ports {
            Ports::All => None,
            Ports::Numbers { first, last } => {
                let outside = !(*first..=*last).contains(&port);
                outside.then_some(Unmet::Port { first: *first, last: *last, actual: port })
            }
            Ports::Name(name) => {
                let declared: Option<Vec<NamedPort>> =
                    target.map(|pod| pod.ports.iter().filter(|declared| declared.name == *name).cloned().collect());
                let is_asked = |declared: &NamedPort| (declared.protocol, declared.port) == (protocol, port);
                let found = declared.iter().flatten().any(is_asked);
                (!found).then(|| Unmet::NamedPort { name: name.clone(), asked: (protocol, port), declared })
            }
        }
    }
}

/// The entry that lacks least; the first of several.
fn nearest<T>(entries: &[T], unmet: impl Fn(&T) -> Vec<Unmet>) -> Option<Entry> {
    let entries = entries.iter().enumerate().map(|(index, entry)| Entry { index, unmet: unmet(entry) });
    entries.min_by_key(Entry::distance)
}

/// Why a policy does not apply to a pod in a direction; empty where it does.
pub(super) fn selection(policy: &NetworkPolicy, pod: &Pod, direction: Direction) -> Vec<Unmet> {
    let mut unmet = other_namespace(&policy.namespace, &pod.namespace);
    unmet.extend(pod_labels(&policy.pod_selector, pod));
    if policy.rules(direction).is_none() {
        let direction = match direction {
            Direction::Ingress => "Ingress",
            Direction::Egress => "Egress",
        };
        unmet.push(Unmet::PolicyTypes { direction });
    }
    unmet
}

fn other_namespace(wanted: &str, actual: &str) -> Vec<Unmet> {
    let differs = || Unmet::OtherNamespace { wanted: wanted.to_owned(), actual: actual.to_owned() };
    (wanted != actual).then(differs).into_iter().collect()
}

fn pod_labels(selector: &Selector, pod: &Pod) -> Vec<Unmet> {
    let object = Object::Pod { namespace: pod.namespace.clone(), name: pod.name.clone() };
    labels(selector, &object, |key| pod.label(key))
}

fn labels<'a>(selector: &Selector, object: &Object, label: impl Fn(&str) -> Option<&'a str>) -> Vec<Unmet> {
    let unmet = selector.requirements.iter().filter_map(|requirement| {
        let actual = label(&requirement.key);
        let unmet = || Unmet::Label {
            object: object.clone(),
            requirement: requirement.clone(),
            actual: actual.map(str::to_owned),
        };
        (!requirement.holds(actual)).then(unmet)
    });
    unmet.collect()
}

/// Why a block does not hold an address; several exceptions may.
fn outside(block: &IpBlock, address: IpAddr) -> Vec<Unmet> {
    if !block.cidr.contains(&address) {
        return vec![Unmet::OutsideBlock { cidr: block.cidr, address }];
    }
    let excepts = block.except.iter().filter(|except| except.contains(&address));
    excepts.map(|except| Unmet::Excepted { except: *except, address }).collect()
}
