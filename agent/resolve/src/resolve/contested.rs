//! Addresses that went from one pod to another while a flow lasted. Their holder cannot be told from the time alone, but the
//! other end of the same connections can say who it was: there the pod is known by its cgroup.
//!
//! A flow is explained only where the other end accounts for all that was established. Otherwise it stays unresolved: a
//! wrong name would be worse than none.

use super::addresses::Span;
use super::index::{Index, Server};
use super::reason::Reason;
use super::sighting::{Direct, Key, Side};
use super::{Sighted, sighting};
use jiff::SignedDuration;
use netwright_record::{Activity, Direction, Endpoint, Flow, Local};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// How far apart the clocks of two nodes, and the two ends' views of one connection, may be.
const SLACK: SignedDuration = SignedDuration::from_secs(2);

/// What local pods say of connections from or to addresses that changed hands, by their own address.
type Witnesses<'f> = BTreeMap<IpAddr, Vec<&'f Flow>>;

/// Explains those of the `contested` flows that `flows` account for; the others are unresolved.
/// O(flows), and for each contested flow the flows at the other end's address.
pub(super) fn settle<'f>(
    index: &Index<'_>,
    flows: impl Iterator<Item = &'f Flow>,
    contested: &[&Flow],
    sighted: &mut Sighted,
) {
    let addresses: BTreeSet<IpAddr> = contested.iter().map(|flow| flow.remote.to_canonical()).collect();
    let mut witnesses = Witnesses::new();
    for flow in flows.filter(|_| !addresses.is_empty()) {
        if let (Local::Pod { .. }, Some(ip)) = (&flow.local, flow.local.ip().map(|ip| ip.to_canonical()))
            && addresses.contains(&ip)
        {
            witnesses.entry(ip).or_default().push(flow);
        }
    }
    for flow in contested {
        let heard = witnesses.get(&flow.remote.to_canonical()).map(Vec::as_slice).unwrap_or_default();
        let rest = match flow.direction {
            Direction::Egress => as_client(index, flow, heard),
            Direction::Ingress => as_server(index, flow, heard, sighted),
            Direction::Ambiguous => Some((*flow).clone()),
        };
        sighted.unresolved.extend(rest.map(|flow| (flow, Reason::ChangedHands)));
    }
}

/// The local end was the client. The servers' own word makes the edges; here is only left what none of them heard.
fn as_client(index: &Index<'_>, flow: &Flow, heard: &[&Flow]) -> Option<Flow> {
    let span = Span::of(&flow.activity);
    let local = index.local(flow, span).ok()?;
    let established = flow.activity.connections.saturating_sub(flow.activity.failed);
    let accounted: u64 = heard
        .iter()
        .filter(|witness| witness.direction == Direction::Ingress && at_the_same_time(flow, witness))
        .filter(|witness| witness.protocol == flow.protocol && witness.port == flow.port)
        .filter(|witness| index.is_own(&local, witness.remote.to_canonical()))
        .map(|witness| witness.activity.connections)
        .fold(0, u64::saturating_add);
    if established == 0 || accounted < established {
        return Some(flow.clone());
    }
    let failed = flow.activity.failed;
    let activity = Activity { connections: failed, failed, bytes: None, ..flow.activity.clone() };
    (failed > 0).then(|| Flow { activity, ..flow.clone() })
}

/// The local end was the server: which pods say that they were its clients?
fn as_server(index: &Index<'_>, flow: &Flow, heard: &[&Flow], sighted: &mut Sighted) -> Option<Flow> {
    let Ok((server, server_address)) = sighting::server_of(index, flow) else { return Some(flow.clone()) };
    let span = Span::of(&flow.activity);
    let mut clients: BTreeMap<Endpoint, u64> = BTreeMap::new();
    for witness in
        heard.iter().filter(|witness| at_the_same_time(flow, witness) && reaches(index, witness, flow, &server))
    {
        if let Ok(client) = index.local(witness, span) {
            let established = witness.activity.connections.saturating_sub(witness.activity.failed);
            let counted = clients.entry(client.endpoint).or_default();
            *counted = counted.saturating_add(established);
        }
    }
    let accounted = clients.values().copied().fold(0, u64::saturating_add);
    if clients.is_empty() || accounted < flow.activity.connections {
        return Some(flow.clone());
    }
    let mut left = flow.activity.connections;
    for (client, counted) in clients {
        let connections = counted.min(left);
        left -= connections;
        let activity = Activity { connections, failed: 0, bytes: None, ..flow.activity.clone() };
        let key = Key { client, server: server.clone(), protocol: flow.protocol, port: flow.port };
        let direct = Direct { key, side: Side::Server, client_address: None, server_address, listener_unknown: false };
        sighted.statements.direct(&Flow { activity, ..flow.clone() }, direct);
    }
    None
}

/// Whether what `witness` opened may have arrived as `flow` at `server`: directly, or by a Service.
fn reaches(index: &Index<'_>, witness: &Flow, flow: &Flow, server: &Endpoint) -> bool {
    if witness.direction != Direction::Egress || witness.protocol != flow.protocol {
        return false;
    }
    let span = Span::of(&witness.activity);
    let remote = witness.remote.to_canonical();
    match index.server(remote, witness.protocol, witness.port, span) {
        Ok(Server::Service(port)) => {
            index.targets(port, span).is_ok_and(|targets| targets.contains_key(&(server.clone(), flow.port)))
        }
        Ok(Server::Endpoint(found)) => found == *server && witness.port == flow.port,
        Ok(Server::Node(name)) => {
            witness.port == flow.port && matches!(server, Endpoint::Node { name: node, .. } if *node == *name)
        }
        Ok(Server::Outside) => false,
        // The server's own address changed hands as well: its port has to do.
        Err(_) => witness.port == flow.port && flow.local.ip().map(|ip| ip.to_canonical()) == Some(remote),
    }
}

fn at_the_same_time(flow: &Flow, other: &Flow) -> bool {
    let (flow, other) = (Span::of(&flow.activity), Span::of(&other.activity));
    let early = |time: netwright_record::Time| time.saturating_sub(SLACK).unwrap_or(time);
    early(flow.first) <= other.last && early(other.first) <= flow.last
}
