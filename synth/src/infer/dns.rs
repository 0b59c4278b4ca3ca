//! Adds what DNS needs and an observation rarely shows: an answer too long for UDP is asked for again over TCP; and where
//! caches run on the nodes, pods are served by the cache at its link-local address, by the cache at the DNS Service's address, or by the
//! DNS pods, as it happens (KEP-1024). A cache is known by its link-local address, or by answering on the host network where no
//! DNS Service leads.

use super::link_local::is_node_local_dns;
use super::rules::{Target, Whom};
use super::services::Services;
use netwright_record::inventory::WorkloadRef;
use netwright_record::{Edge, Endpoint, Protocol, ServiceRef};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

/// The port on which clients ask.
pub const DNS: u16 = 53;

/// The caches on the nodes, and the Services in whose place they answer.
#[derive(Debug, Default)]
pub struct NodeLocalDns<'a> {
    caches: BTreeSet<IpAddr>,
    services: Vec<(Arc<ServiceRef>, IpAddr)>,
    /// Workloads behind DNS Services: on the host network too they are no caches.
    behind: BTreeSet<&'a WorkloadRef>,
}

impl<'a> NodeLocalDns<'a> {
    /// Finds the caches by the link-local addresses that answered on port 53, and by the host-network workloads that did. The
    /// Services are those through which DNS was seen, or every DNS Service where none was.
    pub fn new(edges: &[Edge], services: &Services<'a>) -> Self {
        let established = || edges.iter().filter(|edge| edge.activity.established());
        let caches: BTreeSet<IpAddr> = established().filter_map(cache).collect();
        let all = services.all_dns();
        let behind = all.iter().flat_map(|service| services.targets(service)).map(|(workload, ..)| workload).collect();
        let found = Self { caches, services: Vec::new(), behind };
        if found.caches.is_empty() && !established().any(|edge| found.is_host_cache(edge)) {
            return Self::default();
        }
        let used: BTreeSet<ServiceRef> = established()
            .filter(|edge| edge.protocol == Protocol::Udp)
            .flat_map(|edge| edge.services.iter().filter(|service| service.port == DNS).cloned())
            .collect();
        let used = if used.is_empty() { all } else { used };
        Self { services: services.dns_addresses(&used), ..found }
    }

    /// What the client of `edge` must reach besides, on port 53, if `edge` is DNS in a cluster with such caches.
    pub fn besides(&self, edge: &Edge) -> Vec<(Target, Whom)> {
        let cluster_dns = edge.services.iter().any(|service| self.services.iter().any(|(dns, _)| **dns == *service));
        if !cluster_dns && cache(edge).is_none() && !(self.are_known() && self.is_host_cache(edge)) {
            return Vec::new();
        }
        let caches = self.caches.iter().map(|address| (Target::address(*address), Whom::NodeLocalDns));
        let services = self.services.iter();
        caches
            .chain(services.map(|(service, address)| (Target::address(*address), Whom::ClusterDns(service.clone()))))
            .collect()
    }

    fn are_known(&self) -> bool {
        !self.services.is_empty() || !self.caches.is_empty()
    }

    /// Whether the server of `edge` is a cache on the host network, which takes what goes to the address of the Service. Each
    /// node's own resolver is no workload, and no cache for pods.
    fn is_host_cache(&self, edge: &Edge) -> bool {
        let Endpoint::Node { workload: Some(workload), .. } = &edge.server else { return false };
        edge.port == DNS && edge.protocol != Protocol::Sctp && !self.behind.contains(workload)
    }
}

/// The address of the cache on the node, if that is what `edge` reaches.
fn cache(edge: &Edge) -> Option<IpAddr> {
    match edge.server {
        Endpoint::LinkLocal { address } if is_node_local_dns(address, edge.port) => Some(address),
        _ => None,
    }
}

/// The protocols over which the client of `edge`, which is DNS, asks.
pub fn protocols(edge: &Edge) -> Vec<Protocol> {
    if needs_tcp(edge) { vec![Protocol::Udp, Protocol::Tcp] } else { vec![edge.protocol] }
}

/// The ports on which the client of `edge` asks again over TCP, if it is DNS over UDP: the target ports of the Service's own
/// TCP port, or the same port where that is not known.
pub fn tcp_ports(edge: &Edge, services: &Services) -> BTreeSet<u16> {
    if !needs_tcp(edge) {
        return BTreeSet::new();
    }
    let server = edge.server.workload();
    let known = server.map(|server| services.dns_over_tcp(&edge.services, server)).unwrap_or_default();
    if known.is_empty() { [edge.port].into() } else { known }
}

/// Whether `edge` is DNS over UDP: on port 53, or through a Service on port 53 to whatever target port.
pub fn needs_tcp(edge: &Edge) -> bool {
    let through_service = edge.services.iter().any(|service| service.port == DNS);
    edge.protocol == Protocol::Udp && (edge.port == DNS || through_service)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;
    use netwright_record::{Endpoint, ServiceRef};

    fn edge(protocol: Protocol, port: u16, service_port: Option<u16>) -> Edge {
        let mut world = World::new();
        let [client, server] = ["web", "dns"].map(|name| Endpoint::Workload(world.running("n", name)));
        let edge = world.edge(client, server, protocol, port);
        edge.services = service_port
            .map(|port| ServiceRef { namespace: "kube-system".into(), name: "kube-dns".into(), port })
            .into_iter()
            .collect();
        edge.clone()
    }

    #[test]
    fn dns_is_known_by_its_port_or_its_services_port() {
        assert!(needs_tcp(&edge(Protocol::Udp, 53, None)));
        assert!(needs_tcp(&edge(Protocol::Udp, 1053, Some(53))));
        assert!(!needs_tcp(&edge(Protocol::Udp, 8125, Some(8125))));
        assert!(!needs_tcp(&edge(Protocol::Tcp, 53, Some(53))));
    }
}
