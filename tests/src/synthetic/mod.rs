//! Made-up observations of any size: what two weeks of watching a cluster give. The same shape and seed give the same bytes.
//!
//! Serves benches and tests of scale. What makes large clusters hard is in it: a few workloads that very many call,
//! rollouts (pods of several template hashes, most of them gone), Jobs and CronJobs, StatefulSets that talk to themselves,
//! DaemonSets on the host's network, names outside with several addresses, DNS from everybody.
//!
//! [`degrees`] says how many call a workload, [`population`] makes the inventory, [`traffic`] the edges.
#![allow(clippy::indexing_slicing, reason = "every number is the place of something made here")]

mod activity;
mod degrees;
mod members;
mod outside;
mod pods;
mod population;
mod random;
mod traffic;

use netwright_record::inventory::Inventory;
use netwright_record::{Coverage, Ended, Header, Losses, Observation, Time, Window};
use population::Population;
pub use random::Random;

/// Midnight of 1 November 2026 (UTC), when the watching begins.
const START: i64 = 1_793_491_200;
const DAYS: i64 = 14;
const SECONDS_PER_DAY: i64 = 86_400;

/// How large a cluster is, and how much was seen of it. All figures are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Namespaces, those of the cluster's own workloads among them; at least 4.
    pub namespaces: usize,
    /// Workloads, the cluster's own among them.
    pub workloads: usize,
    /// Pods, alive or gone.
    pub pods: usize,
    /// Edges: between workloads, to DNS, to and from outside and nodes.
    pub edges: usize,
    /// Nodes. Each runs three pods of DaemonSets.
    pub nodes: usize,
    /// How many workloads call the most called one, DNS apart.
    pub widest: usize,
}

impl Shape {
    /// A cluster as most are.
    pub const TYPICAL: Self = Self { namespaces: 12, workloads: 300, pods: 900, edges: 3_000, nodes: 20, widest: 220 };
    /// The largest that has to be handled.
    pub const ENVELOPE: Self =
        Self { namespaces: 10_000, workloads: 50_000, pods: 150_000, edges: 200_000, nodes: 1_500, widest: 2_000 };
}

/// Two weeks of a made-up cluster, in canonical order.
pub fn observation(shape: Shape, seed: u64) -> Observation {
    let mut random = Random(seed);
    let population = Population::new(shape, &mut random);
    let window = Window { from: at(0), until: at(DAYS * SECONDS_PER_DAY) };
    let mut header = Header::new("netwright-tests 0.1.0", window);
    header.cluster = Some("made-up".into());
    let edges = traffic::edges(shape, &population, &mut random);
    let Inventory { nodes, .. } = &population.inventory;
    let coverage = nodes.iter().map(|node| covered(&node.name, window)).collect();
    let inventory = population.inventory;
    let mut observation = Observation { coverage, inventory, edges, ..Observation::new(header) };
    observation.sort();
    observation
}

fn covered(node: &str, Window { from, until: to }: Window) -> Coverage {
    let (losses, notes) = (Losses::default(), Vec::new());
    Coverage { node: node.into(), run: format!("run-{node}"), from, to, ended: Ended::Clean, losses, notes }
}

/// `seconds` after the watching began. Far from the ends of what a [`Time`] can be.
fn at(seconds: i64) -> Time {
    Time::from_second(START + seconds).unwrap_or(Time::MAX)
}
