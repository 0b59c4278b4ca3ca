//! The inventory as it is asked: who was at this address at that time, as a server and as a client.

use super::addresses::{Held, PodAddresses, Span};
use super::nodes::Nodes;
use super::reason::{Reason, service_name};
use super::services::{Port, Services, is_held_throughout};
use foldhash::fast::RandomState;
use netwright_record::inventory::{Backend, Inventory, Pod};
use netwright_record::{Endpoint, Flow, Local, Name, Protocol};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

/// What may answer behind a Service port: an endpoint and its port.
pub(super) type Targets = BTreeMap<(Endpoint, u16), Target>;

/// What is known of something that may answer behind a Service.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Target {
    /// The nodes its backends run on; none for one whose node is not known.
    pub nodes: BTreeSet<Option<Name>>,
    /// The addresses of its backends, for endpoints that are known by address.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub addresses: BTreeSet<IpAddr>,
}

impl Target {
    /// Adds what is known of the same target at another time.
    pub fn merge(&mut self, other: Target) {
        self.nodes.extend(other.nodes);
        self.addresses.extend(other.addresses);
    }
}

/// The end of a flow on the node that saw it.
#[derive(Debug, Clone)]
pub(super) struct LocalEnd<'a> {
    pub(super) endpoint: Endpoint,
    pub(super) ip: Option<IpAddr>,
    /// The pod, where it is one with addresses of its own.
    pod: Option<&'a Pod>,
}

/// What a client finds at an address and port.
#[derive(Debug)]
pub(super) enum Server<'a> {
    /// One endpoint.
    Endpoint(Endpoint),
    /// A node; what listens there is not known yet.
    Node(&'a str),
    /// A Service.
    Service(Port<'a>),
    /// An address outside the cluster.
    Outside,
}

/// Targets of a Service port that are the same whenever there are any.
#[derive(Debug)]
struct Fixed {
    targets: Arc<Targets>,
    /// Whether there are any at all times.
    at_all_times: bool,
}

/// Everything that is looked up while resolving.
#[derive(Debug)]
pub(super) struct Index<'a> {
    pods: HashMap<&'a str, &'a Pod, RandomState>,
    addresses: PodAddresses<'a>,
    nodes: Nodes<'a>,
    services: Services<'a>,
    /// The targets of Service ports that need not be looked for anew, by namespace, name, protocol and port.
    targets: HashMap<(&'a str, &'a str, Protocol, u16), Fixed, RandomState>,
}

impl<'a> Index<'a> {
    pub(super) fn new(inventory: &'a Inventory) -> Self {
        let mut index = Self {
            pods: inventory.pods.iter().map(|pod| (pod.uid.as_str(), pod)).collect(),
            addresses: PodAddresses::new(&inventory.pods),
            nodes: Nodes::new(inventory),
            services: Services::new(inventory),
            targets: HashMap::default(),
        };
        for service in &inventory.services {
            for port in service.ports.iter().map(|port| Port { service, port }) {
                if let Some(targets) = index.fixed_targets(port) {
                    index.targets.insert(port_key(port), targets);
                }
            }
        }
        index
    }

    pub(super) fn nodes(&self) -> &Nodes<'a> {
        &self.nodes
    }

    pub(super) fn services(&self) -> &Services<'a> {
        &self.services
    }

    /// Who the local end of a flow is.
    pub(super) fn local(&self, flow: &Flow, span: Span) -> Result<LocalEnd<'a>, Reason> {
        let ip = flow.local.ip().map(|ip| ip.to_canonical());
        let node = |name: &str| Endpoint::Node { name: name.into(), workload: None };
        let (endpoint, pod) = match &flow.local {
            Local::Pod { uid, .. } => match self.pods.get(uid.as_str()) {
                Some(pod) => (pod_endpoint(pod, &flow.node), Some(*pod)),
                // A pod that is gone and had the node's addresses: the node is what a policy would see.
                None if ip.is_some_and(|ip| self.nodes.owns(&flow.node, ip)) => (node(&flow.node), None),
                None => return Err(Reason::LocalPodUnknown),
            },
            Local::Host { .. } => (node(&flow.node), None),
            Local::Address { ip } => self.local_address(ip.to_canonical(), span, flow)?,
            Local::Unknown { .. } => return Err(Reason::LocalUnknown),
        };
        Ok(LocalEnd { endpoint, ip, pod })
    }

    fn local_address(&self, ip: IpAddr, span: Span, flow: &Flow) -> Result<(Endpoint, Option<&'a Pod>), Reason> {
        match (self.addresses.holder(ip, span, Some(&flow.node)), self.nodes.at(ip)) {
            (Held::By(pod), _) => Ok((pod_endpoint(pod, &flow.node), Some(pod))),
            (Held::ChangedHands, _) => Err(Reason::ChangedHands),
            (Held::Nobody, Some(node)) => Ok((Endpoint::Node { name: node.into(), workload: None }, None)),
            (Held::Nobody, None) => Err(Reason::LocalAddressUnknown),
        }
    }

    /// Whether `ip` is the local end itself.
    pub(super) fn is_own(&self, local: &LocalEnd<'_>, ip: IpAddr) -> bool {
        let of_node = match &local.endpoint {
            Endpoint::Node { name, .. } => self.nodes.owns(name, ip),
            _ => false,
        };
        let of_pod = || local.pod.is_some_and(|pod| pod.addresses.iter().any(|held| held.ip.to_canonical() == ip));
        of_node || local.ip == Some(ip) || of_pod()
    }

    /// What answers at an address and port.
    pub(super) fn server(&self, ip: IpAddr, protocol: Protocol, port: u16, span: Span) -> Result<Server<'a>, Reason> {
        if let Some(port) = self.services.at(ip, protocol, port) {
            return Ok(Server::Service(port));
        }
        if let Some(service) = self.services.with_cluster_ip(ip) {
            return Err(Reason::no_such_port(service, protocol, port));
        }
        if self.services.is_api_server(ip, protocol, port) {
            return Ok(Server::Endpoint(Endpoint::ApiServer));
        }
        match self.inside(ip, span)? {
            Some(Inside::Pod(pod)) => Ok(Server::Endpoint(Endpoint::Workload(pod.workload.clone()))),
            Some(Inside::Node(node)) => {
                Ok(self.services.at_node_port(protocol, port).map_or(Server::Node(node), Server::Service))
            }
            Some(Inside::LinkLocal) => Ok(Server::Endpoint(Endpoint::LinkLocal { address: ip })),
            None => match self.services.with_external_ip(ip) {
                Some(service) => Err(Reason::no_such_port(service, protocol, port)),
                None => Ok(Server::Outside),
            },
        }
    }

    /// Who speaks from an address.
    pub(super) fn client(&self, ip: IpAddr, span: Span) -> Result<Endpoint, Reason> {
        if let Some(service) = self.services.with_cluster_ip(ip) {
            return Err(Reason::ClientIsService(service_name(service)));
        }
        Ok(match self.inside(ip, span)? {
            Some(Inside::Pod(pod)) => Endpoint::Workload(pod.workload.clone()),
            Some(Inside::Node(node)) => Endpoint::Node { name: node.into(), workload: None },
            Some(Inside::LinkLocal) => Endpoint::LinkLocal { address: ip },
            None if self.services.is_api_server_ip(ip) => Endpoint::ApiServer,
            None => Endpoint::Internet,
        })
    }

    /// What answers behind a Service port.
    pub(super) fn targets(&self, port: Port<'a>, span: Span) -> Result<Arc<Targets>, Reason> {
        let targets = match self.targets.get(&port_key(port)) {
            Some(known) if known.at_all_times || port.targets(span).next().is_some() => Arc::clone(&known.targets),
            Some(_) => Arc::default(),
            None => Arc::new(self.targets_during(port, span)),
        };
        if targets.is_empty() {
            let (service, number) = (service_name(port.service), port.port.port);
            return Err(match port.targets(span).next() {
                Some(_) => Reason::BackendsUnknown { service, port: number },
                None => Reason::NoEndpoints { service, port: number },
            });
        }
        Ok(targets)
    }

    fn targets_during(&self, port: Port<'a>, span: Span) -> Targets {
        let mut targets = Targets::new();
        for (backend, number) in port.targets(span) {
            let ip = backend.address.ip.to_canonical();
            let found = match port.is_api_server() {
                true => Some((Endpoint::ApiServer, None)),
                false => self.backend(backend, number, port.port.protocol, span),
            };
            let Some((endpoint, node)) = found else { continue };
            let by_address = endpoint.workload().is_none();
            let target = targets.entry((endpoint, number)).or_default();
            target.nodes.insert(node);
            target.addresses.extend(by_address.then_some(ip));
        }
        targets
    }

    /// The targets of a port, if they do not depend on the time, or on nothing but whether there was a backend at all: pods
    /// come and go, and the workload stays. A backend without a UID is found by its address, and so at its time.
    fn fixed_targets(&self, port: Port<'a>) -> Option<Fixed> {
        let known = |backend: &Backend| backend.pod_uid.as_deref().is_some_and(|uid| self.pods.contains_key(uid));
        if !port.is_api_server() && !port.service.backends.iter().all(known) {
            return None;
        }
        let any_time = Span { first: netwright_record::Time::MIN, last: netwright_record::Time::MAX };
        let (targets, at_all_times) = (self.targets_during(port, any_time), port.is_timeless());
        (at_all_times || targets.len() == 1).then(|| Fixed { targets: Arc::new(targets), at_all_times })
    }

    /// Who a backend is, and on which node.
    fn backend(
        &self,
        backend: &Backend,
        port: u16,
        protocol: Protocol,
        span: Span,
    ) -> Option<(Endpoint, Option<Name>)> {
        let ip = backend.address.ip.to_canonical();
        if let Some(pod) = backend.pod_uid.as_deref().and_then(|uid| self.pods.get(uid)) {
            return Some((pod_endpoint(pod, ""), pod.node.clone()));
        }
        match self.inside(ip, span).ok()? {
            Some(Inside::Pod(pod)) => Some((pod_endpoint(pod, ""), pod.node.clone())),
            Some(Inside::Node(node)) => {
                let workload = self.nodes.declared(node, protocol, port).cloned();
                Some((Endpoint::Node { name: node.into(), workload }, Some(node.into())))
            }
            Some(Inside::LinkLocal) => Some((Endpoint::LinkLocal { address: ip }, None)),
            None => Some((Endpoint::External { address: ip }, None)),
        }
    }

    /// See [`super::Resolver::is_witness`].
    pub(super) fn is_witness(&self, flow: &Flow) -> bool {
        let span = Span::of(&flow.activity);
        let mut ends = flow.local.ip().into_iter().chain([flow.remote]);
        ends.any(|ip| self.addresses.is_handed_on(ip.to_canonical(), span))
    }

    /// Whether every moment of `span` has the same answer to who is at an address and port.
    pub(super) fn is_steady(&self, ip: IpAddr, protocol: Protocol, port: u16, span: Span) -> bool {
        let ip = ip.to_canonical();
        let by_node = || self.nodes.at(ip).and_then(|_| self.services.at_node_port(protocol, port));
        match self.services.at(ip, protocol, port).or_else(by_node) {
            Some(port) => self.targets.get(&port_key(port)).is_some_and(|fixed| {
                fixed.at_all_times || port.targets(span).any(|(backend, _)| is_held_throughout(&backend.address, span))
            }),
            None => self.addresses.is_steady(ip, span),
        }
    }

    fn inside(&self, ip: IpAddr, span: Span) -> Result<Option<Inside<'a>>, Reason> {
        match (self.addresses.holder(ip, span, None), self.nodes.at(ip)) {
            (Held::By(pod), _) => Ok(Some(Inside::Pod(pod))),
            (Held::ChangedHands, _) => Err(Reason::ChangedHands),
            (Held::Nobody, Some(node)) => Ok(Some(Inside::Node(node))),
            (Held::Nobody, None) if is_link_local(ip) => Ok(Some(Inside::LinkLocal)),
            (Held::Nobody, None) if self.nodes.in_pod_range(ip) => Err(Reason::PodUnknown),
            (Held::Nobody, None) => Ok(None),
        }
    }
}

/// What an address inside the cluster belongs to.
enum Inside<'a> {
    Pod(&'a Pod),
    Node(&'a str),
    LinkLocal,
}

fn port_key<'a>(port: Port<'a>) -> (&'a str, &'a str, Protocol, u16) {
    (&port.service.namespace, &port.service.name, port.port.protocol, port.port.port)
}

/// A pod as a policy sees it. `node` is where it was seen, for one of which the inventory does not say.
fn pod_endpoint(pod: &Pod, node: &str) -> Endpoint {
    match pod.host_network {
        false => Endpoint::Workload(pod.workload.clone()),
        true => Endpoint::Node {
            name: pod.node.clone().unwrap_or_else(|| node.into()),
            workload: Some(pod.workload.clone()),
        },
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}
