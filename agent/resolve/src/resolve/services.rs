//! Services: from the address and port a client used to the Service, and from there to its backends.

use super::addresses::Span;
use foldhash::fast::RandomState;
use netwright_record::inventory::{Backend, HeldAddress, Inventory, Service, ServicePort};
use netwright_record::{Protocol, ServiceRef, Time};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

/// One port of one Service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Port<'a> {
    pub(super) service: &'a Service,
    pub(super) port: &'a ServicePort,
}

impl<'a> Port<'a> {
    /// The backends during `span`, each with a target port.
    pub(super) fn targets(self, span: Span) -> impl Iterator<Item = (&'a Backend, u16)> {
        let wanted = self.port;
        let backends = self.service.backends.iter().filter(move |backend| valid(&backend.address, span));
        backends.flat_map(move |backend| {
            let ports = backend.ports.iter();
            ports
                .filter(move |port| port.protocol == wanted.protocol && port.name == wanted.name)
                .map(move |port| (backend, port.port))
        })
    }

    /// Whether the backends are the same at all times.
    pub(super) fn is_timeless(self) -> bool {
        self.service.backends.iter().all(|backend| backend.address.from.is_none() && backend.address.until.is_none())
    }

    pub(super) fn reference(self) -> ServiceRef {
        let Service { namespace, name, .. } = self.service;
        ServiceRef { namespace: namespace.clone(), name: name.clone(), port: self.port.port }
    }

    /// Whether this is the Service of the API server.
    pub(super) fn is_api_server(self) -> bool {
        is_api_server(self.service)
    }
}

/// Looked up by address, protocol and port.
#[derive(Debug, Default)]
pub(super) struct Services<'a> {
    by_address: HashMap<(IpAddr, Protocol, u16), Port<'a>, RandomState>,
    by_node_port: HashMap<(Protocol, u16), Port<'a>, RandomState>,
    cluster_ips: HashMap<IpAddr, &'a Service, RandomState>,
    external_ips: HashMap<IpAddr, &'a Service, RandomState>,
    api_server: HashSet<(IpAddr, Protocol, u16), RandomState>,
    api_server_ips: HashSet<IpAddr, RandomState>,
}

impl<'a> Services<'a> {
    pub(super) fn new(inventory: &'a Inventory) -> Self {
        let mut services: Vec<&Service> = inventory.services.iter().collect();
        // The first one to claim an address keeps it, whatever the order of the inventory.
        services.sort_by_key(|service| (&service.namespace, &service.name));
        let mut index = Self::default();
        for service in services {
            index.add(service);
        }
        index
    }

    fn add(&mut self, service: &'a Service) {
        for ip in &service.cluster_ips {
            self.cluster_ips.entry(ip.to_canonical()).or_insert(service);
        }
        for ip in &service.external_ips {
            self.external_ips.entry(ip.to_canonical()).or_insert(service);
        }
        for port in &service.ports {
            let port = Port { service, port };
            for ip in service.cluster_ips.iter().chain(&service.external_ips) {
                let address = (ip.to_canonical(), port.port.protocol, port.port.port);
                self.by_address.entry(address).or_insert(port);
            }
            if let Some(number) = port.port.node_port {
                self.by_node_port.entry((port.port.protocol, number)).or_insert(port);
            }
        }
        if is_api_server(service) {
            for backend in &service.backends {
                let ip = backend.address.ip.to_canonical();
                self.api_server_ips.insert(ip);
                self.api_server.extend(backend.ports.iter().map(|port| (ip, port.protocol, port.port)));
            }
        }
    }

    /// The Service behind an address of its own.
    pub(super) fn at(&self, ip: IpAddr, protocol: Protocol, port: u16) -> Option<Port<'a>> {
        self.by_address.get(&(ip, protocol, port)).copied()
    }

    /// The Service behind a port of every node.
    pub(super) fn at_node_port(&self, protocol: Protocol, port: u16) -> Option<Port<'a>> {
        self.by_node_port.get(&(protocol, port)).copied()
    }

    /// The Service that has `ip` as a cluster IP, on whatever port.
    pub(super) fn with_cluster_ip(&self, ip: IpAddr) -> Option<&'a Service> {
        self.cluster_ips.get(&ip).copied()
    }

    /// The Service that has `ip` as an external address, on whatever port.
    pub(super) fn with_external_ip(&self, ip: IpAddr) -> Option<&'a Service> {
        self.external_ips.get(&ip).copied()
    }

    /// Whether the API server itself listens there.
    pub(super) fn is_api_server(&self, ip: IpAddr, protocol: Protocol, port: u16) -> bool {
        self.api_server.contains(&(ip, protocol, port))
    }

    /// Whether the API server has this address.
    pub(super) fn is_api_server_ip(&self, ip: IpAddr) -> bool {
        self.api_server_ips.contains(&ip)
    }
}

fn is_api_server(service: &Service) -> bool {
    service.namespace == "default" && service.name == "kubernetes"
}

/// Whether an address was held in all of `span`.
pub(super) fn is_held_throughout(held: &HeldAddress, span: Span) -> bool {
    held.from.unwrap_or(Time::MIN) <= span.first && held.until.is_none_or(|until| until > span.last)
}

fn valid(held: &HeldAddress, span: Span) -> bool {
    held.from.unwrap_or(Time::MIN) <= span.last && held.until.is_none_or(|until| until > span.first)
}
