//! Look-ups over one observation: which pods a workload had, which addresses a node has. Serves inference and replay.
//!
//! Built once an observation; every look-up is by one workload, one node or one namespace.

use ipnet::IpNet;
use netwright_record::inventory::{Node, Pod, Workload, WorkloadRef};
use netwright_record::{Coverage, Edge, Endpoint, FlatSet, Observation};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

/// What an observation says about one workload.
#[derive(Debug, Default)]
pub struct Facts<'a> {
    /// Its inventory record; absent where only pods or edges name it.
    pub declared: Option<&'a Workload>,
    /// Its pods, alive or gone.
    pub pods: Vec<&'a Pod>,
    /// The addresses of the nodes of its pods, once asked for: what runs on every node of a large cluster is a peer of many.
    of_nodes: OnceLock<BTreeSet<IpAddr>>,
}

impl Facts<'_> {
    /// Whether all its pods share the node's network, so that no policy selects them. While its template is being
    /// changed some may and some may not.
    pub fn host_network(&self) -> bool {
        match self.pods.as_slice() {
            [] => self.declared.is_some_and(|workload| workload.host_network),
            pods => pods.iter().all(|pod| pod.host_network),
        }
    }
}

/// The look-ups.
#[derive(Debug)]
pub struct Index<'a> {
    workloads: BTreeMap<&'a WorkloadRef, Facts<'a>>,
    nodes: BTreeMap<&'a str, &'a Node>,
    coverage: BTreeMap<&'a str, Vec<&'a Coverage>>,
    pod_ranges: BTreeSet<IpNet>,
    /// The same as few blocks, of IPv4 and of IPv6.
    pod_blocks: [Arc<[IpNet]>; 2],
    api_server: BTreeSet<IpAddr>,
}

impl<'a> Index<'a> {
    /// Indexes `observation`: the inventory, and the workloads that only edges name.
    pub fn new(observation: &'a Observation) -> Self {
        let inventory = &observation.inventory;
        let pod_ranges = pod_ranges(&inventory.nodes);
        Self {
            workloads: workloads(observation),
            nodes: inventory.nodes.iter().map(|node| (node.name.as_str(), node)).collect(),
            coverage: coverage(observation),
            pod_blocks: [false, true].map(|ipv6| blocks_of(pod_ranges.iter(), ipv6)),
            pod_ranges,
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
    pub fn addresses_of_nodes_of(&self, workload: &WorkloadRef) -> &BTreeSet<IpAddr> {
        let Some(facts) = self.facts(workload) else { return const { &BTreeSet::new() } };
        facts.of_nodes.get_or_init(|| {
            let nodes: BTreeSet<&str> = facts.pods.iter().filter_map(|pod| pod.node.as_deref()).collect();
            nodes
                .into_iter()
                .filter_map(|name| self.nodes.get(name))
                .flat_map(|node| node.addresses.iter().copied())
                .collect()
        })
    }

    /// Every address that a pod of `workload` held.
    pub fn pod_addresses(&self, workload: &WorkloadRef) -> BTreeSet<IpAddr> {
        self.pods(workload).flat_map(|pod| pod.addresses.iter().map(|held| held.ip)).collect()
    }

    /// The ranges from which nodes give addresses to pods, as far as nodes state them.
    pub fn pod_ranges(&self) -> &BTreeSet<IpNet> {
        &self.pod_ranges
    }

    /// The ranges of pods of one family as the fewest blocks that hold the same addresses, sorted; without the ranges in which
    /// one of `clients` lies, and those that are all there is. O(blocks) for each client, and O(ranges) more if one lies in any.
    pub fn pod_blocks(&self, ipv6: bool, clients: &FlatSet<IpAddr>) -> Arc<[IpNet]> {
        let holds = |range: &IpNet| clients.iter().any(|client| range.contains(&client.to_canonical()));
        let [ipv4_blocks, ipv6_blocks] = &self.pod_blocks;
        let blocks = if ipv6 { ipv6_blocks } else { ipv4_blocks };
        match blocks.iter().any(holds) {
            true => blocks_of(self.pod_ranges.iter().filter(|range| !holds(range)), ipv6),
            false => blocks.clone(),
        }
    }

    /// The backends of the Service `default/kubernetes`.
    pub fn api_server_addresses(&self) -> &BTreeSet<IpAddr> {
        &self.api_server
    }

    /// The node and the workload of `edge`, if its connections come from a node and can only have gone to pods of the
    /// workload on that same node.
    ///
    /// The agent of the node on which the server pod runs reports the edge too. So it stayed on the node if a pod of
    /// the server ran there, and every other node that ran one was watched meanwhile and did not report it.
    pub fn own_node<'e>(&self, edge: &'e Edge) -> Option<(&'e str, &'e WorkloadRef)> {
        let (Endpoint::Node { name, .. }, Endpoint::Workload(server)) = (&edge.client, &edge.server) else {
            return None;
        };
        let hosts = self.hosts(server);
        let elsewhere: Vec<&str> = hosts.iter().copied().filter(|host| host != name).collect();
        let silent = |host: &&str| self.was_watched(host, edge) && !edge.nodes.contains(*host);
        let stays = elsewhere.is_empty() || (!edge.nodes.is_empty() && elsewhere.iter().all(silent));
        (hosts.contains(name.as_str()) && stays).then_some((name, server))
    }

    /// Whether `node` was watched at some time while `edge` was active.
    fn was_watched(&self, node: &str, edge: &Edge) -> bool {
        let active = &edge.activity;
        let mut stretches = self.coverage.get(node).into_iter().flatten();
        stretches.any(|stretch| stretch.from <= active.last && active.first <= stretch.to)
    }

    /// The nodes on which pods of `workload` ran that have addresses of their own.
    fn hosts(&self, workload: &WorkloadRef) -> BTreeSet<&'a str> {
        self.pods(workload).filter(|pod| !pod.host_network).filter_map(|pod| pod.node.as_deref()).collect()
    }

    fn pods(&self, workload: &WorkloadRef) -> impl Iterator<Item = &'a Pod> {
        self.facts(workload).into_iter().flat_map(|facts| facts.pods.iter().copied())
    }
}

fn pod_ranges(nodes: &[Node]) -> BTreeSet<IpNet> {
    let stated = nodes.iter().flat_map(|node| &node.pod_cidrs);
    stated.filter_map(|cidr| cidr.parse::<IpNet>().ok()).map(|range| range.trunc()).collect()
}

/// The `ranges` of one family as the fewest blocks. Where pods may have any address of the family, the ranges themselves: a
/// block of everything could not be excepted from anything.
fn blocks_of<'r>(ranges: impl Iterator<Item = &'r IpNet>, ipv6: bool) -> Arc<[IpNet]> {
    let ranges: Vec<IpNet> =
        ranges.filter(|range| range.addr().is_ipv6() == ipv6 && range.prefix_len() > 0).copied().collect();
    let mut blocks = IpNet::aggregate(&ranges);
    if blocks.iter().any(|block| block.prefix_len() == 0) {
        blocks = ranges;
    }
    blocks.sort_unstable();
    blocks.into()
}

fn coverage(observation: &Observation) -> BTreeMap<&str, Vec<&Coverage>> {
    observation.coverage.iter().fold(BTreeMap::new(), |mut nodes, stretch| {
        nodes.entry(stretch.node.as_str()).or_insert_with(Vec::new).push(stretch);
        nodes
    })
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
        for workload in workloads_of(edge) {
            workloads.entry(workload).or_default();
        }
    }
    workloads
}

/// The ends of `edge` that are workloads.
pub fn workloads_of(edge: &Edge) -> impl Iterator<Item = &WorkloadRef> {
    [&edge.client, &edge.server].into_iter().filter_map(Endpoint::workload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, address};

    /// The blocks of a cluster whose nodes state `ranges`, of the family of the first.
    fn blocks(ranges: &[&str], clients: &[&str]) -> Vec<String> {
        let mut world = World::new();
        for (number, range) in ranges.iter().enumerate() {
            let name = format!("n{number}");
            world.node(&name, &[]).pod_range(&name, range);
        }
        let observation = world.build();
        let clients = clients.iter().map(|client| address(client)).collect();
        let blocks = Index::new(&observation).pod_blocks(ranges[0].contains(':'), &clients);
        blocks.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn ranges_that_lie_side_by_side_are_one_block() {
        let ranges = ["10.244.3.0/24", "10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24", "10.244.8.0/24", "fd00::/64"];
        assert_eq!(blocks(&ranges, &[]), ["10.244.0.0/22", "10.244.8.0/24"]);
        assert_eq!(blocks(&["fd00:0:0:1::/64", "fd00::/64"], &[]), ["fd00::/63"]);
    }

    #[test]
    fn a_range_from_which_a_client_came_is_left_out_and_its_neighbours_stay() {
        let ranges = ["10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24", "10.244.3.0/24"];
        assert_eq!(blocks(&ranges, &["10.244.2.9"]), ["10.244.0.0/23", "10.244.3.0/24"]);
        assert_eq!(blocks(&ranges, &["::ffff:10.244.2.9", "198.18.0.1"]), ["10.244.0.0/23", "10.244.3.0/24"]);
    }

    #[test]
    fn there_is_no_block_of_everything() {
        assert_eq!(blocks(&["0.0.0.0/1", "128.0.0.0/1"], &[]), ["0.0.0.0/1", "128.0.0.0/1"]);
        assert_eq!(blocks(&["0.0.0.0/0", "10.0.0.0/8"], &[]), ["10.0.0.0/8"]);
    }
}
