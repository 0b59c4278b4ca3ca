//! Names both ends of every flow: who held an address at the time, what is behind a Service, and which two flows
//! are the two ends of one connection.
//!
//! Pure: flows and an inventory go in, edges come out, and the order of the flows changes nothing. The work is
//! O(f log p) for f flows and p addresses, Services and pods. A Service whose backends came and went within the
//! window, or are not known as pods, costs its number of backends for each flow besides.
//!
//! What goes on from segment to segment is looked at once ([`alike`]). An [`index::Index`] answers who was where, [`sighting`] makes of each flow a statement about an edge, [`statement`] adds them
//! up, and [`merge`] draws the conclusions. Whatever cannot be named is returned with the reason, never dropped.
//! Flows may come in portions, over weeks: [`Resolver::sight`] each portion, add the statements up, and [`Resolver::finish`].

mod addresses;
mod alike;
mod contested;
mod index;
mod merge;
mod node_clients;
mod nodes;
mod reason;
mod services;
mod sides;
mod sighting;
mod statement;

pub use index::Target;
pub use reason::Reason;
pub use sighting::{Key, Side};
pub use statement::{Statement, Statements, Subject};

use addresses::Span;
use alike::Alike;
use index::{Index, LocalEnd};
use merge::{Merge, UnresolvedFlows};
use netwright_record::inventory::Inventory;
use netwright_record::{Direction, Edge, Endpoint, Flow, Observation, Unresolved};
use sighting::{Dropped, Sighting};

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

/// What one portion of flows says.
#[derive(Debug, Clone, Default)]
pub struct Sighted {
    /// What is known of edges.
    pub statements: Statements,
    /// Flows without a name, and why; see [`Reason::may_pass`].
    pub unresolved: Vec<(Flow, Reason)>,
    /// What is no traffic between endpoints.
    pub dropped: DroppedCounts,
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
        let sighted = self.sight(flows);
        let unresolved = sighted.unresolved.into_iter().map(|(flow, reason)| (flow, reason.to_string()));
        Resolution { dropped: sighted.dropped, ..self.finish(sighted.statements, unresolved) }
    }

    /// What one portion of flows says. See [`Resolver::sight_beside`].
    pub fn sight(&self, flows: &[Flow]) -> Sighted {
        self.sight_beside(flows, &[])
    }

    /// Whether an end of `flow` has an address that pods of different workloads held, one soon after the other, at about that time. Such flows
    /// are the witnesses of each other.
    pub fn is_witness(&self, flow: &Flow) -> bool {
        self.index.is_witness(flow)
    }

    /// What one portion of flows says. Where the time alone does not tell whose an address was, the other end of the same connections
    /// does, if it is in the portion or among the `witnesses`, which say nothing else.
    pub fn sight_beside(&self, flows: &[Flow], witnesses: &[Flow]) -> Sighted {
        let mut sighted = Sighted::default();
        let mut contested = Vec::new();
        let (alike, mut single) = alike::gather(&self.index, flows);
        for Alike { flows, whole } in alike {
            // One that cannot be named yet is tried again later, each part at its own time.
            match sighting::sight(&self.index, &whole) {
                Sighting::Unresolved(_) => single.extend(flows),
                sighting => self.take(&mut sighted, &whole, sighting),
            }
        }
        for flow in single {
            match sighting::sight(&self.index, flow) {
                Sighting::Unresolved(Reason::ChangedHands) => {
                    self.note_end(&mut sighted.statements, flow);
                    contested.push(flow);
                }
                sighting => self.take(&mut sighted, flow, sighting),
            }
        }
        contested::settle(&self.index, flows.iter().chain(witnesses), &contested, &mut sighted);
        sighted
    }

    /// Adds what a flow says.
    fn take(&self, sighted: &mut Sighted, flow: &Flow, sighting: Sighting) {
        self.note_end(&mut sighted.statements, flow);
        match sighting {
            Sighting::Dropped(why) => sighted.dropped.count(why, flow.activity.connections),
            Sighting::Sidecar(ends) => {
                sighted.dropped.sidecar = sighted.dropped.sidecar.saturating_add(flow.activity.connections);
                if let Some((client, server)) = ends {
                    sighted.statements.note(Subject::BehindSidecar { client, server });
                }
            }
            Sighting::Unresolved(reason) => sighted.unresolved.push((flow.clone(), reason)),
            Sighting::Direct(direct) => sighted.statements.direct(flow, direct),
            Sighting::Through(through) => sighted.statements.through(flow, through),
            Sighting::Ambiguous(ambiguous) => sighted.statements.ambiguous(flow, ambiguous),
        }
    }

    /// Notes what shows by the end on the node alone.
    fn note_end(&self, statements: &mut Statements, flow: &Flow) {
        statements.watch(flow);
        self.note_listener(statements, flow);
    }

    /// The conclusions from all `statements`. `unresolved` are flows that have no name for good, with the reason.
    pub fn finish(&self, statements: Statements, unresolved: impl IntoIterator<Item = (Flow, String)>) -> Resolution {
        let mut without_name = UnresolvedFlows::new();
        for (flow, reason) in unresolved {
            merge::keep_unresolved(&mut without_name, &flow, &reason);
        }
        let edges = Merge::new(statements, self.index.nodes()).finish(&mut without_name);
        let unresolved = without_name.into_iter().map(|(key, flow)| Unresolved { flow, reason: key.reason }).collect();
        Resolution { edges, unresolved, dropped: DroppedCounts::default() }
    }

    /// Notes what was seen to answer at a port of a node.
    fn note_listener(&self, statements: &mut Statements, flow: &Flow) {
        if flow.direction != Direction::Ingress {
            return;
        }
        let local = self.index.local(flow, Span::of(&flow.activity));
        if let Ok(LocalEnd { endpoint: Endpoint::Node { name: node, workload }, .. }) = local {
            statements.note(Subject::Listener { node, protocol: flow.protocol, port: flow.port, workload });
        }
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
