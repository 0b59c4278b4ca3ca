//! The API server as a peer, and what it calls: webhooks and aggregated APIs, which an observation may well have missed.
//!
//! It arrives from the addresses of the control plane's nodes or of its own endpoints; which of several it is changes
//! from one connection to the next, so all are named.

use super::nodes::Nodes;
use super::peers::Naming;
use super::rules::Whom;
use super::services::Services;
use crate::index::Index;
use netwright_record::inventory::{Inventory, WorkloadRef};
use netwright_record::{FlatSet, Protocol};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What the API server may call, by the port of the workload that serves it; the numbers are positions in `api_extensions`.
pub type Called<'a> = BTreeMap<(&'a WorkloadRef, Protocol, u16), Vec<usize>>;

/// The API server as a server: all its endpoints.
pub fn server(index: &Index, seen: &FlatSet<IpAddr>) -> Naming {
    Naming::blocks(seen | index.api_server_addresses(), &Whom::ApiServer)
}

/// The API server as a client: wherever a call of it may come from.
pub fn client(index: &Index, nodes: &Nodes, seen: &FlatSet<IpAddr>) -> Naming {
    let known = &(seen | index.api_server_addresses()) | nodes.control_plane();
    Naming::blocks(known, &Whom::ApiServer)
}

/// What the webhooks and APIServices of `inventory` lead to, and those of which that is not known. They are called by HTTPS over
/// TCP, whatever else the Service has on the same port (HTTP/3 over UDP).
pub fn called<'a>(inventory: &Inventory, services: &Services<'a>) -> (Called<'a>, Vec<usize>) {
    let (mut called, mut unknown) = (Called::new(), Vec::new());
    for (number, extension) in inventory.api_extensions.iter().enumerate() {
        let mut targets = services.targets(&extension.service);
        targets.retain(|(_, protocol, _)| *protocol == Protocol::Tcp);
        if targets.is_empty() {
            unknown.push(number);
        }
        for target in targets {
            called.entry(target).or_default().push(number);
        }
    }
    (called, unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;
    use netwright_record::ServiceRef;
    use netwright_record::inventory::{ApiExtension, ContainerPort, ServicePort};

    #[test]
    fn a_webhook_is_called_over_tcp_though_its_service_has_the_port_over_udp_too() {
        let mut world = World::new();
        let hook = world.running("n", "hook");
        let target = |protocol, port| ContainerPort { name: None, protocol, port };
        world.service_of(&hook, "hook", "ClusterIP", 443, target(Protocol::Tcp, 8443));
        let service = &mut world.observation.inventory.services[0];
        service.ports.push(ServicePort { name: None, protocol: Protocol::Udp, port: 443, node_port: None });
        service.backends[0].ports.push(target(Protocol::Udp, 8444));
        let service = ServiceRef { namespace: "n".into(), name: "hook".into(), port: 443 };
        let kind = "ValidatingWebhookConfiguration".into();
        world.observation.inventory.api_extensions.push(ApiExtension { kind, name: "hook".into(), service });
        let observation = world.build();
        let services = Services::new(&observation.inventory);
        let (called, unknown) = called(&observation.inventory, &services);
        assert_eq!((called, unknown), (Called::from([((&hook, Protocol::Tcp, 8443), vec![0])]), vec![]));
    }
}
