//! The edges that must be seen, derived from the declaration.

use super::clients::{Client, Seat, clients};
use super::model::{Container, Kind, Manner, Resolver, Server, Service, Shop, Target, Workload};
use netwright_record::inventory::WorkloadRef;
use netwright_record::{Endpoint, FlatSet, Protocol, ServiceRef};
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
    pub services: FlatSet<ServiceRef>,
    /// The addresses of a client that is no pod.
    pub client_addresses: FlatSet<IpAddr>,
    /// The addresses of a server that is no pod.
    pub server_addresses: FlatSet<IpAddr>,
    /// The TCP clients that open its connections, by the label of their process: their tallies add up to its count.
    pub clients: BTreeSet<String>,
}

/// All edges of the shop.
pub fn expected(shop: &Shop) -> BTreeMap<Key, Expected> {
    let mut edges = Edges { shop, edges: BTreeMap::new() };
    for client in clients(shop) {
        edges.call(&client);
    }
    for workload in &shop.workloads {
        let forwards =
            |container: &Container| matches!(container, Container::Serves { server: Server::ClusterDns(_), .. });
        if workload.containers.iter().any(forwards) {
            edges.asks_outside_resolver(&pod_endpoint(shop, workload));
        }
    }
    edges.edges
}

struct Edges<'a> {
    shop: &'a Shop,
    edges: BTreeMap<Key, Expected>,
}

impl Edges<'_> {
    fn call(&mut self, client: &Client<'_>) {
        let call = client.call;
        let (end, address) = self.client(client.seat);
        let protocol = call.manner.protocol();
        let (server, port, services, server_address) = self.server(call.to);
        let edge = self.edges.entry((end.clone(), server, protocol, port)).or_default();
        edge.fails = call.manner.fails();
        edge.services.extend(services);
        edge.client_addresses.extend(address);
        edge.server_addresses.extend(server_address);
        if protocol == Protocol::Tcp && call.manner != Manner::HeldFromBefore {
            edge.clients.insert(client.label.clone());
        }
        match call.resolver {
            Resolver::Nobody => {}
            Resolver::Cluster => self.asks_cluster_dns(&end),
            Resolver::Outside => self.asks_outside_resolver(&end),
        }
    }

    /// Who a client is, and at which address where it is no pod.
    fn client(&self, seat: Seat<'_>) -> (Endpoint, Option<IpAddr>) {
        match seat {
            Seat::Pod(workload, _) => (pod_endpoint(self.shop, workload), None),
            Seat::Node(_) => (node(self.shop, None), Some(self.shop.node.1.v4.into())),
            Seat::Outside(host) => (Endpoint::Internet, Some(host.address)),
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
                let names = FlatSet::from([name.into()]);
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
