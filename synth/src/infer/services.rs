//! What Services say about a workload beyond the edges: whether one exposes it through the nodes, which of them is the
//! cluster's DNS, and which pods stand behind one that nobody was seen to use.

use super::dns::DNS;
use netwright_record::inventory::{Backend, Inventory, Service, ServicePort, WorkloadRef};
use netwright_record::{FlatSet, Protocol, ServiceRef};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

/// A port of a workload.
type ServerPort<'a> = (&'a WorkloadRef, Protocol, u16);

/// The look-ups. Built once; each is by one workload's port or one Service.
#[derive(Debug)]
pub struct Services<'a> {
    services: BTreeMap<(&'a str, &'a str), &'a Service>,
    workloads: HashMap<&'a str, &'a WorkloadRef>,
    through_nodes: BTreeMap<ServerPort<'a>, BTreeSet<Arc<ServiceRef>>>,
    /// Port 53 over TCP of each Service that has one: the ports of workloads behind it.
    dns_over_tcp: BTreeMap<(&'a str, &'a str), BTreeSet<ServerPort<'a>>>,
}

impl<'a> Services<'a> {
    /// Indexes the Services of `inventory`, and its pods by UID.
    pub fn new(inventory: &'a Inventory) -> Self {
        let mut services = Self {
            services: inventory
                .services
                .iter()
                .map(|service| ((&*service.namespace, &*service.name), service))
                .collect(),
            workloads: inventory.pods.iter().map(|pod| (pod.uid.as_str(), &pod.workload)).collect(),
            through_nodes: BTreeMap::new(),
            dns_over_tcp: BTreeMap::new(),
        };
        for service in inventory.services.iter().filter(|service| hides_clients(service)) {
            services.expose(service);
        }
        for service in &inventory.services {
            let over_tcp = service.ports.iter().filter(|port| (port.protocol, port.port) == (Protocol::Tcp, DNS));
            let targets: BTreeSet<ServerPort> = over_tcp.flat_map(|port| services.targets_of(service, port)).collect();
            services.dns_over_tcp.insert((&service.namespace, &service.name), targets);
        }
        services
    }

    fn expose(&mut self, service: &'a Service) {
        for port in &service.ports {
            let exposing = Arc::new(ServiceRef {
                namespace: service.namespace.clone(),
                name: service.name.clone(),
                port: port.port,
            });
            for target in self.targets_of(service, port) {
                self.through_nodes.entry(target).or_default().insert(exposing.clone());
            }
        }
    }

    /// The Services through which clients reach this port of `workload` with the address of a node.
    pub fn through_nodes(&self, workload: &WorkloadRef, protocol: Protocol, port: u16) -> BTreeSet<Arc<ServiceRef>> {
        self.through_nodes.get(&(workload, protocol, port)).cloned().unwrap_or_default()
    }

    /// The ports of `workload` to which the TCP port 53 of the Services in `through` leads: a Service may send it elsewhere
    /// than its UDP port 53. Empty where that is not known.
    pub fn dns_over_tcp(&self, through: &FlatSet<ServiceRef>, workload: &WorkloadRef) -> BTreeSet<u16> {
        let used = through.iter().filter(|service| service.port == DNS);
        let known = used.filter_map(|service| self.dns_over_tcp.get(&(&*service.namespace, &*service.name)));
        known
            .flat_map(|targets| targets.range((workload, Protocol::Tcp, 0)..=(workload, Protocol::Tcp, u16::MAX)))
            .map(|(_, _, port)| *port)
            .collect()
    }

    /// The ports of workloads behind a port of a Service, by its EndpointSlices; none where it is not known.
    pub fn targets(&self, service: &ServiceRef) -> BTreeSet<(&'a WorkloadRef, Protocol, u16)> {
        let Some(found) = self.services.get(&(service.namespace.as_str(), service.name.as_str())) else {
            return BTreeSet::new();
        };
        let ports = found.ports.iter().filter(|port| port.port == service.port);
        ports.flat_map(|port| self.targets_of(found, port)).collect()
    }

    fn targets_of(&self, service: &'a Service, port: &'a ServicePort) -> BTreeSet<ServerPort<'a>> {
        let backends = service.backends.iter();
        backends.flat_map(|backend| self.target(backend, port)).collect()
    }

    fn target(&self, backend: &'a Backend, port: &'a ServicePort) -> Option<ServerPort<'a>> {
        let workload = self.workloads.get(backend.pod_uid.as_deref()?)?;
        let target =
            backend.ports.iter().find(|target| (&target.name, target.protocol) == (&port.name, port.protocol))?;
        Some((workload, target.protocol, target.port))
    }

    /// The addresses of the Services that `services` names on port 53: those are the cluster's DNS as its clients see it.
    pub fn dns_addresses<'s>(
        &self,
        services: impl IntoIterator<Item = &'s ServiceRef>,
    ) -> Vec<(Arc<ServiceRef>, IpAddr)> {
        let dns = services.into_iter().filter(|service| service.port == DNS);
        dns.filter_map(|service| Some((service, self.services.get(&(&*service.namespace, &*service.name))?)))
            .flat_map(|(name, service)| service.cluster_ips.iter().map(|address| (Arc::new(name.clone()), *address)))
            .collect()
    }

    /// Every Service with port 53 over UDP and an address of its own.
    pub fn all_dns(&self) -> BTreeSet<ServiceRef> {
        let serves =
            |service: &Service| service.ports.iter().any(|port| (port.protocol, port.port) == (Protocol::Udp, DNS));
        let named = self.services.values().filter(|service| serves(service) && !service.cluster_ips.is_empty());
        named
            .map(|service| ServiceRef { namespace: service.namespace.clone(), name: service.name.clone(), port: DNS })
            .collect()
    }
}

/// Whether clients from outside arrive with the address of a node: kube-proxy translates the source unless the policy is
/// `Local` (Kubernetes: "Preserving the client source IP").
fn hides_clients(service: &Service) -> bool {
    let enters =
        matches!(service.service_type.as_str(), "NodePort" | "LoadBalancer") || !service.external_ips.is_empty();
    enters && service.external_traffic_policy.as_deref() != Some("Local")
}
