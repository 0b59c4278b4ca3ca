//! How each end of an edge is named in a rule. One function a direction; both are pure.

use super::link_local::{AMBIENT_PROBES, is_node_local_dns};
use super::nodes::Nodes;
use super::rules::{Target, Whom};
use super::selectors::Selections;
use super::{api_server, nodes, outside};
use crate::index::Index;
use crate::review::Decided;
use netwright_record::inventory::WorkloadRef;
use netwright_record::{Edge, Endpoint, FlatSet, ServiceRef};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

/// How one end of an edge is named.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Naming {
    /// The peers that stand for it: none where none are needed, or where it is `impossible`.
    pub peers: Vec<(Target, Whom)>,
    /// Addresses that get no rule before someone decides so.
    pub left_out: BTreeSet<IpAddr>,
    /// It stands for every address outside the cluster.
    pub exposed: bool,
    /// It is a workload that no label selects: the addresses are those its pods had.
    pub by_address: bool,
    /// Nothing names it: no labels and no addresses.
    pub impossible: bool,
}

impl Naming {
    /// Each address by itself, in the order given.
    pub fn blocks(addresses: impl IntoIterator<Item = IpAddr>, whom: &Whom) -> Self {
        let peers: Vec<(Target, Whom)> =
            addresses.into_iter().map(|address| (Target::address(address), whom.clone())).collect();
        Self { impossible: peers.is_empty(), peers, ..Self::default() }
    }
}

/// Names the ends of edges.
#[derive(Debug)]
pub struct Namer<'a> {
    /// The look-ups over the observation.
    pub index: &'a Index<'a>,
    /// How workloads are selected.
    pub selections: &'a Selections,
    /// The addresses of nodes.
    pub nodes: &'a Nodes,
    /// What people decided.
    pub decided: &'a Decided,
}

impl Namer<'_> {
    /// Names the server of `edge`, for an egress rule of its client.
    pub fn server(&self, number: usize, edge: &Edge) -> Naming {
        let outside = |seen, whom: &[Whom]| outside::addresses(self.decided, number, edge, seen, whom);
        let seen = &edge.server_addresses;
        match &edge.server {
            Endpoint::Workload(workload) => self.pods(workload, seen),
            Endpoint::Node { workload: Some(workload), name } => self.host_network(workload, name, seen),
            Endpoint::Node { workload: None, name } => self.nodes.any(&(seen | &self.index.node_addresses(name))),
            Endpoint::ApiServer => api_server::server(self.index, seen),
            Endpoint::LinkLocal { address } => outside(with(seen, *address), &[link_local(edge)]),
            Endpoint::ExternalName { names } => outside(seen.clone(), &outside::names(names)),
            Endpoint::External { address } => outside(with(seen, *address), &[Whom::Address]),
            Endpoint::Internet => outside(seen.clone(), &[Whom::Address]),
        }
    }

    /// Names the client of `edge`, for an ingress rule of its server. `through` is a Service that hides clients behind the
    /// addresses of nodes, where one leads to the server's port; `ambient` says that the server is in an ambient mesh.
    pub fn client(&self, number: usize, edge: &Edge, through: Option<&Arc<ServiceRef>>, ambient: bool) -> Naming {
        let outside = |seen, whom: &[Whom]| outside::addresses(self.decided, number, edge, seen, whom);
        let seen = &edge.client_addresses;
        match (&edge.client, through) {
            (Endpoint::Workload(workload), _) => self.pods(workload, seen),
            // Every enforcer lets it pass.
            (Endpoint::Node { .. }, _) if self.index.own_node(edge).is_some() => Naming::default(),
            (Endpoint::Node { workload: Some(workload), name }, None) => self.host_network(workload, name, seen),
            (Endpoint::Node { name, .. }, Some(service)) => {
                let addresses = &(seen | self.nodes.every()) | &self.index.node_addresses(name);
                Naming::blocks(addresses, &Whom::ThroughNodes(service.clone()))
            }
            (Endpoint::Node { name, workload: None }, None) => nodes::one(self.index, name, seen),
            (Endpoint::ApiServer, _) => api_server::client(self.index, self.nodes, seen),
            (Endpoint::LinkLocal { address: AMBIENT_PROBES }, _) if ambient => {
                Naming::blocks([AMBIENT_PROBES], &Whom::AmbientProbes)
            }
            (Endpoint::LinkLocal { address } | Endpoint::External { address }, _) => {
                outside(with(seen, *address), &[Whom::Address])
            }
            (Endpoint::ExternalName { names }, _) => outside(seen.clone(), &outside::names(names)),
            (Endpoint::Internet, _) => outside::internet(self.index, self.decided, number, edge),
        }
    }

    /// The pods of `workload`, of which `seen` are addresses.
    pub fn pods(&self, workload: &WorkloadRef, seen: &FlatSet<IpAddr>) -> Naming {
        if let Some((workload, selection)) = self.selections.get_key_value(workload) {
            let peer = (Target::Pods(selection.pods.clone()), Whom::Workload(workload.clone()));
            return Naming { peers: vec![peer], ..Naming::default() };
        }
        if self.index.facts(workload).is_some_and(|facts| facts.host_network()) {
            return nodes::host_network(self.index, workload, seen);
        }
        let addresses = seen | &self.index.pod_addresses(workload);
        let naming = Naming::blocks(addresses, &Whom::Workload(Arc::new(workload.clone())));
        Naming { by_address: !naming.impossible, ..naming }
    }

    fn host_network(&self, workload: &WorkloadRef, node: &str, seen: &FlatSet<IpAddr>) -> Naming {
        nodes::host_network(self.index, workload, &(seen | &self.index.node_addresses(node)))
    }
}

fn link_local(edge: &Edge) -> Whom {
    match edge.server {
        Endpoint::LinkLocal { address } if is_node_local_dns(address, edge.port) => Whom::NodeLocalDns,
        _ => Whom::Address,
    }
}

fn with(seen: &FlatSet<IpAddr>, address: IpAddr) -> FlatSet<IpAddr> {
    seen.iter().copied().chain([address]).collect()
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
            .map(|(target, _)| match target {
                Target::Block { cidr, .. } => cidr.to_string(),
                Target::Pods(_) => "pods".into(),
            })
            .collect()
    }

    fn named(world: &World, name: impl Fn(&Namer, &Edge) -> Naming) -> Naming {
        let observation = world.build();
        let index = Index::new(&observation);
        let (selections, nodes) = (select(&index), Nodes::new(&observation.inventory));
        let decided = Decided::default();
        let namer = Namer { index: &index, selections: &selections, nodes: &nodes, decided: &decided };
        name(&namer, &observation.edges[0])
    }

    /// Names the server of the world's only edge.
    fn server_of(world: &World) -> Naming {
        named(world, |namer, edge| namer.server(0, edge))
    }

    /// Names the client of the world's only edge.
    fn client_of(world: &World) -> Naming {
        named(world, |namer, edge| namer.client(0, edge, None, false))
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
        let except = ["10.244.1.0/24".parse().unwrap()].into();
        assert_eq!(naming.peers[0].0, Target::Block { cidr: "0.0.0.0/0".parse().unwrap(), except });
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
