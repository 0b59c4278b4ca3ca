//! End to end on a real Kubernetes: the chart as it is shipped, agents on every node, one collector, and workloads that do just what
//! they declare. What is pulled has to be what they declared: every edge, and none besides.
//!
//! `NETWRIGHT_REUSES=100` has addresses used again that often (30 without).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

mod reuse;
mod shop;

use netwright_record::Observation;
use netwright_tests::cluster::Options;
use netwright_tests::installation::{Installation, Store};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How long it may take until what was said has been shipped, has settled and is merged.
const SETTLED: Duration = Duration::from_secs(120);

#[test]
fn with_sqlite_the_edges_are_exactly_those_that_were_declared() {
    record(Store::Sqlite);
}

#[test]
fn with_postgresql_the_edges_are_exactly_those_that_were_declared() {
    record(Store::Postgresql);
}

fn record(store: Store) {
    let lacking = Installation::lacking();
    if !lacking.is_empty() {
        netwright_tests::skipped(&lacking.join("\n"));
        return;
    }
    // Few addresses, so that they are used again at once.
    let installation = Installation::start(store, &Options { pod_addresses: 16, ..Options::default() }).unwrap();
    let mut expected = shop::play(&installation);
    let (reused, pairs) = reuse::play(&installation);
    expected.extend(pairs);
    let observation = settled(&installation, &expected);
    let found = edges(&observation);
    let missing: Vec<_> = expected.difference(&found).collect();
    let extra: Vec<_> = found.difference(&expected).collect();
    assert!(missing.is_empty() && extra.is_empty(), "missing: {missing:#?}\nnever declared: {extra:#?}");
    let unnamed: Vec<String> = observation
        .unresolved
        .iter()
        .filter(|unresolved| unresolved.flow.activity.established())
        .map(|unresolved| format!("{:?}: {}", unresolved.flow, unresolved.reason))
        .collect();
    assert!(unnamed.is_empty(), "established, and without a name: {unnamed:#?}");
    let lost = losses(&observation);
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert!(reused >= reuse::wanted(), "addresses were used again {reused} times, fewer than {}", reuse::wanted());
    netwright_tests::told(&format!(
        "{store:?}: {} edges as declared, {reused} addresses used again with traffic at both ends, 0 wrong",
        found.len()
    ));
}

/// What was lost, but for names of outside servers in the first answers to a pod's own resolver: the test declares none.
fn losses(observation: &Observation) -> Vec<(&'static str, u64)> {
    let all = observation.coverage.iter().flat_map(|stretch| stretch.losses.named());
    all.filter(|(cause, lost)| *lost > 0 && *cause != "dns_unwatched").collect()
}

/// What is pulled, as soon as everything expected is in it; or when it should have been.
fn settled(installation: &Installation, expected: &BTreeSet<String>) -> Observation {
    let begun = Instant::now();
    loop {
        let observation = installation.pull().unwrap();
        let all_there = expected.is_subset(&edges(&observation));
        let unnamed = observation.unresolved.iter().any(|unresolved| unresolved.flow.activity.established());
        if (all_there && !unnamed) || begun.elapsed() > SETTLED {
            return observation;
        }
        std::thread::sleep(Duration::from_secs(3));
    }
}

/// The edges between workloads of the tests, and from these to the outside: `shop/Deployment/web -> shop/Deployment/cart:8080/TCP`.
/// What Kubernetes and the recording itself do besides is not declared.
fn edges(observation: &Observation) -> BTreeSet<String> {
    let ours = |end: &netwright_record::Endpoint| matches!(end.workload(), Some(workload) if [shop::NAMESPACE, shop::OTHER_NAMESPACE, reuse::NAMESPACE].contains(&workload.namespace.as_str()));
    observation
        .edges
        .iter()
        .filter(|edge| edge.activity.established() && (ours(&edge.client) || ours(&edge.server)))
        .map(|edge| format!("{} -> {}:{}/{}", edge.client, edge.server, edge.port, edge.protocol))
        .collect()
}
