//! What two observations saw differently: staging against production, this week against last. For `netwright diff`.
//!
//! Two clusters share neither addresses nor nodes, so ends are compared by the names that mean the same in both.

use netwright_record::inventory::WorkloadRef;
use netwright_record::{Edge, Endpoint, Name, Observation, Protocol};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// An end of a connection by what it is called in every cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// A workload.
    Workload(WorkloadRef),
    /// A workload on the network of its nodes.
    HostNetwork(WorkloadRef),
    /// Processes of nodes, whichever they are.
    Nodes,
    /// Anything else, as [`Endpoint`] calls it: names and addresses outside, the API server. Escaped.
    Other(String),
}

/// For people. Escaped.
impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Party::Workload(workload) => workload.fmt(f),
            Party::HostNetwork(workload) => write!(f, "{workload} (host network)"),
            Party::Nodes => f.write_str("nodes"),
            Party::Other(name) => f.write_str(name),
        }
    }
}

/// A connection that was established.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// Who connected.
    pub client: Party,
    /// To whom.
    pub server: Party,
    /// The protocol.
    pub protocol: Protocol,
    /// The port the server listens on.
    pub port: u16,
}

/// Where two observations differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// What only the first one saw.
    pub only_in_first: BTreeSet<Link>,
    /// What only the second one saw.
    pub only_in_second: BTreeSet<Link>,
    /// How many links both saw.
    pub in_both: usize,
}

impl Comparison {
    /// Compares the established connections of two observations. `namespaces` says what namespaces of the first are called
    /// in the second, where that is something else.
    pub fn of(first: &Observation, second: &Observation, namespaces: &BTreeMap<String, String>) -> Self {
        let (first, second) = (links(&first.edges, namespaces), links(&second.edges, &BTreeMap::new()));
        Self {
            only_in_first: &first - &second,
            only_in_second: &second - &first,
            in_both: first.intersection(&second).count(),
        }
    }

    /// Whether both saw the same.
    pub fn is_equal(&self) -> bool {
        self.only_in_first.is_empty() && self.only_in_second.is_empty()
    }
}

/// The links of the edges that were established: an attempt that nobody answered says nothing about what is needed.
fn links(edges: &[Edge], namespaces: &BTreeMap<String, String>) -> BTreeSet<Link> {
    let established = edges.iter().filter(|edge| edge.activity.established());
    established
        .map(|edge| Link {
            client: party(&edge.client, namespaces),
            server: party(&edge.server, namespaces),
            protocol: edge.protocol,
            port: edge.port,
        })
        .collect()
}

fn party(endpoint: &Endpoint, namespaces: &BTreeMap<String, String>) -> Party {
    let renamed = |workload: &WorkloadRef| {
        let namespace =
            namespaces.get(workload.namespace.as_str()).map_or_else(|| workload.namespace.clone(), Name::from);
        WorkloadRef { namespace, ..workload.clone() }
    };
    match endpoint {
        Endpoint::Workload(workload) => Party::Workload(renamed(workload)),
        Endpoint::Node { workload: Some(workload), .. } => Party::HostNetwork(renamed(workload)),
        Endpoint::Node { workload: None, .. } => Party::Nodes,
        other => Party::Other(other.to_string()),
    }
}
