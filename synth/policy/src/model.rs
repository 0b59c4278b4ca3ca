//! NetworkPolicies after reading: validated, defaulted, selectors parsed. For the evaluator, and for whoever reports on a policy.
//!
//! What the API leaves to be inferred from empty or absent lists is explicit here: `None` is "every", a list is "these".

use crate::selector::Selector;
use crate::{Pod, Protocol};
use ipnet::IpNet;
use std::fmt;

/// One NetworkPolicy of `networking.k8s.io/v1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkPolicy {
    /// Where it was read.
    pub origin: Origin,
    /// `metadata.namespace`, `default` where the manifest has none.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `spec.podSelector`: the pods of its namespace it applies to.
    pub pod_selector: Selector,
    /// Whether it isolates ingress: `spec.policyTypes` after defaulting.
    pub isolates_ingress: bool,
    /// Whether it isolates egress: `spec.policyTypes` after defaulting.
    pub isolates_egress: bool,
    /// `spec.ingress`, also where `isolates_ingress` is false and the rules mean nothing.
    pub ingress: Vec<Rule>,
    /// `spec.egress`, also where `isolates_egress` is false and the rules mean nothing.
    pub egress: Vec<Rule>,
}

impl NetworkPolicy {
    /// The rules that count in a direction; `None` where the policy says nothing about it.
    pub fn rules(&self, direction: Direction) -> Option<&[Rule]> {
        match direction {
            Direction::Ingress => self.isolates_ingress.then_some(self.ingress.as_slice()),
            Direction::Egress => self.isolates_egress.then_some(self.egress.as_slice()),
        }
    }

    /// Whether it applies to a pod in a direction, so that only what rules admit can pass.
    pub fn isolates(&self, pod: &Pod, direction: Direction) -> bool {
        self.namespace == pod.namespace
            && self.rules(direction).is_some()
            && self.pod_selector.matches(|key| pod.label(key))
    }
}

/// For messages: `shop/cart (policies.yaml:12, document 2)`.
impl fmt::Display for NetworkPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} ({})", self.namespace.escape_debug(), self.name.escape_debug(), self.origin)
    }
}

/// The two values of `spec.policyTypes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Towards the selected pods.
    Ingress,
    /// From the selected pods.
    Egress,
}

/// Where a manifest stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The name of the source, usually a file.
    pub file: String,
    /// The document in that file, counted from 1; empty documents are not counted.
    pub document: usize,
    /// The line on which the document's content begins, counted from 1.
    pub line: usize,
    /// The field path inside the document, `items[3]`, where the manifest is part of a list; otherwise empty.
    pub item: String,
}

/// For messages: `policies.yaml:12, document 2`. The file name is escaped.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}, document {}", self.file.escape_debug(), self.line, self.document)?;
        if self.item.is_empty() { Ok(()) } else { write!(f, ", {}", self.item) }
    }
}

/// One entry of `spec.ingress` or `spec.egress`: any of the peers, on any of the ports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// `from` or `to`. `None`: every peer, inside the cluster and outside.
    pub peers: Option<Vec<Peer>>,
    /// `ports`. `None`: every port of every protocol.
    pub ports: Option<Vec<PortRange>>,
}

/// One entry of `from` or `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// Pods, by their own labels and their namespace's: both have to match.
    Pods {
        /// `namespaceSelector`. `None`: the policy's own namespace.
        namespaces: Option<Selector>,
        /// `podSelector`. `None`: every pod of those namespaces.
        pods: Option<Selector>,
    },
    /// Addresses.
    IpBlock(IpBlock),
}

/// `ipBlock`: a block of addresses with holes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IpBlock {
    /// `cidr`, its host bits cleared.
    pub cidr: IpNet,
    /// `except`: blocks strictly inside `cidr`, host bits cleared.
    pub except: Vec<IpNet>,
}

/// One entry of `ports`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PortRange {
    /// `protocol`, TCP where the manifest has none.
    pub protocol: Protocol,
    /// `port` and `endPort`.
    pub ports: Ports,
}

/// What `port` and `endPort` say together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Ports {
    /// No `port`: every port of the protocol.
    All,
    /// Numbers, both ends included; a single port is a range of one. `1 <= first <= last`.
    Numbers {
        /// `port`.
        first: u16,
        /// `endPort`, or `port` where there is none.
        last: u16,
    },
    /// The name of a port of the destination pod.
    Name(String),
}
