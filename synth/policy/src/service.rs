//! From a Service to the pods behind it. For whoever is asked about a Service: policies are held against what is left
//! of a packet after translation, the pod and its target port, never against the Service's address and port.
//!
//! What decides among the backends is left out: every one of them may get the next connection, so every one counts
//! (also with `internalTrafficPolicy: Local` or topology hints, which only ever leave some of them out).

use crate::{Cluster, Labels, Party, Pod, PolicySet, Protocol, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// A Service, as far as it decides where a connection ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `spec.clusterIPs`. Empty for a headless Service, whose name resolves to its backends.
    pub cluster_ips: Vec<IpAddr>,
    /// `spec.ports`.
    pub ports: Vec<ServicePort>,
    /// Who serves it.
    pub backends: Backends,
}

/// One entry of a Service's `spec.ports`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePort {
    /// `name`; may be absent (or empty) where it is the only port.
    pub name: Option<String>,
    /// `protocol`, TCP by default.
    pub protocol: Protocol,
    /// `port`: what clients ask for.
    pub port: u16,
    /// `targetPort`, `port` by default.
    pub target: TargetPort,
}

/// `targetPort` of a Service's port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetPort {
    /// The same number on every backend.
    Number(u16),
    /// The container port of that name and protocol; the number may differ from pod to pod.
    Name(String),
}

/// Who serves a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backends {
    /// The pods of its namespace with these labels: `spec.selector`. No labels select nothing, since such a Service's
    /// endpoints are written by hand.
    Selected(Labels),
    /// What its EndpointSlices list.
    Listed(Vec<Endpoint>),
}

/// One address of an EndpointSlice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The address.
    pub address: IpAddr,
    /// `ports` of the slice.
    pub ports: Vec<EndpointPort>,
}

/// One entry of `ports` of an EndpointSlice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointPort {
    /// `name`: that of the Service's port, absent or empty where that has none.
    pub name: Option<String>,
    /// `protocol`.
    pub protocol: Protocol,
    /// `port`: what the backend listens on.
    pub port: u16,
}

/// A pod that may be a backend. The caller leaves out those that are not ready, and those that have come to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// The pod; of a host-network pod `addresses` are the node's.
    pub pod: &'a Pod,
    /// `spec.hostNetwork`: then to a policy it is its node.
    pub host_network: bool,
}

/// Where a connection to a Service ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution<'a> {
    /// How it gets there.
    pub route: Route,
    /// Each place it may end at, in the order of the candidates or of the endpoints; a pod that is listed under several
    /// addresses once for each of its ports. Where nothing translates: the cluster IPs themselves.
    pub destinations: Vec<Destination<'a>>,
}

/// How a connection to a Service travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// From cluster IP and port to a backend and its target port.
    Translated,
    /// Headless: the client gets the backends' addresses from DNS and uses **its own** port number on them; a target
    /// port of another number plays no part.
    Direct,
    /// No backend serves the port. The packet keeps the cluster IP and the Service's port; a closed egress drops it
    /// where it would be refused at once otherwise. Nothing answers, whatever the verdict.
    NoBackend,
    /// The Service has no such port. The packet keeps the cluster IP, as with [`Route::NoBackend`].
    NoSuchPort,
}

/// One place a connection may end at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination<'a> {
    /// Who.
    pub party: Party<'a>,
    /// The port there.
    pub port: u16,
}

impl Service {
    /// Whether `address` is one of its cluster IPs.
    pub fn is_at(&self, address: IpAddr) -> bool {
        self.cluster_ips.iter().any(|own| own.to_canonical() == address.to_canonical())
    }

    /// Where a connection to `port` of this Service ends. One look at each candidate and each endpoint.
    pub fn resolve<'a>(&self, protocol: Protocol, port: u16, candidates: &[Candidate<'a>]) -> Resolution<'a> {
        if self.cluster_ips.is_empty() {
            let destinations = self.destinations(candidates, |_| Some(port), |_| Some(port));
            let route = if destinations.is_empty() { Route::NoBackend } else { Route::Direct };
            return Resolution { route, destinations };
        }
        let Some(own) = self.ports.iter().find(|own| (own.protocol, own.port) == (protocol, port)) else {
            return self.untranslated(Route::NoSuchPort, port);
        };
        let destinations = self.destinations(candidates, |pod| own.target_on(pod), |endpoint| own.target_at(endpoint));
        if destinations.is_empty() {
            return self.untranslated(Route::NoBackend, port);
        }
        Resolution { route: Route::Translated, destinations }
    }

    /// What keeps the address the client asked for.
    fn untranslated(&self, route: Route, port: u16) -> Resolution<'static> {
        let kept = |address: &IpAddr| Destination { party: Party::Address(*address), port };
        Resolution { route, destinations: self.cluster_ips.iter().map(kept).collect() }
    }

    /// The backends, each with its port as `on_pod` or `at_endpoint` has it; without one it is none.
    fn destinations<'a>(
        &self,
        candidates: &[Candidate<'a>],
        on_pod: impl Fn(&Pod) -> Option<u16>,
        at_endpoint: impl Fn(&Endpoint) -> Option<u16>,
    ) -> Vec<Destination<'a>> {
        match &self.backends {
            Backends::Selected(labels) => {
                let target = |it: &Candidate<'a>| Some(Destination { party: it.party(), port: on_pod(it.pod)? });
                self.selected(labels, candidates).filter_map(target).collect()
            }
            Backends::Listed(endpoints) => {
                let (holders, mut met) = (holders(candidates), BTreeSet::new());
                let target = |it: &Endpoint| {
                    let address = it.address.to_canonical();
                    let party = holders.get(&address).copied().unwrap_or(Party::Address(address));
                    Some(Destination { party, port: at_endpoint(it)? })
                };
                endpoints.iter().filter_map(target).filter(|it| met.insert(it.identity())).collect()
            }
        }
    }

    /// The candidates of the Service's namespace that carry all of `labels`, of which there has to be one at least.
    fn selected<'a, 'b>(
        &'b self,
        labels: &'b Labels,
        candidates: &'b [Candidate<'a>],
    ) -> impl Iterator<Item = &'b Candidate<'a>> {
        let carries = |pod: &Pod| labels.iter().all(|(key, value)| pod.label(key) == Some(value));
        candidates.iter().filter(move |candidate| {
            !labels.is_empty() && candidate.pod.namespace == self.namespace && carries(candidate.pod)
        })
    }
}

impl ServicePort {
    /// The number on that pod; `None` where the pod has no port of that name and protocol, and so is no backend.
    fn target_on(&self, pod: &Pod) -> Option<u16> {
        match &self.target {
            TargetPort::Number(port) => Some(*port),
            TargetPort::Name(name) => {
                let named = pod.ports.iter().find(|port| port.protocol == self.protocol && port.name == *name);
                named.map(|port| port.port)
            }
        }
    }

    /// The number on that endpoint; `None` where its slice does not list the port.
    fn target_at(&self, endpoint: &Endpoint) -> Option<u16> {
        let name = self.name.as_deref().unwrap_or_default();
        let own =
            |port: &&EndpointPort| port.protocol == self.protocol && port.name.as_deref().unwrap_or_default() == name;
        endpoint.ports.iter().find(own).map(|port| port.port)
    }
}

impl<'a> Destination<'a> {
    /// The same for two addresses of one pod.
    fn identity(&self) -> (Option<(&'a str, &'a str)>, Option<IpAddr>, u16) {
        match self.party {
            Party::Pod(pod) => (Some((&pod.namespace, &pod.name)), None, self.port),
            Party::Node { addresses } => (None, addresses.first().copied(), self.port),
            Party::Address(address) => (None, Some(address), self.port),
        }
    }
}

impl<'a> Candidate<'a> {
    fn party(&self) -> Party<'a> {
        if self.host_network { Party::Node { addresses: &self.pod.addresses } } else { Party::Pod(self.pod) }
    }
}

/// Who holds each address: a pod with a network of its own, or a node by its host-network pods.
fn holders<'a>(candidates: &[Candidate<'a>]) -> BTreeMap<IpAddr, Party<'a>> {
    let held = |candidate: &Candidate<'a>| {
        let party = candidate.party();
        candidate.pod.addresses.iter().map(move |address| (address.to_canonical(), party))
    };
    candidates.iter().flat_map(held).collect()
}

impl<'a> Resolution<'a> {
    /// Whether a connection that is let through finds somebody.
    pub fn is_served(&self) -> bool {
        matches!(self.route, Route::Translated | Route::Direct)
    }

    /// What a set says about each destination, in their order. A connection may end at any of them.
    pub fn verdicts(
        &self,
        set: &PolicySet,
        cluster: &Cluster,
        from: &Party,
        protocol: Protocol,
    ) -> Vec<(Destination<'a>, Verdict)> {
        let verdict = |to: &Destination<'a>| (*to, set.verdict(cluster, from, &to.party, protocol, to.port));
        self.destinations.iter().map(verdict).collect()
    }
}
