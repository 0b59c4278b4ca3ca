//! What stands in a graph: an endpoint, or several taken together. Serves the views and everything that draws or lists them.

use netwright_record::inventory::WorkloadRef;
use netwright_record::{Endpoint, Name};
use serde::Serialize;
use std::fmt;

/// A vertex of a view. In JSON an endpoint is written as in the observation file, and a fold likewise with a `kind`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum Vertex {
    /// One endpoint, as it was seen.
    Endpoint(Endpoint),
    /// Several.
    Folded(Folded),
}

/// Endpoints taken together. Names are text from outside.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Folded {
    /// A workload whose pods share the network of their nodes, on all of them.
    HostNetworkWorkload(WorkloadRef),
    /// All workloads of a namespace.
    Namespace {
        /// `metadata.name`.
        name: Name,
    },
    /// All workloads that run as one ServiceAccount.
    ServiceAccount {
        /// The namespace.
        namespace: Name,
        /// The name.
        name: Name,
    },
    /// A workload of which the inventory names no ServiceAccount, or more than one.
    UnknownServiceAccount(WorkloadRef),
    /// The nodes' own processes.
    Nodes,
    /// Servers outside the cluster of which no name is known.
    UnnamedAddresses,
    /// Every server outside the cluster, named or not.
    OutsideServers,
}

/// What vertices stand together with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// What runs in a namespace.
    Namespace(Name),
    /// Namespaces, where each is one vertex.
    Namespaces,
    /// Nodes, host-network pods, the API server, link-local services.
    Infrastructure,
    /// Whatever is not in the cluster.
    Outside,
}

impl Vertex {
    /// What it stands together with.
    pub fn group(&self) -> Group {
        match self {
            Vertex::Endpoint(Endpoint::Workload(workload))
            | Vertex::Folded(Folded::UnknownServiceAccount(workload)) => Group::Namespace(workload.namespace.clone()),
            Vertex::Folded(Folded::ServiceAccount { namespace, .. }) => Group::Namespace(namespace.clone()),
            Vertex::Folded(Folded::Namespace { .. }) => Group::Namespaces,
            Vertex::Endpoint(Endpoint::Node { .. } | Endpoint::ApiServer | Endpoint::LinkLocal { .. })
            | Vertex::Folded(Folded::HostNetworkWorkload(_) | Folded::Nodes) => Group::Infrastructure,
            Vertex::Endpoint(Endpoint::ExternalName { .. } | Endpoint::External { .. } | Endpoint::Internet)
            | Vertex::Folded(Folded::UnnamedAddresses | Folded::OutsideServers) => Group::Outside,
        }
    }

    /// Whether it is one or more workloads, host-network ones among them: what can depend on others and be harmed.
    pub fn is_workload(&self) -> bool {
        match self {
            Vertex::Endpoint(endpoint) => workload_of(endpoint).is_some(),
            Vertex::Folded(folded) => {
                !matches!(folded, Folded::Nodes | Folded::UnnamedAddresses | Folded::OutsideServers)
            }
        }
    }

    /// Whether it stands for processes of nodes that nobody knows by name.
    pub fn is_node(&self) -> bool {
        matches!(self, Vertex::Endpoint(Endpoint::Node { workload: None, .. }) | Vertex::Folded(Folded::Nodes))
    }

    /// Whether it is outside the cluster.
    pub fn is_outside(&self) -> bool {
        self.group() == Group::Outside
    }
}

/// The workload that an endpoint is, also one whose pods share their nodes' network.
pub fn workload_of(endpoint: &Endpoint) -> Option<&WorkloadRef> {
    match endpoint {
        Endpoint::Workload(workload) | Endpoint::Node { workload: Some(workload), .. } => Some(workload),
        _ => None,
    }
}

/// For messages and tables. Names from outside are escaped.
impl fmt::Display for Vertex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Vertex::Endpoint(endpoint) => endpoint.fmt(f),
            Vertex::Folded(folded) => folded.fmt(f),
        }
    }
}

impl fmt::Display for Folded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Folded::HostNetworkWorkload(workload) => write!(f, "{workload} (host network)"),
            Folded::Namespace { name } => write!(f, "namespace {}", name.escape_debug()),
            Folded::ServiceAccount { namespace, name } => {
                write!(f, "{}/{}", namespace.escape_debug(), name.escape_debug())
            }
            Folded::UnknownServiceAccount(workload) => write!(f, "{workload} (service account not known)"),
            Folded::Nodes => f.write_str("nodes"),
            Folded::UnnamedAddresses => f.write_str("addresses without a name"),
            Folded::OutsideServers => f.write_str("servers outside the cluster"),
        }
    }
}
