//! The semantics of NetworkPolicy: who may connect to whom. For [`PolicySet::verdict`], which every proof rests on.
//!
//! Sentences in quotation marks are those of the API's type comments (`k8s.io/api/networking/v1/types.go`).

use crate::cluster::{Cluster, Party, Pod, Traffic};
use crate::model::{Direction, IpBlock, NetworkPolicy, Peer, PortRange, Ports, Rule};
use crate::peers::PeerIndex;
use crate::set::PolicySet;
use crate::verdict::{Answer, Decision, Exemption, Verdict};
use crate::{Protocol, Selector};
use std::net::IpAddr;

pub(crate) fn verdict(
    set: &PolicySet,
    cluster: &Cluster,
    from: &Party,
    to: &Party,
    protocol: Protocol,
    port: u16,
) -> Verdict {
    both_ends(set, cluster, from, to, Some(&Target { protocol, port, pod: pod(to) }))
}

pub(crate) fn answer(set: &PolicySet, cluster: &Cluster, from: &Party, to: &Party, traffic: Traffic) -> Answer {
    match traffic {
        Traffic::Port { protocol, port } => Answer::Defined(verdict(set, cluster, from, to, protocol, port)),
        Traffic::Other(_) => undefined_if_isolated(both_ends(set, cluster, from, to, None)),
    }
}

/// No rule is about such traffic, so an end that says anything but "denied" is not isolated, or exempt.
fn undefined_if_isolated(verdict: Verdict) -> Answer {
    if verdict.allowed() {
        return Answer::Defined(verdict);
    }
    let isolating = |decision| match decision {
        Decision::Denied { isolated_by } => isolated_by,
        Decision::NotIsolated | Decision::Exempt(_) | Decision::Allowed { .. } => Vec::new(),
    };
    Answer::Undefined { egress_isolated_by: isolating(verdict.egress), ingress_isolated_by: isolating(verdict.ingress) }
}

fn both_ends(set: &PolicySet, cluster: &Cluster, from: &Party, to: &Party, target: Option<&Target>) -> Verdict {
    Verdict {
        egress: end(set, cluster, Direction::Egress, from, to, target),
        ingress: end(set, cluster, Direction::Ingress, to, from, target),
    }
}

/// What is connected to: the port, and the pod it is on, which gives names of ports their numbers.
struct Target<'a> {
    protocol: Protocol,
    port: u16,
    pod: Option<&'a Pod>,
}

/// The other end as one connection shows it: a pod with all its addresses, or a single address, or (a node of which
/// no address is known) neither.
#[derive(Clone, Copy)]
enum Seen<'a> {
    Pod(&'a Pod),
    Address(IpAddr),
    Unknown,
}

fn pod<'a>(party: &Party<'a>) -> Option<&'a Pod> {
    match party {
        Party::Pod(pod) => Some(pod),
        Party::Node { .. } | Party::Address(_) => None,
    }
}

/// What one end says. `this` is the end whose policies count, `other` is the peer.
fn end(
    set: &PolicySet,
    cluster: &Cluster,
    direction: Direction,
    this: &Party,
    other: &Party,
    target: Option<&Target>,
) -> Decision {
    let Party::Pod(this) = this else { return Decision::NotIsolated };
    let isolated_by = set.isolating(this, direction);
    let asked = Asked { set, cluster, direction, this, isolated_by: &isolated_by, target };
    let address = |address: &IpAddr| asked.decide(Seen::Address(address.to_canonical()));
    match other {
        Party::Pod(pod) => asked.decide(Seen::Pod(pod)),
        Party::Address(one) => address(one),
        Party::Node { addresses: [] } => asked.decide(Seen::Unknown),
        Party::Node { addresses: [first, rest @ ..] } => rest.iter().map(address).fold(address(first), stricter),
    }
}

/// The first of two decisions, unless the second lets less pass.
fn stricter(first: Decision, second: Decision) -> Decision {
    let rank = |decision: &Decision| match decision {
        Decision::Denied { .. } => 2,
        Decision::Allowed { .. } => 1,
        Decision::NotIsolated | Decision::Exempt(_) => 0,
    };
    if rank(&second) > rank(&first) { second } else { first }
}

/// The question at one end, all but who is seen at the other.
struct Asked<'a> {
    set: &'a PolicySet,
    cluster: &'a Cluster,
    direction: Direction,
    this: &'a Pod,
    isolated_by: &'a [usize],
    /// `None` where no policy can name the protocol: then no rule admits anything.
    target: Option<&'a Target<'a>>,
}

impl Asked<'_> {
    fn decide(&self, seen: Seen) -> Decision {
        if let Some(exemption) = self.exemption(seen) {
            return Decision::Exempt(exemption);
        }
        if self.isolated_by.is_empty() {
            return Decision::NotIsolated;
        }
        self.first_admitting(seen).unwrap_or_else(|| Decision::Denied { isolated_by: self.isolated_by.to_vec() })
    }

    /// "the traffic source is the pod's local node", or its destination where the cluster exempts that too; and what a
    /// pod sends to itself never leaves it.
    fn exemption(&self, seen: Seen) -> Option<Exemption> {
        let this = self.this;
        let same_pod = match seen {
            Seen::Pod(other) => (&other.namespace, &other.name) == (&this.namespace, &this.name),
            Seen::Address(address) => holds(&this.addresses, address),
            Seen::Unknown => false,
        };
        if same_pod {
            return Some(Exemption::SamePod);
        }
        let exempt = self.direction == Direction::Ingress || self.cluster.own_node_egress_exempt;
        match seen {
            Seen::Address(address) if exempt && holds(&this.node_addresses, address) => Some(Exemption::OwnNode),
            _ => None,
        }
    }

    /// "the traffic matches at least one ingress rule across all of the NetworkPolicy objects"
    fn first_admitting(&self, seen: Seen) -> Option<Decision> {
        self.isolated_by.iter().find_map(|&index| {
            let policy = self.set.policies().get(index)?;
            let mut rules = policy.rules(self.direction)?.iter().enumerate();
            let (rule, _) = rules.find(|(number, rule)| {
                let index = || self.set.long_rule(index, self.direction, *number);
                self.is_for_port(rule) && self.is_for_peer(policy, rule, index, seen)
            })?;
            Some(Decision::Allowed { policy: index, rule })
        })
    }

    /// "The traffic must match both ports and from."
    fn is_for_port(&self, rule: &Rule) -> bool {
        let Some(target) = self.target else { return false };
        rule.ports.as_ref().is_none_or(|ports| ports.iter().any(|range| target.is_in(range)))
    }

    /// Tries the peers; of very many only those that `index` finds.
    fn is_for_peer<'i>(
        &self,
        policy: &NetworkPolicy,
        rule: &Rule,
        index: impl Fn() -> Option<&'i PeerIndex>,
        seen: Seen,
    ) -> bool {
        let Some(peers) = &rule.peers else { return true };
        let at = |place: usize| peers.get(place).is_some_and(|peer| self.is_peer(policy, peer, seen));
        match (index(), seen) {
            (Some(index), Seen::Pod(pod)) => index.of_pod(pod).any(at),
            (Some(index), Seen::Address(address)) => index.of_address(address).any(at),
            (None, _) | (_, Seen::Unknown) => peers.iter().any(|peer| self.is_peer(policy, peer, seen)),
        }
    }

    fn is_peer(&self, policy: &NetworkPolicy, peer: &Peer, seen: Seen) -> bool {
        match (peer, seen) {
            (Peer::Pods { namespaces, pods }, Seen::Pod(pod)) => {
                self.is_namespace(policy, namespaces.as_ref(), &pod.namespace)
                    && pods.as_ref().is_none_or(|selector| selector.matches(|key| pod.label(key)))
            }
            (Peer::IpBlock(block), Seen::Pod(pod)) => {
                pod.addresses.iter().any(|address| contains(block, address.to_canonical()))
            }
            (Peer::IpBlock(block), Seen::Address(address)) => contains(block, address),
            (Peer::Pods { .. }, Seen::Address(_)) | (_, Seen::Unknown) => false,
        }
    }

    /// "Otherwise it selects the pods matching podSelector in the policy's own namespace."
    fn is_namespace(&self, policy: &NetworkPolicy, selector: Option<&Selector>, namespace: &str) -> bool {
        match selector {
            Some(selector) => selector.matches(|key| self.cluster.namespace_label(namespace, key)),
            None => policy.namespace == namespace,
        }
    }
}

impl Target<'_> {
    /// "only traffic on the specified protocol AND port will be matched"; a name is that of a port of the destination.
    fn is_in(&self, range: &PortRange) -> bool {
        let number = || match &range.ports {
            Ports::All => true,
            Ports::Numbers { first, last } => (*first..=*last).contains(&self.port),
            Ports::Name(name) => self.is_named(name),
        };
        range.protocol == self.protocol && number()
    }

    fn is_named(&self, name: &str) -> bool {
        self.pod.is_some_and(|pod| {
            pod.ports
                .iter()
                .any(|named| named.name == name && named.protocol == self.protocol && named.port == self.port)
        })
    }
}

fn contains(block: &IpBlock, address: IpAddr) -> bool {
    block.cidr.contains(&address) && !block.except.iter().any(|except| except.contains(&address))
}

/// Whether the canonical `address` is one of `addresses`, which may hold IPv4 in its IPv6-mapped form.
fn holds(addresses: &[IpAddr], address: IpAddr) -> bool {
    addresses.iter().any(|held| held.to_canonical() == address)
}
