//! Pairs of endpoints with very many high ports between them: passive FTP, Spark, Erlang. What was seen is allowed; a range may be
//! meant, and a person should say so.

use super::cover::ports::{FIRST_HIGH, MANY};
use super::rules::ManyPorts;
use netwright_record::{Edge, Endpoint, Protocol};
use std::collections::BTreeMap;

/// The pairs with as many established high ports as would become one range. O(n log n) in edges.
pub fn between(edges: &[Edge]) -> Vec<ManyPorts> {
    let mut ports: BTreeMap<(&Endpoint, &Endpoint, Protocol), Vec<u16>> = BTreeMap::new();
    for edge in edges.iter().filter(|edge| edge.activity.established() && edge.port >= FIRST_HIGH) {
        ports.entry((&edge.client, &edge.server, edge.protocol)).or_default().push(edge.port);
    }
    let many = ports.into_iter().filter(|(_, ports)| ports.len() >= MANY);
    many.filter_map(|((client, server, protocol), ports)| {
        let between = (*ports.iter().min()?, *ports.iter().max()?);
        Some(ManyPorts { client: client.clone(), server: server.clone(), protocol, ports: ports.len(), between })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;
    use netwright_record::Protocol::Tcp;

    /// The pairs where one client reached one server on so many ports from `first` on.
    fn found(first: u16, count: u16, failed: u64) -> Vec<(usize, (u16, u16))> {
        let mut world = World::new();
        let [client, server] = ["a", "b"].map(|name| Endpoint::Workload(world.running("n", name)));
        for port in first..first + count {
            world.edge(client.clone(), server.clone(), Tcp, port).activity.failed = failed;
        }
        between(&world.build().edges).into_iter().map(|many| (many.ports, many.between)).collect()
    }

    #[test]
    fn ten_high_ports_are_many() {
        assert_eq!(found(40_000, 10, 0), [(10, (40_000, 40_009))]);
        assert_eq!(found(40_000, 9, 0), []);
    }

    #[test]
    fn ports_of_services_and_attempts_that_failed_do_not_count() {
        assert_eq!(found(1_020, 13, 0), []);
        assert_eq!(found(40_000, 20, 1), []);
    }
}
