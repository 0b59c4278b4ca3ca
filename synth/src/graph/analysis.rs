//! Who depends on whom: groups that depend on each other, all that a workload needs, all that need it, what holds the
//! graph together, and where it is entered. Serves `netwright dependencies` and the order of roll-out.
//!
//! Only what was established counts: a scan or a dead destination is no dependency. Nor are a kubelet's probes. What
//! processes of nodes call, of which nobody knows the name, is an entry point and not a dependency of the node: else every
//! workload that anything on a node calls would depend on all who scrape that node.
//!
//! The algorithms are petgraph's, each linear in vertices and links; none recurses, so a long chain of calls is no hazard.

use super::{Graph, Link, Vertex};
use netwright_record::Endpoint;
use petgraph::algo::articulation_points::articulation_points;
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex, UnGraph};
use petgraph::visit::{Dfs, Reversed, VisitMap};
use std::collections::{BTreeMap, BTreeSet};

/// The port of DNS.
const DNS: u16 = 53;
/// A workload that more than this share of all workloads talks with (as a divisor: half) is used by everything...
const EVERYTHING: usize = 2;
/// ...provided that these are at least so many.
const FEWEST_NEIGHBOURS: usize = 10;

/// The dependencies between the vertices of a view. Numbers are those of the view.
#[derive(Debug)]
pub struct Dependencies<'a> {
    graph: &'a Graph<Vertex>,
    /// Each client and its servers, once a pair and without links to itself.
    pub(super) calls: DiGraph<(), ()>,
    /// Strongly connected components; whoever is called comes before who calls.
    components: Vec<Vec<usize>>,
}

/// Where the graph is entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The workload.
    pub vertex: usize,
    /// Whence.
    pub from: BTreeSet<Origin>,
}

/// Whence a workload is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Clients outside the cluster.
    Outside,
    /// Nodes, other than by probes of the pod's own node: behind a node may be clients of a NodePort.
    Nodes,
    /// The API server: webhooks, aggregated APIs, its service proxy.
    ApiServer,
    /// Nobody: it calls others and is called by none.
    Nobody,
}

impl<'a> Dependencies<'a> {
    /// The dependencies in `graph`. O(V + E).
    pub fn new(graph: &'a Graph<Vertex>) -> Self {
        let mut calls = DiGraph::with_capacity(graph.len(), graph.len());
        graph.vertices().for_each(|_| _ = calls.add_node(()));
        let is_node = |number: usize| graph.vertex(number).is_some_and(Vertex::is_node);
        let mut last = None;
        for (client, server, link) in graph.links() {
            // Links are ordered by their ends.
            let is_new = last != Some((client, server));
            if is_new && client != server && link.is_dependency() && !is_node(client) {
                last = Some((client, server));
                calls.add_edge(NodeIndex::new(client), NodeIndex::new(server), ());
            }
        }
        let components = components(&calls);
        Self { graph, calls, components }
    }

    /// The vertex with that number.
    pub fn vertex(&self, number: usize) -> Option<&'a Vertex> {
        self.graph.vertex(number)
    }

    /// The number of a vertex. O(log V).
    pub fn number_of(&self, vertex: &Vertex) -> Option<usize> {
        self.graph.number_of(vertex)
    }

    /// How many vertices there are.
    pub fn len(&self) -> usize {
        self.graph.len()
    }

    /// Whether there is no vertex.
    pub fn is_empty(&self) -> bool {
        self.graph.is_empty()
    }

    /// All links of the graph, dependencies or not.
    pub fn links(&self) -> impl Iterator<Item = (usize, usize, &'a Link)> {
        self.graph.links()
    }

    /// The strongly connected components, each sorted; whoever is called comes before who calls. Every vertex is in one.
    pub fn components(&self) -> &[Vec<usize>] {
        &self.components
    }

    /// Groups of vertices each of which depends on each other of the same group, in order of their first member. O(V log V).
    pub fn groups(&self) -> Vec<&[usize]> {
        let mut groups: Vec<&[usize]> =
            self.components.iter().filter(|group| group.len() > 1).map(Vec::as_slice).collect();
        groups.sort();
        groups
    }

    /// The workloads that talk to themselves, as the members of a StatefulSet do: their policies need both directions.
    /// O(E).
    pub fn talk_to_themselves(&self) -> BTreeSet<usize> {
        let own = self.graph.links().filter(|(client, server, link)| client == server && link.is_dependency());
        own.map(|(client, ..)| client).filter(|number| self.is_workload(*number)).collect()
    }

    /// Those that call `vertex` directly. O(its links).
    pub fn clients(&self, vertex: usize) -> BTreeSet<usize> {
        let clients = self.calls.neighbors_directed(NodeIndex::new(vertex), petgraph::Incoming);
        clients.map(NodeIndex::index).collect()
    }

    /// Those that `vertex` calls directly. O(its links).
    pub fn servers(&self, vertex: usize) -> BTreeSet<usize> {
        self.calls.neighbors(NodeIndex::new(vertex)).map(NodeIndex::index).collect()
    }

    /// The blast radius: all that call `vertex`, or call one that does, and so on; without itself. Whatever goes wrong at
    /// it may be felt there. O(V + E).
    pub fn dependents(&self, vertex: usize) -> BTreeSet<usize> {
        let mut search = Dfs::new(Reversed(&self.calls), NodeIndex::new(vertex));
        let reached = std::iter::from_fn(|| search.next(Reversed(&self.calls)));
        reached.map(NodeIndex::index).filter(|reached| *reached != vertex).collect()
    }

    /// All that `vertex` needs: whom it calls, whom those call, and so on; without itself. O(V + E).
    pub fn needs(&self, vertex: usize) -> BTreeSet<usize> {
        let mut search = Dfs::new(&self.calls, NodeIndex::new(vertex));
        let reached = std::iter::from_fn(|| search.next(&self.calls));
        reached.map(NodeIndex::index).filter(|reached| *reached != vertex).collect()
    }

    /// Workloads that others than workloads call, and those that call and nobody calls. O(V + E).
    pub fn entry_points(&self) -> Vec<Entry> {
        let mut entries: BTreeMap<usize, BTreeSet<Origin>> = BTreeMap::new();
        let mut called = BTreeSet::new();
        let mut calling = BTreeSet::new();
        for (client, server, _) in self.graph.links().filter(|(.., link)| link.is_dependency()) {
            calling.insert(client);
            if client != server {
                called.insert(server);
            }
            if let Some(origin) = self.graph.vertex(client).and_then(origin) {
                entries.entry(server).or_default().insert(origin);
            }
        }
        for root in calling.difference(&called) {
            entries.entry(*root).or_default().insert(Origin::Nobody);
        }
        let entries = entries.into_iter().map(|(vertex, from)| Entry { vertex, from });
        entries.filter(|entry| self.is_workload(entry.vertex)).collect()
    }

    /// Workloads that everything uses: those that serve DNS, and those that talk with more than half of all workloads
    /// (ten at least). They hold every graph together, and say nothing about it. O(V + E).
    pub fn used_by_everything(&self) -> BTreeSet<usize> {
        let between = self.between_workloads(&BTreeSet::new());
        let workloads = self.workloads().count();
        let is_busy = |number: usize| {
            let neighbours = between.neighbors(NodeIndex::new(number)).collect::<BTreeSet<_>>().len();
            neighbours >= FEWEST_NEIGHBOURS && neighbours > workloads / EVERYTHING
        };
        let dns = self.graph.links().filter(|(.., link)| link.port == DNS && link.is_dependency());
        let dns: BTreeSet<usize> = dns.map(|(_, server, _)| server).collect();
        self.workloads().filter(|number| dns.contains(number) || is_busy(*number)).collect()
    }

    /// Workloads without which others would no longer be connected, by any way and in any direction, in the graph of
    /// workloads alone and without those of `without`. O(V + E).
    pub fn articulation_points(&self, without: &BTreeSet<usize>) -> BTreeSet<usize> {
        let between = self.between_workloads(without);
        articulation_points(&between).into_iter().map(NodeIndex::index).collect()
    }

    /// The sizes of the parts into which the workloads around each of `points` fall without it, the largest first.
    /// O(V + E) for each point.
    pub fn parts(&self, points: impl IntoIterator<Item = usize>, without: &BTreeSet<usize>) -> Vec<Vec<usize>> {
        let between = self.between_workloads(without);
        points.into_iter().map(|point| parts(&between, NodeIndex::new(point))).collect()
    }

    pub(super) fn is_workload(&self, number: usize) -> bool {
        self.graph.vertex(number).is_some_and(Vertex::is_workload)
    }

    /// The numbers of the workloads, in order.
    pub fn workloads(&self) -> impl Iterator<Item = usize> {
        self.graph.vertices().filter(|(_, vertex)| vertex.is_workload()).map(|(number, _)| number)
    }

    /// All vertices, and the links between workloads that are not in `without`, whatever their direction.
    fn between_workloads(&self, without: &BTreeSet<usize>) -> UnGraph<(), ()> {
        let takes_part = |number: usize| self.is_workload(number) && !without.contains(&number);
        let edges = self.calls.raw_edges().iter().map(|edge| (edge.source(), edge.target()));
        let mut between = UnGraph::with_capacity(self.graph.len(), self.calls.edge_count());
        self.graph.vertices().for_each(|_| _ = between.add_node(()));
        between.extend_with_edges(edges.filter(|(a, b)| takes_part(a.index()) && takes_part(b.index())));
        between
    }
}

/// The strongly connected components of `calls`, each sorted; whoever is called comes before who calls.
pub(super) fn components(calls: &DiGraph<(), ()>) -> Vec<Vec<usize>> {
    let components = kosaraju_scc(calls).into_iter().map(|component| {
        let mut members: Vec<usize> = component.into_iter().map(NodeIndex::index).collect();
        members.sort_unstable();
        members
    });
    components.collect()
}

fn origin(client: &Vertex) -> Option<Origin> {
    match client {
        Vertex::Endpoint(Endpoint::ApiServer) => Some(Origin::ApiServer),
        client if client.is_outside() => Some(Origin::Outside),
        client if client.is_node() => Some(Origin::Nodes),
        _ => None,
    }
}

fn parts(between: &UnGraph<(), ()>, point: NodeIndex) -> Vec<usize> {
    let mut search = Dfs::empty(between);
    search.discovered.visit(point);
    let mut parts = Vec::new();
    for neighbour in between.neighbors(point) {
        search.move_to(neighbour);
        parts.push(std::iter::from_fn(|| search.next(between)).count());
    }
    parts.retain(|size| *size > 0);
    parts.sort_by(|a, b| b.cmp(a));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{DependencyGraph, random, views::By};
    use crate::testing::{World, shop};
    use netwright_record::Protocol::Tcp;
    use proptest::prelude::*;

    /// How many parts a graph has without the vertices of `without`.
    fn parts_of(vertices: usize, links: &BTreeSet<(usize, usize)>, without: &[usize]) -> usize {
        let kept = |(a, b): &(usize, usize)| !without.contains(a) && !without.contains(b);
        let both: BTreeSet<(usize, usize)> =
            links.iter().copied().filter(kept).flat_map(|(a, b)| [(a, b), (b, a)]).collect();
        let parts: BTreeSet<BTreeSet<usize>> = (0..vertices)
            .filter(|vertex| !without.contains(vertex))
            .map(|vertex| random::reached(vertex, &both))
            .collect();
        parts.len()
    }

    proptest! {
        #[test]
        fn closures_are_what_can_be_reached(links in random::links(12, 24)) {
            let graph = random::graph(12, &links);
            let dependencies = Dependencies::new(&graph);
            let forth: BTreeSet<(usize, usize)> = links.into_iter().collect();
            let back: BTreeSet<(usize, usize)> = forth.iter().map(|(client, server)| (*server, *client)).collect();
            let mut in_groups = BTreeSet::new();
            for vertex in 0..12 {
                let (mut needs, mut dependents) = (random::reached(vertex, &forth), random::reached(vertex, &back));
                if needs.intersection(&dependents).count() > 1 {
                    in_groups.insert(needs.intersection(&dependents).copied().collect::<Vec<_>>());
                }
                needs.remove(&vertex);
                dependents.remove(&vertex);
                prop_assert_eq!(dependencies.needs(vertex), needs);
                prop_assert_eq!(dependencies.dependents(vertex), dependents);
            }
            prop_assert_eq!(dependencies.groups(), in_groups.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn without_an_articulation_point_there_are_more_parts(links in random::links(10, 14), left_out in 0..20usize) {
            let graph = random::graph(10, &links);
            let dependencies = Dependencies::new(&graph);
            // Vertex 9 is no workload.
            let links: BTreeSet<(usize, usize)> = links.into_iter().filter(|(a, b)| *a < 9 && *b < 9).collect();
            let without: Vec<usize> = (0..9).filter(|vertex| *vertex == left_out).collect();
            let points = dependencies.articulation_points(&without.iter().copied().collect());
            let whole = parts_of(9, &links, &without);
            for vertex in (0..9).filter(|vertex| !without.contains(vertex)) {
                let cut = parts_of(9, &links, &[&without[..], &[vertex]].concat());
                prop_assert_eq!(points.contains(&vertex), cut > whole, "{}", vertex);
                let parts = dependencies.parts([vertex], &without.iter().copied().collect());
                prop_assert_eq!(parts[0].len(), cut + 1 - whole, "{}", vertex);
            }
        }
    }

    /// The names of what is found in the shop, by workload.
    fn found<T>(world: &World, what: impl Fn(&Dependencies, &dyn Fn(usize) -> String) -> T) -> T {
        let observation = world.build();
        let graph = DependencyGraph::new(&observation).view(By::Workload, &observation.inventory);
        let name = |number: usize| graph.vertex(number).unwrap().to_string();
        what(&Dependencies::new(&graph), &name)
    }

    #[test]
    fn entries_are_from_outside_from_other_nodes_and_where_nobody_calls() {
        let entries = found(&shop(), |dependencies, name| {
            let entries = dependencies.entry_points();
            entries.iter().map(|entry| (name(entry.vertex), entry.from.iter().copied().collect())).collect::<Vec<_>>()
        });
        let expected = [
            ("data/Deployment/db".to_owned(), vec![Origin::Nodes]),
            ("shop/Deployment/front".to_owned(), vec![Origin::Outside]),
            ("shop/Deployment/job".to_owned(), vec![Origin::Nobody]),
        ];
        assert_eq!(entries, expected);
    }

    #[test]
    fn a_failed_attempt_and_a_node_in_between_are_no_dependency() {
        let mut world = shop();
        let scraper = Endpoint::Workload(world.running("monitoring", "scraper"));
        world.edge(scraper, Endpoint::Node { name: "n2".into(), workload: None }, Tcp, 9100);
        let dependents = found(&world, |dependencies, name| {
            let number = (0..dependencies.graph.len()).find(|number| name(*number) == "data/Deployment/db").unwrap();
            dependencies.dependents(number).into_iter().map(name).collect::<Vec<_>>()
        });
        assert_eq!(dependents, ["shop/Deployment/api", "shop/Deployment/front", "clients outside the cluster"]);
    }

    #[test]
    fn dns_and_who_talks_with_most_are_used_by_everything() {
        let mut world = shop();
        let scraper = Endpoint::Workload(world.running("monitoring", "scraper"));
        for number in 0..20 {
            let target = Endpoint::Workload(world.running("n", &format!("target{number}")));
            world.edge(scraper.clone(), target, Tcp, 9100);
        }
        let used = found(&world, |dependencies, name| {
            dependencies.used_by_everything().into_iter().map(name).collect::<Vec<_>>()
        });
        assert_eq!(used, ["kube-system/Deployment/dns", "monitoring/Deployment/scraper"]);
    }

    #[test]
    fn who_talks_to_itself_is_known() {
        let own = found(&shop(), |dependencies, name| {
            dependencies.talk_to_themselves().into_iter().map(name).collect::<Vec<_>>()
        });
        assert_eq!(own, ["data/Deployment/db"]);
    }
}
