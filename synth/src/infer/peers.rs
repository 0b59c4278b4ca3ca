//! How each end of an edge is named in a rule. One function a direction; both are pure.

use super::review::needs_decision;
use super::rules::{Peer, Selection, Target};
use crate::index::Index;
use ipnet::IpNet;
use netwright_record::inventory::WorkloadRef;
use netwright_record::{Edge, Endpoint};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The selections of all workloads that can be selected.
pub type Selections = BTreeMap<WorkloadRef, Selection>;

/// How one end of an edge is named.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Naming {
    /// The peers that stand for it: none where none are needed, or where it is `impossible`.
    pub peers: Vec<Peer>,
    /// Addresses that get no rule before someone decides so.
    pub left_out: BTreeSet<IpAddr>,
    /// It stands for every address outside the cluster.
    pub exposed: bool,
    /// It is a workload that no label selects: the addresses are those its pods had.
    pub by_address: bool,
    /// Nothing names it: no labels and no addresses.
    pub impossible: bool,
}

/// Names the server of `edge`, for an egress rule of its client.
pub fn server(index: &Index, selections: &Selections, edge: &Edge) -> Naming {
    let seen = &edge.server_addresses;
    match &edge.server {
        Endpoint::Workload(workload) => pods(index, selections, workload, seen),
        Endpoint::Node { name, .. } => node(index, name, seen),
        // Which of its endpoints a client finds changes from one connection to the next.
        Endpoint::ApiServer => api_server(seen | index.api_server_addresses()),
        Endpoint::LinkLocal { address } => addresses(with(seen, *address), edge.port, ["node-local DNS".into()].into()),
        Endpoint::ExternalName { names } => addresses(seen.clone(), edge.port, names.clone()),
        Endpoint::External { address } => addresses(with(seen, *address), edge.port, BTreeSet::new()),
        Endpoint::Internet => addresses(seen.clone(), edge.port, BTreeSet::new()),
    }
}

/// Names the client of `edge`, for an ingress rule of its server.
pub fn client(index: &Index, selections: &Selections, edge: &Edge) -> Naming {
    let seen = &edge.client_addresses;
    match &edge.client {
        Endpoint::Workload(workload) => pods(index, selections, workload, seen),
        // Every enforcer lets it pass.
        Endpoint::Node { .. } if index.own_node(edge).is_some() => Naming::default(),
        Endpoint::Node { name, .. } => node(index, name, seen),
        Endpoint::ApiServer if seen.is_empty() => api_server(index.api_server_addresses().clone()),
        Endpoint::ApiServer => api_server(seen.clone()),
        Endpoint::LinkLocal { address } => addresses(with(seen, *address), edge.port, BTreeSet::new()),
        Endpoint::ExternalName { names } => addresses(seen.clone(), edge.port, names.clone()),
        Endpoint::External { address } => addresses(with(seen, *address), edge.port, BTreeSet::new()),
        Endpoint::Internet => internet(index, seen, edge.addresses_dropped == 0),
    }
}

fn with(seen: &BTreeSet<IpAddr>, address: IpAddr) -> BTreeSet<IpAddr> {
    seen.iter().copied().chain([address]).collect()
}

fn pods(index: &Index, selections: &Selections, workload: &WorkloadRef, seen: &BTreeSet<IpAddr>) -> Naming {
    if let Some(selection) = selections.get(workload) {
        let target = Target::Pods { namespace: workload.namespace.clone(), labels: selection.labels.clone() };
        return Naming { peers: vec![Peer { target, notes: BTreeSet::new() }], ..Naming::default() };
    }
    let notes = BTreeSet::from([workload.to_string()]);
    if index.facts(workload).is_some_and(|facts| facts.host_network()) {
        return blocks(seen | &index.addresses_of_nodes_of(workload), notes);
    }
    let naming = blocks(seen | &index.pod_addresses(workload), notes);
    Naming { by_address: !naming.impossible, ..naming }
}

fn node(index: &Index, name: &str, seen: &BTreeSet<IpAddr>) -> Naming {
    blocks(seen | &index.node_addresses(name), [format!("node {name}")].into())
}

fn api_server(addresses: BTreeSet<IpAddr>) -> Naming {
    blocks(addresses, ["API server".into()].into())
}

/// Addresses outside the cluster's own, some of which may need a decision.
fn addresses(seen: BTreeSet<IpAddr>, port: u16, notes: BTreeSet<String>) -> Naming {
    let (left_out, allowed): (BTreeSet<_>, BTreeSet<_>) =
        seen.into_iter().partition(|address| needs_decision(*address, port));
    if allowed.is_empty() && !left_out.is_empty() {
        return Naming { left_out, ..Naming::default() };
    }
    Naming { left_out, ..blocks(allowed, notes) }
}

fn blocks(addresses: BTreeSet<IpAddr>, notes: BTreeSet<String>) -> Naming {
    let peers: Vec<Peer> = addresses
        .into_iter()
        .map(|address| Target::Block { cidr: address.to_canonical().into(), except: BTreeSet::new() })
        .map(|target| Peer { target, notes: notes.clone() })
        .collect();
    Naming { impossible: peers.is_empty(), peers, ..Naming::default() }
}

/// Every address outside the cluster, of each family in which clients came (of both, unless `all_kept`: the lowest
/// addresses are kept, which are those of IPv4). Pods are not meant, so the pod ranges are excepted: but never a range from which a client came.
fn internet(index: &Index, seen: &BTreeSet<IpAddr>, all_kept: bool) -> Naming {
    let families: BTreeSet<bool> = seen.iter().map(|address| address.to_canonical().is_ipv6()).collect();
    let families = if families.is_empty() || !all_kept { BTreeSet::from([false, true]) } else { families };
    let peers = families.into_iter().map(|ipv6| Peer { target: everywhere(index, ipv6, seen), notes: BTreeSet::new() });
    Naming { peers: peers.collect(), exposed: true, ..Naming::default() }
}

fn everywhere(index: &Index, ipv6: bool, clients: &BTreeSet<IpAddr>) -> Target {
    let unspecified: IpAddr = if ipv6 { [0u16; 8].into() } else { [0u8; 4].into() };
    let except = index
        .pod_ranges()
        .iter()
        .filter(|range| range.addr().is_ipv6() == ipv6 && range.prefix_len() > 0)
        .filter(|range| !clients.iter().any(|client| range.contains(&client.to_canonical())))
        .copied()
        .collect();
    Target::Block { cidr: IpNet::new_assert(unspecified, 0), except }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::selectors::select;
    use crate::testing::{World, address};
    use netwright_record::Protocol::Tcp;

    fn cidrs(naming: &Naming) -> Vec<String> {
        naming
            .peers
            .iter()
            .map(|peer| match &peer.target {
                Target::Block { cidr, .. } => cidr.to_string(),
                Target::Pods { .. } => "pods".into(),
            })
            .collect()
    }

    /// Names the server of the world's only edge.
    fn server_of(world: &World) -> Naming {
        let observation = world.build();
        let index = Index::new(&observation);
        server(&index, &select(&index), &observation.edges[0])
    }

    /// Names the client of the world's only edge.
    fn client_of(world: &World) -> Naming {
        let observation = world.build();
        let index = Index::new(&observation);
        client(&index, &select(&index), &observation.edges[0])
    }

    fn node_endpoint(name: &str) -> Endpoint {
        Endpoint::Node { name: name.into(), workload: None }
    }

    #[test]
    fn a_node_is_all_its_addresses() {
        let mut world = World::new();
        world.node("n1", &["198.18.1.1", "fd00:18::1"]);
        let web = world.running("shop", "web");
        world.edge(Endpoint::Workload(web), node_endpoint("n1"), Tcp, 9100);
        assert_eq!(cidrs(&server_of(&world)), ["198.18.1.1/32", "fd00:18::1/128"]);
    }

    #[test]
    fn probes_from_the_own_node_need_no_rule_though_there_are_replicas_elsewhere() {
        let mut world = World::new();
        world.node("n1", &["198.18.1.1"]).node("n2", &["198.18.1.2"]).covered("n1").covered("n2");
        let web = world.running("shop", "web");
        world.pod(&web, "n2", &[("app", "web")]);
        world.edge(node_endpoint("n2"), Endpoint::Workload(web.clone()), Tcp, 8080).nodes = ["n2".into()].into();
        assert_eq!(client_of(&world), Naming::default());
    }

    #[test]
    fn another_node_needs_a_rule_of_its_addresses() {
        let mut world = World::new();
        world.node("n1", &["198.18.1.1"]).node("n2", &["198.18.1.2"]).covered("n1").covered("n2");
        let web = world.running("shop", "web");
        world.edge(node_endpoint("n2"), Endpoint::Workload(web.clone()), Tcp, 8080);
        assert_eq!(cidrs(&client_of(&world)), ["198.18.1.2/32"]);
    }

    #[test]
    fn a_replica_on_an_unwatched_node_makes_a_rule_necessary() {
        let mut world = World::new();
        world.node("n1", &["198.18.1.1"]).node("n2", &["198.18.1.2"]).covered("n1");
        let web = world.running("shop", "web");
        world.pod(&web, "n2", &[("app", "web")]);
        world.edge(node_endpoint("n1"), Endpoint::Workload(web.clone()), Tcp, 8080).nodes = ["n1".into()].into();
        assert_eq!(cidrs(&client_of(&world)), ["198.18.1.1/32"]);
    }

    #[test]
    fn a_replica_on_a_node_that_was_watched_at_another_time_makes_a_rule_necessary() {
        let mut world = World::new();
        world.node("n1", &["198.18.1.1"]).node("n2", &["198.18.1.2"]).covered("n1").covered("n2");
        let web = world.running("shop", "web");
        world.pod(&web, "n2", &[("app", "web")]);
        let edge = world.edge(node_endpoint("n1"), Endpoint::Workload(web), Tcp, 8080);
        let seen = edge.activity.first;
        edge.nodes = ["n1".into()].into();
        let before = seen - std::time::Duration::from_secs(60);
        world.observation.coverage.iter_mut().filter(|c| c.node == "n2").for_each(|c| c.to = before);
        assert_eq!(cidrs(&client_of(&world)), ["198.18.1.1/32"]);
    }

    #[test]
    fn a_name_that_leads_to_the_metadata_service_opens_only_its_other_addresses() {
        let mut world = World::new();
        let web = world.running("shop", "web");
        let server = Endpoint::ExternalName { names: ["rebind.example".into()].into() };
        world.edge(Endpoint::Workload(web), server, Tcp, 80).server_addresses =
            [address("169.254.169.254"), address("198.18.0.7")].into();
        let naming = server_of(&world);
        assert_eq!(cidrs(&naming), ["198.18.0.7/32"]);
        assert_eq!(naming.left_out, [address("169.254.169.254")].into());
    }

    #[test]
    fn clients_outside_open_their_family_without_the_pod_ranges() {
        let mut world = World::new();
        world.node("n1", &["198.18.1.1"]).pod_range("n1", "10.244.1.0/24");
        let web = world.running("shop", "web");
        world.edge(Endpoint::Internet, Endpoint::Workload(web.clone()), Tcp, 8080).client_addresses =
            [address("198.18.0.9")].into();
        let naming = client_of(&world);
        assert!(naming.exposed);
        let except = BTreeSet::from(["10.244.1.0/24".parse().unwrap()]);
        assert_eq!(naming.peers[0].target, Target::Block { cidr: "0.0.0.0/0".parse().unwrap(), except });
    }

    #[test]
    fn clients_outside_of_whom_not_all_were_kept_open_both_families() {
        let mut world = World::new();
        let web = world.running("shop", "web");
        let edge = world.edge(Endpoint::Internet, Endpoint::Workload(web.clone()), Tcp, 8080);
        edge.client_addresses = [address("198.18.0.9")].into();
        edge.addresses_dropped = 1;
        assert_eq!(cidrs(&client_of(&world)), ["0.0.0.0/0", "::/0"]);
    }

    #[test]
    fn the_api_server_is_all_its_endpoints_whichever_were_seen() {
        let mut world = World::new();
        let web = world.running("shop", "web");
        world.service(crate::testing::api_server(&["198.18.2.1", "198.18.2.2"]));
        world.edge(Endpoint::Workload(web), Endpoint::ApiServer, Tcp, 6443).server_addresses =
            [address("198.18.2.1")].into();
        assert_eq!(cidrs(&server_of(&world)), ["198.18.2.1/32", "198.18.2.2/32"]);
    }

    #[test]
    fn pods_that_no_label_selects_are_named_by_their_addresses() {
        let mut world = World::new();
        let web = world.running("shop", "web");
        let bare = world.workload("shop", "Pod", "bare", &[]);
        world.pod(&bare, "n1", &[]);
        world.edge(Endpoint::Workload(web), Endpoint::Workload(bare), Tcp, 80);
        let naming = server_of(&world);
        assert!(naming.by_address && naming.peers.len() == 1);
    }

    #[test]
    fn an_end_without_labels_or_addresses_cannot_be_named() {
        let mut world = World::new();
        let web = world.running("shop", "web");
        world.edge(Endpoint::Workload(web), node_endpoint("unheard-of"), Tcp, 80);
        assert!(server_of(&world).impossible);
    }
}
