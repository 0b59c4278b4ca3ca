//! Draws the conclusions from all statements: one edge a key.
//!
//! Statements are sums, unions, minima and maxima, and taken in order, so that the order of the flows changes nothing.
//! What needs to know all of them is decided here: which backends of a Service answered, what listens on a node, which
//! direction an ambiguous flow had.

use super::index::{Target, Targets};
use super::node_clients;
use super::nodes::Nodes;
use super::reason::Reason;
use super::sides::Sides;
use super::sighting::{Key, Side};
use super::statement::{Statement, Statements, Subject};
use netwright_record::inventory::WorkloadRef;
use netwright_record::{Activity, Direction, Edge, Endpoint, Flow, Local, Name, Protocol, ServiceRef};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

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
pub(super) fn keep_unresolved(unresolved: &mut UnresolvedFlows, flow: &Flow, reason: &str) {
    let key = UnresolvedKey {
        node: flow.node.clone(),
        local: flow.local.clone(),
        direction: flow.direction,
        protocol: flow.protocol,
        remote: flow.remote,
        port: flow.port,
        remote_port: flow.remote_port,
        reason: reason.to_owned(),
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
}

/// What clients saw of a Service.
#[derive(Debug, Clone)]
struct ThroughService {
    activity: Activity,
    client_addresses: BTreeSet<IpAddr>,
    nodes: BTreeSet<Name>,
    targets: Targets,
}

/// A conversation of which nobody saw the first word, and the edges it may be part of.
#[derive(Debug)]
struct Ambiguous {
    flow: Flow,
    as_client: Option<Key>,
    as_server: Option<Key>,
    side: Side,
}

/// The workloads seen to answer at a port of a node; `None` stands for a process of the node itself.
type Listeners = BTreeMap<(Name, Protocol, u16), BTreeSet<Option<WorkloadRef>>>;

/// All statements, sorted by what has to be concluded from them.
#[derive(Debug, Default)]
pub(super) struct Merge {
    edges: BTreeMap<Key, Sides>,
    through: Vec<(ThroughKey, ThroughService)>,
    ambiguous: Vec<Ambiguous>,
    /// Client and server of connections that a sidecar took.
    behind_sidecar: BTreeSet<(Endpoint, Endpoint)>,
    /// Nodes that report what arrives at them.
    watched: BTreeSet<Name>,
    listeners: Listeners,
}

impl Merge {
    /// Sorts `statements`. What listens at the ports of nodes has to be known before the first edge to one is drawn.
    pub(super) fn new(statements: Statements, nodes: &Nodes<'_>) -> Self {
        let mut merge = Self::default();
        let mut to_nodes = Vec::new();
        for (subject, statement) in statements.into_sorted() {
            match subject {
                Subject::Edge { key, side } => merge.add(key, side, statement),
                Subject::ToNode { client, node, protocol, port } => {
                    let server = Endpoint::Node { name: node, workload: None };
                    to_nodes.push((Key { client, server, protocol, port }, statement));
                }
                Subject::Through { client, service, protocol, targets } => {
                    merge.add_through(ThroughKey { client, service, protocol }, targets, statement);
                }
                Subject::Ambiguous { node, local, protocol, remote, port, remote_port, as_client, as_server, side } => {
                    let Statement { names, activity: Some(activity), .. } = statement else { continue };
                    let direction = Direction::Ambiguous;
                    let flow = Flow { node, direction, protocol, local, remote, port, remote_port, names, activity };
                    merge.ambiguous.push(Ambiguous { flow, as_client, as_server, side });
                }
                Subject::BehindSidecar { client, server } => {
                    merge.behind_sidecar.insert((client, server));
                }
                Subject::Listener { node, protocol, port, workload } => {
                    merge.listeners.entry((node, protocol, port)).or_default().insert(workload);
                }
                Subject::Watched { node } => {
                    merge.watched.insert(node);
                }
            }
        }
        for (mut key, statement) in to_nodes {
            merge.listen(&mut key, nodes);
            merge.add(key, Side::Client, statement);
        }
        for mut ambiguous in std::mem::take(&mut merge.ambiguous) {
            ambiguous.as_client.iter_mut().for_each(|key| merge.listen(key, nodes));
            merge.ambiguous.push(ambiguous);
        }
        merge
    }

    /// Names the workload at a port of a node: what was seen to answer there, or else the one that declares it.
    fn listen(&self, key: &mut Key, nodes: &Nodes<'_>) {
        let Endpoint::Node { name, workload: workload @ None } = &mut key.server else { return };
        *workload = match self.listeners.get(&(name.clone(), key.protocol, key.port)) {
            Some(seen) if seen.len() == 1 => seen.first().cloned().flatten(),
            _ => nodes.declared(name, key.protocol, key.port).cloned(),
        };
    }

    fn add(&mut self, key: Key, side: Side, statement: Statement) {
        let sides = self.edges.entry(key).or_default();
        if let Some(activity) = &statement.activity {
            sides.count(side, activity);
        }
        sides.services.extend(statement.services);
        sides.client_addresses.extend(statement.client_addresses);
        sides.server_addresses.extend(statement.server_addresses);
        sides.nodes.extend(statement.nodes);
        sides.addresses_dropped = sides.addresses_dropped.max(statement.addresses_dropped);
    }

    fn add_through(&mut self, key: ThroughKey, targets: Vec<(Endpoint, u16)>, statement: Statement) {
        let Some(activity) = statement.activity else { return };
        let known = statement.targets.into_iter().chain(std::iter::repeat_with(Target::default));
        let service = ThroughService {
            activity,
            client_addresses: statement.client_addresses,
            nodes: statement.nodes,
            targets: targets.into_iter().zip(known).collect(),
        };
        self.through.push((key, service));
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
            .map(|(key, service)| (self.answering(&key, &service), key, service))
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
    fn answering(&self, key: &ThroughKey, service: &ThroughService) -> Vec<Key> {
        let edge = |target: &(Endpoint, u16)| {
            let (client, (server, port)) = (key.client.clone(), target.clone());
            Key { client, server, protocol: key.protocol, port }
        };
        let kept: Vec<Key> = service
            .targets
            .iter()
            .map(|(target, known)| (edge(target), known))
            .filter(|(edge, known)| self.was_seen(edge) || self.is_unwatched(known))
            .map(|(edge, _)| edge)
            .collect();
        if kept.is_empty() { service.targets.keys().map(edge).collect() } else { kept }
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
        let target = service.targets.get(&(edge.server.clone(), edge.port));
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
        for Ambiguous { flow, as_client, as_server, side } in std::mem::take(&mut self.ambiguous) {
            let possible: BTreeSet<&Key> = as_client.iter().chain(&as_server).collect();
            let certain: Vec<&Key> = possible.into_iter().filter(|key| shown.contains(*key)).collect();
            for key in &certain {
                self.absorb(key, &flow);
            }
            if certain.is_empty() {
                match (as_client, as_server) {
                    // One workload, one port at both ends: whoever spoke first, it is this edge.
                    (Some(key), Some(other)) if key == other => {
                        let sides = self.edges.entry(key).or_default();
                        sides.count(side, &flow.activity);
                        sides.nodes.insert(flow.node);
                    }
                    _ => keep_unresolved(unresolved, &flow, &Reason::Ambiguous.to_string()),
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
