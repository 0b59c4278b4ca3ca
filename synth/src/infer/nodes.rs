//! Nodes and host-network pods as peers: always addresses of nodes, never a selector.
//!
//! A rule for a workload's clients of a node's own processes (kubelet, node exporters) names every node: enforcers differ
//! in whether a pod reaches its own node without a rule, and the next pod may run on any. It is the same with what runs on
//! the host network: every node on which its pods ran.

use super::peers::Naming;
use super::rules::Whom;
use crate::index::Index;
use netwright_record::FlatSet;
use netwright_record::inventory::{Inventory, WorkloadRef};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

/// Labels of nodes on which the control plane runs; the second is that of releases before 1.24.
const CONTROL_PLANE: [&str; 2] = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];

/// The addresses of all nodes, and of those of the control plane.
#[derive(Debug)]
pub struct Nodes {
    every: BTreeSet<IpAddr>,
    control_plane: BTreeSet<IpAddr>,
}

impl Nodes {
    /// Reads the inventory's nodes.
    pub fn new(inventory: &Inventory) -> Self {
        let every = inventory.nodes.iter().flat_map(|node| node.addresses.iter().copied()).collect();
        let control_plane =
            inventory.nodes.iter().filter(|node| CONTROL_PLANE.iter().any(|key| node.labels.contains_key(key)));
        Self { every, control_plane: control_plane.flat_map(|node| node.addresses.iter().copied()).collect() }
    }

    /// The addresses of every node.
    pub fn every(&self) -> &BTreeSet<IpAddr> {
        &self.every
    }

    /// The addresses of the control plane's nodes; empty where a provider hides them.
    pub fn control_plane(&self) -> &BTreeSet<IpAddr> {
        &self.control_plane
    }

    /// The processes of whichever node, `seen` being addresses of one.
    pub fn any(&self, seen: &FlatSet<IpAddr>) -> Naming {
        Naming::blocks(seen | &self.every, &Whom::EveryNode)
    }
}

/// The processes of the one node called `name`.
pub fn one(index: &Index, name: &str, seen: &FlatSet<IpAddr>) -> Naming {
    Naming::blocks(seen | &index.node_addresses(name), &Whom::Node(name.into()))
}

/// Pods of `workload` that share the network of their nodes.
pub fn host_network(index: &Index, workload: &WorkloadRef, seen: &FlatSet<IpAddr>) -> Naming {
    let addresses = seen | index.addresses_of_nodes_of(workload);
    Naming::blocks(addresses, &Whom::HostNetwork(Arc::new(workload.clone())))
}
