//! The edges that must be seen, derived from the declaration.

use super::model::{Call, Container, Kind, Manner, Resolver, Server, Service, Shop, Target, Workload};
use super::pods::pods;
use netwright_record::inventory::WorkloadRef;
use netwright_record::{Endpoint, Protocol, ServiceRef};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What makes an edge: client, server, protocol and server port.
pub type Key = (Endpoint, Endpoint, Protocol, u16);

/// What must be known about an edge besides its key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// Whether no attempt gets through.
    pub fails: bool,
    /// The Services it went through.
    pub services: BTreeSet<ServiceRef>,
    /// The addresses of a client that is no pod.
    pub client_addresses: BTreeSet<IpAddr>,
    /// The addresses of a server that is no pod.
    pub server_addresses: BTreeSet<IpAddr>,
    /// The TCP clients that open its connections, by the label of their process: their tallies add up to its count.
    pub clients: BTreeSet<String>,
}

/// All edges of the shop.
pub fn expected(shop: &Shop) -> BTreeMap<Key, Expected> {
    let mut edges = Edges { shop, edges: BTreeMap::new() };
    for pod in pods(shop) {
        let client = pod_endpoint(shop, pod.workload);
        for container in &pod.workload.containers {
            match container {
                Container::Calls { name, call } => edges.call(&client, None, &pod.process(name), call),
                Container::Serves { server: Server::ClusterDns(_), .. } => edges.asks_outside_resolver(&client),
                Container::Serves { .. } => {}
            }
        }
    }
    for (unit, call) in &shop.node_processes {
        edges.call(&node(shop, None), Some(shop.node.1.v4.into()), unit, call);
    }
    for host in &shop.outside {
        if let Some(Container::Calls { call, .. }) = &host.container {
            edges.call(&Endpoint::Internet, Some(host.address), &format!("outside/{}", host.name), call);
        }
    }
    edges.edges
}

struct Edges<'a> {
    shop: &'a Shop,
    edges: BTreeMap<Key, Expected>,
}

impl Edges<'_> {
    fn call(&mut self, client: &Endpoint, client_address: Option<IpAddr>, process: &str, call: &Call) {
        let protocol = call.manner.protocol();
        let (server, port, services, server_address) = self.server(call.to);
        let edge = self.edges.entry((client.clone(), server, protocol, port)).or_default();
        edge.fails = call.manner.fails();
        edge.services.extend(services);
        edge.client_addresses.extend(client_address);
        edge.server_addresses.extend(server_address);
        if protocol == Protocol::Tcp && call.manner != Manner::HeldFromBefore {
            edge.clients.insert(process.to_owned());
        }
        match call.resolver {
            Resolver::Nobody => {}
            Resolver::Cluster => self.asks_cluster_dns(client),
            Resolver::Outside => self.asks_outside_resolver(client),
        }
    }

    fn asks_cluster_dns(&mut self, client: &Endpoint) {
        let found = self.shop.services.iter().find(|service| service.address == Some(self.shop.resolvers.0));
        let Some(service) = found else { return };
        let server = workload(self.shop, service.namespace, service.workload);
        let key = (client.clone(), server, Protocol::Udp, service.target_port);
        self.edges.entry(key).or_default().services.insert(reference(service));
    }

    fn asks_outside_resolver(&mut self, client: &Endpoint) {
        let address = self.shop.resolvers.1;
        let key = (client.clone(), Endpoint::External { address }, Protocol::Udp, 53);
        self.edges.entry(key).or_default().server_addresses.insert(address);
    }

    /// The server of a target: who, on which port, through which Service, at which address where it is no pod.
    fn server(&self, target: Target) -> (Endpoint, u16, Option<ServiceRef>, Option<IpAddr>) {
        let shop = self.shop;
        match target {
            Target::Service(namespace, name, port) => match service(shop, namespace, name) {
                Some(found) => {
                    let server = workload(shop, namespace, found.workload);
                    (server, found.target_port, Some(reference(found)), None)
                }
                None => (workload(shop, namespace, name), port, None, None),
            },
            // The client is not watched and the server sees the translated port: nothing tells of the Service.
            Target::LoadBalancer(namespace, name, port) => {
                let found = service(shop, namespace, name);
                (workload(shop, namespace, name), found.map_or(port, |found| found.target_port), None, None)
            }
            Target::Pod(namespace, name, port) => (workload(shop, namespace, name), port, None, None),
            Target::Node(namespace, name, port) => {
                let reference = WorkloadRef {
                    namespace: namespace.into(),
                    kind: Kind::HostNetworkDaemonSet.as_str().into(),
                    name: name.into(),
                };
                (node(shop, Some(reference)), port, None, Some(shop.node.1.v4.into()))
            }
            Target::OutsideName(name, port) => {
                let found = shop.outside_names.iter().find(|(chain, _)| chain.first() == Some(&name));
                let names = BTreeSet::from([name.to_owned()]);
                (Endpoint::ExternalName { names }, port, None, found.map(|(_, address)| *address))
            }
            Target::OutsideAddress(address, port) => (Endpoint::External { address }, port, None, Some(address)),
        }
    }
}

fn pod_endpoint(shop: &Shop, workload: &Workload) -> Endpoint {
    match workload.kind {
        Kind::HostNetworkDaemonSet => node(shop, Some(workload.reference())),
        _ => Endpoint::Workload(workload.reference()),
    }
}

fn node(shop: &Shop, workload: Option<WorkloadRef>) -> Endpoint {
    Endpoint::Node { name: shop.node.0.into(), workload }
}

fn workload(shop: &Shop, namespace: &str, name: &str) -> Endpoint {
    let found = shop.workloads.iter().find(|workload| workload.namespace == namespace && workload.name == name);
    Endpoint::Workload(found.map(Workload::reference).unwrap_or_else(|| WorkloadRef {
        namespace: namespace.into(),
        kind: "undeclared".into(),
        name: name.into(),
    }))
}

/// The declared Service of that name.
pub(super) fn service<'a>(shop: &'a Shop, namespace: &str, name: &str) -> Option<&'a Service> {
    shop.services.iter().find(|service| service.namespace == namespace && service.name == name)
}

fn reference(service: &Service) -> ServiceRef {
    ServiceRef { namespace: service.namespace.into(), name: service.name.into(), port: service.port }
}

#[cfg(test)]
mod tests {
    use super::super::shop;
    use super::*;

    fn edges() -> Vec<String> {
        let line = |((client, server, protocol, port), edge): (Key, Expected)| {
            format!("{client} -> {server} {protocol} {port}{}", if edge.fails { " fails" } else { "" })
        };
        expected(&shop()).into_iter().map(line).collect()
    }

    #[test]
    fn a_service_is_its_backends_on_the_target_port() {
        assert!(edges().contains(&"shop/Deployment/front -> shop/Deployment/api TCP 9090".into()), "{:#?}", edges());
    }

    #[test]
    fn a_chain_of_aliases_is_the_name_that_was_asked_for() {
        assert!(edges().contains(&"shop/Deployment/worker -> api.payments.example TCP 443".into()), "{:#?}", edges());
    }

    #[test]
    fn what_cannot_get_through_is_marked() {
        let failing: Vec<String> = edges().into_iter().filter(|edge| edge.ends_with("fails")).collect();
        assert_eq!(
            failing,
            [
                "ops/Deployment/canary -> billing/StatefulSet/ledger TCP 9999 fails",
                "ops/Deployment/canary -> 198.18.0.99 TCP 443 fails",
            ]
        );
    }

    #[test]
    fn nothing_leads_to_an_undeclared_workload() {
        assert!(!edges().iter().any(|edge| edge.contains("undeclared")), "{:#?}", edges());
    }
}
