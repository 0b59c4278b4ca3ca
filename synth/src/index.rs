//! Look-ups over one observation: which pods a workload had, which addresses a node has. Serves inference and replay.
//!
//! Built once an observation; every look-up is by one workload, one node or one namespace.

use ipnet::IpNet;
use netwright_record::inventory::{Node, Pod, Workload, WorkloadRef};
use netwright_record::{Edge, Endpoint, Observation};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What an observation says about one workload.
#[derive(Debug, Default)]
pub struct Facts<'a> {
    /// Its inventory record; absent where only pods or edges name it.
    pub declared: Option<&'a Workload>,
    /// Its pods, alive or gone.
    pub pods: Vec<&'a Pod>,
    /// Whether it is an end of at least one established edge.
    pub active: bool,
}

impl Facts<'_> {
    /// Whether its pods share the node's network, so that no policy selects them.
    pub fn host_network(&self) -> bool {
        match self.declared {
            Some(workload) => workload.host_network,
            None => !self.pods.is_empty() && self.pods.iter().all(|pod| pod.host_network),
        }
    }
}

/// The look-ups.
#[derive(Debug)]
pub struct Index<'a> {
    workloads: BTreeMap<&'a WorkloadRef, Facts<'a>>,
    nodes: BTreeMap<&'a str, &'a Node>,
    covered: BTreeSet<&'a str>,
    pod_ranges: BTreeSet<IpNet>,
    api_server: BTreeSet<IpAddr>,
}

impl<'a> Index<'a> {
    /// Indexes `observation`: the inventory, and the workloads that only edges name.
    pub fn new(observation: &'a Observation) -> Self {
        let inventory = &observation.inventory;
        Self {
            workloads: workloads(observation),
            nodes: inventory.nodes.iter().map(|node| (node.name.as_str(), node)).collect(),
            covered: observation.coverage.iter().map(|coverage| coverage.node.as_str()).collect(),
            pod_ranges: inventory
                .nodes
                .iter()
                .flat_map(|node| &node.pod_cidrs)
                .filter_map(|cidr| cidr.parse::<IpNet>().ok())
                .map(|range| range.trunc())
                .collect(),
            api_server: inventory
                .services
                .iter()
                .filter(|service| service.namespace == "default" && service.name == "kubernetes")
                .flat_map(|service| service.backends.iter().map(|backend| backend.address.ip))
                .collect(),
        }
    }

    /// All workloads, in order.
    pub fn workloads(&self) -> impl Iterator<Item = (&'a WorkloadRef, &Facts<'a>)> {
        self.workloads.iter().map(|(workload, facts)| (*workload, facts))
    }

    /// What is known about `workload`.
    pub fn facts(&self, workload: &WorkloadRef) -> Option<&Facts<'a>> {
        self.workloads.get(workload)
    }

    /// The addresses of the node called `name`; empty where the inventory does not know it.
    pub fn node_addresses(&self, name: &str) -> BTreeSet<IpAddr> {
        self.nodes.get(name).map(|node| node.addresses.iter().copied().collect()).unwrap_or_default()
    }

    /// The addresses of every node on which a pod of `workload` ran.
    pub fn addresses_of_nodes_of(&self, workload: &WorkloadRef) -> BTreeSet<IpAddr> {
        self.hosts(workload).into_iter().flat_map(|node| self.node_addresses(node)).collect()
    }

    /// Every address that a pod of `workload` held.
    pub fn pod_addresses(&self, workload: &WorkloadRef) -> BTreeSet<IpAddr> {
        let pods = self.facts(workload).map(|facts| facts.pods.as_slice()).unwrap_or_default();
        pods.iter().flat_map(|pod| pod.addresses.iter().map(|held| held.ip)).collect()
    }

    /// The ranges from which nodes give addresses to pods, as far as nodes state them.
    pub fn pod_ranges(&self) -> &BTreeSet<IpNet> {
        &self.pod_ranges
    }

    /// The backends of the Service `default/kubernetes`.
    pub fn api_server_addresses(&self) -> &BTreeSet<IpAddr> {
        &self.api_server
    }

    /// Whether the connections of `edge`, which come from `node`, can only have gone to pods of `server` on that node.
    ///
    /// The agent of the node on which the server pod runs reports the edge too. So it stayed on `node` if a pod of
    /// `server` ran there, and every other node that ran one was watched and did not report it.
    pub fn stays_on_node(&self, node: &str, edge: &Edge, server: &WorkloadRef) -> bool {
        let hosts = self.hosts(server);
        let elsewhere: Vec<&str> = hosts.iter().copied().filter(|host| *host != node).collect();
        let silent = |host: &&str| self.covered.contains(host) && !edge.nodes.contains(*host);
        hosts.contains(node) && (elsewhere.is_empty() || (!edge.nodes.is_empty() && elsewhere.iter().all(silent)))
    }

    fn hosts(&self, workload: &WorkloadRef) -> BTreeSet<&'a str> {
        let pods = self.facts(workload).map(|facts| facts.pods.as_slice()).unwrap_or_default();
        pods.iter().filter_map(|pod| pod.node.as_deref()).collect()
    }
}

fn workloads(observation: &Observation) -> BTreeMap<&WorkloadRef, Facts<'_>> {
    let mut workloads: BTreeMap<&WorkloadRef, Facts> = BTreeMap::new();
    for declared in &observation.inventory.workloads {
        workloads.entry(&declared.workload).or_default().declared = Some(declared);
    }
    for pod in &observation.inventory.pods {
        workloads.entry(&pod.workload).or_default().pods.push(pod);
    }
    for edge in &observation.edges {
        for workload in [&edge.client, &edge.server].into_iter().filter_map(Endpoint::workload) {
            workloads.entry(workload).or_default().active |= edge.activity.established();
        }
    }
    workloads
}
