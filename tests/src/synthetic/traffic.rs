//! Who talked to whom in a made-up cluster: workloads among each other, all of them to DNS, some to and from outside.

use super::degrees::in_degrees;
use super::members::{Kind, Member};
use super::outside::{self, Other};
use super::population::{COREDNS, NODE_EXPORTER, ORDINARY, PROMETHEUS, Population};
use super::{Random, Shape, activity};
use netwright_record::{Edge, Endpoint, FlatSet, Protocol};
use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

/// How many edges of each sort. Those between workloads are what is left.
struct Shares {
    outside: usize,
    exposed: usize,
    api_server: usize,
    probes: usize,
    metadata: usize,
    refused: usize,
}

impl Shares {
    fn new(Shape { edges, .. }: Shape) -> Self {
        Self {
            outside: edges / 20,
            exposed: edges / 100,
            api_server: edges / 50,
            probes: edges / 50,
            metadata: edges / 500,
            refused: edges / 100,
        }
    }

    fn total(&self) -> usize {
        self.outside + self.exposed + self.api_server + self.probes + self.metadata + self.refused
    }
}

/// The edges of `population`, each key once.
pub(super) fn edges(shape: Shape, population: &Population, random: &mut Random) -> Vec<Edge> {
    let Population { members, .. } = population;
    // One in six only serves.
    let callers: Vec<usize> = (1..members.len())
        .filter(|number| !members[*number].host_network && (*number < ORDINARY || !random.once_in(6)))
        .collect();
    let shares = Shares::new(shape);
    let fixed = shares.total() + callers.len() + shape.nodes;
    let mut traffic = Traffic { shape, population, random, callers, keys: HashSet::new(), edges: Vec::new() };
    traffic.calls_to_dns();
    traffic.calls_to_nodes();
    traffic.calls_to_others(&shares);
    traffic.calls_from_others(&shares);
    traffic.refused(shares.refused);
    traffic.between(shape.edges.saturating_sub(fixed));
    traffic.edges
}

struct Traffic<'a> {
    shape: Shape,
    population: &'a Population,
    random: &'a mut Random,
    /// The numbers of the members that call anyone. They all ask DNS.
    callers: Vec<usize>,
    /// Client and server of what there is, so that no edge is made twice.
    keys: HashSet<(Endpoint, Endpoint)>,
    edges: Vec<Edge>,
}

impl<'a> Traffic<'a> {
    fn member(&self, number: usize) -> &'a Member {
        &self.population.members[number]
    }

    /// Adds an edge unless there is one between the two.
    fn add(&mut self, client: &Member, server: &Member, refused: bool) -> bool {
        if !self.keys.insert((client.endpoint(), server.endpoint())) {
            return false;
        }
        let services = if client.workload == server.workload { None } else { Some(server.service()) };
        let nightly = client.kind.ends();
        self.edges.push(Edge {
            client: client.endpoint(),
            server: server.endpoint(),
            protocol: server.protocol,
            port: if refused { 4444 } else { server.port },
            services: services.into_iter().collect(),
            client_addresses: FlatSet::new(),
            server_addresses: FlatSet::new(),
            addresses_dropped: 0,
            activity: if refused {
                activity::refused(self.random)
            } else {
                activity::established(self.random, nightly)
            },
            nodes: client.nodes.union(&server.nodes).cloned().collect(),
        });
        true
    }

    fn calls_to_dns(&mut self) {
        for caller in self.callers.clone() {
            self.add(self.member(caller), self.member(COREDNS), false);
        }
    }

    /// Prometheus asks each node.
    fn calls_to_nodes(&mut self) {
        for node in 0..self.shape.nodes {
            let (endpoint, addresses) = outside::node(node, Some(self.member(NODE_EXPORTER)));
            self.call_other(self.member(PROMETHEUS), Other { endpoint, port: 9100, addresses });
        }
    }

    fn call_other(&mut self, client: &Member, Other { endpoint, port, addresses }: Other) -> bool {
        if !self.keys.insert((client.endpoint(), endpoint.clone())) {
            return false;
        }
        self.edges.push(Edge {
            client: client.endpoint(),
            server: endpoint,
            protocol: Protocol::Tcp,
            port,
            services: FlatSet::new(),
            client_addresses: FlatSet::new(),
            server_addresses: addresses.into(),
            addresses_dropped: 0,
            activity: activity::established(self.random, client.kind.ends()),
            nodes: client.nodes.clone().into(),
        });
        true
    }

    fn calls_to_others(&mut self, shares: &Shares) {
        let name = |random: &mut Random| match random.below(12) {
            0 => outside::bare(random),
            // The lower a name's number, the more ask for it.
            _ => outside::name(random.below(outside::NAMES).min(random.below(outside::NAMES))),
        };
        self.some(shares.outside, |traffic, caller| {
            let other = name(traffic.random);
            traffic.call_other(caller, other)
        });
        self.some(shares.api_server, |traffic, caller| traffic.call_other(caller, outside::api_server()));
        self.some(shares.metadata, |traffic, caller| traffic.call_other(caller, outside::metadata()));
    }

    /// Does something with callers drawn by chance, until it was done so often.
    fn some(&mut self, times: usize, mut attempt: impl FnMut(&mut Self, &Member) -> bool) {
        let mut done = 0;
        while done < times {
            let Some(caller) = self.random.one_of(&self.callers).copied() else { return };
            done += usize::from(attempt(self, self.member(caller)));
        }
    }

    /// Clients outside, the kubelets that probe, and nodes that pass on what came to a NodePort.
    fn calls_from_others(&mut self, shares: &Shares) {
        self.some(shares.exposed, |traffic, server| {
            let client = outside::internet(traffic.random);
            !server.kind.ends() && traffic.called_by_other(client, server)
        });
        self.some(shares.probes, |traffic, server| {
            let own = server.nodes.first().and_then(|name| name.rsplit_once('-')?.1.parse().ok());
            let elsewhere = traffic.random.once_in(8).then(|| traffic.random.below(traffic.shape.nodes));
            let client = outside::node(elsewhere.or(own).unwrap_or_default(), None);
            !server.kind.ends() && traffic.called_by_other(client, server)
        });
    }

    fn called_by_other(&mut self, (client, addresses): (Endpoint, BTreeSet<IpAddr>), server: &Member) -> bool {
        if !self.keys.insert((client.clone(), server.endpoint())) {
            return false;
        }
        let mut nodes = server.nodes.clone();
        if let Endpoint::Node { name, .. } = &client {
            nodes = BTreeSet::from([name.clone()]);
        }
        self.edges.push(Edge {
            client,
            server: server.endpoint(),
            protocol: Protocol::Tcp,
            port: server.port,
            services: FlatSet::new(),
            client_addresses: addresses.into(),
            server_addresses: FlatSet::new(),
            addresses_dropped: 0,
            activity: activity::established(self.random, false),
            nodes: nodes.into(),
        });
        true
    }

    /// Attempts at ports on which nobody answers.
    fn refused(&mut self, count: usize) {
        self.some(count, |traffic, client| {
            let Some(server) = traffic.random.one_of(&traffic.callers).copied() else { return false };
            traffic.add(client, traffic.member(server), true)
        });
    }

    /// Edges between workloads, with as many clients a server as [`in_degrees`] says.
    fn between(&mut self, total: usize) {
        let degrees = in_degrees(total, self.shape.widest);
        let lasts = |number: &usize| !self.member(*number).kind.ends() && !self.member(*number).host_network;
        let mut servers: Vec<usize> = (ORDINARY..self.population.members.len()).filter(lasts).collect();
        self.random.shuffle(&mut servers);
        assert!(degrees.len() <= servers.len(), "too few workloads for so many edges");
        for (server, degree) in servers.into_iter().zip(degrees) {
            self.callers_of(server, degree);
        }
    }

    /// Peers of a StatefulSet call each other, Prometheus some; where few call, most often neighbours do.
    fn callers_of(&mut self, server: usize, degree: usize) {
        let population = self.population;
        let neighbours = &population.by_namespace[self.member(server).namespace];
        let mut missing = degree;
        if self.member(server).kind == Kind::StatefulSet {
            missing -= usize::from(self.add(self.member(server), self.member(server), false));
        }
        if missing > 0 && self.random.once_in(10) {
            missing -= usize::from(self.add(self.member(PROMETHEUS), self.member(server), false));
        }
        while missing > 0 {
            let near = degree < 8 && self.random.below(10) < 7;
            let client = if near { self.random.one_of(neighbours) } else { None };
            let caller = client.filter(|number| self.callers.binary_search(number).is_ok());
            let Some(client) = caller.or_else(|| self.random.one_of(&self.callers)).copied() else { return };
            if client != server {
                missing -= usize::from(self.add(self.member(client), self.member(server), false));
            }
        }
    }
}
