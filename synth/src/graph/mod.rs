//! Who talks to whom, as a graph: endpoints and the ports between them. Serves the exports, and whatever analyses it.
//!
//! petgraph stays behind these types. Nodes and links are in the order of their endpoints, whatever the order of the
//! observation's lines was.

use netwright_record::{Activity, Edge, Endpoint, Observation, Protocol, ServiceRef};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use std::collections::{BTreeMap, BTreeSet};

/// The dependency graph of an observation.
#[derive(Debug, Clone, Default)]
pub struct DependencyGraph {
    graph: DiGraph<Endpoint, Link>,
}

/// Traffic from one endpoint to another on one port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The protocol.
    pub protocol: Protocol,
    /// The server's port.
    pub port: u16,
    /// When and how often.
    pub activity: Activity,
    /// The Services through which it went.
    pub services: BTreeSet<ServiceRef>,
}

/// What endpoints stand together with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// The workloads of a namespace.
    Namespace(String),
    /// Nodes, host-network pods, the API server, link-local services.
    Infrastructure,
    /// Whatever is not in the cluster.
    Outside,
}

/// The group of an endpoint.
pub fn group(endpoint: &Endpoint) -> Group {
    match endpoint {
        Endpoint::Workload(workload) => Group::Namespace(workload.namespace.clone()),
        Endpoint::Node { .. } | Endpoint::ApiServer | Endpoint::LinkLocal { .. } => Group::Infrastructure,
        Endpoint::ExternalName { .. } | Endpoint::External { .. } | Endpoint::Internet => Group::Outside,
    }
}

impl DependencyGraph {
    /// The graph of `observation`'s edges, also of those that were never established.
    pub fn new(observation: &Observation) -> Self {
        let mut edges: Vec<&Edge> = observation.edges.iter().collect();
        edges.sort_by_key(|edge| (&edge.client, &edge.server, edge.protocol, edge.port));
        let endpoints: BTreeSet<&Endpoint> = edges.iter().flat_map(|edge| [&edge.client, &edge.server]).collect();
        let mut graph = DiGraph::new();
        let nodes: BTreeMap<&Endpoint, NodeIndex> =
            endpoints.into_iter().map(|endpoint| (endpoint, graph.add_node(endpoint.clone()))).collect();
        for edge in edges {
            if let (Some(client), Some(server)) = (nodes.get(&edge.client), nodes.get(&edge.server)) {
                graph.add_edge(*client, *server, Link::of(edge));
            }
        }
        Self { graph }
    }

    /// The endpoints, each with its number: from 0, without gaps, in order.
    pub fn endpoints(&self) -> impl Iterator<Item = (usize, &Endpoint)> {
        self.graph.node_indices().filter_map(|node| Some((node.index(), self.graph.node_weight(node)?)))
    }

    /// The endpoints by group, in order.
    pub fn groups(&self) -> BTreeMap<Group, Vec<(usize, &Endpoint)>> {
        self.endpoints().fold(BTreeMap::new(), |mut groups, (number, endpoint)| {
            groups.entry(group(endpoint)).or_insert_with(Vec::new).push((number, endpoint));
            groups
        })
    }

    /// The links, each with the numbers of its client and its server, ordered by both, protocol and port.
    pub fn links(&self) -> impl Iterator<Item = (usize, usize, &Link)> {
        self.graph.edge_references().map(|edge| (edge.source().index(), edge.target().index(), edge.weight()))
    }
}

impl Link {
    fn of(edge: &Edge) -> Self {
        Self {
            protocol: edge.protocol,
            port: edge.port,
            activity: edge.activity.clone(),
            services: edge.services.clone(),
        }
    }
}
