//! Where the cluster's DNS is: from its Service, nothing is assumed about names of pods. For the check on egress to DNS.

use super::{Facts, Groups};
use crate::Protocol;
use crate::lint::input::{Service, ServicePort};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The port of DNS (RFC 1035, section 4.2).
const DOMAIN: u16 = 53;

/// The port of a DNS server's own, where no Service tells: on 53 it listens most often.
pub(in crate::lint) const ASSUMED_TARGETS: [u16; 1] = [DOMAIN];

/// The cluster's DNS.
pub(in crate::lint) struct Dns {
    /// The pods behind the Service.
    pub(in crate::lint) pods: Groups,
    pub(in crate::lint) udp: BTreeSet<u16>,
    pub(in crate::lint) tcp: BTreeSet<u16>,
    /// The ClusterIPs of the Service: with node-local DNS they are answered on the node itself.
    pub(in crate::lint) cluster_ips: Vec<IpAddr>,
    /// The addresses of the pods.
    pub(in crate::lint) addresses: Vec<IpAddr>,
    /// The name of the Service.
    pub(in crate::lint) service: String,
}

impl Dns {
    /// By the Service `kube-system/kube-dns`, whose name kubeadm and the addon keep for whatever serves DNS; else by a
    /// Service in `kube-system` (or OpenShift's `openshift-dns`) that serves port 53 over UDP.
    pub(super) fn find(facts: &Facts<'_>) -> Option<Self> {
        let services = || facts.input.services.iter().filter(|service| is_system(&service.namespace));
        let by_name = services().filter(|service| service.name == "kube-dns");
        let by_port = services().filter(|service| service.ports.iter().any(|port| is_dns(port, Protocol::Udp)));
        let candidates = by_name.chain(by_port).map(|service| Self::of(facts, service));
        candidates.into_iter().find(|dns| !dns.pods.is_empty())
    }

    fn of<'a>(facts: &Facts<'a>, service: &'a Service) -> Self {
        let targets = |protocol| {
            let ports = service.ports.iter().filter(move |port| is_dns(port, protocol));
            let known: BTreeSet<u16> = ports.flat_map(|port| port.targets.iter().copied()).collect();
            if known.is_empty() { ASSUMED_TARGETS.into() } else { known }
        };
        Self {
            pods: facts.backends(service),
            udp: targets(Protocol::Udp),
            tcp: targets(Protocol::Tcp),
            cluster_ips: service.cluster_ips.clone(),
            addresses: addresses(facts, service),
            service: super::service_name(service),
        }
    }
}

fn addresses(facts: &Facts<'_>, service: &Service) -> Vec<IpAddr> {
    let selected = facts.input.pods.iter().map(|subject| subject.pod).filter(|pod| {
        let has = |(key, value): (&String, &String)| pod.label(key) == Some(value);
        pod.namespace == service.namespace && service.selector.iter().all(has)
    });
    selected.flat_map(|pod| &pod.addresses).map(|address| address.to_canonical()).collect()
}

fn is_system(namespace: &str) -> bool {
    matches!(namespace, "kube-system" | "openshift-dns")
}

fn is_dns(port: &ServicePort, protocol: Protocol) -> bool {
    port.port == DOMAIN && port.protocol == protocol
}
