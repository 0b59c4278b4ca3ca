//! Random views for the laws that the analyses obey, and what a few lines of brute force say about them.

use super::{DependencyGraph, Graph, Vertex};
use crate::testing::World;
use netwright_record::inventory::WorkloadRef;
use netwright_record::{Endpoint, Protocol};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Up to `most` pairs of client and server among `vertices`.
pub(super) fn links(vertices: usize, most: usize) -> impl Strategy<Value = Vec<(usize, usize)>> {
    prop::collection::vec((0..vertices, 0..vertices), 0..most)
}

/// The view with these links. The last vertex stands for clients outside, all others are workloads. Each has a failed link
/// to itself, so that none is missing.
pub(super) fn graph(vertices: usize, links: &[(usize, usize)]) -> Graph<Vertex> {
    let endpoint = |number: usize| match number + 1 == vertices {
        true => Endpoint::Internet,
        false => Endpoint::Workload(WorkloadRef {
            namespace: "n".into(),
            kind: "Deployment".into(),
            name: format!("w{number:06}").into(),
        }),
    };
    let mut world = World::new();
    for vertex in 0..vertices {
        world.edge(endpoint(vertex), endpoint(vertex), Protocol::Udp, 9).activity.failed = 1;
    }
    for (client, server) in links {
        world.edge(endpoint(*client), endpoint(*server), Protocol::Tcp, 80);
    }
    DependencyGraph::new(&world.observation).fold(|endpoint| Vertex::Endpoint(endpoint.clone()))
}

/// All that are reached from `start` over `links`, and itself, by trying until nothing changes.
pub(super) fn reached(start: usize, links: &BTreeSet<(usize, usize)>) -> BTreeSet<usize> {
    let mut reached = BTreeSet::from([start]);
    loop {
        let next: BTreeSet<usize> =
            links.iter().filter(|(from, _)| reached.contains(from)).map(|(_, to)| *to).collect();
        if next.is_subset(&reached) {
            return reached;
        }
        reached.extend(next);
    }
}
