//! Nodes: which addresses are theirs, which ranges their pods get addresses from, and what listens on them.

use ipnet::IpNet;
use netwright_record::Protocol;
use netwright_record::inventory::{Inventory, WorkloadRef};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Looked up by one address, or by one node, protocol and port.
#[derive(Debug, Default)]
pub(super) struct Nodes<'a> {
    by_address: BTreeMap<IpAddr, &'a str>,
    addresses: BTreeMap<&'a str, BTreeSet<IpAddr>>,
    pod_ranges: BTreeSet<IpNet>,
    /// The prefix lengths that occur: a lookup tries each.
    prefix_lengths: BTreeSet<u8>,
    declared: BTreeMap<(&'a str, Protocol, u16), BTreeSet<&'a WorkloadRef>>,
}

impl<'a> Nodes<'a> {
    pub(super) fn new(inventory: &'a Inventory) -> Self {
        let mut nodes = Self::default();
        for node in &inventory.nodes {
            for ip in node.addresses.iter().map(IpAddr::to_canonical) {
                // Where two nodes claim an address, the choice must not hang on their order.
                let owner = nodes.by_address.entry(ip).or_insert(&node.name);
                *owner = (*owner).min(&node.name);
                nodes.addresses.entry(&node.name).or_default().insert(ip);
            }
            let ranges = node.pod_cidrs.iter().filter_map(|text| text.parse::<IpNet>().ok());
            nodes.pod_ranges.extend(ranges.map(|range| range.trunc()));
        }
        nodes.prefix_lengths = nodes.pod_ranges.iter().map(IpNet::prefix_len).collect();
        for pod in inventory.pods.iter().filter(|pod| pod.host_network) {
            let Some(node) = pod.node.as_deref() else { continue };
            for port in &pod.ports {
                nodes.declared.entry((node, port.protocol, port.port)).or_default().insert(&pod.workload);
            }
        }
        nodes
    }

    /// The node that `ip` belongs to.
    pub(super) fn at(&self, ip: IpAddr) -> Option<&'a str> {
        self.by_address.get(&ip).copied()
    }

    /// Whether `ip` is an address of `node`.
    pub(super) fn owns(&self, node: &str, ip: IpAddr) -> bool {
        self.addresses.get(node).is_some_and(|addresses| addresses.contains(&ip))
    }

    /// All addresses of `node`.
    pub(super) fn addresses(&self, node: &str) -> impl Iterator<Item = IpAddr> + '_ {
        self.addresses.get(node).into_iter().flatten().copied()
    }

    /// Whether pods get addresses like `ip`.
    pub(super) fn in_pod_range(&self, ip: IpAddr) -> bool {
        let ranges = self.prefix_lengths.iter().filter_map(|length| IpNet::new(ip, *length).ok());
        ranges.map(|range| range.trunc()).any(|range| self.pod_ranges.contains(&range))
    }

    /// The only host-network workload that declares this port on this node.
    pub(super) fn declared(&self, node: &str, protocol: Protocol, port: u16) -> Option<&'a WorkloadRef> {
        let workloads = self.declared.get(&(node, protocol, port))?;
        workloads.first().filter(|_| workloads.len() == 1).copied()
    }
}
