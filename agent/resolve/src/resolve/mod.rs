//! Names both ends of every flow: who held an address at the time, what is behind a Service, and which two flows
//! are the two ends of one connection.
//!
//! Pure: flows and an inventory go in, edges come out, and the order of the flows changes nothing. The work is
//! O(f log p) for f flows and p addresses, Services and pods. A Service whose backends came and went within the
//! window, or are not known as pods, costs its number of backends for each flow besides.
//!
//! An [`index::Index`] answers who was where, [`sighting`] makes of each flow a statement about an edge,
//! [`merge`] collects the statements. Whatever cannot be named is returned with the reason, never dropped.

mod addresses;
mod index;
mod merge;
mod node_clients;
mod nodes;
mod reason;
mod services;
mod sides;
mod sighting;

use index::Index;
use merge::Merge;
use netwright_record::inventory::Inventory;
use netwright_record::{Edge, Flow, Observation, Unresolved};
use sighting::{Dropped, Sighting};
use std::collections::BTreeMap;

/// What became of all flows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolution {
    /// Who talked to whom, one edge a key, sorted by it.
    pub edges: Vec<Edge>,
    /// What could not be named, sorted; flows that differ in their activity alone are one.
    pub unresolved: Vec<Unresolved>,
    /// What is no traffic between endpoints.
    pub dropped: DroppedCounts,
}

/// Connections and conversations that never leave their pod or node, and are no edges therefore.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DroppedCounts {
    /// To or from a loopback address.
    pub loopback: u64,
    /// To an address of the local end itself.
    pub own_address: u64,
    /// The inner legs of a sidecar proxy. The leg on the wire is kept.
    pub sidecar: u64,
}

/// Resolves flows against one inventory. Building it is O(p log p); it may be used for any number of batches.
#[derive(Debug)]
pub struct Resolver<'a> {
    index: Index<'a>,
}

impl<'a> Resolver<'a> {
    /// Indexes `inventory`.
    pub fn new(inventory: &'a Inventory) -> Self {
        Self { index: Index::new(inventory) }
    }

    /// Turns `flows` into edges. Flows are what was counted in one stretch of time: several may differ in nothing
    /// but their activity, and each is resolved at its own time.
    ///
    /// The flows of all nodes have to be given together: the two ends of a connection are merged only within a call.
    pub fn resolve(&self, flows: &[Flow]) -> Resolution {
        let listeners = sighting::listeners(&self.index, flows);
        let mut merge = Merge::default();
        let mut unresolved = BTreeMap::new();
        let mut dropped = DroppedCounts::default();
        for flow in flows {
            merge.watch(flow);
            match sighting::sight(&self.index, &listeners, flow) {
                Sighting::Dropped(why) => dropped.count(why, flow.activity.connections),
                Sighting::Sidecar(ends) => {
                    dropped.sidecar = dropped.sidecar.saturating_add(flow.activity.connections);
                    merge.behind_sidecar(ends);
                }
                Sighting::Unresolved(reason) => merge::keep_unresolved(&mut unresolved, flow, reason),
                Sighting::Direct(direct) => merge.direct(flow, direct),
                Sighting::Through(through) => merge.through(flow, through),
                Sighting::Ambiguous(ambiguous) => merge.ambiguous(flow, ambiguous),
            }
        }
        let edges = merge.finish(&mut unresolved);
        let unresolved = unresolved.into_iter().map(|(key, flow)| Unresolved { flow, reason: key.reason }).collect();
        Resolution { edges, unresolved, dropped }
    }
}

/// Turns `flows` into edges against `inventory`. See [`Resolver::resolve`].
pub fn resolve(flows: &[Flow], inventory: &Inventory) -> Resolution {
    Resolver::new(inventory).resolve(flows)
}

/// Fills in what `segments` say about the cluster of `inventory`: the inventory, the edges, what is unresolved, all
/// of which replace what stood there. Header, coverage and flows are left alone. Returns what was no traffic
/// between endpoints.
pub fn apply(observation: &mut Observation, segments: &[Flow], inventory: Inventory) -> DroppedCounts {
    let resolution = resolve(segments, &inventory);
    observation.inventory = inventory;
    observation.edges = resolution.edges;
    observation.unresolved = resolution.unresolved;
    resolution.dropped
}

impl DroppedCounts {
    fn count(&mut self, why: Dropped, connections: u64) {
        let counter = match why {
            Dropped::Loopback => &mut self.loopback,
            Dropped::OwnAddress => &mut self.own_address,
        };
        *counter = counter.saturating_add(connections);
    }
}
