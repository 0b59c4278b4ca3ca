//! What a policy is evaluated against: the namespaces, and the two ends of a connection. For callers who ask for a
//! verdict; they fill these from whatever they know of the cluster.

use crate::Protocol;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Labels of a pod or a namespace.
pub type Labels = BTreeMap<String, String>;

/// The label by which a namespace can be selected by name. The API server sets it on every namespace.
pub const METADATA_NAME: &str = "kubernetes.io/metadata.name";

/// The namespaces, by name, with their labels; and what the documents leave open, as this cluster's enforcer does it.
///
/// A namespace that is not listed is taken to exist without labels of its own. Every namespace carries
/// [`METADATA_NAME`] with its own name as the value, whether listed so or not, since the API server sees to that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cluster {
    /// Namespace name to namespace labels.
    pub namespaces: BTreeMap<String, Labels>,
    /// Whether a pod reaches its own node whatever its egress policies say. The documents differ: the website's page on
    /// NetworkPolicies exempts "traffic to and from the node where a Pod is running", the API's type comments exempt
    /// only what comes from it. Calico enforces the latter, hence the default, `false`, which needs a rule.
    pub own_node_egress_exempt: bool,
}

impl Cluster {
    /// The value of one label of one namespace.
    pub fn namespace_label<'a>(&'a self, namespace: &'a str, key: &str) -> Option<&'a str> {
        if key == METADATA_NAME {
            return Some(namespace);
        }
        self.namespaces.get(namespace)?.get(key).map(String::as_str)
    }
}

/// A pod with a network of its own. A host-network pod is a [`Party::Node`]: no policy can select it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`. Together with the namespace it tells pods apart.
    pub name: String,
    /// `metadata.labels`.
    pub labels: Labels,
    /// `status.podIPs`. May be empty: then no ipBlock matches the pod.
    pub addresses: Vec<IpAddr>,
    /// Every address by which the pod's own node may reach it. May be empty: then nothing counts as its own node.
    pub node_addresses: Vec<IpAddr>,
    /// The container ports that have a name.
    pub ports: Vec<NamedPort>,
}

impl Pod {
    /// The value of one label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(String::as_str)
    }
}

/// A container port that a policy can refer to by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamedPort {
    /// `name` of the container port.
    pub name: String,
    /// `protocol` of the container port.
    pub protocol: Protocol,
    /// `containerPort`.
    pub port: u16,
}

/// What is sent, as far as policies tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic<'a> {
    /// To a port of a protocol that a policy can name.
    Port {
        /// The protocol.
        protocol: Protocol,
        /// The port the destination listens on, after any translation by a Service.
        port: u16,
    },
    /// Of a protocol that no policy can name, such as `ICMP`; the name is for whoever reports.
    Other(&'a str),
}

/// One end of a connection, as a policy sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party<'a> {
    /// A pod with addresses of its own.
    Pod(&'a Pod),
    /// A node, or a host-network pod, which to a policy is the node.
    ///
    /// A connection uses one of the addresses and nobody knows beforehand which, so a node is admitted only if
    /// every address given here is. With no address at all nothing but a rule for every peer admits it.
    Node {
        /// The addresses it may be seen under.
        addresses: &'a [IpAddr],
    },
    /// Outside the cluster, or an address of which nothing else is known.
    Address(IpAddr),
}
