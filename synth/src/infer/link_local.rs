//! Metadata and link-local addresses: never allowed on the strength of having been seen, a person must decide. Serves
//! inference and replay.

use super::dns::DNS;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where clouds serve credentials and metadata to whoever asks. AWS, Azure and Google Cloud; ECS tasks and EKS pod
/// identity; Alibaba Cloud; the IPv6 forms of AWS and of Google Cloud.
pub const METADATA: [IpAddr; 7] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];
/// From here kubelets' probes reach pods of Istio's ambient mesh (Istio: "Ambient mode, application probes").
pub const AMBIENT_PROBES: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 7, 127));

/// Whether traffic with `address` on `port` is left for a person to allow: every metadata service, and every
/// link-local address except for DNS, which is what a node-local cache serves. A DNS name that leads there changes nothing.
pub fn needs_decision(address: IpAddr, port: u16) -> bool {
    let address = address.to_canonical();
    METADATA.contains(&address) || (is_link_local(address) && port != DNS)
}

/// Whether `address` on `port` is a DNS cache on the node: link-local, and no metadata service.
pub fn is_node_local_dns(address: IpAddr, port: u16) -> bool {
    port == DNS && is_link_local(address.to_canonical()) && !needs_decision(address, port)
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn metadata_is_left_out_on_every_port() {
        for text in ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200"] {
            assert!(needs_decision(address(text), 80) && needs_decision(address(text), 53), "{text}");
        }
    }

    #[test]
    fn node_local_dns_is_allowed_on_its_port_only() {
        assert!(!needs_decision(address("169.254.20.10"), 53));
        assert!(needs_decision(address("169.254.20.10"), 9253));
        assert!(needs_decision(address("fe80::1"), 80));
        assert!(!needs_decision(address("198.18.0.7"), 443));
    }
}
