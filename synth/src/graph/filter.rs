//! A part of the dependency graph: around some workloads, on some ports, since some time. Serves every drawing.
//!
//! Filters narrow each other; the values of one filter widen each other. What matches nothing is an error that says what
//! there is: an empty drawing would look like the answer "nobody".

use super::vertex::{Vertex, workload_of};
use super::{DependencyGraph, Link};
use crate::state::reference::near;
use crate::text::{plain, some_of};
use clap::ValueEnum;
use netwright_record::inventory::WorkloadRef;
use netwright_record::{Endpoint, Protocol, Time};
use std::collections::BTreeSet;

/// How many of what there is an error lists.
const LISTED: usize = 8;

/// What to keep. The default keeps everything.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Links of which something got through.
    pub established_only: bool,
    /// Links that leave or enter the cluster.
    pub only_outside: bool,
    /// Links on one of these ports, if there are any here.
    pub ports: Vec<PortFilter>,
    /// Links seen at this time or later.
    pub since: Option<Time>,
    /// Links with an end in one of these namespaces, if there are any here.
    pub namespaces: Vec<String>,
    /// Links on the way to or from these workloads, if there are any here.
    pub workloads: Vec<WorkloadFilter>,
    /// Which way to go from the workloads, and which end has to be in the namespaces.
    pub direction: Direction,
    /// How many links to go from the workloads; at least 1.
    pub depth: usize,
}

/// A port, of one protocol or of any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortFilter {
    /// The server's port.
    pub port: u16,
    /// The protocol.
    pub protocol: Option<Protocol>,
}

/// The name of a workload, of one kind or of any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadFilter {
    /// The namespace.
    pub namespace: String,
    /// The kind as in manifests.
    pub kind: Option<String>,
    /// The name.
    pub name: String,
}

/// Which way links are followed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Direction {
    /// Who calls it.
    In,
    /// Whom it calls.
    Out,
    /// Either.
    #[default]
    Both,
}

/// Why nothing is left. What came from outside is escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// No link has an end of that name.
    #[error("{} {}: nobody talked to it or from it{}", .what, plain(.written), there_is(.near, .known))]
    Unknown {
        /// What was looked for.
        what: &'static str,
        /// As written.
        written: String,
        /// Names that are like it, the likest first.
        near: Vec<String>,
        /// All names.
        known: Vec<String>,
    },
    /// No link has the port.
    #[error("--port {written}: no link is on that port; there are {}", some_of(.known, LISTED))]
    NoPort {
        /// As written.
        written: String,
        /// The ports there are.
        known: Vec<String>,
    },
    /// The recording ends earlier.
    #[error("--since {since}: nothing was seen then or later; the last link was seen at {last}")]
    TooLate {
        /// The time asked for.
        since: Time,
        /// The last time of all.
        last: Time,
    },
    /// Each filter matches something, but not the same.
    #[error("the filters match no link together: {matched} match {before}, and none of these {last}")]
    Together {
        /// How many links the filters before the last match.
        matched: usize,
        /// These filters.
        before: String,
        /// The filter that leaves nothing.
        last: &'static str,
    },
    /// One filter matches nothing.
    #[error("{filter} matches none of the {links} links")]
    Nothing {
        /// The filter.
        filter: &'static str,
        /// How many links there are.
        links: usize,
    },
}

fn there_is(near: &[String], known: &[String]) -> String {
    let (lead, names) = if near.is_empty() { ("there are", known) } else { ("did you mean", near) };
    let mark = if near.is_empty() { "" } else { "?" };
    match names {
        [] => String::new(),
        names => format!("; {lead} {}{mark}", some_of(names.iter().map(|name| plain(name)), LISTED)),
    }
}

impl PortFilter {
    fn matches(self, link: &Link) -> bool {
        self.port == link.port && self.protocol.is_none_or(|protocol| protocol == link.protocol)
    }

    fn written(self) -> String {
        self.protocol.map_or_else(|| self.port.to_string(), |protocol| format!("{}/{protocol}", self.port))
    }
}

impl WorkloadFilter {
    /// Whether the workload has this name.
    pub fn matches(&self, workload: &WorkloadRef) -> bool {
        workload.namespace == self.namespace
            && workload.name == self.name
            && self.kind.as_ref().is_none_or(|kind| *kind == workload.kind)
    }

    /// As it is written on a command line.
    pub fn written(&self) -> String {
        match &self.kind {
            Some(kind) => format!("{}/{kind}/{}", self.namespace, self.name),
            None => format!("{}/{}", self.namespace, self.name),
        }
    }
}

impl Filter {
    /// The part of `graph` that matches. O(V + E) for each filter, and each step of the depth.
    ///
    /// # Errors
    ///
    /// If nothing is left.
    pub fn apply(&self, graph: &DependencyGraph) -> Result<DependencyGraph, FilterError> {
        self.check_names(graph)?;
        let mut left = graph.clone();
        let mut before: Vec<&'static str> = Vec::new();
        for step in STEPS.into_iter().filter(|step| (step.is_set)(self)) {
            let next = (step.apply)(self, &left);
            if next.is_empty() && before.is_empty() {
                return Err(FilterError::Nothing { filter: step.name, links: graph.links().count() });
            }
            if next.is_empty() {
                let matched = left.links().count();
                return Err(FilterError::Together { matched, before: before.join(" and "), last: step.name });
            }
            before.push(step.name);
            left = next;
        }
        Ok(left)
    }

    /// Refuses what no link of the whole graph has, so that a slip of the pen is named.
    fn check_names(&self, graph: &DependencyGraph) -> Result<(), FilterError> {
        let workloads: BTreeSet<&WorkloadRef> =
            graph.vertices().filter_map(|(_, endpoint)| workload_of(endpoint)).collect();
        let namespaces: BTreeSet<&str> = workloads.iter().map(|workload| workload.namespace.as_str()).collect();
        if let Some(written) = self.namespaces.iter().find(|name| !namespaces.contains(name.as_str())) {
            let known = namespaces.into_iter().map(str::to_owned);
            return Err(unknown("namespace", written, known.collect()));
        }
        if let Some(wanted) = self.workloads.iter().find(|wanted| !workloads.iter().any(|known| wanted.matches(known)))
        {
            let known = workloads.into_iter().map(|known| format!("{}/{}", known.namespace, known.name));
            return Err(unknown("workload", &wanted.written(), known.collect()));
        }
        if let Some(port) = self.ports.iter().find(|port| !graph.links().any(|(.., link)| port.matches(link))) {
            let known: BTreeSet<(u16, &str)> =
                graph.links().map(|(.., link)| (link.port, link.protocol.as_str())).collect();
            let known = known.into_iter().map(|(port, protocol)| format!("{port}/{protocol}")).collect();
            return Err(FilterError::NoPort { written: port.written(), known });
        }
        match (self.since, graph.links().map(|(.., link)| link.activity.last).max()) {
            (Some(since), Some(last)) if last < since => Err(FilterError::TooLate { since, last }),
            _ => Ok(()),
        }
    }

    fn is_in_namespaces(&self, endpoint: Option<&Endpoint>) -> bool {
        let namespace = endpoint.and_then(workload_of).map(|workload| &workload.namespace);
        namespace.is_some_and(|namespace| self.namespaces.iter().any(|wanted| wanted == namespace))
    }

    /// The links on the way from the workloads, at most `depth` of them one after the other.
    fn around_workloads(&self, graph: &DependencyGraph) -> DependencyGraph {
        let is_wanted = |endpoint: &Endpoint| {
            workload_of(endpoint).is_some_and(|workload| self.workloads.iter().any(|wanted| wanted.matches(workload)))
        };
        let start: BTreeSet<usize> =
            graph.vertices().filter(|(_, endpoint)| is_wanted(endpoint)).map(|(number, _)| number).collect();
        let walk = |way: fn(usize, usize) -> (usize, usize)| self.walk(graph, &start, way);
        let none = BTreeSet::new;
        let (out, back) = match self.direction {
            Direction::Out => (walk(|client, server| (client, server)), none()),
            Direction::In => (none(), walk(|client, server| (server, client))),
            Direction::Both => (walk(|client, server| (client, server)), walk(|client, server| (server, client))),
        };
        graph.retain(|client, server, _| out.contains(&client) || back.contains(&server))
    }

    /// Whence links are followed: all that are fewer than `depth` links from the start. Not through nodes: who calls a
    /// node has nothing to do with whom another process of it calls.
    fn walk(
        &self,
        graph: &DependencyGraph,
        start: &BTreeSet<usize>,
        way: fn(usize, usize) -> (usize, usize),
    ) -> BTreeSet<usize> {
        let is_passable =
            |number: &usize| !graph.vertex(*number).is_some_and(|end| Vertex::Endpoint(end.clone()).is_node());
        let mut reached = start.clone();
        for _ in 1..self.depth {
            let next: BTreeSet<usize> = graph
                .links()
                .map(|(client, server, _)| way(client, server))
                .filter(|(from, to)| reached.contains(from) && !reached.contains(to) && is_passable(to))
                .map(|(_, to)| to)
                .collect();
            if next.is_empty() {
                break;
            }
            reached.extend(next);
        }
        reached
    }
}

/// One filter: what it is called, whether it is set, and what it leaves.
struct Step {
    name: &'static str,
    is_set: fn(&Filter) -> bool,
    apply: fn(&Filter, &DependencyGraph) -> DependencyGraph,
}

/// The filters in the order in which they are applied: workloads last, so that the way to them is one of links that match.
const STEPS: [Step; 6] = [
    Step {
        name: "--established-only",
        is_set: |filter| filter.established_only,
        apply: |_, graph| graph.retain(|_, _, link| link.activity.established()),
    },
    Step {
        name: "--only-outside",
        is_set: |filter| filter.only_outside,
        apply: |_, graph| {
            let is_outside =
                |number| graph.vertex(number).is_some_and(|end| Vertex::Endpoint(end.clone()).is_outside());
            graph.retain(|client, server, _| is_outside(client) != is_outside(server))
        },
    },
    Step {
        name: "--port",
        is_set: |filter| !filter.ports.is_empty(),
        apply: |filter, graph| graph.retain(|_, _, link| filter.ports.iter().any(|port| port.matches(link))),
    },
    Step {
        name: "--since",
        is_set: |filter| filter.since.is_some(),
        apply: |filter, graph| graph.retain(|_, _, link| filter.since.is_none_or(|since| link.activity.last >= since)),
    },
    Step {
        name: "--namespace",
        is_set: |filter| !filter.namespaces.is_empty(),
        apply: |filter, graph| {
            let is_in = |number| filter.is_in_namespaces(graph.vertex(number));
            graph.retain(|client, server, _| match filter.direction {
                Direction::In => is_in(server),
                Direction::Out => is_in(client),
                Direction::Both => is_in(client) || is_in(server),
            })
        },
    },
    Step {
        name: "--workload",
        is_set: |filter| !filter.workloads.is_empty(),
        apply: |filter, graph| filter.around_workloads(graph),
    },
];

fn unknown(what: &'static str, written: &str, known: Vec<String>) -> FilterError {
    let near = near(written, known.iter().cloned());
    FilterError::Unknown { what, written: written.to_owned(), near, known }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, at, shop};
    use netwright_record::Protocol::{Tcp, Udp};

    fn workload(written: &str) -> WorkloadFilter {
        let (namespace, name) = written.split_once('/').unwrap();
        WorkloadFilter { namespace: namespace.into(), kind: None, name: name.into() }
    }

    fn filter() -> Filter {
        Filter { depth: 1, ..Filter::default() }
    }

    /// The links that are left, as `client>server:port`.
    fn left(world: &World, filter: &Filter) -> Result<Vec<String>, String> {
        let graph = DependencyGraph::new(&world.build());
        let left = filter.apply(&graph).map_err(|error| error.to_string())?;
        let name = |number: usize| {
            let name = left.vertex(number).unwrap().to_string();
            name.rsplit('/').next().unwrap().to_owned()
        };
        Ok(left.links().map(|(from, to, link)| format!("{}>{}:{}", name(from), name(to), link.port)).collect())
    }

    #[test]
    fn without_a_filter_everything_is_left() {
        let world = shop();
        assert_eq!(left(&world, &filter()).unwrap().len(), world.observation.edges.len());
    }

    #[test]
    fn around_a_workload_in_either_direction_and_to_a_depth() {
        let world = shop();
        let around = |direction, depth| {
            left(&world, &Filter { workloads: vec![workload("shop/api")], direction, depth, ..filter() }).unwrap()
        };
        assert_eq!(around(Direction::In, 1), ["front>api:8080", "node n1>api:8080"]);
        assert_eq!(
            around(Direction::In, 9),
            ["front>api:8080", "node n1>api:8080", "clients outside the cluster>front:8080"]
        );
        let out = ["api>db:5432", "api>dns:53", "api>node n2:9100", "api>API server:6443", "api>billing.example:443"];
        assert_eq!(around(Direction::Out, 1), out);
        assert_eq!(around(Direction::Out, 2), [&["db>db:5433"], &out[..]].concat(), "not through a node");
        let both = around(Direction::Both, 1);
        assert_eq!(both.len(), 7, "{both:?}");
    }

    #[test]
    fn namespaces_ports_times_and_the_outside() {
        let mut world = shop();
        world.observation.edges[1].activity.last = at(7200);
        let since = Filter { since: Some(at(7200)), ..filter() };
        assert_eq!(left(&world, &since).unwrap(), ["front>api:8080"]);
        let dns = PortFilter { port: 53, protocol: Some(Udp) };
        assert_eq!(left(&world, &Filter { ports: vec![dns], ..filter() }).unwrap().len(), 3);
        let outside = left(&world, &Filter { only_outside: true, ..filter() }).unwrap();
        assert_eq!(outside, ["api>billing.example:443", "clients outside the cluster>front:8080"]);
        let data =
            |direction| left(&world, &Filter { namespaces: vec!["data".into()], direction, ..filter() }).unwrap();
        assert_eq!(data(Direction::Out), ["db>db:5433"]);
        assert_eq!(data(Direction::In), ["db>db:5433", "api>db:5432", "job>db:6379", "node n2>db:9187"]);
        let established = Filter { established_only: true, ..filter() };
        assert_eq!(left(&world, &established).unwrap().len(), world.observation.edges.len() - 1);
    }

    #[test]
    fn filters_narrow_each_other_and_values_widen() {
        let world = shop();
        let ports = [6379, 5432].map(|port| PortFilter { port, protocol: None }).to_vec();
        let both = Filter {
            ports,
            established_only: true,
            workloads: vec![workload("shop/job"), workload("shop/api")],
            ..filter()
        };
        assert_eq!(left(&world, &both).unwrap(), ["api>db:5432"]);
    }

    #[test]
    fn what_matches_nothing_says_what_there_is() {
        let world = shop();
        let told = |filter: Filter| left(&world, &filter).unwrap_err();
        let message = told(Filter { namespaces: vec!["shpo".into()], ..filter() });
        assert!(message.contains("did you mean shop?"), "{message}");
        let message = told(Filter { namespaces: vec!["x\u{1b}".into()], ..filter() });
        assert!(message.contains("x\\u{1b}") && message.contains("there are data, kube-system, shop"), "{message}");
        let message = told(Filter { workloads: vec![workload("data/api")], ..filter() });
        assert!(message.contains("did you mean shop/api"), "{message}");
        let message = told(Filter { ports: vec![PortFilter { port: 53, protocol: Some(Tcp) }], ..filter() });
        assert!(message.starts_with("--port 53/TCP") && message.contains("53/UDP"), "{message}");
        let message = told(Filter { since: Some(at(86_400)), ..filter() });
        assert!(message.contains("the last link was seen at 2026-11-01T01:00:00Z"), "{message}");
        let port = PortFilter { port: 53, protocol: None };
        let message = told(Filter { ports: vec![port], namespaces: vec!["data".into()], ..filter() });
        assert_eq!(message, "the filters match no link together: 3 match --port, and none of these --namespace");
    }
}
