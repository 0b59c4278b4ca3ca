//! Where the cluster's DNS is, from its Service. For the check on egress to DNS.

use super::{Facts, Groups};
use crate::Protocol;
use crate::lint::input::{Service, ServicePort};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The port of DNS (RFC 1035, section 4.2).
const DOMAIN: u16 = 53;

/// The label of the pods that serve DNS, in the selector of their Service: kept for compatibility by CoreDNS, too.
const LABEL: (&str, &str) = ("k8s-app", "kube-dns");

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
    /// By the Service for pods with the label [`LABEL`]; else by one in `kube-system` (or OpenShift's `openshift-dns`)
    /// that serves port 53 over UDP. The first by name of those behind which there are pods.
    pub(super) fn find(facts: &Facts<'_>) -> Option<Self> {
        let mut services: Vec<&Service> = facts.input.services.iter().collect();
        services.retain(|service| service.ports.iter().any(|port| is_dns(port, Protocol::Udp)));
        services.sort_by_key(|service| (!has_label(service), &service.namespace, &service.name));
        let candidates = services.into_iter().filter(|service| has_label(service) || is_system(&service.namespace));
        candidates.map(|service| Self::of(facts, service)).find(|dns| !dns.pods.is_empty())
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

fn has_label(service: &Service) -> bool {
    service.selector.get(LABEL.0).is_some_and(|value| value == LABEL.1)
}

fn is_system(namespace: &str) -> bool {
    matches!(namespace, "kube-system" | "openshift-dns")
}

fn is_dns(port: &ServicePort, protocol: Protocol) -> bool {
    port.port == DOMAIN && port.protocol == protocol
}
