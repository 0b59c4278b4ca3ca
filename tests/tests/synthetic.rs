//! What the made-up observations promise: exact sizes, the fan-in of large call graphs, the same bytes for the same seed.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed, as it should")]

use netwright_record::inventory::WorkloadRef;
use netwright_record::{Endpoint, Name, Observation, file};
use netwright_tests::synthetic::{Shape, observation};
use std::collections::{BTreeMap, BTreeSet};

/// How many workloads call each that is called by any, DNS apart; ascending.
fn in_degrees(observation: &Observation) -> Vec<usize> {
    let mut clients = BTreeMap::<&WorkloadRef, BTreeSet<&WorkloadRef>>::new();
    for edge in observation.edges.iter().filter(|edge| edge.activity.established()) {
        if let (Endpoint::Workload(client), Endpoint::Workload(server)) = (&edge.client, &edge.server) {
            clients.entry(server).or_default().insert(client);
        }
    }
    clients.retain(|server, _| server.name != "coredns");
    let mut degrees: Vec<usize> = clients.values().map(BTreeSet::len).collect();
    degrees.sort_unstable();
    degrees
}

fn percentile(degrees: &[usize], percent: usize) -> usize {
    degrees[degrees.len() * percent / 100]
}

fn is_as_promised(observation: &Observation, shape: Shape) {
    let inventory = &observation.inventory;
    let sizes = [inventory.namespaces.len(), inventory.workloads.len(), inventory.pods.len(), observation.edges.len()];
    assert_eq!(sizes, [shape.namespaces, shape.workloads, shape.pods, shape.edges]);
    let keys: BTreeSet<_> =
        observation.edges.iter().map(|edge| (&edge.client, &edge.server, edge.protocol, edge.port)).collect();
    assert_eq!(keys.len(), shape.edges, "each key once");
    let degrees = in_degrees(observation);
    assert_eq!(percentile(&degrees, 50), 1);
    assert!((17..=21).contains(&percentile(&degrees, 90)), "{}", percentile(&degrees, 90));
    assert!((180..=220).contains(&percentile(&degrees, 99)), "{}", percentile(&degrees, 99));
    let widest = degrees.last().copied().unwrap();
    assert!((shape.widest * 2 / 3..=shape.widest).contains(&widest), "{widest}");
}

#[test]
fn a_typical_cluster_is_as_promised() {
    is_as_promised(&observation(Shape::TYPICAL, 1), Shape::TYPICAL);
}

#[test]
fn the_largest_cluster_is_as_promised() {
    is_as_promised(&observation(Shape::ENVELOPE, 1), Shape::ENVELOPE);
}

#[test]
fn all_that_makes_clusters_hard_is_there() {
    let observation = observation(Shape::TYPICAL, 1);
    let (inventory, edges) = (&observation.inventory, &observation.edges);
    let ends = |wanted: fn(&Endpoint) -> bool| edges.iter().any(|edge| wanted(&edge.client) || wanted(&edge.server));
    assert!(ends(|end| matches!(end, Endpoint::Node { workload: None, .. })));
    assert!(ends(|end| matches!(end, Endpoint::Node { workload: Some(_), .. })));
    assert!(ends(|end| matches!(end, Endpoint::ExternalName { .. })));
    assert!(ends(|end| matches!(end, Endpoint::External { .. })));
    assert!(ends(|end| matches!(end, Endpoint::LinkLocal { .. })));
    assert!(ends(|end| *end == Endpoint::ApiServer) && ends(|end| *end == Endpoint::Internet));
    let to_itself = |edge: &&netwright_record::Edge| {
        edge.client == edge.server && edge.client.workload().is_some_and(|workload| workload.kind == "StatefulSet")
    };
    assert!(edges.iter().any(|edge| to_itself(&edge)) && edges.iter().any(|edge| !edge.activity.established()));
    for kind in ["Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job"] {
        assert!(inventory.workloads.iter().any(|workload| workload.workload.kind == kind), "{kind}");
    }
    let mut hashes = BTreeMap::<&WorkloadRef, BTreeSet<&Name>>::new();
    for pod in &inventory.pods {
        hashes.entry(&pod.workload).or_default().extend(pod.labels.get("pod-template-hash"));
    }
    assert!(hashes.values().any(|hashes| hashes.len() > 1), "rollouts");
    assert!(
        inventory.pods.iter().any(|pod| pod.addresses.iter().any(|held| held.until.is_some())),
        "pods that are gone"
    );
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
    let bytes = |seed| {
        let mut bytes = Vec::new();
        file::write_plain(&observation(Shape::TYPICAL, seed), &mut bytes).unwrap();
        bytes
    };
    assert_eq!(bytes(7), bytes(7));
    assert_ne!(bytes(7), bytes(8));
}
