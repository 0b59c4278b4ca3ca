//! Clients on nodes, seen from the other end. A server sees a node's address and no more; where the node's own agent
//! saw which host-network workload it was, the two are one edge.

use super::sides::Sides;
use super::sighting::{Key, Side};
use netwright_record::Endpoint;
use std::collections::BTreeMap;

/// Merges what servers saw of anonymous node clients into the edges of the clients that are known by workload.
pub(super) fn unify(edges: &mut BTreeMap<Key, Sides>) {
    let known = known_clients(edges);
    for (anonymous, workloads) in known {
        if edges.get(&anonymous).is_none_or(|sides| sides.server.is_none()) {
            continue;
        }
        let Some(sides) = edges.remove(&anonymous) else { continue };
        if let Some(rest) = hand_over(edges, &workloads, sides) {
            edges.insert(anonymous, rest);
        }
    }
}

/// The key of the same edge with the node's workload left out.
pub(super) fn anonymous(key: &Key) -> Option<Key> {
    match &key.client {
        Endpoint::Node { name, workload: Some(_) } => {
            let client = Endpoint::Node { name: name.clone(), workload: None };
            Some(Key { client, ..key.clone() })
        }
        _ => None,
    }
}

/// For each edge of an anonymous node client, the edges of the workloads on that node that it may be made of.
fn known_clients(edges: &BTreeMap<Key, Sides>) -> BTreeMap<Key, Vec<Key>> {
    let mut known: BTreeMap<Key, Vec<Key>> = BTreeMap::new();
    for (key, _) in edges.iter().filter(|(_, sides)| sides.client.is_some()) {
        if let Some(anonymous) = anonymous(key) {
            known.entry(anonymous).or_default().push(key.clone());
        }
    }
    known
}

/// Hands what the server saw to the workloads. Returns what is left: the node's own processes, and what the server
/// counted beyond all that the workloads did.
fn hand_over(edges: &mut BTreeMap<Key, Sides>, workloads: &[Key], mut sides: Sides) -> Option<Sides> {
    if let ([only], None) = (workloads, &sides.client) {
        let edge = edges.entry(only.clone()).or_default();
        if let Some(server) = sides.server.take() {
            edge.count(Side::Server, &server);
        }
        edge.describe(&sides);
        return None;
    }
    let mut accounted: u64 = 0;
    for key in workloads {
        let edge = edges.entry(key.clone()).or_default();
        accounted = accounted.saturating_add(edge.client.as_ref().map_or(0, |client| client.connections));
        edge.describe(&sides);
    }
    let server = sides.server.as_mut()?;
    server.connections = server.connections.saturating_sub(accounted);
    if server.connections == 0 {
        sides.server = None;
    }
    (sides.client.is_some() || sides.server.is_some()).then_some(sides)
}
