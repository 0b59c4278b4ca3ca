//! Who talks to whom, as a graph: endpoints and the ports between them. Serves the exports, the questions that a service
//! owner has, and the order in which policies are applied.
//!
//! petgraph stays behind these types. [`DependencyGraph`] is the graph as it was seen; [`views`] folds it to workloads,
//! namespaces or service accounts; [`filter`] takes a part of it; [`analysis`], [`radius`] and [`lockdown`] say who depends
//! on whom. Nodes and links are in the order of their endpoints, whatever the order of the observation's lines was.

pub mod analysis;
pub mod filter;
pub mod lockdown;
pub mod radius;
pub mod vertex;
pub mod views;

#[cfg(test)]
mod random;

pub use vertex::{Group, Vertex};

use crate::index::Index;
use netwright_record::{Activity, Edge, Endpoint, FlatSet, Observation, Protocol, ServiceRef};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use std::collections::{BTreeMap, BTreeSet};

/// Vertices of one kind, and the ports between them.
#[derive(Debug, Clone)]
pub struct Graph<V> {
    graph: DiGraph<V, Link>,
}

/// The dependency graph of an observation, between the endpoints as they were seen.
pub type DependencyGraph = Graph<Endpoint>;

/// Traffic from one vertex to another on one port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The protocol.
    pub protocol: Protocol,
    /// The server's port.
    pub port: u16,
    /// When and how often.
    pub activity: Activity,
    /// The Services through which it went.
    pub services: FlatSet<ServiceRef>,
    /// Whether it can only have come from the node on which the server's own pod ran, as kubelet's probes do. They say
    /// nothing about who depends on whom.
    pub own_node: bool,
}

/// A link with the numbers of its client and its server.
type Numbered = (usize, usize, Link);

impl DependencyGraph {
    /// The graph of `observation`'s edges, also of those that were never established. O(E log E) for E edges.
    pub fn new(observation: &Observation) -> Self {
        Self::indexed(observation, &Index::new(observation))
    }

    /// As [`DependencyGraph::new`], where the observation's index is there already.
    pub fn indexed(observation: &Observation, index: &Index) -> Self {
        let ends = observation.edges.iter().flat_map(|edge| [&edge.client, &edge.server]);
        let endpoints: BTreeSet<&Endpoint> = ends.collect();
        let numbers: BTreeMap<&Endpoint, usize> = endpoints.iter().copied().zip(0..).collect();
        let links = observation
            .edges
            .iter()
            .filter_map(|edge| Some((*numbers.get(&edge.client)?, *numbers.get(&edge.server)?, Link::of(edge, index))));
        Graph::build(endpoints.into_iter().cloned(), links.collect())
    }
}

impl<V> Default for Graph<V> {
    fn default() -> Self {
        Self { graph: DiGraph::new() }
    }
}

impl<V> Graph<V> {
    /// The graph of `vertices`, numbered in their order. Links with the same ends, protocol and port become one.
    fn build(vertices: impl IntoIterator<Item = V>, mut links: Vec<Numbered>) -> Self {
        let mut graph = DiGraph::new();
        for vertex in vertices {
            graph.add_node(vertex);
        }
        links.sort_by_key(|(client, server, link)| (*client, *server, link.protocol, link.port));
        let mut links = links.into_iter().peekable();
        while let Some((client, server, mut link)) = links.next() {
            let key = (client, server, link.protocol, link.port);
            let same = |(c, s, next): &Numbered| (*c, *s, next.protocol, next.port) == key;
            link.merge(std::iter::from_fn(|| links.next_if(same).map(|(.., link)| link)));
            graph.add_edge(NodeIndex::new(client), NodeIndex::new(server), link);
        }
        Self { graph }
    }

    /// The vertices, each with its number: from 0, without gaps, in order.
    pub fn vertices(&self) -> impl Iterator<Item = (usize, &V)> {
        self.graph.node_indices().filter_map(|node| Some((node.index(), self.graph.node_weight(node)?)))
    }

    /// The vertex with that number.
    pub fn vertex(&self, number: usize) -> Option<&V> {
        self.graph.node_weight(NodeIndex::new(number))
    }

    /// How many vertices there are.
    pub fn len(&self) -> usize {
        self.graph.node_count()
    }

    /// Whether there is no vertex.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The links, each with the numbers of its client and its server, ordered by both, protocol and port.
    pub fn links(&self) -> impl Iterator<Item = (usize, usize, &Link)> {
        self.graph.edge_references().map(|edge| (edge.source().index(), edge.target().index(), edge.weight()))
    }

    /// The links of which `keep` is true, and the vertices that still have one.
    pub fn retain(&self, keep: impl Fn(usize, usize, &Link) -> bool) -> Self
    where
        V: Clone,
    {
        let kept: Vec<_> = self.links().filter(|(client, server, link)| keep(*client, *server, link)).collect();
        let used: BTreeSet<usize> = kept.iter().flat_map(|(client, server, _)| [*client, *server]).collect();
        let numbers: BTreeMap<usize, usize> = used.iter().copied().zip(0..).collect();
        let links = kept
            .into_iter()
            .filter_map(|(client, server, link)| Some((*numbers.get(&client)?, *numbers.get(&server)?, link.clone())));
        let links = links.collect();
        Graph::build(used.iter().filter_map(|number| self.vertex(*number).cloned()), links)
    }

    /// The graph in which each vertex is what `becomes` makes of it: those that become the same are one, and their links
    /// are merged, with what was counted added up. A link between two of them becomes one from the vertex to itself.
    /// O((V + E) log (V + E)).
    pub fn fold<W: Ord>(&self, becomes: impl Fn(&V) -> W) -> Graph<W> {
        let targets: Vec<W> = self.vertices().map(|(_, vertex)| becomes(vertex)).collect();
        let distinct: BTreeSet<&W> = targets.iter().collect();
        let numbers: BTreeMap<&W, usize> = distinct.into_iter().zip(0..).collect();
        let of: Vec<usize> = targets.iter().filter_map(|target| numbers.get(target).copied()).collect();
        let links =
            self.links().filter_map(|(client, server, link)| Some((*of.get(client)?, *of.get(server)?, link.clone())));
        let links = links.collect();
        let vertices: BTreeSet<W> = targets.into_iter().collect();
        Graph::build(vertices, links)
    }
}

impl<V: Ord> Graph<V> {
    /// The number of a vertex. O(log V).
    pub fn number_of(&self, vertex: &V) -> Option<usize> {
        let nodes = self.graph.raw_nodes();
        nodes.binary_search_by(|node| node.weight.cmp(vertex)).ok()
    }
}

impl Graph<Vertex> {
    /// The vertices by group, in order.
    pub fn groups(&self) -> BTreeMap<Group, Vec<(usize, &Vertex)>> {
        self.vertices().fold(BTreeMap::new(), |mut groups, (number, vertex)| {
            groups.entry(vertex.group()).or_insert_with(Vec::new).push((number, vertex));
            groups
        })
    }
}

impl Link {
    fn of(edge: &Edge, index: &Index) -> Self {
        Self {
            protocol: edge.protocol,
            port: edge.port,
            activity: edge.activity.clone(),
            services: edge.services.clone(),
            own_node: index.own_node(edge).is_some(),
        }
    }

    /// Takes in the links that are the same. The services of all at once: of very many a set in one piece takes long to grow.
    fn merge(&mut self, others: impl Iterator<Item = Link>) {
        let mut services = Vec::new();
        for other in others {
            self.activity.merge(&other.activity);
            services.extend(other.services);
            self.own_node &= other.own_node;
        }
        self.services.extend(services);
    }

    /// Whether one end depends on the other for its work: something got through, and it was no probe.
    pub fn is_dependency(&self) -> bool {
        self.activity.established() && !self.own_node
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, at, shop};
    use netwright_record::Protocol::{Tcp, Udp};

    #[test]
    fn folding_adds_up_what_was_counted_and_keeps_ports_apart() {
        let mut world = World::new();
        let [a, b, c] = ["a", "b", "c"].map(|name| Endpoint::Workload(world.running("n", name)));
        world.edge(a.clone(), c.clone(), Tcp, 80).activity.last = at(7200);
        world.edge(b.clone(), c.clone(), Tcp, 80).activity.failed = 1;
        world.edge(b, c.clone(), Udp, 80);
        world.edge(a, c.clone(), Tcp, 81);
        let folded = DependencyGraph::new(&world.build()).fold(|endpoint| *endpoint == c);
        let links = folded.links().map(|(client, server, link)| (client, server, link.protocol, link.port));
        let links = links.collect::<Vec<_>>();
        assert_eq!(links, [(0, 1, Tcp, 80), (0, 1, Tcp, 81), (0, 1, Udp, 80)]);
        let (_, _, first) = folded.links().next().unwrap();
        assert_eq!((first.activity.connections, first.activity.failed, first.activity.last), (2, 1, at(7200)));
        assert_eq!(folded.vertices().map(|(_, is_c)| *is_c).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn a_link_of_several_has_the_services_of_each() {
        let mut world = World::new();
        let [a, b, c] = ["a", "b", "c"].map(|name| Endpoint::Workload(world.running("n", name)));
        let service = |name: &str| ServiceRef { namespace: "n".into(), name: name.into(), port: 80 };
        for (client, names) in [(&a, vec!["y", "x"]), (&b, vec!["x", "z"]), (&c, vec![])] {
            let services = names.into_iter().map(service).collect();
            world.edge(client.clone(), c.clone(), Tcp, 80).services = services;
        }
        let folded = DependencyGraph::new(&world.build()).fold(|_| ());
        let services: Vec<_> = folded.links().map(|(_, _, link)| link.services.clone()).collect();
        assert_eq!(services, [["x", "y", "z"].map(service).into()]);
    }

    #[test]
    fn only_what_comes_from_the_pods_own_node_is_no_dependency() {
        let graph = DependencyGraph::new(&shop().build());
        let probes: Vec<u16> =
            graph.links().filter(|(_, _, link)| link.own_node).map(|(_, _, link)| link.port).collect();
        assert_eq!(probes, [8080]);
        assert_eq!(graph.links().filter(|(_, _, link)| link.is_dependency()).count(), graph.links().count() - 2);
    }

    #[test]
    fn vertices_are_found_by_name() {
        let graph = DependencyGraph::new(&shop().build());
        for (number, endpoint) in graph.vertices() {
            assert_eq!(graph.number_of(endpoint), Some(number));
        }
        assert_eq!(graph.number_of(&Endpoint::Node { name: "n9".into(), workload: None }), None);
    }
}
