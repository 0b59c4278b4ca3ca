//! The dependency graph by workload, by namespace and by service account. Serves exports and analysis, which see one kind
//! of graph whatever is taken together.

use super::vertex::{Folded, Vertex};
use super::{DependencyGraph, Graph};
use clap::ValueEnum;
use netwright_record::Endpoint;
use netwright_record::inventory::{Inventory, WorkloadRef};
use std::collections::{BTreeMap, BTreeSet};

/// What is taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// Nothing: each endpoint as it was seen.
    Endpoint,
    /// The pods of a workload on all nodes, the nodes, and addresses without a name.
    Workload,
    /// The workloads of a namespace, the nodes, and all servers outside the cluster.
    Namespace,
    /// The workloads that run as one ServiceAccount; the rest as by workload.
    ServiceAccount,
}

impl DependencyGraph {
    /// The view of the graph; `inventory` says which workload runs as which ServiceAccount.
    pub fn view(&self, by: By, inventory: &Inventory) -> Graph<Vertex> {
        match by {
            By::Endpoint => self.fold(|endpoint| Vertex::Endpoint(endpoint.clone())),
            By::Workload => self.fold(to_workload),
            By::Namespace => self.fold(to_namespace),
            By::ServiceAccount => {
                let accounts = accounts(inventory);
                self.fold(|endpoint| to_account(endpoint, &accounts))
            }
        }
    }
}

fn to_workload(endpoint: &Endpoint) -> Vertex {
    match endpoint {
        Endpoint::Node { workload: None, .. } => Vertex::Folded(Folded::Nodes),
        Endpoint::Node { workload: Some(workload), .. } => {
            Vertex::Folded(Folded::HostNetworkWorkload(workload.clone()))
        }
        Endpoint::External { .. } => Vertex::Folded(Folded::UnnamedAddresses),
        other => Vertex::Endpoint(other.clone()),
    }
}

fn to_namespace(endpoint: &Endpoint) -> Vertex {
    match endpoint {
        Endpoint::Workload(workload) | Endpoint::Node { workload: Some(workload), .. } => {
            Vertex::Folded(Folded::Namespace { name: workload.namespace.clone() })
        }
        Endpoint::ExternalName { .. } | Endpoint::External { .. } => Vertex::Folded(Folded::OutsideServers),
        other => to_workload(other),
    }
}

fn to_account(endpoint: &Endpoint, accounts: &BTreeMap<&WorkloadRef, BTreeSet<&str>>) -> Vertex {
    let Endpoint::Workload(workload) = endpoint else { return to_workload(endpoint) };
    let mut known = accounts.get(workload).into_iter().flatten();
    Vertex::Folded(match (known.next(), known.next()) {
        (Some(name), None) => Folded::ServiceAccount { namespace: workload.namespace.clone(), name: (*name).into() },
        _ => Folded::UnknownServiceAccount(workload.clone()),
    })
}

/// The ServiceAccounts of each workload, from its template and its pods. While a template is being changed, some pods may
/// run as one and some as another.
fn accounts(inventory: &Inventory) -> BTreeMap<&WorkloadRef, BTreeSet<&str>> {
    let declared = inventory.workloads.iter().map(|declared| (&declared.workload, &declared.service_account));
    let pods = inventory.pods.iter().map(|pod| (&pod.workload, &pod.service_account));
    declared.chain(pods).fold(BTreeMap::new(), |mut accounts, (workload, account)| {
        accounts.entry(workload).or_insert_with(BTreeSet::new).extend(account.as_deref());
        accounts
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, address, shop};
    use netwright_record::Protocol::Tcp;

    fn names(world: &World, by: By) -> Vec<String> {
        let observation = world.build();
        let view = DependencyGraph::new(&observation).view(by, &observation.inventory);
        let mut names: Vec<String> = view.vertices().map(|(_, vertex)| vertex.to_string()).collect();
        names.sort();
        names
    }

    fn link(world: &World, by: By, client: &str, server: &str) -> Option<u64> {
        let observation = world.build();
        let view = DependencyGraph::new(&observation).view(by, &observation.inventory);
        let name = |number: usize| view.vertex(number).unwrap().to_string();
        let mut links = view.links().filter(|(from, to, _)| name(*from) == client && name(*to) == server);
        links.next().map(|(_, _, link)| link.activity.connections)
    }

    #[test]
    fn by_endpoint_nothing_is_taken_together() {
        let observation = shop().build();
        let graph = DependencyGraph::new(&observation);
        let view = graph.view(By::Endpoint, &observation.inventory);
        assert_eq!((view.len(), view.links().count()), (graph.len(), graph.links().count()));
    }

    #[test]
    fn by_workload_nodes_and_addresses_are_classes_and_host_network_workloads_are_one() {
        let mut world = shop();
        let exporter = world.workload("monitoring", "DaemonSet", "exporter", &[("app", "exporter")]);
        let db = Endpoint::Workload(world.declared(&exporter).workload.clone());
        for node in ["n1", "n2"] {
            let host = Endpoint::Node { name: node.into(), workload: Some(exporter.clone()) };
            world.edge(host, db.clone(), Tcp, 9187);
        }
        for host in ["198.18.0.1", "198.18.0.2"] {
            world.edge(db.clone(), Endpoint::External { address: address(host) }, Tcp, 443);
        }
        let names = names(&world, By::Workload);
        for name in ["nodes", "monitoring/DaemonSet/exporter (host network)", "billing.example", "API server"] {
            assert!(names.iter().any(|known| known == name), "{name}: {names:?}");
        }
        let exporter = "monitoring/DaemonSet/exporter";
        assert_eq!(link(&world, By::Workload, &format!("{exporter} (host network)"), exporter), Some(2));
        assert_eq!(link(&world, By::Workload, exporter, "addresses without a name"), Some(2));
    }

    #[test]
    fn by_namespace_a_namespace_that_talks_to_itself_has_a_link_to_itself() {
        let world = shop();
        let expected = [
            "API server",
            "clients outside the cluster",
            "link-local 169.254.169.254",
            "namespace data",
            "namespace kube-system",
            "namespace shop",
            "nodes",
            "servers outside the cluster",
        ];
        assert_eq!(names(&world, By::Namespace), expected);
        assert_eq!(link(&world, By::Namespace, "namespace shop", "namespace shop"), Some(1));
        assert_eq!(link(&world, By::Namespace, "namespace shop", "namespace kube-system"), Some(3));
    }

    #[test]
    fn by_service_account_a_workload_without_one_known_account_stays_itself_and_is_marked() {
        let mut world = World::new();
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| world.running("n", name));
        world.declared(&a).service_account = Some("web".into());
        world.observation.inventory.pods[1].service_account = Some("web".into());
        world.declared(&c).service_account = Some("old".into());
        world.observation.inventory.pods[2].service_account = Some("new".into());
        for server in [&b, &c, &d] {
            world.edge(Endpoint::Workload(a.clone()), Endpoint::Workload(server.clone()), Tcp, 80);
        }
        let unknown = |name: &str| format!("n/Deployment/{name} (service account not known)");
        assert_eq!(names(&world, By::ServiceAccount), [unknown("c"), unknown("d"), "n/web".into()]);
        assert_eq!(link(&world, By::ServiceAccount, "n/web", "n/web"), Some(1));
    }
}
