//! What the parts of a cluster are called, and which addresses they have: all of it follows from the index.
//!
//! Every address is inside network namespaces of the cluster; the machine itself gets no address and no route.

use anyhow::{Result, bail};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;

/// Indexes of clusters, and numbers of nodes: each is one digit of an address.
pub(super) const DIGITS: RangeInclusive<u8> = 1..=9;

/// Names and addresses of one cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names {
    index: u8,
}

impl Names {
    /// The names of cluster `index`, 1 to 9.
    ///
    /// # Errors
    /// An index out of that range.
    pub fn new(index: u8) -> Result<Self> {
        match DIGITS.contains(&index) {
            true => Ok(Self { index }),
            false => bail!("a cluster's index is 1 to 9, not {index}"),
        }
    }

    /// The index, 1 to 9.
    pub fn index(self) -> u8 {
        self.index
    }

    /// What the names of all cgroups and network namespaces of this cluster begin with.
    pub(super) fn prefix(self) -> String {
        format!("nwk{}-", self.index)
    }

    /// The namespace and cgroup of what a cluster has once: etcd, API server, controllers, scheduler, and the bridge.
    pub(super) fn control(self) -> String {
        self.prefix() + "control"
    }

    /// The namespace and cgroup of what is not in the cluster, such as somebody's API on the internet.
    pub(super) fn outside(self) -> String {
        self.prefix() + "outside"
    }

    /// The name of node `number` (from 1): of the Node object, the network namespace and the cgroup alike.
    pub fn node(self, number: u8) -> String {
        format!("{}node{number}", self.prefix())
    }

    /// Where the API server listens, and where nodes go for what is not in the cluster.
    pub fn control_address(self) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, self.index, 1)
    }

    /// The API server as pods and nodes reach it without a Service.
    pub fn api_server(self) -> SocketAddr {
        SocketAddr::new(self.control_address().into(), 6443)
    }

    /// The addresses of a node, IPv4 and IPv6.
    pub fn node_addresses(self, number: u8) -> (Ipv4Addr, Ipv6Addr) {
        (
            Ipv4Addr::new(198, 18, self.index, 10 + number),
            v6([0xfd00, 0x18, self.index.into(), 0], 0x10 + u16::from(number)),
        )
    }

    /// The IPv6 address of the control plane on the nodes' network.
    pub(super) fn control_v6(self) -> Ipv6Addr {
        v6([0xfd00, 0x18, self.index.into(), 0], 1)
    }

    /// The /24 of a node's pods, up to its last number: `10.244.17`.
    pub(super) fn pods_v4(self, number: u8) -> String {
        format!("10.244.{}", self.index * 16 + number)
    }

    /// The /64 of a node's pods, without `::` and length.
    pub(super) fn pods_v6(self, number: u8) -> String {
        format!("fd00:244:{}:{number}", self.index)
    }

    /// The range of Services, both families.
    pub(super) fn services(self) -> String {
        format!("10.96.{}.0/20,fd00:96:{}::/112", self.index * 16, self.index)
    }

    /// The address of the Service `kubernetes`, the first of its range.
    pub(super) fn kubernetes_service(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 96, self.index * 16, 1)
    }

    /// The address of the Service `kube-dns`.
    pub fn dns_service(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 96, self.index * 16, 10)
    }

    /// Addresses of the outside: `outside_address(0)` is the router's, others are for servers there.
    pub fn outside_address(self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(198, 19, self.index, if host == 0 { 1 } else { host })
    }
}

fn v6(network: [u16; 4], host: u16) -> Ipv6Addr {
    let [a, b, c, d] = network;
    Ipv6Addr::new(a, b, c, d, 0, 0, 0, host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_nodes_of_any_clusters_share_a_range_of_pods() {
        let ranges = DIGITS.flat_map(|index| DIGITS.map(move |node| Names::new(index).unwrap().pods_v4(node)));
        let distinct: std::collections::BTreeSet<_> = ranges.collect();
        assert_eq!(distinct.len(), 81);
    }

    #[test]
    fn names_of_interfaces_are_short_enough_for_the_kernel() {
        let names = Names::new(9).unwrap();
        assert!([names.node(9), names.control(), names.outside()].iter().all(|name| name.len() < 16));
    }

    #[test]
    fn an_index_of_two_digits_is_refused() {
        assert!(Names::new(10).is_err() && Names::new(0).is_err());
    }
}
