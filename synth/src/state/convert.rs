//! From the vocabulary of observations and inventories to that of policies. For everything that holds one against the
//! other.

use netwright_policy::{Cluster, NamedPort, Protocol};
use netwright_record::inventory::{ContainerPort, Namespace};

/// The namespaces with their labels.
pub fn cluster(namespaces: &[Namespace]) -> Cluster {
    let namespaces = namespaces.iter().map(|namespace| (String::from(&namespace.name), (&namespace.labels).into()));
    Cluster { namespaces: namespaces.collect(), ..Cluster::default() }
}

/// The protocol.
pub fn protocol(protocol: netwright_record::Protocol) -> Protocol {
    match protocol {
        netwright_record::Protocol::Tcp => Protocol::Tcp,
        netwright_record::Protocol::Udp => Protocol::Udp,
        netwright_record::Protocol::Sctp => Protocol::Sctp,
    }
}

/// The ports that have a name, sorted, each once.
pub fn named_ports(ports: &[ContainerPort]) -> Vec<NamedPort> {
    let mut named: Vec<NamedPort> = ports
        .iter()
        .filter_map(|port| {
            Some(NamedPort { name: port.name.as_ref()?.into(), protocol: protocol(port.protocol), port: port.port })
        })
        .collect();
    named.sort();
    named.dedup();
    named
}
