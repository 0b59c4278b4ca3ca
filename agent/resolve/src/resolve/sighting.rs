//! What one flow says: which edge it is one end of, or why it is none.

use super::addresses::Span;
use super::index::{Index, LocalEnd, Server, Targets};
use super::reason::Reason;
use netwright_record::{Direction, Endpoint, Flow, Protocol, ServiceRef};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// Where Istio's sidecar takes outbound connections of its pod.
const SIDECAR_OUTBOUND: u16 = 15001;
/// Where it takes inbound ones: the server's socket shows this port in place of the real one.
const SIDECAR_INBOUND: u16 = 15006;
/// Where it connects from to reach the application.
const SIDECAR_INNER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 6));

/// What tells one edge from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// Who opened the connection, or spoke first.
    pub client: Endpoint,
    /// Who answered.
    pub server: Endpoint,
    /// The transport protocol.
    pub protocol: Protocol,
    /// The server's port, after any Service translation.
    pub port: u16,
}

/// Which end of the connection the flow was seen at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// At the client.
    Client,
    /// At the server.
    Server,
}

/// What one flow says.
#[derive(Debug)]
pub(super) enum Sighting {
    /// No traffic between endpoints.
    Dropped(Dropped),
    /// An inner leg of a sidecar; between whom the connection on the wire is, where that shows.
    Sidecar(Option<(Endpoint, Endpoint)>),
    /// Both ends have a name.
    Direct(Direct),
    /// The client used a Service.
    Through(Through),
    /// The direction has to come from other flows.
    Ambiguous(Ambiguous),
    /// An end has no name.
    Unresolved(Reason),
}

/// Why a flow is no traffic between endpoints.
#[derive(Debug, Clone, Copy)]
pub(super) enum Dropped {
    Loopback,
    OwnAddress,
}

/// A flow of which both ends have a name.
#[derive(Debug)]
pub(super) struct Direct {
    pub(super) key: Key,
    pub(super) side: Side,
    pub(super) client_address: Option<IpAddr>,
    pub(super) server_address: Option<IpAddr>,
    /// The server is a node, and what listens there is not known.
    pub(super) listener_unknown: bool,
}

/// A flow to a Service, and what may have answered it.
#[derive(Debug)]
pub(super) struct Through {
    pub(super) client: Endpoint,
    pub(super) client_address: Option<IpAddr>,
    pub(super) service: ServiceRef,
    pub(super) protocol: Protocol,
    pub(super) targets: Arc<Targets>,
    /// The edge to the node, where the client used a port of another node than its own.
    pub(super) at_node: Option<Direct>,
}

/// A flow whose direction is not known: the edges it may be part of.
#[derive(Debug)]
pub(super) struct Ambiguous {
    /// If the local end was the client.
    pub(super) as_client: Result<Key, Reason>,
    /// If it was the server.
    pub(super) as_server: Result<Key, Reason>,
    /// Differs between the two ends of one conversation.
    pub(super) side: Side,
}

/// What `flow` says.
pub(super) fn sight(index: &Index<'_>, flow: &Flow) -> Sighting {
    let remote = flow.remote.to_canonical();
    let view = View { index, flow, span: Span::of(&flow.activity), remote };
    if view.is_sidecar() {
        return Sighting::Sidecar(view.behind_sidecar());
    }
    if is_loopback(remote) || flow.local.ip().is_some_and(is_loopback) {
        return Sighting::Dropped(Dropped::Loopback);
    }
    if let Some(reason) = names_nobody(remote) {
        return Sighting::Unresolved(reason);
    }
    view.resolve().unwrap_or_else(Sighting::Unresolved)
}

/// Who the server of a flow that arrived is, with its address where it is known by that.
pub(super) fn server_of(index: &Index<'_>, flow: &Flow) -> Result<(Endpoint, Option<IpAddr>), Reason> {
    let (remote, span) = (flow.remote.to_canonical(), Span::of(&flow.activity));
    Ok(View { index, flow, span, remote }.listening(index.local(flow, span)?))
}

/// A flow and what it is looked at with.
struct View<'i, 'f> {
    index: &'i Index<'i>,
    flow: &'f Flow,
    span: Span,
    remote: IpAddr,
}

impl<'i> View<'i, '_> {
    fn resolve(&self) -> Result<Sighting, Reason> {
        let local = self.index.local(self.flow, self.span)?;
        if self.index.is_own(&local, self.remote) && !self.leaves_by_service() {
            return Ok(Sighting::Dropped(Dropped::OwnAddress));
        }
        match self.flow.direction {
            Direction::Egress => self.egress(local, self.flow.port),
            Direction::Ingress => self.ingress(local),
            Direction::Ambiguous => self.ambiguous(local),
        }
    }

    /// Whether a connection to the node's own address goes on to the pods of a Service.
    fn leaves_by_service(&self) -> bool {
        let found = || self.index.server(self.remote, self.flow.protocol, self.flow.port, self.span);
        self.flow.direction == Direction::Egress && matches!(found(), Ok(Server::Service(_)))
    }

    fn egress(&self, local: LocalEnd<'_>, port: u16) -> Result<Sighting, Reason> {
        let protocol = self.flow.protocol;
        let client_address = local.ip.filter(|_| known_by_address(&local.endpoint));
        let server = self.index.server(self.remote, protocol, port, self.span)?;
        if let Server::Service(service) = server {
            let targets = self.index.targets(service, self.span)?;
            let (at_node, service) = (self.at_node(&local.endpoint, port), service.reference());
            let client = local.endpoint;
            return Ok(Sighting::Through(Through { client, client_address, service, protocol, targets, at_node }));
        }
        let listener_unknown = matches!(server, Server::Node(_));
        let server = self.server_endpoint(server);
        let server_address = known_by_address(&server).then_some(self.remote);
        let key = Key { client: local.endpoint, server, protocol, port };
        Ok(Sighting::Direct(Direct { key, side: Side::Client, client_address, server_address, listener_unknown }))
    }

    /// The edge to another node, whose port leads to a Service. That node translates the address, so what the client's
    /// own node lets out is a connection to the node; the client's own node translates before it looks.
    fn at_node(&self, client: &Endpoint, port: u16) -> Option<Direct> {
        let protocol = self.flow.protocol;
        let node = self.index.nodes().at(self.remote).filter(|node| *node != self.flow.node)?;
        if client.workload().is_none() || self.index.services().at(self.remote, protocol, port).is_some() {
            return None;
        }
        let server = Endpoint::Node { name: node.into(), workload: None };
        let key = Key { client: client.clone(), server, protocol, port };
        let server_address = Some(self.remote);
        Some(Direct { key, side: Side::Client, client_address: None, server_address, listener_unknown: false })
    }

    fn ingress(&self, local: LocalEnd<'_>) -> Result<Sighting, Reason> {
        let client = self.index.client(self.remote, self.span)?;
        let client_address = known_by_address(&client).then_some(self.remote);
        let (server, server_address) = self.listening(local);
        let key = Key { client, server, protocol: self.flow.protocol, port: self.flow.port };
        let listener_unknown = false;
        Ok(Sighting::Direct(Direct { key, side: Side::Server, client_address, server_address, listener_unknown }))
    }

    fn ambiguous(&self, local: LocalEnd<'_>) -> Result<Sighting, Reason> {
        let (protocol, remote_port) = (self.flow.protocol, self.flow.remote_port.ok_or(Reason::Ambiguous)?);
        let side = if local.ip < Some(self.remote) { Side::Client } else { Side::Server };
        let server = match self.index.server(self.remote, protocol, remote_port, self.span) {
            // Nobody speaks from the address of a Service: the local end was the client.
            Ok(Server::Service(_)) => return self.egress(local, remote_port),
            found => found.map(|server| self.server_endpoint(server)),
        };
        let client = local.endpoint.clone();
        let as_client = server.map(|server| Key { client, server, protocol, port: remote_port });
        let (server, _) = self.listening(local);
        let client = self.index.client(self.remote, self.span);
        let as_server = client.map(|client| Key { client, server, protocol, port: self.flow.port });
        match (&as_client, &as_server) {
            (Err(reason), Err(_)) => Err(reason.clone()),
            _ => Ok(Sighting::Ambiguous(Ambiguous { as_client, as_server, side })),
        }
    }

    fn server_endpoint(&self, server: Server<'_>) -> Endpoint {
        match server {
            Server::Endpoint(endpoint) => endpoint,
            Server::Node(node) => Endpoint::Node { name: node.into(), workload: None },
            Server::Outside | Server::Service(_) if self.flow.names.is_empty() => {
                Endpoint::External { address: self.remote }
            }
            Server::Outside | Server::Service(_) => Endpoint::ExternalName { names: self.flow.names.clone() },
        }
    }

    /// The local end as a server, with its address where it is known by that. The API server's own node sees it as a
    /// pod or process of its own; everybody else knows it as the API server.
    fn listening(&self, local: LocalEnd<'_>) -> (Endpoint, Option<IpAddr>) {
        if let Endpoint::Node { name, .. } = &local.endpoint {
            let mut own = local.ip.into_iter().chain(self.index.nodes().addresses(name));
            let is_api_server =
                |ip: &IpAddr| self.index.services().is_api_server(*ip, self.flow.protocol, self.flow.port);
            if let Some(ip) = own.find(is_api_server) {
                return (Endpoint::ApiServer, Some(ip));
            }
        }
        let address = local.ip.filter(|_| known_by_address(&local.endpoint));
        (local.endpoint, address)
    }

    fn is_sidecar(&self) -> bool {
        let local = self.flow.local.ip().map(|ip| ip.to_canonical());
        let inner = self.remote == SIDECAR_INNER || local == Some(SIDECAR_INNER);
        // Nobody connects to these two ports: the kernel redirects to them. Who does, means another server's port.
        let redirected =
            self.flow.direction == Direction::Ingress && matches!(self.flow.port, SIDECAR_OUTBOUND | SIDECAR_INBOUND);
        self.flow.protocol == Protocol::Tcp && (inner || redirected)
    }

    /// Client and server of a connection that a sidecar took: they did talk, on a port that only the client saw.
    fn behind_sidecar(&self) -> Option<(Endpoint, Endpoint)> {
        if self.flow.direction != Direction::Ingress || self.flow.port != SIDECAR_INBOUND || is_loopback(self.remote) {
            return None;
        }
        let local = self.index.local(self.flow, self.span).ok()?;
        Some((self.index.client(self.remote, self.span).ok()?, local.endpoint))
    }
}

/// Endpoints that a policy can only name by address.
fn known_by_address(endpoint: &Endpoint) -> bool {
    !matches!(endpoint, Endpoint::Workload(_) | Endpoint::LinkLocal { .. })
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

fn names_nobody(ip: IpAddr) -> Option<Reason> {
    match ip {
        _ if ip.is_unspecified() => Some(Reason::Unspecified),
        _ if ip.is_multicast() => Some(Reason::Multicast),
        IpAddr::V4(ip) if ip.is_broadcast() => Some(Reason::Broadcast),
        _ => None,
    }
}
