//! A flow after both ends have a name.

use crate::flow::{Flow, Protocol};
use crate::inventory::WorkloadRef;
use crate::{Activity, FlatSet, Name, activity};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// Traffic from one endpoint to another on one server port, over the whole window and all nodes.
///
/// The key of an edge is (client, server, protocol, port): an observation holds one edge a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// Who opened the connection, or spoke first.
    pub client: Endpoint,
    /// Who answered.
    pub server: Endpoint,
    /// The transport protocol.
    pub protocol: Protocol,
    /// The port the server listens on: the target port, after any Service translation.
    pub port: u16,
    /// The Services through which the client reached it, where it used any.
    #[serde(default, skip_serializing_if = "FlatSet::is_empty")]
    pub services: FlatSet<ServiceRef>,
    /// The addresses of the client, where it is a node or outside the cluster. At most
    /// [`Edge::ADDRESSES_KEPT`] are kept; `client_addresses_seen` counts all.
    #[serde(default, skip_serializing_if = "FlatSet::is_empty")]
    pub client_addresses: FlatSet<IpAddr>,
    /// The addresses of the server, where it is a node, the API server or outside the cluster.
    #[serde(default, skip_serializing_if = "FlatSet::is_empty")]
    pub server_addresses: FlatSet<IpAddr>,
    /// Addresses that were seen and not kept in the two sets above.
    #[serde(default, skip_serializing_if = "activity::is_zero")]
    pub addresses_dropped: u64,
    /// When and how often. Where both ends reported, the count is the larger of the two, not the sum.
    pub activity: Activity,
    /// The nodes whose agents reported it.
    #[serde(default)]
    pub nodes: FlatSet<Name>,
}

impl Edge {
    /// How many addresses an edge keeps for each end.
    pub const ADDRESSES_KEPT: usize = 4096;
}

/// One end of an edge.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Endpoint {
    /// A workload whose pods have addresses of their own.
    Workload(WorkloadRef),
    /// A node: its own processes, or a host-network pod, which a policy sees as the node.
    Node {
        /// The node's name.
        name: Name,
        /// The host-network workload, where it is known which one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        workload: Option<WorkloadRef>,
    },
    /// The Kubernetes API server, reached by its Service or by one of its addresses.
    ApiServer,
    /// A link-local address: cloud metadata, node-local DNS.
    LinkLocal {
        /// The address.
        address: IpAddr,
    },
    /// Outside the cluster, reached by name. The addresses are on the edge.
    ExternalName {
        /// The names the client had asked for; several where one address had several.
        names: FlatSet<Name>,
    },
    /// Outside the cluster, no name known.
    External {
        /// The address.
        address: IpAddr,
    },
    /// Clients outside the cluster, taken together: their addresses are on the edge.
    Internet,
}

impl Endpoint {
    /// The workload whose pods have their own addresses and can be selected, if it is one.
    pub fn workload(&self) -> Option<&WorkloadRef> {
        match self {
            Endpoint::Workload(workload) => Some(workload),
            _ => None,
        }
    }
}

/// For logs and error messages. Names from outside are escaped.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Workload(workload) => workload.fmt(f),
            Endpoint::Node { name, workload: None } => write!(f, "node {}", name.escape_debug()),
            Endpoint::Node { name, workload: Some(workload) } => {
                write!(f, "{workload} on node {}", name.escape_debug())
            }
            Endpoint::ApiServer => f.write_str("API server"),
            Endpoint::LinkLocal { address } => write!(f, "link-local {address}"),
            Endpoint::ExternalName { names } => {
                for (index, name) in names.iter().enumerate() {
                    let separator = if index == 0 { "" } else { "|" };
                    write!(f, "{separator}{}", name.escape_debug())?;
                }
                Ok(())
            }
            Endpoint::External { address } => write!(f, "{address}"),
            Endpoint::Internet => f.write_str("clients outside the cluster"),
        }
    }
}

/// A Service and the port of it that was used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ServiceRef {
    /// The Service's namespace.
    pub namespace: Name,
    /// The Service's name.
    pub name: Name,
    /// The Service's own port (not the target port).
    pub port: u16,
}

/// A flow that could not be turned into an edge, and why. It travels to the last report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unresolved {
    /// What was seen.
    pub flow: Flow,
    /// Why no edge came of it, in words for a person.
    pub reason: String,
}
