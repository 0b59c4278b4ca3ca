//! What the drawings share: how a vertex is called, and one arrow for all ports between two endpoints.

use crate::graph::vertex::Folded;
use crate::graph::{Graph, Group, Vertex};
use crate::text::{plain, some_of};
use netwright_record::Endpoint;
use std::collections::{BTreeMap, BTreeSet};

/// How many names of one endpoint, or ports of one arrow, are shown.
const SHOWN: usize = 4;

/// An arrow: all ports from one endpoint to another that were established, or all that never were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrow {
    /// The number of the client.
    pub client: usize,
    /// The number of the server.
    pub server: usize,
    /// Whether the ports were established; if not, the arrow is dashed.
    pub established: bool,
    /// The ports, as `80/TCP`, at most a few.
    pub ports: Vec<String>,
}

/// The arrows of `graph`, in order.
pub fn arrows(graph: &Graph<Vertex>) -> Vec<Arrow> {
    let mut ports: BTreeMap<_, BTreeSet<(u16, &str)>> = BTreeMap::new();
    for (client, server, link) in graph.links() {
        let key = (client, server, !link.activity.established());
        ports.entry(key).or_default().insert((link.port, link.protocol.as_str()));
    }
    ports
        .into_iter()
        .map(|((client, server, failed), ports)| {
            let mut shown: Vec<String> =
                ports.iter().take(SHOWN).map(|(port, protocol)| format!("{port}/{protocol}")).collect();
            if ports.len() > SHOWN {
                shown.push(format!("{} more", ports.len() - SHOWN));
            }
            Arrow { client, server, established: !failed, ports: shown }
        })
        .collect()
}

/// What stands in a vertex's box: its name, and below it what it is. Invisible characters are made visible; the
/// format's own marks are not escaped yet.
pub fn lines(vertex: &Vertex) -> Vec<String> {
    match vertex {
        Vertex::Endpoint(endpoint) => lines_of_endpoint(endpoint),
        Vertex::Folded(folded) => lines_of_fold(folded),
    }
}

fn lines_of_fold(folded: &Folded) -> Vec<String> {
    match folded {
        Folded::HostNetworkWorkload(workload) => {
            let identity = format!("{} {}/{}", workload.kind, workload.namespace, workload.name);
            vec![plain(&workload.name), plain(&identity), "on the nodes' network".into()]
        }
        Folded::Namespace { name } => vec![plain(name), "namespace".into()],
        Folded::ServiceAccount { name, .. } => vec![plain(name), "service account".into()],
        Folded::UnknownServiceAccount(workload) => {
            vec![plain(&workload.name), plain(&workload.kind), "service account not known".into()]
        }
        Folded::Nodes => vec!["nodes".into(), "their own processes".into()],
        Folded::UnnamedAddresses => vec!["addresses".into(), "no name known".into()],
        Folded::OutsideServers => vec!["servers outside the cluster".into()],
    }
}

fn lines_of_endpoint(endpoint: &Endpoint) -> Vec<String> {
    match endpoint {
        Endpoint::Workload(workload) => vec![plain(&workload.name), plain(&workload.kind)],
        Endpoint::Node { name, workload: None } => vec![plain(name), "node".into()],
        Endpoint::Node { name, workload: Some(workload) } => {
            let identity = format!("{} {}/{}", workload.kind, workload.namespace, workload.name);
            vec![plain(&workload.name), plain(&identity), format!("on node {}", plain(name))]
        }
        Endpoint::ApiServer => vec!["API server".into()],
        Endpoint::LinkLocal { address } => vec![address.to_string(), "link-local".into()],
        Endpoint::ExternalName { names } => vec![some_of(names.iter().map(|name| plain(name)), SHOWN)],
        Endpoint::External { address } => vec![address.to_string(), "no name known".into()],
        Endpoint::Internet => vec!["clients outside the cluster".into()],
    }
}

/// What stands above a group.
pub fn title(group: &Group) -> String {
    match group {
        Group::Namespace(namespace) => format!("namespace {}", plain(namespace)),
        Group::Namespaces => "in the cluster".into(),
        Group::Infrastructure => "nodes and control plane".into(),
        Group::Outside => "outside the cluster".into(),
    }
}
