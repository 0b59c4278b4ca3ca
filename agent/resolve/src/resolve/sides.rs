//! What was said about one edge, apart for the two ends that said it.

use super::sighting::{Key, Side};
use netwright_record::{Activity, Edge, FlatSet, Name, ServiceRef};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Both ends of one edge. They count the same connections: their counts must not be added up.
#[derive(Debug, Clone, Default)]
pub(super) struct Sides {
    pub(super) client: Option<Activity>,
    pub(super) server: Option<Activity>,
    pub(super) services: BTreeSet<ServiceRef>,
    pub(super) client_addresses: BTreeSet<IpAddr>,
    pub(super) server_addresses: BTreeSet<IpAddr>,
    pub(super) nodes: BTreeSet<Name>,
    /// Addresses that were left out already.
    pub(super) addresses_dropped: u64,
}

impl Sides {
    /// Adds what one end counted.
    pub(super) fn count(&mut self, side: Side, activity: &Activity) {
        let mine = match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        };
        match mine {
            Some(mine) => mine.merge(activity),
            None => *mine = Some(activity.clone()),
        }
    }

    /// Adds what is known besides the counts.
    pub(super) fn describe(&mut self, other: &Sides) {
        self.services.extend(other.services.iter().cloned());
        self.client_addresses.extend(&other.client_addresses);
        self.server_addresses.extend(&other.server_addresses);
        self.nodes.extend(other.nodes.iter().cloned());
        self.addresses_dropped = self.addresses_dropped.max(other.addresses_dropped);
    }

    /// The edge, if anything was counted.
    pub(super) fn into_edge(self, key: Key) -> Option<Edge> {
        let activity = match (self.client, self.server) {
            (Some(client), Some(server)) => both(client, &server),
            (client, server) => client.or(server)?,
        };
        let (client_addresses, more_clients) = keep_some(self.client_addresses);
        let (server_addresses, more_servers) = keep_some(self.server_addresses);
        let Key { client, server, protocol, port } = key;
        Some(Edge {
            client,
            server,
            protocol,
            port,
            services: self.services.into(),
            client_addresses,
            server_addresses,
            addresses_dropped: more_clients.saturating_add(more_servers).saturating_add(self.addresses_dropped),
            activity,
            nodes: self.nodes.into(),
        })
    }
}

/// The larger count of the two; what failed only the client knows, for it never reached the server. It may have given
/// up early, or have heard nothing back: what the server saw arrive was not all in vain.
fn both(client: Activity, server: &Activity) -> Activity {
    let mut hours = client.hours;
    hours.merge(&server.hours);
    let connections = client.connections.max(server.connections);
    let arrived = u64::from(server.established());
    Activity {
        first: client.first.min(server.first),
        last: client.last.max(server.last),
        connections,
        failed: client.failed.min(connections.saturating_sub(arrived)),
        bytes: client.bytes.max(server.bytes),
        hours,
    }
}

/// The lowest addresses, and how many more there were.
fn keep_some(addresses: BTreeSet<IpAddr>) -> (FlatSet<IpAddr>, u64) {
    let more = addresses.len().saturating_sub(Edge::ADDRESSES_KEPT);
    let kept = addresses.into_iter().take(Edge::ADDRESSES_KEPT).collect();
    (kept, u64::try_from(more).unwrap_or(u64::MAX))
}
