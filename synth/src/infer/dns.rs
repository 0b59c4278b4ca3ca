//! Adds what DNS needs and an observation rarely shows: an answer too long for UDP is asked for again over TCP.

use netwright_record::{Edge, Protocol};

const DNS: u16 = 53;

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
