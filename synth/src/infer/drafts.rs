//! What each workload must be allowed, gathered edge by edge: the allowances from which its rules are made.

use super::api_server::Called;
use super::dns::{DNS, NodeLocalDns, protocols, tcp_ports};
use super::link_local::AMBIENT_PROBES;
use super::merge::{Allowance, Peers};
use super::mesh::{HBONE, Mesh};
use super::nodes::Nodes;
use super::peers::{Namer, Naming};
use super::rules::{Findings, Ground, LeftOut, Port, PortMatch, Target, Whom};
use super::services::Services;
use super::{api_server, selectors::Selections};
use crate::index::Index;
use crate::review::{Action, Additional, Decided, Who};
use netwright_record::inventory::WorkloadRef;
use netwright_record::{Edge, Endpoint, FlatSet, Protocol, ServiceRef};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is allowed to and from one workload, before merging.
#[derive(Debug, Default)]
pub struct Draft {
    /// Who may connect to it.
    pub ingress: Vec<Allowance>,
    /// What it may connect to.
    pub egress: Vec<Allowance>,
}

/// What the passes know of the cluster besides the edges.
#[derive(Debug)]
pub struct Surroundings<'a> {
    /// The look-ups over the observation.
    pub index: &'a Index<'a>,
    /// How workloads are selected.
    pub selections: &'a Selections,
    /// The addresses of nodes.
    pub nodes: &'a Nodes,
    /// What Services lead to.
    pub services: &'a Services<'a>,
    /// Which workloads are in a mesh.
    pub mesh: &'a Mesh<'a>,
    /// Caches of DNS on the nodes.
    pub dns: &'a NodeLocalDns<'a>,
    /// What the API server may call.
    pub called: &'a Called<'a>,
    /// What people decided.
    pub decided: &'a Decided,
}

/// What has been gathered so far.
#[derive(Debug, Default)]
pub struct Drafts<'a> {
    /// By workload.
    pub workloads: BTreeMap<&'a WorkloadRef, Draft>,
    /// Workloads with a peer that nothing names, and that peer.
    pub unnameable: BTreeMap<WorkloadRef, String>,
    /// What a reviewer must know of it.
    pub findings: Findings,
    /// Peers that stand for one end together, each set once.
    sets: BTreeSet<Peers>,
}

impl<'a> Drafts<'a> {
    /// Takes in an edge, unless people decided that there is to be no rule for it or no attempt got through.
    pub fn take(&mut self, around: &Surroundings, number: usize, edge: &'a Edge) {
        match around.decided.of(number).map(|decision| decision.action) {
            Some(Action::Deny) => self.findings.denied_by_decision.push(number),
            Some(Action::Ignore) => self.findings.ignored_by_decision.push(number),
            Some(Action::Allow) => self.allow(around, number, edge),
            _ if edge.activity.established() => self.allow(around, number, edge),
            _ => self.findings.never_established.push(number),
        }
    }

    fn allow(&mut self, around: &Surroundings, number: usize, edge: &'a Edge) {
        // Clients outside are let in whatever their address.
        if edge.addresses_dropped > 0 && edge.client != Endpoint::Internet {
            self.findings.partly_known.push(number);
        }
        if let Some(client) = edge.client.workload() {
            let naming = around.namer().server(number, edge);
            self.note(number, &naming, client, &edge.server);
            let besides = around.dns.besides(edge);
            let (peers, besides) = (self.shared(naming.peers), self.shared(besides));
            let allowances = allowances(around, number, edge, peers).chain(dns(number, edge, besides));
            self.workloads.entry(client).or_default().egress.extend(allowances);
        }
        if let Some(server) = edge.server.workload() {
            let through = self.through_nodes(around, number, edge, server);
            let ambient = around.is_ambient(server);
            let naming = around.namer().client(number, edge, through.as_ref(), ambient);
            self.note(number, &naming, server, &edge.client);
            if edge.client == Endpoint::ApiServer && !around.calls(server, edge) {
                self.findings.service_proxy.push(number);
            }
            let probes = (ambient && around.index.own_node(edge).is_some()).then(|| probe(number, edge));
            let peers = self.shared(naming.peers);
            let allowances = allowances(around, number, edge, peers).chain(probes);
            self.workloads.entry(server).or_default().ingress.extend(allowances);
        }
    }

    /// `peers`, of which there is one copy for all edges if they are several.
    fn shared(&mut self, peers: Vec<(Target, Whom)>) -> Peers {
        if peers.len() < 2 {
            return peers.into();
        }
        if let Some(known) = self.sets.get(peers.as_slice()) {
            return known.clone();
        }
        let peers = Peers::from(peers);
        self.sets.insert(peers.clone());
        peers
    }

    /// The Service through which a node brings clients to `server`, if one does.
    fn through_nodes(
        &mut self,
        around: &Surroundings,
        number: usize,
        edge: &Edge,
        server: &WorkloadRef,
    ) -> Option<Arc<ServiceRef>> {
        if !matches!(edge.client, Endpoint::Node { .. }) {
            return None;
        }
        let services = around.services.through_nodes(server, edge.protocol, edge.port);
        let service = services.first()?.clone();
        let found = self.findings.exposed_through_nodes.entry(server.clone()).or_default();
        found.services.extend(services.iter().map(|service| ServiceRef::clone(service)));
        found.edges.push(number);
        Some(service)
    }

    fn note(&mut self, edge: usize, naming: &Naming, of: &WorkloadRef, peer: &Endpoint) {
        let findings = &mut self.findings;
        findings.left_out.extend(naming.left_out.iter().map(|address| LeftOut { edge, address: *address }));
        if naming.exposed {
            findings.exposed.push(edge);
        }
        if naming.by_address && findings.by_address.last() != Some(&edge) {
            findings.by_address.push(edge);
        }
        if naming.impossible {
            self.unnameable.entry(of.clone()).or_insert_with(|| peer.to_string());
        }
    }

    /// Lets the API server call what webhooks and APIServices name, whether or not it was seen to.
    pub fn take_called(&mut self, around: &Surroundings) {
        let callers: Peers = api_server::client(around.index, around.nodes, &FlatSet::new()).peers.into();
        for ((workload, protocol, port), extensions) in around.called {
            if callers.is_empty() {
                self.findings.uncalled.extend(extensions);
            }
            let Some(draft) = self.workloads.get_mut(*workload) else { continue };
            draft.ingress.extend(extensions.iter().map(|extension| Allowance {
                peers: callers.clone(),
                port: Port::number(*protocol, *port),
                ground: Ground::ApiExtension(*extension),
            }));
        }
    }

    /// Takes in what decisions allow that no edge stands for.
    pub fn take_decided(&mut self, around: &Surroundings<'a>) {
        for Additional { decision, client, server, ports, .. } in &around.decided.additional {
            let port = Port { protocol: ports.protocol, at: PortMatch::Range { first: ports.first, last: ports.last } };
            let ground = Ground::Decision(*decision);
            let allowance = |peers: Vec<_>| Allowance { peers: peers.into(), port: port.clone(), ground };
            if let Who::Workload(client) = client {
                let peers = allowance(around.who(server));
                self.workloads.entry(client).or_default().egress.push(peers);
            }
            if let Who::Workload(server) = server {
                let peers = allowance(around.who(client));
                self.workloads.entry(server).or_default().ingress.push(peers);
            }
        }
    }
}

impl Surroundings<'_> {
    fn namer(&self) -> Namer<'_> {
        Namer { index: self.index, selections: self.selections, nodes: self.nodes, decided: self.decided }
    }

    /// The peers that stand for an end that a decision names.
    fn who(&self, who: &Who) -> Vec<(Target, Whom)> {
        match who {
            Who::Workload(workload) => self.namer().pods(workload, &FlatSet::new()).peers,
            Who::Block { cidr, except } => {
                let target = Target::Block { cidr: *cidr, except: except.iter().copied().collect() };
                vec![(target, Whom::Address)]
            }
        }
    }

    fn is_ambient(&self, workload: &WorkloadRef) -> bool {
        self.index.facts(workload).is_some_and(|facts| self.mesh.is_ambient(workload, facts))
    }

    fn is_member(&self, workload: &WorkloadRef) -> bool {
        self.index.facts(workload).is_some_and(|facts| self.mesh.is_member(workload, facts))
    }

    /// Whether a webhook or an APIService leads to the server of `edge`.
    fn calls(&self, server: &WorkloadRef, edge: &Edge) -> bool {
        self.called.contains_key(&(server, edge.protocol, edge.port))
    }
}

/// Whether `edge` goes between two pods of an ambient mesh, and so on the mesh's own port too.
fn carried_by_mesh(around: &Surroundings, edge: &Edge) -> bool {
    let ends = (edge.client.workload(), edge.server.workload());
    let (Some(client), Some(server)) = ends else { return false };
    edge.protocol == Protocol::Tcp && around.is_ambient(server) && around.is_member(client)
}

/// `peers` on the edge's port, and on what follows from it.
fn allowances(
    around: &Surroundings,
    number: usize,
    edge: &Edge,
    peers: Peers,
) -> impl Iterator<Item = Allowance> + use<> {
    let port = Port::number(edge.protocol, edge.port);
    let mut ports = Vec::with_capacity(3);
    if edge.activity.established() {
        ports.push((port.clone(), Ground::Seen(number)));
    }
    let allowed = around.decided.of(number).filter(|decision| decision.action == Action::Allow);
    ports.extend(allowed.map(|decision| (port, Ground::Decision(decision.number))));
    for port in tcp_ports(edge, around.services) {
        ports.push((Port::number(Protocol::Tcp, port), Ground::TruncatedAnswers(number)));
    }
    if edge.port != HBONE && carried_by_mesh(around, edge) {
        ports.push((Port::number(Protocol::Tcp, HBONE), Ground::Ambient(number)));
    }
    ports.into_iter().map(move |(port, ground)| Allowance { peers: peers.clone(), port, ground })
}

/// What a client of DNS must reach besides.
fn dns(number: usize, edge: &Edge, peers: Peers) -> impl Iterator<Item = Allowance> + use<> {
    let protocols = if peers.is_empty() { Vec::new() } else { protocols(edge) };
    protocols.into_iter().map(move |protocol| Allowance {
        peers: peers.clone(),
        port: Port::number(protocol, DNS),
        ground: Ground::NodeLocalDns(number),
    })
}

/// The own node's connections to a pod in the mesh (probes) come from an address that stands for them.
fn probe(number: usize, edge: &Edge) -> Allowance {
    Allowance {
        peers: [(Target::address(AMBIENT_PROBES), Whom::AmbientProbes)].into(),
        port: Port::number(edge.protocol, edge.port),
        ground: Ground::Ambient(number),
    }
}

#[cfg(test)]
mod tests;
