//! Collects what all flows say into one edge a key.
//!
//! Everything collected is a sum, a union, a minimum or a maximum, kept in order, so that the order of the flows
//! changes nothing. What needs to know all flows (which backends of a Service answered, which direction an ambiguous
//! flow had) waits until the end.

use super::index::{Target, Targets};
use super::node_clients;
use super::reason::Reason;
use super::sides::Sides;
use super::sighting::{Ambiguous, Direct, Key, Side, Through};
use netwright_record::{Activity, Direction, Edge, Endpoint, Flow, Local, Name, Protocol, ServiceRef};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// The port on which a mesh without sidecars carries everything between its nodes' proxies.
const HBONE: u16 = 15008;

/// Flows without a name, by everything that tells them apart but their activity.
pub(super) type UnresolvedFlows = BTreeMap<UnresolvedKey, Flow>;

/// What tells one unresolved flow from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct UnresolvedKey {
    node: Name,
    local: Local,
    direction: Direction,
    protocol: Protocol,
    remote: IpAddr,
    port: u16,
    remote_port: Option<u16>,
    pub(super) reason: String,
}

/// Adds `flow` to those without a name.
pub(super) fn keep_unresolved(unresolved: &mut UnresolvedFlows, flow: &Flow, reason: Reason) {
    let key = UnresolvedKey {
        node: flow.node.clone(),
        local: flow.local.clone(),
        direction: flow.direction,
        protocol: flow.protocol,
        remote: flow.remote,
        port: flow.port,
        remote_port: flow.remote_port,
        reason: reason.to_string(),
    };
    match unresolved.get_mut(&key) {
        Some(known) => {
            known.activity.merge(&flow.activity);
            known.names.extend(flow.names.iter().cloned());
        }
        None => {
            unresolved.insert(key, flow.clone());
        }
    }
}

/// Who used which Service, and what could have answered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct ThroughKey {
    client: Endpoint,
    service: ServiceRef,
    protocol: Protocol,
    targets: Arc<Targets>,
}

/// What clients saw of a Service.
#[derive(Debug, Clone)]
struct ThroughService {
    activity: Activity,
    client_addresses: BTreeSet<IpAddr>,
    nodes: BTreeSet<Name>,
}

/// Everything said so far.
#[derive(Debug, Default)]
pub(super) struct Merge {
    edges: BTreeMap<Key, Sides>,
    through: BTreeMap<ThroughKey, ThroughService>,
    ambiguous: Vec<(Flow, Ambiguous)>,
    /// Client and server of connections that a sidecar took.
    behind_sidecar: BTreeSet<(Endpoint, Endpoint)>,
    /// Nodes that report what arrives at them.
    watched: BTreeSet<Name>,
}

impl Merge {
    /// Notes that the node of `flow` is watched, if the flow shows it.
    pub(super) fn watch(&mut self, flow: &Flow) {
        if flow.direction == Direction::Ingress && !self.watched.contains(&flow.node) {
            self.watched.insert(flow.node.clone());
        }
    }

    /// Adds a flow of which both ends have a name.
    pub(super) fn direct(&mut self, flow: &Flow, direct: Direct) {
        let sides = self.edges.entry(direct.key).or_default();
        sides.count(direct.side, &flow.activity);
        sides.client_addresses.extend(direct.client_address);
        sides.server_addresses.extend(direct.server_address);
        sides.nodes.insert(flow.node.clone());
    }

    /// Adds a flow to a Service.
    pub(super) fn through(&mut self, flow: &Flow, through: Through) {
        let Through { client, client_address, service, protocol, targets, at_node } = through;
        if let Some(direct) = at_node {
            self.edges.entry(direct.key.clone()).or_default().services.insert(service.clone());
            self.direct(flow, direct);
        }
        let key = ThroughKey { client, service, protocol, targets };
        let entry = self.through.entry(key).and_modify(|known| known.activity.merge(&flow.activity));
        let known = entry.or_insert_with(|| ThroughService {
            activity: flow.activity.clone(),
            client_addresses: BTreeSet::new(),
            nodes: BTreeSet::new(),
        });
        known.client_addresses.extend(client_address);
        known.nodes.insert(flow.node.clone());
    }

    /// Adds a flow whose direction is not known yet.
    pub(super) fn ambiguous(&mut self, flow: &Flow, ambiguous: Ambiguous) {
        self.ambiguous.push((flow.clone(), ambiguous));
    }

    /// Adds the ends of a connection that a sidecar took.
    pub(super) fn behind_sidecar(&mut self, ends: Option<(Endpoint, Endpoint)>) {
        self.behind_sidecar.extend(ends);
    }

    /// The edges, sorted by key. What stays ambiguous goes to `unresolved`.
    pub(super) fn finish(mut self, unresolved: &mut UnresolvedFlows) -> Vec<Edge> {
        self.resolve_services();
        node_clients::unify(&mut self.edges);
        self.resolve_ambiguous(unresolved);
        self.edges.into_iter().filter_map(|(key, sides)| sides.into_edge(key)).collect()
    }

    fn resolve_services(&mut self) {
        let through = std::mem::take(&mut self.through);
        let (certain, uncertain): (Vec<_>, Vec<_>) = through
            .into_iter()
            .map(|(key, service)| (self.answering(&key), key, service))
            .partition(|(answering, ..)| answering.len() == 1);
        // What is certain first: it leaves less to be divided.
        for (answering, key, service) in &certain {
            for answering in answering {
                self.describe(answering, key, service).count(Side::Client, &service.activity);
            }
        }
        for (answering, key, service) in &uncertain {
            self.divide(answering, key, service);
        }
    }

    /// The edges that may stand for what went through a Service: those whose server saw the client, or sits where
    /// nobody watched; all of them if there is none, for then it was the servers' side that was lost, or every
    /// attempt failed.
    fn answering(&self, key: &ThroughKey) -> Vec<Key> {
        let edge = |target: &(Endpoint, u16)| {
            let (client, (server, port)) = (key.client.clone(), target.clone());
            Key { client, server, protocol: key.protocol, port }
        };
        let kept: Vec<Key> = key
            .targets
            .iter()
            .map(|(target, known)| (edge(target), known))
            .filter(|(edge, known)| self.was_seen(edge) || self.is_unwatched(known))
            .map(|(edge, _)| edge)
            .collect();
        if kept.is_empty() { key.targets.keys().map(edge).collect() } else { kept }
    }

    fn was_seen(&self, key: &Key) -> bool {
        let tunnel = Key { protocol: Protocol::Tcp, port: HBONE, ..key.clone() };
        let ends = |key: &Key| (key.client.clone(), key.server.clone());
        let by_sidecar = || {
            let without_workload = node_clients::anonymous(key);
            [Some(key), without_workload.as_ref()]
                .into_iter()
                .flatten()
                .any(|key| self.behind_sidecar.contains(&ends(key)))
        };
        self.server_side(key).is_some() || self.server_side(&tunnel).is_some() || by_sidecar()
    }

    /// What the server saw; it sees of a client on a node no more than the node.
    fn server_side(&self, key: &Key) -> Option<&Activity> {
        let seen = |key: &Key| self.edges.get(key)?.server.as_ref();
        seen(key).or_else(|| seen(&node_clients::anonymous(key)?))
    }

    fn is_unwatched(&self, target: &Target) -> bool {
        target.nodes.iter().any(|node| node.as_ref().is_none_or(|node| !self.watched.contains(node)))
    }

    /// Divides what a client counted among several servers: to those that saw it as many as they saw, the rest to the
    /// others (in full to each, as it cannot be told which), or to the first if there are no others.
    fn divide(&mut self, answering: &[Key], key: &ThroughKey, service: &ThroughService) {
        let mut established = service.activity.connections.saturating_sub(service.activity.failed);
        let mut unseen = Vec::new();
        for edge in answering {
            let seen = self.server_side(edge).cloned();
            let sides = self.describe(edge, key, service);
            let Some(seen) = seen else {
                unseen.push(edge);
                continue;
            };
            let accounted = sides.client.as_ref().map_or(0, |client| client.connections);
            let share = seen.connections.saturating_sub(accounted).min(established);
            established -= share;
            sides.count(Side::Client, &Activity { connections: share, failed: 0, bytes: None, ..seen });
        }
        let rest = established.saturating_add(service.activity.failed);
        if unseen.is_empty() && rest > 0 {
            unseen.extend(answering.first());
        }
        for edge in unseen {
            // At least one: that something went there cannot be ruled out.
            let activity = Activity { connections: rest.max(1), bytes: None, ..service.activity.clone() };
            self.describe(edge, key, service).count(Side::Client, &activity);
        }
    }

    fn describe(&mut self, edge: &Key, key: &ThroughKey, service: &ThroughService) -> &mut Sides {
        let target = key.targets.get(&(edge.server.clone(), edge.port));
        let sides = self.edges.entry(edge.clone()).or_default();
        sides.services.insert(key.service.clone());
        sides.client_addresses.extend(&service.client_addresses);
        sides.server_addresses.extend(target.iter().flat_map(|target| &target.addresses));
        sides.nodes.extend(service.nodes.iter().cloned());
        sides
    }

    /// Ambiguous flows are part of an edge that another flow showed, or of the only edge they can be.
    fn resolve_ambiguous(&mut self, unresolved: &mut UnresolvedFlows) {
        let shown: BTreeSet<Key> = self.edges.keys().cloned().collect();
        for (flow, ambiguous) in std::mem::take(&mut self.ambiguous) {
            let possible: BTreeSet<&Key> = [&ambiguous.as_client, &ambiguous.as_server].into_iter().flatten().collect();
            let certain: Vec<&Key> = possible.iter().copied().filter(|key| shown.contains(key)).collect();
            for key in &certain {
                self.absorb(key, &flow);
            }
            if certain.is_empty() {
                match (ambiguous.as_client, ambiguous.as_server) {
                    // One workload, one port at both ends: whoever spoke first, it is this edge.
                    (Ok(key), Ok(other)) if key == other => {
                        let sides = self.edges.entry(key).or_default();
                        sides.count(ambiguous.side, &flow.activity);
                        sides.nodes.insert(flow.node);
                    }
                    _ => keep_unresolved(unresolved, &flow, Reason::Ambiguous),
                }
            }
        }
    }

    /// The edge counts the conversation already; it was active when this flow was, too.
    fn absorb(&mut self, key: &Key, flow: &Flow) {
        let Some(sides) = self.edges.get_mut(key) else { return };
        let mut activity = Activity { connections: 0, failed: 0, ..flow.activity.clone() };
        // Bytes were counted at the end that counts the conversation.
        activity.bytes = None;
        let side = if sides.server.is_some() { Side::Server } else { Side::Client };
        sides.count(side, &activity);
        sides.nodes.insert(flow.node.clone());
    }
}
